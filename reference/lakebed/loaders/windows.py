"""Floor 7. Windows: the rows that wait in memory, brought there ahead and let go when their batches are made."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as Late
from typing import Any, NamedTuple

import numpy as np

from ..errors import FormatError, error
from ..stores.store import Store
from .hold import Held, Request, requests
from .order import Plan
from .sizes import Division, divide, measure, open_all
from .source import Source
from .values import Column, bad, in_strips, join, pick, values

STRIPS = 8  # a window's decoded tensors are read in so many steps, to hold few stored bytes beside the decoded ones


class Window:
    """Rows in the order in which batches take them; ``ready`` when they may be read."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        self.columns: dict[str, Column] = {}
        self.places = np.zeros(0, np.int64)  # of the rows in the columns
        self.requests: list[Request] = []
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
        self._bring_resident(fetchers, threads)
        window.requests = [r for name in self.division.late for r in self._requests(name, rows)]
        fetching = self._fetch(window.requests, fetchers)
        if self.division.held:
            window.places = np.empty(len(rows), np.int64)
            window.places[order] = np.arange(len(rows))
            for name in self.division.held:
                window.columns[name] = self._decoded(name, self._strips(rows), fetchers, threads)
        _settle(fetching)

    def _bring_resident(self, fetchers: Executor, threads: int) -> None:
        with self._lock:
            if self.resident is None:
                every = [np.arange(self.division.layout.rows)]
                self.resident = {
                    name: self._decoded(name, every, fetchers, threads) for name in self.division.resident
                }

    def _requests(self, name: str, rows: np.ndarray) -> Iterable[Request]:
        return requests(self.tables[name], self.chunks, rows)

    def _fetch(self, wanted: Sequence[Request], fetchers: Executor) -> list[Future[None]]:
        return [fetchers.submit(self.held.fetch, key, spans) for key, spans in wanted]

    def _strips(self, rows: np.ndarray) -> list[np.ndarray]:
        """Sorted rows in a few parts, cut between blocks so that no unit is in two."""
        block = np.searchsorted(self.division.layout.starts, rows, "right")
        cuts = np.flatnonzero(np.diff(block)) + 1
        return np.split(rows, cuts[:: max(1, -(-len(cuts) // STRIPS))])

    def _decoded(self, name: str, strips: list[np.ndarray], fetchers: Executor, threads: int) -> Column:
        def fetched() -> Iterable[np.ndarray]:
            for strip in strips:
                wanted = list(self._requests(name, strip))
                _settle(self._fetch(wanted, fetchers))
                yield strip
                self.held.release(wanted)

        return in_strips(self.tensors[name], fetched(), sum(map(len, strips)), threads, strict=self.strict)

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
        self.held.release(window.requests)


def _settle(fetching: Iterable[Future[None]]) -> None:
    """Wait for all; a missing or short object is left to the row that needs it, which then has its error."""
    for future in fetching:
        problem = future.exception()
        if problem is not None and not isinstance(problem, FormatError):
            raise problem


def wait(future: Future[Any], timeout: float, what: str) -> Any:
    """The result. Errors: its own; E_STORE after ``timeout`` seconds."""
    try:
        return future.result(timeout)
    except Late as cause:
        if future.done():
            raise  # its own
        raise error("E_STORE", "store.failure", f"{what} within {timeout:g} seconds") from cause
