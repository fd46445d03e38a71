"""Parts: written anywhere, visible together or not at all."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import lakebed
from lakebed.errors import LakebedError
from lakebed.parts import Part, Spot, commit_parts, spot, write_part


def fresh(path: Path) -> lakebed.Dataset:
    with lakebed.create(str(path)) as ds:
        ds.create_tensor("id", dtype="int64", shape=())
        ds.create_tensor("text", htype="text")
        ds.create_tensor("other", dtype="int8", shape=())
        ds.append({"id": 0, "text": "first"})
    return lakebed.open(str(path), mode="a")


def written(place: Spot, first: int) -> Part:
    numbers = range(first, first + 100)
    return write_part(place, {"id": np.array(numbers), "text": [f"row {i}" for i in numbers]})


def test_parts_of_several_processes_become_one_commit(tmp_path: Path) -> None:
    ds = fresh(tmp_path / "ds")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(written, [spot(ds)] * 3, [1, 101, 201]))
    assert len(lakebed.open(str(tmp_path / "ds"))) == 1
    before = ds.number
    assert commit_parts(ds, parts, "all").number == before + 1 == ds.number
    found = lakebed.open(str(tmp_path / "ds"))
    assert found["id"][:].tolist() == list(range(301))
    assert found["text"][300] == "row 300" and found["other"][5] is None
    assert found.commit_info.message == "all"


def test_others_may_append_meanwhile(tmp_path: Path) -> None:
    ds = fresh(tmp_path / "ds")
    part = pickle.loads(pickle.dumps(written(spot(ds), 10)))
    with lakebed.open(str(tmp_path / "ds"), mode="a") as other:
        other.append({"id": -1})
    commit_parts(ds, [part])
    assert ds["id"][:].tolist() == [0, -1, *range(10, 110)]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    ds = fresh(tmp_path / "ds")
    place = spot(ds)
    part = written(place, 1)
    with pytest.raises(LakebedError, match="E_TENSOR_ABSENT"):
        write_part(place, {"nothing": [1]})
    with pytest.raises(LakebedError, match="E_ARGUMENT"):
        write_part(place, {"id": [1], "text": ["a", "b"]})
    with pytest.raises(LakebedError, match="E_SAMPLE"):
        write_part(place, {"id": ["one"]})
    with pytest.raises(LakebedError, match="E_READ_ONLY"):
        spot(lakebed.open(str(tmp_path / "ds")))
    ds.delete_tensor("text")
    with pytest.raises(LakebedError, match="E_ARGUMENT"):
        commit_parts(ds, [part])
    ds.commit()
    with pytest.raises(LakebedError, match="E_CONFLICT"):
        commit_parts(ds, [part])
    assert len(lakebed.open(str(tmp_path / "ds"))) == 1
