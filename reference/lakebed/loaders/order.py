"""Floor 7. In which order an epoch visits the rows: blocks, windows, ranks. Pure: numbers in, numbers out.

Rows are cut into *blocks* of neighbours. A *window* is what waits in memory at one time: as many blocks, in the
epoch's order, as its bytes allow. ``"chunk-buffer"`` permutes the blocks of the whole dataset and then the rows within
each window; ``"full"`` permutes the rows themselves; ``"none"`` leaves both. The order is a function of (layout,
shuffle, seed, epoch, rank, world_size) alone: threads, stores and time have no part in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..columns import prefix

SHUFFLES = ("none", "chunk-buffer", "full")
RAMP = (16, 8, 4, 2)  # the first windows are smaller by these, so that the first batch need not wait for a whole one


@dataclass(frozen=True, slots=True)
class Layout:
    """``starts`` int64 (blocks+1): first row of each block, and the end. ``costs`` int64 (blocks): bytes that the rows
    of a block hold while they wait. ``row_costs`` int64 (rows+1): the running sum, for an order that knows no blocks.
    """

    starts: np.ndarray
    costs: np.ndarray
    row_costs: np.ndarray

    @property
    def rows(self) -> int:
        return int(self.starts[-1])


def layout(row_costs: np.ndarray, borders: np.ndarray | None, goal: int) -> Layout:
    """Blocks of about ``goal`` bytes; a block ends only at one of ``borders`` (sorted, 0 and the end included)."""
    sums = prefix(row_costs)
    places = np.arange(len(sums)) if borders is None else borders
    number = sums[places] // max(1, goal)
    keep = np.ones(len(places), bool)
    keep[1:-1] = number[1:-1] != number[:-2]
    starts = places[keep].astype(np.int64)
    return Layout(starts, np.diff(sums[starts]), sums)


def share(count: int, rank: int, world_size: int) -> tuple[int, int]:
    """[start, stop) of one rank's part of ``count``: parts differ by at most one, and together are all."""
    each, more = divmod(count, world_size)
    start = rank * each + min(rank, more)
    return start, start + each + (rank < more)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rank does in any epoch. ``window_bytes`` bounds one window; a single block may be larger."""

    layout: Layout
    shuffle: str
    seed: int
    rank: int
    world_size: int
    window_bytes: int

    @property
    def rows(self) -> int:
        """Rows of this rank in an epoch."""
        start, stop = share(self.layout.rows, self.rank, self.world_size)
        return stop - start

    def epoch(self, number: int) -> Epoch:
        """The windows of one epoch; ``number`` reshuffles."""
        start, stop = share(self.layout.rows, self.rank, self.world_size)
        low, high, cost = self._rows(number, start, stop) if self.shuffle == "full" else self._blocks(
            number, start, stop
        )
        cuts = _windows(prefix(cost), self.window_bytes)
        sizes = prefix(high - low)
        return Epoch(self, number, low, high, cuts, sizes[cuts])

    def _rows(self, number: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every row a piece of its own, in the order of one permutation that all ranks share."""
        rows = self._rng(number).permutation(self.layout.rows)[start:stop]
        return rows, rows + 1, self.layout.row_costs[rows + 1] - self.layout.row_costs[rows]

    def _blocks(self, number: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """This rank's stretch of the blocks' order, as (first rows, end rows, bytes); its ends may cut a block."""
        starts, blocks = self.layout.starts, len(self.layout.costs)
        order = self._rng(number).permutation(blocks) if self.shuffle == "chunk-buffer" else np.arange(blocks)
        ends = np.cumsum(starts[order + 1] - starts[order])
        if start == stop:
            order, first = order[:0], 0
        else:
            first, last = (int(np.searchsorted(ends, at, "right")) for at in (start, stop - 1))
            order = order[first : last + 1]
        low, high = starts[order], starts[order + 1]
        if len(order):
            low[0] = high[0] - (int(ends[first]) - start)
            high[-1] -= int(ends[last]) - stop
        return low, high, self.layout.costs[order]

    def _rng(self, *words: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *words])


@dataclass(frozen=True, slots=True)
class Epoch:
    """``starts`` int64 (windows+1): how many rows this rank has given before each window, and in all."""

    plan: Plan
    number: int
    low: np.ndarray
    high: np.ndarray
    cuts: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.cuts) - 1

    @property
    def rows_in_all(self) -> int:
        return int(self.starts[-1])

    def rows(self, window: int) -> np.ndarray:
        """Row numbers, int64, in the order in which this window gives them."""
        part = slice(int(self.cuts[window]), int(self.cuts[window + 1]))
        low, high = self.low[part], self.high[part]
        lengths = high - low
        before = np.cumsum(lengths) - lengths
        rows = np.repeat(low - before, lengths) + np.arange(int(lengths.sum()))
        if self.plan.shuffle == "chunk-buffer":
            rows = self.plan._rng(self.number, self.plan.world_size, self.plan.rank, window).permutation(rows)
        return rows

    def order(self) -> np.ndarray:
        """All rows of this rank in their order, int64."""
        parts = [self.rows(window) for window in range(len(self))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _windows(sums: np.ndarray, limit: int) -> np.ndarray:
    """Piece numbers at which windows begin, and the end: each within its bytes, or one piece."""
    cuts = [0]
    pieces = len(sums) - 1
    while cuts[-1] < pieces:
        goal = limit // RAMP[len(cuts) - 1] if len(cuts) <= len(RAMP) else limit
        stop = int(np.searchsorted(sums, int(sums[cuts[-1]]) + goal, "right")) - 1
        cuts.append(max(stop, cuts[-1] + 1))
    return np.array(cuts, np.int64)


class Quality(NamedTuple):
    """How far an order is from a uniform permutation. 1.0 is uniform, but for ``autocorrelation``, where 0.0 is.

    displacement     mean distance of a row from its own place
    neighbours       mean distance, in the order, of rows that are stored side by side
    autocorrelation  of the row numbers of successive rows in the order
    spread           standard deviation of the mean row number of a batch; above 1: batches see one region at a time
    """

    displacement: float
    neighbours: float
    autocorrelation: float
    spread: float


def quality(order: np.ndarray, batch_size: int = 32) -> Quality:
    """``order``: a permutation of range(n), n >= 2 batches."""
    n = len(order)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    expected = (n * n - 1) / (3 * n)
    batches = order[: n // batch_size * batch_size].reshape(-1, batch_size).mean(axis=1)
    finite = (n - batch_size) / (n - 1)  # batches are drawn without putting back
    uniform = np.sqrt((n * n - 1) / 12 / batch_size * finite)
    return Quality(
        displacement=float(np.abs(place - np.arange(n)).mean() / expected),
        neighbours=float(np.abs(np.diff(place)).mean() / ((n + 1) / 3)),
        autocorrelation=float(np.corrcoef(order[:-1], order[1:])[0, 1]),
        spread=float(np.sqrt(((batches - (n - 1) / 2) ** 2).mean()) / uniform),
    )
