"""Floor 1. Threads for what releases the interpreter lock: decoding and waiting for stores. One pool per use."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_pools: dict[tuple[int, str, int], ThreadPoolExecutor] = {}
_lock = threading.Lock()


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
            _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix=f"lakebed-{use}")
        return _pools[key].map
