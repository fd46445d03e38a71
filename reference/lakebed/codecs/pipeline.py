"""Floor 1. Pipelines: what the user asks for, what the index records, and the bytes between [codec.pipeline].

A pipeline is a tuple of steps in encode order [codec.order]: filters, then at most one byte codec; or exactly one
media codec. The empty pipeline stores bytes as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import DTYPES
from ..errors import LakebedError, error
from ..extras import installed
from .registry import CODECS, codec
from .row import Buffer, Codec, Params, Shape, corrupt


class Step(NamedTuple):
    """One codec of a pipeline with its parameters, in the registry's order [codec.params.order]."""

    name: str
    params: tuple[tuple[str, Any], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, **dict(self.params)}


Pipeline = tuple[Step, ...]
STEPS = 8
SCRATCH = 16 << 20  # bytes between two steps that a thread keeps room for
_here = threading.local()
RAW: Pipeline = ()


def to_json(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The pipeline as the array of maps that JSON and the index hold."""
    return [step.to_json() for step in pipeline]


def from_json(value: Any) -> Pipeline:
    """A pipeline from its array of maps; unknown codecs and bad parameters are E_ARGUMENT."""
    if not isinstance(value, (list, tuple)):
        raise error("E_ARGUMENT", "codec.pipeline", f"{value!r} is no pipeline: an array of maps is needed")
    return _formed(tuple(_asked(step) for step in value))


def parse_pipelines(value: Any) -> tuple[Pipeline, ...]:
    """The alternatives that a ``sample_compression`` or ``chunk_compression`` argument means.

    None or "none": raw. "lz4", "shuffle+lz4", {"name": "jpeg", "quality": 90}: one pipeline. A flat list is one
    pipeline too (["shuffle", "lz4"]), except that several media codecs are alternatives (["jpeg", "png"]). A list
    with a list, a "+" or None in it is a list of alternatives.
    """
    if value is None or isinstance(value, (str, dict)):
        return (_one(value),)
    if not isinstance(value, (list, tuple)):
        raise error("E_ARGUMENT", "codec.pipeline", f"{value!r} is no compression: None, a name, a map or a list")
    nested = any(v is None or isinstance(v, (list, tuple)) or (isinstance(v, str) and "+" in v) for v in value)
    if not nested:
        steps = tuple(_asked(v) for v in value)
        media = steps and all(CODECS[s.name].kind == "media" for s in steps)
        found: tuple[Pipeline, ...] = tuple((s,) for s in steps) if media else (_formed(steps),)
    else:
        found = tuple(from_json(v) if isinstance(v, (list, tuple)) else _one(v) for v in value)
    names = [tuple(step.name for step in pipeline) for pipeline in found]
    if len(set(names)) != len(names):
        raise error("E_ARGUMENT", "codec.pipeline", f"{value!r} names the same alternative twice")
    return found


def _one(value: Any) -> Pipeline:
    if value is None or (isinstance(value, str) and value.lower() in ("none", "")):
        return RAW
    parts = value.split("+") if isinstance(value, str) else [value]
    return _formed(tuple(_asked(part) for part in parts))


def _asked(value: Any) -> Step:
    """One step as the user writes it: a name or an alias, or a map with its parameters."""
    if isinstance(value, Step):
        return value
    members = {"name": value} if isinstance(value, str) else value
    if not isinstance(members, dict) or not isinstance(members.get("name"), str):
        raise error("E_ARGUMENT", "codec.pipeline", f"{value!r} is no codec: a name, or a map with a name")
    row = codec(members["name"].strip())
    params = {key: item for key, item in members.items() if key != "name"}
    known = {param.name: param for param in row.params}
    for key, item in params.items():
        if key not in known:
            names = ", ".join(known) or "none"
            raise error("E_ARGUMENT", "codec.params", f"{row.name} has no parameter {key!r}; it has: {names}")
        reason = known[key].refused(item)
        if reason is not None:
            raise error("E_ARGUMENT", "codec.params", f"{row.name}: {reason}")
    return Step(row.name, tuple((name, params[name]) for name in known if name in params))


def _formed(pipeline: Pipeline) -> Pipeline:
    reason = _misformed(pipeline)
    if reason is not None:
        raise error("E_ARGUMENT", "codec.chain", reason)
    return pipeline


def _misformed(pipeline: Pipeline) -> str | None:
    """Why the known codecs of ``pipeline`` cannot follow one another; None when they can."""
    if len(pipeline) > STEPS:
        return f"{len(pipeline)} steps; {STEPS} are the most"
    rows = [CODECS[step.name] for step in pipeline if step.name in CODECS]
    names = "+".join(step.name for step in pipeline)
    if any(row.kind == "media" for row in rows) and len(pipeline) > 1:
        return f"{names}: a media codec stands alone in its pipeline"
    if any(row.kind == "bytes" for row in rows[:-1]):
        return f"{names}: filters come first, then at most one byte codec"
    if "quantize" in [row.name for row in rows[1:]]:
        return f"{names}: quantize comes first"
    if len(rows) > 1 and rows[-1].name == "pcodec":  # [codec.pcodec.alone]
        return f"{names}: pcodec stands alone, it does the work of filters itself"
    if rows and rows[0].name == "quantize" and "narrow" in [row.name for row in rows]:
        return f"{names}: quantize already narrows"
    return None


def pipeline_from_index(maps: Any) -> Pipeline:
    """A pipeline as a chunk's index holds it: a list of maps, each with a ``name``.

    A codec (or a parameter) that this reader does not know is kept: only the units that use it fail, at decode, with
    E_CODEC_UNSUPPORTED. A known codec with a parameter that is not allowed is E_INDEX_CODEC.
    """
    steps = []
    if not isinstance(maps, (list, tuple)) or len(maps) > STEPS:
        raise error("E_INDEX_FIELD", "codec.pipeline", f"a pipeline is an array of at most {STEPS} maps")
    for members in maps:
        name = members.get("name") if isinstance(members, dict) else None
        if not isinstance(name, str):
            raise error("E_INDEX_FIELD", "codec.pipeline", f"a pipeline's step {members!r} has no name")
        row = CODECS.get(name)
        rank = {} if row is None else {param.name: place for place, param in enumerate(row.params)}
        params = sorted(
            ((key, item) for key, item in members.items() if key != "name"), key=lambda p: (rank.get(p[0], 99), p[0])
        )
        for key, item in params:
            reason = row.params[rank[key]].refused(item) if row is not None and key in rank else None
            if reason is not None:
                raise error("E_INDEX_CODEC", "codec.params", f"{name}: {reason}")
        _hold_required(row, name, dict(params))
        steps.append(Step(name, tuple(params)))
    reason = _misformed(tuple(steps))
    if reason is not None:
        raise error("E_INDEX_CODEC", "codec.chain", reason)
    return tuple(steps)


def _hold_required(row: Codec | None, name: str, params: Params) -> None:
    for param in row.params if row is not None else ():
        if param.required and param.name not in params:
            raise error("E_INDEX_CODEC", "codec.params", f"{name} is recorded without its {param.name}")
    if name == "quantize" and ("max_abs_error" in params) == ("max_rel_error" in params):
        raise error("E_INDEX_CODEC", "codec.quantize.bound", "quantize needs one of max_abs_error and max_rel_error")


def resolve(pipeline: Pipeline, dtype: str, shape: Shape | None = None, *, encodes: bool = True) -> Pipeline:
    """``pipeline`` with everything filled in that ``dtype`` decides, and the defaults of media parameters.

    What a unit's values decide (the width of narrow, the element size after quantize) is left to :func:`encode_unit`.
    Refuses what cannot take the dtype or the shape [codec.takes], or lacks its library (E_EXTRA_MISSING); one that
    only keeps files (``encodes`` is false) does without the library that encoding would need.
    """
    steps: list[Step] = []
    for step in pipeline:
        sized = not any(before.name in ("quantize", "narrow") for before in steps)
        steps.append(_resolved(step, dtype, shape, sized, encodes))
    return _formed(tuple(steps))


def _resolved(step: Step, dtype: str, shape: Shape | None, sized: bool, encodes: bool) -> Step:
    row = CODECS[step.name]
    reason = (row.keeps or row.takes)(dtype, shape)
    if reason is not None:
        raise error("E_ARGUMENT", "codec.takes", f"{row.name} cannot hold {dtype} arrays here: {reason}")
    if row.extra is not None and not installed(row.library):
        detail = f"{row.name} needs {row.library}; pip install 'lakebed[{row.extra}]'"
        raise error("E_EXTRA_MISSING", "codec.extra", detail)
    params = dict(step.params)
    if row.kind == "media":
        params = {**_defaults(row), **params}
        lacks = row.needs(params, dtype, shape) if encodes and row.needs is not None else None
        if lacks is not None and not installed(lacks[0]):
            detail = f"{row.name} of this kind needs {lacks[0]}; pip install 'lakebed[{lacks[1]}]'"
            raise error("E_EXTRA_MISSING", "codec.extra", detail)
        return _step(row, params)
    if row.name == "quantize":
        params.setdefault("dtype", dtype)
        if params["dtype"] != dtype or ("max_abs_error" in params) == ("max_rel_error" in params):
            detail = f"quantize of {dtype} needs one of max_abs_error and max_rel_error, and no other dtype"
            raise error(
                "E_ARGUMENT", "codec.quantize.bound" if params["dtype"] == dtype else "codec.quantize.place", detail
            )
    elif sized:
        params = _sized(row, params, dtype)
    return _step(row, {key: item for key, item in params.items() if item != _defaults(row).get(key)})


def _defaults(row: Codec) -> Params:
    """What an absent parameter means [codec.params.default]."""
    return {param.name: param.default for param in row.params if param.default is not None}


def _sized(row: Codec, params: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Element size (and what goes with it) of a filter whose input is an array of ``dtype``."""
    names = {param.name for param in row.params}
    kind, itemsize = DTYPES[dtype].kind, DTYPES[dtype].itemsize
    if row.name == "pcodec":
        params.setdefault("dtype", dtype)
    if "size" not in names or "size" in params:
        return params
    if row.name == "delta" and kind == "complex":  # real beside real, imaginary beside imaginary
        return {"stride": 2, **params, "size": itemsize // 2}
    filled = {**params, "size": itemsize}
    if "signed" in names and kind == "int":
        filled.setdefault("signed", True)
    return filled


def _step(row: Codec, params: dict[str, Any]) -> Step:
    return Step(row.name, tuple((param.name, params[param.name]) for param in row.params if param.name in params))


def exact_tail(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` without quantize, sized for its dtype: what a unit that cannot keep the bound is stored with."""
    if not pipeline or pipeline[0].name != "quantize":
        return pipeline
    return resolve(pipeline[1:], dict(pipeline[0].params)["dtype"])


def encode_unit(pipeline: Pipeline, raw: Buffer) -> tuple[Pipeline, Buffer]:
    """The writer's door for array units: (the pipeline to record, the bytes to store).

    Falls back to the exact tail of the pipeline, then to raw, where encoding does not make the unit smaller
    [write.unit.raw].
    """
    if pipeline and len(raw):
        for candidate in (pipeline, exact_tail(pipeline)) if pipeline[0].name == "quantize" else (pipeline,):
            done = _encoded(candidate, raw)
            if done is not None and len(done[1]) < len(raw):
                return done
    return RAW, raw


def encode(pipeline: Pipeline, raw: Buffer) -> Buffer:
    """``raw`` through every step of a complete array pipeline; E_ARGUMENT where a step cannot take these bytes."""
    done = _encoded(pipeline, raw)
    if done is None or done[0] != pipeline:
        names = "+".join(step.name for step in pipeline)
        raise error("E_ARGUMENT", "codec.encode", f"{names} cannot take these {len(raw)} bytes as it stands")
    return done[1]


def _encoded(pipeline: Pipeline, raw: Buffer) -> tuple[Pipeline, Buffer] | None:
    data = raw
    used = []
    element = 0
    for step, row, params in _rows(pipeline):
        if row.encode is None:
            raise error("E_ARGUMENT", "codec.encode", f"{row.name} does not encode bytes")
        if row.name == "narrow" and "width" not in params:
            width = _width(data, params)
            element = width
            if width == params["size"]:
                continue
            params = {**params, "width": width}
            step = _step(row, params)
        elif "size" not in params and any(param.name == "size" for param in row.params):
            params = {**params, "size": element}
            step = _step(row, params)
        done = row.encode(data, params)
        if done is None:
            return None
        data = done
        if row.name == "quantize":
            element = data[1]  # the width of its codes
        used.append(step)
    return (tuple(used) if len(used) != len(pipeline) or element else pipeline), data


def _width(raw: Buffer, params: Params) -> int:
    """The narrowest width for the integers in ``raw``."""
    view = memoryview(raw).cast("B")
    size = params["size"]
    values = np.frombuffer(view[: len(view) // size * size], f"<{'i' if params.get('signed') else 'u'}{size}")
    span = int(values.max()) - int(values.min()) if len(values) else 0
    return next(width for width in (1, 2, 4, 8) if width >= size or span < 1 << (8 * width))


def decode(
    pipeline: Pipeline, stored: Buffer, length: int, *, object: str | None = None, offset: int | None = None
) -> Buffer:
    """The ``length`` raw bytes of an array unit.

    Every intermediate length is bounded before it is made, all input is consumed, and exactly ``length`` bytes come
    out; else E_CODEC_DATA [codec.length], [codec.whole]. A codec or parameter this reader lacks is E_CODEC_UNSUPPORTED
    [codec.unknown], [codec.params.unknown].
    """
    try:
        return _decoded(pipeline, stored, length, None)
    except LakebedError as problem:
        if object is None and offset is None:
            raise
        raise error(problem.code, problem.clause, problem.detail, object=object, offset=offset) from problem


def decode_into(
    pipeline: Pipeline, stored: Buffer, out: memoryview, *, object: str | None = None, offset: int | None = None
) -> None:
    """Like :func:`decode`, into a writable buffer of exactly the decoded length; what a refused unit leaves in it is
    undefined."""
    try:
        done = _decoded(pipeline, stored, len(out), out)
    except LakebedError as problem:
        raise error(problem.code, problem.clause, problem.detail, object=object, offset=offset) from problem
    if done is not out:
        out[:] = done


def direct(pipeline: Pipeline) -> bool:
    """Whether :func:`decode_into` saves a copy here: the last step to undo writes where it is told to."""
    row = CODECS.get(pipeline[0].name) if pipeline else None
    return row is not None and row.decode_into is not None


def plausible(
    pipeline: Pipeline, stored: int, length: int, *, object: str | None = None, offset: int | None = None
) -> None:
    """Before room is made: refuse a unit of so many ``stored`` bytes that cannot give ``length``, E_CODEC_DATA
    [codec.plausible], and a pipeline that is not known here."""
    try:
        if pipeline:
            _lengths(_rows(pipeline), stored, length)
    except LakebedError as problem:
        raise error(problem.code, problem.clause, problem.detail, object=object, offset=offset) from problem


def _lengths(rows: tuple[tuple[Step, Codec, Params], ...], stored: int, length: int) -> list[int]:
    """What each step gives at most, as bounded from the decoded length and the stored one."""
    lengths = [length]
    for _, row, params in rows[:-1]:
        lengths.append(row.encoded(lengths[-1], params))
    last = rows[-1][1]
    if last.kind == "bytes" and lengths[-1] > last.ratio * stored and rows[0][1].name != "quantize":
        raise corrupt("codec.plausible", f"{stored} bytes of {last.name} cannot give {lengths[-1]} bytes")
    return lengths


def _decoded(pipeline: Pipeline, stored: Buffer, length: int, out: memoryview | None) -> Buffer:
    """The raw bytes; in ``out`` itself where there is one and the last step to undo can write there."""
    if not pipeline:
        if len(stored) != length:
            raise corrupt("codec.whole", f"a raw unit has {len(stored)} bytes where {length} are due")
        return stored
    rows = _rows(pipeline)
    variable = rows[0][1].name == "quantize"
    lengths = _lengths(rows, len(stored), length)
    data = stored
    for place in range(len(rows) - 1, -1, -1):
        _, row, params = rows[place]
        due = lengths[place]
        if row.kind == "filter" and variable and place:
            if len(data) > due:
                raise corrupt("codec.length", f"{row.name} is given {len(data)} bytes, more than {due}")
            due = len(data)
        elif row.kind == "filter" and not variable and len(data) != row.encoded(due, params):
            raise corrupt("codec.length", f"{row.name} is given {len(data)} bytes, not {row.encoded(due, params)}")
        room = None if out is None or row.decode_into is None or variable else _room(place, due, out)
        if room is not None:
            row.decode_into(data, params, room)  # type: ignore[misc]
            data = room
            continue
        data = row.decode(data, params, due)
        if len(data) != due and (place == 0 or not variable or len(data) > due):
            raise corrupt("codec.whole", f"{row.name} gives {len(data)} bytes where {due} are due")
    return data


def _room(place: int, due: int, out: memoryview) -> memoryview | None:
    """Where the step at ``place`` writes: the last to be undone into ``out``, others into memory of this thread that
    is used again, for touching new memory costs more than decoding. None where that would keep too much."""
    if not place:
        return out
    if due > SCRATCH:
        return None
    kept: dict[int, bytearray] = _here.__dict__.setdefault("scratch", {})
    if len(kept.setdefault(place, bytearray())) < due:
        kept[place] = bytearray(due)
    return memoryview(kept[place])[:due]


@lru_cache(maxsize=1024)
def _rows(pipeline: Pipeline) -> tuple[tuple[Step, Codec, Params], ...]:
    """Every step with its row and its parameters as a map; what this reader lacks is E_CODEC_UNSUPPORTED."""
    found = []
    for step in pipeline:
        row = CODECS.get(step.name)
        if row is None:
            raise error("E_CODEC_UNSUPPORTED", "codec.unknown", f"codec {step.name!r} is not known here")
        extra = {key for key, _ in step.params} - {param.name for param in row.params}
        if extra and row.kind != "media":
            detail = f"codec {step.name!r} has unknown parameters: {', '.join(sorted(extra))}"
            raise error("E_CODEC_UNSUPPORTED", "codec.params.unknown", detail)
        found.append((step, row, dict(step.params)))
    return tuple(found)


def is_media(pipeline: Pipeline) -> bool:
    """Does the pipeline hold whole files? (An unknown codec alone in its pipeline is not known to.)"""
    return len(pipeline) == 1 and pipeline[0].name in CODECS and CODECS[pipeline[0].name].kind == "media"


def is_lossy(pipeline: Pipeline, dtype: str, shape: Shape | None = None) -> bool:
    """May arrays of this dtype and shape come back changed?"""
    return any(not exact_step(step, dtype, shape) for step in pipeline)


def exact_step(step: Step, dtype: str, shape: Shape | None = None) -> bool:
    """Does this step give arrays of this dtype and shape back bit for bit?"""
    row = CODECS.get(step.name)
    if row is None:
        return False
    if row.exact == "conditions":
        return row.is_exact({**_defaults(row), **dict(step.params)}, dtype, shape)
    return row.exact == "always"


def verbatim(name: str) -> Pipeline:
    """The pipeline of a file kept as given: its format, and no parameters."""
    return (Step(codec(name).name),)


def bounded(pipeline: Pipeline, bound: dict[str, float]) -> Pipeline:
    """``pipeline`` with quantize under ``bound`` ({"max_abs_error": e} or {"max_rel_error": e}) in front, once."""
    if pipeline and pipeline[0].name == "quantize":
        return pipeline
    kept = tuple(step for step in pipeline if step.name != "narrow")
    return _formed((_asked({"name": "quantize", **bound}), *kept))


def names(pipelines: Iterable[Pipeline]) -> str:
    """For messages: ``jpeg | shuffle+lz4 | none``."""
    return " | ".join("+".join(step.name for step in pipeline) or "none" for pipeline in pipelines)
