"""Two writers at once, in every order that matters."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, pack
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
    skipped,
    state_of,
    told,
    write,
)
from lakebed_conform.faults.watcher import Watcher, available
from lakebed_conform.ports import Exchange, Port, PortSpec

TRIES = 8
QUICK = "the port is too quick to be stopped in between"


def together(spec: PortSpec, root: Path, scripts: list[Path]) -> list[Exchange]:
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


Second = Path | Callable[[], None]


def hold(spec: PortSpec, root: Path, first: Path, second: Second) -> tuple[Exchange, Exchange | None] | None:
    """``first`` is stopped at its first change of the folder, ``second`` (a script, or what the suite does itself)
    runs, ``first`` goes on. None: it had made its commit before it stood still."""
    stopped = threading.Event()
    found: list[Exchange] = []
    with Port(spec) as one, Port(spec) as other:
        one.hello()
        other.hello()
        pid = one._child.pid
        before = len(list(root.glob("commits/main/0*.json")))

        def stop() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            stopped.set()

        def run() -> None:
            found.append(write(one, root, first))
            stopped.set()  # it ended without a change: nothing to wait for

        with Watcher(root, 1, stop):
            thread = threading.Thread(target=run)
            thread.start()
            stopped.wait(SECONDS / 2)
        early = len(list(root.glob("commits/main/0*.json"))) > before
        between = None if early else write(other, root, second) if isinstance(second, Path) else second()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        thread.join()
    return None if early else (found[0], between)


def held(spec: PortSpec, ground: Callable[[], Path], first: Path, second: Second) -> Any:
    """:func:`hold` on a new ground, again when the first was too quick for it; None when it always was."""
    for _ in range(TRIES):
        if both := hold(spec, ground(), first, second):
            return both
    return None


def both_appended(root: Path, both: list[Exchange], blocks: list[list[np.ndarray]]) -> str:
    """What is wrong after two appends: whoever was told success is there, whole and once, in either order."""
    here = [block for block, exchange in zip(blocks, both, strict=True) if told(exchange)]
    orders = {"ab": [r for b in here for r in b], "ba": [r for b in reversed(here) for r in b]}
    _, wrong = state_of(root, {name: old_rows() + rows for name, rows in orders.items()})
    return wrong or ("" if here else "neither could write")


def two_writers(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Both append at the same moment."""
    yield from _at_once(spec, scratch, [new_rows(n) * 4 for n in range(2)], "two writers", 2 if quick else 6)


def _at_once(
    spec: PortSpec, scratch: Path, blocks: list[list[np.ndarray]], what: str, rounds: int
) -> Iterator[Found]:
    """One writer for each block of rows, all at once, on a fresh dataset each round."""
    steps = [script(scratch, f"{what.replace(' ', '_')}{n}", append_of(block)) for n, block in enumerate(blocks)]
    for n in range(rounds):
        root = fresh(scratch)
        both = together(spec, root, steps)
        wrong = both_appended(root, both, blocks)
        yield Found(f"{what}, round {n + 1}", not wrong, wrong or f"{sum(map(told, both))} of 2 wrote")


def slow_links(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Both append, and the system takes its time over every link and rename (strace): who looks whether a name is free
    and then takes it has looked before the other took it."""
    from lakebed_conform.faults.traced import slowed

    slow = slowed(spec)
    if slow is None:
        yield Found("slow links", None, "needs strace")
        return
    yield from _at_once(slow, scratch, [new_rows(n) for n in range(2)], "slow links", 1 if quick else 3)


def two_creators(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Both create the dataset: one succeeds, and its rows are there."""
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    create = [s.create(), s.tensor("x", dtype="uint8", shape=[ROW])]
    steps = [
        script(scratch, f"creator{n}", [*create, *[s.append(x=r) for r in new_rows(n) * 4], s.commit()])
        for n in range(2)
    ]
    good = [told(e) for e in together(spec, root, steps)]
    if sum(good) != 1:
        yield Found("two creators", False, f"{sum(good)} of 2 were told success")
        return
    _, wrong = state_of(root, {str(n): new_rows(n) * 4 for n in range(2) if good[n]})
    yield Found("two creators", not wrong, wrong)


# --- one is held while the other commits


def _held(
    name: str, spec: PortSpec, scratch: Path, mine: list[Any], theirs: list[Any], due: dict[str, list[np.ndarray]], *,
    joined: bool,
) -> Iterator[Found]:  # fmt: skip
    """``mine`` is held, ``theirs`` commits. ``joined``: mine must be told success too, else it must be refused."""
    if not available():
        yield Found(name, None, "needs inotify")
        return
    scripts = script(scratch, "mine", mine), script(scratch, "theirs", theirs)
    both = held(spec, lambda: fresh(scratch), *scripts)
    if both is None:
        yield Found(name, None, QUICK)
        return
    if skipped(*both):
        yield Found(name, None, "a step is not implemented")
        return
    good = [told(e) for e in both]
    _, wrong = state_of(scratch / "root", due)
    if good[0] and not joined:
        wrong = "success was told to both"
    yield Found(name, not wrong and good == [joined, True], wrong or f"told success: {good}")


def appended_meanwhile(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Appends go together: theirs, then mine."""
    mine, theirs = new_rows(0), new_rows(1)
    due = {"both": old_rows() + theirs + mine}
    yield from _held("appended meanwhile", spec, scratch, append_of(mine), append_of(theirs), due, joined=True)


def updated_by_both(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Two updates of one row do not go together."""
    fill = [np.full(ROW, 200 + n, "u1") for n in range(2)]
    mine, theirs = ([s.open_(), s.update(0, x=f), s.commit()] for f in fill)
    due = {"theirs": [fill[1], *old_rows()[1:]]}
    yield from _held("one row updated by both", spec, scratch, mine, theirs, due, joined=False)


def deleted_meanwhile(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """Rows that were moved: an update made at the old places would fall on another row."""
    mine = [s.open_(), s.update(1, x=np.full(ROW, 200, "u1")), s.commit()]
    theirs = [s.open_(), s.delete(0), s.commit()]
    due = {"theirs": old_rows()[1:]}
    yield from _held("deleted meanwhile", spec, scratch, mine, theirs, due, joined=False)
    due = {"theirs": old_rows() + new_rows()}
    yield from _held("appended to what is deleted from", spec, scratch, theirs, append_of(new_rows()),
                     due, joined=False)  # fmt: skip


def closed_meanwhile(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """The branch is closed while a writer is at work: its commit must be refused, for nothing follows a closed one."""
    theirs = [s.open_(), s.simple("close_branch")]
    yield from _held("closed meanwhile", spec, scratch, append_of(new_rows()), theirs,
                     {"old": old_rows()}, joined=False)  # fmt: skip


def sealed_meanwhile(spec: PortSpec, scratch: Path, quick: bool) -> Iterator[Found]:
    """The other (laid by hand) sealed the old rows in a manifest and appended: the old rows are no change."""
    theirs, mine = new_rows(1), new_rows()
    dataset = Dataset()
    dataset.chunk("a", pack(old_rows(), k=3))
    dataset.chunk("b", pack(theirs, k=3))
    dataset.tensor("x", dtype="uint8", shape=[ROW], slices=[("a", 0, 2)])
    dataset.commit()
    dataset.manifest("m", [("a", 0, 2)])
    dataset.tensor("x", dtype="uint8", shape=[ROW], slices=[("b", 0, 3)], manifests=["m"])
    dataset.commit(parent=("main", 1))
    root = scratch / "root"
    later: list[tuple[str, bytes]] = []

    def ground() -> Path:
        later[:] = _lay(dataset.tree(False), root)
        return root

    def commit() -> None:
        for key, data in later:
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(data)

    if not available():
        yield Found("sealed meanwhile", None, "needs inotify")
        return
    both = held(spec, ground, script(scratch, "mine", append_of(mine)), commit)
    if both is None:
        yield Found("sealed meanwhile", None, QUICK)
        return
    exchange = both[0]
    _, wrong = state_of(root, {"both": old_rows() + theirs + mine})
    yield Found("sealed meanwhile", not wrong and told(exchange), wrong or f"told success: {told(exchange)}")


def _lay(tree: dict[str, bytes], root: Path) -> list[tuple[str, bytes]]:
    """All but the second commit, what it introduces and the hint; gives the rest, the commit last."""
    first = tree["commits/main/0000000001.json"].decode()
    shutil.rmtree(root, ignore_errors=True)
    later = []
    for key, data in tree.items():
        if key == "commits/main/0000000001.json" or Path(key).stem in first:
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(data)
        else:
            later.append((key, data))
    return sorted(later, key=lambda entry: entry[0].startswith("commits/"))
