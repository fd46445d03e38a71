"""Floor 6. Declaring a tensor: everything that can be refused before the first sample is refused here [tensor.create]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import codecs, dtypes, fidelity, htypes
from .codecs import CODECS, Pipeline, Step
from .errors import error
from .fidelity import Fidelity
from .writer import UNIT_BYTES

Shape = tuple[int | None, ...]


@dataclass(slots=True)
class Declared:
    """What a tensor is, while it can still be written. ``dtype`` is "" until the first sample decides it."""

    htype: str
    dtype: str
    shape: Shape
    sequence: bool
    fidelity: Fidelity
    pipelines: tuple[Pipeline, ...]
    unit: dict[str, int]
    tile: tuple[int, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    advice: dict[str, Any] = field(default_factory=dict)  # of `write`, what this writer does not know

    @property
    def array_pipeline(self) -> Pipeline:
        """What arrays are encoded with: the first pipeline that can keep the fidelity, else the first [write.codecs]."""
        if self.fidelity.exact and len(self.pipelines) > 1:
            return next((p for p in self.pipelines if not codecs.is_lossy(p, self.dtype, self.shape)), self.pipelines[0])
        return self.pipelines[0]

    @property
    def formats(self) -> tuple[str, ...]:
        """File formats kept verbatim."""
        return tuple(p[0].name for p in self.pipelines if codecs.is_media(p))

    def write(self) -> dict[str, Any]:
        """The advice for the next writer [write.codecs]."""
        out: dict[str, Any] = {
            **self.advice,
            "codecs": [codecs.to_json(p) for p in self.pipelines],
            "unit": dict(self.unit),
        }
        return out if self.tile is None else {**out, "tile": list(self.tile)}


def declare(
    *,
    htype: str = "generic",
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
    sample_compression: Any = None,
    chunk_compression: Any = None,
    fidelity_: Any = None,
    sequence: bool = False,
    tile: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Declared:
    """Errors: E_ARGUMENT, E_FIDELITY, E_FIDELITY_LABEL, E_DTYPE_UNSUPPORTED, E_EXTRA_MISSING."""
    name, nested = htypes.parse(htype)
    row = htypes.row_of(name)
    if sample_compression is not None and chunk_compression is not None:
        raise error("E_ARGUMENT", "codec.pipeline", "give sample_compression or chunk_compression, not both")
    pipelines = codecs.parse_pipelines(sample_compression if chunk_compression is None else chunk_compression)
    if chunk_compression is not None and any(codecs.is_media(p) for p in pipelines):
        raise error("E_ARGUMENT", "codec.pipeline", "a picture is a unit of its own: use sample_compression")
    members = dict(attributes or {})
    if class_names is not None:
        members["class_names"] = list(class_names)
    chosen = row.dtype if dtype is None else dtypes.dtype(dtype).name
    dims = row.shape if shape is None else _shape(shape)
    declared = Declared(
        htype=name,
        dtype=chosen or "",
        shape=() if dims is None else dims,
        sequence=sequence or nested,
        fidelity=fidelity.EXACT,
        pipelines=pipelines,
        unit={"items": 1} if sample_compression is not None and pipelines != ((),) else {"bytes": UNIT_BYTES},
        tile=None if tile is None else _tile(tile, dims),
        attributes=members,
    )
    if fidelity_ is not None:
        declared.fidelity = fidelity.parse(fidelity_)
    if chosen is not None and dims is not None:
        return settle(declared, given=fidelity_ is not None)
    declared.extra = {"pending": (dims is None, fidelity_ is not None)}
    return declared


def settle(declared: Declared, *, given: bool) -> Declared:
    """dtype and rank are known now: check everything against them and fill in what they decide."""
    declared.attributes = htypes.check_tensor(
        declared.htype, declared.dtype, declared.shape, declared.sequence, declared.attributes
    )
    if not given:
        exact = any(codecs.is_media(p) and _can_be_exact(p, declared) or _array(p) for p in declared.pipelines)
        declared.fidelity = fidelity.EXACT if exact else fidelity.LOSSY
    _check_fidelity(declared)
    declared.pipelines = tuple(
        codecs.resolve(_shaped(p, declared), declared.dtype, declared.shape) for p in declared.pipelines
    )
    if htypes.row_of(declared.htype).exact:
        _check_label(declared)
    return declared


def _array(pipeline: Pipeline) -> bool:
    return not codecs.is_media(pipeline) and not any(step.name == "quantize" for step in pipeline)


def _can_be_exact(pipeline: Pipeline, declared: Declared) -> bool:
    step = _lossless(pipeline[0])
    return codecs.media_exact(step.name, dict(step.params), declared.dtype, declared.shape)


def _lossless(step: Step) -> Step:
    """A codec that is exact by a switch is switched so, unless parameters ask for something else."""
    names = {param.name for param in CODECS[step.name].params}
    return step if step.params or "lossless" not in names else Step(step.name, (("lossless", True),))


def _shaped(pipeline: Pipeline, declared: Declared) -> Pipeline:
    """The pipeline as the fidelity needs it: quantize for a bound, the lossless switch for exactness."""
    bound = declared.fidelity.to_json()
    if codecs.is_media(pipeline):
        return (_lossless(pipeline[0]),) if declared.fidelity.exact else pipeline
    if isinstance(bound, dict) and "psnr_db" not in bound and dtypes.DTYPES[declared.dtype].kind == "float":
        return codecs.bounded(pipeline, bound)
    return pipeline


def _check_fidelity(declared: Declared) -> None:
    reason = fidelity.takes(declared.fidelity, declared.dtype)
    if reason is not None:
        raise error("E_ARGUMENT", "fidelity.form", reason)
    quantized = any(step.name == "quantize" for p in declared.pipelines for step in p)
    if quantized and declared.fidelity.kind not in ("max_abs_error", "max_rel_error", "lossy"):
        detail = "quantize loses precision: declare fidelity={'max_abs_error': e} or {'max_rel_error': e}"
        raise error("E_FIDELITY", "fidelity.declared", detail)


def _check_label(declared: Declared) -> None:
    lossy = [p for p in declared.pipelines if codecs.is_lossy(p, declared.dtype, declared.shape)]
    if lossy or not declared.fidelity.exact:
        what = codecs.names(lossy) if lossy else f"fidelity {declared.fidelity.to_json()}"
        raise error("E_FIDELITY_LABEL", "htype.lossless", f"{declared.htype} must come back exactly; {what} does not do that")


def _shape(shape: Sequence[int | None]) -> Shape:
    axes = tuple(shape)
    if len(axes) > 32 or not all(a is None or (isinstance(a, int) and not isinstance(a, bool) and a >= 0) for a in axes):
        raise error("E_ARGUMENT", "tensor.shape", f"{shape!r} is no shape: at most 32 sizes, None where free")
    return axes


def _tile(tile: Sequence[int], shape: Shape | None) -> tuple[int, ...]:
    sides = tuple(tile)
    good = sides and all(isinstance(side, int) and side >= 1 for side in sides)
    if not good or (shape is not None and len(shape) != len(sides)):
        raise error("E_ARGUMENT", "write.tile_advice", f"tile {tile!r} needs one positive size for each axis of an item")
    return sides
