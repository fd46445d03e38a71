"""Floor 6. One chunk being written: items into units, units onto the spool, index at the end [algo.append].

Memory stays bounded by one unit and by the index. The name is the SHA-256 of all bytes, so it is known at the end.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import codecs, columns
from .codecs import RAW, Pipeline
from .columns import Column
from .format.chunk import HEAD, HEAD_SIZE, encode_tail
from .geometry import CRC_SPAN
from .model import ChunkIndex
from .names import chunk_key
from .slices import ChunkRef
from .stores.store import Store

UNIT_BYTES = 65536
UNIT_ITEMS = 65536
CHUNK_BYTES = 256 << 20
INDEX_BYTES = 1 << 20
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
        return UnitRule(items=max(1, size // item_bytes) if item_bytes else UNIT_ITEMS)


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
    ) -> None:
        self.tensor, self.row, self.dtype, self.itemsize, self.rank = tensor, row, dtype, itemsize, rank
        self.sequence, self.pipeline, self.rule, self.tile = sequence, pipeline, rule, tile
        self._store = store
        self._spool = store.spool()
        self._hash = hashlib.sha256(HEAD)
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
        self._pending: list[bytes] = []
        self._pending_items = 0
        self._pending_bytes = 0

    # --- samples --------------------------------------------------------------------------------------------------

    def add_samples(self, count: int, items: int = 1) -> None:
        """``count`` samples of ``items`` items each are there; -1: missing."""
        self.samples += count
        if self._counts and self._counts[-1][1] == items:
            count += self._counts.pop()[0]
        self._counts.append((count, items))

    @property
    def full(self) -> bool:
        """Whether the next sample belongs into another chunk [write.chunk]."""
        index = 9 * len(self._stored) + sum(len(s) * self.rank * 2 for s in self._shapes if isinstance(s, np.ndarray))
        ragged = len(self._shapes) * self.rank * 2 + 2 * len(self._counts)
        return (
            self.payload + self._pending_bytes >= CHUNK_BYTES
            or index + ragged >= INDEX_BYTES
            or self.samples >= MAX_CHUNK_SAMPLES // 2
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
        while done < count:
            room = self._room(size)
            n = min(room, count - done)
            part = data[done * size : (done + n) * size]
            if n == room and not self._pending_items:
                self._emit(part, n)
            else:
                self._hold(part, n)
                if n == room:
                    self._flush_unit()
            done += n

    def add_ragged(self, data: memoryview, shapes: np.ndarray) -> None:
        """Items of several shapes, back to back in ``data``; ``shapes`` is int64 (n, rank)."""
        sizes = shapes.prod(axis=1) * self.itemsize if self.rank else np.full(len(shapes), self.itemsize)
        ends = columns.prefix(sizes)
        self._shapes.append(shapes)
        start, count = 0, len(shapes)
        while start < count:
            stop = start + self._fitting(ends, start)
            part = data[int(ends[start]) : int(ends[stop])]
            complete = stop - start == self._complete(ends, start)
            if complete and not self._pending_items:
                self._emit(part, stop - start)
            else:
                self._hold(part, stop - start)
                if complete:
                    self._flush_unit()
            start = stop

    def _complete(self, ends: np.ndarray, start: int) -> int:
        """Items from ``start`` on that complete the unit; more than there are when it stays open."""
        if self.rule.items is not None:
            return self.rule.items - self._pending_items
        goal = int(ends[start]) + self.rule.bytes - self._pending_bytes
        by_bytes = int(np.searchsorted(ends, goal, "left")) - start
        return min(max(1, by_bytes), UNIT_ITEMS - self._pending_items)

    def _fitting(self, ends: np.ndarray, start: int) -> int:
        return min(self._complete(ends, start), len(ends) - 1 - start)

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
        for start in range(0, units * span, span):
            part = data[start : start + span]
            self._crc.extend(zlib.crc32(part[i : i + CRC_SPAN]) for i in range(0, span, CRC_SPAN))
        self._unit_items += [room] * units
        self._codec += [codec] * units
        self._stored += [span] * units
        self._write(data[: units * span])
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
        self._unit(data, items, pipeline)

    # --- items that are units of their own ------------------------------------------------------------------------

    def add_encoded(self, data: bytes | memoryview, pipeline: Pipeline, shape: tuple[int, ...]) -> None:
        """One item whose stored bytes are made already: a media file, verbatim or encoded here."""
        self._flush_unit()
        self._add_shape(1, shape)
        self._unit(data, 1, pipeline)

    def add_tiled(self, item: np.ndarray) -> None:
        """One item cut into tiles, C order over the grid; edge tiles are smaller [tile.edge]."""
        tile = self.tile or ()
        self._add_shape(1, item.shape)
        grid = [-(-n // t) for n, t in zip(item.shape, tile, strict=True)]
        for place in np.ndindex(*grid) if item.size else ():
            box = tuple(slice(p * t, (p + 1) * t) for p, t in zip(place, tile, strict=True))
            raw = memoryview(np.ascontiguousarray(item[box]).reshape(-1).view(np.uint8))
            self._emit(raw, 1)

    def add_stored(self, shape: tuple[int, ...], units: Sequence[tuple[bytes | memoryview, Pipeline]]) -> None:
        """One item whose units (its tiles, or the one that is the whole of it) are taken over as they are stored."""
        self._flush_unit()
        self._add_shape(1, shape)
        for data, pipeline in units:
            self._unit(data, 1, pipeline)

    def _add_shape(self, count: int, shape: tuple[int, ...]) -> None:
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
            self._crc.append(zlib.crc32(view))
        else:
            self._crc.extend(zlib.crc32(view[i : i + CRC_SPAN]) for i in range(0, len(view), CRC_SPAN))
        self._write(view)

    def _codec_of(self, pipeline: Pipeline) -> int:
        return self._pipelines.setdefault(pipeline, len(self._pipelines))

    def _write(self, data: memoryview | bytes) -> None:
        self._hash.update(data)
        self._spool.write(data)
        self.payload += len(data)

    # --- the end --------------------------------------------------------------------------------------------------

    def close(self) -> ChunkRef:
        """Index and trailer; the object becomes durable under its name."""
        self._flush_unit()
        tail = encode_tail(self.payload, self.index())
        self._hash.update(tail)
        self._spool.write(tail)
        name = self._hash.hexdigest()
        self._spool.finish(chunk_key(name))
        return ChunkRef(name, self.payload, len(tail) - 40)

    def discard(self) -> None:
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


def _unit_column(items: list[int]) -> Column:
    """An integer when all units but the last are equal and the last is no larger, else one entry a unit."""
    if not items:
        return 1
    if items[-1] <= items[0] and all(n == items[0] for n in items[:-1]):
        return items[0]
    return columns.column(items)


def array_bytes(array: np.ndarray) -> memoryview:
    """The bytes of a C-contiguous array, without copying."""
    return memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")


def item_size(shape: Sequence[int | None], itemsize: int) -> int | None:
    """Bytes of an item where every dim is fixed."""
    return None if any(axis is None for axis in shape) else math.prod(shape) * itemsize  # type: ignore[arg-type]
