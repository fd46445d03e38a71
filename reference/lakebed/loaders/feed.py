"""Floor 7. From windows to batches: which rows make the next batch, and when the next window may begin.

Two windows are in memory at a time: one that batches are made of, one on its way. A third begins when every batch of
the first is made. Only a single batch that needs more (rows larger than the buffer) gets more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from .order import Epoch
from .windows import Part, Window

AT_ONCE = 2


class Feed:
    """Rows [start, stop) of an epoch; ``bring`` starts to fetch a window. For one thread.

    alive  the windows that were begun, of which batches are still to be made (as of the last look)
    """

    def __init__(
        self, epoch: Epoch, start: int, stop: int, batch_size: int, bring: Callable[[Window], Future[None]]
    ) -> None:
        start = min(start, stop)
        self._epoch, self._at, self._start, self._stop = epoch, start, start, stop
        self._size, self._bring = batch_size, bring
        self._next = max(0, int(np.searchsorted(epoch.starts, start, "right")) - 1)
        self._begun: deque[Window] = deque()
        self._first_at = 0  # rows of the first window that are in batches already
        self.alive: list[Window] = []

    def batch(self, *, force: bool) -> list[Part]:
        """The next batch; [] at the end, or when it needs a window that has to wait. ``force``: it may not wait."""
        need = min(self._size, self._stop - self._at)
        while self._waiting() < need:
            if not (force or self._room()):
                return []
            self._begin()
        parts = self._take(need)
        while self._room() and self._more():
            self._begin()
        return parts

    def _waiting(self) -> int:
        return sum(len(window.rows) for window in self._begun) - self._first_at

    def _room(self) -> bool:
        self.alive = [window for window in self.alive if not window.done]
        return len(self.alive) < AT_ONCE

    def _more(self) -> bool:
        return self._next < len(self._epoch) and int(self._epoch.starts[self._next]) < self._stop

    def _begin(self) -> None:
        starts = self._epoch.starts
        first, end = int(starts[self._next]), int(starts[self._next + 1])
        rows = self._epoch.rows(self._next)
        window = Window(rows[max(self._start, first) - first : min(self._stop, end) - first])
        window.ready = self._bring(window)
        self._next += 1
        self._begun.append(window)
        self.alive.append(window)

    def _take(self, need: int) -> list[Part]:
        parts = []
        self._at += need
        while need:
            window = self._begun[0]
            stop = min(len(window.rows), self._first_at + need)
            parts.append(Part(window, self._first_at, stop))
            need -= stop - self._first_at
            self._first_at = stop
            if stop == len(window.rows):
                self._begun.popleft()
                self._first_at = 0
        return parts
