"""The suite measured: every seeded bug is put into a copy of its implementation and the suite run until it turns red.

Patches go into a copy in a temporary folder, never into the source. The case that killed a mutant last time
(RESULTS.json) is asked first; only where it does not, all others, those that enter the changed function first. A run
is written down as it goes, so that one that was broken off can be taken up again.
"""

from __future__ import annotations

import hashlib
import json
import py_compile
import queue
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from lakebed_conform import SuiteError
from lakebed_conform.cases import Case, load_cases, select
from lakebed_conform.faults import faults
from lakebed_conform.mutants import (
    Fate,
    Mutant,
    as_results,
    hash_of,
    last_fates,
    load_mutants,
    merged,
    mutants_folder,
    page,
    reasons_of,
    source_of,
    stale,
    table,
)
from lakebed_conform.ports import Port, PortSpec
from lakebed_conform.reach import Place, chosen, reached
from lakebed_conform.results import RED
from lakebed_conform.run import run_case
from lakebed_conform.weaker import weaker

__all__ = [
    "Fate", "Mutant", "as_results", "last_fates", "load_mutants", "merged", "mutants_folder", "mutate", "page",
    "reasons_of", "source_of", "stale", "table",
]  # fmt: skip

Task = tuple[Case, str]
SECONDS = 10.0


class Copy:
    """A copy of the implementation with at most one mutant in it, compiled once."""

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
        before: dict[Path, str] = {}
        for file, find, new in m.patches:
            path = self.root / file
            text = path.read_text()
            if text.count(find) != 1:
                raise SuiteError(f"{m.id}: {find[:40]!r} stands {text.count(find)} times in {file}")
            before.setdefault(path, text)
            path.write_text(text.replace(find, new))

        def undo() -> None:
            for path, text in before.items():
                path.write_text(text)

        return undo


class Journal:
    """The fates of a run, one a line, under a name that only the same source, mutants and cases give."""

    def __init__(self, source: Path, format: str, mutants: list[Mutant], tasks: list[Task], compare: bool) -> None:
        total = hashlib.sha256(f"{format} {compare} {[(m.id, m.patch) for m in mutants]}".encode())
        for path in sorted(source.rglob("*.py")):
            total.update(path.read_bytes())
        for case, role in tasks:
            total.update(f"{case.id} {role}".encode() + (case.folder / "case.json").read_bytes())
        self.path = Path(tempfile.gettempdir()) / f"lakebed-mutate-{total.hexdigest()[:16]}.jsonl"
        self._lock = threading.Lock()

    def read(self) -> list[Fate]:
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        return [Fate(**json.loads(line)) for line in lines if line.endswith("}")]

    def add(self, fate: Fate) -> None:
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps(asdict(fate)) + "\n")

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


def mutate(
    source: Path, format: str, mutants: list[Mutant], *, compare: bool = False, jobs: int = 2, resume: bool = False,
    last: dict[str, Fate] | None = None, seen: Callable[[Fate], None] = lambda f: None,
) -> list[Fate]:  # fmt: skip
    """Run every mutant; with ``compare`` the weaker suites too. Cases that the unchanged source fails do not count.

    ``last``: earlier fates, whose killers are asked first (default: RESULTS.json). ``resume``: take up a run of the
    same source, mutants and cases that was broken off. A mutant that no longer fits its source is not run; its fate
    says so and counts as survived.
    """
    tasks = [t for t in select(load_cases(format)) if t[0].level == "must" or t[0].kind in ("write", "lossy")]
    journal = Journal(source, format, mutants, tasks, compare)
    if not resume:
        journal.clear()
    fates = journal.read()
    with tempfile.TemporaryDirectory(prefix="lakebed-mutate-") as scratch:
        todo = [m for m in mutants if m.id not in {f.id for f in fates}]
        if todo:
            crew = _Crew(source, format, Path(scratch), compare, last_fates(mutants_folder()) if last is None else last)
            crew.survey(Copy(source, _folder(crew.scratch, "base")), tasks, jobs)

            def done(fate: Fate) -> None:
                journal.add(fate)
                fates.append(fate)
                seen(fate)

            crew.work(todo, jobs, done)
    journal.clear()
    order = {m.id: n for n, m in enumerate(mutants)}
    return sorted(fates, key=lambda f: order[f.id])


def _folder(scratch: Path, name: str) -> Path:
    path = scratch / name
    path.mkdir()
    return path


class _Crew:
    """Workers, each with its own copy."""

    def __init__(self, source: Path, format: str, scratch: Path, compare: bool, last: dict[str, Fate]) -> None:
        self.source, self.format, self.scratch, self.compare, self.last = source, format, scratch, compare, last
        self.pristine = source
        self.good: list[Task] = []
        self.entered: dict[Place, set[int]] = {}
        self.todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        self.trouble: list[BaseException] = []

    def survey(self, copy: Copy, tasks: list[Task], jobs: int) -> None:
        """The tasks that the unchanged source passes, the quickest first, and the functions that each enters."""
        results, entered = reached(copy.spec, copy.root, self.format, tasks, self.scratch, jobs)
        passed = sorted((r.seconds, n) for n, r in enumerate(results) if r is not None and r.status == "pass")
        if not passed:
            raise SuiteError("the source passes no case")
        self.pristine = copy.root  # the source itself may change while this runs
        number = {n: new for new, (_, n) in enumerate(passed)}
        self.good = [tasks[n] for _, n in passed]
        self.entered = {place: {number[n] for n in ns if n in number} for place, ns in entered.items()}

    def work(self, mutants: list[Mutant], jobs: int, done: Callable[[Fate], None]) -> None:
        for m in mutants:
            self.todo.put(m)
        threads = [threading.Thread(target=self._worker, args=(n, done)) for n in range(jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if self.trouble:
            raise self.trouble[0]

    def _worker(self, n: int, done: Callable[[Fate], None]) -> None:
        copy, place = Copy(self.source, _folder(self.scratch, f"copy{n}")), _folder(self.scratch, f"work{n}")
        while not self.trouble:
            try:
                m = self.todo.get_nowait()
            except queue.Empty:
                return
            if stale([m], copy.root):
                done(Fate(m.id, m.cls, m.clause, m.level, how="stale: not in the source", patch=m.patch))
                continue
            try:
                undo = copy.patched(m)
                fate = self._fate(m, copy.spec, place)
                undo()
                done(fate)
            except BaseException as e:  # a worker's own trouble must reach the caller
                self.trouble.append(e)

    def _fate(self, m: Mutant, spec: PortSpec, place: Path) -> Fate:
        fate = Fate(m.id, m.cls, m.clause, m.level, patch=m.patch)
        last = self.last.get(m.id, fate)
        if m.by == "faults":
            for found in faults(spec, quick=True, first=last.by.removeprefix("faults ")):
                fate.ran += 1
                if found.ok is False:
                    fate.by, fate.how = f"faults {found.trial}", f"{found.scenario}: {found.detail}"[:300]
                    break
        with Port(spec) as port:
            hello = port.hello()
            if hello.status != "ok" or not hello.reply:
                fate.by, fate.how = fate.by or "hello", hello.detail[:300]
            elif not fate.by:
                self._kill(fate, m, port, hello.reply, last.by, place)
            if self.compare:
                tasks = [task for task, can in self._ordered(m, last.exit_by) if can]
                fate.weaker, fate.exit_by = weaker(port, hello.reply, self.format, tasks, place)
        return fate

    def _kill(self, fate: Fate, m: Mutant, port: Port, hello: dict, first: str, place: Path) -> None:
        for (case, role), _ in self._ordered(m, first):
            limited = replace(case, seconds=min(case.seconds, SECONDS))
            result = run_case(port, hello, self.format, limited, role, place)
            fate.ran += 1
            if result.status in RED:
                fate.by, fate.how = f"{case.id} {role}", f"{result.status}: {result.detail}"[:300]
                return

    def _ordered(self, m: Mutant, first: str) -> list[tuple[Task, bool]]:
        """Every task, and whether it enters a function that was changed: these first. Among them the task that told
        the mutant last time, then cases of its clause, then of its chapter (the quickest of each first), then the
        rest, spread over the areas."""
        chapter = m.clause.rsplit(".", 1)[0]
        can = chosen(self.pristine, m.patches, self.entered)

        def rank(n: int) -> tuple[int, int]:
            name, clauses = f"{self.good[n][0].id} {self.good[n][1]}", self.good[n][0].clauses
            near = 1 if m.clause in clauses else 2 if any(c.startswith(chapter) for c in clauses) else 3
            near += 0 if can(n) else 3
            return (0, 0) if name == first else (near, hash_of(name) if near in (3, 6) else n)

        return [(self.good[n], can(n)) for n in sorted(range(len(self.good)), key=rank)]
