"""Floor 7. Batches of a dataset for a training loop, as numpy arrays, in any order that can be repeated."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import LakebedError, error
from ..threads import Pool, default_threads
from .cache import CachedStore
from .feed import Feed
from .hold import REQUESTS
from .order import SHUFFLES, Plan
from .source import Source
from .values import collate as collate_rows
from .values import pick, settled
from .windows import Part, Rows, Window, wait

STATE = 1  # version of what state_dict gives


class Skipped(NamedTuple):
    """A row that was left out, and why."""

    epoch: int
    row: int
    tensor: str
    error: LakebedError

    def __str__(self) -> str:
        return f"epoch {self.epoch}: row {self.row} was left out, its {self.tensor!r} cannot be read: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The arguments of :func:`~lakebed.loaders.loader`. Errors: E_ARGUMENT."""

    batch_size: int
    shuffle: str
    seed: int
    buffer_bytes: int
    threads: int | None
    prefetch: int
    rank: int
    world_size: int
    transform: Callable[[dict[str, Any]], Any] | None
    collate: Callable[[list[Any]], Any] | None
    drop_last: bool
    on_error: str | Callable[[Skipped], object]
    timeout: float
    cache: str | os.PathLike[str] | None
    cache_bytes: int

    def __post_init__(self) -> None:
        wrong = {
            "batch_size": self.batch_size < 1,
            "shuffle": self.shuffle not in SHUFFLES,
            "seed": self.seed < 0,
            "buffer_bytes": self.buffer_bytes < 1 << 20,
            "threads": self.threads is not None and self.threads < 1,
            "prefetch": self.prefetch < 0,
            "rank": not 0 <= self.rank < self.world_size,
            "on_error": self.on_error not in ("raise", "skip") and not callable(self.on_error),
            "timeout": self.timeout <= 0,
            "cache_bytes": self.cache_bytes < 1 << 20,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise error("E_ARGUMENT", "algo.many.order", f"{name} = {getattr(self, name)!r} is not possible")

    @property
    def order(self) -> dict[str, Any]:
        """What the order of batches depends on."""
        names = ("batch_size", "shuffle", "seed", "buffer_bytes", "rank", "world_size", "drop_last")
        return {name: getattr(self, name) for name in names}


class Loader:
    """Batches ``{tensor: column}``, an epoch for each ``iter``; made by :func:`~lakebed.loaders.loader`.

    epoch    the one that is under way, or that the next ``iter`` begins; may be set
    skipped  rows left out so far, when ``on_error`` is not "raise"
    """

    def __init__(self, source: Source, settings: Settings, epoch: int = 0) -> None:
        self.source, self.settings = source, settings
        self.skipped: list[Skipped] = []
        self._epoch, self._given, self._begun = epoch, 0, False
        self._opened: tuple[int, Rows] | None = None
        self._run = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __len__(self) -> int:
        """Batches of this rank in an epoch."""
        count, size, world = len(self.source), self.settings.batch_size, self.settings.world_size
        if self.settings.drop_last:
            return count // world // size
        return -(-(count // world + (self.settings.rank < count % world)) // size)

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._epoch, self._given, self._begun = number, 0, False

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch under way stands: after the last batch that was handed out. JSON values only."""
        return {"version": STATE, "epoch": self._epoch, "batches": self._given, **self._identity()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next ``iter`` goes on there. Errors: E_ARGUMENT when this loader would give another order."""
        for name, mine in {"version": STATE, **self._identity()}.items():
            if state.get(name) != mine:
                detail = f"the state was saved with {name} = {state.get(name)!r}, this loader has {mine!r}"
                raise error("E_ARGUMENT", "algo.many.order", detail)
        self._epoch, self._given, self._begun = int(state["epoch"]), int(state["batches"]), False

    def _identity(self) -> dict[str, Any]:
        return {**self.source.identity, **self.settings.order}

    def plan(self) -> Plan:
        """The order of every epoch, made from slice tables and chunk indexes; see :mod:`lakebed.loaders.order`."""
        settings = self.settings
        return self._rows().plan(settings.shuffle, settings.seed, settings.rank, settings.world_size)

    def _rows(self) -> Rows:
        if self._opened is None or self._opened[0] != os.getpid():  # after a fork: the parent's threads hold locks
            settings, store = self.settings, self.source.store
            if settings.cache is not None:
                store = CachedStore(store, settings.cache, settings.cache_bytes)
            self._opened = os.getpid(), Rows(
                self.source, store, settings.buffer_bytes, strict=settings.on_error == "raise"
            )
        return self._opened[1]

    def __iter__(self) -> Iterator[Any]:
        """The next epoch, or the rest of the one that was loaded. Errors: those of reading; E_STORE after a timeout."""
        if self._begun:
            self._epoch, self._given = self._epoch + 1, 0
        self._begun = True
        self._run += 1
        run = self._run
        for number, (batch, skipped) in enumerate(self._batches(self._epoch, self._given), self._given + 1):
            self._tell(skipped)
            if run == self._run:
                self._given = number
            if batch is not None:
                yield batch
        if run == self._run:
            self._epoch, self._given, self._begun = self._epoch + 1, 0, False

    def _tell(self, skipped: Sequence[Skipped]) -> None:
        self.skipped += skipped
        if callable(self.settings.on_error):
            for one in skipped:
                self.settings.on_error(one)

    def _batches(self, epoch: int, start: int) -> Iterator[tuple[Any, list[Skipped]]]:
        """(batch or None, rows left out) of every batch from ``start`` on; work goes on ahead of the caller."""
        settings = self.settings
        threads = settings.threads or default_threads()
        size = settings.batch_size
        with Pool(1, "bring") as bringer, Pool(REQUESTS, "fetch") as fetchers, Pool(threads, "batch") as makers:
            rows = wait(bringer.submit(self._rows), settings.timeout, "the dataset was not opened")

            def bring(window: Window) -> Future[None]:
                return bringer.submit(rows.bring, window, fetchers, threads)

            order = self.plan().epoch(epoch)
            feed = Feed(order, start * size, min(order.rows_in_all, len(self) * size), size, bring)
            ahead: deque[Future[Any]] = deque()
            try:
                while True:
                    while len(ahead) < settings.prefetch + threads and (parts := feed.batch(force=not ahead)):
                        ahead.append(makers.submit(self._make, rows, epoch, parts))
                    if not ahead:
                        return
                    yield wait(ahead.popleft(), settings.timeout, "a batch was not made")
            finally:  # what waits for an iteration that is left in mid-epoch, when nothing more can be asked for
                fetchers.shutdown(wait=False, cancel_futures=True)
                for window in feed.alive:
                    rows.release(window)

    def _make(self, rows: Rows, epoch: int, parts: Sequence[Part]) -> tuple[Any, list[Skipped]]:
        numbers, columns, bad = rows.batch(parts, self.settings.timeout)
        skipped: list[Skipped] = []
        if bad:
            skipped = [Skipped(epoch, int(numbers[place]), *bad[place]) for place in sorted(bad)]
            good = np.setdiff1d(np.arange(len(numbers)), list(bad))
            if not len(good):
                return None, skipped
            columns = {name: settled(pick(column, good)) for name, column in columns.items()}
        if self.settings.transform is None and self.settings.collate is None:
            return columns, skipped
        count = len(numbers) - len(bad)
        single: list[Any] = [{name: column[i] for name, column in columns.items()} for i in range(count)]
        if self.settings.transform is not None:
            single = [self.settings.transform(row) for row in single]
        return (self.settings.collate or collate_rows)(single), skipped
