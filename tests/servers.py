"""Real servers for tests and benchmarks: an S3-compatible process, a counting range server, a counting store.

`python servers.py FAULT` runs the S3 server on a free loopback port and prints it; FAULT is one of:
  none            as it is
  ignore          the condition of a put is accepted and ignored, as some stores do
  lost-once       a conditional put is done, but the first answer to each key is lost (500)
  lost            every conditional put is done and every answer lost
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

# -- S3


class S3(NamedTuple):
    """A running server: ``options`` open a store on it, ``url`` is an empty bucket."""

    url: str
    options: dict[str, Any]


@contextlib.contextmanager
def s3_server(fault: str = "none") -> Iterator[S3]:
    """An S3-compatible server in its own process, with one bucket, for as long as the block runs."""
    process = subprocess.Popen([sys.executable, __file__, fault], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        client = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
        options = {"key": "test", "secret": "test", "client_kwargs": client}
        _bucket(client, "bucket")
        yield S3("s3://bucket", options)
    finally:
        process.kill()
        process.wait()


def _bucket(client: Mapping[str, str], name: str) -> None:
    import botocore.session

    made = botocore.session.get_session().create_client(
        "s3", aws_access_key_id="test", aws_secret_access_key="test", **client
    )
    made.create_bucket(Bucket=name)


def _faulty(app: Callable, fault: str) -> Callable:
    """A WSGI layer over the S3 server: one put at a time (the server's own condition is not atomic), and faults."""
    one = threading.Lock()
    answered: set[str] = set()

    def serve(environ: dict, start: Callable) -> Any:
        conditional = environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" in environ
        if not conditional:
            return app(environ, start)
        if fault == "ignore":
            del environ["HTTP_IF_NONE_MATCH"]
        statuses: list[str] = []

        def hold(status: str, headers: list, exc_info: Any = None) -> Callable:
            statuses.append(status)
            return start(status, headers, exc_info) if not lose else (lambda data: None)

        path = environ["PATH_INFO"]
        lose = "/.probe-" not in path and (fault == "lost" or (fault == "lost-once" and path not in answered))
        answered.add(path)
        with one:
            body = list(app(environ, hold))
        if lose:
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        return body

    return serve


def _serve_s3(fault: str) -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = _faulty(DomainDispatcherApplication(create_backend_app), fault)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


# -- HTTP ranges

Content = tuple[int, Callable[[int, int], bytes]]  # length, and bytes of (offset, length): made up or read
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Request(NamedTuple):
    """One answered request: when (seconds), what, and how many bytes of body were sent."""

    begin: float
    end: float
    method: str
    path: str
    range: str
    sent: int


class RangeServer:
    """Serves ``source(path) -> Content | None`` with HTTP/1.1 ranges on a loopback port, and counts.

    ``delay``: seconds before each answer. ``fault(number, path) -> str`` gives each request's trouble:
      "" none · "ignore" 200 with everything · "short" half of the range, honestly labelled · "cut" the connection ends
      midway · "lie" another Content-Range · "stall" headers, then silence · "dribble" one byte at a time · "gzip" an
      encoding nobody asked for · "redirect" to itself, for ever · a status such as "503".
    """

    def __init__(
        self,
        source: Callable[[str], Content | None],
        *,
        delay: float = 0.0,
        fault: Callable[[int, str], str] | None = None,
        head: bool = True,
    ) -> None:
        self.source, self.delay, self.fault, self.head = source, delay, fault, head
        self.log: list[Request] = []
        self.peak = 0  # requests at a time
        # times that a request came while none was in its delay: with a delay, the depth of dependent requests
        self.waves = 0
        self._waiting = 0
        self._busy = 0
        self._number = self._before = 0
        self.stopped = threading.Event()
        self._lock = threading.Condition()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> RangeServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def requests(self) -> int:
        """Begun since the last reset; the log has those that are answered."""
        return self._number - self._before

    @property
    def bytes(self) -> int:
        """Of the bodies sent; waits for answers that the client has and the log has not yet."""
        with self._lock:
            self._lock.wait_for(lambda: self._busy == 0, timeout=2)
            return sum(row.sent for row in self.log)

    def reset(self) -> None:
        """Forget what was counted."""
        with self._lock:
            self._lock.wait_for(lambda: self._busy == 0, timeout=2)
            self.log, self.peak, self.waves, self._before = [], 0, 0, self._number

    def _begin(self) -> int:
        with self._lock:
            self.waves += self._waiting == 0
            self._waiting += 1
            self._busy += 1
            self._number += 1
            self.peak = max(self.peak, self._busy)
            return self._number

    def _answering(self) -> None:
        with self._lock:  # before a byte is sent: the next request may come before this one's books are closed
            self._waiting -= 1

    def _end(self, row: Request) -> None:
        with self._lock:
            self._busy -= 1
            self.log.append(row)
            self._lock.notify_all()


def folder(root: str | os.PathLike[str]) -> Callable[[str], Content | None]:
    """The files under ``root`` as a source."""

    def source(path: str) -> Content | None:
        file = Path(root) / path.lstrip("/")
        if not file.is_file():
            return None

        def read(offset: int, length: int) -> bytes:
            with file.open("rb") as opened:
                opened.seek(offset)
                return opened.read(length)

        return file.stat().st_size, read

    return source


def mapping(objects: Mapping[str, bytes]) -> Callable[[str], Content | None]:
    """A dictionary (key -> bytes) as a source."""

    def source(path: str) -> Content | None:
        data = objects.get(path.lstrip("/"))
        return None if data is None else (len(data), lambda offset, length: data[offset : offset + length])

    return source


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body leave together
    disable_nagle_algorithm = True
    owner: RangeServer

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        number = self.owner._begin()
        begin, sent = time.monotonic(), 0
        path = self.path.partition("?")[0]
        try:
            if self.owner.delay:
                time.sleep(self.owner.delay)
            self.owner._answering()
            sent = self._answer(path, self.owner.fault(number, path) if self.owner.fault else "")
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has had enough
        finally:
            asked = self.headers.get("Range", "")
            self.owner._end(Request(begin, time.monotonic(), self.command, path, asked, sent))

    def _answer(self, path: str, fault: str) -> int:
        if fault == "redirect":
            return self._reply(302, {"Location": path}, b"")
        if fault.isdecimal():
            return self._reply(int(fault), {}, b"")
        if self.command == "HEAD" and not self.owner.head:
            return self._reply(405, {}, b"")
        content = self.owner.source(path)
        if content is None:
            return self._reply(404, {}, b"")
        total, read = content
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is None or fault == "ignore":
            return self._send(200, {}, 0, total, read, fault)
        first = int(wanted[1])
        last = min(int(wanted[2] or total), total - 1)
        if first >= total:
            return self._reply(416, {"Content-Range": f"bytes */{total}"}, b"")
        if fault == "short":
            last = first + (last - first) // 2
        shown = first + 1 if fault == "lie" else first
        return self._send(206, {"Content-Range": f"bytes {shown}-{last}/{total}"}, first, last + 1 - first, read, fault)

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        first: int,
        length: int,
        read: Callable[[int, int], bytes],
        fault: str,
    ) -> int:
        if fault == "gzip":
            headers["Content-Encoding"] = "gzip"
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return 0
        if fault == "stall":
            self.wfile.flush()
            self.owner.stopped.wait(30)
        sent = 0
        stop = length // 2 if fault in ("cut", "stall") else length
        while sent < stop:
            piece = read(first + sent, 1 if fault == "dribble" else min(1 << 20, stop - sent))
            self.wfile.write(piece)
            sent += len(piece)
            if fault == "dribble":
                self.wfile.flush()
                if self.owner.stopped.wait(0.02):
                    break
        self.close_connection = sent < length
        return sent

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> int:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return len(body)


# -- any store, counted


class CountingStore:
    """Another store, with ``calls`` (method, key) and ``bytes`` read; hands everything else through."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.calls: list[tuple[str, str]] = []
        self.bytes = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ("get", "exists", "size", "ranges", "view", "put", "put_new", "list", "delete"):
            return found

        def counted(key: str, *args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, key))
            value = found(key, *args, **kwargs)
            if name == "get":
                self.bytes += len(value or b"")
            elif name == "ranges":
                self.bytes += sum(map(len, value))
            return value

        return counted


if __name__ == "__main__":
    _serve_s3(sys.argv[1])
