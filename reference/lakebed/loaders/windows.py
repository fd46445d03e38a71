"""Floor 7. Windows: the rows that wait in memory, brought there ahead and let go when their batches are made."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as Late
from typing import Any, NamedTuple

import numpy as np

from ..errors import error
from ..stores.store import Store
from .hold import Held, Lot, Request, requests
from .order import Plan
from .sizes import Division, divide, measure, open_all
from .source import Source
from .values import Column, bad, in_strips, join, pick, values

STRIPS = 16  # decoded tensors are read in steps of this part of a window, to hold few stored bytes beside decoded ones
AHEAD = 2  # of these steps: one is decoded while the next is fetched


class Window:
    """Rows in the order in which batches take them; ``ready`` when they may be read."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.columns: dict[str, Column] = {}
        self.places = np.zeros(0, np.int64)  # of the rows in the columns
        self.late: Lot | None = None  # the stored bytes of what is read with the batch
        self.ready: Future[None]
        self._left = len(rows)
        self._lock = threading.Lock()

    @property
    def done(self) -> bool:
        return self._left == 0

    def took(self, count: int) -> bool:
        """``count`` more rows are in batches; True when these were the last."""
        with self._lock:
            self._left -= count
            return self._left == 0


class Part(NamedTuple):
    """Rows [start, stop) of a window, in a batch."""

    window: Window
    start: int
    stop: int


class Rows:
    """What turns rows into values: the open tensors, what they cost, and what waits. ``strict``: a bad row is an error,
    else it is told with its batch.
    """

    def __init__(self, source: Source, store: Store, buffer_bytes: int, *, strict: bool) -> None:
        self.strict = strict
        self.held = Held(store)
        self.tensors, self.tables, self.chunks = source.open(self.held)
        open_all(self.tables.values(), self.chunks)
        sizes = {name: measure(table, self.chunks) for name, table in self.tables.items()}
        self.division: Division = divide(sizes, len(source), buffer_bytes)
        self.resident: dict[str, Column] | None = None
        self._lock = threading.Lock()

    def plan(self, shuffle: str, seed: int, rank: int, world_size: int) -> Plan:
        return Plan(self.division.layout, shuffle, seed, rank, world_size, self.division.window_bytes)

    # --- bringing rows into memory --------------------------------------------------------------------------------

    def bring(self, window: Window, fetchers: Executor, threads: int) -> None:
        """Everything that a window's batches need. Errors: StoreError; those of single rows come with the batch."""
        order = np.argsort(window.rows, kind="stable")
        rows = window.rows[order]
        window.late = Lot(self.held, (r for name in self.division.late for r in self._requests(name, rows)))
        window.late.begin(fetchers)
        self._bring_resident(fetchers, threads)
        if self.division.held:
            window.places = np.empty(len(rows), np.int64)
            window.places[order] = np.arange(len(rows))
            for name in self.division.held:
                strips = self._fetched(name, self._strips(rows), fetchers)
                window.columns[name] = self._decoded(name, strips, len(rows), threads)
        window.late.settle()

    def _bring_resident(self, fetchers: Executor, threads: int) -> None:
        every = np.arange(self.division.layout.rows)
        with self._lock:
            if self.resident is not None:
                return
            lots = {name: Lot(self.held, self._requests(name, every)) for name in self.division.resident}
            try:
                for lot in lots.values():
                    lot.begin(fetchers)
                for lot in lots.values():
                    lot.settle()
                self.resident = {name: self._decoded(name, [every], len(every), threads) for name in lots}
            finally:
                for lot in lots.values():
                    lot.release()

    def _requests(self, name: str, rows: np.ndarray) -> Iterable[Request]:
        return requests(self.tables[name], self.chunks, rows)

    def _strips(self, rows: np.ndarray) -> list[np.ndarray]:
        """Sorted rows in parts, cut between blocks so that no unit is in two. The blocks count and not their rows, for
        a unit is fetched whole: a window of a full shuffle may touch every block of the dataset."""
        layout = self.division.layout
        block = np.searchsorted(layout.starts, rows, "right") - 1
        begins = np.flatnonzero(np.diff(block, prepend=-1))
        strip = np.cumsum(layout.costs[block[begins]]) // max(1, self.division.window_bytes // STRIPS)
        return np.split(rows, begins[1:][np.diff(strip) > 0])

    def _fetched(self, name: str, strips: list[np.ndarray], fetchers: Executor) -> Iterator[np.ndarray]:
        """Each strip when its bytes are there, and the next ones on their way; gone when the next is asked for."""
        left, ahead = iter(strips), deque[tuple[np.ndarray, Lot]]()
        try:
            while True:
                while len(ahead) < AHEAD and (strip := next(left, None)) is not None:
                    ahead.append((strip, Lot(self.held, self._requests(name, strip))))
                    ahead[-1][1].begin(fetchers)
                if not ahead:
                    return
                ahead[0][1].settle()
                yield ahead[0][0]
                ahead.popleft()[1].release()
        finally:
            for _, lot in ahead:
                lot.release()

    def _decoded(self, name: str, strips: Iterable[np.ndarray], count: int, threads: int) -> Column:
        return in_strips(self.tensors[name], strips, count, threads, strict=self.strict)

    # --- batches --------------------------------------------------------------------------------------------------

    def batch(self, parts: Sequence[Part], timeout: float) -> tuple[np.ndarray, dict[str, Column], dict[int, Any]]:
        """(row numbers, columns, bad rows by place) of one batch; windows of which this was the last are let go."""
        for part in parts:
            wait(part.window.ready, timeout, "rows were not fetched")
        rows = np.concatenate([part.window.rows[part.start : part.stop] for part in parts])
        columns = {name: self._column(name, rows, parts) for name in self.tensors}
        for part in parts:
            if part.window.took(part.stop - part.start):
                self.release(part.window)
        return rows, columns, bad(columns)

    def _column(self, name: str, rows: np.ndarray, parts: Sequence[Part]) -> Column:
        if name in self.division.held:
            return join([pick(p.window.columns[name], p.window.places[p.start : p.stop]) for p in parts])
        if self.resident is not None and name in self.resident:
            return join([pick(self.resident[name], rows)])
        return join([values(self.tensors[name], rows, strict=self.strict)])

    def release(self, window: Window) -> None:
        window.columns = {}
        if window.late is not None:
            window.late.release()


def wait(future: Future[Any], timeout: float, what: str) -> Any:
    """The result. Errors: its own; E_STORE after ``timeout`` seconds."""
    try:
        return future.result(timeout)
    except Late as cause:
        if future.done():
            raise  # its own
        raise error("E_STORE", "store.failure", f"{what} within {timeout:g} seconds") from cause
