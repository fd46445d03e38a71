"""A dataset behind any web server that answers ranges: reading only [store.http]. Needs urllib3 (`lakebed[http]`).

A cache between here and the server may hide the newest commit for a while; what is read is then an older, whole
version [store.stale]. Documents are asked for with `Cache-Control: no-cache`, chunks are not.
"""

from __future__ import annotations

import http.client
import os
import re
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from ..errors import LakebedError, error
from .ranges import Group, coalesce, cut
from .store import check_key, check_span, missing, too_long

IGNORED = 8 << 20  # what may be read and thrown away when a server answers a range with the whole object
PIECE = 1 << 18
SLOWEST = 64 << 10  # bytes a second below which the deadline counts
_RANGE = re.compile(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16}|\*)")
_FRESH = {"Cache-Control": "no-cache"}


class _Again(Exception):
    """This attempt failed and another may not: why, and how long the server asked to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


class _Short(_Again):
    """The answer ended too early."""


class HttpStore:
    """``url`` is the root of a dataset; a query (an access token) is sent with every request and never shown.

    ``concurrency`` bounds the requests under way, from all threads; ``timeout`` (seconds) one silent connection;
    ``deadline`` (seconds) everything that one object costs, beyond 64 KiB a second; ``retries`` the further attempts.
    ``absent``: the statuses that mean "no such object" (add 403 for a bucket that hides what is not there).
    """

    writable = False

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        concurrency: int = 32,
        timeout: float = 15.0,
        deadline: float = 60.0,
        retries: int = 3,
        absent: Collection[int] = (404, 410),
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise error("E_ARGUMENT", "store.http", "the URL needs a host, and neither a password nor a fragment")
        if concurrency < 1 or timeout <= 0 or deadline <= 0 or retries < 0:
            raise error(
                "E_ARGUMENT", "store.contract", "concurrency, timeout and deadline are above 0, retries at least 0"
            )
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._query = f"?{parts.query}" if parts.query else ""
        self.url = self._base
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._concurrency, self._timeout, self._deadline, self._retries = concurrency, timeout, deadline, retries
        self._absent = frozenset(absent)
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._slots = threading.BoundedSemaphore(self._concurrency)
        self._threads: ThreadPoolExecutor | None = None
        parts = urlsplit(self._base)
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.hostname or ""):
            self._pool: urllib3.PoolManager = urllib3.ProxyManager(proxy, maxsize=self._concurrency)
        else:
            self._pool = urllib3.PoolManager(maxsize=self._concurrency)

    def _own_process(self) -> None:
        if self._pid != os.getpid():  # after a fork: sockets and threads belong to the parent
            self._connect()

    def __getstate__(self) -> dict:
        live = ("_pid", "_slots", "_threads", "_pool")
        return {name: value for name, value in self.__dict__.items() if name not in live}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._connect()

    # reading

    def get(self, key: str, *, limit: int | None = None) -> bytes | None:
        def whole(answer: urllib3.BaseHTTPResponse, clock: _Clock) -> bytes | None:
            if answer.status in self._absent:
                return None
            _check_status(key, answer, (200,))
            promised = _length(answer)
            if limit is not None and promised is not None and promised > limit:
                raise too_long(key, promised, limit)
            body = bytearray()
            _read(answer, clock, body, promised if limit is None else limit + 1)
            if limit is not None and len(body) > limit:
                raise too_long(key, len(body), limit)
            if promised is not None and len(body) < promised:
                raise _Short(f"the answer ended after {len(body)} of {promised} bytes")
            return bytes(body)

        return self._ask("GET", key, _FRESH, whole)

    def exists(self, key: str) -> bool:
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        def promised(answer: urllib3.BaseHTTPResponse, clock: _Clock) -> int | None:
            if answer.status in self._absent:
                return None
            if answer.status in (405, 501):  # a server without HEAD
                return -1
            _check_status(key, answer, (200,))
            length = _length(answer)
            return -1 if length is None else length

        def counted(answer: urllib3.BaseHTTPResponse, clock: _Clock) -> int | None:
            if answer.status in self._absent:
                return None
            _check_status(key, answer, (200, 206, 416))
            length = _total(answer)
            if length is None:
                raise error("E_STORE", "store.http", "the server does not tell the object's length", object=key)
            return length

        found = self._ask("HEAD", key, _FRESH, promised)
        return self._ask("GET", key, {**_FRESH, "Range": "bytes=0-0"}, counted) if found == -1 else found

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[memoryview | bytes]:
        for offset, length in spans:
            check_span(key, offset, length, offset + length)
        groups = coalesce(spans)
        if len(groups) < 2:
            return cut(spans, groups, [self._range(key, group) for group in groups])
        self._own_process()
        if self._threads is None:
            with _starting:
                if self._threads is None:
                    self._threads = ThreadPoolExecutor(self._concurrency, "lakebed-http")
        return cut(spans, groups, list(self._threads.map(lambda group: self._range(key, group), groups)))

    def _range(self, key: str, group: Group) -> bytes:
        """Exactly the bytes of ``group``; each further attempt asks only for what is still lacking."""
        have = bytearray()

        def part(answer: urllib3.BaseHTTPResponse, clock: _Clock) -> bool:
            start = group.offset + len(have)
            if answer.status in self._absent:
                raise missing(key)
            _check_status(key, answer, (200, 206, 416))
            if answer.status == 416:
                raise _short(key, start, _total(answer))
            total = _total(answer)
            if total is not None and total < group.offset + group.length:
                raise _short(key, group.offset + group.length, total)
            if answer.status == 200:
                _check_ignored(key, group)
                whole = bytearray()
                _read(answer, clock, whole, group.offset + group.length)
                have[:] = whole[group.offset :]
            else:
                _check_content_range(key, answer, start, group)
                _read(answer, clock, have, group.length)
            if len(have) < group.length:
                raise _Short(f"the answer ended after {len(have)} of {group.length} bytes")
            return True

        def lacking() -> dict[str, str]:
            return {"Range": f"bytes={group.offset + len(have)}-{group.offset + group.length - 1}"}

        self._ask("GET", key, lacking, part, short=True)
        return bytes(have)

    def view(self, key: str) -> None:
        return None

    def list(self, prefix: str) -> None:
        return None

    # writing: not here

    def put(self, key: str, data: bytes) -> NoReturn:
        raise error("E_READ_ONLY", "store.http", f"{self.url} is plain HTTP, which is for reading only", object=key)

    put_new = put

    def spool(self) -> NoReturn:
        self.put("chunks", b"")

    def delete(self, key: str) -> NoReturn:
        self.put(key, b"")

    # one request after another, until one succeeds or the budget is spent

    def _ask(self, method, key, headers, use, *, short=False):
        """What ``use(answer, clock)`` makes of the answer; ``headers`` is a mapping or a function that gives one.

        ``short``: an answer that stays too short is E_TRUNCATED, anything else that stays wrong is E_STORE.
        """
        self._own_process()
        url = f"{self._base}/{check_key(key)}{self._query}"
        clock = _Clock(self._deadline)
        why: Exception = _Again("never asked")
        for attempt in range(self._retries + 1):
            if attempt:
                wait = max(0.1 * 2**attempt, getattr(why, "wait", 0.0))
                if wait > clock.left():
                    break
                time.sleep(wait)
            sent = {**self._headers, **(headers() if callable(headers) else headers)}
            try:
                with self._slots:
                    return self._once(method, url, sent, use, clock)
            except (_Again, urllib3.exceptions.HTTPError, OSError) as exc:
                if isinstance(exc, LakebedError):
                    raise
                why = exc
        ended = short and isinstance(why, _Short)
        code, clause = ("E_TRUNCATED", "store.ranges.short") if ended else ("E_STORE", "store.failure")
        detail = f"{method} failed {attempt + 1} times: {str(why)[:300]}"
        raise error(code, clause, detail, object=key) from why

    def _once(self, method, url, headers, use, clock):
        pause = min(self._timeout, max(clock.left(), 0.001))
        answer = self._pool.request(
            method,
            url,
            headers=headers,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=pause, read=pause),
            retries=urllib3.Retry(total=5, connect=0, read=0, redirect=5, status=0, other=0),
        )
        try:
            value = use(answer, clock)
        except BaseException:
            answer.close()  # what is left of the body must not become the next answer
            raise
        if answer.length_remaining:
            answer.close()
        else:
            answer.release_conn()
        return value


_starting = threading.Lock()


class _Clock:
    """Seconds left for one object; bytes that arrive buy time at 64 KiB a second."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()

    def got(self, count: int) -> None:
        self._end += count / SLOWEST


def _check_status(key: str, answer: urllib3.BaseHTTPResponse, good: Collection[int]) -> None:
    coding = answer.headers.get("Content-Encoding", "identity")
    if answer.status in good and coding == "identity":
        return
    if answer.status in good:
        raise error("E_STORE", "store.http", f"the server answers in Content-Encoding {coding[:40]!r}", object=key)
    if answer.status in (408, 425, 429) or answer.status >= 500:
        wait = answer.headers.get("Retry-After", "")
        raise _Again(f"status {answer.status}", float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0)
    raise error("E_STORE", "store.http", f"the server answered with status {answer.status}", object=key)


def _check_ignored(key: str, group: Group) -> None:
    """E_STORE when a whole object that came instead of a range is too much to read over."""
    end = group.offset + group.length
    if end > IGNORED:
        detail = f"the server ignores Range: {end} bytes to read for {group.length}"
        raise error("E_STORE", "store.http", detail, object=key)


def _check_content_range(key: str, answer: urllib3.BaseHTTPResponse, start: int, group: Group) -> None:
    text = answer.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(text)
    if found and int(found[1]) == start and start <= int(found[2]) < group.offset + group.length:
        return
    detail = f"asked for bytes {start}-{group.offset + group.length - 1}, the server sends {text[:80]!r}"
    raise error("E_STORE", "store.http", detail, object=key)


def _length(answer: urllib3.BaseHTTPResponse) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and len(text) <= 16 else None


def _total(answer: urllib3.BaseHTTPResponse) -> int | None:
    """The whole object's length, as an answer of status 200, 206 or 416 tells it."""
    if answer.status == 200:
        return _length(answer)
    text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdecimal() and len(text) <= 16 else None


def _read(answer: urllib3.BaseHTTPResponse, clock: _Clock, body: bytearray, most: int | None) -> None:
    """Append to ``body`` until it has ``most`` bytes or the answer ends; what came before a failure stays in it.

    In pieces, so that a server which dribbles meets the deadline.
    """
    while most is None or len(body) < most:
        try:
            piece = answer.read1(PIECE if most is None else min(PIECE, most - len(body)))
        except urllib3.exceptions.ProtocolError as exc:
            if any(isinstance(cause, http.client.IncompleteRead) for cause in exc.args):
                raise _Short("the connection ended within the answer") from exc
            raise
        if not piece:
            break
        body += piece
        clock.got(len(piece))
        if clock.left() < 0:
            raise TimeoutError(f"only {len(body)} bytes arrived before the deadline")


def _short(key: str, end: int, total: int | None) -> LakebedError:
    detail = f"byte {end} was asked for, the object has {'fewer' if total is None else total}"
    return error("E_TRUNCATED", "store.ranges.short", detail, object=key, offset=total)
