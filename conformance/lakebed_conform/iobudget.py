"""The I/O budget: what a reader touches to give one sample.

Poison: every unit that the sample does not need is damaged; a reader that touches one is caught. Counted: the dataset
lies behind a loopback HTTP server that counts requests and bytes (ports that declare ``store.http``).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.loopback import Loopback
from lakebed_conform.ports import Port, PortSpec

SECONDS = 20.0
ITEM = 4096
ROWS = 64


@dataclass(frozen=True)
class Trial:
    """``ok`` None: not tried, because the port does not declare what it needs."""

    name: str
    ok: bool | None
    detail: str = ""


def rows() -> list[np.ndarray]:
    return [np.full(ITEM, n, "u1") for n in range(ROWS)]


def io_budget(spec: PortSpec) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory(prefix="lakebed-io-") as folder, Port(spec) as port:
        hello = port.hello().reply or {}
        if "reader" not in hello.get("roles", []):
            yield Trial("reader", None, "the port is no reader")
            return
        lz4 = "codec.lz4" in hello["features"]
        yield from _poison(port, Path(folder), lz4)
        if "store.http" in hello["features"]:
            yield from _counted(port, Path(folder))
        else:
            yield Trial("counted over HTTP", None, "store.http is not declared")


# --- poison


def _poison(port: Port, folder: Path, lz4: bool) -> Iterator[Trial]:
    coded = {"codecs": [[{"name": "lz4"}]]} if lz4 else {}
    layouts: dict[str, tuple[Dataset, list[int], list[np.ndarray]]] = {
        "raw units of one item": (one(rows(), shape=[ITEM], k=1), [17], [rows()[17]]),
        "raw units of four items": (one(rows(), shape=[ITEM], k=4), [16, 19], [rows()[16], rows()[19]]),
        "units of free shape": (one(_ragged(), shape=[None], k=3), [10], [_ragged()[10]]),
        "two far units, out of order": (one(rows(), shape=[ITEM], k=2), [60, 3], [rows()[60], rows()[3]]),
    }
    if lz4:
        layouts["lz4 units"] = (one(rows(), shape=[ITEM], k=4, **coded), [33], [rows()[33]])
    for name, (dataset, wanted, values) in layouts.items():
        root = folder / "poison"
        shutil.rmtree(root, ignore_errors=True)
        chunk = _lay(dataset, root)
        touched = _poisoned(dataset, chunk, wanted)
        yield _asked(port, root, folder / "out", name, wanted, values, f"{touched} units damaged")
    yield from _poison_chunk(port, folder)


def _ragged() -> list[np.ndarray]:
    return [np.full(200 + n, n, "u1") for n in range(ROWS)]


def _lay(dataset: Dataset, root: Path) -> Path:
    for key, data in dataset.tree(False).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return next(root.glob("chunks/*/*.chunk"))


def _poisoned(dataset: Dataset, path: Path, wanted: list[int]) -> int:
    """Damage every unit but those of the wanted samples; gives how many."""
    from lakebed_conform.checker.chunk import open_chunk
    from lakebed_conform.checker.index import unit_items

    data = bytearray(path.read_bytes())
    payload = int.from_bytes(data[-40:-32], "little")
    index = open_chunk(bytes(data), payload, int.from_bytes(data[-32:-28], "little")).index
    first, damaged = 0, 0
    for unit in range(index.unit_count):
        count = unit_items(index, unit)
        if not any(first <= w < first + count for w in wanted):
            start, n = 64 + index.stored.sum_to(unit), index.stored.at(unit)
            data[start : start + n] = bytes(b ^ 0xA5 for b in data[start : start + n])
            damaged += 1
        first += count
    path.write_bytes(data)
    return damaged


def _poison_chunk(port: Port, folder: Path) -> Iterator[Trial]:
    """A chunk and a tensor that the sample does not need are gone."""
    dataset = Dataset()
    dataset.chunk("a", pack(rows()[:8], k=1))
    dataset.chunk("b", pack(rows()[8:16], k=1))
    dataset.tensor("x", dtype="uint8", shape=[ITEM], slices=[("a", 0, 8), ("b", 0, 8)])
    dataset.commit()
    root = folder / "poison"
    shutil.rmtree(root, ignore_errors=True)
    _lay(dataset, root)
    (root / dataset.places["b"]).unlink()
    yield _asked(port, root, folder / "out", "another chunk absent", [5], [rows()[5]], "1 chunk absent")


def _asked(
    port: Port, root: Path | str, out: Path, name: str, wanted: list[int], values: list[np.ndarray], said: str
) -> Trial:
    out.unlink(missing_ok=True)
    request = {"op": "read", "root": str(root), "tensor": "x", "list": [str(w) for w in wanted], "out": str(out)}
    got = port.ask(request, SECONDS)
    reply = got.reply or {}
    if not reply.get("ok"):
        return Trial(name, False, f"{got.detail or reply}; {said}")
    right = out.read_bytes() == b"".join(v.tobytes() for v in values)
    return Trial(name, right, said if right else f"other values; {said}")


# --- counted


@dataclass
class Count:
    """What the server saw: (method, key, bytes sent)."""

    seen: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(n for _, _, n in self.seen)

    def of(self, part: str) -> int:
        return sum(n for _, key, n in self.seen if part in key)


def _counted(port: Port, folder: Path) -> Iterator[Trial]:
    dataset = one(rows(), shape=[ITEM], k=4)
    dataset.hint("main", 1)
    root = folder / "counted"
    chunk = _lay(dataset, root)
    size = chunk.stat().st_size
    index = int.from_bytes(chunk.read_bytes()[-32:-28], "little") + 40
    with Server(root) as server:
        trial = _asked(port, server.url, folder / "out", "one sample over HTTP", [21], [rows()[21]], "")
        fetched, most = server.count.of("chunks/"), index + 4 * ITEM + 65_536
        detail = f"{len(server.count.seen)} requests, {fetched} of the chunk's {size} bytes"
        good = trial.ok and fetched <= most and len(server.count.seen) <= 8
        yield Trial(trial.name, bool(good), trial.detail or f"{detail}; at most {most} bytes and 8 requests")
        server.count.seen.clear()
        trial = _asked(port, server.url, folder / "out", "eight samples of one unit pair over HTTP",
                       list(range(8, 16)), rows()[8:16], "")  # fmt: skip
        fetched, most = server.count.of("chunks/"), index + 8 * ITEM + 65_536
        detail = f"{len(server.count.seen)} requests, {fetched} bytes of the chunk"
        good = trial.ok and fetched <= most and len(server.count.seen) <= 9
        yield Trial(trial.name, bool(good), trial.detail or f"{detail}; at most {most} bytes and 9 requests")


class Server(Loopback):
    """A folder behind HTTP with ranges, on a loopback port of its own; counts what it gives."""

    def __init__(self, root: Path) -> None:
        self.count = Count()
        super().__init__(_handler(root, self.count))


def _handler(root: Path, count: Count) -> Any:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(send=False)

        def do_GET(self) -> None:
            self._answer(send=True)

        def _answer(self, send: bool) -> None:
            key = self.path.lstrip("/")
            path = root / key
            if ".." in key or not path.is_file():
                self._head(404, 0, {})
                count.seen.append((self.command, key, 0))
                return
            data, status, more = path.read_bytes(), 200, {"Accept-Ranges": "bytes"}
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if match:
                start, stop = int(match[1]), min(int(match[2] or len(data) - 1), len(data) - 1)
                more["Content-Range"] = f"bytes {start}-{stop}/{len(data)}"
                data, status = data[start : stop + 1], 206
            self._head(status, len(data), more)
            if send:
                self.wfile.write(data)
            count.seen.append((self.command, key, len(data) if send else 0))

        def _head(self, status: int, length: int, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(length), **more}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet: what is counted is reported."""

    return Handler
