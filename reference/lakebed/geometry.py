"""Floor 2. Where everything lies in a chunk: samples -> items -> units -> bytes, and the sums that must agree.

Built from a :class:`~lakebed.model.ChunkIndex`. Constant columns stay constants: what is uniform is arithmetic, and
arrays are made only where the index itself holds an array, so memory is bounded by the bytes of the index
[safety.bounded]. Items are numbered over the present samples in order; units run over items, or over the tiles of
item 0, item 1, ... in C order [unit.order].
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import dtypes
from .columns import MAX_INT, Column, at, checked, entries, prefix, total
from .errors import error
from .model import ChunkIndex

MAX_ITEMS = MAX_UNITS = 1 << 26
CRC_SPAN = 1 << 20
_MAX_LARGE_TILES = 1 << 16
_BLOCK = 1 << 18
_NONE = np.zeros(0, np.int64)


class Unit(NamedTuple):
    """One stored run: where it lies in the object, what it decodes to, and how."""

    number: int
    offset: int
    stored: int
    decoded: int
    codec: int


class Geometry:
    """Errors, all at construction: E_INDEX_LIMIT, _COLUMN, _MISSING, _UNIT, _CODEC, _STORED (lengths of single raw
    units when they are asked for)."""

    def __init__(self, index: ChunkIndex, payload: int) -> None:
        self.index = index
        self.itemsize = dtypes.dtype(index.dtype).itemsize
        self.n_items, self._sample_starts = _items(index)
        if self.n_items > MAX_ITEMS:
            raise error("E_INDEX_LIMIT", "chunk.index.items", f"{self.n_items} items")
        for axis in index.shape:
            checked(axis, self.n_items, "chunk.index.shape")
        uniform = all(isinstance(axis, int) for axis in index.shape)
        self.item_shape: tuple[int, ...] | None = index.shape if uniform else None  # type: ignore[assignment]
        self.item_bytes: int | None = math.prod(self.item_shape) * self.itemsize if uniform else None
        decoded = self._total_bytes()
        self._tile_starts: np.ndarray | None = None
        self._unit_starts: np.ndarray | None = None  # first item of every unit, where units are uneven
        self.n_units = self._count_units()
        if self.n_units > MAX_UNITS:
            raise error("E_INDEX_LIMIT", "chunk.index.limit", f"{self.n_units} units")
        large = index.tile is not None and math.prod(index.tile) * self.itemsize > CRC_SPAN
        if large and self.n_units > _MAX_LARGE_TILES:
            raise error("E_INDEX_LIMIT", "chunk.index.tile_large", f"{self.n_units} tiles of more than 1 MiB")
        self._offsets: np.ndarray | None = None
        self.raw = self._check_codec()
        self._check_stored(payload, decoded)
        self._crc_starts = self._check_crc()

    # --- construction ---------------------------------------------------------------------------------------------

    def _total_bytes(self) -> int:
        if self.item_bytes is not None:
            size = self.item_bytes * self.n_items
        else:
            largest = self.itemsize
            for axis in self.index.shape:
                largest *= axis if isinstance(axis, int) else int(axis.max(initial=0))
            if largest * self.n_items <= MAX_INT:
                size = sum(int(self._item_bytes(a, b).sum()) for a, b in _blocks(self.n_items))
            else:  # float64 is monotone, and exact as far as the limit
                size = int(sum(float(self._item_bytes(a, b, np.float64).sum()) for a, b in _blocks(self.n_items)))
        if size > MAX_INT:
            raise error("E_INDEX_LIMIT", "model.integers", "the items' bytes pass 2^53-1")
        return size

    def _item_bytes(self, start: int, stop: int, kind: type = np.int64) -> np.ndarray:
        out = np.full(stop - start, self.itemsize, kind)
        for axis in self.index.shape:
            out *= axis if isinstance(axis, int) else axis[start:stop].astype(kind)
        return out

    def _count_units(self) -> int:
        index = self.index
        if index.tile is not None:
            if self.item_shape is not None:
                return math.prod(_grid(self.item_shape, index.tile)) * self.n_items
            counts = [self._tile_counts(a, b) for a, b in _blocks(self.n_items)]
            largest = max((float(block.max(initial=0)) for block in counts), default=0.0)
            if largest * self.n_items > MAX_UNITS and sum(float(b.sum()) for b in counts) > MAX_UNITS:
                raise error("E_INDEX_LIMIT", "chunk.index.tile_count", "more than 2^26 tiles")
            self._tile_starts = prefix(np.concatenate([block.astype(np.int64) for block in counts] or [_NONE]))
            return int(self._tile_starts[-1])
        if isinstance(index.unit, int):
            if not index.unit:
                raise error("E_INDEX_UNIT", "chunk.index.unit", "a unit of no items")
            return -(-self.n_items // index.unit)
        if total(index.unit, 0) != self.n_items or (len(index.unit) and not index.unit.min()):
            raise error("E_INDEX_UNIT", "chunk.index.unit", f"units hold {total(index.unit, 0)} of {self.n_items} items")
        self._unit_starts = prefix(index.unit)
        return len(index.unit)

    def _tile_counts(self, start: int, stop: int) -> np.ndarray:
        out = np.ones(stop - start, np.float64)
        for axis, side in zip(self.index.shape, self.index.tile or (), strict=True):
            out *= -(-entries(axis, start, stop) // side)
        return out

    def _check_codec(self) -> bool:
        """Whether every unit is raw."""
        index = self.index
        codec = checked(index.codec, self.n_units, "chunk.index.codec")
        if isinstance(codec, int):
            largest, raw = codec, codec < len(index.codecs) and not index.codecs[codec]
        else:
            largest = int(codec.max(initial=0))
            raw = largest < len(index.codecs) and not any(index.codecs[i] for i in np.unique(codec).tolist())
        if largest >= len(index.codecs):
            raise error("E_INDEX_CODEC", "chunk.index.codec", f"pipeline {largest} of {len(index.codecs)}")
        return raw

    def _check_stored(self, payload: int, decoded: int) -> None:
        stored = self.index.stored
        if stored is None:
            if not self.raw and self.n_units:
                raise error("E_INDEX_FIELD", "chunk.index.stored", "stored is absent, but not every unit is raw")
            said = decoded
        else:
            said = total(checked(stored, self.n_units, "chunk.index.stored"), self.n_units)
        if said != payload:
            raise error("E_INDEX_STORED", "chunk.index.stored", f"units hold {said} bytes, the payload {payload}")
        if stored is not None and not isinstance(stored, int):
            self._offsets = prefix(stored)
        elif stored is None and self.index.tile is None and self.item_bytes is None:
            self._offsets = self._raw_offsets()
        elif stored is None and self._unit_starts is not None:
            self._offsets = self._unit_starts * (self.item_bytes or 0)

    def _raw_offsets(self) -> np.ndarray:
        """Starts of the units of a ragged raw chunk, a block of items at a time."""
        if isinstance(self.index.unit, int):
            ends = np.minimum(np.arange(self.n_units + 1, dtype=np.int64) * self.index.unit, self.n_items)
        else:
            ends = self._unit_starts  # type: ignore[assignment]
        out = np.zeros(self.n_units + 1, np.int64)
        base = 0
        for start, stop in _blocks(self.n_items):
            running = base + np.cumsum(self._item_bytes(start, stop))
            low, high = np.searchsorted(ends, [start + 1, stop + 1])
            out[low:high] = running[ends[low:high] - start - 1]
            base = int(running[-1])
        return out

    def _check_crc(self) -> np.ndarray | None:
        """Starts of each unit's CRCs, or None when every unit has one [unit.crc]."""
        stored = self.index.stored
        if stored is None and self.item_bytes is not None and self.index.tile is None and self._offsets is None:
            k = self.index.unit if isinstance(self.index.unit, int) else 1
            per_unit: Column = k * self.item_bytes
        elif stored is not None:
            per_unit = stored
        elif self._offsets is not None:
            per_unit = np.diff(self._offsets)
        else:
            return self._check_tile_crc()
        if isinstance(per_unit, int) or not len(per_unit) or per_unit.max() <= CRC_SPAN:
            if not isinstance(per_unit, int) or per_unit <= CRC_SPAN:
                checked(self.index.crc, self.n_units, "chunk.index.crc")
                return None
            lengths = np.full(self.n_units, per_unit, np.int64)
            if stored is None and self.n_units:  # the last unit may hold fewer items
                last = self.n_items - (self.n_units - 1) * int(self.index.unit)  # type: ignore[arg-type]
                lengths[-1] = last * (self.item_bytes or 0)
        else:
            lengths = per_unit.astype(np.int64)
        starts = prefix(np.maximum(1, -(-lengths // CRC_SPAN)))
        checked(self.index.crc, int(starts[-1]), "chunk.index.crc")
        return starts

    def _check_tile_crc(self) -> np.ndarray | None:
        """Raw tiles: lengths follow from the shapes."""
        tile = self.index.tile or ()
        if math.prod(tile) * self.itemsize <= CRC_SPAN or not self.n_units:
            checked(self.index.crc, self.n_units, "chunk.index.crc")
            return None
        lengths = [
            math.prod(self.tile_shape(shape, place)) * self.itemsize
            for item in range(self.n_items)
            for shape in [self.shape_of(item)]
            for place in np.ndindex(*_grid(shape, tile))
        ]
        starts = prefix(np.maximum(1, -(-np.array(lengths) // CRC_SPAN)))
        checked(self.index.crc, int(starts[-1]), "chunk.index.crc")
        return starts

    # --- questions ------------------------------------------------------------------------------------------------

    def items_of(self, sample: int) -> tuple[int, int] | None:
        """(first item, number of items) of one sample; None when it is missing."""
        if at(self.index.missing, sample):
            return None
        if self._sample_starts is None:
            count = 1 if self.index.items is None else at(self.index.items, sample)
            return sample * count, count
        first = int(self._sample_starts[sample])
        return first, int(self._sample_starts[sample + 1]) - first

    def item_starts(self, first: int, count: int) -> np.ndarray:
        """Item numbers at which samples [first, first+count) start, and the end: int64 of length count+1."""
        if self._sample_starts is not None:
            return self._sample_starts[first : first + count + 1]
        step = (1 if self.index.items is None else at(self.index.items, 0)) if not at(self.index.missing, 0) else 0
        return np.arange(first * step, (first + count) * step + 1, step or 1, np.int64) if step else np.zeros(
            count + 1, np.int64
        )

    def shape_of(self, item: int) -> tuple[int, ...]:
        if self.item_shape is not None:
            return self.item_shape
        return tuple(at(axis, item) for axis in self.index.shape)

    def bytes_of(self, start: int, stop: int) -> np.ndarray:
        """Decoded bytes of items [start, stop), int64."""
        return self._item_bytes(start, stop)

    def unit_of(self, item: int) -> int:
        """The unit that holds an item (not for tiled chunks)."""
        if self._unit_starts is None:
            return item // self.index.unit  # type: ignore[operator]
        return int(np.searchsorted(self._unit_starts, item, "right")) - 1

    def unit_items(self, unit: int) -> tuple[int, int]:
        """Items [start, stop) of one unit (not for tiled chunks)."""
        if self._unit_starts is not None:
            return int(self._unit_starts[unit]), int(self._unit_starts[unit + 1])
        k: int = self.index.unit  # type: ignore[assignment]
        return unit * k, min(unit * k + k, self.n_items)

    def unit(self, number: int) -> Unit:
        """One whole-item unit. Errors: E_INDEX_STORED when a raw unit's length is not its items' bytes."""
        start, stop = self.unit_items(number)
        if self.item_bytes is not None:
            decoded = (stop - start) * self.item_bytes
        else:
            decoded = int(self._item_bytes(start, stop).sum())
        return self._placed(number, decoded, start * (self.item_bytes or 0))

    def tile_unit(self, item: int, place: tuple[int, ...]) -> Unit:
        """The unit of one tile of one item; ``place`` is its position in the grid."""
        shape, tile = self.shape_of(item), self.index.tile or ()
        grid = _grid(shape, tile)
        within = 0
        for p, n in zip(place, grid, strict=True):
            within = within * n + p
        first = int(self._tile_starts[item]) if self._tile_starts is not None else item * math.prod(grid)
        extent = self.tile_shape(shape, place)
        before, done = 0, 1
        for axis, p in enumerate(place):  # what lies ahead of this tile in its item, in elements
            before += done * p * tile[axis] * math.prod(shape[axis + 1 :])
            done *= extent[axis]
        offset = before * self.itemsize
        if self.index.stored is None:
            offset += self._item_offset(item)
        return self._placed(first + within, math.prod(extent) * self.itemsize, offset)

    def tile_shape(self, shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[int, ...]:
        """Edge tiles are smaller, never padded [tile.edge]."""
        return tuple(min(t, n - p * t) for p, t, n in zip(place, self.index.tile or (), shape, strict=True))

    def grid(self, item: int) -> tuple[int, ...]:
        """Tiles along each axis of one item."""
        return _grid(self.shape_of(item), self.index.tile or ())

    def _item_offset(self, item: int) -> int:
        if self.item_bytes is not None:
            return item * self.item_bytes
        return sum(int(self._item_bytes(a, b).sum()) for a, b in _blocks(item))

    def _placed(self, number: int, decoded: int, raw_offset: int) -> Unit:
        codec = at(self.index.codec, number)
        stored_column = self.index.stored
        if stored_column is None:
            offset = int(self._offsets[number]) if self._offsets is not None else raw_offset
            return Unit(number, 64 + offset, decoded, decoded, codec)
        stored = at(stored_column, number)
        offset = number * stored if self._offsets is None else int(self._offsets[number])
        if not self.index.codecs[codec] and stored != decoded:
            raise error("E_INDEX_STORED", "chunk.index.stored", f"raw unit {number}: {stored} bytes, {decoded} due")
        return Unit(number, 64 + offset, stored, decoded, codec)

    def crcs(self, unit: Unit) -> list[int]:
        """CRC-32 of each started MiB of a unit's stored bytes [unit.crc]."""
        if self._crc_starts is None:
            return [at(self.index.crc, unit.number)]
        start, stop = int(self._crc_starts[unit.number]), int(self._crc_starts[unit.number + 1])
        return [at(self.index.crc, i) for i in range(start, stop)]


def _items(index: ChunkIndex) -> tuple[int, np.ndarray | None]:
    """Number of items, and the first item of each sample where that is not plain arithmetic."""
    missing = checked(index.missing, index.samples, "chunk.index.missing")
    if (missing if isinstance(missing, int) else int(missing.max(initial=0))) > 1:
        raise error("E_INDEX_MISSING", "chunk.index.missing", "missing is neither 0 nor 1")
    if index.items is None:
        if isinstance(missing, int):
            return (0 if missing else index.samples), None
        starts = prefix(missing == 0)
        return int(starts[-1]), starts
    items = checked(index.items, index.samples, "chunk.index.items")
    count = total(items, index.samples)
    if isinstance(missing, int):
        wrong = bool(missing) and count > 0
    else:
        wrong = bool((entries(items, 0, 1)[0] if isinstance(items, int) else items[missing == 1]).any())
    if wrong:
        raise error("E_INDEX_MISSING", "chunk.index.missing", "a missing sample has items")
    if count > MAX_ITEMS:
        raise error("E_INDEX_LIMIT", "chunk.index.items", f"{count} items")
    return count, None if isinstance(items, int) else prefix(items)


def _grid(shape: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // t) for n, t in zip(shape, tile, strict=True))


def _blocks(count: int):
    return ((start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))
