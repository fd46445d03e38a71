"""What the format asks of a place that keeps objects [store.contract]: floor 4, the only I/O.

Keys are the relative paths of the tree with `/`. Objects are immutable, but for hints. Every failure is an error of
this project: `E_OBJECT_MISSING` (NotFound is for the layers above to say), `E_STORE`, `E_STORE_EXCLUSIVE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from ..errors import LakebedError, error

KEY = re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*")


def check_key(key: str) -> str:
    """``key`` if it is one that the tree can hold, else E_ARGUMENT [store.key].

    Segments of letters, digits, `.`, `_` and `-`, joined by `/`; none is empty, `.` or `..`. So no key leaves the root,
    and none needs quoting in a URL, in a glob or on any file system.
    """
    if len(key) > 1024 or KEY.fullmatch(key) is None:
        raise error("E_ARGUMENT", "store.key", f"{key[:200]!r} is not a key of the tree")
    return key


def check_writable(store: Store) -> None:
    """E_READ_ONLY unless ``store`` was opened for writing [store.read_only]."""
    if not store.writable:
        raise error("E_READ_ONLY", "store.read_only", f"{store.url} was opened for reading")


def missing(key: str) -> LakebedError:
    """The error of a range of an object that is not there [store.ranges.missing]."""
    return error("E_OBJECT_MISSING", "store.ranges.missing", "the object is not in the store", object=key)


def too_long(key: str, size: int, limit: int) -> LakebedError:
    """The error of a whole read that would pass its limit [store.get.limit]."""
    return error("E_JSON_LIMIT", "store.get.limit", f"{size} bytes are more than the {limit} allowed", object=key)


def check_span(key: str, offset: int, length: int, size: int) -> None:
    """E_ARGUMENT for a negative span, E_TRUNCATED for one past the end; nothing for an empty one [store.ranges]."""
    if offset < 0 or length < 0:
        raise error("E_ARGUMENT", "store.ranges", f"the span ({offset}, {length}) is negative", object=key)
    if length and offset + length > size:
        detail = f"bytes {offset} to {offset + length} were asked for, the object has {size}"
        raise error("E_TRUNCATED", "store.ranges.short", detail, object=key, offset=size)


class Entry(NamedTuple):
    """One listed object: its key, its length in bytes, its age mark (seconds since the epoch)."""

    key: str
    size: int
    modified: float


class ObjectExists(Exception):
    """`put_new` met an object at that key: read it back and compare (E_CONFLICT is decided above)."""


class Spool(Protocol):
    """A chunk being written whose name is not known yet; memory stays bounded."""

    def write(self, data: bytes | memoryview) -> None: ...

    def finish(self, key: str) -> None:
        """Make the bytes durable under ``key``, replacing what is there (equal names are equal bytes)."""

    def discard(self) -> None: ...


class Store(Protocol):
    """All methods may be called from several threads."""

    url: str
    writable: bool

    def get(self, key: str, *, limit: int | None = None) -> bytes | None:
        """The whole object, or None when absent. Longer than ``limit`` bytes: E_JSON_LIMIT, nothing allocated."""

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int | None: ...

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        """Bytes of (offset, length) spans, in order; coalesced and fetched concurrently where that pays.

        Empty spans give b"" without a request. Absent: E_OBJECT_MISSING. Short: E_TRUNCATED.
        """

    def view(self, key: str) -> memoryview | None:
        """A mapping of the whole object where that is cheap (local files, memory), else None. E_OBJECT_MISSING."""

    def put(self, key: str, data: bytes) -> None:
        """Write durably, replacing."""

    def put_new(self, key: str, data: bytes) -> None:
        """Create durably only if absent, atomically [store.exclusive]; else ObjectExists.

        E_COMMIT_UNKNOWN when the outcome is not known: read it back. E_STORE_EXCLUSIVE: not possible here at all.
        """

    def spool(self) -> Spool: ...

    def list(self, prefix: str) -> Iterator[Entry] | None:
        """Every object whose key begins with ``prefix``, in key order; None where the store cannot list."""

    def delete(self, key: str) -> None:
        """Absent is fine."""
