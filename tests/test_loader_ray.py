"""Ray Data on a local cluster of two workers: read by slices, write with one commit, or none."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
ray = pytest.importorskip("ray", reason="NO RAY: pip install 'lakebed[ray]' to test its source and sink")
pytest.importorskip("ray.data", reason="NO RAY DATA: pip install 'lakebed[ray]' to test its source and sink")

import lakebed  # noqa: E402
from lakebed.loaders.ray import DatasetSink, DatasetSource  # noqa: E402

ROWS = 300


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    path = {"PYTHONPATH": str(Path(lakebed.__file__).parents[1])}
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, runtime_env={"env_vars": path})
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    yield
    ray.shutdown()


def new(path: Path) -> lakebed.Dataset:
    with lakebed.create(str(path)) as ds:
        ds.create_tensor("id", dtype="int64", shape=())
        ds.create_tensor("boxes", htype="bbox")
        ds.create_tensor("vector", dtype="float32", shape=(3,))
        ds.create_tensor("text", htype="text")
    return lakebed.open(str(path), mode="a")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> lakebed.Dataset:
    path = tmp_path_factory.mktemp("ray") / "full"
    with new(path) as ds:
        boxes = [np.full((i % 4, 4), i, np.float32) for i in range(ROWS)]
        vector = np.repeat(np.arange(ROWS, dtype=np.float32)[:, None], 3, 1)
        texts = [f"row {i}" for i in range(ROWS)]
        ds.extend({"id": np.arange(ROWS), "boxes": boxes, "vector": vector, "text": texts})
    return lakebed.open(str(path))


def test_read_by_slices_and_write_with_one_commit(full: lakebed.Dataset, tmp_path: Path) -> None:
    rows = ray.data.read_datasource(DatasetSource(full), override_num_blocks=5)
    target = new(tmp_path / "copy")
    before = target.number

    def shifted(row: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.005)  # long enough that one worker does not do it all
        return {**row, "vector": row["vector"] + 1, "pid": os.getpid()}

    moved = rows.map(shifted).materialize()
    assert len({row["pid"] for row in moved.take_all()}) >= 2
    sink = DatasetSink(target, "from ray")
    moved.drop_columns(["pid"]).write_datasink(sink)
    found = lakebed.open(str(tmp_path / "copy"))
    assert found.number == before + 1 == sink.ref.number and found.commit_info.message == "from ray"
    assert sorted(found["id"][:].tolist()) == list(range(ROWS))
    for place, i in enumerate(found["id"][:].tolist()):
        assert found["text"][place] == f"row {i}" and (found["vector"][place] == i + 1).all()
        assert found["boxes"][place].shape == (i % 4, 4) and (found["boxes"][place] == i).all()


def test_a_failed_task_leaves_no_commit(full: lakebed.Dataset, tmp_path: Path) -> None:
    def failing(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == ROWS - 1:
            raise ValueError("no such row")
        return row

    target = new(tmp_path / "copy")
    rows = ray.data.read_datasource(DatasetSource(full), override_num_blocks=4)
    with pytest.raises(Exception, match="no such row"):
        rows.map(failing).write_datasink(DatasetSink(target))
    found = lakebed.open(str(tmp_path / "copy"))
    assert found.number == target.number and len(found) == 0


def test_a_row_that_does_not_fit_leaves_no_commit(full: lakebed.Dataset, tmp_path: Path) -> None:
    target = new(tmp_path / "copy")
    rows = ray.data.read_datasource(DatasetSource(full, ["id"]), override_num_blocks=4)
    with pytest.raises(Exception, match="E_TENSOR_ABSENT"):
        rows.map(lambda row: {"unknown": row["id"]}).write_datasink(DatasetSink(target))
    assert len(lakebed.open(str(tmp_path / "copy"))) == 0


def test_a_worker_that_dies_once_is_replaced_and_no_row_is_lost_or_twice(full: lakebed.Dataset, tmp_path: Path) -> None:
    died = tmp_path / "died"

    def killed(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == ROWS // 2 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return row

    target = new(tmp_path / "copy")
    rows = ray.data.read_datasource(DatasetSource(full), override_num_blocks=4)
    rows.map(killed).write_datasink(DatasetSink(target))
    found = lakebed.open(str(tmp_path / "copy"))
    assert died.exists() and found.number == target.number
    assert sorted(found["id"][:].tolist()) == list(range(ROWS))


def test_a_worker_that_always_dies_is_an_error_and_leaves_no_commit(full: lakebed.Dataset, tmp_path: Path) -> None:
    def killed(row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] == ROWS // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return row

    target = new(tmp_path / "copy")
    before = target.number
    rows = ray.data.read_datasource(DatasetSource(full), override_num_blocks=4)
    with pytest.raises(Exception, match=r"died|crashed"):
        rows.map(killed, max_retries=1).write_datasink(DatasetSink(target))
    found = lakebed.open(str(tmp_path / "copy"))
    assert found.number == before and len(found) == 0
