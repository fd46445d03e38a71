"""Picking cases by words that people type: a word that names nothing is said, with what is near to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.cases import Case, select


def picked(cases: list[Case], **picks: Any) -> list[tuple[Case, str]]:
    """As :func:`lakebed_conform.cases.select`. Raises SuiteError when a pick matches nothing, alone or with others."""
    ids = [c.id for c in cases]
    for glob in picks.get("only") or ():
        if not any(fnmatchcase(id, glob) for id in ids):
            areas = {f"{c.area}/*" for c in cases}
            raise SuiteError(f"--only {glob} matches no case{near(glob, [*ids, *areas])}; see `lakebed-conform list`")
    clauses = {clause for c in cases for clause in c.clauses}
    if (glob := picks.get("clause")) and not any(fnmatchcase(clause, glob) for clause in clauses):
        raise SuiteError(f"--clause {glob} matches no clause that a case shows{near(glob, clauses)}")
    known = json.loads((Path(__file__).parent / "features.json").read_text())
    if (feature := picks.get("feature")) and feature not in known:
        raise SuiteError(f"--feature {feature} is no feature{near(feature, known)}; see features.json")
    tasks = select(cases, **picks)
    if not tasks:
        given = {name: value if isinstance(value, tuple) else (value,) for name, value in picks.items() if value}
        said = " ".join(f"--{name} {word}" for name, words in given.items() for word in words)
        raise SuiteError(f"no case is all of: {said}")
    return tasks


def near(word: str, names: Iterable[str]) -> str:
    """"; did you mean a, b?", or nothing when no name is near."""
    found = get_close_matches(word, list(names), n=3, cutoff=0.6)
    return f"; did you mean {', '.join(found)}?" if found else ""
