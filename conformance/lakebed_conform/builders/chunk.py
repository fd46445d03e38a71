"""One chunk: head, payload, index, trailer, laid from the tables of the chapter *Chunk*.

Fields that a fault can name::

    head.magic  head.zero  payload  index.<key>  index.+<key>  index.pairs  index.bytes
    trailer.payload  trailer.index  trailer.major  trailer.minor  trailer.features  trailer.reserved  trailer.crc
    trailer.magic  tail  truncate  flip  name

``index.+key`` adds an unknown key at the end; ``index.pairs`` and ``index.bytes`` take a function of the pairs or
of the bytes; ``payload`` takes bytes, or a function of the payload laid after the index was described;
``truncate`` keeps that many bytes (negative: cuts so many); ``flip`` turns one bit of the finished object, given as
(offset, bit); ``name`` is the hexadecimal name, whatever the bytes hash to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lakebed_conform.builders.columns import column
from lakebed_conform.pen import Pairs, crc32, messagepack, sha256, u16, u32, u64

HEAD_MAGIC = bytes.fromhex("894c424b0d0a1a0a")
END_MAGIC = b"\x8aLBKEND\n"
KEYS = (
    "tensor", "row", "dtype", "samples", "items", "missing", "shape", "tile", "unit", "codecs", "codec", "stored",
    "crc", "seek",
)  # fmt: skip
MIB = 1 << 20


class _Drop:
    """Marks a field that is left out."""

    def __repr__(self) -> str:
        return "(left out)"


DROP = _Drop()


@dataclass
class Chunk:
    """What a chunk holds. ``units``: stored bytes of each; ``shape``: per axis, the entries per item."""

    dtype: str
    samples: int
    shape: list[list[int]]
    units: list[bytes]
    per_unit: list[int] | None = None
    items: list[int] | None = None
    missing: list[int] | None = None
    tile: list[int] | None = None
    codecs: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    codec: list[int] | None = None
    tensor: str = ""
    row: int = 0


@dataclass(frozen=True)
class Laid:
    """A finished chunk: its bytes, its name, the lengths P and N, and where each field lies."""

    data: bytes
    name: str
    payload: int
    index: int
    spans: dict[str, tuple[int, int]]


def unit_crcs(units: list[bytes]) -> list[int]:
    """CRC-32 of each started MiB of each unit; one entry, zero, for an empty unit."""
    return [crc32(u[i : i + MIB]) if u else 0 for u in units for i in range(0, max(1, len(u)), MIB)]


def index_pairs(chunk: Chunk) -> list[tuple[str, Any]]:
    """The canonical index: keys in the order of the table, present only when they differ from their default."""
    which = chunk.codec or [0] * len(chunk.units)
    values: dict[str, Any] = {"dtype": chunk.dtype, "samples": chunk.samples}
    if chunk.tensor:
        values["tensor"] = chunk.tensor
    if chunk.row:
        values["row"] = chunk.row
    if chunk.items is not None:
        values["items"] = column(chunk.items)
    if chunk.missing and any(chunk.missing):
        values["missing"] = column(chunk.missing)
    values["shape"] = [column(axis) for axis in chunk.shape]
    if chunk.tile is not None:
        values["tile"] = chunk.tile
    elif (unit := _unit(chunk.per_unit)) != 1:
        values["unit"] = unit
    if chunk.codecs != [[]]:
        values["codecs"] = chunk.codecs
    if any(which):
        values["codec"] = column(which)
    if any(chunk.codecs[w] for w in which):
        values["stored"] = column([len(u) for u in chunk.units])
    values["crc"] = column(unit_crcs(chunk.units))
    return [(key, values[key]) for key in KEYS if key in values]


def _unit(per_unit: list[int] | None) -> Any:
    if not per_unit:
        return 1
    k = per_unit[0]
    even = all(n == k for n in per_unit[:-1]) and 1 <= per_unit[-1] <= k
    return k if even else column(per_unit)


def lay_chunk(chunk: Chunk, faults: dict[str, Any] | None = None) -> Laid:
    """The chunk's bytes. ``faults`` overrides fields by the names at the top; every entry must be used."""
    left = dict(faults or {})
    index, keys = _lay_index(index_pairs(chunk), left)
    units = b"".join(chunk.units)
    payload = left.pop("payload", units)
    payload = payload(units) if callable(payload) else payload
    trailer = _lay_trailer(len(payload), index, left)
    head = left.pop("head.magic", HEAD_MAGIC) + left.pop("head.zero", bytes(56))
    data = head + payload + index + trailer + left.pop("tail", b"")
    at = len(head) + len(payload)
    spans = {"head.magic": (0, 8), "head.zero": (8, 56), "payload": (64, len(payload)), "index": (at, len(index))}
    spans |= {f"index.{k}": (at + o, n) for k, (o, n) in keys.items()}
    spans |= {f"trailer.{k}": (at + len(index) + o, n) for k, (o, n) in _TRAILER_SPANS.items()}
    spans["tail"] = (at + len(index) + 40, max(1, len(data) - at - len(index) - 40))
    data, spans = _damage(data, spans, left)
    name = left.pop("name", sha256(data))
    if left:
        raise KeyError(f"no such chunk field: {', '.join(left)}")
    return Laid(data, name, len(payload), len(index), spans)


def _damage(data: bytes, spans: dict, left: dict[str, Any]) -> tuple[bytes, dict]:
    if "truncate" in left:
        keep = left.pop("truncate")
        data = data[:keep]
        spans = spans | {"truncate": (len(data), 0)}
    if "flip" in left:
        offset, bit = left.pop("flip")
        changed = bytearray(data)
        changed[offset] ^= 1 << bit
        data, spans = bytes(changed), spans | {"flip": (offset % len(changed), 1)}
    return data, spans


def _lay_index(pairs: list[tuple[str, Any]], left: dict[str, Any]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    values = dict(pairs)
    for name in [f for f in left if f.startswith("index.") and f not in ("index.pairs", "index.bytes")]:
        key, value = name[6:], left.pop(name)
        if key.startswith("+"):
            values[key[1:]] = value
        elif key not in KEYS:
            raise KeyError(f"no such index key: {key}")
        elif value is DROP:
            del values[key]
        else:
            values[key] = value
    known = [k for k in KEYS if k in values]
    ordered = [(k, values[k]) for k in known + [k for k in values if k not in KEYS]]
    ordered = left.pop("index.pairs", lambda p: p)(ordered)
    data = messagepack(Pairs(tuple(ordered)))
    spans, at = {}, len(data) - sum(len(messagepack(k)) + len(messagepack(v)) for k, v in ordered)
    for key, value in ordered:
        size = len(messagepack(key)) + len(messagepack(value))
        spans[str(key)] = (at, size)
        at += size
    changed = left.pop("index.bytes", lambda b: b)(data)
    return changed, (spans if changed == data else spans | {"bytes": (0, len(changed))})


_TRAILER_SPANS = {
    "payload": (0, 8), "index": (8, 4), "major": (12, 2), "minor": (14, 2), "features": (16, 4),
    "reserved": (20, 8), "crc": (28, 4), "magic": (32, 8),
}  # fmt: skip


def _lay_trailer(payload: int, index: bytes, left: dict[str, Any]) -> bytes:
    fields = (
        u64(left.pop("trailer.payload", payload))
        + u32(left.pop("trailer.index", len(index)))
        + u16(left.pop("trailer.major", 1))
        + u16(left.pop("trailer.minor", 0))
        + u32(left.pop("trailer.features", 0))
        + left.pop("trailer.reserved", bytes(8))
    )
    return fields + u32(left.pop("trailer.crc", crc32(index + fields))) + left.pop("trailer.magic", END_MAGIC)
