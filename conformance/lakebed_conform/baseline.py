"""Known failures of a port, strict both ways: a listed case that passes is red, and so is a stale entry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.protocol import wrong
from lakebed_conform.results import Result

Known = dict[tuple[str, str], dict[str, Any]]


def read_baseline(path: Path) -> Known:
    """Entries by (case, role). Raises SuiteError for a damaged file."""
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise SuiteError(f"baseline {path}: {e}") from None
    if problem := wrong("baseline", said):
        raise SuiteError(f"baseline {path}: {problem}")
    known = {(k["case"], k["role"]): k for k in said["known"]}
    if len(known) != len(said["known"]):
        raise SuiteError(f"baseline {path}: a case stands in it twice")
    return known


def apply_baseline(result: Result, known: Known) -> Result:
    """xfail for the failure that is listed, xpass for a listed case that passes; another failure stays what it is."""
    entry = known.get((result.case, result.role))
    if entry is None or result.status == "skip":
        return result
    if result.status == "pass":
        return replace(result, status="xpass", detail=f"passes, but the baseline lists it: {entry['why']}")
    same = result.status == entry["status"] and result.detail.startswith(entry.get("detail", ""))
    if same:
        return replace(result, status="xfail", detail=f"{entry['why']} ({result.detail})")
    return replace(result, detail=f"{result.detail} (the baseline lists another failure: {entry['status']})")


def stale(known: Known, cases: set[tuple[str, str]], results: list[Result]) -> list[str]:
    """Entries that name no case of this format, or one that the port is not asked; with the reason."""
    skipped = {(r.case, r.role): r.detail for r in results if r.status == "skip"}
    gone = [f"{case} as {role}: no such case" for case, role in sorted(known) if (case, role) not in cases]
    idle = sorted(known.keys() & skipped)
    return gone + [f"{case} as {role}: not asked, {skipped[case, role]}" for case, role in idle]


def as_baseline(port: str, results: list[Result], why: str) -> dict[str, Any]:
    """A baseline that lists every failure of ``results``."""
    red = [r for r in results if r.status in ("fail", "crash", "timeout", "memory", "protocol", "untestable")]
    known = [{"case": r.case, "role": r.role, "status": r.status, "why": why} for r in red]
    return {"baseline": 1, "port": port, "known": known}
