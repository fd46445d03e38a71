"""Finding and reading commits: head, number, tag, time, log, manifests."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakebed import names
from lakebed.errors import FormatError, LakebedError, NotFoundError
from lakebed.format.commit import encode_commit, encode_manifest, encode_tag
from lakebed.history import branches, instant, load, log, newest, read_hint, read_tag, resolve, stamp, table, tags
from lakebed.model import CommitRef, ManifestRef, Tag
from lakebed.publish import create_branch, create_tag
from lakebed.stores import LocalStore, MemoryStore
from small import START, Clock, Wrapped, chain, commit, document, expanded, ids, tensor, words
from small import table as slices


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "ds", writable=True)


def code(caught) -> str:
    return caught.value.code


# --- newest ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lists", [True, False])
def test_newest_with_a_right_hint_costs_three_requests(store, lists):
    made = chain(store, 5)
    seen = Wrapped(store, lists=lists)
    assert newest(seen, "main") == made[-1]
    assert seen.calls[0] == ("get", "commits/main/latest.json")
    assert sorted(seen.calls[1:]) == [  # at once
        ("exists", "commits/main/0000000006.json"),
        ("size", "commits/main/0000000005.json"),
    ]


def test_a_writer_reads_the_commit_and_not_the_hint(store):
    made = chain(store, 2)
    seen = Wrapped(store)
    assert newest(seen, "main", exact=True) == made[-1]
    assert ("get", "commits/main/0000000002.json") in seen.calls


@pytest.mark.parametrize("kind", ["absent", "torn", "other branch", "not JSON", "later major", "oversize"])
@pytest.mark.parametrize("lists", [True, False])
def test_newest_without_a_hint_to_use(store, kind, lists):
    made = chain(store, 9)
    other = chain(store, 3, branch="other")
    key = names.hint_key("main")
    good = store.get(key)
    if kind == "absent":
        store.delete(key)
    elif kind == "torn":
        store.put(key, good[: len(good) // 2])
    elif kind == "other branch":
        store.put(key, store.get(names.hint_key("other")))
    elif kind == "not JSON":
        store.put(key, b"\x00" * 40)
    elif kind == "oversize":
        store.put(key, bytes(64 * 1024 * 1024 + 1))
    else:
        body = good[:-20].replace(b'"lakebed":"1.0"', b'"lakebed":"2.0"')
        store.put(key, body + b',"crc32":"%08x"}' % zlib.crc32(body))
    assert read_hint(store, "main") is None
    assert newest(Wrapped(store, lists=lists), "main") == made[-1]
    assert newest(store, "other") == other[-1]


@pytest.mark.parametrize("lists", [True, False])
def test_a_hint_newer_than_the_truth_is_not_believed(store, lists):
    made = chain(store, 7)
    store.delete(names.commit_key("main", 7))
    assert newest(Wrapped(store, lists=lists), "main") == made[5]


@pytest.mark.parametrize("length", ["same", "other"])
def test_a_hint_that_differs_from_its_commit(store, length):
    made = chain(store, 3)
    forged, _ = document("main", 3, message="x")
    truth = store.get(names.commit_key("main", 3))
    if length == "same":
        head = made[-1].commit
        forged = encode_commit(replace(head, id=head.id[::-1]))
        assert len(forged) == len(truth)
    assert forged != truth
    store.put(names.hint_key("main"), forged)
    assert newest(store, "main") == made[-1]


@pytest.mark.parametrize("behind", [0, 1, 2, 3, 7, 8, 9, 100, 9_999])
def test_a_stale_hint_costs_few_requests(behind):
    inner = MemoryStore()
    last = 10_000
    for number in range(1, last):
        inner.put(names.commit_key("main", number), b"-")  # only its being there is looked at
    data, head = document("main", last)
    inner.put(names.commit_key("main", last), data)
    hinted, _ = document("main", last - behind)
    inner.put(names.commit_key("main", last - behind), hinted)
    inner.put(names.hint_key("main"), hinted)
    seen = Wrapped(inner, lists=False)
    assert newest(seen, "main") == head
    assert len(seen.calls) <= 40
    if behind:
        assert seen.count("exists") <= 2 * behind.bit_length() + 2


def test_no_hint_no_listing_ten_thousand_commits():
    inner = MemoryStore()
    for number in range(1, 10_000):
        inner.put(names.commit_key("main", number), b"-")
    data, head = document("main", 10_000)
    inner.put(names.commit_key("main", 10_000), data)
    seen = Wrapped(inner, lists=False)
    assert newest(seen, "main") == head
    assert len(seen.calls) <= 40


def test_an_expired_hint_sends_the_reader_to_the_listing(store):
    made = chain(store, 6)
    stale = store.get(names.commit_key("main", 2))
    for number in (1, 2, 3, 4):
        store.delete(names.commit_key("main", number))
    store.put(names.hint_key("main"), stale)
    assert newest(store, "main") == made[-1]
    store.delete(names.hint_key("main"))
    assert newest(store, "main") == made[-1]


def test_a_hint_just_expired_but_its_successor_there(store):
    made = chain(store, 6)
    store.put(names.hint_key("main"), store.get(names.commit_key("main", 3)))
    for number in (1, 2, 3):
        store.delete(names.commit_key("main", number))
    assert newest(Wrapped(store, lists=False), "main") == made[-1]


@pytest.mark.parametrize("spoil", ["torn", "flipped", "empty", "place"])
def test_an_invalid_newest_commit_is_an_error_and_never_its_predecessor(store, spoil):
    chain(store, 3)
    key = names.commit_key("main", 4)
    good, _ = document("main", 4)
    wrong, _ = document("main", 5)
    bad = {"torn": good[:-9], "flipped": good.replace(b"12:00", b"12:01"), "empty": b"", "place": wrong}[spoil]
    store.put(key, bad)
    with pytest.raises(FormatError) as caught:
        newest(store, "main")
    assert code(caught) == ("E_COMMIT_PLACE" if spoil == "place" else "E_JSON_CRC")
    assert caught.value.object == key


def test_a_new_branch_under_an_old_hint(store):
    """A folder that was filled again by hand: the old hint is of a commit that is there no more."""
    chain(store, 5)
    old = store.get(names.hint_key("main"))
    for number in range(1, 6):
        store.delete(names.commit_key("main", number))
    store.delete(names.hint_key("main"))
    made = chain(store, 2)
    store.put(names.hint_key("main"), old)
    assert newest(store, "main") == made[-1]
    assert newest(Wrapped(store, lists=False), "main") == made[-1]


def test_a_head_that_is_expired_while_it_is_looked_for(store):
    made = chain(store, 4)
    for number in (3, 4):
        store.delete(names.commit_key("main", number))
    store.put(names.hint_key("main"), store.get(names.commit_key("main", 1)))
    seen = Wrapped(store)

    def others_go_on(key, *_):
        if key == names.commit_key("main", 2):
            seen.before.clear()
            for late in made[2:]:
                data, _ = document("main", late.ref.number)
                store.put(names.commit_key("main", late.ref.number), data)
            store.delete(names.commit_key("main", 1))
            store.delete(names.commit_key("main", 2))

    seen.before["get"] = others_go_on
    assert newest(seen, "main").ref.number == 4


# --- absence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lists", [True, False])
def test_what_is_absent_has_its_own_error(store, lists):
    seen = Wrapped(store, lists=lists)
    for branch in ("main", "other"):
        with pytest.raises(NotFoundError) as caught:
            newest(seen, branch)
        assert code(caught) == "E_DATASET_ABSENT"
    chain(store, 2)
    with pytest.raises(NotFoundError) as caught:
        newest(seen, "other")
    assert code(caught) == "E_BRANCH_ABSENT"
    for number in (0, -1, 3, 10**11, True, "1"):
        with pytest.raises(NotFoundError) as caught:
            resolve(seen, number=number)
        assert code(caught) == "E_COMMIT_ABSENT"
        assert "its newest is 2" in str(caught.value)
    with pytest.raises(NotFoundError) as caught:
        resolve(seen, branch="other", number=1)
    assert code(caught) == "E_BRANCH_ABSENT"
    with pytest.raises(NotFoundError) as caught:
        resolve(seen, tag="v1")
    assert code(caught) == "E_TAG_ABSENT"
    for bad in ("Main", "", "a/b", "../x", "a.", "-a"):
        with pytest.raises(LakebedError) as caught:
            newest(seen, bad)
        assert code(caught) == "E_NAME"


def test_branches_and_tags_need_a_listing_store(store):
    first = chain(store, 2)[0]
    create_branch(store, "b.2", first, clock=Clock(), make_id=ids())
    tag = create_tag(store, "v1", first, clock=Clock())
    store.put("commits/Foreign/0000000001.json", b"-")
    store.put("commits/empty/latest.json", b"-")
    store.put("tags/.x.tmp", b"-")
    assert branches(store) == ["b.2", "main"]
    assert tags(store) == {"v1": tag}
    for call in (branches, tags):
        with pytest.raises(LakebedError) as caught:
            call(Wrapped(store, lists=False))
        assert code(caught) == "E_STORE"


# --- time, tag, log --------------------------------------------------------------------------------------------------


def test_opening_at_a_time(store):
    made = chain(store, 40)
    begin = datetime.fromtimestamp(START, UTC)
    for i in (0, 1, 17, 38, 39):
        for seconds in (0, 59.999):
            assert resolve(store, time=begin + timedelta(seconds=60 * i + seconds)) == made[i]
    seen = Wrapped(store)
    assert resolve(seen, time=stamp(START + 60 * 20.5)) == made[20]
    assert seen.count("get") <= 9
    assert resolve(store, time="2999-01-01T00:00:00+02:00") == made[-1]
    with pytest.raises(NotFoundError) as caught:
        resolve(store, time=begin - timedelta(microseconds=1))
    assert code(caught) == "E_COMMIT_ABSENT"
    for number in range(1, 11):
        store.delete(names.commit_key("main", number))
    assert resolve(store, time=stamp(START + 60 * 10)) == made[10]
    with pytest.raises(NotFoundError):
        resolve(store, time=stamp(START + 60 * 9))
    for bad in ("yesterday", "2026-01-31T12:00:00", datetime(2026, 1, 1), 12):
        with pytest.raises(LakebedError) as caught:
            resolve(store, time=bad)
        assert code(caught) == "E_ARGUMENT"


def test_one_way_at_a_time(store):
    chain(store, 1)
    for options in ({"number": 1, "tag": "t"}, {"time": stamp(START), "number": 1}, {"tag": "t", "branch": "main"}):
        with pytest.raises(LakebedError) as caught:
            resolve(store, **options)
        assert code(caught) == "E_ARGUMENT"


def test_stamp_is_the_shortest_form_and_comes_back():
    assert stamp(0) == "1970-01-01T00:00:00Z"
    assert stamp(1.5) == "1970-01-01T00:00:01.500000Z"
    assert instant(stamp(START + 0.25)).timestamp() == START + 0.25


def test_a_tag_whose_commit_is_another_or_gone(store):
    made = chain(store, 2)
    create_tag(store, "v1", made[0], clock=Clock())
    assert resolve(store, tag="v1") == made[0]
    other = Tag("v2", CommitRef("main", 1, made[1].ref.sha256), "2026-01-31T12:00:00Z")
    store.put(names.tag_key("v2"), encode_tag(other))
    store.put(names.tag_key("v3"), encode_tag(other))
    with pytest.raises(FormatError) as caught:
        resolve(store, tag="v2")
    assert code(caught) == "E_TAG_TARGET"
    with pytest.raises(FormatError) as caught:
        read_tag(store, "v3")
    assert code(caught) == "E_TAG"
    store.delete(names.commit_key("main", 1))
    with pytest.raises(FormatError) as caught:
        resolve(store, tag="v1")
    assert code(caught) == "E_TAG_TARGET"


def test_log_follows_parents_across_branches_and_ends_where_history_does(store):
    made = chain(store, 4)
    side = create_branch(store, "side", made[2], clock=Clock(), make_id=ids())
    more = commit(store, side, replace(side.commit, message="more"))
    places = [(step.ref.branch, step.ref.number) for step in log(store, more)]
    assert places == [("side", 2), ("side", 1), ("main", 3), ("main", 2), ("main", 1)]
    store.delete(names.commit_key("main", 2))
    assert [step.ref.number for step in log(store, made[3])] == [4, 3]


def test_log_refuses_another_parent_and_a_closed_one(store):
    made = chain(store, 3)
    forged, _ = document("main", 2)
    store.put(names.commit_key("main", 2), forged)
    with pytest.raises(FormatError) as caught:
        list(log(store, made[2]))
    assert code(caught) == "E_COMMIT_PARENT"
    with pytest.raises(FormatError) as caught:
        load(store, "main", 2, expect=made[1].ref.sha256)
    assert code(caught) == "E_COMMIT_PARENT"
    data, closed = document("main", 1, closed=True)
    store.put(names.commit_key("main", 1), data)
    data, after = document("main", 2, parent=closed.ref)
    with pytest.raises(FormatError) as caught:
        list(log(store, after))
    assert code(caught) == "E_COMMIT_PARENT"


# --- manifests -------------------------------------------------------------------------------------------------------


def sealed(store, *parts):
    refs = []
    for part in parts:
        data = encode_manifest(part)
        ref = ManifestRef(hashlib.sha256(data).hexdigest(), len(data), len(part.runs))
        store.put(names.manifest_key(ref.sha256), data)
        refs.append(ref)
    return tuple(refs)


def test_a_table_is_its_manifests_and_its_own(store):
    refs = sealed(store, slices(("a", 0, 3), (None, 0, 2)), slices(("b", 1, 2), ("a", 3, 1)))
    whole = replace(tensor(("a", 4, 2), ("c", 0, 1)), manifests=refs)
    for seen in (store, Wrapped(store)):  # the second is read with threads
        found = table(seen, "x", whole)
        assert expanded(found) == words(("a", 0, 3), (None, 0, 2), ("b", 1, 2), ("a", 3, 3), ("c", 0, 1))
        assert len(found.chunks) == 3
    assert expanded(table(store, "x", whole, skip=1)) == words(("b", 1, 2), ("a", 3, 3), ("c", 0, 1))


@pytest.mark.parametrize("fault", ["absent", "short", "long", "flipped", "samples"])
def test_a_manifest_that_is_not_the_one_named(store, fault):
    (ref,) = sealed(store, slices(("a", 0, 3)))
    key = names.manifest_key(ref.sha256)
    data = store.get(key)
    if fault == "absent":
        store.delete(key)
    elif fault == "samples":
        ref = replace(ref, samples=4)
    else:
        store.put(key, {"short": data[:-1], "long": data + b" ", "flipped": data[:9] + b"x" + data[10:]}[fault])
    with pytest.raises(FormatError) as caught:
        table(store, "x", replace(tensor(), manifests=(ref,)))
    assert code(caught) == ("E_OBJECT_MISSING" if fault == "absent" else "E_MANIFEST")
    assert caught.value.object == key
