"""Failures that look alike, together: one fault shows in hundreds of cases, and the simplest of them tells most."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lakebed_conform.cases import Case
from lakebed_conform.results import Result

#: what a reader learns most from comes first
KINDS = ("valid", "write", "lossy", "migrate", "invalid", "hostile")
WORDS = {
    "crash": "crashes", "timeout": "gives no reply in time", "memory": "takes too much memory",
    "protocol": "breaks the protocol", "untestable": "cannot be tested here", "xpass": "passes though listed",
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """``results``: by case, the simplest case first. ``shared``: what all its cases have and not all cases have;
    ``telling``: clauses and features of which every case that was asked fails here, with their number."""

    symptom: str
    results: dict[str, list[Result]]
    shared: tuple[str, ...]
    telling: tuple[tuple[str, int], ...]

    @property
    def first(self) -> list[Result]:
        return next(iter(self.results.values()))

    @property
    def others(self) -> list[str]:
        return list(self.results)[1:]


def grouped(results: list[Result], cases: dict[str, Case]) -> list[Group]:
    """What is red or listed, by symptom; the group with the simplest case first."""
    rough: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for r in results:
        if r.red or r.status == "xfail":
            rough[symptom(r)][r.case].append(r)
    weight = {r.case: _weight(r, cases.get(r.case)) for r in results if r.red or r.status == "xfail"}
    traits = {r.case: traits_of(r, cases.get(r.case)) for r in results if r.executed}
    groups = []
    for words, found in rough.items():
        ordered = {id: found[id] for id in sorted(found, key=lambda id: weight[id])}
        groups.append(Group(words, ordered, *_common(list(ordered), traits)))
    return sorted(groups, key=lambda g: weight[g.first[0].case])


def symptom(r: Result) -> str:
    """Words that are the same for results that go wrong in the same way; numbers and places are left out."""
    listed = "as listed: " if r.status == "xfail" else ""
    if r.status in WORDS:
        why = "" if r.status in ("timeout", "xpass") else plain(r.cause or r.detail)
        return f"{listed}{WORDS[r.status]}" + (f": {why}" if why else "")
    if r.status == "xfail" and r.cause:
        return f"{listed}{WORDS['crash']}: {plain(r.cause)}"
    what = {"valid": "a valid dataset", "invalid": "an invalid dataset", "hostile": "a hostile dataset",
            "migrate": "a dataset to move"}.get(r.kind, "a script")  # fmt: skip
    if r.wanted == "accepted":
        clause = re.search(r" · ([a-z0-9_]+(?:\.[a-z0-9_]+)+)", r.detail)
        return f"{listed}{what} is refused: {r.got}" + (f" [{clause[1]}]" if clause else "")
    if r.wanted.startswith("E_") and r.got == "E_ANY":
        return f"{listed}{what} is refused without a diagnosis (E_ANY), where the spec has a code"
    if r.wanted.startswith("E_"):
        got = "it is let through" if r.got in ("accepted", "no finding") else f"it gets {r.got}"
        what = "a request" if r.kind == "valid" else what
        return f"{listed}{what} must be refused with {' or '.join(sorted(r.wanted.split(' or ')))}, and {got}"
    if r.wanted == "no finding":
        return f"{listed}{what} is said to be wrong: {r.got}"
    return f"{listed}{what}: {plain(r.manner or r.detail)}"


def plain(text: str) -> str:
    """``text`` without what differs from case to case: numbers, hex, lists, paths, quoted text unless it is a word."""
    text = re.sub(r"/(?:[\w.-]+/)+[\w.-]+", "…", text)
    text = re.sub(r"(['\"])(?![A-Za-z_. ]{1,24}\1).*?\1", "…", text)
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)", "…", text)
    text = re.sub(r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b", "#", text)
    return text[:140]


def _weight(r: Result, case: Case | None) -> tuple[bool, bool, int, int, int, str]:
    """Small for what is basic: MUST, valid, few features, few bytes."""
    size = sum(p.stat().st_size for p in _files(case)) if case else 0
    asks = r.kind == "valid" and r.wanted.startswith("E_")  # a valid dataset, asked for what it does not have
    kind = KINDS.index("invalid" if asks else r.kind)
    return r.status == "xfail", r.level != "must", kind, len(r.features), size, r.case


def _files(case: Case) -> list[Path]:
    found = [*case.dataset.rglob("*")] if case.dataset.is_dir() else []
    return [p for p in [*found, *case.folder.glob("in.*"), *case.folder.glob("script.json")] if p.is_file()]


def traits_of(r: Result, case: Case | None) -> frozenset[str]:
    """What a case is about: features, clauses, the dtype that is read or written."""
    dtypes = {(a.want or {}).get("dtype") for a in case.asks} if case else set()
    return frozenset((*r.features, *(f"dtype {d}" for d in dtypes if d), *(f"[{c}]" for c in r.clauses)))


def _common(
    failing: list[str], traits: dict[str, frozenset[str]]
) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
    """What all failing cases have (the rarest first) and not every case has; what only failing cases have."""
    mine = [traits.get(id, frozenset()) for id in failing]
    here = set(failing)
    owners: dict[str, list[str]] = defaultdict(list)
    for id, names in traits.items():
        for name in names:
            owners[name].append(id)
    some = [name for name in frozenset.intersection(*mine) if len(owners[name]) < len(traits)]
    shared = sorted(some, key=lambda name: (len(owners[name]), name))
    telling = [(n, len(ids)) for n, ids in owners.items() if len(ids) > 1 and here.issuperset(ids)]
    return tuple(shared), tuple(sorted(telling, key=lambda t: (-t[1], t[0])))
