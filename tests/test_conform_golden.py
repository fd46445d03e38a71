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
from lakebed_conform.checker import check_tree, folder_tree, open_state  # noqa: E402
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


def test_the_cases_hold_the_golden_files():
    cases = {c.id: c for c in load_cases("1.0")}
    for row in (r for r in ROWS if r["rule"] != "refused"):
        case = cases[f"golden/{row['name']}"]
        ask = next(a for a in case.asks if a.op == "read_file")
        given = GOLDEN / "files" / row.get("given", row["file"])
        assert case.raw(ask.want["raw"]) == given.read_bytes(), row["name"]
        data = (GOLDEN / "files" / row["file"]).read_bytes()
        assert any(data in p.read_bytes() for p in case.dataset.rglob("*.chunk")), row["name"]


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


SETS = sorted((GOLDEN / "datasets").glob("*/*/want.json"))


@pytest.mark.parametrize("path", SETS, ids=lambda p: "/".join(p.parts[-3:-1]))
def test_a_dataset_of_a_released_writer_is_as_it_was(path):
    about, total = json.loads(path.read_text()), hashlib.sha256()
    files = sorted(p for p in path.parent.rglob("*") if p.is_file() and p.name != "want.json")
    for file in files:
        total.update(f"{file.relative_to(path.parent).as_posix()}\0".encode() + file.read_bytes())
    assert total.hexdigest() == about["sha256"]
    assert sum(f.stat().st_size for f in files) < 100_000
    assert about["wants"]


def test_two_writers_have_golden_datasets_and_the_suite_reads_them():
    assert {json.loads(p.read_text())["writer"] for p in SETS} == {"lakebed", "javascript"}
    for path in SETS:
        tree = folder_tree(path.parent / "dataset")
        assert [f for f in check_tree(tree) if not f.note] == []
        for want in (w for w in json.loads(path.read_text())["wants"] if "tag" not in w["at"]):
            at = want["at"]
            state = open_state(tree, at.get("branch", "main"), int(at["number"]) if "number" in at else None)
            found = [None if v is None else v for v in state.read(want["tensor"]).values]
            assert len(found) == len(want["want"]["shapes"])


def test_every_golden_dataset_is_a_case():
    ids = {c.id for c in load_cases("1.0")}
    assert {f"golden/by_{p.parts[-3]}_{p.parts[-2]}" for p in SETS} <= ids
