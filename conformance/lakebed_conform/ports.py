"""Ports: child processes that answer one JSON line per request, watched for time, memory and junk.

Whatever a port does, :meth:`Port.ask` returns an :class:`Exchange`; only the suite's own trouble raises.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.memory import Watch
from lakebed_conform.protocol import LINE, PROTOCOL, wrong, wrong_reply

START = 20.0
STDERR = 64 << 10
MEMORY = 2 << 30
NULL_PORTS = ("accept", "refuse", "guess", "zeros", "echo", "hang", "liar")


@dataclass(frozen=True)
class PortSpec:
    """How to start a port. ``memory``: resident bytes at which it is ended."""

    name: str
    command: tuple[str, ...]
    cwd: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    baseline: Path | None = None
    memory: int = MEMORY
    address_space: int | None = None


@dataclass(frozen=True)
class Exchange:
    """One request and what came back. ``status``: ok, or crash, timeout, memory, protocol."""

    request: dict[str, Any]
    status: str
    reply: dict[str, Any] | None
    detail: str
    seconds: float
    memory: int | None
    stderr: str


def ports_folder() -> Path | None:
    """The folder ``ports/`` that ships with the suite, when it is there."""
    for place in (Path(__file__).parent / "ports", Path(__file__).parents[1] / "ports"):
        if place.is_dir():
            return place
    return None


def find_port(text: str) -> PortSpec:
    """A port from a path to port.json or its folder, ``null:NAME``, a name under ports/, or a command."""
    path = Path(text)
    if path.suffix == ".json" and path.is_file():
        return _from_file(path)
    if (path / "port.json").is_file():
        return _from_file(path / "port.json")
    if text == "own":
        return PortSpec(text, (sys.executable, "-m", "lakebed_conform.ownport"))
    if text.startswith("null:"):
        if text[5:] not in NULL_PORTS:
            raise SuiteError(f"--port {text}: the null ports are {', '.join(NULL_PORTS)}")
        return PortSpec(text, (sys.executable, "-m", "lakebed_conform.nullports", text[5:]))
    folder = ports_folder()
    if folder is not None and text.isidentifier() and (folder / text / "port.json").is_file():
        return _from_file(folder / text / "port.json")
    try:
        command = shlex.split(text)
    except ValueError as e:
        raise SuiteError(f"--port {text}: {e}") from None
    if not command:
        raise SuiteError("--port is empty; give a command, a port.json or a name")
    if shutil.which(command[0]) is None:
        raise SuiteError(_nothing(text, command[0]))
    return PortSpec(Path(command[0]).name if len(command) == 1 else text, tuple(command))


def _nothing(text: str, program: str) -> str:
    """Why ``text`` names no port."""
    path = Path(text)
    if path.is_dir():
        return f"--port {text}: a folder without port.json; `lakebed-conform new-port` writes one"
    if path.is_file():
        return f"--port {text}: a file that cannot be run; put its interpreter before it, as in 'python {text}'"
    folder = ports_folder()
    names = ["own", *(p.parent.name for p in sorted(folder.glob("*/port.json")))] if folder else ["own"]
    like = get_close_matches(text, names, n=1)
    said = f"; did you mean {like[0]}?" if like else f" (at hand: {', '.join(names)}, null:accept and its kind)"
    return f"--port {text}: no command {program}, no folder with port.json, no port of this name{said}"


def _from_file(path: Path) -> PortSpec:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise SuiteError(f"{path}: {e}") from None
    if problem := wrong("port", said):
        raise SuiteError(f"{path}: {problem}")
    here = path.resolve().parent
    words = {"{python}": sys.executable, "{here}": str(here)}
    command = [_fill(word, words) for word in said["command"]]
    baseline = here / said["baseline"] if "baseline" in said else None
    return PortSpec(
        said["name"], tuple(command), here / said.get("cwd", "."),
        {k: _fill(v, words) for k, v in said.get("env", {}).items()}, baseline,
        said.get("memory", MEMORY), said.get("address_space"),
    )  # fmt: skip


def _fill(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


class Port:
    """One running port; started when first asked, and again whenever it has gone."""

    def __init__(self, spec: PortSpec) -> None:
        self.spec = spec
        self.starts = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._answered = 0
        self._number = 0
        self._out = bytearray()
        self._err = bytearray()

    def __enter__(self) -> Port:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hello(self, seconds: float = START) -> Exchange:
        return self.ask({"op": "hello", "protocol": PROTOCOL}, seconds)

    def ask(self, request: dict[str, Any], seconds: float, memory: int | None = None) -> Exchange:
        """Send one request (without its id) and wait. ``memory``: bytes that the port may grow by."""
        self._number += 1
        request = {"id": self._number, **request}
        exchange, again = self._try(request, seconds, memory)
        if again:
            exchange, _ = self._try(request, seconds, memory)
        if exchange.status != "ok":
            self.close()
        return exchange

    def _try(self, request: dict[str, Any], seconds: float, memory: int | None) -> tuple[Exchange, bool]:
        begun = time.monotonic()
        self._err.clear()
        fresh = self._child is None or self._child.poll() is not None
        if fresh:
            if problem := self._start():
                return Exchange(request, "crash", None, problem, 0.0, None, ""), False
        elif self._pending():
            return self._over(request, "protocol", "output that nobody asked for", begun, None), False
        assert self._child is not None
        watch = Watch(self._child.pid, memory, self.spec.memory)
        status, detail = self._converse(request, begun + seconds + (START if fresh else 0.0), watch)
        seen = self._over(request, status, detail, begun, watch.grown())
        if status == "ok" and watch.over():
            seen = self._over(request, "memory", watch.over() or "", begun, watch.grown())
        quietly_gone = status == "crash" and not fresh and self._answered and not self._out
        if quietly_gone and self._child is not None and self._child.poll() == 0:
            return seen, True
        self._answered += status == "ok"
        return seen, False

    def _over(self, request: dict, status: str, detail: str, begun: float, memory: int | None) -> Exchange:
        reply = json.loads(detail) if status == "ok" else None
        stderr = bytes(self._err).decode(errors="replace")
        return Exchange(
            request, status, reply, "" if status == "ok" else detail, time.monotonic() - begun, memory, stderr
        )

    def _start(self) -> str | None:
        self.close()
        self._out.clear()
        self._answered = 0
        self.starts += 1
        try:
            self._child = subprocess.Popen(
                self.spec.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                cwd=self.spec.cwd, env=os.environ | self.spec.env, start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as e:
            return f"cannot start {self.spec.command[0]}: {e.strerror or e}"
        if self.spec.address_space:
            import resource

            limit = (self.spec.address_space, self.spec.address_space)
            with contextlib.suppress(AttributeError, OSError):
                resource.prlimit(self._child.pid, resource.RLIMIT_AS, limit)
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            os.set_blocking(pipe.fileno(), False)
        return None

    def _pending(self) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            self._out += os.read(self._child.stdout.fileno(), 1 << 16)
        return bool(self._out.strip())

    def _converse(self, request: dict[str, Any], deadline: float, watch: Watch) -> tuple[str, str]:
        """("ok", the reply's line), or a status and what happened."""
        child, unsent = self._child, json.dumps(request).encode() + b"\n"
        with selectors.DefaultSelector() as wait:
            wait.register(child.stdout, selectors.EVENT_READ)
            wait.register(child.stderr, selectors.EVENT_READ)
            wait.register(child.stdin, selectors.EVENT_WRITE)
            while True:
                if b"\n" in self._out:
                    return self._judge(request)
                if len(self._out) > LINE:
                    return "protocol", f"a line of more than {LINE} bytes"
                left = deadline - time.monotonic()
                if left <= 0:
                    return "timeout", "no reply in time"
                for key, _ in wait.select(min(left, 0.02)):
                    if key.fileobj is child.stdin:
                        unsent = self._send(wait, unsent)
                    elif not self._receive(wait, key.fileobj):
                        return self._ended(deadline)
                if problem := watch.look():
                    return "memory", problem

    def _send(self, wait: selectors.BaseSelector, unsent: bytes) -> bytes:
        with contextlib.suppress(BlockingIOError):
            try:
                unsent = unsent[os.write(self._child.stdin.fileno(), unsent) :]
            except BrokenPipeError:
                unsent = b""
        if not unsent:
            wait.unregister(self._child.stdin)
        return unsent

    def _receive(self, wait: selectors.BaseSelector, pipe: Any) -> bool:
        """Take what there is; False when stdout has ended."""
        try:
            data = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        if pipe is self._child.stderr:
            self._err += data
            del self._err[:-STDERR]
            if not data:
                wait.unregister(pipe)
            return True
        self._out += data
        return bool(data)

    def _ended(self, deadline: float) -> tuple[str, str]:
        try:
            code = self._child.wait(max(0.1, min(2.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            return "protocol", "stdout was closed without a reply"
        with contextlib.suppress(BlockingIOError, OSError):
            self._err += os.read(self._child.stderr.fileno(), STDERR)
        if code < 0:
            return "crash", f"ended by {signal.Signals(-code).name} without a reply"
        return "crash", f"exit status {code} without a reply"

    def _judge(self, request: dict[str, Any]) -> tuple[str, str]:
        line, _, rest = bytes(self._out).partition(b"\n")
        self._out[:] = rest
        try:
            text = line.decode()
            reply = json.loads(text)
        except (ValueError, RecursionError):
            return "protocol", f"not a line of JSON: {line[:80]!r}"
        if problem := wrong_reply(request["op"], reply):
            return "protocol", f"a reply to {request['op']} that breaks its schema: {problem}"
        if reply["id"] != request["id"]:
            return "protocol", f"reply {reply['id']} to request {request['id']}"
        return "ok", text

    def close(self) -> None:
        """End the port with everything it started."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None and child.stdin:
            with contextlib.suppress(OSError):
                child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.2)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
