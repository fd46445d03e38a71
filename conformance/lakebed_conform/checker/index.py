"""Sections 5.3 to 5.5: the index of one chunk, judged against P, and in its one canonical encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lakebed_conform.checker.codecs import ITEMSIZE, PARAMS, judge_pipeline, pipeline_kind
from lakebed_conform.checker.column import Column, Lengths
from lakebed_conform.checker.document import MOST, whole
from lakebed_conform.checker.finding import Broken, need
from lakebed_conform.checker.packing import unpack
from lakebed_conform.checker.seek import canonical_seek
from lakebed_conform.pen import Ext, Pairs, messagepack

MOST_ENTRIES = 1 << 26
REQUIRED = ("dtype", "samples", "shape", "crc")
KEYS = ("tensor", "row", "dtype", "samples", "items", "missing", "shape", "tile", "unit", "codecs", "codec", "stored",
        "crc", "seek")  # fmt: skip


@dataclass
class Index:
    """What an index says; ``lengths`` are the decoded lengths of the units, ``stored`` the stored ones."""

    members: dict[str, Any] = field(repr=False)
    dtype: str
    samples: int
    items: Column | None
    missing: Column
    shape: list[Column]
    item_count: int
    tile: list[int] | None = None
    unit: Column | None = None
    unit_count: int = 0
    codecs: list[list[dict[str, Any]]] = field(default_factory=list)
    codec: Column | None = None
    lengths: Lengths | None = None
    stored: Lengths | None = None
    crc: Column | None = None
    item_bytes: Lengths | None = None

    def item_shape(self, i: int) -> tuple[int, ...]:
        return tuple(axis.at(i) for axis in self.shape)

    def first_item(self, sample: int) -> int:
        if self.items is not None:
            return self.items.sum_to(sample)
        return sample - self.missing.sum_to(sample)


def read_index(data: bytes, payload: int) -> Index:
    """The index of a chunk whose payload has ``payload`` bytes, in the order of [chunk.index.order]."""
    need(len(data) <= 8 << 20, "E_INDEX_LIMIT", "chunk.index.limit", f"an index of {len(data)} bytes")
    m = unpack(data)
    _fields(m)
    samples = m["samples"]
    need(1 <= samples <= MOST_ENTRIES, "E_INDEX_LIMIT", "chunk.index.samples", f"{samples} samples")
    need(m["dtype"] in ITEMSIZE, "E_DTYPE_UNSUPPORTED", "chunk.index.dtype", f"dtype {m['dtype']}")
    missing = Column("missing", m.get("missing", 0), samples)
    need(missing.most() <= 1, "E_INDEX_MISSING", "chunk.index.missing_value", f"missing is {missing.most()}")
    items = Column("items", m["items"], samples) if "items" in m else None
    count = items.total() if items is not None else samples - missing.total()
    need(count <= MOST_ENTRIES, "E_INDEX_LIMIT", "chunk.index.limit", f"{count} items")
    _missing_have_no_items(items, missing)
    need(len(m["shape"]) <= 32, "E_INDEX_LIMIT", "chunk.index.limit", f"rank {len(m['shape'])}")
    shape = [Column(f"shape[{a}]", axis, count) for a, axis in enumerate(m["shape"])]
    index = Index(m, m["dtype"], samples, items, missing, shape, count)
    _units(index)
    _codecs(index)
    _stored(index, payload)
    _crc(index)
    return index


def _fields(m: dict[str, Any]) -> None:
    types = {"tensor": str, "dtype": str, "row": int, "samples": int, "shape": list, "tile": list, "codecs": list}
    for key in REQUIRED:
        need(key in m, "E_INDEX_FIELD", "chunk.index.required", f"{key} is absent")
    for key, type_ in types.items():
        good = key not in m or (type(m[key]) is type_ and (type_ is not int or m[key] >= 0))
        need(good, "E_INDEX_FIELD", "chunk.index.required", f"{key} has a wrong type")


def _missing_have_no_items(items: Column | None, missing: Column) -> None:
    if items is None or not missing.most():
        return
    if items.const is not None:
        bad = items.const > 0
    elif missing.const is not None:
        bad = items.most() > 0
    else:
        bad = bool((items.array[missing.array == 1] > 0).any())
    need(not bad, "E_INDEX_MISSING", "chunk.index.missing_value", "a missing sample has items")


def _item_bytes(index: Index) -> Lengths:
    """Bytes of each item."""
    size, n = ITEMSIZE[index.dtype], index.item_count
    if all(axis.const is not None for axis in index.shape):
        zero = any(axis.const == 0 for axis in index.shape)
        for axis in index.shape:
            size = 0 if zero else size * axis.const
        need(not n or size * n <= MOST, "E_INDEX_LIMIT", "chunk.index.limit", f"{size} bytes an item")
        return Lengths.even(n, size, size)
    sizes, exact = np.full(n, size, np.int64), np.full(n, float(size))
    for axis in index.shape:
        entries = axis.array.astype(np.int64) if axis.const is None else np.int64(axis.const)
        exact = exact * np.asarray(entries, float)
        sizes = sizes * entries
    need(float(exact.sum()) <= MOST, "E_INDEX_LIMIT", "chunk.index.limit", "items sum past 2^53-1 bytes")
    return Lengths.of(sizes)


def _units(index: Index) -> None:
    index.item_bytes = _item_bytes(index)
    if "tile" in index.members:
        _tiles(index)
        return
    unit = index.unit = Column("unit", index.members.get("unit", 1), None)
    if unit.const is not None:
        need(unit.const >= 1, "E_INDEX_UNIT", "chunk.index.unit_sum", "unit is 0")
        k, count = min(unit.const, MOST_ENTRIES), index.item_count
        n = index.unit_count = unit.n = -(-count // k)
        if index.item_bytes.array is None:
            each = index.item_bytes.each
            index.lengths = Lengths.even(n, k * each, (count - (n - 1) * k) * each)
            return
        edges = np.minimum(np.arange(n + 1, dtype=np.int64) * k, count)
    else:
        index.unit_count = unit.n
        need(unit.n == 0 or int(unit.array.min()) >= 1, "E_INDEX_UNIT", "chunk.index.unit_sum", "a unit of 0 items")
        good = unit.total() == index.item_count
        need(good, "E_INDEX_UNIT", "chunk.index.unit_sum", f"units hold {unit.total()} of {index.item_count} items")
        edges = np.concatenate([[0], np.cumsum(unit.array.astype(np.int64))])
    starts = np.array([index.item_bytes.sum_to(int(e)) for e in edges], np.int64)
    index.lengths = Lengths.of(np.diff(starts))


def _tiles(index: Index) -> None:
    need("unit" not in index.members, "E_INDEX_TILE", "chunk.index.tile_fit", "unit stands beside tile")
    tile = index.tile = index.members["tile"]
    good = len(tile) == len(index.shape) > 0 and all(whole(t, 1) for t in tile)
    need(good, "E_INDEX_TILE", "chunk.index.tile_fit", f"tile {tile} for rank {len(index.shape)}")
    even = all(axis.const is not None for axis in index.shape)
    items = min(index.item_count, 1) if even else index.item_count
    repeats = index.item_count if even else 1
    total = sum(grid_count(index.item_shape(i), tile) for i in range(items)) * repeats
    need(total <= MOST_ENTRIES, "E_INDEX_LIMIT", "chunk.index.tile_count", f"{total} tiles")
    full = ITEMSIZE[index.dtype]
    for t in tile:
        full *= t
    good = full <= 1 << 20 or total <= 65536
    need(good, "E_INDEX_LIMIT", "chunk.index.tile_large", f"{total} tiles of {full} bytes")
    lengths = [n for i in range(items) for n in _tile_lengths(index, i)]
    index.lengths, index.unit_count = Lengths.of(np.tile(np.array(lengths, np.int64), repeats)), total


def grid_count(shape: tuple[int, ...], tile: list[int]) -> int:
    n = 1
    for s, t in zip(shape, tile, strict=True):
        n *= -(-s // t)
    return n


def _tile_lengths(index: Index, item: int) -> list[int]:
    sizes = [ITEMSIZE[index.dtype]]
    for s, t in zip(index.item_shape(item), index.tile, strict=True):
        axis = [min(t, s - start) for start in range(0, s, t)]
        sizes = [n * a for n in sizes for a in axis]
    return sizes


def _codecs(index: Index) -> None:
    codecs = index.members.get("codecs", [[]])
    need(len(codecs) >= 1, "E_INDEX_FIELD", "chunk.index.codecs", "no pipeline")
    for pipeline in codecs:
        judge_pipeline(pipeline, index.dtype)
    index.codecs = codecs
    index.codec = Column("codec", index.members.get("codec", 0), index.unit_count)
    good = index.codec.most() < len(codecs)
    need(good, "E_INDEX_CODEC", "chunk.index.codec_range", f"codec {index.codec.most()} of {len(codecs)}")


def pipeline_of(index: Index, unit: int) -> list[dict[str, Any]]:
    return index.codecs[index.codec.at(unit)]


def _stored(index: Index, payload: int) -> None:
    n, lengths = index.unit_count, index.lengths
    raw = [not p for p in index.codecs]
    if "stored" in index.members:
        column = Column("stored", index.members["stored"], n)
        need(column.total() <= MOST, "E_INDEX_LIMIT", "column.values", "stored sums past 2^53-1")
        stored = Lengths.even(n, column.const, column.const) if column.const is not None else Lengths.of(column.array)
        good = not any(raw) or all(stored.at(u) == lengths.at(u) for u in range(n) if raw[index.codec.at(u)])
        need(good, "E_INDEX_STORED", "chunk.index.stored_raw", "a raw unit is not as long as it decodes")
    else:
        used = [index.codec.const] if index.codec.const is not None and n else set(index.codec.array.tolist())
        good = all(raw[w] for w in used)
        need(good, "E_INDEX_FIELD", "chunk.index.stored_needed", "stored is absent")
        stored = lengths
    total = stored.total()
    need(total == payload, "E_INDEX_STORED", "chunk.index.stored_sum", f"units sum to {total}, payload {payload}")
    index.stored = stored
    media = [pipeline_kind(p) == "media" for p in index.codecs]
    if any(media) and index.tile is None:
        bad = next((u for u in range(n) if media[index.codec.at(u)] and unit_items(index, u) != 1), None)
        need(bad is None, "E_INDEX_UNIT", "unit.media", f"unit {bad} holds more than one item")


def unit_items(index: Index, unit: int) -> int:
    """Items of a unit without tiles."""
    if index.unit.const is None:
        return index.unit.at(unit)
    return min(index.unit.const, index.item_count - unit * index.unit.const)


def _crc(index: Index) -> None:
    entries = index.stored.crc_entries()
    try:
        index.crc = Column("crc", index.members["crc"], entries)
    except Broken as e:
        if e.code == "E_INDEX_COLUMN":
            raise Broken(e.code, "unit.crc_entries", e.detail) from None
        raise
    need(index.crc.most() < 1 << 32, "E_INDEX_LIMIT", "unit.crc_entries", "a CRC passes 2^32-1")


# the one encoding


def canonical(index: Index) -> bytes:
    """The index as [6.3] writes it; unknown keys are dropped."""
    m = index.members
    values: dict[str, Any] = {"dtype": index.dtype, "samples": index.samples}
    values |= {key: m[key] for key in ("tensor", "row") if m.get(key)}
    if index.items is not None:
        values["items"] = index.items.canonical()
    values["missing"] = index.missing.canonical()
    values["shape"] = [axis.canonical() for axis in index.shape]
    if index.tile is not None:
        values["tile"] = index.tile
    else:
        values["unit"] = _canonical_unit(index)
    values["codecs"], values["codec"] = _canonical_codecs(index)
    if any(values["codecs"]):
        values["stored"] = index.stored.canonical()
    values["crc"] = index.crc.canonical()
    if "seek" in m:
        values["seek"] = canonical_seek(index)
    for key, default in {"missing": 0, "unit": 1, "codecs": [[]], "codec": 0}.items():
        if values.get(key) == default:
            values.pop(key, None)
    return messagepack(Pairs(tuple((k, values[k]) for k in KEYS if k in values)))


def _narrow(entries: list[int]) -> Any:
    return Column("", Ext(8, np.array(entries, "<u8").tobytes()), len(entries)).canonical()


def _canonical_unit(index: Index) -> Any:
    unit, n = index.unit, index.unit_count
    if not n:
        return 1
    if unit.const is not None:
        return min(unit.const, index.item_count)
    k = unit.at(0)
    even = not (unit.array[:-1] != k).any() and unit.at(n - 1) <= k
    return k if even else unit.canonical()


def _canonical_codecs(index: Index) -> tuple[list[Any], Any]:
    """The pipelines in order of first use, and the column ``codec`` that goes with them."""
    ordered = [[_ordered(c) for c in p] for p in index.codecs]
    n, column = index.unit_count, index.codec
    if not n:
        return [[]], 0
    if column.const is not None:
        return [ordered[column.const]], 0
    pipelines: list[Any] = []
    which = []
    for u in range(n):
        pipeline = ordered[column.at(u)]
        if pipeline not in pipelines:
            pipelines.append(pipeline)
        which.append(pipelines.index(pipeline))
    return pipelines, _narrow(which)


def _ordered(codec: dict[str, Any]) -> dict[str, Any]:
    """``name``, known parameters in their chapter's order, then the others as they stand [codec.params.order]."""
    known = [p for p in PARAMS.get(codec["name"], ()) if p in codec]
    return {"name": codec["name"]} | {p: codec[p] for p in known} | codec
