"""A store over HTTP that fails, and what a program does with addresses and secrets that come its way.

For ports that declare ``store.http``; the server is on a loopback port of its own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.faults.ground import (
    ROW,
    SECONDS,
    Found,
    append_of,
    fresh,
    new_rows,
    old_rows,
    script,
    told,
    write,
)
from lakebed_conform.loopback import Loopback
from lakebed_conform.ports import Port, PortSpec

MEMORY = 160 << 20  #: a document of 64 MiB may be held twice, the 300 MiB that are sent may not

#: scenario: (what the server does, which objects it does it to, the codes due; "": the right values)
WRONGS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a chunk that is not there": ("absent", "chunks/", ("E_OBJECT_MISSING",)),
    "a server that fails": ("fails", "chunks/", ("E_STORE",)),
    "a server that fails at the commit": ("fails", "commits/", ("E_STORE",)),
    "ranges are ignored": ("whole", "chunks/", ("E_STORE", "")),  # or the part is cut out of the whole
    "another range is given": ("other", "chunks/", ("E_STORE",)),
    "answers that end early": ("short", "chunks/", ("E_TRUNCATED", "E_STORE")),
    "an object that ends early": ("ends", "chunks/", ("E_TRUNCATED",)),
    "a commit without end": ("endless", "commits/", ("E_JSON_LIMIT", "E_STORE")),
}


class Server(Loopback):
    """``root`` behind HTTP, with one thing wrong with the objects whose key has ``part`` in it."""

    def __init__(self, root: Path, wrong: str = "", part: str = "") -> None:
        self.asked: list[str] = []
        super().__init__(_handler(root, wrong, part, self.asked))


def _handler(root: Path, wrong: str, part: str, asked: list[str]) -> Any:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = self.path.lstrip("/")
            asked.append(key)
            here = wrong if part in key else ""
            if here == "fails":
                self._say(500, b"")
            elif here == "absent" or not (root / key).is_file():
                self._say(404, b"")
            elif here == "endless":
                self._endless()
            else:
                data = (root / key).read_bytes()
                self._give(data[: len(data) // 2] if here == "ends" else data, here)

        def _give(self, data: bytes, here: str) -> None:
            match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if match is None or here == "whole":
                self._say(200, data)
                return
            start, stop = int(match[1]), min(int(match[2]), len(data) - 1)
            if start > stop:
                self._say(416, b"", f"bytes */{len(data)}")
                return
            if here == "other":
                start, stop = max(0, start - 1), stop - 1
            span = f"bytes {start}-{stop}/{len(data)}"
            self._say(206, data[start : stop + 1], span, short=here == "short")

        do_HEAD = do_GET

        def _say(self, status: int, data: bytes, span: str = "", short: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if span:
                self.send_header("Content-Range", span)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data[: len(data) // 2] if short else data)

        def _endless(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(300):
                    self.wfile.write(b" " * (1 << 20))
            except OSError:
                return  # the reader has had enough

        def log_message(self, *_: object) -> None:
            """Quiet: what is asked for is counted."""

    return Handler


def _able(port: Port, name: str) -> Found | None:
    hello = port.hello().reply or {}
    return None if "store.http" in hello.get("features", ()) else Found(name, None, "store.http is not declared")


def http(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Every way in which a server can be wrong has its code; nothing wrong is taken for data."""
    root = fresh(scratch)
    (root / "commits/main/latest.json").unlink()
    with Port(spec) as port:
        if untried := _able(port, "a store over HTTP"):
            yield untried
            return
        for name, (wrong, part, due) in WRONGS.items():
            with Server(root, wrong, part) as server:
                out = scratch / "out"
                request = {"op": "read", "root": server.url, "tensor": "x", "number": "1", "out": str(out)}
                exchange = port.ask(request, SECONDS, MEMORY)
            code = ((exchange.reply or {}).get("error") or {}).get("code", "")
            right = told(exchange) and out.read_bytes() == b"".join(r.tobytes() for r in old_rows())
            good = code in due if code else "" in due and right
            yield Found(name, good, f"{code or exchange.detail or 'accepted'}; due {' or '.join(filter(None, due))}")


def http_written(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A plain HTTP root takes no writes."""
    name = "a plain HTTP root is written to"
    root = fresh(scratch)
    with Port(spec) as port, Server(root) as server:
        if untried := _able(port, name):
            yield untried
            return
        steps = script(scratch, "http", append_of(new_rows()))
        exchange = port.ask({"op": "write", "root": server.url, "script": str(steps)}, SECONDS)
    code = ((exchange.reply or {}).get("error") or {}).get("code", "")
    yield Found(name, code == "E_READ_ONLY", f"{code or exchange.detail or 'accepted'}; due E_READ_ONLY")


def addresses(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A dataset full of addresses is read and checked: none of them is opened."""
    root = scratch / "root"
    with Port(spec) as port, Server(scratch) as server:
        texts = [json.dumps({"url": f"{server.url}/{n}.png"}, separators=(",", ":")).encode() for n in range(3)]
        values = [np.frombuffer(t, np.uint8) for t in texts]
        attributes = {"schema": {"$ref": f"{server.url}/schema.json"}, "home": server.url}
        dataset = one(values, shape=[None], htype="link[image]", members={"attributes": attributes}, k=3)
        for key, data in dataset.tree(False).items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(data)
        request = {"op": "read", "root": str(root), "tensor": "x", "out": str(scratch / "out")}
        good = told(port.ask(request, SECONDS)) and told(port.ask({"op": "check", "root": str(root)}, SECONDS))
        yield Found("addresses in a dataset", good and not server.asked, f"{len(server.asked)} of them opened")


def secrets(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """What stands in the writer's environment and where its files lie is in no object that it makes."""
    marks = {"AWS_SECRET_ACCESS_KEY": "Mark4e1f", "LAKEBED_TOKEN": "Mark77c0", "USER": "mark-5d", "HOSTNAME": "mark-9a"}
    root = fresh(scratch)
    steps = [s.open_(), s.tensor("y", dtype="uint8", shape=[ROW]), *[s.append(x=r, y=r) for r in new_rows()]]
    with Port(replace(spec, env={**spec.env, **marks})) as port:
        exchange = write(port, root, script(scratch, "marked", [*steps, s.commit("said")]))
        if "skip" in (exchange.reply or {}):
            exchange = write(port, root, script(scratch, "marked", append_of(new_rows())))
    words = [*marks.values(), str(root), str(scratch), os.path.expanduser("~/")]
    found = [f"{w} in {p.relative_to(root)}" for p in root.rglob("*") if p.is_file() for w in words
             if w.encode() in p.read_bytes()]  # fmt: skip
    good = told(exchange) and not found
    yield Found("secrets and paths of the writer's machine", good, "; ".join(found[:3]) or str(exchange.reply)[:160])
