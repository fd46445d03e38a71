"""Reading: every form of index, batches, parts, files; what is fetched, and how wrong questions are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import datasets as d
import lakebed
from datasets import create, picture
from kinds import Distant
from lakebed import Ragged
from lakebed.errors import LakebedError
from lakebed.stores import MemoryStore


def dataset(store: Any = None, **tensors: tuple[dict[str, Any], Any]) -> lakebed.Dataset:
    store = store or MemoryStore()
    with create(store) as ds:
        for name, (options, _) in tensors.items():
            ds.create_tensor(name, **options)
        ds.extend({name: values for name, (_, values) in tensors.items()})
    return lakebed.open(store)


@pytest.fixture(scope="module")
def numbers() -> lakebed.Tensor:
    return dataset(x=({"dtype": "int64", "shape": (3,)}, np.arange(60).reshape(20, 3))).x


def refused(code: str, ask: Any) -> LakebedError:
    with pytest.raises(LakebedError) as caught:
        ask()
    assert caught.value.code == code, caught.value
    return caught.value


# --- indexes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        slice(None),
        slice(3, 9),
        slice(-4, None),
        slice(None, None, -3),
        slice(15, 2, -4),
        slice(9, 3),
        slice(30, 40),
        [],
        [0],
        [5, 5, -1, 0],
        np.array([3, 1], np.uint8),
        np.array([], np.int64),
        np.arange(20) % 3 == 0,
        [True, False] * 10,
    ],
    ids=str,
)
def test_like_numpy(numbers: lakebed.Tensor, index: Any) -> None:
    """[algo.many.order]: the order asked for, repetitions included."""
    plain = np.arange(60).reshape(20, 3)
    wanted = index if isinstance(index, slice) else np.array(index, None if len(index) else np.int64)
    found = numbers[index]
    assert found.dtype == np.int64 and np.array_equal(found, plain[wanted])


@pytest.mark.parametrize("index", [7, -1, np.int8(7), np.array(7), np.uint64(3)])
def test_one(numbers: lakebed.Tensor, index: Any) -> None:
    assert numbers[index].tolist() == np.arange(60).reshape(20, 3)[index].tolist()


@pytest.mark.parametrize("index", [20, -21, 2**70, [0, 20], [-21], np.array([2**64 - 1], np.uint64), np.uint64(2**63)])
def test_outside(numbers: lakebed.Tensor, index: Any) -> None:
    """[model.sample] [algo.read.1]: also an IndexError and a LookupError."""
    problem = refused("E_SAMPLE_RANGE", lambda: numbers[index])
    asked = next(iter(index)) if isinstance(index, list) and len(index) == 1 else index
    assert isinstance(asked, (list, np.ndarray)) or f"sample {asked} of 20" in str(problem)
    assert isinstance(problem, IndexError) and isinstance(problem, LookupError)


@pytest.mark.parametrize(
    "index",
    [
        1.5,
        "a",
        None,
        [1.5],
        ["a"],
        [[1], [2, 3]],
        [[1, 2]],
        np.zeros((2, 2), int),
        np.ones(19, bool),
        [True],
        True,
        np.True_,
        np.array(1.0),
        {},
        slice(1, 2, 0),
        slice("a"),
    ],
    ids=str,
)
def test_no_index(numbers: lakebed.Tensor, index: Any) -> None:
    assert refused("E_ARGUMENT", lambda: numbers[index]).object == "x"


def test_parts_of_samples_that_miss_or_differ() -> None:
    with lakebed.create(MemoryStore()) as ds:
        ds.create_tensor("x", dtype="int16", shape=(None, 3))
        ds.extend({"x": [[[1, 2, 3]], None, [[4, 5, 6], [7, 8, 9]]]})
        rows = ds.x[:, 0]
        assert [None if row is None else row.tolist() for row in rows] == [[1, 2, 3], None, [4, 5, 6]]
        assert [None if row is None else row.tolist() for row in ds.x[:, 0, 1]] == [2, None, 5]
        assert [None if row is None else row.tolist() for row in ds.x[[2, 0], :, 0]] == [[4, 7], [1]]


@pytest.mark.parametrize(
    ("index", "code"),
    [
        ((0, 3), "E_SAMPLE_RANGE"),
        ((0, -4), "E_SAMPLE_RANGE"),
        ((20, 0), "E_SAMPLE_RANGE"),
        ((0, 0, 0), "E_SAMPLE_SHAPE"),
        ((0, "a"), "E_ARGUMENT"),
        ((0, [1, 2]), "E_ARGUMENT"),
        ((0, None), "E_ARGUMENT"),
        ((0, slice(None, None, 0)), "E_ARGUMENT"),
        ((0, 1.0), "E_ARGUMENT"),
        ((0, ..., ...), "E_SAMPLE_SHAPE"),
        ((slice(None, None, 0), 0), "E_ARGUMENT"),
        (("a", 0), "E_ARGUMENT"),
    ],
    ids=str,
)
def test_no_part(numbers: lakebed.Tensor, index: Any, code: str) -> None:
    refused(code, lambda: numbers[index])


def test_parts(numbers: lakebed.Tensor) -> None:
    """[algo.read_region]: equal to the same part of the whole."""
    plain = np.arange(60).reshape(20, 3)
    assert numbers[4, 1].tolist() == plain[4, 1] and numbers[4, 1].shape == ()
    assert numbers[4, ::-1].tolist() == plain[4, ::-1].tolist()
    assert numbers[:, 0].tolist() == plain[:, 0].tolist()
    assert numbers[[3, -1], 1:].tolist() == plain[[3, -1], 1:].tolist()
    assert numbers[4, ...].tolist() == plain[4].tolist()
    assert numbers[(5,)].tolist() == plain[5].tolist()


def test_results_are_the_caller_s() -> None:
    """[safety.returned]: writing into a result changes neither the dataset nor another result."""
    for options in ({}, {"chunk_compression": "lz4"}, {"sample_compression": "deflate"}):
        t = dataset(x=({"dtype": "int64", "shape": (3,)} | options, np.arange(60).reshape(20, 3))).x
        for ask in (
            lambda t=t: t[0],
            lambda t=t: t[:],
            lambda t=t: t[[0, 1]],
            lambda t=t: t[0, :2],
            lambda t=t: next(iter(t)),
        ):
            first = ask()
            assert first.flags.writeable
            first[...] = -1
            assert (ask() >= 0).all()


# --- batches ---------------------------------------------------------------------------------------------------------


def test_ragged() -> None:
    values = [np.full((i % 3, 2), i, np.int32) for i in range(9)]
    ds = dataset(x=({"dtype": "int32", "shape": (None, 2)}, [*values, None]))
    found = ds.x[:]
    assert isinstance(found, Ragged) and len(found) == 10
    assert found.values.shape == (9 * 2 // 2, 2) and found.values.dtype == np.int32
    assert found.offsets.tolist() == [0, 0, 1, 3, 3, 4, 6, 6, 7, 9, 9]
    assert found.missing.tolist() == [False] * 9 + [True]
    assert found[-1] is None and found[2].tolist() == values[2].tolist()
    assert [None if v is None else v.tolist() for v in found.list()] == [*[v.tolist() for v in values], None]
    with pytest.raises(IndexError):
        found[10]
    assert isinstance(ds.x[[1, 4]], np.ndarray)  # shapes agree
    whole = ds.x[:9]
    assert np.shares_memory(whole.list()[2], whole.values)


def test_missing_is_told_from_every_value() -> None:
    """[model.missing] [htype.missing] [chunk.index.missing]"""
    ds = dataset(
        x=({"dtype": "float64", "shape": ()}, [0.0, None, float("nan")]),
        s=({"dtype": "uint8", "shape": (), "sequence": True}, [[], None, [1]]),
        t=({"htype": "text"}, ["", None, "a"]),
        j=({"htype": "json"}, [{}, None, []]),
    )
    assert ds.x[1] is None and ds.s[1] is None and ds.t[1] is None and ds.j[1] is None
    assert ds.s[0] == [] and ds.t[0] == "" and ds.j[0] == {}
    assert ds.x[:].missing.tolist() == [False, True, False]
    assert ds.x.shapes == [(), None, ()] and ds.s.shapes == [[], None, [()]]
    assert ds.x[1, ...] is None


def test_shapes_of_nothing() -> None:
    """[model.item]: axes of length 0, scalars, no samples at all."""
    ds = dataset(
        e=({"dtype": "int16", "shape": (0, 4)}, np.zeros((5, 0, 4), np.int16)),
        f=({"dtype": "int16", "shape": (None, 4)}, [np.zeros((0, 4), np.int16)] * 5),
        s=({"dtype": "int16", "shape": ()}, np.arange(5, dtype=np.int16)),
    )
    assert ds.e[:].shape == ds.f[:].shape == (5, 0, 4) and ds.e[2].shape == (0, 4)
    assert ds.s[2].shape == () and ds.s[2].dtype == np.int16
    assert ds.e[:0].shape == (0, 0, 4) and ds.f[[]].shape == (0, 0, 4) and ds.s[9:].shape == (0,)
    empty = lakebed.open(_empty())
    assert len(empty) == 0 and empty.x[:].shape == (0, 3) and list(empty.x) == []
    refused("E_SAMPLE_RANGE", lambda: empty.x[0])


def _empty() -> MemoryStore:
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(3,))
    return store


def test_python_values() -> None:
    ds = dataset(
        t=({"htype": "text"}, ["ä", "b"]),
        l=({"htype": "list"}, [[1, "x", None], []]),
        g=({"htype": "tag"}, [["a", "b"], []]),
        j=({"htype": "json"}, [{"a": [1.5]}, 3]),
    )
    assert ds.t[:] == ["ä", "b"] and ds.l[:] == [[1, "x", None], []] and ds.g[0] == ["a", "b"]
    assert ds.j[:] == [{"a": [1.5]}, 3] and list(ds.t) == ["ä", "b"] and ds.t[[1]] == ["b"]


def test_threads_change_nothing() -> None:
    values = np.random.default_rng(0).integers(0, 9, (300, 999), np.uint8)
    t = dataset(x=({"dtype": "uint8", "shape": (999,), "chunk_compression": "lz4"}, values)).x
    for threads in (1, 4):
        assert (t.read(slice(None), threads=threads) == values).all()
        assert (t.read([5, 1, 299], threads=threads) == values[[5, 1, 299]]).all()


# --- what is fetched -------------------------------------------------------------------------------------------------


def test_one_sample_fetches_one_index_and_one_unit() -> None:
    """[algo.read.2] [algo.read.3] [algo.read.4] [algo.read.5] [algo.read.6] [algo.read.7] [algo.read.8] [algo.read.9]
    [unit.once]: once each, in ranges; a second sample of the unit costs nothing but its unit."""
    store = Distant()
    ds = dataset(store, x=({"dtype": "int64", "shape": ()}, np.arange(100_000)))
    store.spans.clear()
    assert ds.x[70_000] == 70_000
    (_, tail, _), (_, unit, size) = store.spans
    assert tail > 700_000 and unit == 64 + 70_000 // 8192 * 65536 and size == 65536
    ds.x[70_001]
    assert len(store.spans) == 2  # the unit is at hand


def test_parts_of_a_tiled_item_touch_their_tiles_only() -> None:
    """[algo.region.tiles] [algo.region.bound] [algo.read_region]"""
    store = Distant()
    big = np.random.default_rng(0).integers(0, 9, (1000, 900), np.uint8)
    options = {"dtype": "uint8", "shape": (None, None), "tile": (100, 100), "chunk_compression": "lz4"}
    ds = dataset(store, x=(options, [big, big.T.copy()]))
    ds.x[0, 0, 0]
    for region, touched in (
        ((slice(150, 250), slice(399, 401)), 4),
        ((slice(0, 1000, 500), 899), 6),
        ((5, slice(None)), 9),
        ((slice(300, 300), slice(None)), 0),
        ((slice(990, 1000), slice(890, 900)), 1),
    ):
        store.spans.clear()
        assert np.array_equal(ds.x[(0, *region)], big[region])
        assert len(store.spans) == touched, region
    assert np.array_equal(ds.x[1], big.T) and ds.x.shapes == [(1000, 900), (900, 1000)]


def test_empty_units_are_never_fetched() -> None:
    """[unit.empty]"""
    store = Distant()
    ds = dataset(
        store, x=({"dtype": "uint8", "shape": (None,), "sample_compression": "lz4"}, [np.zeros(0, np.uint8)] * 4)
    )
    store.spans.clear()
    assert [len(v) for v in ds.x[:]] == [0] * 4
    assert all(length for _, _, length in store.spans)


def test_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """[unit.crc] [unit.once]: damage that comes later is seen by whoever opens later."""
    store = MemoryStore()
    ds = dataset(store, x=({"dtype": "uint8", "shape": ()}, np.arange(9, dtype=np.uint8)))
    assert ds.x[3] == 3
    (key,) = [row.key for row in store.list("chunks/")]
    data = bytearray(store.get(key) or b"")
    data[64] ^= 1
    store.put(key, bytes(data))
    problem = refused("E_UNIT_CRC", lambda: lakebed.open(store).x[8])
    assert problem.object == key and problem.offset == 64


def test_what_is_missing_fails_alone() -> None:
    """[tree.needed] [version.unknown.codec] [codec.unknown]: other samples stay readable."""
    store = MemoryStore()
    ds = create(store)
    ds.create_tensor("x", dtype="int64", shape=())
    for i in range(3):
        ds.append({"x": i})
        ds.commit()
    info = lakebed.open(store).commit_info
    assert info is not None
    name = info.tensors["x"].own.chunks[1].name
    store.delete(f"chunks/{name[:2]}/{name}.chunk")
    found = lakebed.open(store).x
    assert found[0] == 0 and found[2] == 2
    assert refused("E_OBJECT_MISSING", lambda: found[1]).object == f"chunks/{name[:2]}/{name}.chunk"
    refused("E_OBJECT_MISSING", lambda: found[:])


def test_unknown_htype_and_dtype() -> None:
    """[version.unknown.htype] [version.unknown.dtype] [dtype.unknown] [safety.unsupported]: an unknown htype reads as
    generic; an unknown dtype fails its tensor, and the others open."""
    from datasets import edit

    store = MemoryStore()
    dataset(store, a=({"dtype": "uint8", "shape": ()}, [1, 2]), b=({"dtype": "uint8", "shape": ()}, [3, 4]))

    def change(members: dict[str, Any]) -> None:
        members["tensors"]["a"]["htype"] = "hologram"
        members["tensors"]["b"]["dtype"] = "int4"

    edit(store, "commits/main/0000000001.json", change)
    ds = lakebed.open(store)
    assert ds.a.htype == "hologram" and ds.a[:].tolist() == [1, 2]
    refused("E_DTYPE_UNSUPPORTED", lambda: ds.b[0])


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_verbatim() -> None:
    """[model.file] [fidelity.files] [media.verbatim]: the bytes given, several formats in one tensor; arrays and
    missing samples have none."""
    given = [picture("PNG"), picture("JPEG"), picture("PNG", seed=4)]
    options = {"htype": "image", "sample_compression": ["png", "jpeg"]}
    ds = dataset(x=(options, [*map(lakebed.read, given), None]), n=({"dtype": "uint8", "shape": ()}, [1, 2, 3, 4]))
    assert [ds.x.file(i) for i in range(3)] == given
    assert [ds.x.file_format(i)[0] for i in range(3)] == ["png", "jpeg", "png"]
    refused("E_FILE_ABSENT", lambda: ds.x.file(3))
    refused("E_FILE_ABSENT", lambda: ds.n.file(0))
    refused("E_SAMPLE_RANGE", lambda: ds.x.file(4))
    assert ds.x[0].shape == (6, 8, 3)


def test_sequences_of_pictures() -> None:
    given = [[picture("PNG", seed=i) for i in range(n)] for n in (2, 0, 3)]
    ds = dataset(
        x=({"htype": "sequence[image]", "sample_compression": "png"}, [list(map(lakebed.read, f)) for f in given])
    )
    assert [len(sample) for sample in ds.x[:]] == [2, 0, 3]
    assert ds.x[0, 1].shape == (6, 8, 3) and ds.x[2, 0, 0, 0].shape == (3,)
    assert [part.shape for part in ds.x[2, 1:, :2]] == [(2, 8, 3)] * 2


def test_described() -> None:
    ds = dataset(x=({"htype": "class_label", "class_names": ["a", "b"], "chunk_compression": "lz4"}, [0, 1, 1]))
    t = ds.x
    assert (t.htype, t.dtype, t.shape, t.sequence, t.fidelity, len(t)) == (
        "class_label",
        np.uint32,
        (),
        False,
        "exact",
        3,
    )
    assert t.class_names == ["a", "b"] and t.nbytes > 100 and t.compression == [[{"name": "lz4"}]]
    assert "class_label" in repr(t) and "3" in repr(t)


@pytest.mark.parametrize("names", [True, 5, "ab", [1], {"a": 0}])
def test_class_names_that_are_none(names: Any) -> None:
    store = d.numbers(3)
    key = "commits/main/0000000001.json"
    d.edit(store, key, lambda members: members["tensors"]["x"].update(attributes={"class_names": names}))
    tensor = lakebed.open(store).x
    assert tensor.class_names is None and tensor.attributes == {"class_names": names} and len(tensor[:]) == 3


@pytest.mark.parametrize("left", [0, 70, 1300, -1])
def test_a_chunk_cut_short_is_told_by_the_rule_of_opening(left: int) -> None:
    """[chunk.open.range]"""
    store = d.numbers(100)
    key = d.keys(store, "chunks/")[0]
    store.put(key, bytes(store.get(key))[:left])
    assert refused("E_TRUNCATED", lambda: lakebed.open(store).x[0]).clause == "chunk.open.range"
