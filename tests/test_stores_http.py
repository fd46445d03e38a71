"""Reading over plain HTTP from a real range server, well and badly behaved [store.http]."""

from __future__ import annotations

import os
import pickle
import random
import socket
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("urllib3", reason="urllib3 is not installed: NO HTTP TEST RUNS (pip install lakebed[http])")

from lakebed.errors import LakebedError
from lakebed.stores import store
from servers import RangeServer, folder, mapping

COMMIT = "commits/main/0000000001.json"
CHUNK = "chunks/aa/" + "a" * 64 + ".chunk"
DATA = random.Random(1).randbytes(1_000_000)
OBJECTS = {f"ds/{COMMIT}": b"{}" * 500, f"ds/{CHUNK}": DATA, "ds/empty": b""}


def open_at(server, **options):
    options = {"timeout": 0.25, "deadline": 0.6, "retries": 1, **options}
    return store(f"{server.url}/ds", writable=False, options=options)


def error_of(call, *args, **kwargs) -> LakebedError:
    with pytest.raises(LakebedError) as caught:
        call(*args, **kwargs)
    return caught.value


def code_of(call, *args, **kwargs) -> str:
    return error_of(call, *args, **kwargs).code


@pytest.mark.parametrize("head", [True, False], ids=["HEAD", "without HEAD"])
def test_a_good_server(head):
    with RangeServer(mapping(OBJECTS), head=head) as server:
        s = open_at(server)
        assert s.get(COMMIT) == b"{}" * 500 == s.get(COMMIT, limit=1000)
        assert code_of(s.get, COMMIT, limit=999) == "E_JSON_LIMIT"
        assert s.get("no") is None and not s.exists("no") and s.size("no") is None
        assert s.exists(COMMIT) and s.size(CHUNK) == len(DATA)
        assert s.get("empty") == b"" == s.get("empty", limit=5) and s.size("empty") == 0 and s.exists("empty")
        spans = [(999_999, 1), (5, 10), (0, 10), (7, 0), (300_000, 600_000)]
        assert [bytes(part) for part in s.ranges(CHUNK, spans)] == [DATA[a : a + n] for a, n in spans]
        assert code_of(s.ranges, "no", [(0, 1)]) == "E_OBJECT_MISSING"
        assert code_of(s.ranges, CHUNK, [(999_999, 2)]) == "E_TRUNCATED" == code_of(s.ranges, CHUNK, [(2_000_000, 2)])
        assert s.view(CHUNK) is None and s.list("") is None
        for call in (s.put, s.put_new):
            assert code_of(call, COMMIT, b"") == "E_READ_ONLY"
        assert code_of(s.delete, COMMIT) == "E_READ_ONLY" == code_of(s.spool)


def test_a_folder_behind_a_server(tmp_path):
    local = store(tmp_path / "ds", writable=True)
    local.put(CHUNK, DATA)
    with RangeServer(folder(tmp_path)) as server:
        assert bytes(open_at(server).ranges(CHUNK, [(10, 5)])[0]) == DATA[10:15]


def test_near_spans_are_one_request_and_far_ones_are_fetched_together():
    size = 1 << 40  # a terabyte that nobody stores
    source = {"/ds/big": (size, lambda offset, length: bytes(length))}.get
    with RangeServer(source, delay=0.05) as server:
        s = open_at(server, concurrency=4)
        s.ranges("big", [(n * 1000, 500) for n in range(100)])
        assert (server.requests, server.bytes, server.waves) == (1, 99_500, 1)
        server.reset()
        begin = time.perf_counter()
        s.ranges("big", [(n << 35, 10) for n in range(12)])
        assert (server.requests, server.bytes) == (12, 120)
        assert 2 <= server.peak <= 4  # the bound on what is under way
        assert time.perf_counter() - begin < 12 * 0.05
        server.reset()
        for n in range(5):  # each waits for the one before
            s.ranges("big", [(n, 1)])
        assert (server.requests, server.waves) == (5, 5)
        server.reset()
        assert s.ranges("big", [(5, 0), (10**15, 0)]) == [b"", b""] and server.requests == 0


def test_the_bound_holds_for_all_callers_together():
    with RangeServer(mapping(OBJECTS), delay=0.02) as server:
        s = open_at(server, concurrency=2, deadline=10)
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda n: s.exists(COMMIT), range(16)))
        assert (server.requests, server.peak) == (16, 2)


def test_connections_are_kept():
    with RangeServer(mapping(OBJECTS)) as server:
        s = open_at(server)
        for n in range(20):
            s.ranges(CHUNK, [(n * 10, 10)])
            s.exists("no")
            s.get(COMMIT)
        assert s._pool.pools.keys() and sum(s._pool.pools[k].num_connections for k in s._pool.pools.keys()) == 1  # noqa: SIM118


@pytest.mark.parametrize("fault", ["503", "429", "408", "cut", "stall", "short"])
def test_a_passing_trouble_is_tried_again(fault):
    with RangeServer(mapping(OBJECTS), fault=lambda number, path: fault if number == 1 else "") as server:
        s = open_at(server, deadline=5)
        assert bytes(s.ranges(CHUNK, [(100, 1000)])[0]) == DATA[100:1100]
        assert server.requests == 2
    if fault != "short":
        with RangeServer(mapping(OBJECTS), fault=lambda number, path: fault if number == 1 else "") as server:
            assert open_at(server, deadline=5).get(COMMIT) == b"{}" * 500


def test_the_second_try_asks_only_for_what_is_lacking():
    with RangeServer(mapping(OBJECTS), fault=lambda number, path: "cut" if number == 1 else "") as server:
        assert bytes(open_at(server, deadline=5).ranges(CHUNK, [(0, 1_000_000)])[0]) == DATA
        assert server.bytes == 1_000_000
        assert [row.range for row in server.log] == ["bytes=0-999999", "bytes=500000-999999"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("500", "E_STORE"),
        ("403", "E_STORE"),
        ("cut", "E_TRUNCATED"),
        ("short", "E_TRUNCATED"),
        ("lie", "E_STORE"),
        ("gzip", "E_STORE"),
        ("redirect", "E_STORE"),
        ("stall", "E_STORE"),
        ("dribble", "E_STORE"),
    ],
)
def test_a_lasting_trouble_is_an_error_in_bounded_time(fault, code):
    begin = time.perf_counter()
    with RangeServer(mapping(OBJECTS), fault=lambda number, path: fault) as server:
        caught = error_of(open_at(server).ranges, CHUNK, [(100, 1000)])
        assert caught.code == code and caught.object == CHUNK
        assert server.requests <= 12
    assert time.perf_counter() - begin < 4


@pytest.mark.parametrize("fault", ["500", "403", "cut", "gzip", "redirect", "stall", "dribble"])
def test_whole_reads_fail_in_bounded_time_too(fault):
    begin = time.perf_counter()
    with RangeServer(mapping(OBJECTS), fault=lambda number, path: fault) as server:
        assert code_of(open_at(server).get, COMMIT, limit=1 << 26) == "E_STORE"
    assert time.perf_counter() - begin < 4


def test_a_server_that_ignores_ranges():
    """A little is read over and used; a lot is refused before it is read."""
    source = {"/ds/small": (1_000_000, lambda o, n: DATA[o : o + n]), "/ds/big": (1 << 40, lambda o, n: bytes(n))}.get
    with RangeServer(source, fault=lambda number, path: "ignore") as server:
        s = open_at(server)
        spans = [(10, 5), (900_000, 100_000)]
        assert [bytes(part) for part in s.ranges("small", spans)] == [DATA[a : a + n] for a, n in spans]
        assert code_of(s.ranges, "small", [(999_999, 2)]) == "E_TRUNCATED"
        assert bytes(s.ranges("big", [(10, 5)])[0]) == bytes(5)
        server.reset()
        begin = time.perf_counter()
        caught = error_of(s.ranges, "big", [(1 << 39, 5)])
        assert caught.code == "E_STORE" and "ignores Range" in str(caught)
        assert time.perf_counter() - begin < 1 and server.bytes < 1 << 26


def test_a_huge_document_is_refused_before_it_is_read():
    with RangeServer({"/ds/huge": (1 << 40, lambda o, n: bytes(n))}.get) as server:
        tracemalloc.start()
        assert code_of(open_at(server).get, "huge", limit=1 << 20) == "E_JSON_LIMIT"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 << 20


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        s = store(f"http://127.0.0.1:{port}/ds", writable=False, options={"retries": 1, "deadline": 0.6})
        for call in (s.get, s.exists, s.size):
            assert code_of(call, COMMIT) == "E_STORE"
        assert code_of(s.ranges, CHUNK, [(0, 1)]) == "E_STORE"


def test_a_bucket_that_hides_absence():
    with RangeServer(mapping({}), fault=lambda number, path: "403") as server:
        assert code_of(open_at(server).exists, COMMIT) == "E_STORE"
        assert not open_at(server, absent=(403, 404)).exists(COMMIT)


def test_the_query_is_sent_and_not_shown():
    seen = []
    with RangeServer(mapping(OBJECTS)) as server:
        real = server.source
        server.source = lambda path: (seen.append(path), real(path))[1]
        s = store(f"{server.url}/ds/?token=secret", writable=False, options={"headers": {"X-Key": "hidden"}})
        assert s.get(COMMIT) is not None and seen == [f"/ds/{COMMIT}"]
        assert "secret" not in s.url and s._query == "?token=secret"
        server.fault = lambda number, path: "403"
        assert "secret" not in str(error_of(s.get, COMMIT))
    for bad in ("http:///x", "http://user:pass@host/x", "http://host/x#part"):
        assert code_of(store, bad, writable=False) == "E_ARGUMENT"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_and_through_pickle():
    spans = [(0, 5), (900_000, 5)]
    expected = [DATA[a : a + n] for a, n in spans]
    with RangeServer(mapping(OBJECTS)) as server:
        s = open_at(server, deadline=5)
        assert [bytes(part) for part in s.ranges(CHUNK, spans)] == expected
        assert [bytes(part) for part in pickle.loads(pickle.dumps(s)).ranges(CHUNK, spans)] == expected
        child = os.fork()
        if child == 0:  # neither the parent's sockets nor its threads may be used here
            good = False
            try:
                good = s.exists(COMMIT) and s._pid == os.getpid()
                good = good and [bytes(part) for part in s.ranges(CHUNK, spans)] == expected
            finally:
                os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert [bytes(part) for part in s.ranges(CHUNK, spans)] == expected
