"""Small trees made straight from model values, for tests that care about commits and not about samples."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lakebed import names
from lakebed.format.chunk import encode_tail
from lakebed.format.commit import encode_commit
from lakebed.history import Loaded, loaded
from lakebed.model import ChunkIndex, Commit, TensorState
from lakebed.publish import publish
from lakebed.slices import NULL, ChunkRef, SliceTable, join, missing, runs
from lakebed.stores import Store

Row = tuple[str | None, int, int]  # (chunk's word or None, first, count)
START = 1_790_000_000.0  # seconds since the epoch


def name(word: str) -> str:
    """A chunk's name that stands for ``word``."""
    return hashlib.sha256(word.encode()).hexdigest()


def table(*rows: Row) -> SliceTable:
    words = list(dict.fromkeys(word for word, _, _ in rows if word is not None))
    number = {word: i for i, word in enumerate(words)} | {None: NULL}
    part = runs([number[w] for w, _, _ in rows], [f for _, f, _ in rows], [c for _, _, c in rows])
    return SliceTable(tuple(ChunkRef(name(word), 8, 9) for word in words), part)


def tensor(*rows: Row, **members: Any) -> TensorState:
    return TensorState(**({"htype": "generic", "dtype": "int64", "shape": ()} | members), own=table(*rows))


def state(branch: str = "main", *, attributes: dict[str, Any] | None = None, **tensors: TensorState) -> Commit:
    """A commit to publish: its length is that of its tensors; names may use `__` for `/`."""
    length = max((samples(t) for t in tensors.values()), default=0)
    named = {key.replace("__", "/"): value for key, value in tensors.items()}
    return Commit(branch, 0, "", "", length, named, attributes=attributes or {})


def samples(t: TensorState) -> int:
    return sum(ref.samples for ref in t.manifests) + len(t.own.runs)


def grown(base: Commit, **rows: tuple[Row, ...]) -> Commit:
    """``base`` with rows behind; a tensor that gets none gets missing samples."""
    added = {key: table(*value) for key, value in rows.items()}
    count = max(len(part.runs) for part in added.values())
    tensors = {}
    for key, old in base.tensors.items():
        new = added.get(key, SliceTable((), missing(count)))
        shift = len(old.own.chunks)
        moved = runs([c if c == NULL else c + shift for c in new.runs.chunk.tolist()], new.runs.first, new.runs.count)
        own = SliceTable(old.own.chunks + new.chunks, join(old.own.runs, moved))
        tensors[key] = replace(old, own=own)
    return replace(base, length=base.length + count, tensors=tensors)


def expanded(t: TensorState | SliceTable) -> list[tuple[str, int] | None]:
    """(chunk, position) of every sample, one by one: the slow truth."""
    own = t.own if isinstance(t, TensorState) else t
    out: list[tuple[str, int] | None] = []
    for chunk, first, count in own.runs.rows():
        out += [None if chunk == NULL else (own.chunks[chunk].name[:8], first + i) for i in range(count)]
    return out


def words(*rows: Row) -> list[tuple[str, int] | None]:
    """What :func:`expanded` gives for these rows."""
    return expanded(table(*rows))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


_id = ids()


def commit(store: Store, base: Loaded | None, mine: Commit, **options: Any) -> Loaded:
    """Publish with a clock of its own unless one is given."""
    options = {"clock": Clock(), "make_id": _id, "started": START} | options
    return publish(store, base, mine, **options)


def chain(store: Store, count: int, *, branch: str = "main", step: float = 60.0) -> list[Loaded]:
    """``count`` commits a minute apart, each with one more row of tensor x."""
    out: list[Loaded] = []
    clock = Clock()
    for i in range(count):
        mine = state(branch, x=tensor(("a", 0, i + 1)))
        out.append(commit(store, out[-1] if out else None, mine, clock=clock))
        clock.now += step
    return out


def document(branch: str, number: int, **members: Any) -> tuple[bytes, Loaded]:
    """One valid commit document that nothing published."""
    parent = None
    if number > 1:
        parent = replace(loaded(*_first(branch)).ref, number=number - 1)
    base = Commit(branch, number, f"{number:032x}", "2026-01-31T12:00:00Z", 0, {}, parent=parent)
    data = encode_commit(replace(base, **members))
    return data, loaded(data, names.commit_key(branch, number))


def _first(branch: str) -> tuple[bytes, str]:
    data = encode_commit(Commit(branch, 1, "0" * 32, "2026-01-31T12:00:00Z", 0, {}))
    return data, names.commit_key(branch, 1)


def chunk(value: int, count: int = 4) -> tuple[str, bytes]:
    """A real chunk file of ``count`` uint8 samples: (name, bytes)."""
    payload = bytes([value % 256]) * count
    crc = zlib.crc32(payload)
    head = b"\x89LBK\r\n\x1a\n" + bytes(56)
    data = head + payload + encode_tail(len(payload), ChunkIndex("uint8", count, (), crc, unit=count))
    return hashlib.sha256(data).hexdigest(), data


def chunked(*files: tuple[str, bytes], count: int = 4) -> TensorState:
    """A uint8 tensor over these chunk files, every sample of each."""
    refs = tuple(ChunkRef(key, count, len(data) - 64 - count - 40) for key, data in files)
    part = runs(range(len(refs)), [0] * len(refs), [count] * len(refs))
    return TensorState("generic", "uint8", (), SliceTable(refs, part))


class Wrapped:
    """A store in front of another: counts requests by kind, and lets a test step in before or after each."""

    def __init__(self, inner: Store, *, lists: bool = True) -> None:
        self.inner, self.lists = inner, lists
        self.url, self.writable = inner.url, inner.writable
        self.calls: list[tuple[str, str]] = []
        self.before: dict[str, Callable[..., Any]] = {}
        self.after: dict[str, Callable[..., Any]] = {}

    def count(self, *kinds: str) -> int:
        return sum(kind in kinds for kind, _ in self.calls)

    def __getattr__(self, kind: str) -> Any:
        real = getattr(self.inner, kind)

        def call(key: str, *args: Any, **options: Any) -> Any:
            self.calls.append((kind, key))
            if kind == "list" and not self.lists:
                return None
            if kind in self.before:
                self.before[kind](key, *args)
            result = real(key, *args, **options)
            if kind in self.after:
                self.after[kind](key, *args)
            return result

        return call
