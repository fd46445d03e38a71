"""What an object store does that a folder does not: ignored conditions, lost answers, forks [store.probe]."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lakebed.errors import LakebedError
from lakebed.stores import ObjectExists, store

pytest.importorskip("moto", reason="moto[server] is not installed: NO S3 TEST RUNS (pip install lakebed[test])")
pytest.importorskip("s3fs", reason="s3fs is not installed: NO S3 TEST RUNS (pip install lakebed[s3])")

from servers import s3_server

REFERENCE = str(Path(__file__).parents[1] / "reference")
COMMIT = "commits/main/0000000001.json"
CHUNK = "chunks/aa/" + "a" * 64 + ".chunk"
ONCE = {"config_kwargs": {"retries": {"max_attempts": 0}}}


@pytest.fixture(scope="module")
def s3():
    with s3_server() as running:
        yield running


def code_of(call, *args, **kwargs) -> str:
    with pytest.raises(LakebedError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_a_store_that_ignores_the_condition_is_refused():
    with s3_server("ignore") as s3:
        s = store(f"{s3.url}/ds", writable=True, options=s3.options)
        s.put(CHUNK, b"1")
        assert code_of(s.put_new, COMMIT, b"1") == "E_STORE_EXCLUSIVE"
        assert code_of(s.put_new, COMMIT, b"1") == "E_STORE_EXCLUSIVE"  # asked anew, refused again
        assert [row.key for row in s.list("")] == [CHUNK]  # neither commit nor probe


def test_an_answer_lost_once_reads_as_exists():
    """The repeated put meets its own first success; who reads it back finds its own bytes."""
    with s3_server("lost-once") as s3:
        s = store(f"{s3.url}/ds", writable=True, options=s3.options)
        with pytest.raises(ObjectExists):
            s.put_new(COMMIT, b"mine")
        assert s.get(COMMIT) == b"mine"


def test_an_answer_lost_for_good_is_unknown(monkeypatch):
    with s3_server("lost") as s3:
        s = store(f"{s3.url}/ds", writable=True, options={**s3.options, **ONCE})
        s._fs.retries = 1
        assert code_of(s.put_new, COMMIT, b"mine") == "E_COMMIT_UNKNOWN"
        assert s.get(COMMIT) == b"mine"


def test_a_dead_server():
    with s3_server() as s3:
        s = store(f"{s3.url}/ds", writable=True, options={**s3.options, **ONCE})
        s._fs.retries = 1
        s.put_new(COMMIT, b"1")
    for call in (s.get, s.exists, s.size, s.delete):
        assert code_of(call, COMMIT) == "E_STORE"
    assert code_of(s.ranges, CHUNK, [(0, 1)]) == "E_STORE"
    assert code_of(s.list, "") == "E_STORE"
    assert code_of(s.put, CHUNK, b"1") == "E_STORE"
    assert code_of(s.put_new, "commits/main/0000000002.json", b"2") == "E_COMMIT_UNKNOWN"
    spool = s.spool()
    name = spool._file.name
    assert code_of(spool.finish, CHUNK) == "E_STORE" and not os.path.exists(name)


def test_a_bucket_that_is_not_there(s3):
    s = store("s3://no-such-bucket/ds", writable=True, options=s3.options)
    assert s.get(COMMIT) is None and list(s.list("")) == []
    assert code_of(s.put, CHUNK, b"1") == "E_STORE" == code_of(s.put_new, COMMIT, b"1")


def test_a_large_chunk_goes_up_in_parts(s3):
    s = store(f"{s3.url}/parts", writable=True, options=s3.options)
    spool = s.spool()
    name = spool._file.name
    piece = os.urandom(1 << 20)
    for _ in range(40):
        spool.write(piece)
    assert os.path.exists(name)
    spool.finish(CHUNK)
    assert not os.path.exists(name)
    assert s.size(CHUNK) == 40 << 20
    assert bytes(s.ranges(CHUNK, [((20 << 20) - 5, 10)])[0]) == piece[-5:] + piece[:5]


def test_two_processes_race_for_one_commit(s3, tmp_path):
    program = f"""
        import sys, time
        sys.path.insert(0, {REFERENCE!r})
        from lakebed.stores import store, ObjectExists
        s = store({s3.url + "/race"!r}, writable=True, options={s3.options!r})
        me = sys.argv[1]
        s.put(f"ready-{{me}}", b"")
        while not (s.exists("ready-a") and s.exists("ready-b")):
            time.sleep(0.01)
        won = []
        for n in range(8):
            try:
                s.put_new(f"commits/main/{{n:010}}.json", me.encode() * 1000)
                won.append(n)
            except ObjectExists:
                pass
        print(*won)
    """
    both = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), me], stdout=subprocess.PIPE, text=True)
        for me in "ab"
    ]
    won = [set(map(int, process.communicate(timeout=60)[0].split())) for process in both]
    assert won[0] | won[1] == set(range(8)) and not won[0] & won[1]
    s = store(f"{s3.url}/race", writable=False, options=s3.options)
    for n in range(8):
        assert s.get(f"commits/main/{n:010}.json") == (b"a" if n in won[0] else b"b") * 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_and_through_pickle(s3):
    s = store(f"{s3.url}/fork", writable=True, options=s3.options)
    s.put(CHUNK, b"0123456789")
    assert pickle.loads(pickle.dumps(s)).get(CHUNK) == b"0123456789"
    child = os.fork()
    if child == 0:  # a loader's worker: the parent's network thread does not exist here
        good = False
        try:
            good = [bytes(part) for part in s.ranges(CHUNK, [(2, 3)])] == [b"234"]
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert s.get(CHUNK) == b"0123456789"


def test_a_scheme_without_a_condition_cannot_commit(tmp_path):
    """fsspec's own exclusive mode looks first and writes then; two writers could both win [store.exclusive.put]."""
    s = store(f"local://{tmp_path}/ds", writable=True)
    s.put(CHUNK, b"12345")
    assert bytes(s.ranges(CHUNK, [(1, 2)])[0]) == b"23" and [row.key for row in s.list("")] == [CHUNK]
    assert (
        code_of(s.ranges, CHUNK, [(4, 2)]) == "E_TRUNCATED" and code_of(s.ranges, "no", [(0, 1)]) == "E_OBJECT_MISSING"
    )
    assert code_of(s.put_new, COMMIT, b"1") == "E_STORE_EXCLUSIVE"
    assert not s.exists(COMMIT)
