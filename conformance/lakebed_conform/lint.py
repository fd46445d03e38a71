"""Lint: every case is what it claims to be, by the suite's own checker and reader, without any port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakebed_conform.casebook import Book, all_entries
from lakebed_conform.casebook.__main__ import frozen
from lakebed_conform.cases import Ask, Case, cases_folder, dataset_tree, digest, load_cases, repaired_tree
from lakebed_conform.checker import Broken, check_tree, open_state
from lakebed_conform.judge import tensor_values
from lakebed_conform.protocol import wrong
from lakebed_conform.single import differing
from lakebed_conform.spec import clauses, spec_folder


@dataclass(frozen=True)
class Trouble:
    case: str
    what: str

    def __str__(self) -> str:
        return f"{self.case}: {self.what}"


def lint(format: str, root: Path | None = None) -> list[Trouble]:
    """Everything that is wrong with the cases of ``format``; an empty list is clean."""
    root = root or cases_folder()
    cases = load_cases(format, root)
    known = spec_folder(format)
    ids = set(clauses(known)) if known else None
    found = [t for case in cases for t in _case(case, ids)]
    return found + list(_frozen(root, format, cases)) + list(_casebook(format, cases))


def _case(case: Case, ids: set[str] | None) -> Iterator[Trouble]:
    for clause in case.clauses if ids is not None else ():
        if clause not in ids:
            yield Trouble(case.id, f"clause {clause} is not in the spec")
    for feature in case.features:
        if feature not in features():
            yield Trouble(case.id, f"feature {feature} is not in features.json")
    if any(a.op == "write" for a in case.asks):
        yield from _script(case)
    elif case.dataset.is_dir() and any(a.op not in ("recover", "migrate") for a in case.asks):
        yield from (_invalid(case) if case.fault else _valid(case))


def features() -> dict[str, str]:
    return json.loads((Path(__file__).parent / "features.json").read_text())


def _script(case: Case) -> Iterator[Trouble]:
    for ask in (a for a in case.asks if a.op == "write"):
        script = json.loads(case.raw(ask.with_["script"]))
        if problem := wrong("script", script):
            yield Trouble(case.id, f"script.json: {problem}")
        for name in _names(script):
            if not (case.folder / name).is_file():
                yield Trouble(case.id, f"script.json names {name}, which is absent")


def _names(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, v in value.items():
            if key in ("raw", "file") and isinstance(v, str):
                yield v
            else:
                yield from _names(v)
    elif isinstance(value, list):
        for v in value:
            yield from _names(v)


def _valid(case: Case) -> Iterator[Trouble]:
    tree = dataset_tree(case)
    faults = [f for f in check_tree(tree) if not f.note and f.code != "E_EXTRA_MISSING"]
    if faults and not any(a.error for a in case.asks):
        yield Trouble(case.id, f"a valid dataset in which the checker finds {faults[0]}")
        return
    for ask in case.asks:
        whole = ask.want and ask.op == "read" and not {"first", "list", "tag", "region", "at_time"} & set(ask.with_)
        if whole and ask.want.get("rule", "exact") == "exact":
            yield from _values(case, tree, ask)


def _values(case: Case, tree: dict[str, bytes], ask: Ask) -> Iterator[Trouble]:
    at = ask.with_
    try:
        state = open_state(tree, at.get("branch", "main"), int(at["number"]) if "number" in at else None)
        samples = state.read(at["tensor"])
    except Broken as e:
        yield Trouble(case.id, f"the suite's own reader: {e.finding('')}")
        return
    verdict = tensor_values(case, ask.want, samples)
    unable = any(word in verdict.detail for word in ("media codec", "E_CODEC_UNSUPPORTED", "E_EXTRA_MISSING"))
    if not verdict.ok and not unable:
        yield Trouble(case.id, f"{at['tensor']}: the bytes do not hold the values wanted: {verdict.detail}")


def _invalid(case: Case) -> Iterator[Trouble]:
    bad, twin = dataset_tree(case), repaired_tree(case)
    if faults := [f for f in check_tree(twin) if not f.note]:
        yield Trouble(case.id, f"the repaired twin is not valid: {faults[0]}")
    right = {c for a in case.asks if a.error for c in (a.error, *a.also)}
    findings = check_tree(bad)
    found = {f.code for f in findings if not f.note}
    if not found and any(f.clause == "codec.unknown" for f in findings):
        pass  # a file of a format that this checker does not walk: the twin and the one field are what can be proved
    elif not found:
        yield Trouble(case.id, f"the checker finds nothing; wanted {', '.join(sorted(right))}")
    elif found - right:
        yield Trouble(case.id, f"the checker finds {', '.join(sorted(found))}; wanted {', '.join(sorted(right))}")
    fields = differing(bad, twin)
    if len(fields) != 1 and not case.fault.get("why"):
        yield Trouble(case.id, f"{len(fields)} fields differ from the twin ({', '.join(fields)}) and no why is given")


def _frozen(root: Path, format: str, cases: list[Case]) -> Iterator[Trouble]:
    known = frozen(root, format)
    for case in cases:
        if case.id in known and known[case.id] != digest(case):
            yield Trouble(case.id, "its files differ from those that were released")


def _casebook(format: str, cases: list[Case]) -> Iterator[Trouble]:
    """What the casebook lays is what is committed, compressed streams aside; nothing is missing."""
    on_disk = {c.id: c for c in cases}
    for entry in all_entries():
        if entry.format != format:
            continue
        case = on_disk.get(entry.id)
        if case is None:
            yield Trouble(entry.id, "is in the casebook and was never laid: python -m lakebed_conform.casebook")
        elif entry.origin != "library":
            files = Book(entry).lay()
            there = {p.relative_to(case.folder).as_posix() for p in case.folder.rglob("*") if p.is_file()}
            if there != set(files) or any((case.folder / n).read_bytes() != d for n, d in files.items()):
                yield Trouble(entry.id, "the casebook lays other bytes than are committed")
