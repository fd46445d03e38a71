"""Floor 3. The chunk: head, payload, index, trailer; bytes to :class:`~lakebed.model.ChunkIndex` and back [chunk].

    0      8   magic, then 56 zero bytes           HEAD
    64     P   units, back to back
    64+P   N   index (MessagePack, closed subset)
           40  trailer                             TRAILER

Nothing here allocates by a number that the bytes at hand do not back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..checksum import crc32
from ..codecs import Pipeline, pipeline_from_index, to_json
from ..columns import MAX_INT, Column, Odd
from ..errors import LakebedError, error
from ..model import MAX_RANK, ChunkIndex
from ..record import Field, Record
from . import packing

MAGIC = b"\x89LBK\r\n\x1a\n"
END_MAGIC = b"\x8aLBKEND\n"
HEAD_SIZE = 64
HEAD = MAGIC + bytes(HEAD_SIZE - len(MAGIC))
MAJOR, MINOR, KNOWN_FEATURES = 1, 0, 0
MAX_INDEX = 8 << 20
MAX_SAMPLES = 1 << 26

TRAILER = Record(
    "chunk.trailer",
    40,
    Field(0, "Q", "payload", "chunk.trailer.payload"),
    Field(8, "I", "index", "chunk.trailer.index"),
    Field(12, "H", "major", "chunk.trailer.major"),
    Field(14, "H", "minor", "chunk.trailer.minor"),
    Field(16, "I", "features", "chunk.trailer.features"),
    Field(20, "8s", "reserved", "chunk.trailer.reserved"),
    Field(28, "I", "crc", "chunk.trailer.crc"),
    Field(32, "8s", "magic", "chunk.trailer.magic"),
)
CRC_COVERS = TRAILER.offset_of("crc")


class Tail(NamedTuple):
    """What the end of a chunk gives: lengths of payload and index, and the index."""

    payload: int
    index_size: int
    index: ChunkIndex  # type: ignore[assignment]  # tuples have a method of that name


# --- trailer -------------------------------------------------------------------------------------------------------


def encode_tail(payload: int, index: ChunkIndex) -> bytes:
    """Index and trailer, to stand behind ``payload`` bytes of units [chunk.trailer]."""
    body = encode_index(index)
    values = {"payload": payload, "index": len(body), "major": MAJOR, "minor": MINOR, "features": 0}
    trailer = TRAILER.encode(**values, reserved=bytes(8), crc=0, magic=END_MAGIC)
    crc = crc32(trailer[:CRC_COVERS], crc32(body))
    return body + TRAILER.encode(**values, reserved=bytes(8), crc=crc, magic=END_MAGIC)


def decode_tail(tail: bytes | memoryview, payload: int, index_size: int, key: str) -> Tail:
    """Check and decode index and trailer, in the order of the spec [algo.open_chunk].

    ``payload`` and ``index_size`` are what the commit says. Errors: E_TRUNCATED, E_CHUNK_*, E_INDEX_*, E_DTYPE_*.
    """
    start = 64 + payload
    if len(tail) != index_size + TRAILER.size:
        raise error("E_TRUNCATED", "chunk.open.range", "the chunk ends before its trailer", object=key, offset=start)
    fields = TRAILER.decode(tail, index_size)

    def fault(code: str, name: str, detail: str):
        offset = start + index_size + TRAILER.offset_of(name)
        return error(code, f"chunk.trailer.{name}", detail, object=key, offset=offset)

    if fields["magic"] != END_MAGIC:
        raise fault("E_CHUNK_MAGIC", "magic", "the last eight bytes are not the end magic")
    if fields["payload"] != payload:
        raise fault("E_CHUNK_SIZE", "payload", f"payload is {fields['payload']}, the commit says {payload}")
    if fields["index"] != index_size:
        raise fault("E_CHUNK_SIZE", "index", f"index is {fields['index']}, the commit says {index_size}")
    if crc32(tail[: index_size + CRC_COVERS]) != fields["crc"]:
        raise fault("E_CHUNK_CRC", "crc", "index or trailer are damaged")
    if fields["reserved"] != bytes(8):
        raise fault("E_CHUNK_RESERVED", "reserved", "reserved bytes are not zero")
    if fields["major"] != MAJOR:
        raise fault("E_CHUNK_VERSION", "major", f"chunk layout {fields['major']}; this reader knows {MAJOR}")
    if fields["features"] & ~KNOWN_FEATURES:
        raise fault("E_CHUNK_FEATURE", "features", f"unknown feature bits {fields['features']:#x}")
    try:
        return Tail(payload, index_size, decode_index(tail[:index_size]))
    except LakebedError as cause:
        if cause.object is None:
            cause.object, cause.offset = key, start
        raise


# --- index ---------------------------------------------------------------------------------------------------------


def encode_index(index: ChunkIndex) -> bytes:
    """The one canonical encoding: a key only where it differs from its default [index.canonical]."""
    out: dict[str, Any] = {}
    _put(out, "tensor", index.tensor, "")
    _put(out, "row", index.row, 0)
    out["dtype"] = index.dtype
    out["samples"] = index.samples
    if index.items is not None:
        out["items"] = index.items
    _put(out, "missing", index.missing, 0)
    out["shape"] = list(index.shape)
    if index.tile is not None:
        out["tile"] = list(index.tile)
    else:
        _put(out, "unit", index.unit, 1)
    if index.codecs != ((),):
        out["codecs"] = [to_json(pipeline) for pipeline in index.codecs]
    _put(out, "codec", index.codec, 0)
    if index.stored is not None:
        out["stored"] = index.stored
    out["crc"] = index.crc
    if index.seek:
        out["seek"] = list(index.seek)
    return packing.encode(out)


def _put(out: dict[str, Any], key: str, value: Any, default: Any) -> None:
    if isinstance(value, np.ndarray) or value != default:
        out[key] = value


def decode_index(data: bytes | memoryview) -> ChunkIndex:
    """The index as a value: keys, types and limits checked here, sums and lengths by :mod:`lakebed.geometry`.

    Errors: E_INDEX_SYNTAX, E_INDEX_FIELD, E_INDEX_COLUMN, E_INDEX_LIMIT, E_INDEX_TILE, E_DTYPE_UNSUPPORTED. Unknown
    keys are ignored [chunk.index.unknown], known ones have their types and the required ones are there
    [chunk.index.required].
    """
    if len(data) > MAX_INDEX:
        raise error("E_INDEX_LIMIT", "chunk.index.limit", f"an index of {len(data)} bytes")
    raw = packing.decode(data)
    shape = _field(raw, "shape", list)
    if len(shape) > MAX_RANK:
        raise error("E_INDEX_LIMIT", "chunk.index.limit", f"rank {len(shape)} passes {MAX_RANK}")
    tile = _field(raw, "tile", list, None)
    return ChunkIndex(
        dtype=_dtype(_field(raw, "dtype", str)),
        samples=_integer(raw, "samples", 1, MAX_SAMPLES),
        shape=tuple(_column(axis, "shape") for axis in shape),
        crc=_column(raw.get("crc"), "crc"),
        tensor=_field(raw, "tensor", str, ""),
        row=_integer(raw, "row", 0, MAX_INT, 0),
        items=None if "items" not in raw else _column(raw["items"], "items"),
        missing=_column(raw.get("missing", 0), "missing"),
        tile=None if tile is None else _tile(tile, len(shape), "unit" in raw),
        unit=_column(raw.get("unit", 1), "unit"),
        codecs=_codecs(_field(raw, "codecs", list, [[]]), raw["dtype"]),
        codec=_column(raw.get("codec", 0), "codec"),
        stored=None if "stored" not in raw else _column(raw["stored"], "stored"),
        seek=raw.get("seek", ()),
    )


_REQUIRED = object()


def _field(raw: dict[str, Any], key: str, kind: type, default: Any = _REQUIRED) -> Any:
    value = raw.get(key, default)
    if value is default and default is not _REQUIRED:
        return default
    if type(value) is not kind:
        said = "is absent" if value is _REQUIRED else f"is a {type(value).__name__}, not {kind.__name__}"
        raise error("E_INDEX_FIELD", f"chunk.index.{key}", f"{key} {said}")
    return value


def _dtype(name: str) -> str:
    """A name of the format's own: aliases that a library knows are refused [dtype.table]."""
    if name not in dtypes.DTYPES:
        detail = f"dtype {name!r} is none of {', '.join(dtypes.DTYPES)}"
        raise error("E_DTYPE_UNSUPPORTED", "dtype.unknown", detail)
    return name


def _integer(raw: dict[str, Any], key: str, low: int, high: int, default: Any = _REQUIRED) -> int:
    value = _field(raw, key, int, default)
    if value < 0:
        raise error("E_INDEX_FIELD", f"chunk.index.{key}", f"{key} is {value}, no unsigned integer")
    if not low <= value <= high:
        raise error("E_INDEX_LIMIT", f"chunk.index.{key}", f"{key} is {value}, not {low} to {high}")
    return value


def _column(value: Any, key: str) -> Column:
    """An integer or an array; its length is geometry's to check."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Odd):
        detail = f"{key}: {len(value.data)} bytes are no column of {value.width}-byte entries"
        raise error("E_INDEX_COLUMN", "column.ext", detail)
    if type(value) is not int:
        said = "absent" if value is None else f"a {type(value).__name__}"
        raise error("E_INDEX_FIELD", f"chunk.index.{key}", f"{key} is {said}, not a column")
    if value < 0:
        raise error("E_INDEX_FIELD", f"chunk.index.{key}", f"{key} is {value}, not a column")
    if value > MAX_INT:
        raise error("E_INDEX_LIMIT", "model.integers", f"{key} is {value}")
    return value


def _tile(tile: list[Any], rank: int, has_unit: bool) -> tuple[int, ...]:
    good = all(type(side) is int and 1 <= side <= MAX_INT for side in tile)
    if not good or len(tile) != rank or not rank or has_unit:
        detail = f"tile {tile!r} with rank {rank}" + (" and a unit key" if has_unit else "")
        raise error("E_INDEX_TILE", "chunk.index.tile", detail)  # [chunk.index.tile_fit]
    return tuple(tile)


def _codecs(raw: list[Any], dtype: str) -> tuple[Pipeline, ...]:
    if not raw or not all(type(entry) is list and all(type(step) is dict for step in entry) for entry in raw):
        raise error("E_INDEX_FIELD", "chunk.index.codecs", "codecs is no array of pipelines")
    pipelines = tuple(pipeline_from_index(entry) for entry in raw)
    for pipeline in pipelines:
        for step in pipeline:
            if step.name in ("quantize", "pcodec") and dict(step.params).get("dtype") != dtype:
                detail = f"{step.name} of another dtype in a chunk of {dtype}"
                clause = "codec.quantize.place" if step.name == "quantize" else "codec.pcodec.alone"
                raise error("E_INDEX_CODEC", clause, detail)
    return pipelines
