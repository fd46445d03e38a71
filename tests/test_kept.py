"""What an open dataset keeps at hand is bounded, shared by threads, and never decides what an answer is."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lakebed
from kinds import Distant
from lakebed import chunkfile, tensor, writer
from lakebed.check_seek import seek_faults
from lakebed.errors import LakebedError
from lakebed.gather import Part, of_one_shape, span_of_one_shape
from lakebed.geometry import Geometry
from lakebed.model import ChunkIndex
from lakebed.stores import MemoryStore


def test_chunks_that_are_let_go_no_tensor_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped chunk holds a file descriptor."""
    monkeypatch.setattr(tensor, "KEPT_CHUNKS", 8)
    due = np.arange(240).reshape(60, 4)
    with lakebed.create(str(tmp_path / "ds")) as made:
        for name in ("x", "y"):
            made.create_tensor(name, dtype="int64", shape=(4,), unit_items=1, chunk_bytes=32)
        made.extend({"x": due, "y": due + 1})
    ds = lakebed.open(str(tmp_path / "ds"))
    for row in range(60):
        assert (ds.x[row] == due[row]).all() and (ds.y[row] == due[row] + 1).all()
        assert len(ds.x._files) + len(ds.y._files) <= 9
    assert (ds.x[:] == due).all() and (ds.y[[59, 0, 30]] == due[[59, 0, 30]] + 1).all()


def test_parts_of_files_that_are_held_are_bounded_over_all_chunks() -> None:
    """[algo.region.bound]"""
    store = Distant()
    sound = np.arange(1_500_000, dtype=np.int16).reshape(-1, 1)
    with lakebed.create(store) as made:
        made.create_tensor("x", htype="audio", dtype="int16", shape=(None, 1), sample_compression="wav", chunk_bytes=1)
        made.extend({"x": [sound + row for row in range(6)]})
    ds = lakebed.open(store)
    for row in range(6):
        assert (ds.x[row, 700_000:700_010] == sound[700_000:700_010] + row).all()
    assert 1 <= len(ds._chunks._held) <= chunkfile.KEPT_UNITS


def test_units_kept_by_one_thread_are_let_go_by_another(tmp_path: Path) -> None:
    rows = [np.arange(row % 5 + 1) for row in range(200)]
    with lakebed.create(str(tmp_path / "ds")) as made:
        made.create_tensor("x", dtype="int64", shape=(None,), chunk_compression="lz4", unit_items=2)
        made.extend({"x": rows})
    x = lakebed.open(str(tmp_path / "ds")).x
    wrong: list[Any] = []

    def look(seed: int) -> None:
        try:
            for row in np.random.default_rng(seed).integers(0, 200, 3000).tolist():
                if x[row].tolist() != rows[row].tolist():
                    wrong.append(row)
        except Exception as problem:
            wrong.append(problem)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_axes_that_numpy_cannot_count_are_refused_by_every_way() -> None:
    """[chunk.index.limit]"""
    store = MemoryStore()
    wide = (2**53 - 1, 2**53 - 1, 0)
    made = writer.ChunkWriter(
        store, tensor="t", row=0, dtype="uint8", itemsize=1, rank=3, sequence=False, pipeline=(), rule=writer.UnitRule()
    )
    made.add_block(memoryview(b""), 3, wide)
    made.add_samples(3)
    file = chunkfile.ChunkFile(store, made.close())
    rows = np.array([2, 0])
    for way in (
        lambda: file.sample(0),
        lambda: span_of_one_shape([(file, 0, 3)], np.dtype("u1"), map),
        lambda: of_one_shape(rows, [Part(file, 0, None)], np.dtype("u1"), map),
    ):
        with pytest.raises(LakebedError) as caught:
            way()
        assert (caught.value.code, caught.value.clause) == ("E_INDEX_LIMIT", "chunk.index.limit")


@pytest.mark.parametrize("claim", [np.array([1, 2], "u1"), np.array([], "u1"), np.array([7], "u8"), 5, "x", {}])
def test_a_seek_that_is_no_array_is_a_finding(claim: Any) -> None:
    """[seek.entries]"""
    index = ChunkIndex("uint8", 1, (1,), 0, seek=claim)
    assert [fault[:2] for fault in seek_faults(Geometry(index, 1))] == [("E_INDEX_SEEK", "seek.entries")]
