"""What the loader may hold and wait for: work made ahead, bytes kept, requests overlapped, stores that hang."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lakebed
from lakebed.errors import LakebedError
from lakebed.loaders import Skipped, loader
from lakebed.loaders.hold import Held, Lot
from lakebed.stores import store as open_store
from lakebed.threads import Pool
from servers import RangeServer, folder

ROWS = 20_000
SMALL = 1 << 20


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """8 MB of vectors in compressed units of many rows, 6 MB of blobs in units of one, and labels that stay at hand."""
    path = str(tmp_path_factory.mktemp("bounds") / "ds")
    rng = np.random.default_rng(1)
    with lakebed.create(path) as ds:
        ds.create_tensor("id", dtype="int64", shape=())
        ds.create_tensor("vector", dtype="float32", shape=(100,), chunk_compression="lz4")
        ds.create_tensor("blob", dtype="uint8", shape=(None,), sample_compression="lz4")
        blobs = [rng.integers(0, 255, 300).astype(np.uint8) for _ in range(ROWS)]
        ds.extend({"id": np.arange(ROWS), "vector": rng.random((ROWS, 100), np.float32), "blob": blobs})
    return path


class Remote:
    """A store without mapping; ``before`` is told of every read, and may wait, fail or change what it gives."""

    writable = False

    def __init__(self, place: str) -> None:
        self.inner = open_store(place, writable=False)
        self.url = self.inner.url
        self.before: Callable[[str, list[Any]], list[Any]] = lambda key, parts: parts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)

    def view(self, key: str) -> None:
        return None

    def ranges(self, key: str, spans: Any) -> Any:
        return self.before(key, [bytes(part) for part in self.inner.ranges(key, spans)])


@pytest.mark.parametrize(("threads", "prefetch"), [(1, 0), (2, 3)])
def test_batches_are_made_ahead_only_so_far(place: str, threads: int, prefetch: int) -> None:
    rows = 0
    lock = threading.Lock()

    def seen(row: dict[str, Any]) -> dict[str, Any]:
        nonlocal rows
        with lock:
            rows += 1
        return row

    made = loader(
        lakebed.open(place), tensors=["id"], batch_size=10, threads=threads, prefetch=prefetch, transform=seen
    )
    batches = iter(made)
    for given in range(1, 6):
        next(batches)
        time.sleep(0.1)
        assert given * 10 <= rows <= (given + prefetch + threads) * 10
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("tensor", ["blob", "vector"])
def test_an_iteration_that_is_left_keeps_nothing(place: str, tensor: str) -> None:
    made = loader(lakebed.open(Remote(place)), tensors=[tensor], shuffle=True, buffer_bytes=SMALL)
    for _ in range(3):
        batches = iter(made)
        next(batches)
        del batches
    held = made._rows().held
    until = time.monotonic() + 5
    while held.nbytes and time.monotonic() < until:
        time.sleep(0.02)
    assert held.nbytes == 0


def test_what_arrives_late_is_not_kept() -> None:
    gate = threading.Event()

    class Slow:
        url = "slow://"

        def ranges(self, key: str, spans: Any) -> list[bytes]:
            gate.wait(5)
            return [bytes(length) for _, length in spans]

    held: Any = Held(Slow())  # type: ignore[arg-type]
    with Pool(1, "test") as pool:
        lot = Lot(held, [("chunk", [(64, 100)]), ("chunk", [(164, 100)])])
        lot.begin(pool)
        lot.release()
        gate.set()
        lot.settle()
    assert held.nbytes == 0
    kept = Lot(held, [("chunk", [(64, 100)])])
    with Pool(1, "test") as pool:
        kept.begin(pool)
        kept.settle()
        assert held.nbytes == 100
    kept.release()
    assert held.nbytes == 0


def test_a_full_shuffle_of_units_of_many_rows_holds_few_bytes(place: str) -> None:
    """A window's rows touch every unit of the dataset; they are fetched in small steps all the same."""
    store = Remote(place)
    made = loader(lakebed.open(store), tensors=["vector", "id"], shuffle="full", buffer_bytes=SMALL, batch_size=500)
    held, most = made._rows().held, 0

    def look(key: str, parts: list[Any]) -> list[Any]:
        nonlocal most
        most = max(most, held.nbytes)
        return parts

    store.before = look
    (table,) = [table for name, table in made._rows().tables.items() if name == "vector"]
    payload = sum(ref.payload for ref in table.chunks)
    batches = iter(made)
    ids = [int(i) for _ in range(6) for i in next(batches)["id"]]
    batches.close()  # type: ignore[attr-defined]
    assert len(set(ids)) == 3000
    blocks = made.plan().layout.costs.max()
    assert 0 < most <= 2 * (SMALL // 2 // 16 + 2 * blocks) < payload / 8


def test_the_first_window_is_asked_for_together_with_what_stays(tmp_path: Path) -> None:
    """Four waves of requests: the newest commit, that nothing is newer, the indexes, and all that the batch needs."""
    with lakebed.create(str(tmp_path)) as ds:
        ds.create_tensor("blob", dtype="uint8", shape=(None,), sample_compression="lz4")
        ds.create_tensor("id", dtype="int64", shape=())
        ds.create_tensor("weight", dtype="float32", shape=(), chunk_compression="lz4")
        blobs = [np.full(1000, i % 7, np.uint8) for i in range(200)]
        ds.extend({"blob": blobs, "id": np.arange(200), "weight": np.ones(200, np.float32)})
    with RangeServer(folder(tmp_path), delay=0.1) as server:
        batches = list(loader(lakebed.open(server.url), shuffle=True))
        assert sorted(int(i) for batch in batches for i in batch["id"]) == list(range(200))
        assert server.waves <= 4


def test_one_strip_is_fetched_while_another_is_decoded(place: str) -> None:
    store = Remote(place)
    made = loader(lakebed.open(store), tensors=["vector"], buffer_bytes=4 << 20, batch_size=1000, threads=1)
    rows = made._rows()
    assert rows.division.held == ("vector",)
    events: list[str] = []
    store.before = lambda key, parts: events.append("fetch") or parts  # type: ignore[func-returns-value]
    strips = rows._strips(np.arange(5000))
    assert len(strips) >= 4
    with Pool(4, "test") as pool:
        ready = rows._fetched("vector", strips, pool)
        next(ready)
        until = time.monotonic() + 5
        while len(events) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(events) >= 2  # the second one is asked for although the first is still in use
        ready.close()
    assert rows.held.nbytes == 0


# --- stores that hang, lie or end early ------------------------------------------------------------------------------

HANG = """
    import sys, threading, lakebed
    from lakebed.loaders import loader
    from lakebed.stores import store
    class Hangs:
        writable = False
        def __init__(self, inner): self.inner, self.url, self.left = inner, inner.url, int(sys.argv[2])
        def __getattr__(self, name): return getattr(self.__dict__["inner"], name)
        def view(self, key): return None
        def ranges(self, key, spans):
            self.left -= 1
            if self.left < 0: threading.Event().wait()
            return [bytes(part) for part in self.inner.ranges(key, spans)]
    ds = lakebed.open(Hangs(store(sys.argv[1], writable=False)))
    try:
        list(loader(ds, timeout=1.0, shuffle=True))
    except lakebed.LakebedError as error:
        print(error.code, error.detail)
"""


@pytest.mark.parametrize("answers", [0, 4])
def test_a_store_that_hangs_for_ever_stops_neither_the_loop_nor_the_process(place: str, answers: int) -> None:
    """In opening, and after the indexes were read; no timeout of the store's own ends it."""
    command = [sys.executable, "-c", textwrap.dedent(HANG), place, str(answers)]
    path = {**os.environ, "PYTHONPATH": str(Path(lakebed.__file__).parents[1])}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True, env=path)
    assert answer.stdout.startswith("E_STORE") and "within 1 seconds" in answer.stdout


def test_short_ranges_are_an_error_or_rows_that_are_told(place: str) -> None:
    """A store that breaks its contract: what lacks is named, row by row, and no row is lost without a word."""
    store = Remote(place)
    told: list[Skipped] = []
    arguments: dict[str, Any] = {"tensors": ["id", "blob"], "shuffle": True, "buffer_bytes": SMALL}
    made = loader(lakebed.open(store), on_error=told.append, **arguments)
    strict = loader(lakebed.open(store), **arguments)
    made.plan(), strict.plan()  # type: ignore[func-returns-value]
    first = next(iter(loader(lakebed.open(store), **arguments)))["blob"]
    assert len(first) == 32
    chunk = made._rows().tables["blob"].chunks[0].name

    def short(key: str, parts: list[Any]) -> list[Any]:
        return [part[: max(0, len(part) - 2000)] if chunk in key else part for part in parts]

    store.before = short
    with pytest.raises(LakebedError) as caught:
        list(strict)
    assert caught.value.code in ("E_TRUNCATED", "E_UNIT_CRC") and "of tensor 'blob'" in caught.value.detail
    given = [int(i) for batch in made for i in batch["id"]]
    lost = [one.row for one in told]
    assert lost and sorted(given + lost) == list(range(ROWS)) and made.skipped == told
    assert all(str(one).startswith(f"epoch 0: row {one.row} was left out, its 'blob'") for one in told)
