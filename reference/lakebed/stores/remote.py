"""Any file system that fsspec knows: S3, Google, Azure; others for reading and whole writes [store.contract].

Nothing is answered from a cache: another writer's commit is seen at once. Retries of single requests are fsspec's own;
on top of them a read that failed for a passing reason is tried once more.
"""

from __future__ import annotations

import inspect
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem

from ..errors import LakebedError, error
from .ranges import Group, coalesce, cut
from .store import Entry, ObjectExists, Spool, check_key, check_span, check_writable, missing, too_long

# Where `mode="create"` is the server's own condition. Elsewhere fsspec looks first and writes then: two can both win.
EXCLUSIVE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
PART = 16 << 20  # of an upload
PARTS = 4  # under way at a time: an upload holds 64 MiB
BUSY = 4  # times a conditional put is repeated when the store says that another one is under way


class RemoteStore:
    """``url`` is the dataset's root; ``options`` go to fsspec (keys, endpoint, ...)."""

    def __init__(self, url: str, *, writable: bool, options: Mapping[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.writable = writable
        self._options = dict(options or {})
        self._probed = False
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        scheme = self.url.partition("://")[0].lower()
        try:
            kind = fsspec.get_filesystem_class(scheme)
            # those without `async` hand unknown options to their servers
            fresh = {"use_listings_cache": False} if issubclass(kind, AsyncFileSystem) else {}
            options = {"skip_instance_cache": True, **fresh, **self._options}
            self._fs, root = fsspec.core.url_to_fs(self.url, **options)
        except ImportError as exc:
            raise error("E_EXTRA_MISSING", "codec.extra", f"fsspec has no driver for {scheme}://: {exc}") from exc
        except (ValueError, TypeError) as exc:
            raise error("E_ARGUMENT", "store.contract", f"{self.url} cannot be opened: {exc}") from exc
        except Exception as exc:
            raise _failed(exc, self.url, "connect to") from exc
        self._root = root.rstrip("/")
        self._exclusive = scheme in EXCLUSIVE and issubclass(kind, AsyncFileSystem)
        self._pid = os.getpid()

    def __reduce__(self):
        return _rebuild, (self.url, self.writable, self._options)

    def _at(self, key: str) -> tuple[Any, str]:
        """(file system, path); a new file system after a fork, for its threads stayed with the parent."""
        check_key(key)
        if self._pid != os.getpid():
            self._open()
        return self._fs, f"{self._root}/{key}"

    # reading

    def get(self, key: str, *, limit: int | None = None) -> bytes | None:
        fs, path = self._at(key)
        span = {} if limit is None else {"start": 0, "end": limit + 1}
        try:
            data = _twice(lambda: fs.cat_file(path, **span))
        except FileNotFoundError:
            return None
        except Exception as exc:
            if _status(exc) == 416:  # a range of an empty object
                return b""
            raise _failed(exc, key, "read") from exc
        if limit is not None and len(data) > limit:
            raise too_long(key, len(data), limit)
        return data

    def exists(self, key: str) -> bool:
        # one byte, not `info`: on S3 that asks again for a folder of this name before it believes in absence
        fs, path = self._at(key)
        try:
            _twice(lambda: fs.cat_file(path, start=0, end=1))
        except FileNotFoundError:
            return False
        except Exception as exc:
            if _status(exc) == 416:
                return True
            raise _failed(exc, key, "look at") from exc
        return True

    def size(self, key: str) -> int | None:
        fs, path = self._at(key)
        try:
            about = _twice(lambda: (fs.invalidate_cache(), fs.info(path))[1])
        except FileNotFoundError:
            return None
        except Exception as exc:
            raise _failed(exc, key, "look at") from exc
        return about["size"] if about["type"] == "file" else None

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        for offset, length in spans:
            check_span(key, offset, length, offset + length)
        groups = coalesce(spans)
        answers = self._fetch(key, groups)
        again = [i for i, answer in enumerate(answers) if not _whole(answer, groups[i])]
        for i, answer in zip(again, self._fetch(key, [groups[i] for i in again]), strict=True):
            answers[i] = self._judge(key, groups[i], answer)
        return cut(spans, groups, answers)

    def _fetch(self, key: str, groups: Sequence[Group]) -> list[Any]:
        """The answer to each group, or the exception; concurrently where the file system can."""
        if not groups:
            return []
        fs, path = self._at(key)
        starts, ends = [g.offset for g in groups], [g.offset + g.length for g in groups]
        try:
            return fs.cat_ranges([path] * len(groups), starts, ends, on_error="return")
        except Exception as exc:
            return [exc] * len(groups)

    def _judge(self, key: str, group: Group, answer: Any) -> bytes:
        if _whole(answer, group):
            return answer
        if isinstance(answer, FileNotFoundError):
            raise missing(key)
        if isinstance(answer, BaseException) and _status(answer) != 416:
            raise _failed(answer, key, "read") from answer
        have = len(answer) if isinstance(answer, (bytes, bytearray)) else 0
        detail = f"bytes {group.offset} to {group.offset + group.length} were asked for, {have} came"
        raise error("E_TRUNCATED", "store.ranges.short", detail, object=key, offset=group.offset + have)

    def view(self, key: str) -> None:
        return None

    def list(self, prefix: str) -> Iterator[Entry]:
        folder = prefix.rpartition("/")[0]
        fs, path = self._at(folder) if folder else (self._at("-")[0], self._root)
        try:
            found = _twice(lambda: (fs.invalidate_cache(), fs.find(path, detail=True))[1])
        except FileNotFoundError:
            found = {}
        except Exception as exc:
            raise _failed(exc, prefix, "list") from exc
        base = len(self._root) + 1
        rows = [Entry(name[base:], about["size"], _modified(about)) for name, about in found.items()
                if about["type"] == "file" and not name.endswith("/")]  # fmt: skip
        return iter(sorted(row for row in rows if row.key.startswith(prefix)))

    # writing

    def put(self, key: str, data: bytes) -> None:
        check_writable(self)
        fs, path = self._at(key)
        try:
            _parent(fs, path)
            fs.pipe_file(path, bytes(data))
        except Exception as exc:
            raise _failed(exc, key, "write") from exc

    def put_new(self, key: str, data: bytes) -> None:
        """A conditional put [store.exclusive.put], after the store has shown once that it heeds the condition."""
        check_writable(self)
        check_key(key)
        with self._lock:
            if not self._probed:
                self._probe()
                self._probed = True
        self._create(key, bytes(data))

    def _probe(self) -> None:
        """Create one dot-file twice; the second must fail [store.probe]."""
        if not self._exclusive:
            detail = f"{self.url.partition('://')[0]}:// has no put-if-absent here"
            raise error("E_STORE_EXCLUSIVE", "store.exclusive.put", detail)
        key = f".probe-{secrets.token_hex(8)}"
        heeded = False
        try:
            self._create(key, b"probe")
            self._create(key, b"probe")
        except ObjectExists:  # also of the first, when its reply was lost and fsspec asked again: heeded all the same
            heeded = True
        except LakebedError as exc:
            if exc.code != "E_COMMIT_UNKNOWN":
                raise
            raise error("E_STORE", "store.probe", exc.detail, object=key) from exc  # no commit was at stake
        self.delete(key)
        if heeded:
            return
        raise error("E_STORE_EXCLUSIVE", "store.probe", f"{self.url} accepts put-if-absent and overwrites all the same")

    def _create(self, key: str, data: bytes) -> None:
        fs, path = self._at(key)
        for attempt in range(BUSY):
            try:
                fs.pipe_file(path, data, mode="create")
                return
            except FileExistsError:
                raise ObjectExists(key) from None
            except Exception as exc:
                status = _status(exc)
                if status == 412:
                    raise ObjectExists(key) from None
                if status == 501:
                    detail = f"{self.url} does not know put-if-absent"
                    raise error("E_STORE_EXCLUSIVE", "store.exclusive.put", detail, object=key) from exc
                if status == 409 and attempt + 1 < BUSY:  # nothing was written: another one is under way
                    time.sleep(0.1 * 2**attempt)
                    continue
                if _refused(exc):
                    raise _failed(exc, key, "create") from exc
                detail = f"the store did not say whether it created it: {_text(exc)}"
                raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", detail, object=key) from exc

    def spool(self) -> Spool:
        check_writable(self)
        return _RemoteSpool(self)

    def _upload(self, key: str, local: str) -> None:
        fs, path = self._at(key)
        takes = inspect.signature(getattr(fs, "_put_file", fs.put_file)).parameters
        part = max(PART, os.path.getsize(local) // 9000)  # S3 allows 10,000 parts
        bounds = {"chunksize": part, "max_concurrency": PARTS}
        try:
            _parent(fs, path)
            fs.put_file(local, path, **{name: bound for name, bound in bounds.items() if name in takes})
        except Exception as exc:
            raise _failed(exc, key, "upload") from exc

    def delete(self, key: str) -> None:
        check_writable(self)
        fs, path = self._at(key)
        try:
            fs.rm_file(path)
        except FileNotFoundError:
            pass
        except Exception as exc:
            if _status(exc) != 404:
                raise _failed(exc, key, "delete") from exc


class _RemoteSpool:
    """A local temporary file (in TMPDIR), uploaded when its name is known."""

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self._file = tempfile.NamedTemporaryFile(prefix="lakebed-", suffix=".chunk", buffering=1 << 20)  # noqa: SIM115

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as exc:
            self.discard()
            raise _failed(exc, self._file.name, "write to the temporary file") from exc

    def finish(self, key: str) -> None:
        try:
            self._file.flush()
            self._store._upload(key, self._file.name)
        except LakebedError:
            raise
        except OSError as exc:
            raise _failed(exc, self._file.name, "write to the temporary file") from exc
        finally:
            self.discard()

    def discard(self) -> None:
        try:
            self._file.close()  # which also removes it
        except OSError:
            os.unlink(self._file.name)


def _twice(ask):
    """``ask()``, once more when it failed for a reason that may pass [store.failure]."""
    try:
        return ask()
    except Exception as exc:
        if _refused(exc) or _status(exc) == 416:
            raise
    return ask()


def _whole(answer: Any, group: Group) -> bool:
    return isinstance(answer, (bytes, bytearray)) and len(answer) == group.length


def _status(exc: BaseException | None) -> int | None:
    """The HTTP status behind an error of botocore, aiohttp, gcsfs or the Azure client; None without an answer."""
    while exc is not None:
        response = getattr(exc, "response", None)
        meta = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
        for found in (meta.get("HTTPStatusCode"), getattr(exc, "status_code", None), getattr(exc, "status", None),
                      getattr(exc, "code", None)):  # fmt: skip
            if isinstance(found, int) or (isinstance(found, str) and found.isdecimal()):
                return int(found)
        exc = exc.__cause__
    return None


def _refused(exc: BaseException) -> bool:
    """Was this a clear no, before anything happened? A timeout, a lost connection and a 5xx are not."""
    status = _status(exc)
    if status is not None:
        return 400 <= status < 500 and status not in (408, 409, 425, 429)
    return isinstance(exc, (FileNotFoundError, PermissionError, NotImplementedError, LookupError, TypeError))


def _failed(exc: BaseException, key: str, doing: str) -> LakebedError:
    if isinstance(exc, LakebedError):
        return exc
    return error("E_STORE", "store.failure", f"could not {doing} it: {_text(exc)}", object=key)


def _text(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}"[:300]


def _parent(fs: Any, path: str) -> None:
    """Folders, where the file system has real ones; the object stores have none."""
    if not isinstance(fs, AsyncFileSystem):
        fs.makedirs(path.rpartition("/")[0], exist_ok=True)


def _modified(about: Mapping[str, Any]) -> float:
    """Seconds since the epoch; now when the store does not say, so that a collector takes the object for new."""
    for name in ("LastModified", "mtime", "last_modified", "updated", "modified", "created"):
        when = about.get(name)
        if isinstance(when, str):
            try:
                when = datetime.fromisoformat(when)
            except ValueError:
                continue
        if isinstance(when, datetime):
            return when.timestamp()
        if isinstance(when, (int, float)):
            return float(when)
    return time.time()


def _rebuild(url: str, writable: bool, options: Mapping[str, Any]) -> RemoteStore:
    return RemoteStore(url, writable=writable, options=options)
