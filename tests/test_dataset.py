"""Writing through the public interface: what is taken, what is refused and leaves everything as it was, versions."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import lakebed
from datasets import append, commits, create, edit, keys, picture
from lakebed import seal
from lakebed.check import check
from lakebed.errors import LakebedError
from lakebed.stores import MemoryStore


def refused(code: str, do: Any, *words: str) -> LakebedError:
    with pytest.raises(LakebedError) as caught:
        do()
    assert caught.value.code == code, caught.value
    for word in words:
        assert word in str(caught.value), caught.value
    return caught.value


def fresh(**tensors: dict[str, Any]) -> lakebed.Dataset:
    ds = create(MemoryStore())
    for name, options in tensors.items():
        ds.create_tensor(name, **options)
    return ds


def again(ds: lakebed.Dataset) -> lakebed.Dataset:
    ds.commit()
    return lakebed.open(ds.store)


def short(value: Any) -> str:
    """A test's name that is the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value).encode("ascii", "replace").decode())[:60].replace("\n", " ")


INT: dict[str, Any] = {"dtype": "int64", "shape": ()}


# --- life ------------------------------------------------------------------------------------------------------------


def test_a_first_dataset(tmp_path: Path) -> None:
    """[tree.default] [algo.open.2] [model.dataset]"""
    place = tmp_path / "pets.lakebed"
    with lakebed.create(place) as ds:
        ds.create_tensor("x", **INT)
        ds.append({"x": 1})
        assert ds.changed and ds.number == 0 and ds.branch == "main"
    found = lakebed.open(str(place))
    assert found.x[:].tolist() == [1] and found.number == 1 and not found.changed
    refused("E_DATASET_EXISTS", lambda: lakebed.create(place))
    refused("E_DATASET_ABSENT", lambda: lakebed.open(tmp_path / "nothing"))
    refused("E_ARGUMENT", lambda: lakebed.open(place, "w"))


def test_a_block_that_raises_leaves_nothing() -> None:
    store = MemoryStore()
    with pytest.raises(ZeroDivisionError), create(store) as ds:
        ds.create_tensor("x", **INT)
        ds.append({"x": 1 // 0})
    assert keys(store, "") == []


def test_reading_takes_no_changes() -> None:
    """[algo.open.mode]"""
    ds = lakebed.open(commits(2))
    for change in (
        lambda: ds.append({"x": 1}),
        lambda: ds.extend({"x": [1]}),
        lambda: ds.insert(0, {}),
        lambda: ds.delete(0),
        lambda: ds.update("x", 0, 1),
        lambda: ds.create_tensor("y"),
        lambda: ds.delete_tensor("x"),
        lambda: ds.rename_tensor("x", "y"),
        lambda: ds.set_attributes(a=1),
        lambda: ds.revert(1),
        lambda: ds.commit(),
        lambda: ds.create_branch("b"),
        lambda: ds.create_tag("t"),
        lambda: ds.close_branch(),
    ):
        refused("E_READ_ONLY", change)
    for where in ({"number": 1}, {"tag": "t"}, {"time": "2026-01-01T00:00:00Z"}):
        refused("E_READ_ONLY", lambda where=where: lakebed.open(ds.store, "a", **where))


def test_what_is_no_row() -> None:
    with append(commits(1)) as ds:
        for change in (ds.append, ds.extend, lambda row: ds.insert(0, row)):
            refused("E_ARGUMENT", lambda change=change: change([{"x": 1}]))
            refused("E_ARGUMENT", lambda change=change: change(None))
        assert len(ds) == 1 and not ds.changed


def test_a_closed_dataset_takes_nothing_more() -> None:
    with append(commits(1)) as ds:
        pass
    assert ds[0]["x"].item() == 0
    refused("E_READ_ONLY", lambda: ds.append({"x": 1}), "was closed")


def test_rows() -> None:
    ds = lakebed.open(commits(4))
    assert [row["x"].item() for row in ds] == [0, 1, 2, 3]
    assert ds[-1]["name"] == "3" and [row["name"] for row in ds[1:3]] == ["1", "2"] and dict(ds[0])["name"] == "0"
    assert [row["name"] for row in ds[[3, 0]]] == ["3", "0"]
    refused("E_SAMPLE_RANGE", lambda: ds[4])
    refused("E_SAMPLE_RANGE", lambda: ds[[9]])
    refused("E_ARGUMENT", lambda: ds[1.5])
    refused("E_ARGUMENT", lambda: ds[True])
    refused("E_TENSOR_ABSENT", lambda: ds["nope"], "nope", "name")
    with pytest.raises(AttributeError):
        _ = ds.nope


def test_empty_datasets() -> None:
    store = MemoryStore()
    create(store).commit()
    ds = lakebed.open(store)
    assert len(ds) == 0 and ds.tensors == {} and list(ds) == []
    with append(store) as ds:
        ds.create_tensor("x", **INT)
    assert lakebed.open(store).x[:].shape == (0,)


# --- declaring -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"dtype": "float128"}, "E_DTYPE_UNSUPPORTED"),
        ({"htype": "hologram"}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (-1,)}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (True,)}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (1.0,)}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": 5}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (None,) * 33}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (2,), "tile": (0,)}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (2,), "tile": (1, 1)}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (2,), "sample_compression": "oodle"}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (2,), "chunk_compression": {"name": "lz4", "level": 99}}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (2,), "chunk_compression": "lz4+shuffle"}, "E_ARGUMENT"),
        ({"dtype": "uint8", "shape": (2,), "sample_compression": "lz4", "chunk_compression": "lz4"}, "E_ARGUMENT"),
        ({"htype": "image", "chunk_compression": "png"}, "E_ARGUMENT"),
        ({"dtype": "float32", "shape": (2, 2), "sample_compression": "jpeg"}, "E_ARGUMENT"),
        ({"dtype": "float32", "shape": (2,), "fidelity": "nice"}, "E_ARGUMENT"),
        ({"dtype": "float32", "shape": (2,), "fidelity": {"max_abs_error": -1}}, "E_ARGUMENT"),
        ({"dtype": "float32", "shape": (2,), "fidelity": {"psnr_db": 30}}, "E_ARGUMENT"),
        (
            {
                "dtype": "float32",
                "shape": (2,),
                "fidelity": "exact",
                "chunk_compression": {"name": "quantize", "max_abs_error": 1},
            },
            "E_FIDELITY",
        ),
        ({"htype": "class_label", "sample_compression": "jpeg"}, "E_ARGUMENT"),
        ({"htype": "segment_mask", "dtype": "uint8", "sample_compression": "jpeg"}, "E_FIDELITY_LABEL"),
        ({"htype": "bbox", "fidelity": "lossy"}, "E_FIDELITY_LABEL"),
        ({"htype": "bbox", "fidelity": {"max_abs_error": 0.1}}, "E_FIDELITY_LABEL"),
        ({"htype": "class_label", "class_names": ["a", "a"]}, "E_ARGUMENT"),
        ({"htype": "class_label", "class_names": "abc"}, "E_ARGUMENT"),
        ({"htype": "segment_mask", "class_names": 3}, "E_ARGUMENT"),
        ({"htype": 5}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (), "attributes": {"x": object()}}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (), "attributes": {"x": float("nan")}}, "E_ARGUMENT"),
        ({"dtype": "int8", "shape": (), "attributes": {"x": 2**60}}, "E_ARGUMENT"),
    ],
    ids=short,
)
def test_refused_when_declared(options: dict[str, Any], code: str) -> None:
    """[tensor.create] [codec.takes] [codec.registry] [fidelity.declared] [htype.lossless] [model.rank]"""
    ds = fresh(y=INT)
    refused(code, lambda: ds.create_tensor("x", **options))
    assert list(ds.tensors) == ["y"]


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a b", "ä", ".a", "a" * 65, "/".join(["a" * 60] * 5), 3]
)
def test_names_of_tensors(name: Any) -> None:
    """[tensor.name] [safety.paths]"""
    ds = fresh(**{"g/x": INT})
    refused("E_NAME", lambda: ds.create_tensor(name, **INT))
    refused("E_NAME", lambda: ds.rename_tensor("g/x", name))
    assert list(ds.tensors) == ["g/x"]


def test_names_that_are_taken() -> None:
    """[algo.edit.tensor_new]"""
    ds = fresh(**{"g/x": INT, "y": INT})
    refused("E_TENSOR_EXISTS", lambda: ds.create_tensor("y"))
    refused("E_TENSOR_EXISTS", lambda: ds.rename_tensor("g/x", "y"))
    refused("E_NAME", lambda: ds.create_tensor("g", **INT))
    refused("E_NAME", lambda: ds.create_tensor("y/z", **INT))
    ds.rename_tensor("g/x", "g/x2")
    refused("E_TENSOR_ABSENT", lambda: ds.rename_tensor("g/x", "z"))
    refused("E_TENSOR_ABSENT", lambda: ds.delete_tensor("g/x"))


def test_a_first_sample_decides() -> None:
    """[tensor.first]: dtype and rank of a tensor that says neither; the commit always states them."""
    ds = create(MemoryStore())
    assert ds.create_tensor("x") is None
    ds.create_tensor("y", dtype="int16")
    ds.create_tensor("s", sequence=True)
    refused("E_ARGUMENT", lambda: ds.x, "first sample")
    refused("E_ARGUMENT", lambda: ds.commit(), "append a sample")
    assert ds.tensors == {}
    refused("E_SAMPLE_DTYPE", lambda: ds.append({"x": np.zeros((2, 3), np.float32), "y": "word"}))
    refused("E_ARGUMENT", lambda: ds.x, "first sample")  # the refused row decided nothing
    ds.append({})
    ds.append({"x": np.zeros((2, 3), np.float32), "y": [1, 2], "s": [[1.5], [2.5, 3.5]]})
    found = again(ds)
    assert (found.x.dtype, found.x.shape, found.y.shape, found.s.shape) == (np.float64, (None, None), (None,), (None,))
    assert found.x[0] is None and found.y[1].tolist() == [1, 2] and found.y.dtype == np.int16
    info = json.loads(found.store.get("commits/main/0000000001.json") or b"")
    assert set(info["tensors"]["x"]) == {
        "htype", "dtype", "shape", "sequence", "fidelity", "attributes", "write", "manifests", "chunks", "slices",
    }  # fmt: skip


def test_a_first_sample_among_others() -> None:
    ds = create(MemoryStore())
    ds.create_tensor("x")
    ds.create_tensor("s", sequence=True)
    ds.extend({"x": [None, None]})
    refused("E_SAMPLE_SHAPE", lambda: ds.append({"s": []}), "dtype")
    refused("E_SAMPLE_SHAPE", lambda: ds.append({"x": [[1], [2, 3]]}))
    refused("E_SAMPLE_DTYPE", lambda: ds.append({"x": "word"}))
    ds.extend({"x": [None, np.zeros((1, 2))], "s": [None, np.zeros((2, 3), np.int8)]})
    ds.extend({"x": np.zeros((2, 3, 4)), "s": [[], [np.zeros(1, np.int8)]]})
    found = again(ds)
    assert found.x.shape == (None, None) and found.s.shape == (None,) and found.s.dtype == np.float64
    assert [None if s is None else len(s) for s in found.s] == [None, None, None, 2, 0, 1]


def test_no_htype_is_generic() -> None:
    ds = fresh(x={"htype": None, "dtype": "int8", "shape": ()})
    assert ds.x.htype == "generic"


@pytest.mark.parametrize("committed", [False, True])
def test_names_do_not_begin_after_values_without(committed: bool) -> None:
    """[htype.class_label.extend] [sample.atomic]: value 0 would get the first name, the others none."""
    many = {"htype": "class_label", "shape": (None,), "sequence": True}
    ds = fresh(x={"htype": "class_label"}, y=many, z={"htype": "class_label"})
    ds.append({"x": 5, "y": [[1], []]})
    if committed:
        ds.commit()
    for change in (
        lambda: ds.append({"x": "cat"}),
        lambda: ds.append({"y": [["cat"]]}),
        lambda: ds.insert(0, {"x": "cat"}),
        lambda: ds.extend({"x": ["cat", "dog"]}),
        lambda: ds.extend({"x": np.array(["cat"])}),
        lambda: ds.extend({"z": [None, 0, "cat"]}),
        lambda: ds.update("x", 0, "cat"),
    ):
        problem = refused("E_SAMPLE_HTYPE", change, "class_names")
        assert problem.clause == "htype.class_label.text" and problem.object in ("x", "y", "z")
        assert len(ds) == 1 and ds.x.class_names is ds.y.class_names is ds.z.class_names is None
    ds.extend({"z": [None, "a", "b", None, 0]})
    ds.append({"z": "c"})
    ds.set_attributes("x", class_names=list("abcdef"))
    ds.append({"x": "new"})
    found = again(ds)
    assert found.z.class_names == ["a", "b", "c"] and [found.z[i] for i in (2, 3, 5, 6)] == [0, 1, 0, 2]
    assert found.x[0] == 5 and found.x[len(found) - 1] == 6


def test_names_that_begin_within_an_update_hold_for_all_of_it() -> None:
    """[htype.class_label.range]"""
    ds = fresh(x={"htype": "class_label"}, y=INT)
    ds.extend({"y": [1, 2]})
    refused("E_SAMPLE_HTYPE", lambda: ds.update("x", [0, 1], [5, "cat"]))
    assert ds.x.class_names is None and ds.x[0] is None
    ds.update("x", [0, 1], ["cat", "dog"])
    assert ds.x[:].tolist() == [0, 1]


def test_attributes_are_copies() -> None:
    names = ["a", "b"]
    ds = fresh()
    ds.create_tensor("x", htype="class_label", class_names=names, attributes={"note": {"k": [1]}})
    names.append("c")
    ds.append({"x": "new"})
    assert names == ["a", "b", "c"] and ds.x.class_names == ["a", "b", "new"]
    first = again(ds)
    ds.append({"x": "later"})
    assert first.x.class_names == ["a", "b", "new"]
    assert ds.commit_info is not None and ds.commit_info.tensors["x"].attributes["class_names"] == ["a", "b", "new"]
    ds.set_attributes("x", note=None, more=1)
    ds.set_attributes(of="dataset")
    found = again(ds)
    assert (
        "note" not in found.x.attributes and found.x.attributes["more"] == 1 and found.attributes == {"of": "dataset"}
    )
    for bad in ({"x": object()}, {"x": 2**53}):
        refused("E_ARGUMENT", lambda bad=bad: ds.set_attributes(**bad))
        refused("E_ARGUMENT", lambda bad=bad: ds.set_attributes("x", **bad))


# --- samples that are refused ----------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "n": INT,
    "f": {"dtype": "float32", "shape": (2,)},
    "r": {"dtype": "uint8", "shape": (None,), "chunk_compression": "lz4"},
    "label": {"htype": "class_label", "class_names": ["cat"]},
    "box": {"htype": "bbox", "attributes": {"coords": {"type": "fractional", "mode": "LTRB"}}},
    "photo": {"htype": "image", "sample_compression": "png"},
    "text": {"htype": "text"},
    "seq": {"dtype": "int8", "shape": (None,), "sequence": True},
}
GOOD: dict[str, Any] = {
    "n": 1,
    "f": [1, 2],
    "r": [1],
    "label": "dog",
    "box": [[0, 0, 1, 1]],
    "text": "a",
    "seq": [[1], []],
}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("n", 1.5, "E_SAMPLE_DTYPE"),
        ("n", 2**63, "E_SAMPLE_DTYPE"),
        ("n", "1", "E_SAMPLE_DTYPE"),
        ("n", [1], "E_SAMPLE_SHAPE"),
        ("n", object(), "E_SAMPLE_DTYPE"),
        ("f", [1, 2, 3], "E_SAMPLE_SHAPE"),
        ("f", [[1], [2, 3]], "E_SAMPLE_SHAPE"),
        ("f", np.array([0.1, 0.2]), "E_SAMPLE_DTYPE"),
        ("f", [1e300, 0], "E_SAMPLE_DTYPE"),
        ("r", [256], "E_SAMPLE_DTYPE"),
        ("r", [[1]], "E_SAMPLE_SHAPE"),
        ("label", 7, "E_SAMPLE_HTYPE"),
        ("label", -1, "E_SAMPLE_DTYPE"),
        ("box", [[0, 0, 2, 2]], "E_SAMPLE_HTYPE"),
        ("box", [[0.5, 0, 0.25, 1]], "E_SAMPLE_HTYPE"),
        ("photo", np.zeros((2, 2, 5), np.uint8), "E_SAMPLE_HTYPE"),
        ("photo", lakebed.read(picture("JPEG")), "E_FILE_FORMAT"),
        ("text", 5, "E_SAMPLE_HTYPE"),
        ("text", "\ud800", "E_SAMPLE_HTYPE"),
        ("seq", 5, "E_SAMPLE_SHAPE"),
        ("seq", "ab", "E_SAMPLE_SHAPE"),
        ("seq", [[1], [300]], "E_SAMPLE_DTYPE"),
        ("seq", [1], "E_SAMPLE_SHAPE"),
    ],
    ids=short,
)
def test_a_refused_sample_changes_nothing(name: str, value: Any, code: str) -> None:
    """[sample.atomic] [sample.shape] [sample.sequence] [dtype.convert] [dtype.ragged] [safety.named]: not one tensor,
    not the class names, whatever the way in."""
    ds = fresh(**KINDS)
    ds.append(GOOD | {"label": "cat"})
    bad = GOOD | {name: value}
    if name == "label":
        bad["n"] = 1
    for change in (
        lambda: ds.append(bad),
        lambda: ds.insert(0, bad),
        lambda: ds.extend({key: [GOOD[key], each] for key, each in bad.items() if key in GOOD} | {name: [None, value]}),
        lambda: ds.update(name, 0, value),
        lambda: ds.update(name, [0], [value]),
    ):
        problem = refused(code, change)
        assert problem.object in (name, getattr(value, "name", name))
        assert len(ds) == 1 and ds.label.class_names == ["cat"]
    ds.append(GOOD)
    found = again(ds)
    assert (
        found.n[:].tolist() == [1, 1]
        and found.label[:].tolist() == [0, 1]
        and found.label.class_names == ["cat", "dog"]
    )


def test_numbers_that_fit_are_taken() -> None:
    """[dtype.convert]"""
    ds = fresh(n=INT, f={"dtype": "float32", "shape": ()}, b={"dtype": "bool", "shape": ()})
    ds.append({"n": np.uint8(3), "f": 0.1, "b": True})
    ds.append({"n": 2.0, "f": np.float64(0.5), "b": np.bool_(False)})
    ds.append({"n": np.array(4), "f": np.nan, "b": 1})
    found = again(ds)
    assert found.n[:].tolist() == [3, 2, 4] and found.f[:2].tolist() == [np.float32(0.1), 0.5]
    assert found.b[:].tolist() == [True, False, True]


def test_rows_of_some_tensors() -> None:
    """[algo.edit.lengths] [model.length] [algo.edit.tensor]: what a row does not name is missing there; a tensor
    added later is missing in all rows before; tensors that were there take part beside new ones."""
    store = commits(3)
    with append(store) as ds:
        ds.create_tensor("a", **INT)
        ds.create_tensor("b", **INT)
        ds.create_tensor("c", **INT)
        ds.append({"a": 1})
        ds.extend({"b": [2, 3]})
    found = lakebed.open(store)
    assert len(found) == 6 and all(len(t) == 6 for t in found.tensors.values())
    assert list(found.a[:])[3] == 1 and [each is None for each in found.x[:]] == [False] * 3 + [True] * 3
    info = found.commit_info
    assert info is not None and info.tensors["c"].own.chunks == ()  # a run of nothing needs no object
    refused("E_TENSOR_ABSENT", lambda: append(store).append({"zz": 1}), "zz")


def test_columns() -> None:
    ds = fresh(a=INT, b=INT)
    refused("E_ARGUMENT", lambda: ds.extend({"a": [1, 2], "b": [1]}), "a: 2", "b: 1")
    refused("E_ARGUMENT", lambda: ds.extend({"a": 5}))
    refused("E_ARGUMENT", lambda: ds.extend({"a": "abc"}))
    refused("E_TENSOR_ABSENT", lambda: ds.extend({"q": [1]}))
    ds.extend({})
    ds.extend({"a": []})
    ds.extend({"a": (i for i in range(3)), "b": range(3)})
    ds.extend({"a": np.arange(2, dtype=np.uint8), "b": [None, 9]})
    assert len(ds) == 5 and ds.a[:].tolist() == [0, 1, 2, 0, 1] and ds.b[3] is None


# --- edits -----------------------------------------------------------------------------------------------------------


def test_updates() -> None:
    """[algo.edit.update] [algo.edit.manifests] [tree.immutable]"""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(None,))
        ds.extend({"x": [np.full(3, i, np.uint8) for i in range(10)]})
    before = {key: store.get(key) for key in keys(store, "chunks/")}
    with append(store) as ds:
        ds.x[2] = [9, 9]
        ds.x[-1] = None
        ds.x[4:6] = [[1], [2]]
        ds.x[[0, 0]] = [[7], [8]]
        ds.x[np.arange(10) == 7] = [[5]]
        ds.x[8, 1:] = [1, 2]
        ds.x[3, 0] = 77
        for code, index, value in (
            ("E_SAMPLE_RANGE", 10, [1]),
            ("E_SAMPLE_RANGE", [10], [[1]]),
            ("E_ARGUMENT", slice(0, 3), [[1]]),
            ("E_ARGUMENT", slice(0, 3), 5),
            ("E_ARGUMENT", 1.5, [1]),
            ("E_ARGUMENT", True, [1]),
            ("E_ARGUMENT", np.ones(3, bool), [[1]]),
            ("E_ARGUMENT", ([0, 1], 0), 5),
            ("E_ARGUMENT", (), 5),
            ("E_SAMPLE_SHAPE", (3, 9), 5),
            ("E_SAMPLE_SHAPE", (3, slice(0, 2)), [1, 2, 3]),
            ("E_SAMPLE_DTYPE", (3, 0), 300),
            ("E_SAMPLE_SHAPE", (9, 0), 1),
        ):
            refused(code, lambda index=index, value=value: ds.update("x", index, value))
    found = list(lakebed.open(store).x)
    due = [[8], [1] * 3, [9, 9], [77, 3, 3], [1], [2], [6] * 3, [5], [8, 1, 2], None]
    assert [None if v is None else v.tolist() for v in found] == due
    assert {key: store.get(key) for key in before} == before
    assert [v.tolist() for v in lakebed.open(store, number=1).x] == [[i] * 3 for i in range(10)]


def test_equal_updates_share_their_chunk() -> None:
    """[table.chunk.name] [table.chunk.once]: equal samples at equal rows make one chunk, named once."""
    store = commits(1)
    with append(store) as ds:
        ds.extend({"x": [1, 2, 3]})
    with append(store) as ds:
        for row in range(3):
            ds.x[row] = 5
            assert ds.x[row] == 5  # reading closes the chunk
    found = lakebed.open(store)
    assert found.x[:].tolist() == [5, 5, 5, 3]
    info = found.commit_info
    assert info is not None and len({ref.name for ref in info.tensors["x"].own.chunks}) == len(
        info.tensors["x"].own.chunks
    )


def test_insert_and_delete() -> None:
    """[algo.edit.insert] [algo.edit.delete]"""
    ds = append(commits(5))
    ds.insert(0, {"x": 100})
    ds.insert(-1, {"name": "b"})
    ds.insert(len(ds), {"x": 102, "name": "c"})
    assert [None if v is None else v.item() for v in ds.x] == [100, 0, 1, 2, 3, None, 4, 102]
    ds.delete([0, -1, 0])
    ds.delete(slice(1, None, 2))
    assert ds.name[:] == ["0", "2", "b"]
    ds.delete(np.array([False, True, False]))
    ds.delete(0)
    ds.delete(0)
    ds.delete([])
    assert len(ds) == 0 and ds.x[:].shape == (0,)
    refused("E_SAMPLE_RANGE", lambda: ds.delete(0))
    refused("E_SAMPLE_RANGE", lambda: ds.insert(1, {}))
    refused("E_ARGUMENT", lambda: ds.insert("a", {}))
    refused("E_ARGUMENT", lambda: ds.delete("a"))
    refused("E_ARGUMENT", lambda: ds.delete(np.ones(3, bool)))
    ds.append({"x": 1})
    assert again(ds).x[:].tolist() == [1]


def test_tensors_come_and_go() -> None:
    store = commits(3)
    with append(store) as ds:
        ds.rename_tensor("x", "group/y")
        ds.append({"group/y": 3})
        ds.rename_tensor("group/y", "z")
        ds.delete_tensor("name")
        ds.create_tensor("name", **INT)
    found = lakebed.open(store)
    assert found.z[:].tolist() == [0, 1, 2, 3] and list(found.name) == [None] * 4
    assert lakebed.open(store, number=3).name[:] == ["0", "1", "2"]
    with append(store) as ds:
        ds.delete_tensor("z")
        ds.delete_tensor("name")
        assert len(ds) == 4
    assert lakebed.open(store).tensors == {}


# --- fidelity --------------------------------------------------------------------------------------------------------


def test_bounds_hold() -> None:
    """[fidelity.max_abs_error] [fidelity.max_rel_error] [fidelity.verify] [codec.quantize.verified]"""
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64", "float16"):
        values = (rng.normal(size=(40, 500)) * 10.0 ** rng.integers(-3, 4, (40, 1))).astype(dtype)
        values[3, :5] = [np.nan, np.inf, -np.inf, 0.0, -0.0]
        for bound in ({"max_abs_error": 0.05}, {"max_rel_error": 0.01}):
            ds = fresh(x={"dtype": dtype, "shape": (500,), "fidelity": bound, "chunk_compression": "shuffle+lz4"})
            ds.extend({"x": values})
            found = again(ds).x
            back, whole = found[:].astype(np.float64), values.astype(np.float64)
            finite = np.isfinite(whole)
            assert found[:][~finite].tobytes() == values[~finite].tobytes()
            error = np.abs(back[finite] - whole[finite])
            assert (error <= (0.05 if "max_abs_error" in bound else 0.01 * np.abs(whole[finite]))).all()
            assert found.nbytes < values.nbytes * 0.9 and found.fidelity == bound


def test_lossless_bits_survive() -> None:
    """[dtype.bits] [fidelity.exact]: through every codec that takes floats."""
    bits = np.array([0x7FC00001, 0xFFFFFFFF, 0x80000000, 1, 0x7F7FFFFF, 0x00800000, 0x7F800000], "<u4").view("<f4")
    for codec in (None, "lz4", "zstd", "deflate", "shuffle+lz4", "bitshuffle+lz4", "delta+lz4", "narrow+lz4"):
        try:
            ds = fresh(x={"dtype": "float32", "shape": (7,), "chunk_compression": codec})
        except LakebedError as problem:
            assert (codec, problem.code) == ("narrow+lz4", "E_ARGUMENT")
            continue
        ds.extend({"x": np.tile(bits, (100, 1))})
        assert again(ds).x[:].tobytes() == np.tile(bits, (100, 1)).tobytes()


def test_pictures_of_arrays() -> None:
    """[fidelity.psnr_db] [fidelity.lossy] [fidelity.default] [fidelity.encoded]: what a lossy codec may do to an array
    is what the tensor declares; by default a tensor is exact wherever one of its codecs is."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (32, 32, 3), np.uint8)
    smooth = np.tile(np.arange(0, 64, 2, dtype=np.uint8)[:, None, None], (1, 32, 3))
    jpeg = {"htype": "image", "sample_compression": {"name": "jpeg", "quality": 90}}
    assert fresh(x=jpeg).x.fidelity == "lossy"
    assert fresh(x=jpeg | {"sample_compression": ["jpeg", "png"]}).x.fidelity == "exact"
    assert fresh(x=jpeg | {"sample_compression": "webp"}).x.fidelity == "exact"
    strict = fresh(x=jpeg | {"fidelity": {"psnr_db": 40}})
    strict.append({"x": smooth})
    refused("E_FIDELITY", lambda: strict.append({"x": noise}), "dB")
    assert len(strict) == 1 and strict.x[0].shape == (32, 32, 3)
    refused("E_FIDELITY", lambda: fresh(x=jpeg | {"fidelity": "exact"}).append({"x": smooth}))
    both = fresh(x=jpeg | {"sample_compression": ["jpeg", "png"]})
    both.append({"x": noise})
    both.append({"x": lakebed.read(picture("JPEG"))})
    found = again(both)
    assert (found.x[0] == noise).all() and [found.x.file_format(i)[0] for i in range(2)] == ["png", "jpeg"]


def test_transcoding() -> None:
    """[media.transcode] [fidelity.files] [media.append]"""
    data = picture("PNG")
    exact = fresh(x={"htype": "image", "sample_compression": "webp"})
    problem = refused("E_FILE_FORMAT", lambda: exact.append({"x": lakebed.read(data)}), "png", "webp")
    assert len(exact) == 0 and problem.object is not None
    loose = fresh(x={"htype": "image", "sample_compression": "jpeg"})
    loose.append({"x": lakebed.read(data)})
    found = again(loose)
    assert found.x.file_format(0)[0] == "jpeg" and found.x[0].shape == (6, 8, 3)
    raw = fresh(x={"htype": "image"})
    refused("E_FILE_FORMAT", lambda: raw.append({"x": lakebed.read(data)}))
    raw.append({"x": lakebed.read(data).array()})
    refused(
        "E_SAMPLE_FILE",
        lambda: fresh(x={"htype": "image", "sample_compression": "png"}).append({"x": lakebed.read(data[:-20])}),
    )
    refused("E_SAMPLE_FILE", lambda: lakebed.read(b"GARBAGE"))


def test_pictures_that_are_tiled() -> None:
    """[media.unit]: every tile a picture; refused before anything is written."""
    array = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    ds = fresh(x={"htype": "image", "sample_compression": "png", "tile": (32, 32, 3)})
    ds.extend({"x": [array, array[:5]]})
    found = again(ds)
    assert (found.x[0] == array).all() and (found.x[0, 30:40, 60:] == array[30:40, 60:]).all()
    assert found.x[1].shape == (5, 70, 3)
    refused("E_FILE_ABSENT", lambda: found.x.file(0))
    strict = fresh(
        x={"htype": "sequence[image]", "sample_compression": "jpeg", "tile": (16, 16, 3), "fidelity": {"psnr_db": 60}}
    )
    strict.append({"x": [np.zeros((20, 20, 3), np.uint8)]})
    refused("E_FIDELITY", lambda: strict.append({"x": [np.zeros((20, 20, 3), np.uint8), array]}))
    assert len(again(strict).x[0]) == 1


def test_grey_and_16_bits() -> None:
    out = io.BytesIO()
    pixels = np.arange(0, 6000, 100, dtype=np.uint16).reshape(6, 10)
    Image.fromarray(pixels).save(out, "PNG")
    ds = fresh(
        a={"htype": "image.gray", "dtype": "uint16", "sample_compression": "png"},
        b={"htype": "image", "dtype": "uint16", "shape": (None, None, 1), "sample_compression": "png"},
        c={"htype": "image.gray", "sample_compression": "png"},
    )
    file = lakebed.read(out.getvalue())
    ds.append({"a": file, "b": file})
    refused("E_SAMPLE_DTYPE", lambda: ds.append({"c": file}))
    found = again(ds)
    assert (found.a[0] == pixels).all() and (found.b[0][:, :, 0] == pixels).all()
    assert found.a.file(0) == found.b.file(0) == out.getvalue()


# --- versions --------------------------------------------------------------------------------------------------------


def test_versions() -> None:
    """[algo.open.3] [algo.open.4] [algo.open.6] [algo.revert] [algo.branch] [algo.tag]"""
    store = commits(4)
    ds = append(store)
    ds.create_tag("v1")
    side = ds.create_branch("side")
    side.append({"x": 70})
    side.commit("on the side")
    ds.delete_tensor("name")
    ds.commit("less")
    ds.revert(2)
    assert ds.changed and len(ds) == 2
    ds.commit("back")
    assert lakebed.open(store).name[:] == ["0", "1"] and ds.number == 6
    assert lakebed.open(store, number=5).tensors.keys() == {"x"}
    assert lakebed.open(store, tag="v1").name[:] == ["0", "1", "2", "3"]
    assert lakebed.open(store, branch="side").x[:].tolist() == [0, 1, 2, 3, 70]
    assert [c.number for c in ds.log()] == [6, 5, 4, 3, 2, 1]
    assert [(c.branch, c.number) for c in lakebed.open(store, branch="side").log()][:3] == [
        ("side", 2),
        ("side", 1),
        ("main", 4),
    ]
    assert ds.branches() == ["main", "side"] and list(ds.tags()) == ["v1"]
    ds.revert("v1")
    ds.commit()
    assert len(lakebed.open(store)) == 4
    for code, where in (
        ("E_COMMIT_ABSENT", {"number": 99}),
        ("E_COMMIT_ABSENT", {"number": 0}),
        ("E_COMMIT_ABSENT", {"time": "1999-01-01T00:00:00Z"}),
        ("E_TAG_ABSENT", {"tag": "nope"}),
        ("E_BRANCH_ABSENT", {"branch": "nope"}),
        ("E_NAME", {"branch": "../x"}),
        ("E_NAME", {"tag": "Up"}),
        ("E_ARGUMENT", {"tag": "v1", "number": 1}),
        ("E_ARGUMENT", {"time": "yesterday"}),
    ):
        refused(code, lambda where=where: lakebed.open(store, **where))
    refused("E_TAG_EXISTS", lambda: ds.create_tag("v1"))
    refused("E_BRANCH_EXISTS", lambda: ds.create_branch("side"))
    ds.append({"x": 1})
    refused("E_ARGUMENT", lambda: ds.create_tag("v2"), "uncommitted")
    refused("E_ARGUMENT", lambda: ds.refresh(), "uncommitted")
    ds.discard()
    assert len(ds) == 4 and not ds.changed


def test_a_branch_begins_as_a_copy() -> None:
    """[commit.parent.first] [commit.closed.end]"""
    store = commits(2)
    ds = append(store)
    side = ds.create_branch("side")
    info = side.commit_info
    assert info is not None and info.parent is not None and (info.parent.branch, info.parent.number) == ("main", 2)
    assert side.x[:].tolist() == [0, 1]
    side.close_branch()
    refused("E_READ_ONLY", lambda: side.append({}))
    refused("E_BRANCH_CLOSED", lambda: lakebed.open(store, "a", branch="side"))
    assert lakebed.open(store, branch="side").x[:].tolist() == [0, 1]
    again = side.create_branch("again")
    again.append({"x": 9})
    again.commit()
    side.close()
    refused("E_READ_ONLY", lambda: side.create_branch("late"), "closed")
    assert lakebed.open(store, branch="again").x[:].tolist() == [0, 1, 9]


def test_a_branch_from_any_commit() -> None:
    """[algo.branch] [commit.closed.end] [algo.open.4]"""
    store = commits(4)
    ds = append(store)
    ds.create_tag("v1")
    ds.close_branch()
    for name, at in (("two", {"number": 2}), ("tagged", {"tag": "v1"}), ("closed", {})):
        with lakebed.create_branch(store, name, **at) as made:
            rows = len(made)
            made.append({"x": 5})
        assert lakebed.open(store, branch=name).x[:].tolist() == [*range(rows), 5]
    assert len(lakebed.open(store, branch="two")) == 3
    refused("E_COMMIT_ABSENT", lambda: lakebed.create_branch(store, "x", number=77))
    refused("E_BRANCH_EXISTS", lambda: lakebed.create_branch(store, "two"))
    refused("E_NAME", lambda: lakebed.create_branch(store, "Not/One"))


def test_units_and_chunks_of_a_chosen_size() -> None:
    """[write.unit_advice] [write.tile_advice]"""
    ds = lakebed.create(MemoryStore())
    one = {"dtype": "int64", "shape": ()}
    ds.create_tensor("items", unit_items=3, **one)
    ds.create_tensor("bytes", unit_bytes=80, chunk_compression="lz4", **one)
    ds.create_tensor("chunks", chunk_bytes=800, unit_items=10, **one)
    ds.extend({name: np.arange(1000) for name in ("items", "bytes", "chunks")})
    ds.commit()
    told = {name: ds.commit_info.tensors[name].write for name in ds.tensors}
    assert told["items"]["unit"] == {"items": 3} and told["bytes"]["unit"] == {"bytes": 80}
    assert told["chunks"]["chunk"] == {"bytes": 800}
    assert len(ds._work.table("chunks")[1].chunks) == 10 and len(ds._work.table("items")[1].chunks) == 1
    assert all((t[:] == np.arange(1000)).all() for t in ds.tensors.values())
    for wrong in ({"unit_items": 0}, {"unit_bytes": -1}, {"chunk_bytes": True}, {"unit_items": 1, "unit_bytes": 1}):
        refused("E_ARGUMENT", lambda wrong=wrong: ds.create_tensor("no", **one, **wrong))
    refused("E_ARGUMENT", lambda: ds.create_tensor("no", sample_compression="lz4", unit_items=4, **one))


def test_two_writers() -> None:
    """[algo.rebase.append] [algo.rebase.conflict] [algo.rebase.disjoint]"""
    store = commits(2)
    a, b, c = append(store), append(store), append(store)
    a.append({"x": 10})
    b.extend({"x": [20, 21], "name": ["p", "q"]})
    c.x[0] = 99
    a.commit()
    b.commit()
    assert lakebed.open(store).x[:].tolist() == [0, 1, 10, 20, 21] and b.x[:].tolist() == [0, 1, 10, 20, 21]
    d = append(store)
    d.x[0] = 98
    c.commit()
    refused("E_CONFLICT", lambda: d.commit(), "'x'")
    assert lakebed.open(store).x[:].tolist() == [99, 1, 10, 20, 21]


def test_diff() -> None:
    store = commits(3)
    with append(store) as ds:
        ds.x[1] = 5
        ds.append({"x": 7})
        ds.create_tensor("new", **INT)
    change = lakebed.open(store).diff(3)
    assert change["x"].updated == [(1, 2)] and change["x"].added == [(3, 4)] and change["new"].state == "new"
    assert lakebed.open(store).diff(4) == {}


def test_uncommitted_work_is_invisible() -> None:
    store = commits(2)
    ds = append(store)
    ds.extend({"x": [5] * 1000})
    ds.x[0] = 9
    assert ds.x[0] == 9 and len(ds) == 1002
    assert len(lakebed.open(store)) == 2
    ds.discard()
    assert ds.x[:].tolist() == [0, 1]


def test_many_tensors() -> None:
    """A commit of 300 tensors."""
    ds = fresh(**{f"t{i}/v": INT for i in range(300)})
    for row in range(3):
        ds.append({f"t{i}/v": row * i for i in range(300)})
    found = again(ds)
    assert found["t299/v"][:].tolist() == [0, 299, 598] and len(found.tensors) == 300


def test_thousands_of_slices_are_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """[algo.edit.manifests] [manifest.seal] [tensor.order]: what was sealed reads, edits and seals again."""
    monkeypatch.setattr(seal, "BUDGET", 16 << 10)
    store = MemoryStore()
    rng = np.random.default_rng(0)
    due: list[int | None] = list(range(5000))
    with create(store) as ds:
        ds.create_tensor("x", **INT)
        ds.extend({"x": np.arange(5000)})
    for turn in range(6):
        with append(store) as ds:
            rows = np.unique(rng.integers(0, len(due), 700))
            ds.x[rows] = (rows + 10_000 * (turn + 1)).tolist()
            for row in rows.tolist():
                due[row] = row + 10_000 * (turn + 1)
            ds.append({"x": -turn})
            due.append(-turn)
            if turn == 3:
                ds.delete(slice(100, 2000, 7))
                del due[100:2000:7]
    found = lakebed.open(store)
    assert found.x[:].tolist() == due and keys(store, "manifests/")
    info = found.commit_info
    assert info is not None and len(info.tensors["x"].manifests) < 8
    assert len(store.get("commits/main/0000000007.json") or b"") < 40 << 10
    assert [found.x[i].item() for i in range(0, len(due), 333)] == due[::333]
    assert lakebed.open(store, number=1).x[:].tolist() == list(range(5000))


def test_a_chunk_of_another_tensor() -> None:
    """[slice.any] [chunk.tensor.hints] [chunk.index.tensor] [chunk.index.row]: chunks may be shared, named twice, in
    any order; what they say of tensor and row is not compared with anything."""
    store = commits(1)
    with append(store) as ds:
        ds.extend({"x": [1, 2, 3]})

    def change(members: dict[str, Any]) -> None:
        x = members["tensors"]["x"]
        members["tensors"]["twin"] = json.loads(json.dumps(x))
        x["slices"] = {"chunk": 1, "first": [2, 0, 1], "count": [1, 1, 2]}

    edit(store, "commits/main/0000000002.json", change)
    ds = lakebed.open(store)
    assert ds.x[:].tolist() == [3, 1, 2, 3] and ds.twin[:].tolist() == [0, 1, 2, 3]


def test_one_writer_is_deterministic() -> None:
    """[write.same]: clock, ids and samples given, the same bytes."""

    def make() -> dict[str, bytes | None]:
        store = MemoryStore()
        with create(store) as ds:
            for name, options in KINDS.items():
                ds.create_tensor(name, **options)
            ds.append(GOOD)
            ds.extend({"n": [1, 2], "text": ["a", None]})
        return {key: store.get(key) for key in keys(store, "")}

    assert make() == make()


def test_nothing_of_the_machine_is_stored(tmp_path: Path) -> None:
    """[safety.secret] [safety.fetch]: no path, no user, no host; nothing outside the root is written."""
    photo = tmp_path / "secret-name.png"
    photo.write_bytes(picture("PNG"))
    place = tmp_path / "inner" / "d"
    with lakebed.create(place) as ds:
        ds.create_tensor("x", htype="image", sample_compression="png")
        ds.append({"x": lakebed.read(photo)})
    written = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert str(tmp_path).encode() not in written and b"secret-name" not in written
    assert {path.name for path in tmp_path.iterdir()} == {"secret-name.png", "inner"}


@pytest.mark.parametrize(
    ("htype", "attributes", "clause", "value", "mended"),
    [
        ("class_label", {"class_names": True}, "htype.class_label.names", 0, ["a"]),
        ("class_label", {"class_names": {"a": 0}}, "htype.class_label.names", "a", ["a"]),
        ("class_label", {"class_names": None}, "htype.class_label.names", "a", ["a"]),
        ("class_label", {"class_names": ["a", "a"]}, "htype.class_label.names", 1, ["a", "b"]),
        ("segment_mask", {"class_names": 1.5}, "htype.segment_mask.names", [[0]], ["a"]),
        ("bbox", {"coords": [1]}, "htype.bbox.coords", [[0, 0, 1, 1]], {"type": "pixel", "mode": "LTRB"}),
        ("bbox", {"coords": None}, "htype.bbox.coords", [[0, 0, 1, 1]], {"type": "pixel", "mode": "LTRB"}),
        ("keypoints", {"keypoints": 5}, "htype.keypoints.names", [[[0, 0, 0]]], ["nose"]),
        ("json", {"schema": {"type": 5}}, "htype.json.schema", {}, {"type": "object"}),
    ],
)
def test_a_tensor_that_breaks_its_htype_takes_no_samples_until_it_is_mended(htype, attributes, clause, value, mended):
    """[htype.attributes]: what another writer did is named, here and by a checker; other tensors go on."""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", htype=htype)
        ds.create_tensor("n", dtype="int8", shape=())
        ds.append({"n": 1})
    edit(store, "commits/main/0000000001.json", lambda members: members["tensors"]["x"].update(attributes=attributes))
    assert {(found.code, found.clause) for found in check(store).findings} == {("E_TENSOR_FIELD", clause)}
    with append(store) as ds:
        for add in (ds.append, lambda row: ds.insert(0, row), lambda row: ds.extend({"x": [row["x"]] * 2})):
            assert refused("E_TENSOR_FIELD", lambda add=add: add({"x": value})).clause == clause
        refused("E_TENSOR_FIELD", lambda: ds.update("x", 0, value))
        ds.append({"n": 2})
        assert len(ds) == 2 and ds.x[1] is None
        ds.set_attributes("x", **{next(iter(attributes)): mended})
        ds.append({"x": value})
    assert {found.object for found in check(store).findings} == {"commits/main/0000000001.json"}  # history stays
    assert lakebed.open(store).x[2] is not None


def test_the_shape_of_a_mesh_is_that_of_its_files(tmp_path: Path) -> None:
    """[htype.default]: triangles in STL, points else."""
    triangles = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    with lakebed.create(str(tmp_path / "ds")) as ds:
        ds.create_tensor("stl", htype="mesh", sample_compression="stl")
        ds.create_tensor("ply", htype="mesh", sample_compression="ply")
        ds.append({"stl": triangles, "ply": triangles[0]})
        assert (ds["stl"].shape, ds["ply"].shape) == ((None, 3, 3), (None, 3))
    found = lakebed.open(str(tmp_path / "ds"))
    assert (found["stl"][0] == triangles).all() and (found["ply"][0] == triangles[0]).all()
