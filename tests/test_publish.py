"""Publishing: the exclusive create and its races, rebase, sealing, branches, tags, diff."""

from __future__ import annotations

import multiprocessing
import random
import threading
from dataclasses import replace
from time import perf_counter

import pytest

from lakebed import names, seal
from lakebed.compare import attributes, diff
from lakebed.errors import ConflictError, LakebedError, NotFoundError, StoreError, UnsupportedError, error
from lakebed.format.commit import encode_commit
from lakebed.history import load, log, newest, table, tags
from lakebed.model import Commit, ManifestRef
from lakebed.publish import GRACE, close_branch, create_branch, create_tag, delete_tag, publish
from lakebed.rebase import rebase
from lakebed.slices import SliceTable, concatenate
from lakebed.stores import LocalStore, MemoryStore
from small import START, Clock, Wrapped, chain, commit, document, expanded, grown, ids, state, tensor, words
from small import table as slices


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "ds", writable=True)


def rows(store, loaded, name="x"):
    return expanded(table(store, name, loaded.commit.tensors[name]))


def raises(code):
    return pytest.raises(LakebedError, match=rf"\[{code} ")


# --- the create ------------------------------------------------------------------------------------------------------


def test_a_commit_is_filled_in_and_the_hint_is_its_copy(store):
    clock = Clock()
    first = commit(store, None, state(x=tensor(("a", 0, 5))), clock=clock)
    assert (first.commit.number, first.commit.parent, first.commit.time) == (1, None, "2026-09-21T14:13:20Z")
    clock.now -= 3600
    second = commit(store, first, replace(first.commit, message="later"), clock=clock)
    assert (second.commit.number, second.commit.parent) == (2, first.ref)
    assert second.commit.time == first.commit.time  # the clock ran backwards
    assert store.get(names.hint_key("main")) == store.get(names.commit_key("main", 2))
    assert load(store, "main", 2) == second == newest(store, "main")


def test_nothing_is_committed_that_no_reader_would_open(store):
    base = commit(store, None, state(x=tensor(("a", 0, 5))))
    with raises("E_LENGTH"):
        commit(store, base, replace(base.commit, length=6))
    with raises("E_COMMIT_FIELD"):
        commit(store, base, base.commit, make_id=lambda: "not an id")
    assert newest(store, "main") == base


def test_the_same_bytes_read_back_are_success(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)
    seen.after["put_new"] = lambda key, data: (_ for _ in ()).throw(error("E_COMMIT_UNKNOWN", "x.y", "timeout"))
    made = commit(seen, base, replace(base.commit, message="m"))
    assert made.commit.number == 2 and newest(store, "main") == made
    assert seen.count("put_new") == 1


def test_a_lost_reply_and_a_retry_inside_the_store(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)
    seen.before["put_new"] = lambda key, data: store.put_new(key, data)  # then the store's own retry meets itself
    assert commit(seen, base, replace(base.commit, message="m")).commit.number == 2
    assert [step.ref.number for step in log(store, newest(store, "main"))] == [2, 1]


def test_equal_ids_with_other_bytes_are_not_success(store):
    base = chain(store, 1)[0]
    same = {"make_id": lambda: "7" * 32, "clock": Clock()}
    mine, theirs = (grown(base.commit, x=((word, 0, 1),)) for word in ("m", "t"))
    commit(store, base, theirs, **same)
    made = commit(store, base, mine, **same)
    assert made.commit.number == 3
    assert rows(store, made) == words(("a", 0, 1), ("t", 0, 1), ("m", 0, 1))


def test_a_timeout_that_leaves_nothing_is_unknown(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)

    def timeout(key, data):
        raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", "timeout", object=key)

    seen.before["put_new"] = timeout
    with pytest.raises(StoreError) as caught:
        commit(seen, base, replace(base.commit, message="m"))
    assert caught.value.code == "E_COMMIT_UNKNOWN"
    puts = [call for call in seen.calls if call[0] == "put_new"]
    assert set(puts) == {("put_new", names.commit_key("main", 2))}  # the same number, never the next
    assert newest(store, "main") == base


def test_a_timeout_whose_put_lands_later_is_found_to_be_success(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)
    under_way = []

    def late(key, data):
        if not under_way:
            under_way.append(data)
            raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", "timeout", object=key)
        store.put_new(key, under_way[0])  # the first one arrives just before the second

    seen.before["put_new"] = late
    assert commit(seen, base, grown(base.commit, x=(("b", 0, 1),))).commit.number == 2
    assert newest(store, "main").commit.length == 2


def test_a_timeout_and_another_writer_first(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)

    def timeout(key, data):
        seen.before.clear()
        commit(store, base, grown(base.commit, x=(("t", 0, 1),)))
        raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", "timeout", object=key)

    seen.before["put_new"] = timeout
    made = commit(seen, base, grown(base.commit, x=(("m", 0, 1),)))
    assert rows(store, made) == words(("a", 0, 1), ("t", 0, 1), ("m", 0, 1))


def test_unreadable_after_a_timeout_is_unknown(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)

    def down(key, *_):
        raise error("E_STORE", "store.failure", "the network is gone", object=key)

    def timeout(key, data):
        seen.before["get"] = down
        raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", "timeout", object=key)

    seen.before["put_new"] = timeout
    with raises("E_COMMIT_UNKNOWN"):
        commit(seen, base, replace(base.commit, message="m"))


def test_a_refused_create_is_plain_failure_and_the_hint_may_fail(store):
    base = chain(store, 1)[0]
    seen = Wrapped(store)

    def full(key, *_):
        raise error("E_STORE", "store.failure", "no space left", object=key)

    seen.before["put_new"] = full
    with raises("E_STORE"):
        commit(seen, base, replace(base.commit, message="m"))
    seen.before = {"put": full}
    assert commit(seen, base, replace(base.commit, message="m")).commit.number == 2
    assert newest(store, "main").commit.number == 2


def test_a_slow_writer_uploads_again(store):
    base = chain(store, 1)[0]
    clock = Clock(START + GRACE / 2)
    again = []
    commit(store, base, base.commit, clock=clock, upload_again=lambda: again.append(clock.now))
    assert again == []
    head = newest(store, "main")
    clock.now += 1
    commit(store, head, head.commit, clock=clock, upload_again=lambda: again.append(clock.now))
    assert len(again) == 1


def test_a_writer_that_grows_old_while_it_rebases_uploads_again(store):
    base = chain(store, 1)[0]
    clock = Clock()
    again = []
    seen = Wrapped(store)

    def another(key, data):
        seen.before.clear()
        commit(store, base, grown(base.commit, x=(("t", 0, 1),)))
        clock.now += GRACE

    seen.before["put_new"] = another
    commit(seen, base, grown(base.commit, x=(("m", 0, 1),)), clock=clock, upload_again=lambda: again.append(1))
    assert again == [1]


def test_what_this_writer_does_not_know_it_does_not_write_on(store):
    base = chain(store, 1)[0]
    data, head = document("main", 2, parent=base.ref, requires_write=("row-ids",))
    store.put_new(names.commit_key("main", 2), data)
    assert newest(store, "main").ref == head.ref  # reading is allowed
    for start in (head, base):
        with pytest.raises(UnsupportedError, match="row-ids") as caught:
            commit(store, start, replace(start.commit, message="m", requires_write=()))
        assert caught.value.code == "E_REQUIRES_WRITE"


def test_an_invalid_commit_in_the_way_is_reported(store):
    base = chain(store, 1)[0]
    store.put(names.commit_key("main", 2), b"torn")
    with raises("E_JSON_CRC"):
        commit(store, base, replace(base.commit, message="m"))


def test_without_rebase_any_other_commit_is_a_conflict(store):
    base = chain(store, 1)[0]
    commit(store, base, grown(base.commit, x=(("t", 0, 1),)))
    with raises("E_CONFLICT"):
        commit(store, base, grown(base.commit, x=(("m", 0, 1),)), rebase=False)


# --- many writers ----------------------------------------------------------------------------------------------------


def append_many(store, who: str, count: int) -> None:
    make_id = ids()
    base = newest(store, "main", exact=True)
    for i in range(count):
        mine = grown(base.commit, x=((f"{who}{i}", 0, 2),))
        publish(store, base, mine, clock=Clock(), make_id=lambda: make_id()[8:] + f"{ord(who):08x}", started=START)
        if i % 3 == 2:  # else it goes on from an old base, and has to be rebased over its own commits as well
            base = newest(store, "main", exact=True)
        else:
            base = load(store, "main", newest(store, "main").ref.number)


def all_there(store, writers: str, count: int) -> None:
    head = newest(store, "main")
    found = rows(store, head)
    expected = [row for who in writers for i in range(count) for row in words((f"{who}{i}", 0, 2))]
    assert len(found) == len(expected) + 1
    assert set(found[1:]) == set(expected)
    assert found[1::2] == [(name, 0) for name, _ in found[1::2]]  # pairs stayed together
    assert [step.ref.number for step in log(store, head)] == list(range(len(writers) * count + 1, 0, -1))
    for who in writers:  # each writer's rows stand in the order it wrote them
        places = [found.index(words((f"{who}{i}", 0, 1))[0]) for i in range(count)]
        assert places == sorted(places)


def test_threads_that_append_lose_nothing(store):
    commit(store, None, state(x=tensor(("start", 0, 1))))
    failures = []

    def run(who):
        try:
            append_many(store, who, 12)
        except Exception as exc:  # handed to the test's own thread
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(who,)) for who in "pqr"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    all_there(store, "pqr", 12)


def test_processes_that_append_lose_nothing(tmp_path):
    store = LocalStore(tmp_path / "ds", writable=True)
    commit(store, None, state(x=tensor(("start", 0, 1))))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(store, who, 10)) for who in "pq"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    all_there(store, "pq", 10)


# --- rebase ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def base():
    start = state(x=tensor(("a", 0, 4)), y=tensor(("b", 0, 4), attributes={"k": 1}), attributes={"owner": "me", "n": 1})
    return replace(start, number=3)


def merged(base, mine, theirs, store=None):
    made = rebase(store or MemoryStore(), base, mine, replace(theirs, number=4))
    for one in made.tensors.values():
        assert sum(ref.samples for ref in one.manifests) + len(one.own.runs) == made.length
        assert one.own.used() == one.own
    return made


def changed(commit: Commit, **tensors) -> Commit:
    return replace(commit, tensors={**commit.tensors, **tensors})


def conflict(base, mine, theirs, *said):
    with pytest.raises(ConflictError) as caught:
        merged(base, mine, theirs)
    assert caught.value.code == "E_CONFLICT"
    for word in said:
        assert word in str(caught.value)
    return str(caught.value)


def test_both_appended_theirs_first(base):
    made = merged(base, grown(base, x=(("m", 0, 2),), y=(("n", 0, 2),)), grown(base, x=(("t", 0, 1),)))
    assert expanded(made.tensors["x"]) == words(("a", 0, 4), ("t", 0, 1), ("m", 0, 2))
    assert expanded(made.tensors["y"]) == words(("b", 0, 4), (None, 0, 1), ("n", 0, 2))
    assert made.length == 7


def test_how_slices_are_cut_is_no_change(base):
    theirs = grown(changed(base, x=tensor(("a", 0, 1), ("a", 1, 2), ("a", 3, 1))), x=(("t", 0, 1),))
    made = merged(base, grown(base, x=(("m", 0, 1),)), theirs)
    assert expanded(made.tensors["x"]) == words(("a", 0, 4), ("t", 0, 1), ("m", 0, 1))


@pytest.mark.parametrize("who", ["mine", "theirs"])
def test_a_tensor_added_by_one_side_is_missing_in_the_others_rows(base, who):
    adds = grown(changed(base, z=tensor((None, 0, 4))), x=(("m", 0, 2),), z=(("z", 0, 2),))
    other = grown(base, x=(("t", 0, 3),))
    if who == "mine":
        made = merged(base, adds, other)
        assert expanded(made.tensors["z"]) == words((None, 0, 7), ("z", 0, 2))
    else:
        made = merged(base, other, adds)
        assert expanded(made.tensors["z"]) == words((None, 0, 4), ("z", 0, 2), (None, 0, 3))


def test_a_tensor_added_with_values_for_old_rows(base):
    mine = changed(base, z=tensor(("z", 0, 4)))
    made = merged(base, mine, grown(base, x=(("t", 0, 3),)))
    assert expanded(made.tensors["z"]) == words(("z", 0, 4), (None, 0, 3))
    deleted = replace(base, length=3, tensors={k: replace(v, own=slices((k, 1, 3))) for k, v in base.tensors.items()})
    conflict(base, mine, deleted, "rows")


def test_both_started_the_same_empty_dataset():
    start = state()
    mine, theirs = (state(x=tensor((word, 0, 2))) for word in "mt")
    assert expanded(merged(start, mine, theirs).tensors["x"]) == words(("t", 0, 2), ("m", 0, 2))
    conflict(start, mine, state(x=tensor(("t", 0, 2), dtype="int32")), "'x'", "added on both sides")
    conflict(start, state(a=tensor(("m", 0, 2))), state(a__b=tensor(("t", 0, 2))), "'a'", "group")


def test_updates_of_different_tensors_go_together_and_with_appends(base):
    mine = changed(base, x=tensor(("a", 0, 1), ("m", 0, 1), ("a", 2, 2)))
    theirs = changed(base, y=tensor(("t", 0, 1), ("b", 1, 3)))
    made = merged(base, mine, theirs)
    assert expanded(made.tensors["x"]) == expanded(mine.tensors["x"])
    assert expanded(made.tensors["y"]) == expanded(theirs.tensors["y"])
    made = merged(base, grown(mine, x=(("n", 0, 1),)), grown(theirs, x=(("u", 0, 1),), y=(("v", 0, 1),)))
    assert expanded(made.tensors["x"]) == words(("a", 0, 1), ("m", 0, 1), ("a", 2, 2), ("u", 0, 1), ("n", 0, 1))
    assert expanded(made.tensors["y"]) == words(("t", 0, 1), ("b", 1, 3), ("v", 0, 1), (None, 0, 1))


def test_updates_of_one_tensor_are_a_conflict_that_names_it(base):
    mine = changed(base, x=tensor(("m", 0, 1), ("a", 1, 3)), y=tensor(("m", 1, 1), ("b", 1, 3)))
    theirs = changed(base, x=tensor(("a", 0, 3), ("t", 0, 1)))
    assert "'y'" not in conflict(base, mine, theirs, "tensor 'x' (rows)", "commit 4 of branch main")


@pytest.mark.parametrize(
    "cut",
    [
        {"x": (("a", 1, 3),), "y": (("b", 1, 3),)},  # deleted at the front
        {"x": (("a", 0, 3),), "y": (("b", 0, 3),)},  # deleted at the end
        {"x": (("a", 0, 2), ("i", 0, 1), ("a", 2, 2)), "y": (("b", 0, 2), (None, 0, 1), ("b", 2, 2))},  # inserted
        {"x": (("a", 1, 3), ("m", 0, 1)), "y": (("b", 1, 3), ("m", 1, 1))},  # deleted and appended: the same length
    ],
)
def test_moved_rows_go_only_with_a_side_that_changed_no_rows(base, cut):
    moved = state(**{k: replace(base.tensors[k], own=slices(*v)) for k, v in cut.items()}, attributes=base.attributes)
    quiet = replace(changed(base, z=tensor((None, 0, 4))), attributes={"owner": "you", "n": 1})
    for pair in ((moved, quiet), (quiet, moved)):
        made = merged(base, *pair)
        assert made.length == moved.length and made.attributes["owner"] == "you"
        assert expanded(made.tensors["x"]) == words(*cut["x"])
        assert expanded(made.tensors["z"]) == [None] * moved.length
    for other in (grown(base, x=(("t", 0, 1),)), changed(base, y=tensor(("t", 0, 1), ("b", 1, 3)))):
        conflict(base, moved, other, "'y'" if other.length == 4 else "'x'")
        conflict(base, other, moved, "'y'" if other.length == 4 else "'x'")


def test_a_deletion_that_an_all_missing_tensor_cannot_show(base):
    """Rows 0 deleted and one appended: y, all missing, looks untouched, yet its rows have moved with the others."""
    blank = changed(base, y=tensor((None, 0, 4)))
    moved = changed(blank, x=tensor(("a", 1, 3), ("m", 0, 1)))
    filled = changed(blank, y=tensor((None, 0, 2), ("t", 0, 1), (None, 0, 1)))
    conflict(blank, filled, moved, "rows")
    conflict(blank, moved, filled, "rows")


def test_removed_tensors(base):
    removed = replace(base, tensors={"x": base.tensors["x"]})
    assert list(merged(base, removed, grown(base, x=(("t", 0, 1),))).tensors) == ["x"]
    assert list(merged(base, grown(base, x=(("t", 0, 1),)), removed).tensors) == ["x"]
    assert list(merged(base, removed, removed).tensors) == ["x"]
    for other in (
        grown(base, y=(("t", 0, 1),)),
        changed(base, y=replace(base.tensors["y"], attributes={"k": 2})),
        changed(base, y=tensor(("t", 0, 1), ("b", 1, 3), attributes={"k": 1})),
    ):
        conflict(base, removed, other, "'y'", "removed")
        conflict(base, other, removed, "'y'", "removed")


def test_renamed_tensor_and_rows_of_another(base):
    renamed = replace(base, tensors={"x": base.tensors["x"], "w": base.tensors["y"]})
    made = merged(base, renamed, grown(base, x=(("t", 0, 1),)))
    assert expanded(made.tensors["w"]) == words(("b", 0, 4), (None, 0, 1)) and "y" not in made.tensors
    conflict(base, renamed, grown(base, y=(("t", 0, 1),)), "'y'")


def test_metadata_merges_key_by_key(base):
    def with_y(**members):
        return changed(base, y=replace(base.tensors["y"], **members))

    mine = replace(with_y(attributes={"k": 1, "m": True}), attributes={"owner": "you", "n": 1}, extra={"u": 1})
    theirs = replace(
        with_y(attributes={"k": 2}, write={"unit": {"items": 1}}), attributes={"owner": "me", "n": 2, "o": 3}
    )
    made = merged(base, mine, theirs)
    assert made.attributes == {"owner": "you", "n": 2, "o": 3} and made.extra == {"u": 1}
    assert made.tensors["y"].attributes == {"k": 2, "m": True} and made.tensors["y"].write == {"unit": {"items": 1}}
    gone = merged(base, replace(base, attributes={"n": 1}), theirs)
    assert gone.attributes == {"n": 2, "o": 3}
    assert merged(base, with_y(attributes={"k": 5}), with_y(attributes={"k": 5})).tensors["y"].attributes == {"k": 5}
    said = conflict(
        base,
        replace(with_y(attributes={"k": 5}), attributes={"owner": "a", "n": 1}),
        replace(with_y(attributes={"k": 6}), attributes={"owner": "b", "n": 1}),
        "tensor 'y' (attribute 'k')",
        "attribute 'owner'",
    )
    assert "'n'" not in said and "'x'" not in said
    conflict(
        base, with_y(attributes={"k": 1.0}), with_y(attributes={"k": True}), "'k'"
    )  # 1, 1.0 and true are three values


def test_a_new_shape_against_rows_of_the_old(base):
    tighter = changed(base, x=replace(base.tensors["x"], shape=(3,)))
    conflict(base, tighter, grown(base, x=(("t", 0, 1),)), "'x'", "shape")
    conflict(base, grown(base, x=(("t", 0, 1),)), tighter, "'x'", "shape")
    made = merged(base, grown(base, y=(("t", 0, 1),)), tighter)
    assert made.tensors["x"].shape == (3,) and made.length == 5


def test_their_closing_ends_it_and_ours_goes_on(base):
    with raises("E_BRANCH_CLOSED"):
        rebase(MemoryStore(), base, base, replace(base, closed=True))
    made = merged(base, replace(base, closed=True), grown(base, x=(("t", 0, 1),)))
    assert made.closed and made.length == 5


def test_random_appends_and_updates_against_the_slow_truth():
    rng = random.Random(5)
    for round_ in range(150):
        n = rng.randrange(0, 9)
        start = state(x=tensor(*slicing(rng, "a", n)), y=tensor(*slicing(rng, "b", n)))
        sides = [grown(start, x=((f"{who}{round_}", 0, rng.randrange(1, 4)),)) for who in "mt"]
        theirs = sides[1]
        if n and rng.random() < 0.5:  # update one sample of y in place
            row = rng.randrange(n)
            y = theirs.tensors["y"].own
            new = slices((f"u{round_}", 0, 1))
            parts = [
                SliceTable(y.chunks, y.runs.cut(0, row)),
                new,
                SliceTable(y.chunks, y.runs.cut(row + 1, len(y.runs))),
            ]
            theirs = changed(theirs, y=replace(theirs.tensors["y"], own=concatenate(parts).used()))
        made = merged(start, sides[0], theirs)
        for name in "xy":
            triple = [expanded(c.tensors[name]) for c in (start, sides[0], theirs)]
            truth = triple[2] + triple[1][n:]
            assert expanded(made.tensors[name]) == truth


def slicing(rng, word, count):
    """``count`` samples of one chunk in order, cut at random places."""
    at, out = 0, []
    while at < count:
        step = rng.randrange(1, count - at + 1)
        out.append((word, at, step))
        at += step
    return out


# --- sealing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(seal, "BUDGET", 2048)


def test_a_small_commit_is_not_sealed(store):
    made = commit(store, None, state(x=tensor(*((f"c{i}", 0, 1) for i in range(1000)))))
    assert made.commit.tensors["x"].manifests == ()


def test_a_large_commit_is_sealed_and_reads_the_same(store):
    whole = tensor(*((f"c{i}", 0, 1) for i in range(8000)))
    made = commit(store, None, state(x=whole, y=tensor((None, 0, 8000))))
    assert made.size < seal.BUDGET / 2
    (ref,) = made.commit.tensors["x"].manifests
    assert store.size(names.manifest_key(ref.sha256)) == ref.bytes
    assert rows(store, made) == expanded(whole)
    assert made.commit.tensors["y"].manifests == ()


def test_a_thousand_small_commits_keep_few_manifests(store, tiny):
    base = commit(store, None, state(x=tensor(), y=tensor()))
    most = 0
    for i in range(300):
        base = commit(store, base, grown(base.commit, x=((f"c{i}", 0, 1),)))
        most = max(most, len(base.commit.tensors["x"].manifests))
        assert base.size < 2 * 2048 + 1500
    assert 1 <= most <= 6
    assert rows(store, base) == [word for i in range(300) for word in words((f"c{i}", 0, 1))]
    assert rows(store, base, "y") == [None] * 300


def test_a_table_too_long_for_one_manifest_is_split(store, tiny, monkeypatch):
    monkeypatch.setattr(seal, "PIECE", 100)
    monkeypatch.setattr(seal, "LARGEST", 9_000)
    whole = tensor(*((f"c{i}", 0, 2) for i in range(250)))
    made = commit(store, None, state(x=whole))
    refs = made.commit.tensors["x"].manifests
    assert [ref.samples for ref in refs] == [200, 200, 100]
    assert rows(store, made) == expanded(whole)


def test_rebase_over_what_the_other_writer_sealed_and_merged(store, tiny):
    base = commit(store, None, state(x=tensor(*((f"c{i}", 0, 1) for i in range(15)))))
    mine = grown(base.commit, x=(("m", 0, 3),))
    head = base
    for i in range(60):
        head = commit(store, head, grown(head.commit, x=((f"t{i}", 0, 1),)))
    assert head.commit.tensors["x"].manifests and not base.commit.tensors["x"].manifests
    made = commit(store, base, mine)
    assert rows(store, made) == rows(store, head) + words(("m", 0, 3))
    assert made.commit.tensors["x"].manifests[:1] == head.commit.tensors["x"].manifests[:1]
    late = commit(store, head, changed(head.commit, x=update(store, head, 2)))  # an update far back, in a manifest
    assert rows(store, late)[2] == words(("u", 0, 1))[0]
    assert rows(store, late)[3:] == rows(store, made)[3:]


def update(store, head, row):
    old = table(store, "x", head.commit.tensors["x"])
    parts = [SliceTable(old.chunks, old.runs.cut(0, row)), slices(("u", 0, 1))]
    parts.append(SliceTable(old.chunks, old.runs.cut(row + 1, len(old.runs))))
    return replace(head.commit.tensors["x"], manifests=(), own=concatenate(parts).used())


def test_manifests_are_written_even_when_they_are_there(store, tiny):
    mine = state(x=tensor(*((f"c{i}", 0, 1) for i in range(60))))
    made = commit(store, None, mine)
    key = names.manifest_key(made.commit.tensors["x"].manifests[0].sha256)
    whole = store.get(key)
    store.put(key, whole[:30])  # torn by a writer that was killed, on a store that lets this happen
    commit(store, None, replace(mine, branch="again"))
    assert store.get(key) == whole


# --- branches and tags -----------------------------------------------------------------------------------------------


def test_a_branch_is_a_copy_with_a_parent(store):
    made = chain(store, 3)
    side = create_branch(store, "side", made[1], clock=Clock(), make_id=ids(), message="try it")
    assert (side.commit.number, side.commit.parent, side.commit.message) == (1, made[1].ref, "try it")
    assert side.commit.tensors == made[1].commit.tensors and side.commit.time == made[1].commit.time
    more = commit(store, side, grown(side.commit, x=(("s", 0, 1),)))
    assert newest(store, "side") == more and newest(store, "main") == made[2]


def test_a_branch_made_twice(store):
    made = chain(store, 2)
    options = {"clock": Clock(), "make_id": lambda: "5" * 32}
    create_branch(store, "side", made[0], **options)
    with raises("E_BRANCH_EXISTS"):
        create_branch(store, "side", made[1], **options)
    with raises("E_BRANCH_EXISTS"):
        create_branch(store, "main", made[1], **options)
    with raises("E_BRANCH_EXISTS"):
        commit(store, None, state(x=tensor(("other", 0, 1))))
    again = create_branch(store, "side", made[0], **options)  # the very same bytes: a reply was lost
    assert again.commit.number == 1


def test_two_writers_make_one_branch_at_once(store):
    made = chain(store, 2)
    seen = Wrapped(store)

    def first(key, data):
        seen.before.clear()
        create_branch(store, "side", made[0], clock=Clock(), make_id=ids())

    seen.before["put_new"] = first
    with raises("E_BRANCH_EXISTS"):
        create_branch(seen, "side", made[1], clock=Clock(), make_id=ids())


def test_a_name_whose_first_commits_were_expired_is_still_taken(store):
    made = chain(store, 3, branch="old")
    head = chain(store, 1)[0]
    for number in (1, 2):
        store.delete(names.commit_key("old", number))
    with raises("E_BRANCH_EXISTS"):
        create_branch(store, "old", head, clock=Clock(), make_id=ids())
    assert newest(store, "old") == made[2]


def test_a_closed_branch_is_the_end_of_its_name(store):
    made = chain(store, 2)
    closed = close_branch(store, "main", clock=Clock(), make_id=ids())
    assert closed.commit.closed and closed.commit.number == 3 and closed.commit.tensors == made[1].commit.tensors
    for base in (closed, made[1]):
        with raises("E_BRANCH_CLOSED"):
            commit(store, base, grown(made[1].commit, x=(("m", 0, 1),)))
    with raises("E_BRANCH_CLOSED"):
        close_branch(store, "main", clock=Clock(), make_id=ids())
    side = create_branch(store, "side", closed, clock=Clock(), make_id=ids())
    assert not side.commit.closed
    assert [step.ref.number for step in log(store, side)] == [1, 3, 2, 1]


def test_a_branch_or_tag_of_an_expired_commit_is_refused(store):
    made = chain(store, 3)
    store.delete(names.commit_key("main", 1))
    for call in (
        lambda: create_branch(store, "side", made[0], clock=Clock(), make_id=ids()),
        lambda: create_tag(store, "v1", made[0], clock=Clock()),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.code == "E_COMMIT_ABSENT"
    seen = Wrapped(store)
    seen.after["put_new"] = lambda *_: store.delete(names.commit_key("main", 2))
    with raises("E_COMMIT_ABSENT"):
        create_tag(seen, "v2", made[1], clock=Clock())
    assert tags(store) == {}


def test_tags_do_not_move(store):
    made = chain(store, 2)
    tag = create_tag(store, "v1", made[0], clock=Clock())
    assert create_tag(store, "v1", made[0], clock=Clock()) == tag  # the very same bytes
    for at, clock in ((made[1], Clock()), (made[0], Clock(START + 1))):
        with raises("E_TAG_EXISTS"):
            create_tag(store, "v1", at, clock=clock)
    delete_tag(store, "v1")
    with raises("E_TAG_ABSENT"):
        delete_tag(store, "v1")
    with raises("E_NAME"):
        create_tag(store, "V1", made[0], clock=Clock())


def test_a_read_only_store_takes_nothing(tmp_path):
    made = chain(LocalStore(tmp_path / "ds", writable=True), 1)[0]
    store = LocalStore(tmp_path / "ds", writable=False)
    for call in (
        lambda: commit(store, made, made.commit),
        lambda: create_tag(store, "t", made, clock=Clock()),
        lambda: create_branch(store, "b", made, clock=Clock(), make_id=ids()),
    ):
        with raises("E_READ_ONLY"):
            call()


# --- diff ------------------------------------------------------------------------------------------------------------


def changes(a, b):
    found = diff(MemoryStore(), state(x=tensor(*a)), state(x=tensor(*b)))
    return (found["x"].added, found["x"].updated, found["x"].deleted) if found else ([], [], [])


@pytest.mark.parametrize(
    ("a", "b", "added", "updated", "deleted"),
    [
        ([("a", 0, 9)], [("a", 0, 3), ("a", 3, 6)], [], [], []),
        ([("a", 0, 9)], [("a", 0, 9), ("b", 0, 2)], [(9, 11)], [], []),
        ([("a", 0, 9)], [("a", 0, 7)], [], [], [(7, 9)]),
        ([("a", 0, 9)], [("a", 1, 8)], [], [], [(0, 1)]),
        ([("a", 0, 9)], [("a", 0, 2), ("u", 0, 1), ("a", 3, 6)], [], [(2, 3)], []),
        ([("a", 0, 9)], [("a", 0, 2), ("u", 0, 1), ("a", 2, 7)], [(2, 3)], [], []),
        ([("a", 0, 9)], [("i", 0, 3), ("a", 0, 9)], [(0, 3)], [], []),
        ([("a", 0, 9)], [("a", 1, 3), ("u", 0, 1), ("a", 5, 4), ("n", 0, 2)], [(8, 10)], [(3, 4)], [(0, 1)]),
        ([("a", 0, 4), ("b", 0, 4)], [("b", 0, 4), ("a", 0, 4)], [(4, 8)], [], [(0, 4)]),
        ([(None, 0, 5)], [(None, 0, 2), ("u", 0, 1), (None, 0, 4)], [(5, 7)], [(2, 3)], []),
        ([("a", 0, 3), (None, 0, 3), ("a", 3, 3)], [("a", 0, 3), (None, 0, 5), ("a", 3, 3)], [(6, 8)], [], []),
        ([], [("a", 0, 2)], [(0, 2)], [], []),
        ([("a", 0, 2)], [], [], [], [(0, 2)]),
        ([("a", 0, 5)], [("a", 0, 5), ("a", 0, 5)], [(5, 10)], [], []),
    ],
)
def test_rows_that_differ(a, b, added, updated, deleted):
    assert changes(a, b) == (added, updated, deleted)


def test_diff_of_tensors_and_metadata():
    a = state(x=tensor(("a", 0, 3)), y=tensor((None, 0, 3), attributes={"n": 1}), attributes={"o": 1, "p": 1})
    b = state(
        x=tensor(("a", 0, 3)), y=tensor((None, 0, 3), attributes={"n": 1.0}, shape=(2,)), attributes={"o": 1, "q": 1}
    )
    assert {k: v.metadata for k, v in diff(MemoryStore(), a, b).items()} == {"y": ["shape", "attributes"]}
    assert attributes(a, b) == ["p", "q"]
    c = replace(a, tensors={"z": a.tensors["x"]})
    found = diff(MemoryStore(), a, c)
    assert [(k, v.state, v.added, v.deleted) for k, v in found.items()] == [
        ("x", "removed", [], [(0, 3)]),
        ("y", "removed", [], [(0, 3)]),
        ("z", "new", [(0, 3)], []),
    ]


def test_diff_leaves_out_the_manifests_both_have(store, tiny):
    base = commit(store, None, state(x=tensor(*((f"c{i}", 0, 1) for i in range(60)))))
    assert base.commit.tensors["x"].manifests
    more = commit(store, base, grown(base.commit, x=(("m", 0, 2),)))
    seen = Wrapped(store)
    assert diff(seen, base.commit, more.commit)["x"].added == [(60, 62)]
    assert seen.calls == []


def test_diff_on_random_edits_explains_every_row():
    rng = random.Random(11)
    for round_ in range(400):
        a = [*slicing(rng, "a", rng.randrange(0, 12)), *slicing(rng, "b", rng.randrange(0, 5))]
        rng.shuffle(a)
        if rng.random() < 0.5:
            a.insert(rng.randrange(len(a) + 1), (None, 0, rng.randrange(1, 4)))
        edited = list(a)
        for step in range(rng.randrange(0, 5)):
            place = rng.randrange(len(edited) + 1)
            kind = rng.random()
            if kind < 0.4 or not edited:
                edited.insert(place, (f"n{round_}{step}", 0, rng.randrange(1, 3)))
            elif kind < 0.7:
                del edited[min(place, len(edited) - 1)]
            elif kind < 0.8:
                edited.insert(place, rng.choice(edited))
            else:
                i = min(place, len(edited) - 1)
                edited[i] = (f"u{round_}{step}", 0, edited[i][2])
        explain(a, edited)


def explain(a, b):
    """Every row is the same, updated, deleted or added; the same ones are the same, in order, none left over."""
    added, updated, deleted = changes(a, b)
    before, after = words(*a), words(*b)
    flat = [{i for start, stop in ranges for i in range(start, stop)} for ranges in (added, updated, deleted)]
    assert not flat[0] & flat[1]
    assert flat[2] <= set(range(len(before))) and flat[0] | flat[1] <= set(range(len(after)))
    kept = [row for i, row in enumerate(before) if i not in flat[2]]
    stays = [(i, row) for i, row in enumerate(after) if i not in flat[0]]
    assert len(kept) == len(stays)
    for old, (i, new) in zip(kept, stays, strict=True):
        assert (old == new) == (i not in flat[1])


def test_diff_of_a_million_rows_in_many_slices_is_quick():
    count = 20_000
    a = [(f"c{i}", 0, 50) for i in range(count)]
    b = [(word, 0, 50) if i % 7 else (word, 1, 49) for i, (word, _, _) in enumerate(a) if i % 11]
    sides = state(x=tensor(*a)), state(x=tensor(*b))
    start = perf_counter()
    found = diff(MemoryStore(), *sides)["x"]
    assert perf_counter() - start < 2
    gone = sum(stop - start for start, stop in found.deleted)
    assert gone == samples_of(a) - samples_of(b) and not found.added and not found.updated


def samples_of(rows):
    return sum(count for _, _, count in rows)


def test_diff_of_slices_that_all_overlap_stays_small():
    a = [("a", i, 3000) for i in range(3000)]
    b = [("a", i, 3000) for i in range(1, 3000)]
    found = diff(MemoryStore(), state(x=tensor(*a)), state(x=tensor(*b)))["x"]
    assert (found.deleted, found.added) == ([(0, 3000)], [])


def test_a_hostile_manifest_number_is_refused(store):
    base = commit(store, None, state(x=tensor(("a", 0, 1))))
    ref = ManifestRef("0" * 64, 10, 5)
    bad = replace(base.commit, length=6, tensors={"x": replace(base.commit.tensors["x"], manifests=(ref,))})
    data = encode_commit(replace(bad, number=2, parent=base.ref))
    store.put(names.commit_key("main", 2), data)
    with raises("E_OBJECT_MISSING"):
        table(store, "x", newest(store, "main").commit.tensors["x"])
