"""Objects in a dictionary: for tests, examples and small results [store.contract]. Lives and dies with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from ..errors import error
from .store import Entry, ObjectExists, Spool, check_key, check_span, check_writable, missing, too_long

_named: dict[str, MemoryStore] = {}
_named_lock = threading.Lock()


class MemoryStore:
    """One lock guards one dictionary, so `put_new` is atomic among threads. Not for other processes."""

    def __init__(self, url: str = "memory://", *, writable: bool = True) -> None:
        self.url = url
        self.writable = writable
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, float]] = {}

    def handle(self, *, writable: bool) -> MemoryStore:
        """The same objects under another permission; ``self`` when that is the permission it has."""
        if writable == self.writable:
            return self
        other = MemoryStore(self.url, writable=writable)
        other._lock, other._objects = self._lock, self._objects
        return other

    def __reduce__(self):  # a copy in another process would silently be another dataset
        raise error("E_ARGUMENT", "store.contract", "a memory store cannot be sent to another process")

    def get(self, key: str, *, limit: int | None = None) -> bytes | None:
        found = self._objects.get(check_key(key))
        if found is None:
            return None
        if limit is not None and len(found[0]) > limit:
            raise too_long(key, len(found[0]), limit)
        return found[0]

    def exists(self, key: str) -> bool:
        return check_key(key) in self._objects

    def size(self, key: str) -> int | None:
        found = self._objects.get(check_key(key))
        return None if found is None else len(found[0])

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        whole = self.view(key)
        for offset, length in spans:
            check_span(key, offset, length, len(whole))
        return [whole[offset : offset + length] for offset, length in spans]

    def view(self, key: str) -> memoryview:
        found = self._objects.get(check_key(key))
        if found is None:
            raise missing(key)
        return memoryview(found[0])

    def put(self, key: str, data: bytes) -> None:
        check_writable(self)
        self._objects[check_key(key)] = (bytes(data), time.time())

    def put_new(self, key: str, data: bytes) -> None:
        check_writable(self)
        held = (bytes(data), time.time())
        with self._lock:
            if self._objects.setdefault(check_key(key), held) is not held:
                raise ObjectExists(key)

    def spool(self) -> Spool:
        check_writable(self)
        return _MemorySpool(self)

    def list(self, prefix: str) -> Iterator[Entry]:
        with self._lock:
            rows = [Entry(key, len(data), when) for key, (data, when) in list(self._objects.items())]
        return iter(sorted(row for row in rows if row.key.startswith(prefix)))

    def delete(self, key: str) -> None:
        check_writable(self)
        self._objects.pop(check_key(key), None)


class _MemorySpool:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._buffer = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self._buffer += data

    def finish(self, key: str) -> None:
        self._store.put(key, bytes(self._buffer))
        self.discard()

    def discard(self) -> None:
        self._buffer = bytearray()


def named(url: str, *, writable: bool) -> MemoryStore:
    """The store called ``url`` in this process; a new one when nobody asked for it before."""
    with _named_lock:
        return _named.setdefault(url, MemoryStore(url)).handle(writable=writable)
