"""Trace: every clause with a duty for a port has a case or a fault trial, and every clause that a case cites is in the
spec."""

from __future__ import annotations

from dataclasses import dataclass

from lakebed_conform.cases import Case
from lakebed_conform.faults import TRIALS
from lakebed_conform.spec import Clause

MUST = ("MUST", "MUST NOT")
NEGATIVE = ("invalid", "hostile", "write")


@dataclass(frozen=True)
class Row:
    """``cases``: ids that cite the clause; ``need``: what is missing, empty when nothing is."""

    clause: Clause
    cases: tuple[str, ...]
    need: str


def trace(clauses: dict[str, Clause], cases: list[Case], excluded: dict[str, str]) -> tuple[list[Row], list[str]]:
    """The rows of all MUST clauses, and the clauses that cases cite and the spec does not have.

    ``excluded``: clause -> why no case can show it, or ``faults: NAME, NAME``: the trials that judge it instead.
    """
    cited: dict[str, list[Case]] = {}
    for case in cases:
        for id in case.clauses:
            cited.setdefault(id, []).append(case)
    rows = []
    for id, clause in clauses.items():
        if clause.level not in MUST or not {"reader", "writer", "checker"} & set(clause.duties):
            continue
        of = cited.get(id, [])
        need = ""
        if id in excluded:
            need = ", ".join(f"no fault trial {name}" for name in trials(excluded[id]) if name not in TRIALS)
        elif not of:
            need = "no case"
        elif clause.code.startswith("E_") and of and not any(_refuses(c, clause.code) for c in of):
            need = f"no case that wants {clause.code}"
        rows.append(Row(clause, tuple(c.id for c in of), need))
    return rows, sorted(set(cited) - set(clauses))


def trials(reason: str) -> list[str]:
    """The fault trials that a line of untraced.json names."""
    return reason.removeprefix("faults: ").split(", ") if reason.startswith("faults: ") else []


def _refuses(case: Case, code: str) -> bool:
    return any(code in (a.error, *a.also) for a in case.asks)
