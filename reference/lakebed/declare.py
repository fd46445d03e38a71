"""Floor 6. Declaring a tensor: what can be refused before the first sample is refused here [tensor.create]."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import codecs, dtypes, fidelity, htypes
from .codecs import CODECS, Pipeline, Step
from .columns import MAX_INT
from .errors import LakebedError, error
from .fidelity import Fidelity
from .format import document
from .model import MAX_RANK, TensorState
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
    pending: tuple[bool, bool] | None = None  # shape is free, fidelity was given: the first sample decides the rest
    fault: LakebedError | None = None  # why no sample can be added to what a commit says of it

    @property
    def chunk_bytes(self) -> int | None:
        """Payload at which a chunk is closed, where that was advised [write.tile_advice]."""
        advised = self.advice.get("chunk")
        size = advised.get("bytes") if isinstance(advised, dict) else None
        return size if type(size) is int and size >= 1 else None

    @property
    def array_pipeline(self) -> Pipeline:
        """What encodes arrays: the first pipeline that can keep the fidelity, else the first [write.codecs]."""
        if self.fidelity.exact and len(self.pipelines) > 1:
            exact = (p for p in self.pipelines if not codecs.is_lossy(p, self.dtype, self.shape))
            return next(exact, self.pipelines[0])
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
    htype: str | None = "generic",
    dtype: Any = None,
    shape: Sequence[int | None] | None = None,
    sample_compression: Any = None,
    chunk_compression: Any = None,
    fidelity_: Any = None,
    sequence: bool = False,
    tile: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    attributes: Mapping[str, Any] | None = None,
    unit_items: int | None = None,
    unit_bytes: int | None = None,
    chunk_bytes: int | None = None,
) -> Declared:
    """Errors: E_ARGUMENT, E_FIDELITY, E_FIDELITY_LABEL, E_DTYPE_UNSUPPORTED, E_EXTRA_MISSING."""
    name, nested = htypes.parse("generic" if htype is None else htype)
    row = htypes.row_of(name)
    if sample_compression is not None and chunk_compression is not None:
        raise error("E_ARGUMENT", "codec.pipeline", "give sample_compression or chunk_compression, not both")
    pipelines = codecs.parse_pipelines(sample_compression if chunk_compression is None else chunk_compression)
    if chunk_compression is not None and any(codecs.is_media(p) for p in pipelines):
        raise error("E_ARGUMENT", "codec.pipeline", "a picture is a unit of its own: use sample_compression")
    members = {**(attributes or {}), **({} if class_names is None else {"class_names": _class_names(class_names)})}
    alone = sample_compression is not None and pipelines != ((),)
    chosen = row.dtype if dtype is None else dtypes.dtype(dtype).name
    dims = _default_shape(row, pipelines, chosen) if shape is None else _shape(shape)
    declared = Declared(
        htype=name,
        dtype=chosen or "",
        shape=() if dims is None else dims,
        sequence=sequence or nested,
        fidelity=fidelity.EXACT,
        pipelines=pipelines,
        unit=_unit(unit_items, unit_bytes, alone),
        tile=None if tile is None else _tile(tile, dims),
        attributes=document.plain(members, 4),
        advice={} if chunk_bytes is None else {"chunk": {"bytes": _positive("chunk_bytes", chunk_bytes)}},
    )
    if fidelity_ is not None:
        declared.fidelity = fidelity.parse(fidelity_)
    if chosen is not None and dims is not None:
        return settle(declared, given=fidelity_ is not None)
    declared.pending = (dims is None, fidelity_ is not None)
    return declared


def settle(declared: Declared, *, given: bool) -> Declared:
    """dtype and rank are known now: check everything against them and fill in what they decide."""
    declared.attributes = htypes.check_tensor(
        declared.htype, declared.dtype, declared.shape, declared.sequence, declared.attributes
    )
    if not given:
        exact = any((codecs.is_media(p) and _can_be_exact(p, declared)) or _array(p) for p in declared.pipelines)
        declared.fidelity = fidelity.EXACT if exact else fidelity.LOSSY
    _check_fidelity(declared)
    _check_media(declared)
    declared.pipelines = tuple(_shaped(p, declared) for p in declared.pipelines)
    encoding = declared.array_pipeline
    declared.pipelines = tuple(
        codecs.resolve(p, declared.dtype, declared.shape, encodes=p is encoding) for p in declared.pipelines
    )
    if htypes.row_of(declared.htype).exact:
        _check_label(declared)
    if declared.tile is not None:
        _tile(declared.tile, declared.shape)
    return declared


def _default_shape(row: htypes.HType, pipelines: Sequence[Pipeline], dtype: str | None) -> Shape | None:
    """The first of the htype's shapes that the file formats hold, else its first [htype.default]."""
    rows = [CODECS[p[0].name] for p in pipelines if codecs.is_media(p)]
    kinds = (dtype,) if dtype else row.dtypes

    def held(shape: Shape) -> bool:
        return all(any((each.keeps or each.takes)(kind, shape) is None for kind in kinds) for each in rows)

    return next(filter(held, row.shapes), row.shape) if rows else row.shape


def _unit(items: int | None, size: int | None, alone: bool) -> dict[str, int]:
    """How units are filled [write.unit_advice]; ``alone``: each item is compressed by itself."""
    if alone and (items, size) != (None, None):
        detail = "sample_compression makes each item a unit; unit_items and unit_bytes go with chunk_compression"
        raise error("E_ARGUMENT", "write.unit_advice", detail)
    if items is not None and size is not None:
        raise error("E_ARGUMENT", "write.unit_advice", "give unit_items or unit_bytes, not both")
    if items is not None:
        return {"items": _positive("unit_items", items)}
    if size is not None:
        return {"bytes": _positive("unit_bytes", size)}
    return {"items": 1} if alone else {"bytes": UNIT_BYTES}


def _class_names(names: Any) -> list[Any]:
    """A string would fall apart into its letters."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise error("E_ARGUMENT", "htype.class_label.names", f"class_names is {names!r}; it is a list of strings")
    return list(names)


def _positive(name: str, value: Any) -> int:
    number = int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else 0
    if not 1 <= number <= MAX_INT:
        raise error("E_ARGUMENT", "write.unit_advice", f"{name} is {value!r}; it is a whole number from 1")
    return number


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


def _check_media(declared: Declared) -> None:
    """Files of the kind that the htype means, no others [htype.media]."""
    kinds = htypes.row_of(declared.htype).media
    for name in declared.formats:
        if CODECS[name].medium not in kinds:
            what = " or ".join(kinds) or "no"
            detail = f"{declared.htype} takes {what} files; {name} is {CODECS[name].medium}"
            raise error("E_ARGUMENT", "htype.media", detail)


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
        detail = f"{declared.htype} must come back exactly; {what} does not do that"
        raise error("E_FIDELITY_LABEL", "htype.lossless", detail)


def _shape(shape: Sequence[int | None]) -> Shape:
    axes = tuple(int(a) if isinstance(a, np.integer) else a for a in shape) if isinstance(shape, Iterable) else (-1,)
    if len(axes) > MAX_RANK or not all(a is None or (type(a) is int and 0 <= a <= MAX_INT) for a in axes):
        raise error("E_ARGUMENT", "tensor.shape", f"{shape!r} is no shape: at most 32 sizes, None where free")
    return axes


def _tile(tile: Sequence[int], shape: Shape | None) -> tuple[int, ...]:
    sides = tuple(int(side) if isinstance(side, np.integer) else side for side in tile)
    good = sides and all(type(side) is int and 1 <= side <= MAX_INT for side in sides)
    if not good or (shape is not None and len(shape) != len(sides)):
        detail = f"tile {tile!r} needs one positive size for each axis of an item"
        raise error("E_ARGUMENT", "write.tile_advice", detail)
    return sides


def declared_of(state: TensorState) -> Declared:
    """How to go on writing a tensor that a commit describes; advice that cannot be followed is an error then.

    Errors: E_TENSOR_FIELD.
    """
    advice = copy.deepcopy(dict(state.write))
    raw, unit, tile = advice.pop("codecs", [[]]), advice.pop("unit", {"bytes": UNIT_BYTES}), advice.pop("tile", None)
    try:
        pipelines = tuple(codecs.from_json(p) for p in raw) if isinstance(raw, list) else ()
    except LakebedError as cause:
        raise error("E_TENSOR_FIELD", "write.codecs", cause.detail) from cause
    if not pipelines and raw != []:
        raise error("E_TENSOR_FIELD", "write.codecs", f"{str(raw)[:80]} is no list of pipelines")
    good = isinstance(unit, dict) and len(unit) == 1 and unit.keys() <= {"items", "bytes"}
    if not good or not all(type(n) is int and n >= 1 for n in unit.values()):
        raise error("E_TENSOR_FIELD", "write.unit_advice", f"{str(unit)[:80]} says not how to fill units")
    sides = tile if isinstance(tile, list) and all(type(n) is int and n >= 1 for n in tile) else None
    if tile is not None and (sides is None or not sides or len(sides) != len(state.shape)):
        raise error("E_TENSOR_FIELD", "write.tile_advice", f"{str(tile)[:80]} is no tile of rank {len(state.shape)}")
    return Declared(
        htype=state.htype,
        dtype=state.dtype,
        shape=state.shape,
        sequence=state.sequence,
        fidelity=fidelity.parse(state.fidelity),
        pipelines=pipelines or ((),),
        unit=unit,
        tile=None if sides is None else tuple(sides),
        attributes=copy.deepcopy(dict(state.attributes)),
        extra=copy.deepcopy(dict(state.extra)),
        advice=advice,
        fault=_fault(state),
    )


def _fault(state: TensorState) -> LakebedError | None:
    """The rule of its htype that a stored tensor breaks [htype.fits]."""
    if state.htype in htypes.HTYPES and state.dtype in dtypes.DTYPES:
        try:
            htypes.check_stored(state.htype, state.dtype, state.shape, state.sequence, state.attributes)
        except LakebedError as cause:
            return cause
    return None
