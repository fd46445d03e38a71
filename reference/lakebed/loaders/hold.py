"""Floor 7. Stored bytes that were fetched ahead, behind the interface of a store.

The tensors of a loader read through :class:`Held`; what a window fetched ahead is found there, everything else goes on
to the real store. So fetching ahead changes when bytes travel and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..chunkfile import ChunkFile
from ..errors import FormatError, UnsupportedError
from ..geometry import Unit
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
        (whole,) = self.inner.ranges(key, [(offset, length)])
        dense = len(memoryview(whole)) <= sum(size for _, size in spans)
        held = self._held[key]
        for start, size in spans:
            part = memoryview(whole)[start - offset : start - offset + size]
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


def requests(table: SliceTable, chunks: Chunks, rows: np.ndarray) -> Iterator[Request]:
    """(key, spans of one request) for every unit of these rows of one tensor; nothing for what a store maps.

    A chunk that cannot be opened is passed over: its error comes when the row is read, and names it.
    """
    runs = table.runs
    places = np.searchsorted(runs.starts, rows, "right") - 1
    used = np.unique(places)
    wanted = [table.chunks[c] for c in np.unique(runs.chunk[used]).tolist() if c != NULL]
    if not wanted:
        return
    _quietly(partial(chunks.get_many, wanted))
    for place in used.tolist():
        chunk = int(runs.chunk[place])
        file = None if chunk == NULL else _quietly(partial(chunks.get, table.chunks[chunk]))
        if file is not None and not chunks.mapped(file.ref):
            numbers = rows[places == place] - int(runs.starts[place]) + int(runs.first[place])
            spans = sorted((unit.offset, unit.stored) for unit in _units(file, numbers.tolist()) if unit.stored)
            for group in coalesce(spans, GAP, LIMIT):
                yield file.key, [spans[i] for i in group.members]


def _quietly(open_: Callable[[], Any]) -> Any:
    try:
        return open_()
    except (FormatError, UnsupportedError):
        return None


def _units(file: ChunkFile, samples: Iterable[int]) -> Iterator[Unit]:
    """Every unit of these samples, once."""
    geometry = file.geometry
    spans = (geometry.items_of(sample) or (0, 0) for sample in samples if sample < file.index.samples)
    items = (item for first, count in spans for item in range(first, first + count))
    if file.index.tile is None:
        return map(geometry.unit, dict.fromkeys(map(geometry.unit_of, items)))
    return (geometry.tile_unit(item, place) for item in items for place in np.ndindex(geometry.grid(item)))
