"""Clauses of the spec, read from its text, when a checkout is at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ITEM = re.compile(r"^- \*\*([a-z0-9_]+(?:\.[a-z0-9_]+)+)\*\* · ([A-Z ]+) · ([a-z, ]+) · (\S+) — (.*)$")
CELL = re.compile(r"\*\*([a-z0-9_]+(?:\.[a-z0-9_]+)+)\*\*")


@dataclass(frozen=True)
class Clause:
    id: str
    level: str
    duties: tuple[str, ...]
    code: str
    chapter: str
    text: str


def spec_folder(format: str) -> Path | None:
    """``spec/<format>`` of the checkout that the suite lies in, when there is one."""
    place = Path(__file__).parents[2] / "spec" / format
    return place if place.is_dir() else None


def clauses(folder: Path) -> dict[str, Clause]:
    """Every clause by id: list items, and rows of tables (level MUST)."""
    found: dict[str, Clause] = {}
    for path in sorted(folder.glob("*.md")):
        for line in path.read_text().splitlines():
            if match := ITEM.match(line):
                id, level, duties, code, text = match.groups()
                found[id] = Clause(id, level.strip(), tuple(duties.split(", ")), code, path.stem, text)
            elif "|" in line and (cell := CELL.search(line)):
                row = [c.strip() for c in line.strip("|").split("|")]
                duties = ("writer", "checker") if "(writer, checker)" in line else ("reader", "writer", "checker")
                code = row[-1] if row[-1].startswith("E_") else "-"
                found[cell[1]] = Clause(cell[1], "MUST", duties, code, path.stem, line.strip())
    return found
