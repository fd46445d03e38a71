"""Floor 2. Slices: a tensor is a list of (chunk, first, count), and every change is an edit of that list [slice].

:class:`Runs` is the immutable list itself; its chunks are numbers in a table that stands beside it
(:class:`SliceTable`), -1 for a run of missing samples [slice.null]. Update, insert, delete, concatenate and revert are
:meth:`Runs.cut` and :func:`join`; no chunk is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NULL = -1


class ChunkRef(NamedTuple):
    """One row of a chunk table: SHA-256 name, lengths of payload and index in bytes."""

    name: str
    payload: int
    index: int  # type: ignore[assignment]  # the spec's word; tuples have a method of that name


@dataclass(frozen=True, slots=True)
class Runs:
    """Parallel int64 arrays, one entry a slice; ``starts`` has one more and ends with the number of samples."""

    chunk: np.ndarray
    first: np.ndarray
    count: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        """Samples, not slices."""
        return int(self.starts[-1])

    def cut(self, start: int, stop: int) -> Runs:
        """The slices of samples [start, stop)."""
        if (start, stop) == (0, len(self)):
            return self
        if start >= stop:
            return EMPTY
        low = int(np.searchsorted(self.starts, start, "right")) - 1
        high = int(np.searchsorted(self.starts, stop, "left"))
        chunk, first, count = self.chunk[low:high], self.first[low:high].copy(), self.count[low:high].copy()
        head = start - int(self.starts[low])
        if chunk[0] != NULL:
            first[0] += head
        count[0] -= head
        count[-1] -= int(self.starts[high]) - stop
        return runs(chunk, first, count)

    def rows(self) -> Iterable[tuple[int, int, int]]:
        """(chunk, first, count) as Python integers."""
        return zip(self.chunk.tolist(), self.first.tolist(), self.count.tolist(), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Runs):
            return NotImplemented
        return all(
            np.array_equal(a, b)
            for a, b in ((self.chunk, other.chunk), (self.first, other.first), (self.count, other.count))
        )

    __hash__ = None  # type: ignore[assignment]


def runs(chunk: Sequence[int] | np.ndarray, first: Sequence[int] | np.ndarray, count: Sequence[int] | np.ndarray):
    """Runs of these columns; ``count`` entries are positive."""
    counts = np.asarray(count, np.int64)
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return Runs(np.asarray(chunk, np.int64), np.asarray(first, np.int64), counts, starts)


EMPTY = runs((), (), ())


def missing(count: int) -> Runs:
    """``count`` missing samples: no object at all [slice.null]."""
    return runs([NULL], [0], [count]) if count else EMPTY


def join(*parts: Runs) -> Runs:
    """One after another; neighbours that continue each other become one slice [slice.merge]."""
    parts = tuple(part for part in parts if len(part.count))
    if not parts:
        return EMPTY
    if len(parts) == 1:
        return parts[0]
    chunk = np.concatenate([part.chunk for part in parts])
    first = np.concatenate([part.first for part in parts])
    count = np.concatenate([part.count for part in parts])
    goes_on = (chunk[1:] == chunk[:-1]) & ((chunk[1:] == NULL) | (first[1:] == first[:-1] + count[:-1]))
    if not goes_on.any():
        return runs(chunk, first, count)
    heads = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return runs(chunk[heads], first[heads], np.add.reduceat(count, heads))


@dataclass(frozen=True, slots=True)
class SliceTable:
    """A chunk table and the slices over it, as a commit or a manifest holds them [tensor.slices]."""

    chunks: tuple[ChunkRef, ...]
    runs: Runs

    def used(self) -> SliceTable:
        """The same slices over a table of only the chunks they use, in order of first use [tensor.chunks.used].

        No chunk stands in it twice [table.chunk.name]: equal samples at equal rows make equal chunks.
        """
        if len(set(self.chunks)) != len(self.chunks):
            number: dict[ChunkRef, int] = {}
            same = np.array([number.setdefault(ref, len(number)) for ref in self.chunks] + [NULL], np.int64)
            merged = runs(same[self.runs.chunk], self.runs.first, self.runs.count)
            return SliceTable(tuple(number), merged).used()
        seen, positions = np.unique(self.runs.chunk, return_index=True)
        order = seen[np.argsort(positions, kind="stable")]
        order = order[order != NULL]
        if len(order) == len(self.chunks) and (order == np.arange(len(order))).all():
            return self
        renumber = np.full(len(self.chunks) + 1, NULL, np.int64)  # the spare last entry serves chunk -1
        renumber[order] = np.arange(len(order))
        chunk = renumber[self.runs.chunk]
        return SliceTable(tuple(self.chunks[i] for i in order.tolist()), runs(chunk, self.runs.first, self.runs.count))


NO_SLICES = SliceTable((), EMPTY)


def concatenate(tables: Sequence[SliceTable]) -> SliceTable:
    """One table over all chunks, each named once, and the slices one after another."""
    if len(tables) == 1:
        return tables[0]
    number: dict[ChunkRef, int] = {}
    parts = []
    for table in tables:
        local = np.array([number.setdefault(ref, len(number)) for ref in table.chunks] + [NULL], np.int64)
        parts.append(runs(local[table.runs.chunk], table.runs.first, table.runs.count))
    return SliceTable(tuple(number), join(*parts))
