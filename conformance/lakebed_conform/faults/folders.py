"""Folders as nobody would copy them: links, pipes under the name of an object, documents that are far too long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lakebed_conform.faults.ground import (
    SECONDS,
    Found,
    append_of,
    fresh,
    new_rows,
    old_rows,
    script,
    state_of,
    told,
    write,
)
from lakebed_conform.ports import Exchange, Port, PortSpec

MEMORY = 32 << 20
TOO_LONG = (64 << 20) + 1


def _read(port: Port, root: Path, out: Path, memory: int | None = None) -> Exchange:
    out.unlink(missing_ok=True)
    return port.ask({"op": "read", "root": str(root), "tensor": "x", "out": str(out)}, SECONDS / 3, memory)


def _refused(name: str, exchange: Exchange, *codes: str) -> Found:
    code = ((exchange.reply or {}).get("error") or {}).get("code", "")
    return Found(name, code in codes, f"{code or exchange.detail or 'accepted'}; due {' or '.join(codes)}")


def links(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A file that is a link is read; into a folder that is a link nothing is written."""
    root = fresh(scratch)
    other = scratch / "elsewhere"
    other.mkdir(exist_ok=True)
    chunk = next(root.glob("chunks/*/*.chunk"))
    chunk.rename(other / chunk.name)
    chunk.symlink_to(other / chunk.name)
    out = scratch / "out"
    with Port(spec) as port:
        exchange = _read(port, root, out)
        good = told(exchange) and out.read_bytes() == b"".join(r.tobytes() for r in old_rows())
        yield Found("an object that is a link, read", good, str(exchange.reply or exchange.detail)[:200])
        for folder in ("commits/main", "chunks"):
            root = fresh(scratch)
            there = scratch / "theirs" / folder
            there.parent.mkdir(parents=True, exist_ok=True)
            (root / folder).rename(there)
            (root / folder).symlink_to(there, target_is_directory=True)
            before = sorted(p for p in there.rglob("*"))
            exchange = write(port, root, script(scratch, "links", append_of(new_rows())))
            name = f"{folder} is a link, written into"
            kept = sorted(p for p in there.rglob("*")) == before
            yield _refused(name, exchange, "E_STORE") if kept else Found(name, False, "an object was made there")


def pipes(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A named pipe and a folder under the name of a chunk: no file, and nothing to wait for."""
    for kind in ("pipe", "folder"):
        root = fresh(scratch)
        chunk = next(root.glob("chunks/*/*.chunk"))
        chunk.unlink()
        if kind == "pipe":
            os.mkfifo(chunk)
        else:
            chunk.mkdir()
        with Port(spec) as port:
            yield _refused(f"a {kind} in a chunk's place", _read(port, root, scratch / "out"), "E_STORE",
                           "E_OBJECT_MISSING")  # fmt: skip


def long_documents(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A commit of more than 64 MiB (a sparse file, laid here): refused by its length, before it is in memory."""
    root = fresh(scratch)
    commit = root / "commits/main/0000000001.json"
    os.truncate(commit, TOO_LONG)
    (root / "commits/main/latest.json").unlink()
    with Port(spec) as port:
        port.hello()
        yield _refused("a commit of more than 64 MiB", _read(port, root, scratch / "out", MEMORY), "E_JSON_LIMIT")
        exchange = write(port, root, script(scratch, "long", append_of(new_rows())))
        yield _refused("a commit of more than 64 MiB, written on", exchange, "E_JSON_LIMIT")
    root = fresh(scratch)
    os.truncate(root / "commits/main/latest.json", TOO_LONG)
    with Port(spec) as port:
        exchange = _read(port, root, scratch / "out")
        good = told(exchange) and state_of(root, {"old": old_rows()})[0] == "old"
        yield Found("a hint of more than 64 MiB is no hint", good, str(exchange.reply or exchange.detail)[:200])
