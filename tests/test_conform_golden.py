"""The golden files: small, as their manifest says, not of the reference's making, and shown by cases."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "conformance")]

from lakebed_conform.cases import load_cases  # noqa: E402
from lakebed_conform.tolerance import decoder_class  # noqa: E402

GOLDEN = ROOT / "conformance" / "golden"
ROWS = json.loads((GOLDEN / "MANIFEST.json").read_text())
REGISTRY = json.loads((ROOT / "spec/registry/codecs.json").read_text())["codecs"]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["name"])
def test_a_file_is_what_its_manifest_says(row):
    data = (GOLDEN / "files" / row["file"]).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (row["bytes"], row["sha256"])
    with np.load(GOLDEN / "expected" / row["expected"]) as found:
        array = found["array"]
    assert (array.dtype.name, list(array.shape)) == (row["dtype"], row["shape"])
    assert row["licence"] == "CC0-1.0" and row["due"] and row["versions"]
    assert len(data) < 30_000


def test_nothing_is_there_that_the_manifest_does_not_know():
    files = {p.name for p in (GOLDEN / "files").iterdir()}
    assert files == {r["file"] for r in ROWS} | {r["given"] for r in ROWS if "given" in r}
    assert {p.name for p in (GOLDEN / "expected").iterdir()} == {r["expected"] for r in ROWS}
    assert sum(p.stat().st_size for p in GOLDEN.rglob("*") if p.is_file()) < 1_500_000


def test_the_makers_never_import_what_they_judge():
    for path in GOLDEN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] == "lakebed"], path.name


def test_every_media_codec_is_read_written_and_refused_by_a_case():
    cases = load_cases("1.0")
    media = [c["name"] for c in REGISTRY if c["kind"] == "media" and c["status"] == "defined"]
    lacking = []
    for name in media:
        of = [c for c in cases if f"codec.{name}" in c.features]
        read = any(a.op == "read" and not a.error for c in of for a in c.asks)
        written = any(a.op == "write" and not a.error for c in of for a in c.asks)
        refused = any(a.error in ("E_CODEC_DATA", "E_MEDIA_SHAPE") for c in of for a in c.asks)
        lacking += [name] if not (read and written and refused) else []
    assert lacking == []


@pytest.mark.parametrize("apart, fits", [(0, True), (2**-5, True), (0.2, False)])
def test_sound_whose_decoder_reaches_back_is_judged_late(apart, fits):
    want = np.zeros((9000, 1), np.float32)
    early, late = want.copy(), want.copy()
    early[:8000] = 1
    late[8500] = apart
    assert decoder_class(early, want, "S2") is None
    assert (decoder_class(late, want, "S2") is None) == fits


def test_a_video_is_judged_frame_by_frame():
    want = np.full((3, 16, 16, 3), 100, np.uint8)
    got = want.copy()
    assert decoder_class(got, want, "B") is None
    got[2] = 140
    assert (decoder_class(got, want, "B") or "").startswith("frame 2")
