"""The suite measured: seeded bugs of an implementation, one small patch each, run until a case turns red.

A mutant is {id, class, clause, level, file, find, replace, note}, and ``by: "faults"`` where no request can show it.
``find`` stands exactly once in its file. Patches go into a copy in a temporary folder, never into the source.
"""

from __future__ import annotations

import json
import os
import py_compile
import queue
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.cases import Case, load_cases, select
from lakebed_conform.faults import faults
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.results import RED
from lakebed_conform.run import run_case
from lakebed_conform.weaker import WEAKER, weaker

Task = tuple[Case, str]
SECONDS = 10.0


@dataclass(frozen=True)
class Mutant:
    id: str
    cls: str
    clause: str
    level: str
    file: str
    find: str
    replace: str
    note: str
    by: str = "cases"

    @property
    def patch(self) -> int:
        """Changes with the patch: results are of this one."""
        return hash_of("\0".join((self.file, self.find, self.replace)))


@dataclass
class Fate:
    """What became of one mutant. ``by``: the case (and role), fault scenario or hello that turned red; "" survived.

    ``weaker``: which of the weaker suites (see :mod:`lakebed_conform.weaker`) would have caught it.
    """

    id: str
    cls: str
    clause: str
    level: str
    by: str = ""
    how: str = ""
    ran: int = 0
    weaker: dict[str, bool] = field(default_factory=dict)
    reason: str = ""
    patch: int = 0


def mutants_folder() -> Path:
    return Path(__file__).parents[1] / "mutants"


def load_mutants(folder: Path | None = None) -> list[Mutant]:
    """Every mutant of ``*.json``, by id. Raises SuiteError for a damaged one or a name used twice."""
    found: dict[str, Mutant] = {}
    for path in sorted((folder or mutants_folder()).glob("*.json")):
        if path.name in ("RESULTS.json", "survivors.json"):
            continue
        for row in json.loads(path.read_text()):
            mutant = Mutant(cls=row.pop("class"), **row)
            if mutant.id in found:
                raise SuiteError(f"mutant {mutant.id} stands twice")
            found[mutant.id] = mutant
    return list(found.values())


def stale(mutants: list[Mutant], source: Path) -> list[str]:
    """Mutants whose ``find`` does not stand exactly once in its file."""
    found = []
    for m in mutants:
        path = source / m.file
        times = path.read_text().count(m.find) if path.is_file() else 0
        if times != 1:
            found.append(f"{m.id}: found {times} times in {m.file}")
    return found


class Copy:
    """A copy of the implementation with at most one patch in it, compiled once."""

    def __init__(self, source: Path, place: Path) -> None:
        self.root = place / source.name
        shutil.copytree(source, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        for path in self.root.rglob("*.py"):  # by their hash: a patched file is compiled anew, the others are not
            py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        self.spec = PortSpec(
            "mutant", (sys.executable, "-m", f"{source.name}.port"), place,
            {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
        )  # fmt: skip

    def patched(self, m: Mutant) -> Callable[[], None]:
        """Apply; gives how to undo it."""
        path = self.root / m.file
        text = path.read_text()
        if text.count(m.find) != 1:
            raise SuiteError(f"{m.id}: {m.find[:40]!r} stands {text.count(m.find)} times in {m.file}")
        path.write_text(text.replace(m.find, m.replace))
        return lambda: path.write_text(text) and None


def mutate(
    source: Path, format: str, mutants: list[Mutant], *, compare: bool = False, jobs: int = 2,
    seen: Callable[[Fate], None] = lambda f: None,
) -> list[Fate]:  # fmt: skip
    """Run every mutant; with ``compare`` the weaker suites too. Cases that the unchanged source fails do not count.

    A mutant that no longer fits its source is not run; its fate says so and counts as survived.
    """
    tasks = [t for t in select(load_cases(format)) if t[0].level == "must" or t[0].kind in ("write", "lossy")]
    todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for m in mutants:
        todo.put(m)
    fates: list[Fate] = []
    trouble: list[BaseException] = []
    with tempfile.TemporaryDirectory(prefix="lakebed-mutate-") as scratch:
        good = _good(Copy(source, _folder(scratch, "base")), format, tasks, Path(scratch))

        def worker(n: int) -> None:
            copy = Copy(source, _folder(scratch, f"copy{n}"))
            place = _folder(scratch, f"work{n}")
            while not trouble:
                try:
                    m = todo.get_nowait()
                except queue.Empty:
                    return
                if stale([m], copy.root.parent / source.name):
                    fates.append(Fate(m.id, m.cls, m.clause, m.level, how="stale: not in the source", patch=m.patch))
                    seen(fates[-1])
                    continue
                try:
                    undo = copy.patched(m)
                    fates.append(_fate(m, copy.spec, format, good, place, compare))
                    undo()
                    seen(fates[-1])
                except BaseException as e:  # a worker's own trouble must reach the caller
                    trouble.append(e)

        threads = [threading.Thread(target=worker, args=(n,)) for n in range(jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    if trouble:
        raise trouble[0]
    order = {m.id: n for n, m in enumerate(mutants)}
    return sorted(fates, key=lambda f: order[f.id])


def _folder(scratch: str, name: str) -> Path:
    path = Path(scratch) / name
    path.mkdir()
    return path


def _good(copy: Copy, format: str, tasks: list[Task], scratch: Path) -> list[Task]:
    """The tasks that the unchanged source passes."""
    passed = []
    with Port(copy.spec) as port:
        hello = port.hello().reply
        if not hello:
            raise SuiteError("the source does not answer hello")
        place = _folder(str(scratch), "good")
        for task in tasks:
            if run_case(port, hello, format, *task, place).status == "pass":
                passed.append(task)
    return passed


def _ordered(m: Mutant, tasks: list[Task]) -> list[Task]:
    """Cases of the mutant's clause first, then of its chapter, then the rest, spread over the areas."""
    chapter = m.clause.rsplit(".", 1)[0]

    def rank(task: Task) -> tuple[int, int]:
        clauses = task[0].clauses
        near = 0 if m.clause in clauses else 1 if any(c.startswith(chapter) for c in clauses) else 2
        return near, hash_of(f"{task[0].id} {task[1]}") if near == 2 else 0

    return sorted(tasks, key=rank)


def hash_of(text: str) -> int:
    import zlib

    return zlib.crc32(text.encode())


def _fate(m: Mutant, spec: PortSpec, format: str, tasks: list[Task], place: Path, compare: bool) -> Fate:
    fate = Fate(m.id, m.cls, m.clause, m.level, patch=m.patch)
    if m.by == "faults":
        for found in faults(spec, quick=True):
            fate.ran += 1
            if not found.ok:
                fate.by, fate.how = f"faults {found.scenario}", found.detail[:300]
                break
    with Port(spec) as port:
        hello = port.hello()
        if hello.status != "ok" or not hello.reply:
            fate.by, fate.how = fate.by or "hello", hello.detail[:300]
        elif not fate.by:
            _kill(fate, m, port, hello.reply, format, tasks, place)
        if compare:
            fate.weaker = weaker(port, hello.reply, format, tasks, place)
    return fate


def _kill(fate: Fate, m: Mutant, port: Port, hello: dict, format: str, tasks: list[Task], place: Path) -> None:
    for case, role in _ordered(m, tasks):
        result = run_case(port, hello, format, replace(case, seconds=min(case.seconds, SECONDS)), role, place)
        fate.ran += 1
        if result.status in RED:
            fate.by, fate.how = f"{case.id} {role}", f"{result.status}: {result.detail}"[:300]
            return


# --- results


def known_fates(folder: Path, mutants: list[Mutant]) -> list[Fate]:
    """Fates of RESULTS.json that still hold: killed, and the patch is the same."""
    path = folder / "RESULTS.json"
    rows = json.loads(path.read_text())["mutants"] if path.is_file() else []
    now = {m.id: m.patch for m in mutants}
    return [Fate(**row) for row in rows if row["by"] and now.get(row["id"]) == row["patch"]]


def as_results(fates: list[Fate], reasons: dict[str, str]) -> dict[str, Any]:
    """The published document: every fate, the kill rate by class, and that of the weaker suites."""
    for fate in fates:
        fate.reason = "" if fate.by else reasons.get(fate.id, "")
    classes: dict[str, dict[str, Any]] = {}
    for fate in fates:
        row = classes.setdefault(fate.cls, {"mutants": 0, "killed": 0} | dict.fromkeys(WEAKER, 0))
        row["mutants"] += 1
        row["killed"] += bool(fate.by)
        for name in WEAKER:
            row[name] += fate.weaker.get(name, False)
    return {"classes": classes, "mutants": [asdict(f) for f in fates]}


def reasons_of(folder: Path) -> dict[str, str]:
    """Why a mutant may survive: ``survivors.json`` {id: reason}."""
    path = folder / "survivors.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(results: dict[str, Any]) -> list[str]:
    """The kill rates as lines of Markdown."""
    names = {"exit": "exit status only", "picture": "one picture", "allclose": "allclose"}
    compared = any(row[w] for row in results["classes"].values() for w in WEAKER)
    heads = ["class", "mutants", "killed", *(names[w] for w in WEAKER if compared)]
    lines = [" | ".join(heads), "|".join(["---"] * len(heads))]
    total = dict.fromkeys(["mutants", "killed", *WEAKER], 0)
    for name, row in results["classes"].items():
        for key in total:
            total[key] += row[key]
        lines.append(_line(name, row, compared))
    return [*lines, _line("**all**", total, compared)]


def _line(name: str, row: dict[str, int], compared: bool) -> str:
    def share(key: str) -> str:
        return f"{row[key]} ({100 * row[key] / max(1, row['mutants']):.0f} %)"

    return " | ".join([name, str(row["mutants"]), share("killed"), *(share(w) for w in WEAKER if compared)])


def source_of(text: str | None) -> Path:
    """The folder of the implementation that the mutants are of: ``--source``, or reference/lakebed of the checkout."""
    path = Path(text) if text else Path(__file__).parents[2] / "reference" / "lakebed"
    if not (path / "port.py").is_file():
        raise SuiteError(f"no implementation at {path}; give --source (found no port.py)")
    return Path(os.path.abspath(path))


def page(results: dict[str, Any]) -> str:
    """RESULTS.md: the table, and the survivors with their reasons."""
    left = [m for m in results["mutants"] if not m["by"]]
    text = f"""# Seeded bugs of the reference

Made by `lakebed-conform mutate --format 1.0 --compare --save`: each row of the `*.json` files here is one small patch
of `reference/lakebed`, applied to a copy; *killed* means that a case (or a fault trial) of the suite turned red.

{os.linesep.join(table(results))}

*exit status only*: every case of the suite, judged by accepted or refused alone, a crash being a refusal.
*one picture*: one picture written and read back. *allclose*: arrays written, read back, compared with a tolerance.
"""
    rows = [f"* `{m['id']}` ({m['level']}): {m['reason'] or 'not explained'}\n" for m in left]
    return text + ("\n## Survivors\n\n" + "".join(rows) if rows else "")
