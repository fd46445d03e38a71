"""The loader on local and memory stores: every row once, the same order again, resuming, memory, damage."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lakebed
from lakebed.chunkfile import ChunkFile
from lakebed.errors import LakebedError, error
from lakebed.loaders import loader
from lakebed.names import chunk_key
from lakebed.stores import MemoryStore
from lakebed.stores import store as open_store

ROWS = 3000
SMALL = 1 << 20  # the least buffer: a few windows for ROWS rows


def columns(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "id": np.arange(rows),
        "vector": np.repeat(np.arange(rows, dtype=np.float32)[:, None], 100, 1),
        "boxes": [np.full((int(k), 4), i, np.float32) for i, k in enumerate(rng.integers(0, 4, rows))],
        "blob": [rng.integers(0, 200, int(k)).astype(np.uint8) for k in rng.integers(300, 900, rows)],
        "text": [f"row {i}" for i in range(rows)],
        "steps": [[np.full(int(k), i, np.int32) for k in range(i % 3)] for i in range(rows)],
    }


DUE = columns(ROWS)


def write(place: Any) -> None:
    with lakebed.create(place) as ds:
        ds.create_tensor("id", dtype="int64", shape=())
        ds.create_tensor("vector", dtype="float32", shape=(100,), chunk_compression="lz4")
        ds.create_tensor("boxes", htype="bbox")
        ds.create_tensor("blob", dtype="uint8", shape=(None,), sample_compression="lz4")
        ds.create_tensor("text", htype="text", chunk_compression="lz4")
        ds.create_tensor("steps", dtype="int32", shape=(None,), sequence=True)
        ds.create_tensor("none", dtype="int8", shape=())
        ds.extend(DUE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("loader") / "ds")
    write(path)
    return path


@pytest.fixture(scope="module")
def ds(place: str) -> lakebed.Dataset:
    return lakebed.open(place)


def ids(batches: Iterable[Any]) -> list[int]:
    return [int(i) for batch in batches for i in batch["id"]]


def check(batch: dict[str, Any]) -> None:
    """Every tensor of a batch tells the same rows."""
    due = DUE
    for place, i in enumerate(batch["id"].tolist()):
        assert (batch["vector"][place] == i).all() and batch["vector"][place].shape == (100,)
        assert np.array_equal(batch["boxes"][place], due["boxes"][i])
        assert np.array_equal(batch["blob"][place], due["blob"][i])
        assert batch["text"][place] == f"row {i}"
        assert all(np.array_equal(a, b) for a, b in zip(batch["steps"][place], due["steps"][i], strict=True))
        assert batch["none"][place] is None


@pytest.mark.parametrize("shuffle", [False, True, "full"])
@pytest.mark.parametrize("buffer_bytes", [SMALL, 256 << 20])
def test_every_row_once_and_whole(ds: lakebed.Dataset, shuffle: Any, buffer_bytes: int) -> None:
    made = loader(ds, shuffle=shuffle, buffer_bytes=buffer_bytes, batch_size=64)
    seen = list(made)
    assert len(seen) == len(made) == 47
    found = ids(seen)
    assert sorted(found) == list(range(ROWS))
    assert (found == list(range(ROWS))) == (shuffle is False)
    for batch in seen[::9]:
        check(batch)


@pytest.mark.parametrize("shuffle", [True, "full"])
def test_ranks_and_epochs(ds: lakebed.Dataset, shuffle: Any) -> None:
    loaders = [loader(ds, tensors=["id"], shuffle=shuffle, rank=r, world_size=3, batch_size=50) for r in range(3)]
    first = [ids(one) for one in loaders]
    second = [ids(one) for one in loaders]
    for parts in (first, second):
        assert sorted(i for part in parts for i in part) == list(range(ROWS))
    assert first != second and [one.epoch for one in loaders] == [2, 2, 2]
    again = loader(ds, tensors=["id"], shuffle=shuffle, rank=1, world_size=3, batch_size=50, epoch=1)
    assert ids(again) == second[1]


def test_drop_last_gives_every_rank_the_same_number_of_full_batches(ds: lakebed.Dataset) -> None:
    for world in (1, 7):
        made = [
            loader(ds, tensors=["id"], shuffle=True, rank=r, world_size=world, batch_size=64, drop_last=True)
            for r in range(world)
        ]
        batches = [list(one) for one in made]
        assert {len(b) for b in batches} == {ROWS // world // 64} == {len(one) for one in made}
        assert {len(batch["id"]) for part in batches for batch in part} == {64}
        found = [i for part in batches for i in ids(part)]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("shuffle", [True, "full"])
def test_the_order_does_not_depend_on_threads_or_the_store(ds: lakebed.Dataset, shuffle: Any) -> None:
    memory = MemoryStore()
    for entry in ds.store.list(""):
        memory.put(entry.key, ds.store.get(entry.key))
    orders = [
        ids(loader(lakebed.open(place), shuffle=shuffle, seed=5, buffer_bytes=SMALL, threads=threads, prefetch=ahead))
        for place, threads, ahead in ((ds.store, 1, 0), (ds.store, 4, 7), (memory, 3, 1), (_Unmapped(memory), 2, 2))
    ]
    assert all(order == orders[0] for order in orders)
    assert ids(loader(ds, shuffle=shuffle, seed=6, buffer_bytes=SMALL)) != orders[0]


@pytest.mark.parametrize("shuffle", [False, True, "full"])
@pytest.mark.parametrize("stop", [1, 17, 46, 47])
def test_resume_in_mid_epoch(ds: lakebed.Dataset, shuffle: Any, stop: int) -> None:
    arguments: dict[str, Any] = {"shuffle": shuffle, "buffer_bytes": SMALL, "batch_size": 64, "seed": 9, "epoch": 4}
    whole = [batch["id"].tolist() for batch in loader(ds, **arguments)]
    first = loader(ds, **arguments)
    running = iter(first)
    before = [next(running)["id"].tolist() for _ in range(stop)]
    state = json.loads(json.dumps(first.state_dict()))
    running.close()
    second = loader(ds, **{**arguments, "epoch": 0})
    second.load_state_dict(state)
    assert before + [batch["id"].tolist() for batch in second] == whole
    assert second.epoch == 5


def test_an_iteration_that_was_left_is_over(ds: lakebed.Dataset) -> None:
    made = loader(ds, tensors=["id"], shuffle=True)
    left = next(iter(made))["id"].tolist()
    assert made.state_dict()["batches"] == 1
    assert next(iter(made))["id"].tolist() != left
    assert made.epoch == 1


def test_a_state_of_another_order_is_refused(ds: lakebed.Dataset) -> None:
    state = loader(ds, seed=1, shuffle=True).state_dict()
    for other in ({"seed": 2}, {"batch_size": 8}, {"shuffle": "full"}, {"world_size": 2}, {"tensors": ["id"]}):
        with pytest.raises(LakebedError, match="E_ARGUMENT"):
            loader(ds, **{"seed": 1, "shuffle": True, **other}).load_state_dict(state)


def test_transform_and_collate(ds: lakebed.Dataset) -> None:
    made = loader(ds, tensors=["id", "boxes"], transform=lambda row: {"n": len(row["boxes"]), "id": row["id"]})
    batch = next(iter(made))
    assert batch["n"].tolist() == [len(b) for b in DUE["boxes"][:32]] and batch["id"].tolist() == list(range(32))
    assert next(iter(loader(ds, tensors=["id"], collate=len))) == 32
    with pytest.raises(ZeroDivisionError):
        list(loader(ds, tensors=["id"], transform=lambda row: 1 // 0))


def test_arguments_are_judged(ds: lakebed.Dataset, tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"batch_size": 0},
        {"shuffle": "some"},
        {"rank": 2, "world_size": 2},
        {"on_error": "ignore"},
        {"threads": 0},
        {"buffer_bytes": 0},
        {"tensors": []},
    ]
    for arguments in wrong:
        with pytest.raises(LakebedError, match="E_ARGUMENT"):
            loader(ds, **arguments)
    with pytest.raises(LakebedError, match="E_TENSOR_ABSENT"):
        loader(ds, tensors=["nothing"])
    with pytest.raises(LakebedError, match="E_ARGUMENT"):
        loader(lakebed.create(str(tmp_path / "new")))


def test_pickled_and_opened_elsewhere(ds: lakebed.Dataset) -> None:
    made = loader(ds, tensors=["id"], shuffle=True, seed=2)
    due = ids(made)
    copy = pickle.loads(pickle.dumps(loader(ds, tensors=["id"], shuffle=True, seed=2)))
    assert ids(copy) == due
    again = pickle.loads(pickle.dumps(ds))
    assert again.number == ds.number and again.id[:].tolist() == ds.id[:].tolist()
    with lakebed.open(ds.url, "a") as writing, pytest.raises(LakebedError, match="E_ARGUMENT"):
        pickle.dumps(writing)


# --- bytes and memory ------------------------------------------------------------------------------------------------


class _Unmapped:
    """A store without mapping, as a remote one is; counts what is asked of it, and fails when told."""

    writable = False

    def __init__(self, inner: Any) -> None:
        self.inner, self.url = inner, inner.url
        self.asked: list[tuple[str, int, int]] = []
        self.at_once = self.most = 0
        self.fail: Any = None
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["inner"], name)

    def view(self, key: str) -> None:
        return None

    def ranges(self, key: str, spans: Any) -> Any:
        with self._lock:
            self.asked += [(key, offset, length) for offset, length in spans]
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            if self.fail is not None:
                self.fail(key, spans)
            return [bytes(part) for part in self.inner.ranges(key, spans)]
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_every_unit_is_fetched_and_decoded_once_in_an_epoch(
    place: str, shuffle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shuffled, small gaps between the wanted ranges are read with them: a quarter more at most."""
    decoded: list[tuple[str, int]] = []
    inner = ChunkFile.decoded

    def counted(file: ChunkFile, unit: Any, data: Any) -> Any:
        decoded.append((file.key, unit.number))
        return inner(file, unit, data)

    monkeypatch.setattr(ChunkFile, "decoded", counted)
    for name in ("blob", "vector", "text"):
        decoded.clear()
        store = _Unmapped(open_store(place, writable=False))
        assert len(list(loader(lakebed.open(store), tensors=[name], shuffle=shuffle, buffer_bytes=SMALL))) == 94
        (ref,) = lakebed.open(place).commit_info.tensors[name].own.chunks
        fetched = sum(n for key, at, n in store.asked if key == chunk_key(ref.name) and at < 64 + ref.payload)
        assert fetched == ref.payload if not shuffle else fetched <= 1.25 * ref.payload, name
        units = ChunkFile(store, ref).geometry.n_units
        assert sorted(decoded) == [(chunk_key(ref.name), number) for number in range(units)]
        assert store.most <= 16


MEMORY = """
    import resource, sys
    import numpy as np, lakebed
    from lakebed.loaders import loader
    class Unmapped:
        writable = False
        def __init__(self, inner): self.inner, self.url = inner, inner.url
        def __getattr__(self, name): return getattr(self.__dict__["inner"], name)
        def view(self, key): return None
        def ranges(self, key, spans): return [bytes(p) for p in self.inner.ranges(key, spans)]
    from lakebed.stores import store
    where, buffer, shuffle = sys.argv[1], int(sys.argv[2]), {"1": True}.get(sys.argv[3], sys.argv[3])
    place = Unmapped(store(where, writable=False))
    made = loader(lakebed.open(place), shuffle=shuffle, buffer_bytes=buffer, batch_size=16, threads=2)
    made.plan()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = sum(len(batch["x"]) for batch in made)
    print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
"""


@pytest.mark.parametrize("kind", ["stored", "decoded"])
def test_memory_stays_bounded(tmp_path: Path, kind: str) -> None:
    """192 MB of rows through 16 MiB of buffer, 32 MiB of requests and a few batches of 1 MB."""
    rows, side, stored = 3000, 64_000, kind == "stored"
    with lakebed.create(str(tmp_path / "ds")) as ds:
        sizes = {"stored": {"sample_compression": "lz4"}, "decoded": {"chunk_compression": "lz4"}}[kind]
        ds.create_tensor("x", dtype="uint8", shape=(None,) if stored else (side // 4,), **sizes)
        rng = np.random.default_rng(0)
        for _ in range(10):
            shape = (rows // 10, side) if stored else (rows // 10 * 4, side // 4)
            block = rng.integers(0, 255, shape, np.uint8)
            ds.extend({"x": list(block) if stored else block})
    buffer = 16 << 20
    bound = buffer + (32 << 20) + 4 * 16 * side + (24 << 20)  # the last: the allocator's and the threads' own
    command = [sys.executable, "-c", textwrap.dedent(MEMORY), str(tmp_path / "ds"), str(buffer), "1"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=_env())
    seen, grown = map(int, answer.stdout.split())
    assert seen == rows * (1 if stored else 4)
    assert grown < bound, f"{grown >> 20} MiB of {bound >> 20}"


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(lakebed.__file__).parents[1])}


# --- bad input -------------------------------------------------------------------------------------------------------


def damaged(place: str, tensor: str, tmp_path: Path, rows: Iterable[int]) -> MemoryStore:
    """A copy in which the stored bytes of these rows of a tensor of one-item units are flipped."""
    source, memory = open_store(place, writable=False), MemoryStore()
    for entry in source.list(""):
        memory.put(entry.key, source.get(entry.key))
    (ref,) = lakebed.open(place).commit_info.tensors[tensor].own.chunks
    data = bytearray(memory.get(chunk_key(ref.name)))
    file = ChunkFile(source, ref)
    for row in rows:
        data[file.geometry.unit(file.geometry.unit_of(row)).offset] ^= 255
    memory.put(chunk_key(ref.name), bytes(data))
    return memory


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_damaged_row_is_raised_or_skipped_and_told(place: str, tmp_path: Path, mapped: bool, shuffle: bool) -> None:
    memory = damaged(place, "blob", tmp_path, [70, 1500])
    bad = lakebed.open(memory if mapped else _Unmapped(memory))
    with pytest.raises(LakebedError, match=r"row (70|1500) of tensor 'blob'.*E_UNIT_CRC unit.crc") as caught:
        list(loader(bad, shuffle=shuffle, buffer_bytes=SMALL))
    assert caught.value.object is not None and caught.value.offset is not None
    lenient = loader(bad, shuffle=shuffle, buffer_bytes=SMALL, on_error="skip")
    batches = list(lenient)
    assert sorted(ids(batches)) == [i for i in range(ROWS) if i not in (70, 1500)]
    for batch in batches[::20]:
        check(batch)
    assert sorted((s.row, s.tensor, s.error.code, s.epoch) for s in lenient.skipped) == [
        (70, "blob", "E_UNIT_CRC", 0),
        (1500, "blob", "E_UNIT_CRC", 0),
    ]


def test_a_damaged_unit_of_many_rows_skips_exactly_those(place: str, tmp_path: Path) -> None:
    bad = lakebed.open(_Unmapped(damaged(place, "vector", tmp_path, [500])))
    lenient = loader(bad, shuffle=True, buffer_bytes=SMALL, on_error="skip")
    found = set(ids(lenient))
    lost = {s.row for s in lenient.skipped}
    assert 500 in lost and len(lost) < 400 and found == set(range(ROWS)) - lost


def test_a_missing_chunk_is_named(place: str) -> None:
    source, memory = open_store(place, writable=False), MemoryStore()
    (ref,) = lakebed.open(place).commit_info.tensors["boxes"].own.chunks
    for entry in source.list(""):
        if entry.key != chunk_key(ref.name):
            memory.put(entry.key, source.get(entry.key))
    with pytest.raises(LakebedError, match="E_OBJECT_MISSING"):
        list(loader(lakebed.open(memory)))
    lenient = loader(lakebed.open(memory), on_error="skip")
    assert list(lenient) == [] and len(lenient.skipped) == ROWS


def test_a_store_that_hangs_ends_in_a_named_error(place: str) -> None:
    store = _Unmapped(open_store(place, writable=False))
    made = loader(lakebed.open(store), tensors=["blob"], buffer_bytes=SMALL, timeout=0.5)
    made.plan()
    gate = threading.Event()
    store.fail = lambda key, spans: gate.wait(20)
    begin = time.monotonic()
    with pytest.raises(LakebedError, match="E_STORE"):
        list(made)
    assert time.monotonic() - begin < 5
    gate.set()


def test_a_store_that_fails_is_never_skipped(place: str) -> None:
    store = _Unmapped(open_store(place, writable=False))
    made = loader(lakebed.open(store), tensors=["blob"], on_error="skip", buffer_bytes=SMALL)
    made.plan()

    def fail(key: str, spans: Any) -> None:
        raise error("E_STORE", "store.failure", "the line is cut", object=key)

    store.fail = fail
    with pytest.raises(LakebedError, match="the line is cut"):
        list(made)
    assert made.skipped == []
