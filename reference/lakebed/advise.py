"""Floor 7. Which compression suits these samples: measured on them, judged by the rules of the guide.

    advice = lakebed.recommend(arrays, htype="image")
    ds.create_tensor("x", htype="image", **advice.arguments)

Labels, masks and text are only offered what keeps every bit. Files are kept as they are. Floats are quantized only
under a bound that the caller states. Samples below 16 KiB share units, larger ones have their own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import codecs, dtypes, fidelity, htypes
from .codecs import CODECS, Pipeline
from .errors import LakebedError, error
from .extras import installed
from .fidelity import Fidelity, takes
from .files import EncodedFile

SHARED = 16 << 10  # samples below this many raw bytes share a unit
TINY = 4 << 10  # pictures below this are no files
UNIT = 64 << 10
PROBE = 8 << 20  # raw bytes that are looked at
GAIN = 0.9  # what a codec must reach against none
BANDWIDTH = 200e6
_CLAUSE = "tensor.create"

_NUMBERS = ("lz4", "shuffle+lz4", "delta+shuffle+lz4", "zstd", "shuffle+zstd", "delta+shuffle+zstd", "pcodec")
_EXACT = ("png", {"name": "webp", "lossless": True}, {"name": "jxl", "lossless": True}, "qoi", "jpeg2000")
_LOSSY = (
    {"name": "jpeg", "quality": 85},
    {"name": "jpeg", "quality": 95, "subsampling": "4:4:4"},
    {"name": "webp", "quality": 80},
    {"name": "avif", "quality": 75},
    {"name": "jxl", "distance": 1.0},
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One compression on the samples: ``ratio`` raw to stored bytes, speeds in raw MB (10^6) a second, ``error``
    as "exact", "30.1 dB" or "max 0.001", ``seconds`` to fetch and decode the probe at the bandwidth asked for."""

    name: str
    asked: Any
    stored: int
    ratio: float
    encode: float
    decode: float
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Advice:
    """``pick`` is one of ``candidates`` (best first); ``reason`` says why; ``unit`` is "sample" or "chunk".

    ``declared`` is what else the tensor must be told to take these samples: a dtype that is not its htype's default.
    """

    candidates: tuple[Candidate, ...]
    pick: Candidate
    reason: str
    unit: str
    fidelity: Any
    declared: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """For ``create_tensor``."""
        if self.pick.asked is None:
            return dict(self.declared)
        key = "sample_compression" if self.unit == "sample" else "chunk_compression"
        asked: dict[str, Any] = {**self.declared, key: self.pick.asked}
        return asked if self.fidelity == "exact" else {**asked, "fidelity": self.fidelity}


def recommend(
    samples: Iterable[Any],
    *,
    htype: str = "generic",
    dtype: Any = None,
    fidelity: Any = "exact",
    bandwidth: float = BANDWIDTH,
) -> Advice:
    """Measure the candidates for these samples (what a tensor of ``htype`` takes, or files from
    :func:`lakebed.read`) and pick one.

    ``dtype`` is the tensor's: by default that of the htype; a generic tensor's is that of the samples. Text, JSON,
    lists, tags and links are measured as the bytes that are stored. ``fidelity`` as of a tensor: lossy codecs are
    tried only where it allows them, and must keep it. ``bandwidth`` in bytes a second: 200e6 is an object store, 2e9 a
    local disk. Missing samples (None) are left out. Errors: E_ARGUMENT for no samples, or what such a tensor would not
    take; E_FIDELITY_LABEL.
    """
    if isinstance(bandwidth, bool) or not isinstance(bandwidth, int | float) or not 0 < bandwidth < math.inf:
        raise error("E_ARGUMENT", _CLAUSE, f"bandwidth is bytes a second, above 0, not {bandwidth!r}")
    if isinstance(samples, str | bytes | EncodedFile) or not hasattr(samples, "__iter__"):
        raise error("E_ARGUMENT", _CLAUSE, f"samples are given as a list, not as one {type(samples).__name__}")
    given = [sample for sample in samples if sample is not None]
    if not given:
        raise error("E_ARGUMENT", _CLAUSE, "no samples to look at: give some that are not missing")
    promise = _fidelity(fidelity, htype)
    files = [sample for sample in given if isinstance(sample, EncodedFile)]
    if files:
        if len(files) != len(given):
            detail = f"{len(files)} of {len(given)} samples are files: ask for files and arrays apart"
            raise error("E_ARGUMENT", _CLAUSE, detail)
        return _files(files, htype, bandwidth)
    arrays, declared = _arrays(given, htype, dtype)
    reason = takes(promise, dtypes.dtype(arrays[0].dtype).name)
    if reason is not None:
        raise error("E_ARGUMENT", "fidelity.form", reason)
    mean = sum(a.nbytes for a in arrays) / len(arrays)
    probe = _probe(arrays)
    found = [_array_way(name, probe, mean, promise, bandwidth) for name in _ways(arrays[0], promise, htype)]
    if _pictures(arrays[0], htype) and mean >= TINY:
        found += [_picture_way(asked, probe, promise, bandwidth) for asked in _EXACT]
        lossy = () if promise.exact else _LOSSY
        found += [_picture_way(asked, probe, promise, bandwidth) for asked in lossy]
    kept = sorted((each for each in found if each is not None), key=lambda each: each.seconds)
    return _judged(kept, promise, mean, declared)


def _fidelity(value: Any, htype: str) -> Fidelity:
    promise = fidelity.parse(value)
    if htypes.row_of(htypes.parse(htype)[0]).exact and not promise.exact:
        raise error("E_FIDELITY_LABEL", "htype.lossless", f"{htype} must come back exactly")
    return promise


@dataclass(slots=True)
class _Meant:
    """The tensor that the samples are for."""

    htype: str
    dtype: str
    shape: htypes.Shape
    sequence: bool
    attributes: Mapping[str, Any]


def _arrays(given: list[Any], htype: str, dtype: Any) -> tuple[list[np.ndarray], dict[str, Any]]:
    """The items as such a tensor stores them, and what must be said when it is created: the dtype, where neither the
    caller nor the htype has it. Errors: E_ARGUMENT."""
    try:
        meant, declared = _meant(given, htype, dtype)
        ids: dict[str, int] = {}
        made = [htypes.encode_sample(meant, value, name_id=lambda name: ids.setdefault(name, len(ids)))
                for value in given]  # fmt: skip
    except (LakebedError, TypeError, ValueError) as problem:
        if isinstance(problem, LakebedError) and problem.code == "E_ARGUMENT":
            raise
        detail = problem.detail if isinstance(problem, LakebedError) else str(problem)
        wanted = f"give what a tensor of {htype} takes, all of one dtype and rank, or another htype or dtype"
        raise error("E_ARGUMENT", _CLAUSE, f"{detail}; {wanted}") from problem
    arrays = [item for value in made for item in (value if isinstance(value, list) else [value])]
    if not sum(a.nbytes for a in arrays):
        raise error("E_ARGUMENT", _CLAUSE, "the samples are empty: give some with elements")
    return arrays, declared


def _meant(given: list[Any], htype: str, dtype: Any) -> tuple[_Meant, dict[str, Any]]:
    name, nested = htypes.parse(htype)
    row = htypes.row_of(name)
    items = [item for value in given for item in value] if nested and row.convert is None else given
    item = None if row.convert is not None else next((each for each in items if np.size(each)), None)
    first = np.zeros((0,) * len(row.shape or (0,)), np.uint8) if item is None else np.asarray(item)
    own = first.dtype
    declared: dict[str, Any] = {}
    if dtype is not None:
        chosen = dtypes.dtype(dtype).name
    elif name == "generic":
        if own.kind in "OSUT":
            detail = f"{type(item).__name__} is no array of numbers: say htype text, json or class_label"
            raise error("E_ARGUMENT", _CLAUSE, detail)
        chosen = dtypes.dtype(own).name
    else:
        chosen = row.dtype or dtypes.dtype(own).name
        named = isinstance(item, np.ndarray | np.generic) and own.name in row.dtypes
        if named and not np.can_cast(own, dtypes.dtype(chosen).numpy):
            chosen = own.name
        if row.dtype is not None and chosen != row.dtype:
            declared = {"dtype": chosen}
    shape: htypes.Shape = next((each for each in row.shapes if len(each) == first.ndim), (None,) * first.ndim)
    attributes = htypes.check_tensor(name, chosen, shape, nested, {})
    return _Meant(name, chosen, shape, nested, attributes), declared


def _judged(kept: Sequence[Candidate], promise: Fidelity, mean: float, declared: Mapping[str, Any]) -> Advice:
    """The quickest to have, if it is worth it: a codec must save a tenth of the bytes, and not be slower than none."""
    none = next(each for each in kept if each.asked is None)
    worth = [each for each in kept if each.stored <= GAIN * none.stored and each.seconds <= none.seconds]
    pick = worth[0] if worth else none
    media = pick.asked is not None and codecs.is_media(codecs.parse_pipelines(pick.asked)[0])
    unit = "sample" if media or mean >= SHARED else "chunk"
    if pick is none:
        reason = "nothing saves a tenth of the bytes without costing more time than it saves"
    else:
        reason = f"least time to fetch and decode: {pick.ratio:.2f} times smaller, {pick.decode:,.0f} MB/s to decode"
    if not media:
        larger = "own units, so that one is read alone" if unit == "sample" else "shared units of 64 KiB"
        reason += f"; samples of {mean:,.0f} bytes on average get {larger}"
    return Advice(tuple(kept), pick, reason, unit, promise.to_json(), declared)


def _probe(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Samples from the start, the middle and the end, up to PROBE bytes."""
    if sum(a.nbytes for a in arrays) <= PROBE:
        return arrays
    order = np.argsort(np.arange(len(arrays)) * 0.6180339887 % 1)  # spread evenly, the same every time
    chosen, size = [], 0
    for number in order.tolist():
        chosen.append(arrays[number])
        size += arrays[number].nbytes
        if size >= PROBE:
            break
    return chosen


def _pictures(first: np.ndarray, htype: str) -> bool:
    shaped = first.ndim == 2 or (first.ndim == 3 and 1 <= first.shape[2] <= 4)
    taken = "picture" in htypes.row_of(htypes.parse(htype)[0]).media
    return shaped and taken and first.dtype.name in ("uint8", "uint16", "bool")


def _ways(first: np.ndarray, promise: Fidelity, htype: str) -> list[Any]:
    bound = promise.to_json()
    ways: list[Any] = [None, *_NUMBERS]
    if isinstance(bound, dict) and "psnr_db" not in bound and first.dtype.kind == "f":
        ways += [[{"name": "quantize", **bound}, "shuffle", each] for each in ("lz4", "zstd")]
    if first.dtype.itemsize == 1:
        ways = [each for each in ways if each is None or (isinstance(each, str) and "shuffle" not in each)]
    return ways


def _timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """The shortest of a few runs, for what else the machine does is noise; long ones run once."""
    best, spent, made = math.inf, 0.0, None
    for _ in range(5):
        start = time.perf_counter()
        made = act()
        took = max(time.perf_counter() - start, 1e-9)
        best, spent = min(best, took), spent + took
        if spent > 0.1:
            break
    return best, made


def _name(asked: Any) -> str:
    if asked is None:
        return "none"
    if isinstance(asked, list):
        return "+".join(each if isinstance(each, str) else each["name"] for each in asked)
    if isinstance(asked, str):
        return asked
    return " ".join([asked["name"], *(f"{key}={value}" for key, value in asked.items() if key != "name")])


def _made(asked: Any, took: tuple[float, float], raw: int, stored: int, said: str, bandwidth: float) -> Candidate:
    encode, decode = took
    seconds = stored / bandwidth + decode
    return Candidate(
        _name(asked), asked, stored, raw / max(1, stored), raw / encode / 1e6, raw / decode / 1e6, said, seconds
    )


def _array_way(
    asked: Any, arrays: list[np.ndarray], mean: float, promise: Fidelity, bandwidth: float
) -> Candidate | None:
    dtype = arrays[0].dtype
    try:
        pipeline: Pipeline = codecs.resolve(codecs.parse_pipelines(asked)[0], dtype.name)
    except LakebedError:
        return None  # not for this dtype, or not installed
    units = [a.tobytes() for a in arrays]
    if mean < SHARED:
        whole, step = b"".join(units), max(1, UNIT // dtype.itemsize) * dtype.itemsize
        units = [whole[start : start + step] for start in range(0, len(whole), step)]
    encode, done = _timed(lambda: [codecs.encode_unit(pipeline, unit) for unit in units])
    decode, back = _timed(
        lambda: [codecs.decode(used, data, len(unit)) for (used, data), unit in zip(done, units, strict=True)]
    )
    if not pipeline:  # nothing is done to the bytes, but they are carried from one place to another
        encode, _ = decode, _ = _timed(lambda: [bytearray(unit) for unit in units])
    raw = sum(map(len, units))
    said = "exact"
    if any(step.name == "quantize" for step in pipeline):
        before, after = (np.frombuffer(b"".join(map(bytes, each)), dtype) for each in (units, back))
        said = _error(before, after, promise)
    return _made(asked, (encode, decode), raw, sum(len(data) for _, data in done), said, bandwidth)


def _picture_way(asked: Any, arrays: list[np.ndarray], promise: Fidelity, bandwidth: float) -> Candidate | None:
    first, name = arrays[0], asked if isinstance(asked, str) else asked["name"]
    row = CODECS[name]
    params = {} if isinstance(asked, str) else {key: value for key, value in asked.items() if key != "name"}
    if row.takes(first.dtype.name, first.shape) is not None or (row.extra is not None and not installed(row.library)):
        return None
    try:
        encode, files = _timed(lambda: [codecs.encode_media(name, params, a) for a in arrays])
        decode, back = _timed(
            lambda: [
                codecs.decode_media(name, {}, d, a.dtype.name, a.shape) for d, a in zip(files, arrays, strict=True)
            ]
        )
        said = "exact"
        for before, after in zip(arrays, back, strict=True):
            fidelity.check(before, np.ascontiguousarray(after), promise)
        if not codecs.media_exact(name, params, first.dtype.name, first.shape):
            said = _error(
                np.concatenate([a.ravel() for a in arrays]), np.concatenate([b.ravel() for b in back]), promise
            )
    except LakebedError:
        return None  # it cannot keep the promise for one of the samples
    return _made(asked, (encode, decode), sum(a.nbytes for a in arrays), sum(map(len, files)), said, bandwidth)


def _error(before: np.ndarray, after: np.ndarray, promise: Fidelity) -> str:
    if before.dtype.kind == "u":
        found = fidelity.psnr(before, after)
        return "exact" if math.isinf(found) else f"{found:.1f} dB"
    with np.errstate(invalid="ignore"):
        off = np.abs(after.astype(np.float64) - before.astype(np.float64))
    worst = float(np.nanmax(off)) if off.size and not np.isnan(off).all() else 0.0
    return "exact" if worst == 0 else f"max {worst:.3g}"


def _files(given: list[EncodedFile], htype: str, bandwidth: float) -> Advice:
    """Files stay what they are: coding them again loses, or gains nothing and costs time. Errors: E_ARGUMENT."""
    row = htypes.row_of(htypes.parse(htype)[0])
    for file in given:
        if CODECS[file.format].medium not in row.media:
            raise error("E_ARGUMENT", "htype.media", f"{htype} takes no {file.format} files; name another htype")
        if row.exact and not file.lossless:
            detail = f"{htype} must come back exactly, and a {file.format} file is lossy; give the arrays"
            raise error("E_ARGUMENT", "htype.lossless", detail)
    forms = sorted({file.format for file in given})
    raw = sum(math.prod(file.shape) * np.dtype(file.dtype).itemsize for file in given)
    try:
        decode, _ = _timed(lambda: [file.verify() for file in given])
    except LakebedError as problem:
        which = "" if problem.object is None else f"{problem.object}: "
        raise error("E_ARGUMENT", _CLAUSE, f"{which}{problem.detail}; leave this file out") from problem
    stored = sum(len(file.data) for file in given)
    asked: Any = forms[0] if len(forms) == 1 else forms
    said = "as given"
    found = [_made(asked, (decode, decode), raw, stored, said, bandwidth)]
    if forms == ["jpeg"] and installed("imagecodecs"):
        encode, packed = _timed(lambda: [codecs.kept("jpeg", f.data, ["jxl_jpeg", "jpeg"]) for f in given])
        size = sum(len(each[1]) for each in packed if each is not None)
        ways = [(name, data, f) for (name, data), f in zip(filter(None, packed), given, strict=True)]
        again, _ = _timed(lambda: [codecs.decode_media(name, {}, data, f.dtype, f.shape) for name, data, f in ways])
        found.append(_made(["jxl_jpeg", "jpeg"], (encode, again), raw, size, said, bandwidth))
    reason = f"they are {', '.join(forms)} files already: kept byte for byte, nothing is coded twice"
    return Advice(tuple(found), found[0], reason, "sample", "exact")
