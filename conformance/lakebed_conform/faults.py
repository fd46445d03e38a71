"""Faults while a port writes: no room, sudden death, torn objects, another writer. Only the old or the new version may
be seen, what was reported as written is there, and the next writer can go on.

Needs Linux for some: what cannot be tried here is said and counts as untried, never as passed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.checker import Broken, check_tree, folder_tree, open_state
from lakebed_conform.ports import Exchange, Port, PortSpec

SECONDS = 30.0
ROW = 20_000
LIMITS = (0, 16, 100, 500, 1000, 30_000, 59_999, 60_200)
EVENTS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 40)


@dataclass(frozen=True)
class Found:
    """One trial. ``ok`` None: could not be tried here."""

    scenario: str
    ok: bool | None
    detail: str = ""


def old_rows() -> list[np.ndarray]:
    return [np.full(ROW, i, "u1") for i in range(2)]


def new_rows(who: int = 0) -> list[np.ndarray]:
    """Three rows that no other writer writes, large enough to be written in pieces."""
    rng = np.random.default_rng(100 + who)
    return [rng.integers(0, 256, ROW, dtype=np.uint8) for _ in range(3)]


def start(root: Path) -> None:
    """A dataset of two rows, laid by hand."""
    dataset = one(old_rows(), shape=[ROW], k=3)
    dataset.hint("main", 1)
    for key, data in dataset.tree(False).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def script(folder: Path, name: str, steps: list[dict[str, Any]]) -> Path:
    """A script with its raw files in ``folder``."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)

    def stow(value: Any) -> Any:
        if isinstance(value, bytes):
            path = place / f"{len(list(place.iterdir()))}.raw"
            path.write_bytes(value)
            return path.name
        if isinstance(value, dict):
            return {k: stow(v) for k, v in value.items()}
        return [stow(v) for v in value] if isinstance(value, list) else value

    (place / "script.json").write_text(json.dumps({"script": 1, "steps": stow(steps)}))
    return place / "script.json"


def append_of(rows: list[np.ndarray]) -> list[dict[str, Any]]:
    return [s.open_(), *[s.append(x=r) for r in rows], s.commit("more")]


def write(port: Port, root: Path, steps: Path) -> Exchange:
    return port.ask({"op": "write", "root": str(root), "script": str(steps)}, SECONDS)


def state_of(root: Path, versions: dict[str, list[np.ndarray]]) -> tuple[str, str]:
    """Which of ``versions`` is seen, and what is wrong when it is none."""
    tree = folder_tree(root)
    try:
        if faults := [f for f in check_tree(tree) if not f.note]:
            return "", f"the dataset is invalid: {faults[0]}"
        samples = open_state(tree).read("x")
    except Broken as e:
        return "", f"the dataset cannot be read: {e.finding('')}"
    found = [None if v is None else v.data for v in samples.values]
    for name, rows in versions.items():
        if found == [r.tobytes() for r in rows]:
            return name, ""
    return "", f"{len(found)} rows that are none of {', '.join(versions)}"


def _judged(scenario: str, root: Path, exchange: Exchange, spec: PortSpec, scratch: Path) -> Found:
    """After a fault: old or new, new when success was told, and the next writer writes."""
    versions = {"old": old_rows(), "new": old_rows() + new_rows()}
    seen, wrong = state_of(root, versions)
    told = bool((exchange.reply or {}).get("ok"))
    if wrong:
        return Found(scenario, False, wrong)
    if told and seen != "new":
        return Found(scenario, False, "success was told, and the rows are not there")
    last = [np.full(ROW, 77, "u1")]
    with Port(spec) as port:
        after = write(port, root, script(scratch, "after", append_of(last)))
    if not (after.reply or {}).get("ok"):
        return Found(scenario, False, f"the next writer is stuck: {after.detail or after.reply}")
    _, wrong = state_of(root, {"after": versions[seen] + last})
    return Found(scenario, not wrong, wrong or f"{seen} version seen")


def faults(spec: PortSpec, *, quick: bool = False) -> Iterator[Found]:
    """All trials; ``quick`` leaves out most of the repetitions."""
    with tempfile.TemporaryDirectory(prefix="lakebed-faults-") as folder:
        scratch = Path(folder)
        yield from two_writers(spec, scratch, 2 if quick else 6)
        yield from two_creators(spec, scratch)
        yield from held(spec, scratch)
        yield from closed_meanwhile(spec, scratch)
        yield from torn(spec, scratch)
        yield from killed(spec, scratch, EVENTS[::2] if quick else EVENTS)
        yield from file_size(spec, scratch, LIMITS[1::3] if quick else LIMITS)
        yield from full_device(spec, scratch, (40_000,) if quick else (24_000, 60_000, 88_000))


def _fresh(scratch: Path) -> Path:
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    start(root)
    return root


def file_size(spec: PortSpec, scratch: Path, limits: tuple[int, ...]) -> Iterator[Found]:
    """No file may grow beyond so many bytes (RLIMIT_FSIZE)."""
    steps = script(scratch, "new", append_of(new_rows()))
    for limit in limits:
        root = _fresh(scratch)
        with Port(spec) as port:
            port.hello()
            with contextlib.suppress(AttributeError, OSError):
                resource.prlimit(port._child.pid, resource.RLIMIT_FSIZE, (limit, limit))
            exchange = write(port, root, steps)
        yield _judged(f"file size limit {limit}", root, exchange, spec, scratch)


def full_device(spec: PortSpec, scratch: Path, sizes: tuple[int, ...]) -> Iterator[Found]:
    """A file system with so many free bytes: a small tmpfs, where it may be mounted."""
    steps = script(scratch, "new", append_of(new_rows()))
    for size in sizes:
        root = scratch / "device"
        root.mkdir(exist_ok=True)
        total = size + 2 * ROW + 60_000
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={total}", "none", str(root)], capture_output=True, check=False
        )
        if mounted.returncode:
            yield Found(f"full device, {size} bytes free", None, "a tmpfs cannot be mounted here")
            return
        try:
            start(root)
            free = os.statvfs(root)
            (root / ".ballast").write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - size)))
            with Port(spec) as port:
                exchange = write(port, root, steps)
            (root / ".ballast").unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", str(root)], capture_output=True, check=True)
            yield _judged(f"full device, {size} bytes free", root, exchange, spec, scratch)
        finally:
            subprocess.run(["umount", str(root)], capture_output=True, check=False)


# --- killed at the k-th change that the folder sees

_CREATE, _MODIFY, _MOVED, _CLOSE, _DIR = 0x100, 0x2, 0xC0, 0x8, 0x40000000


class Watcher:
    """Counts changes below a folder (inotify) and calls ``at_event`` at the k-th."""

    def __init__(self, root: Path, k: int, at_event: Callable[[], None]) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        self.left, self.at_event, self.stop = k, at_event, threading.Event()
        self.folders: dict[int, Path] = {}
        for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
            self._add(folder)
        self.thread = threading.Thread(target=self._run)

    def _add(self, folder: Path) -> None:
        mask = _CREATE | _MODIFY | _MOVED | _CLOSE
        found = self.libc.inotify_add_watch(self.fd, os.fsencode(folder), mask)
        if found >= 0:
            self.folders[found] = folder

    def _run(self) -> None:
        while not self.stop.is_set():
            if not select.select([self.fd], [], [], 0.02)[0]:
                continue
            data, at = os.read(self.fd, 1 << 16), 0
            while at < len(data):
                watch, mask, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0")
                at += 16 + length
                if mask & _DIR and mask & _CREATE and watch in self.folders:
                    self._add(self.folders[watch] / os.fsdecode(name))
                self.left -= 1
                if self.left == 0:
                    self.at_event()
                    return

    def __enter__(self) -> Watcher:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        os.close(self.fd)


def killed(spec: PortSpec, scratch: Path, events: tuple[int, ...]) -> Iterator[Found]:
    """SIGKILL when the folder has changed k times."""
    if not hasattr(ctypes.CDLL(None), "inotify_init1"):
        yield Found("killed", None, "needs inotify")
        return
    steps = script(scratch, "new", append_of(new_rows()))
    for k in events:
        root = _fresh(scratch)
        with Port(spec) as port:
            port.hello()
            pid = port._child.pid

            def kill(pid: int = pid) -> None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

            with Watcher(root, k, kill):
                exchange = write(port, root, steps)
        yield _judged(f"killed at change {k}", root, exchange, spec, scratch)


# --- torn objects


def torn(spec: PortSpec, scratch: Path) -> Iterator[Found]:
    """A crash of the machine tore what was written last: a chunk without its commit, or the commit itself."""
    steps = script(scratch, "new", append_of(new_rows()))
    root = _fresh(scratch)
    before = set(folder_tree(root))
    with Port(spec) as port:
        exchange = write(port, root, steps)
    if not (exchange.reply or {}).get("ok"):
        yield Found("torn: writing", False, f"an undisturbed write failed: {exchange.detail or exchange.reply}")
        return
    made = [k for k in folder_tree(root) if k not in before]
    commit = next((k for k in made if k.startswith("commits/")), None)
    for key in (k for k in made if k.startswith("chunks/")):
        (root / key).write_bytes((root / key).read_bytes()[: (root / key).stat().st_size // 2])
        (root / (commit or key)).unlink()
        _restore_hint(root)
        with Port(spec) as port:
            exchange = write(port, root, steps)
        seen, wrong = state_of(root, {"new": old_rows() + new_rows()})
        good = bool((exchange.reply or {}).get("ok")) and seen == "new"
        yield Found("torn chunk, then written again", good, wrong or str(exchange.reply or exchange.detail))
    if commit:
        path = root / commit
        path.write_bytes(path.read_bytes()[:-30])
        yield from _torn_commit(spec, root, scratch)


def _restore_hint(root: Path) -> None:
    shutil.copyfile(root / "commits/main/0000000001.json", root / "commits/main/latest.json")


def _torn_commit(spec: PortSpec, root: Path, scratch: Path) -> Iterator[Found]:
    with Port(spec) as port:
        out = scratch / "out"
        reply = port.ask({"op": "read", "root": str(root), "tensor": "x", "out": str(out)}, SECONDS).reply or {}
        yield Found("torn commit, read", reply.get("ok") is False, str(reply)[:200])
        reply = write(port, root, script(scratch, "more", append_of(new_rows(1)))).reply or {}
        made = (root / "commits/main/0000000003.json").exists()
        yield Found("torn commit, written on", reply.get("ok") is False and not made, str(reply)[:200])


# --- two at once


def _together(spec: PortSpec, root: Path, scripts: list[Path]) -> list[Exchange]:
    """One port for each script, all asked at the same moment."""
    found: list[Any] = [None] * len(scripts)
    gate = threading.Barrier(len(scripts))

    def run(n: int) -> None:
        with Port(spec) as port:
            port.hello()
            gate.wait()
            found[n] = write(port, root, scripts[n])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(scripts))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return found


def _told(exchange: Exchange) -> bool:
    return bool((exchange.reply or {}).get("ok"))


def two_writers(spec: PortSpec, scratch: Path, rounds: int) -> Iterator[Found]:
    """Both append: whoever was told success is there, whole and once, in one order or the other."""
    steps = [script(scratch, f"writer{n}", append_of(new_rows(n) * 4)) for n in range(2)]
    for n in range(rounds):
        root = _fresh(scratch)
        told = [_told(e) for e in _together(spec, root, steps)]
        blocks = [new_rows(w) * 4 for w in range(2) if told[w]]
        orders = {"ab": [r for b in blocks for r in b], "ba": [r for b in reversed(blocks) for r in b]}
        versions = {name: old_rows() + rows for name, rows in orders.items()}
        _, wrong = state_of(root, versions)
        if not wrong and not any(told):
            wrong = "neither could write"
        yield Found(f"two writers, round {n + 1}", not wrong, wrong or f"{sum(told)} of 2 wrote")


def two_creators(spec: PortSpec, scratch: Path) -> Iterator[Found]:
    """Both create the dataset: one succeeds, and its rows are there."""
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    create = [s.create(), s.tensor("x", dtype="uint8", shape=[ROW])]
    steps = [
        script(scratch, f"creator{n}", [*create, *[s.append(x=r) for r in new_rows(n) * 4], s.commit()])
        for n in range(2)
    ]
    told = [_told(e) for e in _together(spec, root, steps)]
    versions = {str(n): new_rows(n) * 4 for n in range(2) if told[n]}
    if sum(told) != 1:
        yield Found("two creators", False, f"{sum(told)} of 2 were told success")
        return
    _, wrong = state_of(root, versions)
    yield Found("two creators", not wrong, wrong)


def held(spec: PortSpec, scratch: Path) -> Iterator[Found]:
    """One writer is stopped after it has opened the dataset, another commits, the first goes on.

    Appends go together; two updates of one row do not: the first must be refused.
    """
    if not hasattr(ctypes.CDLL(None), "inotify_init1"):
        yield Found("held writer", None, "needs inotify")
        return
    appends = [script(scratch, f"held{n}", append_of(new_rows(n))) for n in range(2)]
    root = _fresh(scratch)
    told = [_told(e) for e in _held(spec, root, *appends)]
    rows = [r for n in (1, 0) if told[n] for r in new_rows(n)]
    _, wrong = state_of(root, {"both": old_rows() + rows})
    yield Found("appended meanwhile", not wrong and all(told), wrong or f"told success: {told}")
    fill = [np.full(ROW, 200 + n, "u1") for n in range(2)]
    updates = [script(scratch, f"update{n}", [s.open_(), s.update(0, x=fill[n]), s.commit()]) for n in range(2)]
    root = _fresh(scratch)
    exchanges = _held(spec, root, *updates)
    if any("skip" in (e.reply or {}) for e in exchanges):
        yield Found("one row updated by both", None, "updates are not implemented")
        return
    told = [_told(e) for e in exchanges]
    _, wrong = state_of(root, {"theirs": [fill[1], *old_rows()[1:]]})
    if told[0]:
        wrong = "success was told to both, and one update is lost"
    yield Found("one row updated by both", not wrong and told[1], wrong or f"told success: {told}")


def closed_meanwhile(spec: PortSpec, scratch: Path) -> Iterator[Found]:
    """The branch is closed while a writer is at work: its commit must be refused, for nothing follows a closed one."""
    if not hasattr(ctypes.CDLL(None), "inotify_init1"):
        yield Found("closed meanwhile", None, "needs inotify")
        return
    root = _fresh(scratch)
    closing = script(scratch, "closing", [s.open_(), s.simple("close_branch")])
    first, other = _held(spec, root, script(scratch, "late", append_of(new_rows())), closing)
    if not _told(other):
        yield Found("closed meanwhile", None, "closing a branch is not implemented")
        return
    _, wrong = state_of(root, {"old": old_rows()})
    yield Found("closed meanwhile", not wrong and not _told(first), wrong or f"told success: {_told(first)}")


def _held(spec: PortSpec, root: Path, first: Path, second: Path) -> tuple[Exchange, Exchange]:
    """``first`` is stopped at its first change of the folder, ``second`` runs, ``first`` goes on."""
    stopped = threading.Event()
    found: list[Exchange] = []
    with Port(spec) as one_, Port(spec) as other:
        one_.hello()
        other.hello()
        pid = one_._child.pid

        def stop() -> None:
            os.kill(pid, signal.SIGSTOP)
            stopped.set()

        with Watcher(root, 1, stop):
            thread = threading.Thread(target=lambda: found.append(write(one_, root, first)))
            thread.start()
            stopped.wait(SECONDS / 2)
        between = write(other, root, second)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        thread.join()
    return found[0], between
