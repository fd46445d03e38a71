"""Two readings of one text: what the reference writes, the suite's own checker accepts and reads to the same bits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "conformance"), str(ROOT / "reference")]

import lakebed  # noqa: E402
from lakebed_conform.checker import check_tree, folder_tree, open_state  # noqa: E402

SHUFFLED = [{"name": "delta", "size": 8}, {"name": "shuffle", "size": 8}, {"name": "deflate"}]
QUANTIZED = [{"name": "quantize", "dtype": "float32", "max_abs_error": 1e-3}, {"name": "lz4"}]
TENSORS = {
    "picture": {"htype": "image", "dtype": "uint8", "shape": [None, None, 3], "sample_compression": "png"},
    "photo": {"htype": "image", "dtype": "uint8", "shape": [None, None, 3], "sample_compression": "jpeg"},
    "label": {"htype": "class_label", "class_names": ["x", "y"], "chunk_compression": "lz4"},
    "boxes": {"htype": "bbox", "dtype": "float32", "shape": [None, 4]},
    "polygons": {"htype": "polygon", "shape": [None, 2]},
    "text": {"htype": "text"},
    "time": {"dtype": "int64", "shape": [], "chunk_compression": SHUFFLED},
    "depth": {"dtype": "float32", "shape": [99], "chunk_compression": QUANTIZED, "fidelity": {"max_abs_error": 1e-3}},
    "bits": {"dtype": "uint32", "shape": [None],
             "chunk_compression": [{"name": "bitshuffle", "size": 4}, {"name": "lz4"}]},
    "near": {"dtype": "int64", "shape": [50],
             "chunk_compression": [{"name": "narrow", "size": 8, "width": 2, "signed": True}]},
}  # fmt: skip


def row(rng: np.random.Generator, i: int) -> dict:
    return {
        "picture": rng.integers(0, 255, (5 + i % 3, 4, 3), dtype=np.uint8),
        "photo": rng.integers(0, 255, (5, 4, 3), dtype=np.uint8),
        "label": i % 2,
        "boxes": rng.random((i % 3, 4)).astype(np.float32),
        "polygons": [rng.random((3, 2)).astype(np.float32) for _ in range(i % 3)],
        "text": f"héllo {i}",
        "time": i * i,
        "depth": rng.random(99).astype(np.float32),
        "bits": np.arange(i * 7, dtype=np.uint32),
        "near": rng.integers(-300, 300, 50),
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("agree") / "d.lakebed", np.random.default_rng(7)
    with lakebed.create(path) as ds:
        for name, members in TENSORS.items():
            ds.create_tensor(name, **members)
        for i in range(30):
            ds.append(row(rng, i) if i % 7 else {"label": 1})
        ds.commit("thirty rows")
        ds.update("label", 3, 0)
        ds.delete([5, 6])
        ds.insert(2, row(rng, 40))
        ds.commit("edited")
        ds.create_tag("v1")
    return path


def test_the_suites_checker_finds_nothing(place):
    assert [str(f) for f in check_tree(folder_tree(place)) if not f.note] == []


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("number", [1, 2])
def test_both_readers_give_the_same_bits(place, name, number):
    samples = open_state(folder_tree(place), "main", number).read(name)
    ours = lakebed.open(place, number=number)[name]
    assert len(samples.values) == len(ours) and samples.dtype == ours.dtype.name
    for i, value in enumerate(samples.values):
        same(value, ours[i])


def same(value, other) -> None:
    if value is None:
        assert other is None
    elif isinstance(value, list):
        assert len(value) == len(other)
        for v, o in zip(value, other, strict=True):
            same(v, o)
    elif value.data is None:
        assert value.file[:3] in (b"\x89PN", b"\xff\xd8\xff") and value.shape == other.shape
    elif isinstance(other, str):
        assert value.data.decode() == other
    else:
        assert value.shape == np.shape(other) and value.data == np.ascontiguousarray(other).tobytes()
