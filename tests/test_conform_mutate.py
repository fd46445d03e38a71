"""Measuring the suite: which cases can tell a change, what is asked first, and runs that are taken up again."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "conformance")]

from lakebed_conform.cases import load_cases, select  # noqa: E402
from lakebed_conform.mutants import Fate, load_mutants, merged, mutants_folder, source_of  # noqa: E402
from lakebed_conform.mutate import Copy, Journal, mutate  # noqa: E402
from lakebed_conform.reach import chosen, function_at, reached  # noqa: E402

SOURCE = source_of(None)
MUTANTS = {m.id: m for m in load_mutants()}
TASKS = select(load_cases("1.0"), only=("chunk/end_magic", "stream/delta_rest*"))


def test_a_function_is_found_by_what_stands_in_it(tmp_path):
    lines = ["A = 1", "", "", "@wrapped", "def f():", "    def g():", "        return 2", "    return g", "", ""]
    (tmp_path / "m.py").write_text("\n".join([*lines, "@lru_cache", "def h():", "    return 3", ""]))
    assert function_at(tmp_path, "m.py", "return 2") == ("m.py", 6)
    assert function_at(tmp_path, "m.py", "    return g") == ("m.py", 4)
    assert function_at(tmp_path, "m.py", "A = 1") is None and function_at(tmp_path, "m.py", "return 3") is None


def test_only_cases_that_enter_a_function_can_tell_what_was_changed_in_it(tmp_path):
    (tmp_path / "base").mkdir()
    copy = Copy(SOURCE, tmp_path / "base")
    results, entered = reached(copy.spec, copy.root, "1.0", TASKS, tmp_path, 1)
    assert all(r is not None and r.status == "pass" for r in results)
    inside = MUTANTS["codecs/delta_rest"].patches
    can = chosen(copy.root, inside, entered)
    assert {TASKS[n][0].area for n in range(len(TASKS)) if can(n)} == {"stream"}
    anyone = chosen(copy.root, [("codecs/delta.py", "def decode", "def decode")], entered)
    assert all(anyone(n) for n in range(len(TASKS)))  # the line of a def is in no function
    assert not (tmp_path / "base" / "sitecustomize.py").exists()


def test_what_killed_last_time_is_asked_first_and_a_broken_run_goes_on(monkeypatch, tmp_path):
    source = tmp_path / "lakebed"
    shutil.copytree(SOURCE, source)
    chosen_ = [MUTANTS["trailer/magic_unread"], MUTANTS["trailer/major_unread"]]
    monkeypatch.setattr("lakebed_conform.mutate.select", lambda cases: select(cases, only=("chunk/*",)))
    last = {m.id: Fate(m.id, m.cls, m.clause, m.level, by="chunk/end_magic reader") for m in chosen_}
    seen: list[Fate] = []

    def broken(fate: Fate) -> None:
        seen.append(fate)
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        mutate(source, "1.0", chosen_, jobs=1, last=last, seen=broken)
    assert [(f.id, f.ran, f.by) for f in seen] == [("trailer/magic_unread", 1, "chunk/end_magic reader")]
    again: list[Fate] = []
    fates = mutate(source, "1.0", chosen_, jobs=1, last=last, resume=True, seen=again.append)
    assert [f.id for f in fates] == [m.id for m in chosen_] and all(f.by for f in fates)
    assert [f.id for f in again] == ["trailer/major_unread"]


def test_a_journal_is_of_one_source_and_one_set_of_mutants(tmp_path):
    some = list(MUTANTS.values())[:2]
    paths = {Journal(SOURCE, "1.0", some[:n], TASKS, compare).path for n in (1, 2) for compare in (True, False)}
    assert len(paths) == 4


def test_results_of_some_keep_those_of_the_others():
    one = MUTANTS["trailer/magic_unread"]
    fates = merged(mutants_folder(), [Fate(one.id, one.cls, one.clause, one.level, by="new")])
    assert len(fates) == len(MUTANTS) and next(f for f in fates if f.id == one.id).by == "new"
