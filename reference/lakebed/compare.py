"""Floor 5. Comparing two commits: which samples are the same, and which rows were added, updated or deleted.

Two samples are the same when they are the same position of the same chunk, or both missing [algo.rebase.expand]; how
they are cut into slices, chunk tables and manifests does not matter. All work is done on slices, never row by row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .history import table
from .model import Commit, TensorState
from .slices import NULL, Runs, SliceTable, runs
from .stores import Store

Ranges = list[tuple[int, int]]
MEMBERS = ("htype", "dtype", "shape", "sequence", "fidelity", "attributes", "write", "extra")


@dataclass(frozen=True, slots=True)
class Change:
    """What differs in one tensor. ``added`` and ``updated`` are rows of the later commit, ``deleted`` of the earlier,
    as ascending (start, stop) pairs; ``metadata`` names the members that differ; ``state`` is "changed", "new" or
    "removed" (then all its rows are added or deleted).
    """

    added: Ranges
    updated: Ranges
    deleted: Ranges
    metadata: list[str]
    state: str = "changed"


def diff(store: Store, a: Commit, b: Commit) -> dict[str, Change]:
    """How each tensor of ``b`` differs from that of ``a``; tensors that are the same are left out.

    The rule: when no sample of ``a`` stands at another row of ``b``, rows are compared one to one, and what is longer
    was added or deleted at the end. Else stretches of samples that both have are aligned in order; between two of
    them, as many rows on both sides are updates, otherwise deleted rows and added rows.
    """
    out = {}
    for name in sorted(a.tensors.keys() | b.tensors.keys()):
        if name not in a.tensors:
            change = Change(_span(0, b.length), [], [], [], "new")
        elif name not in b.tensors:
            change = Change([], [], _span(0, a.length), [], "removed")
        else:
            change = _compare(store, name, a.tensors[name], b.tensors[name])
        if change.state != "changed" or change.added or change.updated or change.deleted or change.metadata:
            out[name] = change
    return out


def attributes(a: Commit, b: Commit) -> list[str]:
    """The names of the dataset's attributes that differ."""
    return sorted(key for key in a.attributes.keys() | b.attributes.keys() if differs(a.attributes, b.attributes, key))


def differs(a, b, key: str) -> bool:
    """Whether two mappings differ at ``key``; 1, 1.0 and True are three values."""
    return exact(a.get(key, exact)) != exact(b.get(key, exact))


def exact(value):
    """``value`` so that `==` tells integers, floats and booleans apart, as JSON does."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [exact(item) for item in value]
    return (type(value), value) if isinstance(value, bool | int | float) else value


def _compare(store: Store, name: str, a: TensorState, b: TensorState) -> Change:
    metadata = [member for member in MEMBERS if exact(getattr(a, member)) != exact(getattr(b, member))]
    pair = expand(store, name, a, b)
    added, updated, deleted = (_shift(ranges, pair.offset) for ranges in _rows(*pair.runs))
    return Change(added, updated, deleted, metadata)


def _span(start: int, stop: int) -> Ranges:
    return [(start, stop)] if start < stop else []


def _shift(ranges: Ranges, by: int) -> Ranges:
    return [(start + by, stop + by) for start, stop in ranges] if by else ranges


# --- expanded lists --------------------------------------------------------------------------------------------------


class Expanded(NamedTuple):
    """The tables of several states of one tensor without the manifests that all begin with, and comparable runs of
    them: chunks numbered alike, slices as long as they can be. ``offset`` rows and ``skip`` manifests were left out.
    """

    tables: list[SliceTable]
    runs: list[Runs]
    offset: int
    skip: int


def expand(store: Store, name: str, *states: TensorState) -> Expanded:
    """[algo.rebase.expand] Errors: those of :func:`lakebed.history.table`."""
    skip = 0
    for refs in zip(*(state.manifests for state in states), strict=False):
        if len(set(refs)) > 1:
            break
        skip += 1
    tables = [table(store, name, state, skip=skip) for state in states]
    offset = sum(ref.samples for ref in states[0].manifests[:skip])
    return Expanded(tables, comparable(tables), offset, skip)


def comparable(tables: Iterable[SliceTable]) -> list[Runs]:
    """The runs of ``tables`` with one number for each chunk name, and neighbours that continue each other merged."""
    number: dict[str, int] = {}
    out = []
    for one in tables:
        local = np.array([number.setdefault(ref.name, len(number)) for ref in one.chunks] + [NULL], np.int64)
        out.append(_merged(local[one.runs.chunk], one.runs.first, one.runs.count))
    return out


def _merged(chunk: np.ndarray, first: np.ndarray, count: np.ndarray) -> Runs:
    goes_on = (chunk[1:] == chunk[:-1]) & ((chunk[1:] == NULL) | (first[1:] == first[:-1] + count[:-1]))
    if not goes_on.any():
        return runs(chunk, first, count)
    heads = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    return runs(chunk[heads], first[heads], np.add.reduceat(count, heads))


def unequal(a: Runs, b: Runs, stop: int) -> np.ndarray:
    """Rows below ``stop`` where two comparable lists differ: int64 (n, 2) of starts and stops, ascending."""
    edges = np.union1d(a.starts[a.starts < stop], b.starts[b.starts < stop])
    ends = np.append(edges[1:], stop)
    (ca, fa), (cb, fb) = _at(a, edges), _at(b, edges)
    other = np.flatnonzero((ca != cb) | ((ca != NULL) & (fa != fb))) if stop else np.zeros(0, np.int64)
    pairs = np.stack([edges[other], ends[other]], axis=1) if len(other) else np.zeros((0, 2), np.int64)
    return _joined(pairs)


def _at(rows: Runs, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    slot = np.searchsorted(rows.starts, at, "right") - 1
    return rows.chunk[slot], rows.first[slot] + at - rows.starts[slot]


def _joined(pairs: np.ndarray) -> np.ndarray:
    """Ascending (start, stop) pairs, touching ones made one."""
    if len(pairs) < 2:
        return pairs
    heads = np.concatenate([[True], pairs[1:, 0] != pairs[:-1, 1]])
    return np.stack([pairs[heads, 0], pairs[np.append(np.flatnonzero(heads)[1:] - 1, -1), 1]], axis=1)


def moved(a: Runs, b: Runs, changed: np.ndarray) -> bool:
    """Whether the ``changed`` rows of ``b`` (n, 2) hold any sample that ``a`` holds, at whatever row."""
    if not len(changed):
        return False
    marks = _Marks(a, pick(b, changed))
    cover = np.zeros(marks.size + 1, np.int64)
    np.add.at(cover, marks.starts[0], 1)
    np.add.at(cover, marks.stops[0], -1)
    held = np.concatenate([[0], np.cumsum(np.cumsum(cover) > 0)])
    return bool((held[marks.stops[1]] > held[marks.starts[1]]).any())


def pick(rows: Runs, spans: np.ndarray) -> Runs:
    """The slices of ``rows`` within ascending ``spans`` (n, 2), one after another."""
    edges = np.unique(np.concatenate([rows.starts[:-1], spans.ravel()]))
    ends = np.append(edges[1:], len(rows))
    inside = np.searchsorted(spans[:, 0], edges, "right") - 1
    keep = (inside >= 0) & (edges < spans[inside, 1]) & (edges < ends)
    chunk, first = _at(rows, edges[keep])
    return runs(chunk, np.where(chunk == NULL, 0, first), (ends - edges)[keep])


class _Marks:
    """The borders of all slices of two lists, numbered in order of (chunk, position): slices become number ranges.

    ``starts[i]``, ``stops[i]``: of the slices of list i that are not missing; ``where[i]``: which slices these are.
    """

    def __init__(self, *lists: Runs) -> None:
        self.where = [np.flatnonzero(one.chunk != NULL) for one in lists]
        chunk = [one.chunk[w] for one, w in zip(lists, self.where, strict=True)]
        first = [one.first[w] for one, w in zip(lists, self.where, strict=True)]
        stop = [f + one.count[w] for f, one, w in zip(first, lists, self.where, strict=True)]
        chunks, places = np.concatenate([*chunk, *chunk]), np.concatenate([*first, *stop])
        order = np.lexsort((places, chunks))
        fresh = np.ones(len(order), bool)
        fresh[1:] = (np.diff(chunks[order]) != 0) | (np.diff(places[order]) != 0)
        number = np.empty(len(order), np.int64)
        number[order] = np.cumsum(fresh) - 1
        self.size = int(fresh.sum())
        self.place = places[order][fresh]
        cuts = np.cumsum([len(part) for part in (*first, *stop)])[:-1]
        parts = np.split(number, cuts)
        self.starts, self.stops = parts[: len(lists)], parts[len(lists) :]


# --- alignment -------------------------------------------------------------------------------------------------------


def _rows(a: Runs, b: Runs) -> tuple[Ranges, Ranges, Ranges]:
    """(added, updated, deleted) of two comparable lists."""
    shared = min(len(a), len(b))
    changed = unequal(a, b, shared)
    tail = np.array(_span(shared, len(b)), np.int64).reshape(-1, 2)
    if not moved(a, b, _joined(np.concatenate([changed, tail]))):
        updated = [(start, stop) for start, stop in changed.tolist()]
        return _span(shared, len(b)), updated, _span(shared, len(a))
    head = int(changed[0, 0]) if len(changed) else shared
    end = min(_same_end(a, b), shared - head)
    out = _Changes()
    pieces = _pieces(a.cut(head, len(a) - end), b.cut(head, len(b) - end))
    row_a = row_b = head
    for gap_a, gap_b, anchor in _gaps(*pieces):
        out.gap(gap_a, gap_b, row_a, row_b)
        row_a += sum(count for _, count in gap_a) + anchor
        row_b += sum(count for _, count in gap_b) + anchor
    return out.added, out.updated, out.deleted


def _same_end(a: Runs, b: Runs) -> int:
    """How many samples at the end of both are the same."""
    shared = min(len(a), len(b))
    differing = unequal(_rebased(a, shared), _rebased(b, shared), shared)
    return shared - int(differing[-1, 1]) if len(differing) else shared


def _rebased(rows: Runs, last: int) -> Runs:
    return rows.cut(len(rows) - last, len(rows))


Piece = tuple[int, int]  # (which stretch of which chunk, or NULL; samples)
MANY = 1_000_000


def _pieces(a: Runs, b: Runs) -> tuple[list[Piece], list[Piece]]:
    """Both lists cut at each other's borders, so that two pieces are the same stretch or share no sample.

    Thousands of slices that overlap each other in one chunk would make millions of pieces; then slices stay whole and
    only equal ones are found.
    """
    marks = _Marks(a, b)
    total = sum(int((stop - start).sum()) for start, stop in zip(marks.starts, marks.stops, strict=True))
    split = total <= 8 * (len(a.count) + len(b.count)) + MANY
    out: list[list[Piece]] = []
    whole: dict[tuple[int, int], int] = {}
    for i, rows in enumerate((a, b)):
        pieces: list[Piece] = []
        numbers = iter(zip(marks.starts[i].tolist(), marks.stops[i].tolist(), strict=True))
        for chunk, count in zip(rows.chunk.tolist(), rows.count.tolist(), strict=True):
            if chunk == NULL:
                pieces.append((NULL, count))
                continue
            start, stop = next(numbers)
            if split:
                pieces += [(k, int(marks.place[k + 1] - marks.place[k])) for k in range(start, stop)]
            else:
                pieces.append((whole.setdefault((start, stop), len(whole)), count))
        out.append(pieces)
    return out[0], out[1]


def _gaps(a: list[Piece], b: list[Piece]) -> Iterable[tuple[list[Piece], list[Piece], int]]:
    """What stands before each anchor, on both sides, and the anchor's samples; at last what stands behind all.

    Anchors are pieces that occur once in each list; of those the longest chain in the order of both is taken.
    """
    once_a, once_b = (Counter(which for which, _ in side if which != NULL) for side in (a, b))
    where = {which: j for j, (which, _) in enumerate(b) if once_b[which] == 1}
    pairs = [(i, where[which]) for i, (which, _) in enumerate(a) if once_a[which] == 1 and which in where]
    i0 = j0 = 0
    for i, j in _longest(pairs):
        yield a[i0:i], b[j0:j], a[i][1]
        i0, j0 = i + 1, j + 1
    yield a[i0:], b[j0:], 0


def _longest(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest chain that ascends in both numbers; ``pairs`` ascend in the first. O(n log n)."""
    ends: list[int] = []
    at: list[int] = []
    before = [-1] * len(pairs)
    for k, (_, j) in enumerate(pairs):
        level = bisect_left(ends, j)
        before[k] = at[level - 1] if level else -1
        ends[level : level + 1] = [j]
        at[level : level + 1] = [k]
    chain = []
    k = at[-1] if at else -1
    while k >= 0:
        chain.append(pairs[k])
        k = before[k]
    return chain[::-1]


class _Changes:
    """Collects the rows of one tensor that differ."""

    def __init__(self) -> None:
        self.added: Ranges = []
        self.updated: Ranges = []
        self.deleted: Ranges = []

    def gap(self, a: list[Piece], b: list[Piece], row_a: int, row_b: int) -> None:
        """Between two anchors: the same at both ends is left out; the rest is updates, or deletions and additions."""
        a, b = a[::-1], b[::-1]  # consumed from the end
        head = _strip(a, b)
        a, b = a[::-1], b[::-1]
        _strip(a, b)
        row_a, row_b = row_a + head, row_b + head
        size_a, size_b = (sum(count for _, count in side) for side in (a, b))
        if size_a != size_b:
            _add(self.deleted, row_a, row_a + size_a)
            _add(self.added, row_b, row_b + size_b)
            return
        a, b = a[::-1], b[::-1]
        while a:
            (which_a, left), (which_b, right) = a.pop(), b.pop()
            count = min(left, right)
            if which_a != which_b or (which_a != NULL and left != right):
                _add(self.updated, row_b, row_b + count)
            if left > count:
                a.append((which_a if which_a == NULL else -2, left - count))  # the rest of a stretch equals no whole
            if right > count:
                b.append((which_b if which_b == NULL else -3, right - count))
            row_b += count


def _strip(a: list[Piece], b: list[Piece]) -> int:
    """Take from the ends of both what is the same; how many samples that was."""
    gone = 0
    while a and b and (a[-1] == b[-1] or a[-1][0] == b[-1][0] == NULL):
        (which, left), (_, right) = a.pop(), b.pop()
        count = min(left, right)
        gone += count
        if left > count:
            a.append((which, left - count))
        if right > count:
            b.append((which, right - count))
    return gone


def _add(ranges: Ranges, start: int, stop: int) -> None:
    if ranges and ranges[-1][1] == start:
        ranges[-1] = (ranges[-1][0], stop)
    elif start < stop:
        ranges.append((start, stop))
