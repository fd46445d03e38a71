"""Floor 6. One chunk being written: items into units, units onto the spool, index at the end [algo.append].

Memory stays bounded by one unit and by the index. The name is the SHA-256 of all bytes, so it is known at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import codecs, columns
from .checksum import crc32
from .codecs import RAW, Pipeline
from .codecs.seek import MAX_ENTRIES, index_entry
from .columns import Column
from .format.chunk import HEAD, encode_tail
from .geometry import CRC_SPAN
from .model import ChunkIndex
from .names import chunk_key
from .slices import ChunkRef
from .stores.store import Store
from .threads import default_threads, spread

UNIT_BYTES = 65536
UNIT_ITEMS = 65536
SIDE_BY_SIDE = 4096  # bytes of a unit from which handing it to another thread pays
CHUNK_BYTES = 256 << 20
INDEX_BYTES = 1 << 20
SEEK_BYTES = 2 << 20  # of all seek entries of a chunk
HASH_SPAN = 4 << 20
MAX_CHUNK_SAMPLES = 1 << 26


@dataclass(frozen=True, slots=True)
class UnitRule:
    """How units fill: ``items`` fixed, or closed at the first item that reaches ``bytes`` [write.unit]."""

    items: int | None = None
    bytes: int = UNIT_BYTES

    @staticmethod
    def of(write: dict, item_bytes: int | None) -> UnitRule:
        """From a tensor's advice and, where every dim is fixed, the bytes of an item."""
        unit = write.get("unit", {})
        if "items" in unit:
            return UnitRule(items=max(1, int(unit["items"])))
        size = int(unit.get("bytes", UNIT_BYTES))
        if item_bytes is None:
            return UnitRule(bytes=size)
        return UnitRule(items=max(1, size // max(1, item_bytes)))


class ChunkWriter:
    """Takes items, then the samples they belong to; :meth:`close` gives the chunk its name."""

    def __init__(
        self,
        store: Store,
        *,
        tensor: str,
        row: int,
        dtype: str,
        itemsize: int,
        rank: int,
        sequence: bool,
        pipeline: Pipeline,
        rule: UnitRule,
        tile: tuple[int, ...] | None = None,
        chunk_bytes: int | None = None,
        fixed_axes: Sequence[bool] = (),
    ) -> None:
        self.tensor, self.row, self.dtype, self.itemsize, self.rank = tensor, row, dtype, itemsize, rank
        self.sequence, self.pipeline, self.rule, self.tile = sequence, pipeline, rule, tile
        self._chunk_bytes = CHUNK_BYTES if chunk_bytes is None else chunk_bytes
        self._store = store
        self._spool = store.spool()
        self._hash = hashlib.sha256(HEAD)
        self._beside: Iterator[None] = iter(())
        self._spool.write(HEAD)
        self.payload = 0
        self.samples = 0
        self._counts: list[tuple[int, int]] = []  # (samples, items of each), -1 items for missing
        self._shapes: list[tuple[int, tuple[int, ...]] | np.ndarray] = []  # runs of equal shapes, or (n, rank) rows
        self._pipelines: dict[Pipeline, int] = {}
        self._unit_items: list[int] = []
        self._codec: list[int] = []
        self._stored: list[int] = []
        self._crc: list[int] = []
        self._seek: list[dict[str, Any]] = []
        self._seek_bytes = 0
        self._pending: list[bytes] = []
        self._pending_items = 0
        self._pending_bytes = 0
        self._items = 0
        self._most = 0  # items of one sample
        self._longest = [0 if fixed else 1 for fixed in fixed_axes] if fixed_axes else [1] * rank

    # --- samples --------------------------------------------------------------------------------------------------

    def add_samples(self, count: int, items: int = 1) -> None:
        """``count`` samples of ``items`` items each are there; -1: missing."""
        self.samples += count
        self._most = max(self._most, items)
        if self._counts and self._counts[-1][1] == items:
            count += self._counts.pop()[0]
        self._counts.append((count, items))

    @property
    def full(self) -> bool:
        """Whether the next sample belongs into another chunk [write.chunk].

        Axes and sequence lengths are counted as if they differed from item to item: the next item may make it so.
        """
        index = 12 * len(self._stored) + self._items * sum(map(_width, self._longest)) + self._seek_bytes
        if self.sequence:
            index += self.samples * _width(self._most)
        return (
            self.payload + self._pending_bytes >= self._chunk_bytes
            or index >= INDEX_BYTES
            or self.samples >= MAX_CHUNK_SAMPLES // 2
            or self._items >= MAX_CHUNK_SAMPLES // 2
        )

    # --- items of array units -------------------------------------------------------------------------------------

    def add_block(self, data: memoryview, count: int, shape: tuple[int, ...]) -> None:
        """``count`` items of one shape, back to back in ``data`` (bytes)."""
        if not count:
            return
        self._add_shape(count, shape)
        size = len(data) // count
        done = 0
        if not self._pending_items and not self.pipeline and size:
            done = self._raw_run(data, count, size)
        whole: list[tuple[memoryview, int]] = []
        while done < count:
            room = self._room(size)
            n = min(room, count - done)
            part = data[done * size : (done + n) * size]
            if n == room and not self._pending_items:
                whole.append((part, n))
            else:
                self._emit_all(whole)
                self._hold(part, n)
                if n == room:
                    self._flush_unit()
            done += n
        self._emit_all(whole)
        self._settle()  # the caller may change its array

    def add_ragged(self, data: memoryview, shapes: np.ndarray) -> None:
        """Items of several shapes, back to back in ``data``, which never changes; ``shapes`` is int64 (n, rank)."""
        ends = columns.prefix(elements(shapes) * self.itemsize)
        self._shapes.append(shapes)
        self._note(len(shapes), shapes.max(axis=0).tolist())
        start, count = 0, len(shapes)
        whole: list[tuple[memoryview, int]] = []
        while start < count:
            needed = self._complete(ends, start)
            stop = min(start + needed, count)
            part = data[int(ends[start]) : int(ends[stop])]
            if stop - start == needed and not self._pending_items:
                whole.append((part, stop - start))
            else:
                self._emit_all(whole)
                self._hold(part, stop - start)
                if stop - start == needed:
                    self._flush_unit()
            start = stop
        self._emit_all(whole)

    def _complete(self, ends: np.ndarray, start: int) -> int:
        """Items from ``start`` on that complete the unit; more than there are when it stays open."""
        if self.rule.items is not None:
            return self.rule.items - self._pending_items
        goal = int(ends[start]) + self.rule.bytes - self._pending_bytes
        by_bytes = int(np.searchsorted(ends, goal, "left")) - start
        return min(max(1, by_bytes), UNIT_ITEMS - self._pending_items)

    def _room(self, size: int) -> int:
        """Items of ``size`` bytes until the unit is complete."""
        if self.rule.items is not None:
            return self.rule.items - self._pending_items
        if not size:
            return UNIT_ITEMS - self._pending_items
        return min(max(1, -(-(self.rule.bytes - self._pending_bytes) // size)), UNIT_ITEMS - self._pending_items)

    def _raw_run(self, data: memoryview, count: int, size: int) -> int:
        """All whole raw units of ``data`` in one write; gives the number of items written."""
        room = self._room(size)
        units = count // room
        if not units:
            return 0
        span = room * size
        codec = self._codec_of(RAW)
        with self._hashed([data[: units * span]]):
            for start in range(0, units * span, span):
                self._crc.extend(_crcs(data[start : start + span]))
        self._unit_items += [room] * units
        self._codec += [codec] * units
        self._stored += [span] * units
        return units * room

    def _hold(self, part: memoryview, items: int) -> None:
        self._pending.append(bytes(part))  # copied: the caller may change its array
        self._pending_items += items
        self._pending_bytes += len(part)

    def _flush_unit(self) -> None:
        if self._pending_items:
            data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
            items, self._pending, self._pending_items, self._pending_bytes = self._pending_items, [], 0, 0
            self._emit(memoryview(data), items)

    def _emit(self, raw: memoryview, items: int) -> None:
        """One unit, stored raw when encoding does not make it smaller [write.unit.raw]."""
        pipeline, data = codecs.encode_unit(self.pipeline, raw) if self.pipeline else (RAW, raw)
        self._unit(memoryview(data), items, pipeline)

    def _emit_all(self, parts: list[tuple[memoryview, int]]) -> None:
        """Complete units in their order, encoded side by side; ``parts`` is emptied."""
        if not self.pipeline:
            self._raw_units(parts)
        else:
            large = len(parts) > 1 and sum(len(raw) for raw, _ in parts) >= SIDE_BY_SIDE * len(parts)
            encode = spread(default_threads(), "encode") if large else map
            for group in _by_bytes(parts):
                made = encode(lambda part: codecs.encode_unit(self.pipeline, part[0]), group)
                for (_, items), (pipeline, data) in zip(group, made, strict=True):
                    self._unit(data, items, pipeline)
        parts.clear()

    def _raw_units(self, parts: list[tuple[memoryview, int]]) -> None:
        """Units stored as they are, hashed in one stretch."""
        codec = self._codec_of(RAW) if parts else 0
        with self._hashed([raw for raw, _ in parts]):
            for raw, items in parts:
                self._unit_items.append(items)
                self._codec.append(codec)
                self._stored.append(len(raw))
                self._crc.extend(_crcs(raw))

    # --- items that are units of their own ------------------------------------------------------------------------

    def add_encoded(
        self, data: bytes | memoryview, pipeline: Pipeline, shape: tuple[int, ...], seek: codecs.Seek | None = None
    ) -> None:
        """One item whose stored bytes are made already: a media file, verbatim or encoded here."""
        self._flush_unit()
        self._note_seek(seek)
        self._add_shape(1, shape)
        self._unit(data, 1, pipeline)

    def add_tiled(self, item: np.ndarray) -> None:
        """One item cut into tiles, C order over the grid; edge tiles are smaller [tile.edge]."""
        tile = self.tile or ()
        self._add_shape(1, item.shape)
        grid = [-(-n // t) for n, t in zip(item.shape, tile, strict=True)]
        for place in np.ndindex(*grid) if item.size else ():
            box = tuple(slice(p * t, (p + 1) * t) for p, t in zip(place, tile, strict=True))
            self._emit(array_bytes(np.ascontiguousarray(item[box])), 1)
        self._settle()  # a tile may be the caller's whole array

    def add_stored(self, shape: tuple[int, ...], units: Iterable[tuple[bytes | memoryview, Pipeline]]) -> None:
        """One item whose units (its tiles, or the one that is the whole of it) are taken over as they are stored."""
        self._flush_unit()
        self._add_shape(1, shape)
        for data, pipeline in units:
            self._unit(data, 1, pipeline)

    def _note(self, count: int, largest: Sequence[int]) -> None:
        self._items += count
        self._longest = [side and max(side, new) for side, new in zip(self._longest, largest, strict=True)]

    def add_stored_unit(
        self,
        data: bytes | memoryview,
        pipeline: Pipeline,
        shapes: tuple[int, tuple[int, ...]] | np.ndarray,
        seek: codecs.Seek | None = None,
    ) -> None:
        """One unit of whole items, taken over as it is stored; ``shapes``: (items, their shape), or int64 (n, rank).

        ``seek`` travels with it [seek.travel].
        """
        self._flush_unit()
        self._note_seek(seek)
        if isinstance(shapes, tuple):
            self._add_shape(*shapes)
        else:
            self._note(len(shapes), shapes.max(axis=0, initial=0).tolist())
            self._shapes.append(shapes)
        self._unit(data, shapes[0] if isinstance(shapes, tuple) else len(shapes), pipeline)

    def _note_seek(self, seek: codecs.Seek | None) -> None:
        """Of the unit that comes next; left out rather than pass a limit [seek.write]."""
        if seek is not None and len(self._seek) < MAX_ENTRIES and self._seek_bytes + seek.size <= SEEK_BYTES:
            self._seek.append(index_entry(seek, len(self._stored)))
            self._seek_bytes += seek.size + 128

    def _add_shape(self, count: int, shape: tuple[int, ...]) -> None:
        self._note(count, shape)
        last = self._shapes[-1] if self._shapes else None
        if isinstance(last, tuple) and last[1] == shape:
            self._shapes[-1] = (last[0] + count, shape)
        else:
            self._shapes.append((count, shape))

    def _unit(self, data: bytes | memoryview, items: int, pipeline: Pipeline) -> None:
        view = memoryview(data)
        self._unit_items.append(items)
        self._codec.append(self._codec_of(pipeline))
        self._stored.append(len(view))
        if len(view) <= CRC_SPAN:
            self._crc.append(crc32(view))
            self._settle()
            self._hash.update(view)
            self._spool.write(view)
            self.payload += len(view)
        else:
            with self._hashed([view]):
                self._crc.extend(_crcs(view))

    def _codec_of(self, pipeline: Pipeline) -> int:
        return self._pipelines.setdefault(pipeline, len(self._pipelines))

    @contextlib.contextmanager
    def _hashed(self, parts: Sequence[memoryview]) -> Iterator[None]:
        """``parts`` are hashed in a second thread while the caller does their checksums, then written. They must not
        change before :meth:`_settle`."""
        self._settle()
        size = sum(map(len, parts))
        self._beside = iter(spread(2 if size > CRC_SPAN else 1, "hash")(self._digest, [parts]))
        yield
        for data in parts:
            self._spool.write(data)
        self.payload += size

    def _settle(self) -> None:
        """Waits for what is being hashed."""
        for _ in self._beside:
            pass

    def _digest(self, parts: Sequence[memoryview]) -> None:
        for data in parts:
            for start in range(0, len(data), HASH_SPAN):
                self._hash.update(data[start : start + HASH_SPAN])

    # --- the end --------------------------------------------------------------------------------------------------

    def close(self) -> ChunkRef:
        """Index and trailer; the object becomes durable under its name."""
        self._flush_unit()
        self._settle()
        tail = encode_tail(self.payload, self.index())
        self._hash.update(tail)
        self._spool.write(tail)
        name = self._hash.hexdigest()
        self._spool.finish(chunk_key(name))
        return ChunkRef(name, self.payload, len(tail) - 40)

    def discard(self) -> None:
        self._settle()
        self._spool.discard()

    def index(self) -> ChunkIndex:
        """The canonical index of what was added [index.canonical]."""
        raw_only = all(not pipeline for pipeline in self._pipelines)
        return ChunkIndex(
            dtype=self.dtype,
            samples=self.samples,
            shape=self._shape_columns(),
            crc=columns.column(self._crc),
            tensor=self.tensor,
            row=self.row,
            items=self._expanded([(n, max(0, items)) for n, items in self._counts]) if self.sequence else None,
            missing=self._expanded([(n, int(items < 0)) for n, items in self._counts]),
            tile=self.tile,
            unit=1 if self.tile is not None else _unit_column(self._unit_items),
            codecs=tuple(self._pipelines) or (RAW,),
            codec=columns.column(self._codec),
            stored=None if raw_only else columns.column(self._stored),
            seek=tuple(self._seek),
        )

    @staticmethod
    def _expanded(runs: list[tuple[int, int]]) -> Column:
        values = {value for _, value in runs}
        if len(values) == 1:
            return values.pop()
        counts, entries = zip(*runs, strict=True)
        return columns.column(np.repeat(np.array(entries, np.uint64), counts))

    def _shape_columns(self) -> tuple[Column, ...]:
        if not self._shapes:
            return (0,) * self.rank
        if len(self._shapes) == 1 and isinstance(self._shapes[0], tuple):
            return self._shapes[0][1]
        rows = [
            entry if isinstance(entry, np.ndarray) else np.tile(np.array(entry[1], np.int64), (entry[0], 1))
            for entry in self._shapes
        ]
        table = np.concatenate(rows)
        return tuple(columns.column(table[:, axis]) for axis in range(self.rank))


def _crcs(data: memoryview) -> Iterator[int]:
    """One for each started MiB [unit.crc]."""
    return (crc32(data[i : i + CRC_SPAN]) for i in range(0, max(1, len(data)), CRC_SPAN))


def _width(largest: int) -> int:
    """Bytes of a column's entry; 0 for an axis that is fixed."""
    return next(width for width in (0, *columns.WIDTHS) if largest < 1 << (8 * width))


def _by_bytes(parts: list[tuple[memoryview, int]], limit: int = 64 << 20) -> Iterator[list[tuple[memoryview, int]]]:
    """Groups of about ``limit`` bytes, so that what is encoded ahead stays bounded."""
    start, size = 0, 0
    for i, (raw, _) in enumerate(parts):
        size += len(raw)
        if size >= limit:
            yield parts[start : i + 1]
            start, size = i + 1, 0
    if start < len(parts):
        yield parts[start:]


def _unit_column(items: list[int]) -> Column:
    """An integer when all units but the last are equal and the last is no larger, else one entry a unit."""
    if not items:
        return 1
    if items[-1] <= items[0] and all(n == items[0] for n in items[:-1]):
        return items[0]
    return columns.column(items)


def elements(shapes: np.ndarray) -> np.ndarray:
    """Products of the rows of ``shapes``, int64 (n, rank): axis by axis, four times faster than ``prod``."""
    out = np.ones(len(shapes), np.int64)
    for axis in range(shapes.shape[1]):
        out *= shapes[:, axis]
    return out


def array_bytes(array: np.ndarray) -> memoryview:
    """The bytes of a C-contiguous array, without copying."""
    return array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")


def item_size(shape: Sequence[int | None], itemsize: int) -> int | None:
    """Bytes of an item where every dim is fixed."""
    return None if any(axis is None for axis in shape) else math.prod(shape) * itemsize  # type: ignore[arg-type]
