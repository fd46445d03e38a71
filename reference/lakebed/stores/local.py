"""A folder of files [store.local]: mapped reads, durable writes [store.durable], exclusive create by hard link.

Links to files are followed when reading (shared caches are made of them). A folder that is a link is read
through, but neither listed, written into nor deleted from: nobody can tell whose files those are, and a collector must
never find out by trying [store.local.link].

A file that someone shortens while it is mapped kills the process that reads it (SIGBUS): objects are immutable, and
this is what it costs to break that from outside.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence

from ..errors import LakebedError, error
from .exclusive import rename_new
from .store import Entry, ObjectExists, Spool, check_key, check_span, check_writable, missing, too_long

MAPS = 128  # mapped objects kept per store; each holds one file descriptor until its last view is gone
# O_NONBLOCK: opening a named pipe that somebody planted in the tree must not hang; it is no file and is refused
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_ABSENT = (FileNotFoundError, NotADirectoryError)


class LocalStore:
    """Objects are files under ``root``. The folder is made by the first write."""

    def __init__(self, root: str | os.PathLike[str], *, writable: bool) -> None:
        self.url = self.root = os.path.abspath(os.fspath(root))
        self.writable = writable
        self._settled: set[str] = set()  # folders whose own names, and those above, this store has made durable
        self._above: str | None = None
        self._deleted_in: str | None = None  # folder with deletions that are not durable yet
        self._maps: dict[str, memoryview] = {}
        self._lock = threading.Lock()

    def __reduce__(self):
        return _rebuild, (self.root, self.writable)

    def _path(self, key: str) -> str:
        return f"{self.root}/{check_key(key)}"

    # reading

    def get(self, key: str, *, limit: int | None = None) -> bytes | None:
        try:
            fd, size = _open(self._path(key), key)
        except _ABSENT:
            return None
        try:
            if limit is not None and size > limit:
                raise too_long(key, size, limit)
            return _read(fd, 0, size)
        except OSError as exc:
            raise failed(exc, key, "read") from exc
        finally:
            os.close(fd)

    def exists(self, key: str) -> bool:
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        try:
            found = os.stat(self._path(key))
        except _ABSENT:
            return None
        except OSError as exc:
            raise failed(exc, key, "look at") from exc
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        try:
            fd, size = _open(self._path(key), key)
        except _ABSENT:
            raise missing(key) from None
        try:
            for offset, length in spans:  # before anything is allocated
                check_span(key, offset, length, size)
            parts: list[memoryview | bytes] = [_read(fd, at, length) if length else b"" for at, length in spans]
        except OSError as exc:
            raise failed(exc, key, "read") from exc
        finally:
            os.close(fd)
        for (offset, length), part in zip(spans, parts, strict=True):
            check_span(key, offset, length, offset + len(part))  # shortened between the two looks
        return parts

    def view(self, key: str) -> memoryview | None:
        """A read-only mapping, kept for the next call; None when the system has no room for one more.

        For objects that never change (chunks): what was mapped once is not looked up again.
        """
        held = self._maps.get(key)
        if held is not None:
            return held
        try:
            fd, size = _open(self._path(key), key)
        except _ABSENT:
            raise missing(key) from None
        try:
            view = memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ) if size else b"")
        except (OSError, ValueError, OverflowError):
            return None
        finally:
            os.close(fd)
        with self._lock:
            # dropping the last reference unmaps; a forced close would pull the memory from under arrays still in use
            while len(self._maps) >= MAPS:
                del self._maps[next(iter(self._maps))]
            return self._maps.setdefault(key, view)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every file, dot-files too; a link to a folder as itself. E_STORE when ``prefix`` leads through one."""
        folder = prefix.rpartition("/")[0]
        self._own_folder(check_key(folder) if folder else "")
        return (entry for entry in self._walk(f"{folder}/" if folder else "") if entry.key.startswith(prefix))

    def _walk(self, base: str) -> Iterator[Entry]:
        try:
            with os.scandir(f"{self.root}/{base}") as found:
                # `/` sorts after `.` and `-`: a folder takes its place among the files with it
                rows = sorted((f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name, e) for e in found)
        except _ABSENT:
            return
        except OSError as exc:
            raise failed(exc, base or ".", "list") from exc
        for name, e in rows:
            if name.endswith("/"):
                yield from self._walk(base + name)
                continue
            try:
                linked = e.is_symlink() and e.is_file()
                about = e.stat(follow_symlinks=linked)
            except _ABSENT:
                continue  # gone since the folder was read
            except OSError as exc:
                raise failed(exc, base + name, "look at") from exc
            yield Entry(base + name, about.st_size, about.st_mtime)

    def _own_folder(self, folder: str) -> None:
        """E_STORE when ``folder`` (relative to the root) is a link or lies behind one."""
        path = self.root
        for segment in filter(None, folder.split("/")):
            path = f"{path}/{segment}"
            if os.path.islink(path):
                detail = f"{path} is a link to another folder; its files may belong to another dataset"
                raise error("E_STORE", "store.local.link", detail, object=folder)

    # writing

    def put(self, key: str, data: bytes) -> None:
        check_writable(self)
        path = self._path(key)
        try:
            temporary = self._temporary(os.path.dirname(path), data)
            self._publish(temporary, path)
        except OSError as exc:
            raise failed(exc, key, "write") from exc

    def put_new(self, key: str, data: bytes) -> None:
        """A finished temporary file gets its second name [store.exclusive.posix].

        Not O_EXCL on the key itself: a writer that dies after it has created the file and before it has filled it
        leaves a torn commit that nobody may replace. Not `rename`: it replaces.
        """
        check_writable(self)
        path = self._path(key)
        folder = os.path.dirname(path)
        try:
            temporary = self._temporary(folder, data)
        except OSError as exc:
            raise failed(exc, key, "write") from exc
        try:
            rename_new(temporary, path, key)
        except FileExistsError:
            # the one who reads it back may find its own bytes and call that success: then it must be durable as well
            _sync_folder(folder)
            raise ObjectExists(key) from None
        finally:
            _unlink(temporary)
        try:
            _sync_folder(folder)
        except OSError as exc:
            detail = f"created, but the folder could not be made durable: {exc.strerror}"
            raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", detail, object=key) from exc

    def spool(self) -> Spool:
        check_writable(self)
        try:
            return _LocalSpool(self)
        except OSError as exc:
            raise failed(exc, "chunks", "write into") from exc

    def delete(self, key: str) -> None:
        """Deletions in one folder are durable before the first one in another: commits go before their chunks."""
        check_writable(self)
        path = self._path(key)
        folder = key.rpartition("/")[0]
        self._own_folder(folder)
        try:
            if self._deleted_in not in (None, folder) and os.path.isdir(f"{self.root}/{self._deleted_in}"):
                _sync_folder(f"{self.root}/{self._deleted_in}")
            self._deleted_in = folder
            os.unlink(path)
        except _ABSENT:
            pass
        except OSError as exc:
            raise failed(exc, key, "delete") from exc
        self._maps.pop(key, None)

    def _create(self, folder: str, *, durable: bool = True) -> tuple[int, str]:
        """A new dot-file in ``folder``, which is made when absent: (descriptor, path).

        ``durable``: with the folder's name; else that is left to whoever gives the file a name of its own.
        """
        path = f"{folder}/.{secrets.token_hex(8)}.tmp"
        if folder not in self._settled:
            self._own_folder(folder[len(self.root) + 1 :])
            if durable:
                self._settle(folder)
        try:
            return os.open(path, _WRITE, 0o666), path
        except FileNotFoundError:  # nobody made it, or someone removed the empty folder
            if durable:
                self._settle(folder)
            else:
                self._there()
                os.makedirs(folder, exist_ok=True)
            return os.open(path, _WRITE, 0o666), path

    def _there(self) -> str:
        """The folder above the root that was there before this store made any: the root's own parents may be new."""
        if self._above is None:
            self._above = os.path.dirname(self.root)
            while not os.path.isdir(self._above):
                self._above = os.path.dirname(self._above)
        return self._above

    def _settle(self, folder: str) -> None:
        """Make ``folder`` and make its name durable, and those of the folders above it [store.local.folders].

        Also when they are there already: another writer may have made one a moment ago and not have synced it yet.
        """
        self._own_folder(folder[len(self.root) + 1 :])
        stop = self._there()
        at, names = folder, []
        while at != stop:
            if not os.path.isdir(at):
                self._settled.discard(at)
            names.append(at)
            at = os.path.dirname(at)
        os.makedirs(folder, exist_ok=True)
        for at in names:
            if at in self._settled:
                break  # with all above it
            above = os.path.dirname(at)
            with contextlib.suppress(*([PermissionError] if above == stop else [])):  # above the root, not ours to read
                _sync_folder(above)
        self._settled.update(names)

    def _temporary(self, folder: str, data: bytes) -> str:
        """The path of a durable temporary file in ``folder`` that holds ``data``; nothing stays behind on failure."""
        fd, path = self._create(folder)
        try:
            with os.fdopen(fd, "wb", buffering=0) as file:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
        except BaseException:
            _unlink(path)
            raise
        return path

    def _publish(self, temporary: str, path: str) -> None:
        try:
            os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise
        _sync_folder(os.path.dirname(path))
        self._maps.pop(path[len(self.root) + 1 :], None)


class _LocalSpool:
    """A dot-file beneath `chunks/`, on the same file system as where it will be renamed to."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        fd, self._path = store._create(f"{store.root}/chunks", durable=False)
        self._file = os.fdopen(fd, "wb", buffering=1 << 20)

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as exc:
            self.discard()
            raise failed(exc, "chunks", "write into") from exc

    def finish(self, key: str) -> None:
        try:
            path = self._store._path(key)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            folder = os.path.dirname(path)
            if folder not in self._store._settled or not os.path.isdir(folder):
                self._store._settle(folder)
            self._store._publish(self._path, path)
        except BaseException as exc:
            self.discard()
            if isinstance(exc, OSError) and not isinstance(exc, LakebedError):
                raise failed(exc, key, "write") from exc
            raise

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # a full device: what could not be flushed is thrown away anyway
            self._file.close()
        _unlink(self._path)


def failed(exc: OSError, key: str, doing: str) -> LakebedError:
    """The store's error for a system call that failed [store.failure]."""
    return error("E_STORE", "store.failure", f"could not {doing} it: {exc.strerror or exc}", object=key)


def _open(path: str, key: str) -> tuple[int, int]:
    """(descriptor, size) of a regular file; E_STORE for anything else; the two absences pass as they are."""
    try:
        fd = os.open(path, _READ)
    except _ABSENT:
        raise
    except OSError as exc:
        raise failed(exc, key, "open") from exc
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        raise error("E_STORE", "store.local.file", "it is not a regular file", object=key)
    return fd, about.st_size


if hasattr(os, "pread"):
    _pread = os.pread
else:  # Windows; every call has its own descriptor, so moving its position disturbs nobody

    def _pread(fd: int, length: int, offset: int) -> bytes:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)


def _read(fd: int, offset: int, length: int) -> bytes:
    """``length`` bytes, fewer only where the file ends. One system call for anything below 2 GiB."""
    first = _pread(fd, length, offset)
    if len(first) == length:
        return first
    parts = [first]
    have = len(first)
    while parts[-1] and have < length:
        parts.append(_pread(fd, length - have, offset + have))
        have += len(parts[-1])
    return b"".join(parts)


def _sync_folder(path: str) -> None:
    if os.name == "nt":  # folders cannot be opened there; NTFS journals its names itself
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):  # it was renamed away, or it is garbage that the collector finds
        os.unlink(path)


def _rebuild(root: str, writable: bool) -> LocalStore:
    return LocalStore(root, writable=writable)
