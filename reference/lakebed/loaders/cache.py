"""Floor 7. A folder that keeps what was read of chunks, up to a size; least recently used goes first.

A chunk's name is the hash of its bytes, so datasets, versions and processes may share one folder. Each chunk is one
sparse file with the object's own offsets, and a journal of the runs that are in it, each with its CRC-32. A run written
by another process, or before a crash, is checked against that CRC once before it is used.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..names import CHUNK_KEY
from ..stores.store import Store

RECORD = struct.Struct("<QQII")  # offset, length, CRC-32 of the bytes, CRC-32 of the 20 bytes before
ROOM = 8  # evicting makes room for this share of the limit, so that several processes together stay within it
LOOK = 32  # a process looks at the whole folder whenever it wrote this share of the limit
OPEN = 128  # chunks whose files are kept open


class Run(NamedTuple):
    """Bytes [offset, offset+length) of a chunk, in the folder."""

    offset: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        return self.offset + self.length


class CachedStore:
    """Another store, its chunks' ranges kept under ``folder``. A store that maps its objects is left as it is."""

    writable = False

    def __init__(self, inner: Store, folder: str | os.PathLike[str], limit: int) -> None:
        self.inner, self.folder, self.limit = inner, Path(folder), limit
        self.url = inner.url
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._written = limit  # so that the first write looks at what is there
        self.hits = self.misses = 0  # bytes

    def __reduce__(self):
        return CachedStore, (self.inner, self.folder, self.limit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        found = CHUNK_KEY.fullmatch(key)
        if found is None:
            return self.inner.ranges(key, spans)
        kept = self._open(found[2])
        parts: list[Any] = [kept.read(offset, length) for offset, length in spans]
        lacking = [i for i, part in enumerate(parts) if part is None]
        self.hits += sum(len(part) for part in parts if part is not None)
        if lacking:
            fetched = self.inner.ranges(key, [spans[i] for i in lacking])
            for i, part in zip(lacking, fetched, strict=True):
                parts[i] = part
                self.misses += len(part)
                self._keep(kept, spans[i][0], part)
        return parts

    def _open(self, name: str) -> _Kept:
        with self._lock:
            kept = self._kept.pop(name, None)
            if kept is None or kept.pid != os.getpid():
                kept = _Kept(self.folder / name[:2] / name)
            self._kept[name] = kept  # the last is the youngest
            while len(self._kept) > OPEN:
                del self._kept[next(iter(self._kept))]
            return kept

    def _keep(self, kept: _Kept, offset: int, part: memoryview | bytes) -> None:
        """A full disk or a folder that cannot be written must not stop training: then nothing is kept."""
        if not len(part) or len(part) > self.limit // ROOM:
            return
        with self._lock:
            self._written += len(part) + RECORD.size
            look = self._written > self.limit // LOOK
            if look:
                self._written = len(part)
        with contextlib.suppress(OSError):
            if look:
                self._evict()
            kept.write(offset, part)

    def _evict(self) -> None:
        """Bring the folder down to the limit less the room for what is written until the next look."""
        found = []
        for journal in self.folder.glob("??/*.runs"):
            with contextlib.suppress(OSError):
                about = journal.stat()
                found.append((about.st_mtime, _length(journal), journal))
        total = sum(length for _, length, _ in found)
        for _, length, journal in sorted(found):
            if total <= self.limit - self.limit // ROOM:
                break
            for path in (journal, journal.with_suffix(".data")):
                with contextlib.suppress(OSError):
                    path.unlink()
            with self._lock:
                self._kept.pop(journal.stem, None)
            total -= length

    def nbytes(self) -> int:
        """Bytes of chunks in the folder, by all processes."""
        return sum(_length(journal) for journal in self.folder.glob("??/*.runs"))


class _Kept:
    """One chunk's file and journal; works on the inodes it opened, whatever happens to their names."""

    def __init__(self, base: Path) -> None:
        self.pid = os.getpid()
        self._base = base
        self._files: tuple[int, int] | None = None
        self._runs: list[Run] = []  # by offset, apart from each other
        self._sure: set[int] = set()  # offsets of runs that hold what the journal says
        self._touched = 0.0
        self._lock = threading.Lock()
        if base.with_suffix(".runs").exists():
            with contextlib.suppress(OSError):
                self._begin()

    def __del__(self) -> None:
        for file in self._files or ():
            with contextlib.suppress(OSError):
                os.close(file)

    def _begin(self) -> tuple[int, int]:
        if self._files is None:
            self._base.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            journal = os.open(self._base.with_suffix(".runs"), flags | os.O_APPEND, 0o644)
            data = os.open(self._base.with_suffix(".data"), flags, 0o644)
            self._files = journal, data
            for run in _runs(os.pread(journal, os.fstat(journal).st_size, 0)):
                self._insert(run)
        return self._files

    def read(self, offset: int, length: int) -> bytes | None:
        """The bytes, when runs hold them all."""
        with self._lock:
            if not length:
                return b""
            covered = [run for run in self._between(offset, offset + length) if self._holds(run)]
            if sum(min(r.end, offset + length) - max(r.offset, offset) for r in covered) < length:
                return None
            self._touch()
            part = os.pread(self._files[1], length, offset)  # type: ignore[index]
            return part if len(part) == length else None

    def _between(self, start: int, stop: int) -> list[Run]:
        """Runs that meet [start, stop), in order."""
        low = max(0, bisect_right(self._runs, start, key=lambda run: run.offset) - 1)
        high = bisect_left(self._runs, stop, key=lambda run: run.offset)
        return [run for run in self._runs[low:high] if run.end > start]

    def _holds(self, run: Run) -> bool:
        """Whether the file has what the journal says; looked at once. A run that has not is forgotten."""
        if run.offset in self._sure:
            return True
        whole = os.pread(self._files[1], run.length, run.offset)  # type: ignore[index]
        if len(whole) != run.length or zlib.crc32(whole) != run.crc:
            self._runs.remove(run)
            return False
        self._sure.add(run.offset)
        return True

    def write(self, offset: int, part: memoryview | bytes) -> None:
        """What is not there yet of it."""
        view, end = memoryview(part), offset + len(part)
        with self._lock:
            self._begin()
            at = offset
            for run in [*self._between(offset, end), Run(end, 0, 0)]:
                if run.offset > at:
                    self._append(at, view[at - offset : run.offset - offset])
                at = max(at, run.end)

    def _append(self, offset: int, part: memoryview) -> None:
        """The bytes before the record: a record promises them."""
        journal, data = self._files  # type: ignore[misc]
        run = Run(offset, len(part), zlib.crc32(part))
        record = struct.pack("<QQI", *run)
        os.pwrite(data, part, offset)
        os.write(journal, record + struct.pack("<I", zlib.crc32(record)))
        self._insert(run)
        self._sure.add(offset)

    def _insert(self, run: Run) -> None:
        """Runs do not overlap: of two that other processes wrote at once, the second is passed over."""
        if not self._between(run.offset, run.end):
            insort(self._runs, run)

    def _touch(self) -> None:
        now = time.monotonic()
        if now - self._touched > 1.0 and self._files is not None:  # its age decides who goes first
            self._touched = now
            with contextlib.suppress(OSError):
                os.utime(self._files[0])


def _runs(journal: bytes) -> list[Run]:
    """Records up to the first that is torn."""
    out = []
    for at in range(0, len(journal) - RECORD.size + 1, RECORD.size):
        offset, length, crc, check = RECORD.unpack_from(journal, at)
        if zlib.crc32(journal[at : at + RECORD.size - 4]) != check:
            break
        out.append(Run(offset, length, crc))
    return out


def _length(journal: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(run.length + RECORD.size for run in _runs(journal.read_bytes()))
    return 0
