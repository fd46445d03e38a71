"""The worked examples: rebuilt byte for byte, read back, and every byte explained by a clause of the spec."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import examples
import lakebed
from lakebed.check import check
from lakebed.inspect import inspect


def _objects(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("build", examples.EXAMPLES, ids=lambda build: build.__name__)
def test_an_example_is_what_its_builder_writes(build, tmp_path):
    folder = tmp_path / build.__name__
    build(str(folder))
    (folder / "README.md").write_text(examples.page(build, folder), encoding="utf-8")
    assert _objects(folder) == _objects(examples.FOLDER / build.__name__)


@pytest.mark.parametrize("build", examples.EXAMPLES, ids=lambda build: build.__name__)
def test_an_example_has_no_fault_and_every_byte_of_its_chunks_is_explained(build):
    folder = examples.FOLDER / build.__name__
    assert not check(str(folder)).findings
    chunks = [key for key in _objects(folder) if key.endswith(".chunk")]
    assert chunks
    for key in chunks:
        spans = [span for span in inspect(str(folder), key) if span.name != "object" and span.size]
        assert not any(span.error for span in spans)
        at = 0
        for span in spans:
            assert span.offset == at, f"{key}: byte {at} is not explained"
            at += span.size
        assert at == (folder / key).stat().st_size


def test_every_clause_of_the_pages_is_in_the_spec():
    known = set()
    for chapter in examples.FOLDER.parent.glob("*.md"):
        known |= set(re.findall(r"\*\*([a-z0-9_]+(?:\.[a-z0-9_]+)+)\*\*", chapter.read_text(encoding="utf-8")))
    for build in examples.EXAMPLES:
        text = (examples.FOLDER / build.__name__ / "README.md").read_text(encoding="utf-8")
        assert set(re.findall(r"\| \[([a-z0-9_.]+)\]$", text, re.MULTILINE)) <= known


def test_the_examples_read_back():
    assert lakebed.open(str(examples.FOLDER / "numbers"))["x"][:].tolist() == [1, -2, 300]
    boxes = lakebed.open(str(examples.FOLDER / "boxes"))["boxes"]
    row = [1.0, 2.0, 30.0, 40.0]
    assert [None if b is None else b.tolist() for b in boxes[:]] == [[row], None, [[5, 6, 7, 8]], [], [row, row]]
    earlier = lakebed.open(str(examples.FOLDER / "boxes"), number=1)["boxes"]
    assert earlier[2].tolist() == [row] * 4
    pictures = lakebed.open(str(examples.FOLDER / "pictures"))
    assert pictures["images"].file(0) == (examples.FILES / "street.jpg").read_bytes()
    assert pictures["images"].file(1) == (examples.FILES / "parts.png").read_bytes()
    assert pictures["images"][3] is None
    assert pictures["labels"][:].tolist() == [0, 1, 0, 1]
    tiles = lakebed.open(str(examples.FOLDER / "tiles"))
    assert np.array_equal(tiles["field"][0, 3:5, 2:6], np.arange(35).reshape(5, 7)[3:5, 2:6])
    assert tiles["tags"][:] == [["wet", "grün"], [], None]
