"""Floor 1. Threads for what releases the interpreter lock: decoding and waiting for stores. One pool per use."""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any

LAST_WORD = 5.0  # seconds that the process, when it ends, waits for threads that are at work
_pools: dict[tuple[int, str, int], Pool] = {}
_alive: weakref.WeakSet[Pool] = weakref.WeakSet()
_lock = threading.Lock()
_Job = tuple[Future[Any], Callable[[], Any]]


class Pool(Executor):
    """Up to ``threads`` threads, begun when they are needed. A thread that hangs in a store does not keep the process
    alive, as one of ``ThreadPoolExecutor`` would. Leaving ``with`` lets go at once: what has not begun is cancelled.
    """

    def __init__(self, threads: int, use: str) -> None:
        self._most, self._name = threads, f"lakebed-{use}"
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._guard = threading.Lock()
        self._closed = False
        _alive.add(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Errors: RuntimeError after :meth:`shutdown`."""
        future: Future[Any] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("this pool has been shut down")
            self._jobs.put((future, functools.partial(fn, *args, **kwargs)))
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
                made = threading.Thread(target=_work, args=(self._jobs, self._idle), name=self._name, daemon=True)
                self._threads.append(made)
                made.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._guard:
            self._closed = True
            if cancel_futures:
                self._cancel()
            for _ in self._threads:
                self._jobs.put(None)
        if wait:
            self.join(None)

    def _cancel(self) -> None:
        try:
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job[0].cancel()
        except Empty:
            pass

    def join(self, until: float | None) -> None:
        """Wait for the threads to end, until ``time.monotonic()`` says so."""
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def __exit__(self, *exc: object) -> None:
        self.shutdown(wait=False, cancel_futures=True)


def _work(jobs: SimpleQueue[_Job | None], idle: threading.Semaphore) -> None:
    while (job := jobs.get()) is not None:
        _do(*job)
        del job  # a thread that waits holds nothing
        idle.release()


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(call())
        except BaseException as problem:
            future.set_exception(problem)


@atexit.register
def _end() -> None:
    """The interpreter must not be taken apart under threads that are at work; one that hangs is left behind."""
    until = time.monotonic() + LAST_WORD
    pools = list(_alive)
    for pool in pools:
        pool.shutdown(wait=False, cancel_futures=True)
    for pool in pools:
        pool.join(until)


@functools.cache
def default_threads() -> int:
    """CPUs this process may use, as it began."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(threads: int, use: str = "decode") -> Callable[..., Iterable[Any]]:
    """`map`, over ``threads`` threads; results in order. Pools are kept, and made anew after a fork."""
    if threads <= 1:
        return map
    key = (os.getpid(), use, threads)
    with _lock:
        if key not in _pools:
            _pools[key] = Pool(threads, use)
        return _pools[key].map
