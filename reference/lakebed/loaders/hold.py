"""Floor 7. Stored bytes that were fetched ahead, behind the interface of a store.

The tensors of a loader read through :class:`Held`; what a window fetched ahead is found there, everything else goes on
to the real store. So fetching ahead changes when bytes travel and nothing else.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

import numpy as np

from ..chunkfile import ChunkFile
from ..errors import FormatError, UnsupportedError
from ..format.chunk import HEAD_SIZE
from ..slices import NULL, SliceTable
from ..stores.ranges import coalesce
from ..stores.store import Store
from ..tensor import Chunks

REQUESTS = 16  # under way at one time
GAP = 16 << 10  # bytes worth reading to save a request; small, for many requests are under way at a time
LIMIT = 2 << 20  # bytes of one request, unless one unit is longer: with REQUESTS it bounds what is under way
Request = tuple[str, list[tuple[int, int]]]  # key, and the (offset, length) of the units that one request brings


class Held:
    """A store to read from; see :meth:`fetch` and :meth:`release`. Safe among threads."""

    writable = False

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.url = inner.url
        self._held: dict[str, dict[int, memoryview | bytes]] = defaultdict(dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)  # get, exists, size, view, list: as they are

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        held = self._held.get(key, {})
        parts = [held.get(offset, b"") for offset, _ in spans]
        lacking = [i for i, (_, length) in enumerate(spans) if len(parts[i]) != length]
        if lacking:
            for i, part in zip(lacking, self.inner.ranges(key, [spans[i] for i in lacking]), strict=True):
                parts[i] = part
        return parts

    def fetch(self, key: str, spans: Sequence[tuple[int, int]]) -> None:
        """One request: neighbours by :func:`~lakebed.stores.ranges.coalesce`. Bytes between them are not kept."""
        offset = min(start for start, _ in spans)
        length = max(start + size for start, size in spans) - offset
        (found,) = self.inner.ranges(key, [(offset, length)])
        whole = memoryview(found)
        dense = len(whole) <= sum(size for _, size in spans)
        held = self._held[key]
        for start, size in spans:
            part = whole[start - offset : start - offset + size]
            held[start] = part if dense else bytes(part)

    def release(self, requests: Iterable[Request]) -> None:
        """Forget what these brought."""
        for key, spans in requests:
            held = self._held[key]
            for offset, _ in spans:
                held.pop(offset, None)

    @property
    def nbytes(self) -> int:
        return sum(len(part) for held in list(self._held.values()) for part in list(held.values()))


class Lot:
    """What is asked for together and let go together. Whatever arrives after :meth:`release` is not kept."""

    def __init__(self, held: Held, wanted: Iterable[Request]) -> None:
        self._held, self._wanted, self._over = held, list(wanted), False
        self._under_way: list[Future[None]] = []

    def begin(self, fetchers: Executor) -> None:
        for request in self._wanted:
            self._under_way.append(fetchers.submit(self._fetch, request))

    def _fetch(self, request: Request) -> None:
        if not self._over:
            self._held.fetch(*request)
        if self._over:
            self._held.release([request])

    def settle(self) -> None:
        """Wait for all; a missing or short object is left to the row that needs it, which then has its error."""
        for future in self._under_way:
            problem = future.exception()
            if problem is not None and not isinstance(problem, FormatError):
                raise problem

    def release(self) -> None:
        self._over = True
        self._held.release(self._wanted)


def requests(table: SliceTable, chunks: Chunks, rows: np.ndarray) -> Iterator[Request]:
    """(key, spans of one request) for every unit of these rows (sorted) of one tensor; nothing for what a store maps.

    A chunk that cannot be opened is passed over: its error comes when the row is read, and names it.
    """
    runs = table.runs
    places = np.searchsorted(runs.starts, rows, "right") - 1
    used, begins = np.unique(places, return_index=True)
    wanted = [table.chunks[c] for c in np.unique(runs.chunk[used]).tolist() if c != NULL]
    if not wanted:
        return
    _quietly(partial(chunks.get_many, wanted))
    for place, begin, end in zip(used.tolist(), begins.tolist(), [*begins[1:].tolist(), len(rows)], strict=True):
        chunk = int(runs.chunk[place])
        file = None if chunk == NULL else _quietly(partial(chunks.get, table.chunks[chunk]))
        if file is not None and not chunks.mapped(file.ref):
            numbers = rows[begin:end] - int(runs.starts[place]) + int(runs.first[place])
            spans = _spans(file, numbers[numbers < file.index.samples])
            for group in coalesce(spans, GAP, LIMIT):
                yield file.key, [spans[i] for i in group.members]


def _quietly(open_: Callable[[], Any]) -> Any:
    try:
        return open_()
    except (FormatError, UnsupportedError):
        return None


def _spans(file: ChunkFile, samples: np.ndarray) -> list[tuple[int, int]]:
    """(offset, length) of every unit of these samples (sorted), once, without those that have no bytes."""
    if not len(samples):
        return []
    geometry, low = file.geometry, int(samples[0])
    starts = geometry.item_starts(low, int(samples[-1]) + 1 - low)
    first, count = starts[samples - low], np.diff(starts)[samples - low]
    items = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
    if file.index.tile is not None:
        return sorted(itertools.chain.from_iterable(_quietly(partial(_tiles, file, i)) or () for i in items.tolist()))
    units = np.unique(geometry.units_of(items))
    if geometry.unit_offsets is None:
        return [(unit.offset, unit.stored) for unit in map(geometry.unit, units.tolist()) if unit.stored]
    begins, ends = geometry.unit_offsets[units], geometry.unit_offsets[units + 1]
    full = ends > begins
    return list(zip((begins[full] + HEAD_SIZE).tolist(), (ends - begins)[full].tolist(), strict=True))


def _tiles(file: ChunkFile, item: int) -> list[tuple[int, int]]:
    geometry = file.geometry
    units = (geometry.tile_unit(item, place) for place in np.ndindex(geometry.grid(item)))
    return [(unit.offset, unit.stored) for unit in units if unit.stored]
