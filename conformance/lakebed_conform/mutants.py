"""Seeded bugs of an implementation, what became of each, and the kill rates that are published.

A mutant is {id, class, clause, level, file, find, replace, note}; ``also``: further patches of the same bug, as
[file, find, replace], where two lines of defence must fall together; ``by: "faults"`` where no request can show it.
Each ``find`` stands exactly once in its file.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.weaker import WEAKER


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
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def patches(self) -> list[tuple[str, str, str]]:
        """(file, find, replace) of every place that changes."""
        return [(self.file, self.find, self.replace), *self.also]

    @property
    def patch(self) -> int:
        """Changes with the patches: results are of these."""
        return hash_of("\0".join("\0".join(p) for p in self.patches))


@dataclass
class Fate:
    """What became of one mutant. ``by``: the case (and role), fault trial or hello that turned red; "" survived.

    ``weaker``: which of the weaker suites (see :mod:`lakebed_conform.weaker`) would have caught it; ``exit_by``: the
    case by which the first of them did. What killed a mutant last time is tried first the next time.
    """

    id: str
    cls: str
    clause: str
    level: str
    by: str = ""
    how: str = ""
    ran: int = 0
    weaker: dict[str, bool] = field(default_factory=dict)
    exit_by: str = ""
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
            also = tuple(tuple(p) for p in row.pop("also", ()))
            mutant = Mutant(cls=row.pop("class"), also=also, **row)
            if mutant.id in found:
                raise SuiteError(f"mutant {mutant.id} stands twice")
            found[mutant.id] = mutant
    return list(found.values())


def stale(mutants: list[Mutant], source: Path) -> list[str]:
    """Mutants of which a ``find`` does not stand exactly once in its file."""
    found = []
    for m in mutants:
        for file, find, _ in m.patches:
            path = source / file
            times = path.read_text().count(find) if path.is_file() else 0
            if times != 1:
                found.append(f"{m.id}: found {times} times in {file}")
    return found


def hash_of(text: str) -> int:
    return zlib.crc32(text.encode())


# --- results


def last_fates(folder: Path) -> dict[str, Fate]:
    """The fates of RESULTS.json by id: where to look first."""
    path = folder / "RESULTS.json"
    rows = json.loads(path.read_text())["mutants"] if path.is_file() else []
    return {row["id"]: Fate(**row) for row in rows}


def merged(folder: Path, fates: list[Fate]) -> list[Fate]:
    """``fates``, and those of RESULTS.json for all other mutants; in the order of the mutants."""
    last, now = last_fates(folder), {f.id: f for f in fates}
    return [now.get(m.id, last.get(m.id, Fate(m.id, m.cls, m.clause, m.level, patch=m.patch))) for m in load_mutants()]


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
