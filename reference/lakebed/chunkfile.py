"""Floor 5. One chunk, open for reading: fetch, verify once, decode [algo.read_one].

A unit is verified when it is first touched and that is remembered as long as the chunk stays open [unit.once]; so a
shuffled epoch pays each checksum once. Arrays handed out own their memory.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from . import codecs, dtypes, threads
from .checksum import crc32
from .codecs.seek import judged, seek_entries
from .columns import at, entries, prefix
from .errors import LakebedError, error
from .format import chunk as layout
from .geometry import CRC_SPAN, Geometry, Unit
from .model import ChunkIndex
from .names import chunk_key
from .pieces import Pieces
from .slices import ChunkRef
from .stores.store import Store

LARGEST_RATIO = 8 * 32768  # of any array pipeline: a filter gives eight bytes for one, zstd 32,768
MOST_ROWS = 1 << 22  # items whose places are kept at hand, eight bytes each
FETCHES = 32  # tiled items fetched at once where every look is a request
KEPT_UNITS = 2  # decoded units of many items that stay at hand
Region = tuple[slice, ...]
Held = dict[tuple[str, int], dict[int, memoryview | bytes]]
"""Verified MiBs of units that are read in part, by chunk and unit; of a dataset's chunks together."""
Spread = Callable[..., Iterable[Any]]  # like map; a thread pool's map decodes units side by side


class ChunkFile:
    """Errors at opening: E_OBJECT_MISSING, E_TRUNCATED, E_CHUNK_*, E_INDEX_*, E_DTYPE_UNSUPPORTED, E_EXTRA_MISSING."""

    def __init__(self, store: Store, ref: ChunkRef, held: Held | None = None) -> None:
        self.ref, self.key = ref, chunk_key(ref.name)
        self._store = store
        self._view = store.view(self.key)
        tail = self._bytes(64 + ref.payload, ref.index + layout.TRAILER.size, "chunk.open.range")
        self.index: ChunkIndex = layout.decode_tail(tail, ref.payload, ref.index, self.key).index
        del tail
        try:
            self.geometry = Geometry(self.index, ref.payload)
        except LakebedError as cause:
            cause.object = cause.object or self.key
            raise
        self.dtype = dtypes.dtype(self.index.dtype).numpy
        self._bool = self.index.dtype == "bool"
        units = self.geometry.n_units
        self._verified: Any = bytearray(units) if units <= 1 << 22 else defaultdict(int)  # 2^26 of them may be a claim
        self._marks = np.frombuffer(self._verified, bool) if isinstance(self._verified, bytearray) else None
        self._sound = False  # every unit was verified
        self._kept: dict[int, memoryview] = {}
        self.media = tuple(codecs.is_media(pipeline) for pipeline in self.index.codecs)
        self._direct = tuple(codecs.direct(pipeline) for pipeline in self.index.codecs)
        self.flowing = self._is_flowing()
        self.uniform = self.flowing and self.geometry.item_shape is not None
        self._flat = self._mapped_items()
        plain = self._flat is not None and self.geometry.one_crc and not self._bool
        self._stride = self.geometry.item_bytes * self.index.unit if plain else 0  # type: ignore[operator]
        self._rows: tuple[np.ndarray, np.ndarray] | None = None
        self._looks: int | None = 0 if self.flowing and not self.uniform else None
        self._file_starts = self._starts_of_files()
        self._seeks: dict[int, codecs.Seek | None] = {}
        self._held: Held = {} if held is None else held

    def _is_flowing(self) -> bool:
        """Every sample is one item in array units: items lie back to back. Of one shape too: ``uniform``."""
        index = self.index
        plain = index.items is None and index.tile is None and not any(self.media)
        return plain and isinstance(index.missing, int) and not index.missing

    def _mapped_items(self) -> np.ndarray | None:
        """All items as one array over the mapped file, where they lie there raw."""
        size = self.geometry.item_bytes
        even = isinstance(self.index.unit, int)
        if not (self.uniform and even and self.geometry.raw and self._view is not None and size):
            return None
        flat = np.frombuffer(self._view, self.dtype, self.geometry.n_items * size // self.dtype.itemsize, 64)
        return flat.reshape(self.geometry.n_items, *self.geometry.item_shape)  # type: ignore[misc]

    def _starts_of_files(self) -> np.ndarray | None:
        """Where each sample's file lies, when every sample is one file of one format in a mapped chunk."""
        index = self.index
        plain = index.items is None and index.tile is None and index.missing.__class__ is int and not index.missing
        one = isinstance(index.codec, int) and self.media[index.codec] and isinstance(index.unit, int)
        return self.geometry.unit_offsets if plain and one and index.unit == 1 and self._view is not None else None

    # --- stored bytes ---------------------------------------------------------------------------------------------

    def _bytes(self, offset: int, length: int, clause: str = "unit.short") -> memoryview | bytes:
        if self._view is None:
            return self._store.ranges(self.key, [(offset, length)])[0]
        found = self._view[offset : offset + length]
        if len(found) != length:
            raise error("E_TRUNCATED", clause, "the chunk ends too early", object=self.key, offset=offset)
        return found

    def stored(self, units: Sequence[Unit]) -> list[memoryview | bytes]:
        """The stored bytes of these units, each verified when first touched. Errors: E_TRUNCATED, E_UNIT_CRC."""
        if self._view is not None:
            found = [self._bytes(unit.offset, unit.stored) for unit in units]
        else:
            found = list(self._store.ranges(self.key, [(unit.offset, unit.stored) for unit in units]))
        for unit, data in zip(units, found, strict=True):
            if not self._verified[unit.number]:
                self._verify(unit, data)
        return found

    def _verify(self, unit: Unit, data: memoryview | bytes) -> None:
        """[unit.crc]: CRC-32 of each started MiB; raw booleans are 0 or 1 [value.bool]."""
        view = memoryview(data)
        self._verify_spans(unit, self.geometry.crcs(unit), view, unit.offset)
        if self._bool and not self.index.codecs[unit.codec]:
            self._check_bool(view, unit)
        self._verified[unit.number] = 1

    def _verify_spans(self, unit: Unit, crcs: Sequence[int], data: memoryview | bytes, start: int) -> None:
        """Started MiBs of a unit that lie from ``start`` on."""
        view = memoryview(data)
        for part, crc in enumerate(crcs):
            if crc32(view[part * CRC_SPAN : (part + 1) * CRC_SPAN]) != crc:
                offset = start + part * CRC_SPAN
                raise error("E_UNIT_CRC", "unit.crc", f"unit {unit.number} is damaged", object=self.key, offset=offset)

    def _check_bool(self, data: memoryview, unit: Unit) -> None:
        if len(data) and np.frombuffer(data, np.uint8).max() > 1:
            raise error("E_VALUE_BOOL", "value.bool", f"unit {unit.number} holds a boolean above 1", object=self.key)

    def decoded(self, unit: Unit, data: memoryview | bytes) -> memoryview:
        """What an array unit decodes to. Errors: E_CODEC_DATA, E_CODEC_UNSUPPORTED, E_EXTRA_MISSING, E_VALUE_BOOL."""
        pipeline = self.index.codecs[unit.codec]
        if not pipeline:
            return memoryview(data)
        out = memoryview(codecs.decode(pipeline, data, unit.decoded, object=self.key, offset=unit.offset))
        if self._bool:
            self._check_bool(out, unit)
        return out

    def _decode_into(self, unit: Unit, data: memoryview | bytes, out: np.ndarray) -> None:
        """Like :meth:`decoded`, into a contiguous array of the unit's bytes."""
        target = out.reshape(-1).view(np.uint8).data
        codecs.decode_into(self.index.codecs[unit.codec], data, target, object=self.key, offset=unit.offset)
        if self._bool:
            self._check_bool(target, unit)

    def _unit_data(self, number: int) -> memoryview:
        """One decoded whole-item unit; the last few of many items are kept, for neighbours will be asked for."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        unit = self.geometry.unit(number)
        data = self.decoded(unit, self.stored([unit])[0])
        start, stop = self.geometry.unit_items(number)
        if stop - start > 1 and (self.index.codecs[unit.codec] or self._view is None):
            self._kept[number] = data
            for old in list(self._kept)[:-KEPT_UNITS]:  # a list at once: other threads change it too
                self._kept.pop(old, None)
        return data

    # --- one sample -----------------------------------------------------------------------------------------------

    def sample(self, number: int) -> Any:
        """None when missing, an array, or a list of arrays in a sequence. ``number`` is below ``samples``."""
        if self._flat is not None:
            unit: int = number // self.index.unit  # type: ignore[assignment]
            if not self._verified[unit]:
                self._look(unit)
            return self._flat[number, ...].copy()
        if self._rows is not None:
            self._touch((self.geometry.unit_of(number),))
            values, ends = self._rows
            return values[ends[number] : ends[number + 1]].copy()
        if self._looks is not None:
            self._looks += 1
            if self._looks > 1:
                self._looks = None
                self.rows()
        found = self.geometry.items_of(number)
        if found is None:
            return None
        first, count = found
        if self.index.items is None:
            return self.item(first)
        return [self.item(i) for i in range(first, first + count)]

    def rows(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Where items of a mapped raw chunk differ on the first axis only: all rows, and where each item's begin.

        Made when it pays, at the second look; None where items lie otherwise.
        """
        trailing = self.index.shape[1:]
        ragged = self.flowing and not self.uniform and bool(self.index.shape) and self.geometry.raw
        even = all(isinstance(axis, int) and axis for axis in trailing)
        wanted = self._rows is None and ragged and even and self.geometry.n_items <= MOST_ROWS
        if wanted and self._view is not None:
            ends = prefix(self.index.shape[0])  # type: ignore[arg-type]
            size = int(ends[-1]) * math.prod(trailing)
            self._rows = np.frombuffer(self._view, self.dtype, size, 64).reshape(-1, *trailing), ends
        return self._rows

    def rows_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`rows`, of which those of samples ``numbers`` are verified."""
        if not self._sound:
            self._touch_all(self.geometry.units_of(numbers))
        assert self._rows is not None
        return self._rows

    def rows_between(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`rows`, of which those of samples [first, first+count) are verified."""
        if not self._sound:
            low, high = self.geometry.unit_of(first), self.geometry.unit_of(first + count - 1) + 1
            self._touch_all(np.arange(low, high))
        assert self._rows is not None
        return self._rows

    def item(self, number: int) -> np.ndarray:
        """One item as an array of its own."""
        if self.index.tile is not None:
            return self.tiles(number, tuple(slice(0, side) for side in self.geometry.shape_of(number)))
        unit = self.geometry.unit_of(number)
        if self.media[at(self.index.codec, unit)]:
            return self._picture(self.geometry.unit(unit), self.geometry.shape_of(number))
        start, stop = self.geometry.unit_items(unit)
        if stop - start == 1 and self._direct[at(self.index.codec, unit)]:
            return self._alone(self.geometry.unit(unit), self.geometry.shape_of(number))
        return self._cut(number, unit, self._unit_data(unit), unit in self._kept)

    def _alone(self, unit: Unit, shape: tuple[int, ...]) -> np.ndarray:
        """The one item of an array unit, decoded into its own array."""
        data, pipeline = self.stored([unit])[0], self.index.codecs[unit.codec]
        codecs.plausible(pipeline, len(data), unit.decoded, object=self.key, offset=unit.offset)
        flat = np.empty(unit.decoded // self.dtype.itemsize, self.dtype)
        self._decode_into(unit, data, flat)
        return self._shaped(flat, shape)

    def _cut(self, number: int, unit: int, data: memoryview, shared: bool) -> np.ndarray:
        """One item out of its decoded unit, copied unless the decoder made the buffer for this item alone."""
        geometry = self.geometry
        shape = geometry.shape_of(number)
        start, _ = geometry.unit_items(unit)
        if geometry.item_bytes is not None:
            offset = (number - start) * geometry.item_bytes
        else:
            offset = geometry.span(start, number)
        flat = np.frombuffer(data, self.dtype, math.prod(shape), offset)
        if not shared and flat.flags.writeable and flat.nbytes == len(data):
            return self._shaped(flat, shape)
        return self._shaped(flat.copy(), shape)

    def _shaped(self, flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        try:
            return flat.reshape(shape)
        except ValueError as cause:  # no bytes, but axes whose product numpy cannot count
            raise error("E_INDEX_LIMIT", "chunk.index.limit", f"numpy holds no {shape}", object=self.key) from cause

    def _picture(self, unit: Unit, shape: tuple[int, ...], data: memoryview | bytes | None = None) -> np.ndarray:
        step = self.index.codecs[unit.codec][0]
        stored = self.stored([unit])[0] if data is None else data
        try:
            return codecs.decode_media(step.name, dict(step.params), stored, self.index.dtype, shape)
        except LakebedError as cause:
            if cause.object is None:
                cause.object, cause.offset = self.key, unit.offset
            raise

    def file(self, number: int) -> tuple[str, bytes] | None:
        """(format, verbatim bytes) of a sample that is one media unit, else None. Needs no decoder [media.verbatim]."""
        if self._file_starts is not None and self._verified[number]:
            start, stop = self._file_starts[number : number + 2].tolist()
            return self.index.codecs[self.index.codec][0].name, bytes(self._view[64 + start : 64 + stop])  # type: ignore[index]
        found = self.geometry.items_of(number)
        if found is None or found[1] != 1 or self.index.tile is not None:
            return None
        unit = self.geometry.unit_of(found[0])
        codec = at(self.index.codec, unit)
        if not self.media[codec]:
            return None
        return self.index.codecs[codec][0].name, bytes(self.stored([self.geometry.unit(unit)])[0])

    def files(self, numbers: Sequence[int]) -> list[tuple[str, bytes] | None]:
        """Like :meth:`file` for each; fetched together where every look is a request."""
        if self._file_starts is not None and self._view is not None:
            rows = np.asarray(numbers, np.int64)  # a sample is a unit here
            if not self._sound:
                self._touch_all(rows)
            view, form = self._view[64:], self.index.codecs[at(self.index.codec, 0)][0].name
            spans = zip(self._file_starts[rows].tolist(), self._file_starts[rows + 1].tolist(), strict=True)
            return [(form, bytes(view[start:stop])) for start, stop in spans]
        if self._view is not None:
            return [self.file(number) for number in numbers]
        units: list[Unit | None] = []
        for number in numbers:
            found = self.geometry.items_of(number)
            single = found is not None and found[1] == 1 and self.index.tile is None
            unit = self.geometry.unit(self.geometry.unit_of(found[0])) if single else None  # type: ignore[index]
            units.append(unit if unit is not None and self.media[unit.codec] else None)
        wanted = {unit.number: unit for unit in units if unit is not None}
        data = dict(zip(wanted, self.stored(list(wanted.values())), strict=True))
        name = [pipeline[0].name if pipeline else "" for pipeline in self.index.codecs]
        return [None if unit is None else (name[unit.codec], bytes(data[unit.number])) for unit in units]

    # --- parts of one item ----------------------------------------------------------------------------------------

    def region(self, number: int, region: Region) -> np.ndarray:
        """A box of one item; only the tiles it touches are read [algo.read_region]. Steps are 1."""
        if self.index.tile is not None:
            return self.tiles(number, region)
        part = self._media_part(number, region)
        box: Any = (*region, ...)  # a tuple of slices is one index
        part = self.item(number)[box] if part is None else part
        return np.ascontiguousarray(part).reshape(part.shape)

    def _media_part(self, number: int, region: Region) -> np.ndarray | None:
        """Of sound and video only the samples or frames asked for are decoded [media.part]; None elsewhere."""
        unit = self.geometry.unit_of(number)
        codec = at(self.index.codec, unit)
        shape = self.geometry.shape_of(number)
        if not self.media[codec] or not region or (region[0].start, region[0].stop) == (0, shape[0]):
            return None
        name, start, stop = self.index.codecs[codec][0].name, region[0].start, max(region[0].start, region[0].stop)
        placed = self.geometry.unit(unit)
        found, seek = None, self.seek(placed)
        if seek is not None or placed.stored > CRC_SPAN:
            found = codecs.reach_part(name, self._pieces(placed), self.index.dtype, shape, start, stop, seek)
        if found is None:
            found = codecs.decode_part(name, self.stored([placed])[0], self.index.dtype, shape, start, stop)
        return None if found is None else found[(slice(None), *region[1:])]

    def seek(self, unit: Unit) -> codecs.Seek | None:
        """The seek entry of a media unit; None where there is none that keeps the rules [seek.advice]."""
        if unit.number not in self._seeks:
            entry = seek_entries(self.index.seek).get(unit.number)
            self._seeks[unit.number] = None
            if entry is not None and self.media[unit.codec] and self.index.tile is None:
                length = (*self.geometry.shape_of(self.geometry.unit_items(unit.number)[0]), 0)[0]
                with contextlib.suppress(LakebedError):
                    self._seeks[unit.number] = judged(entry, length, unit.stored)
        return self._seeks[unit.number]

    def _pieces(self, unit: Unit) -> Pieces:
        """A unit as a file of which only what is read is fetched and verified [unit.crc]."""
        held = self._held.get((self.key, unit.number))
        if held is None:
            held = self._held[self.key, unit.number] = {}
            for old in list(self._held)[:-KEPT_UNITS]:
                self._held.pop(old, None)
        crcs = self.geometry.crcs(unit)

        def fetch(runs: Sequence[tuple[int, int]]) -> Sequence[memoryview | bytes]:
            spans = [
                (unit.offset + first * CRC_SPAN, min(count * CRC_SPAN, unit.stored - first * CRC_SPAN))
                for first, count in runs
            ]
            if self._view is not None:
                found: Sequence[memoryview | bytes] = [self._bytes(offset, length) for offset, length in spans]
            else:
                found = self._store.ranges(self.key, spans)
            for (first, count), (offset, _), data in zip(runs, spans, found, strict=True):
                if not self._verified[unit.number]:
                    self._verify_spans(unit, crcs[first : first + count], data, offset)
            return found

        return Pieces(unit.stored, fetch, held)

    def tiles(self, number: int, region: Region) -> np.ndarray:
        geometry, tile = self.geometry, self.index.tile or ()
        shape = geometry.shape_of(number)
        sides = tuple(max(0, part.stop - part.start) for part in region)
        if not math.prod(sides):
            return self._shaped(np.empty(0, self.dtype), sides)
        out: np.ndarray | None = None
        touched = [range(part.start // side, -(-part.stop // side)) for part, side in zip(region, tile, strict=True)]
        places = _places(touched)
        for group in _by_bytes(geometry.tile_unit(number, place) for place in _places(touched)):
            for unit, data in zip(group, self.stored(group), strict=True):
                place = next(places)
                block = self._tile(unit, data, geometry.tile_shape(shape, place))
                if out is None:  # only now: a tile that decodes is worth more than a claim
                    out = np.empty(sides, self.dtype)
                origin = [p * side for p, side in zip(place, tile, strict=True)]
                into, of = _overlap(region, origin, block.shape)
                out[into] = block[of]
        assert out is not None
        return out

    def _tile(self, unit: Unit, data: memoryview | bytes, shape: tuple[int, ...]) -> np.ndarray:
        if self.media[unit.codec]:
            return self._picture(unit, shape, data)
        return np.frombuffer(self.decoded(unit, data), self.dtype).reshape(shape)

    # --- many samples ---------------------------------------------------------------------------------------------

    def plausible(self, first: int, count: int) -> None:
        """Before room is made for samples [first, first+count) of a flowing chunk: refuse a claim that no codec can
        meet from the bytes there are [codec.plausible]. Errors: E_CODEC_DATA."""
        if self.geometry.raw or not count:
            return
        low, high = self.geometry.unit_of(first), self.geometry.unit_of(first + count - 1)
        start, last = self.geometry.unit(low).offset, self.geometry.unit(high)
        stored = last.offset + last.stored - start
        claimed = self.geometry.decoded(low, high + 1)
        if claimed > LARGEST_RATIO * stored:
            detail = f"{stored} stored bytes cannot decode to {claimed}"
            raise error("E_CODEC_DATA", "codec.plausible", detail, object=self.key, offset=start)

    def block(self, first: int, count: int, out: np.ndarray, spread: Spread = map) -> None:
        """Samples [first, first+count) of a uniform chunk into ``out`` of shape (count, *item)."""
        if self._flat is not None:
            k: int = self.index.unit  # type: ignore[assignment]
            if not self._sound:
                self._touch_all(np.arange(first // k, -(-(first + count) // k)))
            out[:] = self._flat[first : first + count]
        elif self.geometry.item_bytes and count:
            units = range(self.geometry.unit_of(first), self.geometry.unit_of(first + count - 1) + 1)

            def fill(unit: Unit, data: memoryview | bytes) -> None:
                start, stop = self.geometry.unit_items(unit.number)
                a, b = max(first, start), min(first + count, stop)
                if (a, b) == (start, stop):
                    self._decode_into(unit, data, out[a - first : b - first])
                else:
                    out[a - first : b - first] = self._items(unit, data)[a - start : b - start]

            self._fill(fill, units, spread)

    def take(self, numbers: np.ndarray, out: np.ndarray, where: np.ndarray | None, spread: Spread = map) -> None:
        """Samples ``numbers`` of a uniform chunk into ``out[where]``; None: they are all of it, in order."""
        if self._flat is not None:
            if not self._sound:
                self._touch_all(numbers // self.index.unit)
            out[... if where is None else where] = self._flat.take(numbers, 0, None, "clip")
        elif self.geometry.item_bytes:
            order = np.argsort(numbers, kind="stable")
            sorted_numbers = numbers[order]

            def fill(unit: Unit, data: memoryview | bytes) -> None:
                start, stop = self.geometry.unit_items(unit.number)
                low, high = np.searchsorted(sorted_numbers, [start, stop]).tolist()
                mine = order[low:high]
                slots = mine if where is None else where[mine]
                if stop - start == 1:
                    one = out[slots[0] : slots[0] + 1]
                    self._decode_into(unit, data, one)
                    out[slots[1:]] = one
                else:
                    out[slots] = self._items(unit, data)[numbers[mine] - start]

            self._fill(fill, np.unique(self.geometry.units_of(numbers)).tolist(), spread)

    def _fill(self, fill: Callable[[Unit, Any], None], units: Iterable[int], spread: Spread) -> None:
        """``fill`` with each of these units and its stored bytes, side by side."""
        for group in _by_bytes(map(self.geometry.unit, units)):
            for _ in spread(fill, group, self.stored(group)):
                pass

    def lay(self, numbers: np.ndarray, where: np.ndarray | None, out: np.ndarray) -> bool:
        """Like :meth:`take` of ``numbers[where]``, in one pass over all of ``out`` that leaves any rows of this chunk
        at the other places: to begin with the largest part of several. False: not of this chunk."""
        if self._flat is None:
            return False
        if not self._sound:
            self._touch_all((numbers if where is None else numbers[where]) // self.index.unit)
        self._flat.take(numbers, 0, out, "clip")  # "raise" would buffer; the numbers that count are in range
        return True

    def run(self, first: int, count: int, spread: Spread = map) -> tuple[np.ndarray, np.ndarray]:
        """Samples [first, first+count) of a chunk of array units, back to back: (flat values, shapes (count, rank)).

        Not for sequences, tiles, media or missing samples: see :attr:`flowing`.
        """
        geometry, index = self.geometry, self.index
        shapes = np.stack([entries(axis, first, first + count) for axis in index.shape], axis=1)
        low, high = geometry.unit_of(first), geometry.unit_of(first + count - 1) + 1
        lead, end = geometry.unit_items(low)[0], geometry.unit_items(high - 1)[1]
        skip = geometry.span(lead, first)
        size = geometry.span(first, first + count)
        if geometry.raw and self._view is not None:
            self._touch(range(low, high))
            start = geometry.unit(low).offset + skip
            return np.frombuffer(self._view, self.dtype, size // self.dtype.itemsize, start).copy(), shapes
        self.plausible(first, count)
        whole = np.empty(skip + size + geometry.span(first + count, end), np.uint8)
        at_byte = 0
        for group in _by_bytes(map(geometry.unit, range(low, high))):
            for data in spread(self.decoded, group, self.stored(group)):
                whole[at_byte : at_byte + len(data)] = np.frombuffer(data, np.uint8)
                at_byte += len(data)
        return np.frombuffer(whole, self.dtype, size // self.dtype.itemsize, skip), shapes

    def _items(self, unit: Unit, data: memoryview | bytes) -> np.ndarray:
        """The decoded items of a unit of a uniform chunk."""
        start, stop = self.geometry.unit_items(unit.number)
        return np.frombuffer(self.decoded(unit, data), self.dtype).reshape(stop - start, *self.geometry.item_shape)  # type: ignore[misc]

    def _touch(self, units: Iterable[int]) -> None:
        fresh = [unit for unit in units if not self._verified[unit]]
        if fresh:
            self.stored([self.geometry.unit(unit) for unit in fresh])

    def _touch_all(self, units: np.ndarray) -> None:
        """Like :meth:`_touch`, in one look where they were all verified before."""
        if self._marks is None:
            self._touch(units.tolist())
        elif not self._marks[units].all():
            units = np.unique(units)
            self._verify_many(units[~self._marks[units]])
            self._sound = bool(self._marks.all())

    def _look(self, unit: int) -> None:
        """Verify one unit of :attr:`_flat`; what is unusual about it is done, or said, by the way of all units."""
        start = 64 + unit * self._stride
        data = self._view[start : min(start + self._stride, 64 + self.ref.payload)]  # type: ignore[index]
        if self._stride and crc32(data) == at(self.index.crc, unit):
            self._verified[unit] = 1
        else:
            self.stored([self.geometry.unit(unit)])

    def _verify_many(self, units: np.ndarray) -> None:
        """In one pass where each unit lies mapped and has one checksum; who fails is told by the way of one unit."""
        if self._view is not None and self.geometry.one_crc and not self._bool:
            view, crc = self._view[64 : 64 + self.ref.payload], self.index.crc
            starts, stops = self.geometry.bounds(units)
            due = entries(crc, 0, len(units)) if isinstance(crc, int) else crc[units]
            spans = zip(starts.tolist(), stops.tolist(), due.tolist(), strict=True)
            good = np.array([crc32(view[start:stop]) == number for start, stop, number in spans], bool)
            self._marks[units[good]] = True  # type: ignore[index]
            units = units[~good]
        self.stored([self.geometry.unit(unit) for unit in units.tolist()])

    def samples(self, numbers: Sequence[int], spread: Spread = map) -> list[Any]:
        """Like :meth:`sample` for each; stored bytes are fetched together, units decoded once, through ``spread``."""
        found = [self.geometry.items_of(number) for number in numbers]
        if self.index.tile is not None:
            side_by_side = spread if self._view is not None else threads.spread(FETCHES, "tiles")
            return list(side_by_side(self.sample, numbers))
        owner = {i: self.geometry.unit_of(i) for span in found if span for i in range(span[0], span[0] + span[1])}
        contents: dict[int, Any] = {}
        for group in _by_bytes(map(self.geometry.unit, sorted(set(owner.values())))):
            decoded = spread(self._content, group, self.stored(group))
            contents.update(zip((unit.number for unit in group), decoded, strict=True))

        def item(number: int) -> np.ndarray:
            content = contents[owner[number]]
            if isinstance(content, np.ndarray):
                return content
            start, stop = self.geometry.unit_items(owner[number])
            return self._cut(number, owner[number], content, stop - start > 1)

        if self.index.items is None:
            return [None if span is None else item(span[0]) for span in found]
        return [None if span is None else [item(i) for i in range(span[0], span[0] + span[1])] for span in found]

    def _content(self, unit: Unit, data: memoryview | bytes) -> np.ndarray | memoryview:
        if self.media[unit.codec]:
            return self._picture(unit, self.geometry.shape_of(self.geometry.unit_items(unit.number)[0]), data)
        return self.decoded(unit, data)


def _by_bytes(units: Iterable[Unit], limit: int = 64 << 20, most: int = 4096) -> Iterable[list[Unit]]:
    """Groups of at most ``most`` units and near ``limit`` stored bytes, so that a long read does not hold it twice."""
    group: list[Unit] = []
    size = 0
    for unit in units:
        if group and (size + unit.stored > limit or len(group) >= most):
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.stored
    if group:
        yield group


def _places(axes: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """C order, one at a time: an axis may claim 2^26 tiles."""
    if not axes:
        yield ()
        return
    for first in axes[0]:
        for rest in _places(axes[1:]):
            yield (first, *rest)


def _overlap(region: Region, origin: Sequence[int], shape: Sequence[int]) -> tuple[Region, Region]:
    """Where a tile at ``origin`` falls into the region, and which part of the tile that is."""
    into, of = [], []
    for part, start, side in zip(region, origin, shape, strict=True):
        low, high = max(part.start, start), min(part.stop, start + side)
        into.append(slice(low - part.start, high - part.start))
        of.append(slice(low - start, high - start))
    return tuple(into), tuple(of)
