"""One writer and bad luck: no room, sudden death, torn objects."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lakebed_conform.checker import folder_tree
from lakebed_conform.faults.ground import (
    ROW,
    SECONDS,
    Found,
    after,
    append_of,
    fresh,
    new_rows,
    old_rows,
    script,
    start,
    state_of,
    told,
    write,
)
from lakebed_conform.faults.watcher import Watcher, available
from lakebed_conform.ports import Port, PortSpec

LIMITS = (0, 16, 100, 500, 1000, 30_000, 59_999, 60_200)
EVENTS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 40)
FREE = (24_000, 60_000, 88_000)


def file_size(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """No file may grow beyond so many bytes (RLIMIT_FSIZE)."""
    steps = script(scratch, "new", append_of(new_rows()))
    for limit in LIMITS[1::3] if quick else LIMITS:
        root = fresh(scratch)
        with Port(spec) as port:
            port.hello()
            with contextlib.suppress(AttributeError, OSError):
                resource.prlimit(port._child.pid, resource.RLIMIT_FSIZE, (limit, limit))
            exchange = write(port, root, steps)
        yield after(f"file size limit {limit}", root, exchange, spec, scratch)


def full_device(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A file system with so many free bytes: a small tmpfs, where it may be mounted."""
    steps = script(scratch, "new", append_of(new_rows()))
    for size in (40_000,) if quick else FREE:
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
            yield after(f"full device, {size} bytes free", root, exchange, spec, scratch)
        finally:
            subprocess.run(["umount", str(root)], capture_output=True, check=False)


def killed(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """SIGKILL when the folder has changed k times."""
    if not available():
        yield Found("killed", None, "needs inotify")
        return
    steps = script(scratch, "new", append_of(new_rows()))
    for k in EVENTS[::2] if quick else EVENTS:
        root = fresh(scratch)
        with Port(spec) as port:
            port.hello()
            pid = port._child.pid

            def kill(pid: int = pid) -> None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

            with Watcher(root, k, kill):
                exchange = write(port, root, steps)
        yield after(f"killed at change {k}", root, exchange, spec, scratch)


def torn(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """A crash of the machine tore what was written last: a chunk without its commit, or the commit itself."""
    steps = script(scratch, "new", append_of(new_rows()))
    root = fresh(scratch)
    before = set(folder_tree(root))
    with Port(spec) as port:
        exchange = write(port, root, steps)
    if not told(exchange):
        yield Found("torn: writing", False, f"an undisturbed write failed: {exchange.detail or exchange.reply}")
        return
    made = [k for k in folder_tree(root) if k not in before]
    commit = next((k for k in made if k.startswith("commits/")), None)
    for key in (k for k in made if k.startswith("chunks/")):
        (root / key).write_bytes((root / key).read_bytes()[: (root / key).stat().st_size // 2])
        (root / (commit or key)).unlink()
        restore_hint(root)
        with Port(spec) as port:
            exchange = write(port, root, steps)
        seen, wrong = state_of(root, {"new": old_rows() + new_rows()})
        good = told(exchange) and seen == "new"
        yield Found("torn chunk, then written again", good, wrong or str(exchange.reply or exchange.detail))
    if commit:
        path = root / commit
        path.write_bytes(path.read_bytes()[:-30])
        yield from _torn_commit(spec, root, scratch)


def restore_hint(root: Path) -> None:
    shutil.copyfile(root / "commits/main/0000000001.json", root / "commits/main/latest.json")


def _torn_commit(spec: PortSpec, root: Path, scratch: Path) -> Iterator[Found]:
    with Port(spec) as port:
        out = scratch / "out"
        reply = port.ask({"op": "read", "root": str(root), "tensor": "x", "out": str(out)}, SECONDS).reply or {}
        yield Found("torn commit, read", reply.get("ok") is False, str(reply)[:200])
        reply = write(port, root, script(scratch, "more", append_of(new_rows(1)))).reply or {}
        made = (root / "commits/main/0000000003.json").exists()
        yield Found("torn commit, written on", reply.get("ok") is False and not made, str(reply)[:200])
