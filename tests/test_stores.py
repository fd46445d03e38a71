"""What every store promises, on memory, a folder and an S3 server; then what only a folder does [store.contract]."""

from __future__ import annotations

import errno
import itertools
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.errors import LakebedError
from lakebed.stores import LocalStore, MemoryStore, ObjectExists, check_key, exclusive, store
from lakebed.stores.ranges import coalesce, cut

REFERENCE = str(Path(__file__).parents[1] / "reference")
COMMIT = "commits/main/0000000001.json"
CHUNK = "chunks/aa/" + "a" * 64 + ".chunk"


def code_of(call, *args, **kwargs) -> str:
    with pytest.raises(LakebedError) as caught:
        call(*args, **kwargs)
    return caught.value.code


@pytest.fixture(scope="module")
def s3():
    pytest.importorskip("moto", reason="moto[server] is not installed: NO S3 TEST RUNS (pip install lakebed[test])")
    pytest.importorskip("s3fs", reason="s3fs is not installed: NO S3 TEST RUNS (pip install lakebed[s3])")
    from servers import s3_server

    with s3_server() as running:
        yield running


@pytest.fixture(params=["memory", "local", "s3"])
def place(request, tmp_path):
    """A function that opens the same fresh place again and again, as separate clients."""
    if request.param == "memory":
        return lambda writable=True: store(f"memory://{tmp_path}", writable=writable)
    if request.param == "local":
        return lambda writable=True: store(tmp_path / "new" / "root", writable=writable)
    s3 = request.getfixturevalue("s3")
    return lambda writable=True: store(f"{s3.url}/{tmp_path.name}", writable=writable, options=s3.options)


# -- every store


def test_absent_things(place):
    s = place(False)
    assert s.get(COMMIT) is None and s.get(COMMIT, limit=10) is None
    assert not s.exists(COMMIT)
    assert s.size(COMMIT) is None
    assert list(s.list("")) == [] == list(s.list("chunks/"))
    assert code_of(s.ranges, CHUNK, [(0, 1)]) == "E_OBJECT_MISSING"


def test_written_things_are_read_by_another_client(place):
    writer, reader = place(), place(False)
    assert not reader.exists(COMMIT) and list(reader.list("commits/main/")) == []  # a cache would keep these answers
    before = time.time()
    writer.put(CHUNK, bytes(range(100)))
    writer.put_new(COMMIT, b"{}")
    assert reader.get(COMMIT) == b"{}" == reader.get(COMMIT, limit=2)
    assert reader.exists(COMMIT) and reader.size(CHUNK) == 100
    rows = list(reader.list(""))
    assert [(row.key, row.size) for row in rows] == [(CHUNK, 100), (COMMIT, 2)]
    assert all(before - 2 <= row.modified <= time.time() + 2 for row in rows)
    assert [row.key for row in reader.list("commits/ma")] == [COMMIT]
    writer.put("commits/main/latest.json", b"one")
    assert reader.get("commits/main/latest.json", limit=9) == b"one"
    writer.put("commits/main/latest.json", b"two")
    assert reader.get("commits/main/latest.json", limit=9) == b"two"
    writer.delete(COMMIT)
    writer.delete(COMMIT)
    assert reader.get(COMMIT) is None and [row.key for row in reader.list("commits/")] == ["commits/main/latest.json"]


def test_get_has_a_limit(place):
    s = place()
    s.put(COMMIT, b"x" * 100)
    s.put("empty.json", b"")
    assert s.get(COMMIT, limit=100) == b"x" * 100
    assert code_of(s.get, COMMIT, limit=99) == "E_JSON_LIMIT"
    assert s.get("empty.json", limit=5) == b"" == s.get("empty.json")
    assert s.exists("empty.json") and s.size("empty.json") == 0


def test_ranges(place):
    s = place()
    data = os.urandom(100_000)
    s.put(CHUNK, data)
    spans = [(99_999, 1), (0, 10), (5, 10), (500, 0), (40_000, 50_000), (0, 100_000), (10**9, 0)]
    assert [bytes(part) for part in s.ranges(CHUNK, spans)] == [data[a : a + n] for a, n in spans]
    assert s.ranges(CHUNK, []) == []
    assert code_of(s.ranges, CHUNK, [(0, 5), (99_999, 2)]) == "E_TRUNCATED"
    assert code_of(s.ranges, CHUNK, [(200_000, 1)]) == "E_TRUNCATED"
    assert code_of(s.ranges, CHUNK, [(-1, 5)]) == "E_ARGUMENT" == code_of(s.ranges, CHUNK, [(1, -5)])
    view = s.view(CHUNK)
    assert view is None or (bytes(view) == data and view.readonly)


def test_put_new_refuses_and_keeps_what_is_there(place):
    s = place()
    s.put_new(COMMIT, b"first")
    with pytest.raises(ObjectExists):
        s.put_new(COMMIT, b"second")
    assert s.get(COMMIT) == b"first"
    assert [row.key for row in s.list("")] == [COMMIT]  # no probe, no temporary file


def test_threads_race_for_one_commit(place):
    clients = [place() for _ in range(6)]
    barrier = threading.Barrier(len(clients))

    def race(n):
        barrier.wait()
        try:
            clients[n].put_new(COMMIT, b"writer %d" % n * 1000)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(len(clients)) as pool:
        won = list(pool.map(race, range(len(clients))))
    assert won.count(True) == 1
    assert place(False).get(COMMIT) == b"writer %d" % won.index(True) * 1000


def test_spool(place):
    s = place()
    spool = s.spool()
    for n in range(10):
        spool.write(memoryview(bytes([n]) * 100_000))
    assert not s.exists(CHUNK)
    spool.finish(CHUNK)
    assert s.get(CHUNK) == b"".join(bytes([n]) * 100_000 for n in range(10))
    again = s.spool()
    again.write(b"same name, other bytes")
    again.finish(CHUNK)  # replaces: what lay there may have been torn
    assert s.get(CHUNK) == b"same name, other bytes"
    dropped = s.spool()
    dropped.write(b"nothing")
    dropped.discard()
    dropped.discard()
    assert [row.key for row in s.list("")] == [CHUNK]


def test_key_order(place):
    s = place()
    keys = ["a/b", "a-b", "a.b", "a/b.c/d", "a/b-c", "a/b/x.json", "ab", ".probe-old", "chunks/.old.tmp"]
    keys.remove("a/b")  # a file cannot be a folder too
    for key in keys:
        s.put(key, b"1")
    assert [row.key for row in s.list("")] == sorted(keys)
    assert [row.key for row in s.list("a/b")] == sorted(key for key in keys if key.startswith("a/b"))


def test_read_only(place):
    s = place(False)
    for call in (s.put, s.put_new):
        assert code_of(call, COMMIT, b"") == "E_READ_ONLY"
    assert code_of(s.delete, COMMIT) == "E_READ_ONLY" == code_of(s.spool)


BAD_KEYS = ["", "/etc/passwd", "a//b", "a/", "../x", "a/../../x", "a/..", ".", "..", "a/./b", "a\\b", "a\0b", "C:/x",
            "a b", "a%2e", "a?b", "a#b", "a\n", "é", "*", "x" * 1025]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
def test_bad_keys_never_reach_the_store(key, tmp_path):
    assert code_of(check_key, key) == "E_ARGUMENT"
    for s in (LocalStore(tmp_path, writable=True), MemoryStore()):
        for call in (s.get, s.exists, s.size, s.view, s.delete):
            assert code_of(call, key) == "E_ARGUMENT"
        assert code_of(s.put, key, b"") == "E_ARGUMENT" == code_of(s.put_new, key, b"")
        assert code_of(s.ranges, key, [(0, 1)]) == "E_ARGUMENT"
        spool = s.spool()
        assert code_of(spool.finish, key) == "E_ARGUMENT"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("key", [COMMIT, CHUNK, "tags/v1.0.json", ".sweep-1.json", "a/...", "..a", "A_b/.x"])
def test_good_keys(key):
    assert check_key(key) == key


# -- which store


def test_store_picks_by_url(tmp_path):
    assert store(str(tmp_path), writable=False).url == str(tmp_path)
    assert store(f"file://{tmp_path}/with%20space", writable=False).url == f"{tmp_path}/with space"
    memory = store("memory://one", writable=True)
    memory.put("k", b"v")
    assert store("memory://one", writable=False).get("k") == b"v"
    assert store("memory://two", writable=False).get("k") is None
    assert store(memory, writable=True) is memory
    assert store(memory, writable=False).get("k") == b"v" and not store(memory, writable=False).writable
    local = LocalStore(tmp_path, writable=False)
    assert store(local, writable=False) is local
    assert code_of(store, local, writable=True) == "E_READ_ONLY"
    assert code_of(store, "https://example.org/x", writable=True) == "E_READ_ONLY"
    for bad in ("", "a\0b", "file://other/x", "simplecache::s3://b/x", "nosuchscheme://x", 7):
        assert code_of(store, bad, writable=False) == "E_ARGUMENT"
    assert code_of(store, tmp_path, writable=False, options={"key": 1}) == "E_ARGUMENT"
    assert code_of(store, "http://127.0.0.1/", writable=False, options={"nope": 1}) == "E_ARGUMENT"


@pytest.mark.parametrize(
    ("library", "url", "extra"),
    [("urllib3", "http://h/x", "http"), ("fsspec", "ftp://h/x", "remote"), ("s3fs", "s3://b/x", "s3")],
)
def test_a_missing_library_names_its_extra(library, url, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
    for name in ("http", "remote"):
        monkeypatch.delitem(sys.modules, f"lakebed.stores.{name}", raising=False)
    with pytest.raises(LakebedError) as caught:
        store(url, writable=False)
    assert caught.value.code == "E_EXTRA_MISSING" and f"lakebed[{extra}]" in str(caught.value)


def test_pickling(tmp_path):
    s = pickle.loads(pickle.dumps(LocalStore(tmp_path, writable=True)))
    s.put(COMMIT, b"1")
    assert s.get(COMMIT) == b"1"
    assert code_of(pickle.dumps, MemoryStore()) == "E_ARGUMENT"


# -- spans


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 100)), max_size=20), st.integers(0, 30), st.integers(1, 150)
)
def test_coalesced_spans_come_back_whole(spans, gap, limit):
    data = bytes(i * 7 % 251 for i in range(600))
    groups = coalesce(spans, gap, limit)
    parts = cut(spans, groups, [data[g.offset : g.offset + g.length] for g in groups])
    assert [bytes(part) for part in parts] == [data[a : a + n] for a, n in spans]
    assert sorted(i for g in groups for i in g.members) == [i for i, (_, n) in enumerate(spans) if n]
    assert [g.offset for g in groups] == sorted(g.offset for g in groups)
    for g in groups:
        assert g.length <= limit or len(g.members) == 1
        covered = {at for i in g.members for at in range(spans[i][0], sum(spans[i]))}
        holes = sorted(covered)
        assert all(b - a <= gap + 1 for a, b in itertools.pairwise(holes))


def test_coalesce_joins_what_is_near():
    assert coalesce([(0, 10), (15, 5)], gap=5, limit=20) == [(0, 20, (0, 1))]
    assert coalesce([(16, 5), (0, 10)], gap=5, limit=100) == [(0, 10, (1,)), (16, 5, (0,))]
    assert coalesce([(0, 10), (10, 11)], gap=5, limit=20) == [(0, 10, (0,)), (10, 11, (1,))]
    assert coalesce([(3, 0)]) == []


# -- a folder


def test_links(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "b").write_bytes(b"data")
    other = LocalStore(tmp_path / "other", writable=True)
    other.put(CHUNK, b"precious")
    root = tmp_path / "root"
    (root / "commits" / "main").mkdir(parents=True)
    (root / COMMIT).symlink_to(tmp_path / "blobs" / "b")  # caches of shared files look like this
    (root / "chunks").symlink_to(tmp_path / "other" / "chunks")
    s = LocalStore(root, writable=True)
    assert s.get(COMMIT) == b"data" and [row.size for row in s.list("commits/")] == [4]
    assert s.get(CHUNK) == b"precious"
    assert [row.key for row in s.list("")] == ["chunks", COMMIT]  # the link itself, not what lies behind it
    assert code_of(lambda: list(s.list("chunks/"))) == "E_STORE"
    assert code_of(s.delete, CHUNK) == "E_STORE" == code_of(s.put, CHUNK, b"")
    assert code_of(s.put_new, CHUNK, b"") == "E_STORE" == code_of(s.spool)
    s.put(COMMIT, b"new")  # replaces the link, not the file behind it
    assert (tmp_path / "blobs" / "b").read_bytes() == b"data" and s.get(COMMIT) == b"new"
    s.delete(COMMIT)
    assert other.get(CHUNK) == b"precious" and [row.key for row in other.list("")] == [CHUNK]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_what_is_no_file(tmp_path):
    s = LocalStore(tmp_path, writable=True)
    (tmp_path / "chunks" / "aa").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe")  # opening it the plain way would wait for ever
    (tmp_path / "zero").symlink_to("/dev/zero")
    for key in ("pipe", "zero", "chunks/aa"):
        for call in (s.get, s.view):
            assert code_of(call, key) == "E_STORE"
        assert code_of(s.ranges, key, [(0, 1)]) == "E_STORE"
        assert not s.exists(key)
    s.put("file", b"")
    assert s.get("file/below") is None and not s.exists("file/below")
    assert code_of(s.put, "file/below", b"") == "E_STORE"


def test_views_stay_good(tmp_path, monkeypatch):
    monkeypatch.setattr("lakebed.stores.local.MAPS", 3)
    s = LocalStore(tmp_path, writable=True)
    for n in range(10):
        s.put(f"k{n}", bytes([n]) * 5000)
    views = [s.view(f"k{n}") for n in range(10)]
    assert len(s._maps) == 3 and s.view("k9") is views[9]
    s.delete("k0")
    assert all(bytes(view) == bytes([n]) * 5000 for n, view in enumerate(views))
    s.put("k9", b"other")
    assert bytes(s.view("k9")) == b"other"
    s.put("none", b"")
    assert bytes(s.view("none")) == b""
    assert code_of(s.view, "absent") == "E_OBJECT_MISSING"


def test_a_folder_that_vanishes_is_made_again(tmp_path):
    s = LocalStore(tmp_path / "root", writable=True)
    s.put(CHUNK, b"1")
    s.delete(CHUNK)
    (tmp_path / "root" / "chunks" / "aa").rmdir()
    s.put(CHUNK, b"2")
    spool = s.spool()
    spool.write(b"3")
    s.delete(CHUNK)
    (tmp_path / "root" / "chunks" / "aa").rmdir()
    spool.finish(CHUNK)
    assert s.get(CHUNK) == b"3"


def run(program: str, *args: str, **kwargs) -> subprocess.Popen:
    source = f"import sys; sys.path.insert(0, {REFERENCE!r})\n" + textwrap.dedent(program)
    return subprocess.Popen([sys.executable, "-c", source, *args], text=True, **kwargs)


def test_processes_race_for_every_commit(tmp_path):
    """Two processes want the same 50 keys; each key has one winner and holds that winner's bytes."""
    program = """
        import os, time
        from lakebed.stores import store, ObjectExists
        s = store(sys.argv[1], writable=True)
        me = sys.argv[2].encode() * 20_000
        s.put(f"ready-{sys.argv[2]}", b"")
        while not (s.exists("ready-a") and s.exists("ready-b")):
            time.sleep(0.001)
        won = []
        for n in range(50):
            try:
                s.put_new(f"commits/main/{n:010}.json", me)
                won.append(n)
            except ObjectExists:
                pass
        print(*won)
    """
    both = [run(program, str(tmp_path), name, stdout=subprocess.PIPE) for name in "ab"]
    won = [set(map(int, process.communicate(timeout=60)[0].split())) for process in both]
    assert won[0] | won[1] == set(range(50)) and not won[0] & won[1]
    s = LocalStore(tmp_path, writable=False)
    for n in range(50):
        assert s.get(f"commits/main/{n:010}.json") == (b"a" if n in won[0] else b"b") * 20_000
    assert not [row.key for row in s.list("") if ".tmp" in row.key]


KILLED = """
    import os, signal
    from lakebed.stores import store
    calls = {name: getattr(os, name) for name in ("open", "fsync", "link", "unlink", "replace", "makedirs", "close")}

    def write(root, method, at):
        count = 0
        def killing(call):
            def wrapped(*args, **kwargs):
                nonlocal count
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **kwargs)
            return wrapped
        s = store(root, writable=True)
        for name, call in calls.items():
            setattr(os, name, killing(call))
        data = b"x" * 300_000
        if method == "spool":
            spool = s.spool()
            spool.write(data)
            spool.finish("deep/key.json")
        else:
            getattr(s, method)("deep/key.json", data)

    for at in range(1, 60):
        child = os.fork()
        if child == 0:
            write(f"{sys.argv[1]}/{at}", sys.argv[2], at)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(at)
            break
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("method", ["put_new", "put", "spool"])
def test_killed_at_every_step(method, tmp_path):
    """SIGKILL before the n-th system call, for every n: the key holds nothing or everything, and is not blocked."""
    out, _ = run(KILLED, str(tmp_path), method, stdout=subprocess.PIPE).communicate(timeout=60)
    steps = int(out)  # the first n at which the write came to its end
    assert steps >= 8
    seen = set()
    for at in range(1, steps + 1):
        s = LocalStore(tmp_path / str(at), writable=True)
        found = s.get("deep/key.json")
        assert found in (None, b"x" * 300_000), f"torn at step {at}"
        seen.add(found is not None)
        if found is None:
            s.put_new("deep/key.json", b"the next writer")
    assert seen == {True, False}


@pytest.mark.parametrize("method", ["put_new", "put", "spool"])
def test_a_full_device(method, tmp_path):
    """A limit on file size stands for the full device: E_STORE, nothing under the key, no temporary file left."""
    pytest.importorskip("resource")
    program = """
        import resource
        from lakebed.stores import store
        from lakebed.errors import LakebedError
        s = store(sys.argv[1], writable=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            if sys.argv[2] == "spool":
                spool = s.spool()
                for _ in range(40):
                    spool.write(b"x" * 5_000)
                spool.finish("chunks/key")
            else:
                getattr(s, sys.argv[2])("chunks/key", b"x" * 200_000)
        except LakebedError as exc:
            print(exc.code, [entry.key for entry in s.list("")])
    """
    out, _ = run(program, str(tmp_path), method, stdout=subprocess.PIPE).communicate(timeout=60)
    assert out == "E_STORE []\n"


def refuse_link(code):
    def link(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return link


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux")
def test_without_hard_links(tmp_path, monkeypatch):
    """`link` refused as exFAT does: the rename that refuses to replace takes over, and is the real one."""
    monkeypatch.setattr(os, "link", refuse_link(errno.EPERM))
    s = LocalStore(tmp_path, writable=True)
    s.put_new(COMMIT, b"first")
    with pytest.raises(ObjectExists):
        s.put_new(COMMIT, b"second")
    assert s.get(COMMIT) == b"first" and [row.key for row in s.list("")] == [COMMIT]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(errno.EPERM, "E_STORE_EXCLUSIVE"), (errno.EIO, "E_COMMIT_UNKNOWN"), (errno.ENOSPC, "E_STORE")],
)
def test_when_nothing_exclusive_works(code, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_link(code))
    monkeypatch.setattr(exclusive, "rename_noreplace", refuse_link(errno.EINVAL))
    s = LocalStore(tmp_path, writable=True)
    assert code_of(s.put_new, COMMIT, b"1") == expected
    assert list(s.list("")) == []


def test_a_commit_whose_folder_cannot_be_synced_is_unknown(tmp_path, monkeypatch):
    s = LocalStore(tmp_path, writable=True)
    s.put("commits/main/other.json", b"")
    monkeypatch.setattr("lakebed.stores.local._sync_folder", refuse_link(errno.EIO))
    assert code_of(s.put_new, COMMIT, b"1") == "E_COMMIT_UNKNOWN"


def test_every_name_is_synced(tmp_path, monkeypatch):
    """Also folders that somebody else made; and deletions before those in the next folder [store.local.folders]."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which folder a descriptor is")
    root = tmp_path / "root"
    (root / "chunks" / "aa").mkdir(parents=True)
    s = LocalStore(root, writable=True)
    s.put(CHUNK, b"1")
    assert {str(tmp_path), str(root), str(root / "chunks"), str(root / "chunks" / "aa")} <= set(synced)
    assert synced[-1] == str(root / "chunks" / "aa")
    s.put_new(COMMIT, b"1")
    assert synced[-1] == str(root / "commits" / "main")
    with pytest.raises(ObjectExists):
        s.put_new(COMMIT, b"1")  # may be read back and taken for a success
    assert synced[-1] == str(root / "commits" / "main")
    synced.clear()
    s.delete(COMMIT)
    s.delete(CHUNK)
    assert synced == [str(root / "commits" / "main")]


def test_a_spool_s_folders_are_synced_when_it_gets_its_name(tmp_path, monkeypatch):
    """[store.local.folders] [store.durable] Not before, and then up to the first folder that was there."""
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd)))
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which folder a descriptor is")
    root = tmp_path / "new" / "too" / "root"
    spool = LocalStore(root, writable=True).spool()
    spool.write(b"1")
    assert not synced
    spool.finish(CHUNK)
    folders = [tmp_path, tmp_path / "new", tmp_path / "new" / "too", root, root / "chunks", root / "chunks" / "aa"]
    assert {str(folder) for folder in folders} <= set(synced)


def test_small_reads_are_cheap(tmp_path):
    """A cold open reads a hint, two commits and one sample: together well under a millisecond."""
    s = LocalStore(tmp_path, writable=True)
    s.put(COMMIT, b"x" * 2000)
    s.put(CHUNK, b"x" * 200_000)

    def cold() -> float:
        fresh = LocalStore(tmp_path, writable=False)
        begin = time.perf_counter()
        for _ in range(3):
            fresh.get(COMMIT, limit=1 << 26)
        fresh.exists("commits/main/0000000002.json")
        assert fresh.view(CHUNK) is not None
        fresh.ranges(CHUNK, [(100, 1000)])
        return time.perf_counter() - begin

    assert min(cold() for _ in range(20)) < 0.0005
