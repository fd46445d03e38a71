"""How chunks are filled: units, borders, memory; and that nothing half-written is ever committed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lakebed
from datasets import create
from lakebed import draft, writer
from lakebed.chunkfile import ChunkFile
from lakebed.errors import LakebedError, error
from lakebed.stores import MemoryStore

REFERENCE = str(Path(__file__).parents[1] / "reference")


def files(store: MemoryStore, name: str = "x") -> list[ChunkFile]:
    info = lakebed.open(store).commit_info
    assert info is not None
    return [ChunkFile(store, ref) for ref in info.tensors[name].own.chunks]


def one(columns: Any, **options: Any) -> ChunkFile:
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", **options)
        ds.extend({"x": columns})
    (file,) = files(store)
    return file


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "due"), [((), 8192), ((3,), 2730), ((8192,), 1), ((9000,), 1), ((0,), 65536), ((65536, 0), 65536)]
)
def test_units_of_fixed_shapes(shape: tuple[int, ...], due: int) -> None:
    """[write.unit]: 65,536 div the bytes of an item, at least one; items of no bytes count as one byte."""
    count = due * 2 + 1
    file = one(np.zeros((count, *shape), np.int64), dtype="int64", shape=shape)
    assert file.index.unit == due and file.geometry.n_units == 3


def test_units_of_free_shapes() -> None:
    """[write.unit]: a unit closes with the first item that brings it to 65,536 bytes."""
    sides = [65_535, 1, 70_000, 1, 65_536, 5]
    values = [np.zeros(n, np.uint8) for n in sides]
    for given in (values, [*values[:1], np.zeros(1, np.int32).astype(np.uint8), *values[2:]]):
        file = one(given, dtype="uint8", shape=(None,))
        assert np.asarray(file.index.unit).tolist() == [2, 1, 2, 1]
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(None,))
        for value in values:
            ds.append({"x": value})
    assert files(store)[0].ref == file.ref  # one by one or together: the same bytes [write.same]


def test_sample_compression_is_a_unit_each() -> None:
    file = one(np.zeros((9, 100), np.uint8), dtype="uint8", shape=(100,), sample_compression="lz4")
    assert file.index.unit == 1 and file.geometry.n_units == 9


def test_advice_is_followed() -> None:
    """[write.unit_advice] [write.tile_advice] [write.codecs]: by the next writer, unknown advice kept."""
    from datasets import edit

    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(10,))

    def advise(members: dict[str, Any]) -> None:
        members["tensors"]["x"]["write"] = {
            "codecs": [[{"name": "deflate", "level": 1}]],
            "unit": {"items": 3},
            "chunk": {"bytes": 100},
            "mood": "good",
        }

    edit(store, "commits/main/0000000001.json", advise)
    with lakebed.open(store, "a") as ds:
        for i in range(4):
            ds.extend({"x": np.full((10, 10), i, np.uint8)})
    found = files(store)
    assert len(found) == 4 or all(file.ref.payload <= 200 for file in found)
    assert all(file.index.unit == 3 and file.index.codecs[0][0].name == "deflate" for file in found)
    info = lakebed.open(store).commit_info
    assert info is not None and info.tensors["x"].write["mood"] == "good"
    for bad in (
        {"unit": {"items": 0}},
        {"unit": 3},
        {"codecs": 5},
        {"codecs": [[{"name": "oodle"}]]},
        {"tile": [1, 2]},
    ):
        edit(store, "commits/main/0000000002.json", lambda m, bad=bad: m["tensors"]["x"].update(write=bad))
        assert len(lakebed.open(store).x[:]) == 40
        with pytest.raises(LakebedError) as caught:
            lakebed.open(store, "a").append({})
        assert caught.value.code == "E_TENSOR_FIELD"


def test_incompressible_units_are_raw() -> None:
    """[write.unit.raw]: per unit; a unit of no bytes is raw always."""
    rng = np.random.default_rng(0)
    noise, zeros = rng.integers(0, 256, (1, 70_000), np.uint8), np.zeros((1, 70_000), np.uint8)
    file = one(np.concatenate([noise, zeros, noise]), dtype="uint8", shape=(70_000,), chunk_compression="lz4")
    assert np.asarray(file.index.codec).tolist() == [0, 1, 0]  # pipelines in order of first use
    assert file.index.codecs[0] == ()  # [chunk.index.codecs_canonical]
    empty = one([np.zeros(0, np.uint8)] * 3, dtype="uint8", shape=(None,), sample_compression="lz4")
    assert empty.index.stored is None and empty.ref.payload == 0


def test_files_are_units_of_their_own() -> None:
    """[write.unit.media] [media.unit]: an open unit closes before a file."""
    store = MemoryStore()
    from datasets import picture

    photo = lakebed.read(picture("PNG"))
    with create(store) as ds:
        ds.create_tensor("x", htype="image", sample_compression=[None, "png"])
        for value in (np.zeros((2, 2, 3), np.uint8), photo, np.ones((2, 2, 3), np.uint8)):
            ds.append({"x": value})
    (file,) = files(store)
    assert file.geometry.n_units == 3
    assert file.media[1] and np.asarray(file.index.codec).tolist() == [0, 1, 0]


def test_tiles_do_not_share_a_chunk() -> None:
    """[write.tile] [write.item]: items with and without tiles lie in different chunks; a scalar is never tiled."""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(None, None))
        ds.append({"x": np.zeros((5, 5), np.uint8)})
        ds.append({"x": np.zeros((6000, 6000), np.uint8)})  # above 32 MiB: cut without being asked
        ds.append({"x": np.zeros((5, 5), np.uint8)})
    tiles = [file.index.tile for file in files(store)]
    assert [tile is None for tile in tiles] == [True, False, True]
    assert np.prod(tiles[1]) <= 1 << 20
    assert lakebed.open(store).x[1].shape == (6000, 6000)
    with pytest.raises(LakebedError) as caught, create(MemoryStore()) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(), tile=())
    assert caught.value.code == "E_ARGUMENT"


# --- borders of chunks -----------------------------------------------------------------------------------------------


def test_index_stays_within_its_limit() -> None:
    """[write.chunk] [chunk.index.limit]: whatever comes next, shapes that agreed so far may differ from now on."""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("rows", dtype="uint8", shape=(None,))
        ds.create_tensor("single", dtype="uint8", shape=(), sample_compression="lz4")
        ds.create_tensor("tiny", dtype="uint8", shape=(None,))
        ds.extend({"rows": np.zeros((3_000_000, 1), np.uint8)})
        ds.append({"rows": np.zeros(2, np.uint8)})
        ds.extend({"single": np.zeros(150_000, np.uint8)})
        ds.extend({"tiny": [np.zeros(i % 2, np.uint8) for i in range(300_000)]})
    for name in ("rows", "single", "tiny"):
        assert all(file.ref.index < 2 << 20 for file in files(store, name))
    ds = lakebed.open(store)
    assert ds.rows[2_999_998:3_000_001].list()[2].shape == (2,)
    assert ds.tiny[-2:].list()[1].shape == (1,)


def test_sequences_of_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "INDEX_BYTES", 500)
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(), sequence=True)
        for i in range(2000):
            ds.append({"x": [1] if i != 1500 else [1, 2]})
    assert all(file.ref.index < 1200 for file in files(store))
    assert sum(map(len, lakebed.open(store).x[:])) == 2001


def test_chunks_close_at_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHUNK_BYTES", 100_000)
    monkeypatch.setattr(draft, "BATCH", 30_000)
    store = MemoryStore()
    values = np.random.default_rng(0).integers(0, 255, (1000, 999), np.uint8)
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(999,))
        ds.extend({"x": values})
    assert len(files(store)) == 9 and all(file.ref.payload < 131_000 for file in files(store))
    assert (lakebed.open(store).x[:] == values).all()


# --- what breaks off -------------------------------------------------------------------------------------------------


class Failing(MemoryStore):
    """A store whose spools fail after so many writes: a full disk."""

    left = 10**9

    def spool(self) -> Any:
        inner, store = super().spool(), self

        class Spool:
            def write(self, data: Any) -> None:
                store.left -= 1
                if store.left < 0:
                    raise error("E_STORE", "store.failure", "no space left")
                inner.write(data)

            finish, discard = inner.finish, inner.discard

        return Spool()


@pytest.mark.parametrize("left", range(14))
def test_a_write_that_breaks_off(left: int) -> None:
    """[sample.atomic]: after a failure of the store, what is committed later is whole, or the commit is refused."""
    store = Failing()
    ds = create(store)
    ds.create_tensor("x", dtype="uint8", shape=(None,), sample_compression="lz4")
    ds.create_tensor("n", dtype="int64", shape=())
    good = 0
    store.left = left
    for i in range(8):
        try:
            ds.append({"x": np.full(i * 9, i, np.uint8), "n": i})
            good += 1
        except LakebedError as problem:
            assert problem.code == "E_STORE"
    store.left = 10**9
    assert len(ds) == good
    try:
        ds.commit()
    except LakebedError as problem:
        assert problem.code == "E_STORE"
        assert not list(store.list("commits/"))
        ds.discard()
        ds.create_tensor("x", dtype="uint8", shape=())
        ds.append({"x": 1})
        ds.commit()
        assert lakebed.open(store).x[:].tolist() == [1]
    else:
        found = lakebed.open(store)
        assert len(found) == good and found.n[:].tolist() == sorted(found.n[:].tolist())
        assert all((x == n).all() and len(x) == n * 9 for x, n in zip(found.x, found.n[:], strict=True))


def test_killed_writers_leave_nothing_visible(tmp_path: Path) -> None:
    """[algo.commit.kill]: a process that dies before its commit changes nothing that a reader sees."""
    place = tmp_path / "d"
    with lakebed.create(place) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
        ds.extend({"x": np.arange(5)})
    before = lakebed.open(place).commit_info
    program = """
        import os, sys, lakebed, numpy as np
        from lakebed import publish
        ds = lakebed.open(sys.argv[1], "a")
        ds.extend({"x": np.arange(100_000)})
        ds.x[0] = 77
        if sys.argv[2] == "sealed":
            ds.x[:]
        if sys.argv[2] == "published":
            publish.create = lambda *a: os._exit(9)
            ds.commit()
        os._exit(9)
    """
    for moment in ("open", "sealed", "published"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(place), moment],
            env={"PYTHONPATH": REFERENCE, "PATH": ""},
            check=False,
        )
        assert done.returncode == 9
        ds = lakebed.open(place)
        assert ds.commit_info == before and ds.x[:].tolist() == [0, 1, 2, 3, 4]
    with lakebed.open(place, "a") as ds:
        ds.append({"x": 5})
    assert len(lakebed.open(place)) == 6


# --- memory ----------------------------------------------------------------------------------------------------------


def test_streaming_takes_little_memory(tmp_path: Path) -> None:
    """512 MiB through a writer, by arrays and one by one, raw and packed, below 300 MiB in all."""
    program = """
        import shutil, sys, lakebed, numpy as np
        from hostile import peak
        ds = lakebed.create(sys.argv[1])
        ds.create_tensor("raw", dtype="uint8", shape=(1 << 20,))
        ds.create_tensor("packed", dtype="uint8", shape=(None,), chunk_compression="lz4")
        block = np.zeros((32, 1 << 20), np.uint8)
        for i in range(12):
            block[:] = i
            ds.extend({"raw": block, "packed": list(block[:, : 1 << 18])})
        for i in range(128):
            ds.append({"raw": block[0]})
        ds.commit()
        found = lakebed.open(sys.argv[1])
        assert len(found) == 512 and found.raw[383][5] == 11 and found.packed[0].shape == (1 << 18,)
        shutil.rmtree(sys.argv[1])
        print(peak())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "d")],
        env={"PYTHONPATH": f"{REFERENCE}:{Path(__file__).parent}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300


def test_ragged_columns_in_every_form_of_memory() -> None:
    """[algo.append] A list of arrays is stored in C order, however each lies in memory; it may change then."""
    rng = np.random.default_rng(4)
    forms = [
        rng.integers(0, 99, (3, 4), np.int16),
        np.zeros((0, 4), np.int16),
        np.asfortranarray(rng.integers(0, 99, (5, 4), np.int16)),
        rng.integers(0, 99, (8, 8), np.int16)[::2, ::2],
        rng.integers(0, 99, (1 << 18, 4), np.int16),
    ]
    due = [value.copy() for value in forms]
    store = MemoryStore()
    with lakebed.create(store) as ds:
        ds.create_tensor("x", dtype="int16", shape=(None, 4))
        ds.create_tensor("y", dtype="int16", shape=(None, None))
        ds.extend({"x": forms, "y": forms})
        for value in forms:
            value[...] = -1
    ds = lakebed.open(store)
    for name in "xy":
        assert all(np.array_equal(got, value) for got, value in zip(ds[name][:], due, strict=True))


@pytest.mark.parametrize("wrong", [np.zeros((0, 5), np.int16), np.zeros((2, 5), np.int16)], ids=["empty", "full"])
def test_a_ragged_column_with_one_wrong_shape_is_refused_whole(wrong: np.ndarray) -> None:
    """[sample.shape] [sample.atomic]"""
    ds = lakebed.create(MemoryStore())
    ds.create_tensor("x", dtype="int16", shape=(None, 4))
    good = np.ones((2, 4), np.int16)
    with pytest.raises(LakebedError) as caught:
        ds.extend({"x": [good, good, wrong, good]})
    assert caught.value.code == "E_SAMPLE_SHAPE"
    ds.extend({"x": [good]})
    assert len(ds) == 1 and np.array_equal(ds["x"][0], good)


@pytest.mark.parametrize("tile", [None, (2048, 2048)])
def test_what_was_handed_in_may_change_at_once(tile: tuple[int, int] | None) -> None:
    """[chunk.name] Large raw units are hashed beside the work; the caller's array is let go only after that."""
    store = MemoryStore()
    value = np.arange(1 << 22, dtype=np.uint32).reshape(2048, 2048)
    with lakebed.create(store) as ds:
        ds.create_tensor("x", dtype="uint32", shape=(2048, 2048), tile=tile)
        for _ in range(3):
            ds.append({"x": value})
            value += 1
    for entry in store.list("chunks/"):
        data = store.get(entry.key)
        assert data is not None and hashlib.sha256(data).hexdigest() in entry.key
    assert lakebed.open(store)["x"][2, 0, :3].tolist() == [2, 3, 4]
