"""Collecting garbage and expiring history: nothing that a commit, a tag or a writer in flight needs is lost."""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import replace

import pytest

from lakebed import names, seal
from lakebed.collect import collect, expire
from lakebed.errors import LakebedError
from lakebed.format.sweep import Candidate, SweepList, decode_sweep, encode_sweep, sweep_key
from lakebed.history import branches, log, newest, resolve, stamp, table
from lakebed.model import Commit
from lakebed.publish import GRACE, close_branch, create_branch, create_tag, publish
from lakebed.stores import LocalStore, MemoryStore
from small import START, Clock, Wrapped, chain, chunk, chunked, commit, ids, name, state, tensor

DAY = 24 * 3600.0


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "ds", writable=True)


def raises(code):
    return pytest.raises(LakebedError, match=rf"\[{code} ")


def later(days: float):
    """A clock that many days ahead: objects written by this test look that old."""
    return lambda: time.time() + days * DAY


def put_chunk(store, value: int) -> tuple[str, bytes]:
    key, data = chunk(value)
    spool = store.spool()
    spool.write(data)
    spool.finish(names.chunk_key(key))
    return key, data


def keys(store, prefix=""):
    return {entry.key for entry in store.list(prefix)}


def chunks(store):
    return {key.rpartition("/")[2][:64] for key in keys(store, "chunks/")}


def two_commits(store):
    """Chunk 1 only in the first commit, 2 in both, 3 only in the second; 9 in none."""
    files = {value: put_chunk(store, value) for value in (1, 2, 3, 9)}
    first = commit(store, None, state(x=chunked(files[1], files[2])))
    second = commit(store, first, state(x=chunked(files[2], files[3])))
    return {value: file[0] for value, file in files.items()}, first, second


# --- two passes ------------------------------------------------------------------------------------------------------


def test_a_place_is_enough(tmp_path):
    store = LocalStore(str(tmp_path), writable=True)
    named, _, _ = two_commits(store)
    assert collect(str(tmp_path), grace=0, alone=True, now=later(0.001)).deleted == (names.chunk_key(named[9]),)
    assert expire(tmp_path, keep_last=1).commits == (("main", 1),)


def test_two_passes_a_grace_period_apart(store):
    named, _, second = two_commits(store)
    assert collect(store).phase == "clean"  # the garbage is too young to be listed
    report = collect(store, now=later(1.1))
    assert (report.phase, report.candidates) == ("listed", (names.chunk_key(named[9]),))
    assert report.candidate_bytes == len(chunk(9)[1]) and report.commits == 2
    assert chunks(store) == set(named.values())
    waiting = collect(store, now=later(2.0))
    assert waiting.phase == "waiting" and waiting.due == report.due
    dry = collect(store, now=later(2.2), dry_run=True)
    assert dry.deleted == report.candidates and named[9] in chunks(store)
    swept = collect(store, now=later(2.2))
    assert (swept.phase, swept.deleted, swept.renewed, swept.named) == ("swept", report.candidates, (), ())
    assert swept.deleted_bytes == report.candidate_bytes
    assert chunks(store) == {named[1], named[2], named[3]}
    assert not keys(store, ".sweep")
    assert collect(store, now=later(9)).phase == "clean"
    assert newest(store, "main") == second


def test_a_dry_run_writes_nothing(store):
    two_commits(store)
    before = keys(store)
    now = later(3)()
    report = collect(store, now=lambda: now, dry_run=True)
    assert report.phase == "listed" and len(report.candidates) == 1 and report.dry_run
    assert keys(store) == before
    reader = LocalStore(store.root, writable=False) if isinstance(store, LocalStore) else store.handle(writable=False)
    assert collect(reader, now=lambda: now, dry_run=True) == report
    with raises("E_READ_ONLY"):
        collect(reader, now=later(3))


def test_no_writer_at_work_both_passes_at_once(store):
    named, *_ = two_commits(store)
    for grace in (0, 60, 3599, -1):
        with raises("E_ARGUMENT"):
            collect(store, grace=grace)
    report = collect(store, grace=0, alone=True, now=later(0.001))
    assert report.deleted == (names.chunk_key(named[9]),)
    assert chunks(store) == {named[1], named[2], named[3]}
    assert not keys(store, ".sweep")


def test_every_commit_and_tag_is_a_root_not_only_the_heads(store):
    named, first, second = two_commits(store)
    side = create_branch(store, "side", first, clock=Clock(), make_id=ids())
    commit(store, side, replace(side.commit, tensors={}, length=0))
    store.delete(names.hint_key("main"))
    for days in (2, 4, 6, 8):
        collect(store, now=later(days))
    assert chunks(store) == {named[1], named[2], named[3]}
    assert [step.ref.number for step in log(store, second)] == [2, 1]


def test_chunks_behind_manifests_are_kept_and_manifests_of_nobody_go(store, monkeypatch):
    monkeypatch.setattr(seal, "BUDGET", 400)
    files = [put_chunk(store, value) for value in range(12)]
    made = commit(store, None, state(x=chunked(*files)))
    (ref,) = made.commit.tensors["x"].manifests
    lost = commit(store, None, state("lost", x=chunked(*files[:7])))
    (orphan,) = lost.commit.tensors["x"].manifests
    store.delete(names.commit_key("lost", 1))
    for days in (2, 4):
        report = collect(store, now=later(days))
    assert report.deleted == (names.manifest_key(orphan.sha256),)
    assert len(table(store, "x", made.commit.tensors["x"]).chunks) == 12
    assert chunks(store) == {key for key, _ in files}
    store.delete(names.manifest_key(ref.sha256))
    put_chunk(store, 77)
    with raises("E_OBJECT_MISSING"):  # what it named is unknown now
        collect(store, now=later(9))
    assert len(chunks(store)) == 13


@pytest.mark.parametrize("fault", ["torn commit", "later version", "torn tag", "tag of nothing", "manifest"])
@pytest.mark.parametrize("when", ["first pass", "second pass"])
def test_what_cannot_be_read_stops_everything(store, fault, when, monkeypatch):
    monkeypatch.setattr(seal, "BUDGET", 200)
    named, first, _ = two_commits(store)
    sealed = commit(store, None, state("side", x=chunked(*(put_chunk(store, v) for v in range(20, 28)))))
    if when == "second pass":
        assert collect(store, now=later(2)).phase == "listed"
    if fault == "torn commit":
        store.put(names.commit_key("main", 3), b"torn")
    elif fault == "later version":
        data = store.get(names.commit_key("main", 1))
        body = data[:-20].replace(b'"lakebed":"1.0"', b'"lakebed":"7.0"')
        store.put(names.commit_key("main", 1), body + b',"crc32":"%08x"}' % zlib.crc32(body))
    elif fault == "torn tag":
        store.put(names.tag_key("v1"), b"{}")
    elif fault == "tag of nothing":
        create_tag(store, "v1", first, clock=Clock())
        store.delete(names.commit_key("main", 1))
    else:
        store.delete(names.manifest_key(sealed.commit.tensors["x"].manifests[0].sha256))
    before = keys(store)
    with pytest.raises(LakebedError) as caught:
        collect(store, now=later(4))
    codes = ("E_JSON_CRC", "E_VERSION", "E_JSON_CRC", "E_TAG_TARGET", "E_OBJECT_MISSING")
    assert (
        caught.value.code
        == dict(zip(("torn commit", "later version", "torn tag", "tag of nothing", "manifest"), codes, strict=True))[
            fault
        ]
    )
    assert keys(store) == before and named[9] in chunks(store)


def test_without_any_commit_nothing_is_garbage(store):
    put_chunk(store, 1)
    with raises("E_DATASET_ABSENT"):
        collect(store, now=later(9))
    with raises("E_DATASET_ABSENT"):
        collect(store, grace=0, alone=True, now=later(9))
    assert len(chunks(store)) == 1


def test_a_store_that_cannot_list(store):
    two_commits(store)
    with raises("E_STORE"):
        collect(Wrapped(store, lists=False))


def test_foreign_objects_and_young_or_other_dotfiles_stay(store):
    two_commits(store)
    foreign = {
        "README.md", ".gitignore", "chunks/notes.txt", "chunks/ab/short.chunk", f"chunks/00/{'1' * 64}.chunk",
        "manifests/x.json", ".tmp", ".keep.tmp", "other/.0123456789abcdef.tmp", "chunks/.DS_Store",
    }  # fmt: skip
    stale = {"chunks/.0123456789abcdef.tmp", "commits/main/.00ff.tmp", "chunks/ab/.1.tmp", ".probe-0123456789abcdef"}
    for key in foreign | stale:
        store.put(key, b"-")
    assert collect(store).temporary == ()
    assert set(collect(store, now=later(1.1), dry_run=True).temporary) == stale
    assert stale <= keys(store)
    assert set(collect(store, now=later(1.1)).temporary) == stale
    for days in (3, 5):
        collect(store, now=later(days))
    assert foreign <= keys(store) and not stale & keys(store)


# --- races -----------------------------------------------------------------------------------------------------------


def age(store, key, seconds):
    """Make an object look older: as if it had been written then."""
    if isinstance(store, LocalStore):
        found = os.stat(f"{store.root}/{key}").st_mtime - seconds
        os.utime(f"{store.root}/{key}", (found, found))
    else:
        data, when = store._objects[key]
        store._objects[key] = (data, when - seconds)


def test_an_upload_always_replaces_and_mends_a_torn_chunk(store):
    """Skip-if-exists would lose data: the name is there, the bytes are not."""
    key, data = chunk(5)
    store.put(names.chunk_key(key), data[:40])
    made = commit(store, None, state(x=chunked(put_chunk(store, 5))))
    assert store.get(names.chunk_key(key)) == data and newest(store, "main") == made


def test_garbage_written_again_between_the_passes_is_renewed(store):
    named, *_ = two_commits(store)
    key = names.chunk_key(named[9])
    age(store, key, 3 * DAY)
    assert collect(store).candidates == (key,)
    put_chunk(store, 9)  # a writer in flight, which commits after the sweep
    report = collect(store, now=later(1.5))
    assert (report.deleted, report.renewed) == ((), (key,))
    head = newest(store, "main")
    commit(store, head, state(x=chunked(chunk(2), chunk(9))))
    assert named[9] in chunks(store)


def test_garbage_named_again_between_the_passes_is_kept(store):
    named, _, second = two_commits(store)
    collect(store, now=later(1.5))
    commit(store, second, state(x=chunked(chunk(9), chunk(3))))
    report = collect(store, now=later(3))
    assert (report.deleted, report.named) == ((), (names.chunk_key(named[9]),))


def test_a_commit_that_appears_while_the_second_pass_looks(store):
    """The writer uploaded again and committed after the collector had read the commits: the age tells."""
    named, _, second = two_commits(store)
    collect(store, now=later(1.5))
    time.sleep(0.01)
    seen = Wrapped(store)

    def writer(prefix):
        if prefix == f"chunks/{named[9][:2]}/":
            seen.before.clear()
            put_chunk(store, 9)
            commit(store, second, state(x=chunked(chunk(9), chunk(3))))

    seen.before["list"] = writer
    report = collect(seen, now=later(3))
    assert (report.deleted, report.renewed) == ((), (names.chunk_key(named[9]),))


def test_a_slow_writer_uploads_again_and_survives_both_passes(store):
    """It uploads, sleeps through the first pass and half a grace period, then commits: the half-grace rule."""
    two_commits(store)
    base = newest(store, "main")
    key = names.chunk_key(put_chunk(store, 50)[0])
    started = time.time()
    collect(store, now=later(1.1))  # lists the chunk: nothing names it yet
    age(store, key, DAY)
    mine = state(x=chunked(chunk(2), chunk(50)))
    publish(
        store, base, mine, clock=lambda: started + 0.6 * GRACE, make_id=ids(), started=started,
        upload_again=lambda: put_chunk(store, 50),
    )  # fmt: skip
    report = collect(store, now=later(2.2))
    assert key not in report.deleted and key in keys(store)


def test_an_expiry_while_commits_are_read(store):
    made = chain(store, 4)
    put_chunk(store, 9)
    seen = Wrapped(store)

    def expiry(key, *_):
        if key == names.commit_key("main", 1):
            seen.before.clear()
            expire(store, keep_last=2)

    seen.before["get"] = expiry
    report = collect(seen, now=later(2))
    assert report.phase == "listed" and 2 <= report.commits < 4
    assert newest(store, "main") == made[-1]


def test_two_collectors_at_once(store):
    named, *_ = two_commits(store)
    seen = Wrapped(store)

    def other(key, *_):
        seen.before.clear()
        assert collect(store, now=later(1.4)).phase == "listed"

    seen.before["put"] = other
    assert collect(seen, now=later(1.5)).phase == "listed"
    assert len(keys(store, ".sweep")) == 2
    seen.before["delete"] = lambda key: (seen.before.clear(), collect(store, now=later(3)))
    collect(seen, now=later(3))
    assert chunks(store) == {named[1], named[2], named[3]} and not keys(store, ".sweep")


def test_a_sweep_that_was_killed_goes_on(store):
    files = [put_chunk(store, value) for value in range(30, 36)]
    commit(store, None, state(x=chunked(files[0])))
    collect(store, now=later(1.5))
    seen = Wrapped(store)

    def kill(key):
        if seen.count("delete") == 3:
            raise KeyboardInterrupt

    seen.before["delete"] = kill
    with pytest.raises(KeyboardInterrupt):
        collect(seen, now=later(3))
    assert 1 < len(chunks(store)) < 6
    collect(store, now=later(3))
    assert chunks(store) == {files[0][0]} and not keys(store, ".sweep")


@pytest.mark.parametrize("fault", ["torn", "commit key", "path", "time", "extra member", "id"])
def test_a_list_that_breaks_a_rule_is_not_used(store, fault):
    named, *_ = two_commits(store)
    id = "a" * 32
    rows = [Candidate(names.chunk_key(named[2]), len(chunk(2)[1]), stamp(START))]
    if fault == "commit key":
        rows.append(Candidate(names.commit_key("main", 1), 1, stamp(START)))
    if fault == "path":
        rows.append(Candidate("chunks/../commits/main/0000000001.json", 1, stamp(START)))
    if fault == "time":
        rows.append(rows[0]._replace(modified="soon"))
    data = encode_sweep(SweepList(id if fault != "id" else "b" * 32, stamp(START), 86400, tuple(rows)))
    if fault == "torn":
        data = data[:-3]
    if fault == "extra member":
        body = data[:-20].replace(b'"bytes":', b'"more":1,"bytes":')
        data = body + b',"crc32":"%08x"}' % zlib.crc32(body)
    key = sweep_key(id)
    store.put(key, data)
    with pytest.raises(LakebedError):
        decode_sweep(data, key)
    report = collect(store, now=later(2))
    assert report.phase == "listed" and report.candidates == (names.chunk_key(named[9]),)


def test_a_forged_list_cannot_delete_what_a_commit_names(store):
    named, *_ = two_commits(store)
    entries = {entry.key: entry for entry in store.list("chunks/")}
    rows = tuple(Candidate(key, entry.size, stamp(entry.modified)) for key, entry in entries.items())
    store.put(sweep_key("a" * 32), encode_sweep(SweepList("a" * 32, stamp(START - 9 * DAY), 0, rows)))
    report = collect(store)
    assert report.phase == "swept" and report.deleted == (names.chunk_key(named[9]),)
    assert len(report.named) == 3


def test_the_longer_grace_period_counts(store):
    two_commits(store)
    collect(store, grace=5 * DAY, now=later(6))
    assert collect(store, grace=DAY, now=later(8)).phase == "waiting"
    assert collect(store, grace=9 * DAY, now=later(12)).phase == "waiting"
    assert collect(store, grace=DAY, now=later(11.1)).phase == "swept"


def test_a_folder_of_commits_that_is_a_link_stops_everything(tmp_path):
    store = LocalStore(tmp_path / "ds", writable=True)
    two_commits(store)
    os.rename(tmp_path / "ds/commits/main", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", tmp_path / "ds/commits/main")
    chain(store, 1, branch="side")
    with raises("E_STORE"):
        collect(store, now=later(3))
    assert len(chunks(store)) == 4


# --- expire ----------------------------------------------------------------------------------------------------------


def numbers(store, branch="main"):
    return sorted(int(key[-15:-5]) for key in keys(store, f"commits/{branch}/0"))


def test_expire_keeps_the_newest_and_leaves_no_holes(store):
    made = chain(store, 10)
    with raises("E_ARGUMENT"):
        expire(store)
    for bad in (0, -1, True):
        with raises("E_ARGUMENT"):
            expire(store, keep_last=bad)
    dry = expire(store, keep_last=4, dry_run=True)
    assert numbers(store) == list(range(1, 11))
    assert expire(store, keep_last=4).commits == dry.commits == tuple(("main", n) for n in range(1, 7))
    assert numbers(store) == [7, 8, 9, 10]
    assert [step.ref.number for step in log(store, made[-1])] == [10, 9, 8, 7]
    gone = expire(store, before="2999-01-01T00:00:00Z")
    assert numbers(store) == [10] and gone.stopped == {"main": "the newest commit stays"}
    assert expire(store, keep_last=1).commits == ()
    more = commit(store, made[-1], replace(made[-1].commit, message="on"))
    assert more.ref.number == 11 and newest(store, "main") == more


def test_expire_by_time_and_count_together(store):
    chain(store, 10)
    assert expire(store, before=stamp(START + 60 * 3)).commits == (("main", 1), ("main", 2), ("main", 3))
    assert expire(store, before=stamp(START + 60 * 8), keep_last=5).commits == (("main", 4), ("main", 5))
    with raises("E_ARGUMENT"):
        expire(store, before="2026-01-01T00:00:00")


def test_expire_stops_before_a_tag_and_a_branch_can_take_its_place(store):
    made = chain(store, 6)
    create_tag(store, "v1", made[2], clock=Clock())
    found = expire(store, keep_last=1)
    assert found.commits == (("main", 1), ("main", 2)) and "v1" in found.stopped["main"]
    assert numbers(store) == [3, 4, 5, 6]
    assert resolve(store, tag="v1") == made[2]
    kept = create_branch(store, "keep-v1", made[2], clock=Clock(), make_id=ids())
    store.delete(names.tag_key("v1"))
    expire(store, keep_last=1)
    assert numbers(store) == [6] and newest(store, "keep-v1") == kept
    assert [step.ref.branch for step in log(store, kept)] == ["keep-v1"]


def test_expire_refuses_when_a_tag_cannot_be_read(store):
    chain(store, 3)
    store.put(names.tag_key("v1"), b"{}")
    with raises("E_JSON_CRC"):
        expire(store, keep_last=1)
    assert numbers(store) == [1, 2, 3]


def test_expire_refuses_under_an_invalid_head(store):
    chain(store, 3)
    store.put(names.commit_key("main", 4), b"torn")
    with raises("E_JSON_CRC"):
        expire(store, keep_last=1)
    assert numbers(store) == [1, 2, 3, 4]


def test_expire_refreshes_the_hint_first(store):
    made = chain(store, 6)
    store.put(names.hint_key("main"), store.get(names.commit_key("main", 2)))
    expire(store, keep_last=2)
    assert newest(Wrapped(store, lists=False), "main") == made[-1]


def test_expire_one_branch_or_all(store):
    chain(store, 3)
    made = chain(store, 3, branch="side")
    close_branch(store, "side", clock=Clock(), make_id=ids())
    expire(store, keep_last=1, branch="main")
    assert numbers(store) == [3] and numbers(store, "side") == [1, 2, 3, 4]
    with raises("E_BRANCH_ABSENT"):
        expire(store, keep_last=1, branch="other")
    expire(store, keep_last=1)
    assert numbers(store, "side") == [4] and branches(store) == ["main", "side"]
    with raises("E_BRANCH_CLOSED"):
        commit(store, newest(store, "side"), made[0].commit)


def test_expired_history_is_what_collection_frees(store):
    named, _, second = two_commits(store)
    expire(store, keep_last=1)
    for days in (2, 4):
        collect(store, now=later(days))
    assert chunks(store) == {named[2], named[3]}
    assert newest(store, "main") == second


def test_arbitrary_names_are_no_trouble(store):
    """Chunks that a commit names and that are not there are the checker's business, not the collector's."""
    commit(store, None, state(x=tensor(("a", 0, 3))))
    assert collect(store, now=later(3)).phase == "clean"
    assert not store.exists(names.chunk_key(name("a")))
    assert isinstance(newest(store, "main").commit, Commit)
