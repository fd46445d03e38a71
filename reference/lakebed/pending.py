"""Floor 6. A dataset opened from its hint, on a store where every look is a round trip [algo.newest.read].

The hint's bytes are used at once, and whether they are the newest commit is asked beside the first read of a chunk;
nothing is handed out before the answer. So one cold sample costs three dependent requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from . import history
from .errors import LakebedError
from .history import Hint, Loaded
from .slices import NULL
from .stores.store import Store
from .tensor import Chunks
from .threads import spread


class Pending:
    """``confirm`` gives the newest commit; the work passed along runs beside the question."""

    def __init__(self, store: Store, branch: str, hint: Hint) -> None:
        self._store, self._branch, self._hint = store, branch, hint
        self._lock = threading.Lock()
        self._answer: Loaded | None = None

    def confirm(self, meanwhile: Callable[[], Any] | None = None) -> Loaded:
        """Errors: those of :func:`~lakebed.history.newest`; an error of ``meanwhile`` comes again when it matters."""
        with self._lock:
            if self._answer is None:
                tasks = [lambda: history.newest(self._store, self._branch, hint=self._hint)]
                tasks += [_quietly(meanwhile)] if meanwhile is not None else []
                answers = list(spread(4, "confirm")(lambda task: task(), tasks))  # both are awaited
                self._answer = answers[0]
            return self._answer

    def first_chunk(self, chunks: Chunks, name: str, index: Any) -> Callable[[], Any] | None:
        """Opens the chunk in which row ``index`` of a tensor lies, if the hint is right."""
        state = self._hint.loaded.commit.tensors.get(name)
        length = self._hint.loaded.commit.length
        if state is None or state.manifests or type(index) is not int or not -length <= index < length:
            return None
        runs = state.own.runs
        chunk = int(runs.cut(index % length, index % length + 1).chunk[0])
        return None if chunk == NULL else lambda: chunks.get(state.own.chunks[chunk])


def _quietly(task: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        try:
            return task()
        except LakebedError:
            return None

    return run
