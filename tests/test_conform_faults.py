"""The fault trials: each is there, each judges the clauses that name it, and a writer that gets it wrong is caught."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "conformance")]

from lakebed_conform import trace as tracing  # noqa: E402
from lakebed_conform.cases import load_cases  # noqa: E402
from lakebed_conform.faults import TRIALS, faults  # noqa: E402
from lakebed_conform.faults.traced import able, calls, judged  # noqa: E402
from lakebed_conform.mutants import load_mutants  # noqa: E402
from lakebed_conform.ports import find_port  # noqa: E402
from lakebed_conform.spec import clauses, spec_folder  # noqa: E402

UNTRACED = json.loads((ROOT / "conformance/cases/1.0/untraced.json").read_text())
NAMED = {clause: tracing.trials(reason) for clause, reason in UNTRACED.items() if tracing.trials(reason)}
ENV = {"PYTHONPATH": f"{ROOT / 'reference'}:{ROOT / 'conformance'}"}
LAKEBED = replace(find_port("lakebed"), env=ENV)


def test_a_clause_whose_trial_is_gone_is_not_traced(monkeypatch):
    known, cases = clauses(spec_folder("1.0")), load_cases("1.0")
    for name in {n for names in NAMED.values() for n in names}:
        monkeypatch.delitem(TRIALS, name)
        rows, _ = tracing.trace(known, cases, UNTRACED)
        lost = {r.clause.id for r in rows if name in r.need}
        monkeypatch.undo()
        assert lost == {clause for clause, names in NAMED.items() if name in names}


def test_every_clause_is_untraced_for_a_reason_that_holds():
    known, cases = clauses(spec_folder("1.0")), load_cases("1.0")
    rows, _ = tracing.trace(known, cases, {})
    assert [r.clause.id for r in rows if r.clause.id in UNTRACED and not r.need] == []
    assert len(UNTRACED) - len(NAMED) <= 24


def test_what_only_trials_judge_has_seeded_bugs():
    by_faults = {m.clause for m in load_mutants() if m.by == "faults"}
    bare = {"algo.commit.create", "htype.link.fetch", "safety.fetch", "safety.secret", "store.exclusive.unknown",
            "store.failure", "store.get.limit", "store.http", "store.read_only", "unit.short"}  # fmt: skip
    assert set(NAMED) - by_faults == bare


@pytest.mark.parametrize("name", [n for n in TRIALS if n not in ("killed", "file_size", "full_device", "two_writers")])
def test_the_reference_holds(name):
    found = list(faults(LAKEBED, quick=True, only=[name]))
    assert found and [f for f in found if f.ok is False] == []
    assert {f.trial for f in found} == {name}


ROOTS = Path("/r")
GOOD = """\
7 mkdir("/r/chunks", 0777) = 0
7 fsync(3</r>) = 0
7 openat(AT_FDCWD</>, "/r/chunks/.t", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3</r/chunks/.t>
7 fsync(3</r/chunks/.t>) = 0
7 mkdir("/r/chunks/12", 0777) = 0
7 fsync(3</r/chunks>) = 0
7 rename("/r/chunks/.t", "/r/chunks/12/12.chunk") = 0
7 fsync(3</r/chunks/12>) = 0
7 openat(AT_FDCWD</>, "/r/commits/main/.t", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3</r/commits/main/.t>
7 fsync(3</r/commits/main/.t>) = 0
7 link("/r/commits/main/.t", "/r/commits/main/0000000001.json") = 0
7 fsync(3</r/commits/main>) = 0"""


def test_the_right_order_of_calls_is_right():
    assert judged(GOOD.splitlines(), ROOTS) == []


@pytest.mark.parametrize("line", [2, 4, 6, 8, 10, 12])
def test_a_call_for_durability_that_is_left_out_is_told(line):
    lines = GOOD.splitlines()
    assert "fsync" in lines.pop(line - 1)
    assert judged(lines, ROOTS)


@pytest.mark.parametrize("old, new", [
    ('link("/r/commits', 'rename("/r/commits'),
    ('openat(AT_FDCWD</>, "/r/commits/main/.t"', 'openat(AT_FDCWD</>, "/r/commits/main/0000000001.json"'),
    ('openat(AT_FDCWD</>, "/r/chunks/.t"', 'openat(AT_FDCWD</>, "/r/chunks/12/12.chunk"'),
])  # fmt: skip
def test_what_is_not_exclusive_or_in_place_is_told(old, new):
    assert judged(GOOD.replace(old, new).splitlines(), ROOTS)


def test_calls_that_were_broken_off_are_put_together():
    lines = ['7 fsync(3</r/a> <unfinished ...>', '8 link("/r/x", "/r/y") = -1 EEXIST (File exists)',
             "7 <... fsync resumed>) = 0"]  # fmt: skip
    assert list(calls(lines)) == [("fsync", "3</r/a>")]


def test_the_trials_that_need_strace_are_tried_where_it_is():
    found = list(faults(LAKEBED, quick=True, only=["order"]))
    assert [f.ok for f in found] == ([True] if able() else [None])
