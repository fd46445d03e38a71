"""Floor 2. Where everything lies in a chunk: samples -> items -> units -> bytes, and the sums that must agree.

Built from a :class:`~lakebed.model.ChunkIndex`. Constant columns stay constants: what is uniform is arithmetic, and
arrays are made only where the index itself holds an array, so memory is bounded by the bytes of the index
[safety.bounded]. Items are numbered over the present samples in order; units run over items, or over the tiles of
item 0, item 1, ... in C order [unit.order].
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from . import dtypes
from .codecs import is_media
from .columns import MAX_INT, at, checked, entries, prefix, total
from .errors import error
from .model import ChunkIndex

MAX_ITEMS = MAX_UNITS = 1 << 26
CRC_SPAN = 1 << 20
_MAX_LARGE_TILES = 1 << 16
_BLOCK = 1 << 18


class Unit(NamedTuple):
    """One stored run: where it lies in the object, what it decodes to, and how."""

    number: int
    offset: int
    stored: int
    decoded: int
    codec: int


class Geometry:
    """All is judged at construction, before anything is returned [chunk.index.early]; but the stored lengths of single
    raw tiles when they are asked for. Errors: E_INDEX_LIMIT, _COLUMN, _MISSING, _UNIT, _CODEC, _STORED.
    """

    def __init__(self, index: ChunkIndex, payload: int) -> None:
        self.index, self._payload = index, payload
        self.itemsize = dtypes.dtype(index.dtype).itemsize
        self.n_items, self._sample_starts = _items(index)
        if self.n_items > MAX_ITEMS:
            raise error("E_INDEX_LIMIT", "chunk.index.limit", f"{self.n_items} items")
        for axis in index.shape:
            checked(axis, self.n_items, "chunk.index.shape")
        uniform = all(isinstance(axis, int) for axis in index.shape)
        self.item_shape: tuple[int, ...] | None = index.shape if uniform else None  # type: ignore[assignment]
        self.item_bytes: int | None = None if self.item_shape is None else math.prod(self.item_shape) * self.itemsize
        self._sole = self._sole_axis()
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
        self._crc_starts: np.ndarray | None = None
        self._item_offsets: np.ndarray | None = None
        self.raw = self._check_codec()
        self._check_stored(payload, decoded)
        self._check_raw()
        self._check_media()
        self._even_crcs = self._check_crc()
        self.one_crc = self._even_crcs == 1 and index.tile is None  # every unit has one; the last is never the longest

    # --- construction ---------------------------------------------------------------------------------------------

    def _sole_axis(self) -> tuple[np.ndarray, int] | None:
        """Where one axis alone differs from item to item: its entries, and the bytes for each of them."""
        arrays = [axis for axis in self.index.shape if isinstance(axis, np.ndarray)]
        scale = self.itemsize * math.prod(axis for axis in self.index.shape if isinstance(axis, int))
        return (arrays[0], scale) if len(arrays) == 1 and scale <= MAX_INT else None

    def _total_bytes(self) -> int:
        if self.item_bytes is not None:
            size = self.item_bytes * self.n_items
        elif self._sole is not None:
            size = total(self._sole[0], self.n_items) * self._sole[1]
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
        out: np.ndarray = np.full(stop - start, self.itemsize, kind)
        for axis in self.index.shape:
            out *= axis if isinstance(axis, int) else axis[start:stop].astype(kind)
        return out

    def _count_units(self) -> int:
        index = self.index
        if index.tile is not None:
            if self.item_shape is not None:
                return math.prod(_grid(self.item_shape, index.tile)) * self.n_items
            if sum(float(self._tile_counts(a, b).sum()) for a, b in _blocks(self.n_items)) > MAX_UNITS:
                raise error("E_INDEX_LIMIT", "chunk.index.tile_count", "more than 2^26 tiles")
            self._tile_starts = np.zeros(self.n_items + 1, np.int64)
            for a, b in _blocks(self.n_items):
                np.cumsum(self._tile_counts(a, b), out=self._tile_starts[a + 1 : b + 1], dtype=np.int64)
                self._tile_starts[a + 1 : b + 1] += self._tile_starts[a]
            return int(self._tile_starts[-1])
        if isinstance(index.unit, int):
            if not index.unit:
                raise error("E_INDEX_UNIT", "chunk.index.unit", "a unit of no items")
            return -(-self.n_items // index.unit)
        held = total(index.unit, len(index.unit))
        if held != self.n_items or (len(index.unit) and not index.unit.min()):
            raise error("E_INDEX_UNIT", "chunk.index.unit_sum", f"units hold {held} of {self.n_items} items")
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
            raise error("E_INDEX_CODEC", "chunk.index.codec_range", f"pipeline {largest} of {len(index.codecs)}")
        return raw

    def _check_stored(self, payload: int, decoded: int) -> None:
        stored = self.index.stored
        if stored is None:
            if not self.raw and self.n_units:
                raise error("E_INDEX_FIELD", "chunk.index.stored_needed", "stored is absent, but not every unit is raw")
            said = decoded
        else:
            said = total(checked(stored, self.n_units, "chunk.index.stored"), self.n_units)
        if said != payload:
            raise error("E_INDEX_STORED", "chunk.index.stored_sum", f"units hold {said} bytes, the payload {payload}")
        if stored is not None and not isinstance(stored, int):
            self._offsets = prefix(stored)
        elif stored is None and self.index.tile is None and self.item_bytes is None:
            self._offsets = np.zeros(self.n_units + 1, np.int64)
            for a, b in _blocks(self.n_units):
                np.cumsum(self._unit_bytes(a, b), out=self._offsets[a + 1 : b + 1])
                self._offsets[a + 1 : b + 1] += self._offsets[a]

    def _unit_bytes(self, start: int, stop: int) -> np.ndarray:
        """Decoded bytes of units [start, stop) of whole items, int64."""
        edges = self._unit_edges(start, stop)
        if self.item_bytes is not None:
            return np.diff(edges) * self.item_bytes
        out = np.zeros(stop - start, np.int64)
        for low in range(int(edges[0]), int(edges[-1]), _BLOCK):
            high = min(low + _BLOCK, int(edges[-1]))
            first, last = np.searchsorted(edges, [low, high - 1], "right")
            cuts = np.maximum(edges[first - 1 : last], low) - low
            if self._sole is not None:  # no wide copy of its entries
                axis, scale = self._sole
                out[first - 1 : last] += np.add.reduceat(axis[low:high], cuts, dtype=np.int64) * scale
            else:
                out[first - 1 : last] += np.add.reduceat(self._item_bytes(low, high), cuts)
        return out

    def _unit_edges(self, start: int, stop: int) -> np.ndarray:
        """First items of units [start, stop), and the end."""
        if self._unit_starts is not None:
            return self._unit_starts[start : stop + 1]
        k: int = self.index.unit  # type: ignore[assignment]
        return np.minimum(np.arange(start, stop + 1, dtype=np.int64) * k, self.n_items)

    def _even_bytes(self) -> tuple[int, int] | None:
        """Decoded bytes of every unit but the last, and of the last, where that is arithmetic."""
        if self.item_bytes is None or self._unit_starts is not None or self.index.tile is not None or not self.n_units:
            return None
        k: int = self.index.unit  # type: ignore[assignment]
        return min(k, self.n_items) * self.item_bytes, (self.n_items - (self.n_units - 1) * k) * self.item_bytes

    def _check_raw(self) -> None:
        """Stored lengths of raw units are their decoded ones [chunk.index.stored_raw]; of tiles, when they are read."""
        stored, codec, even = self.index.stored, self.index.codec, self._even_bytes()
        raw = [number for number, pipeline in enumerate(self.index.codecs) if not pipeline]
        if stored is None or not raw or self.index.tile is not None or (isinstance(codec, int) and codec not in raw):
            return
        if isinstance(stored, int) and isinstance(codec, int) and even is not None:
            wrong = even[1] != stored or (self.n_units > 1 and even[0] != stored)
        else:
            wrong = any(
                bool(((self._unit_bytes(a, b) != entries(stored, a, b)) & np.isin(entries(codec, a, b), raw)).any())
                for a, b in _blocks(self.n_units)
            )
        if wrong:
            raise error("E_INDEX_STORED", "chunk.index.stored_raw", "a raw unit is not as long as its items")

    def _check_media(self) -> None:
        """A unit with a media codec holds one item [unit.media]."""
        media = [number for number, pipeline in enumerate(self.index.codecs) if is_media(pipeline)]
        codec = self.index.codec
        if not media or self.index.tile is not None or (isinstance(codec, int) and codec not in media):
            return
        if self._unit_starts is None and (self.index.unit == 1 or self.n_items <= 1):
            return
        for a, b in _blocks(self.n_units):
            if bool(((np.diff(self._unit_edges(a, b)) != 1) & np.isin(entries(codec, a, b), media)).any()):
                raise error("E_INDEX_UNIT", "unit.media", "a unit with a media codec holds several items")

    def _check_crc(self) -> int:
        """The number of CRCs of every unit but the last, where that is one number; else 0 [unit.crc_entries]."""
        stored, even = self.index.stored, self._even_bytes()
        if isinstance(stored, int):
            per, count = _spans(stored), _spans(stored) * self.n_units
        elif stored is None and even is not None:
            per, count = _spans(even[0]), _spans(even[0]) * (self.n_units - 1) + _spans(even[1])
        elif self.index.tile is not None and stored is None:
            large = math.prod(self.index.tile) * self.itemsize > CRC_SPAN
            per, count = (0, sum(_spans(n) for n in self._tile_bytes())) if large else (1, self.n_units)
        else:
            count = sum(int(self._crc_counts(a, b).sum()) for a, b in _blocks(self.n_units))
            per = 1 if count == self.n_units else 0
        crc = checked(self.index.crc, count, "chunk.index.crc")
        largest = crc if isinstance(crc, int) else int(crc.max(initial=0))
        if largest >= 1 << 32:
            raise error("E_INDEX_LIMIT", "unit.crc_entries", f"a CRC-32 of {largest}")
        return per

    def _crc_counts(self, start: int, stop: int) -> np.ndarray:
        """Numbers of CRCs of units [start, stop); not for raw tiles."""
        if self.index.stored is not None:
            lengths = entries(self.index.stored, start, stop)
        elif self._offsets is not None:
            lengths = np.diff(self._offsets[start : stop + 1])
        else:
            lengths = self._unit_bytes(start, stop)
        return np.maximum(1, -(-lengths // CRC_SPAN))

    def _tile_bytes(self) -> Iterator[int]:
        """Decoded bytes of all tiles in order; only for the few of chunks with large tiles [chunk.index.tile_large]."""
        starts = self._tile_starts
        for item in range(self.n_items if self.n_units else 0) if starts is None else np.flatnonzero(np.diff(starts)):
            shape = self.shape_of(int(item))
            for place in np.ndindex(*_grid(shape, self.index.tile or ())):
                yield math.prod(self.tile_shape(shape, place)) * self.itemsize

    def _crc_start(self, unit: int) -> int:
        """The first CRC of a unit; the table is made when it is first needed."""
        if self._even_crcs:
            return unit * self._even_crcs
        if self._crc_starts is None:
            if self.index.tile is not None and self.index.stored is None:
                counts = np.array([_spans(n) for n in self._tile_bytes()], np.int64)
            else:
                counts = np.concatenate([self._crc_counts(a, b).astype(np.int32) for a, b in _blocks(self.n_units)])
            self._crc_starts = prefix(counts)
        return int(self._crc_starts[unit])

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

    def items_between(self, sample: int, count: int) -> tuple[int, int]:
        """Items [start, stop) of samples [sample, sample+count)."""
        if self._sample_starts is not None:
            return int(self._sample_starts[sample]), int(self._sample_starts[sample + count])
        each = 1 if self.index.items is None else at(self.index.items, 0)
        if isinstance(self.index.missing, int) and self.index.missing:
            each = 0
        return sample * each, (sample + count) * each

    def item_starts(self, first: int, count: int) -> np.ndarray:
        """Item numbers at which samples [first, first+count) start, and the end: int64 of length count+1."""
        if self._sample_starts is not None:
            return self._sample_starts[first : first + count + 1]
        step = (1 if self.index.items is None else at(self.index.items, 0)) if not at(self.index.missing, 0) else 0
        return np.arange(first, first + count + 1, dtype=np.int64) * step if step else np.zeros(
            count + 1, np.int64
        )

    def shape_of(self, item: int) -> tuple[int, ...]:
        if self.item_shape is not None:
            return self.item_shape
        return tuple(at(axis, item) for axis in self.index.shape)

    def bytes_of(self, start: int, stop: int) -> np.ndarray:
        """Decoded bytes of items [start, stop), int64."""
        return self._item_bytes(start, stop)

    def span(self, start: int, stop: int) -> int:
        """Decoded bytes of items [start, stop) together."""
        if self.item_bytes is not None:
            return (stop - start) * self.item_bytes
        if self._sole is not None:
            return total(self._sole[0][start:stop], stop - start) * self._sole[1]
        return sum(int(self._item_bytes(a, min(a + _BLOCK, stop)).sum()) for a in range(start, stop, _BLOCK))

    def decoded(self, start: int, stop: int) -> int:
        """Decoded bytes of units [start, stop) of whole items."""
        return self.span(self.unit_items(start)[0], self.unit_items(stop - 1)[1])

    def unit_of(self, item: int) -> int:
        """The unit that holds an item (not for tiled chunks)."""
        if isinstance(self.index.unit, int):
            return item // self.index.unit
        assert self._unit_starts is not None
        return int(np.searchsorted(self._unit_starts, item, "right")) - 1

    def units_of(self, items: np.ndarray) -> np.ndarray:
        """The units that hold these items (not for tiled chunks)."""
        if isinstance(self.index.unit, int):
            return items // self.index.unit
        assert self._unit_starts is not None
        return np.searchsorted(self._unit_starts, items, "right") - 1

    def bounds(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where units of whole items begin and end in the payload (not for tiled chunks)."""
        if self._offsets is not None:
            return self._offsets[units], self._offsets[units + 1]
        if isinstance(self.index.stored, int):
            return units * self.index.stored, (units + 1) * self.index.stored
        size: int = self.item_bytes  # type: ignore[assignment]  # or there would be offsets
        if self._unit_starts is not None:
            return self._unit_starts[units] * size, self._unit_starts[units + 1] * size
        k: int = self.index.unit  # type: ignore[assignment]
        size *= k
        return units * size, np.minimum(units * size + size, self._payload)

    @property
    def unit_offsets(self) -> np.ndarray | None:
        """Where units begin in the payload, and its end; None where that is arithmetic."""
        return self._offsets

    def unit_items(self, unit: int) -> tuple[int, int]:
        """Items [start, stop) of one unit (not for tiled chunks)."""
        if self._unit_starts is not None:
            return int(self._unit_starts[unit]), int(self._unit_starts[unit + 1])
        k: int = self.index.unit  # type: ignore[assignment]
        return unit * k, min(unit * k + k, self.n_items)

    def unit(self, number: int) -> Unit:
        """One whole-item unit. Errors: E_INDEX_STORED when a raw unit's length is not its items' bytes."""
        start, stop = self.unit_items(number)
        return self._placed(number, self.span(start, stop), start * (self.item_bytes or 0))

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
        """Bytes of the items before one, in a chunk of raw tiles; the table is made when it is first needed."""
        if self.item_bytes is not None:
            return item * self.item_bytes
        if self._item_offsets is None:
            self._item_offsets = prefix(self._item_bytes(0, self.n_items))
        return int(self._item_offsets[item])

    def _placed(self, number: int, decoded: int, raw_offset: int) -> Unit:
        codec = at(self.index.codec, number)
        stored_column = self.index.stored
        if stored_column is None:
            offset = int(self._offsets[number]) if self._offsets is not None else raw_offset
            return Unit(number, 64 + offset, decoded, decoded, codec)
        stored = at(stored_column, number)
        offset = number * stored if self._offsets is None else int(self._offsets[number])
        if not self.index.codecs[codec] and stored != decoded:
            raise error("E_INDEX_STORED", "chunk.index.stored_raw", f"raw unit {number}: {stored} bytes, {decoded} due")
        return Unit(number, 64 + offset, stored, decoded, codec)

    def crcs(self, unit: Unit) -> list[int]:
        """CRC-32 of each started MiB of a unit's stored bytes [unit.crc]."""
        start = self._crc_start(unit.number)
        return [at(self.index.crc, i) for i in range(start, start + _spans(unit.stored))]


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
        wrong = bool(items and missing.any()) if isinstance(items, int) else bool(items[missing == 1].any())
    if wrong:
        raise error("E_INDEX_MISSING", "chunk.index.missing_value", "a missing sample has items")
    if count > MAX_ITEMS:
        raise error("E_INDEX_LIMIT", "chunk.index.limit", f"{count} items")
    return count, None if isinstance(items, int) else prefix(items)


def _grid(shape: tuple[int, ...], tile: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // t) for n, t in zip(shape, tile, strict=True))


def _spans(stored: int) -> int:
    """CRCs of a unit of so many stored bytes [unit.crc_entries]."""
    return max(1, -(-stored // CRC_SPAN))


def _blocks(count: int):
    return ((start, min(start + _BLOCK, count)) for start in range(0, count, _BLOCK))
