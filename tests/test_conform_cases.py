"""The cases as a whole: enough of each kind, every clause traced, and the suite's judges of htypes and pictures."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "conformance")]

from lakebed_conform.cases import load_cases  # noqa: E402
from lakebed_conform.checker.finding import Broken  # noqa: E402
from lakebed_conform.checker.htypes import json_problem, numbers  # noqa: E402
from lakebed_conform.checker.media import header  # noqa: E402
from lakebed_conform.checker.pixels import array_bytes  # noqa: E402
from lakebed_conform.checker.reader import Item  # noqa: E402
from lakebed_conform.spec import clauses, spec_folder  # noqa: E402
from lakebed_conform.trace import trace, trials  # noqa: E402

KINDS = ("image", "image_rgb", "image_gray", "segment_mask", "binary_mask", "video", "audio", "dicom", "nifti",
         "point_cloud", "mesh")  # fmt: skip
LINKS = {f"link_{name}" for name in KINDS}
UNTRACED = ROOT / "conformance" / "cases" / "1.0" / "untraced.json"


@pytest.fixture(scope="module")
def cases():
    return load_cases("1.0")


def test_enough_of_each_kind(cases):
    kinds = Counter(c.kind for c in cases)
    assert kinds["valid"] >= 300 and kinds["invalid"] >= 700 and kinds["hostile"] >= 50 and kinds["write"] >= 60


def test_hostile_cases_have_budgets(cases):
    for case in (c for c in cases if c.kind == "hostile"):
        assert case.memory is not None and case.memory <= 96 << 20 and case.seconds <= 10, case.id


def test_every_must_clause_is_traced(cases):
    rows, unknown = trace(clauses(spec_folder("1.0")), cases, json.loads(UNTRACED.read_text()))
    assert not unknown
    assert not [f"{r.clause.id}: {r.need}" for r in rows if r.need]


def test_reasons_for_what_is_untraced_are_kept_honest(cases):
    known = clauses(spec_folder("1.0"))
    for id, reason in json.loads(UNTRACED.read_text()).items():
        assert id in known and (trials(reason) or len(reason) > 20), id


def test_files_of_cases_stay_small(cases):
    sizes = {p: p.stat().st_size for c in cases if c.kind != "write" for p in c.folder.rglob("*") if p.is_file()}
    assert sum(sizes.values()) < 24 << 20
    assert not [p for p, n in sizes.items() if n > 3 << 20]


def test_float8_is_widened_by_its_table():
    item = Item((5,), bytes([0x00, 0x01, 0x38, 0x7E, 0x80]), None, [])
    values = numbers(item, "float8_e4m3fn")
    assert values.tolist() == [0.0, 2.0**-9, 1.0, 448.0, 0.0] and np.signbit(values[4])
    assert np.isnan(numbers(Item((2,), b"\x7f\xff", None, []), "float8_e4m3fn")).all()


@pytest.mark.parametrize("text", [b"1", b'{"a":[1.5,null]}', b'"\\ud800"', b" [] ", b"[" * 512 + b"]" * 512])
def test_json_that_is(text):
    assert json_problem(text) is None


@pytest.mark.parametrize("text", [b"", b"NaN", b'{"a":1,"a":1}', b"\xef\xbb\xbf1", b"01", b"[" * 513 + b"]" * 513])
def test_json_that_is_not(text):
    assert json_problem(text)


@pytest.mark.parametrize("name", ["png", "jpeg", "gif", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_headers_of_files_that_a_real_encoder_wrote(name, mode):
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.new(mode, (7, 5)).save(out, name.upper())
    picture = header(name, out.getvalue())
    assert (picture.height, picture.width) == (5, 7)
    shape = (5, 7, picture.channels)
    data = array_bytes(name, out.getvalue(), shape, picture.dtypes[0])
    assert len(data) == np.prod(shape)
    with pytest.raises(Broken) as wrong:
        array_bytes(name, out.getvalue(), (5, 8, picture.channels), picture.dtypes[0])
    assert wrong.value.code == "E_MEDIA_SHAPE"


@pytest.mark.parametrize("cut", [0, 3, 20, -13])
def test_a_cut_png_is_refused(cut):
    from lakebed_conform.casebook.pictures import png

    with pytest.raises(Broken) as wrong:
        header("png", png(np.zeros((2, 2), np.uint8))[:cut])
    assert wrong.value.code == "E_CODEC_DATA"


def test_every_htype_is_taken_and_refused_alone_and_in_a_sequence(cases):
    known = json.loads((ROOT / "spec/registry/htypes.json").read_text())["htypes"]
    names = [h["name"] for h in known if not h["name"].startswith("link[")]
    links = [f"link[{h['name']}]" for h in known if f"link_{h['name'].replace('.', '_')}" in LINKS]
    found: dict[tuple[str, bool], set[bool]] = {}
    for case in cases:
        for ask in (a for a in case.asks if a.op == "write"):
            for step in json.loads(case.raw(ask.with_["script"]))["steps"]:
                if step["do"] == "create_tensor":
                    place = step.get("htype", "generic"), step.get("sequence", False)
                    found.setdefault(place, set()).add(ask.error is None)
    always = ("polygon", "list", "tag")
    assert [n for n in names if n not in always and found.get((n, False)) != {True, False}] == []
    assert [n for n in names if found.get((n, True)) != {True, False}] == []
    assert len(links) == 11 and [n for n in links if found.get((n, False)) != {True, False}] == []
