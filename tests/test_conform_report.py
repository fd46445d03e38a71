"""Reports lead to planted bugs: grouped by symptom, the simplest valid case first, with bytes and exchange."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "conformance"))

from lakebed_conform import SuiteError, report  # noqa: E402
from lakebed_conform.cases import load_cases, select  # noqa: E402
from lakebed_conform.difference import difference  # noqa: E402
from lakebed_conform.groups import grouped, plain, symptom  # noqa: E402
from lakebed_conform.picks import picked  # noqa: E402
from lakebed_conform.ports import PortSpec, find_port  # noqa: E402
from lakebed_conform.report.text import summary_lines  # noqa: E402
from lakebed_conform.results import Result, read_results, write_results  # noqa: E402
from lakebed_conform.run import run  # noqa: E402
from lakebed_conform.spec import clauses, spec_folder  # noqa: E402

ENV = {"PYTHONPATH": str(ROOT / "conformance")}
CASES = load_cases("1.0")
BY_ID = {c.id: c for c in CASES}
AREAS = ("tile/*", "dtype/*", "chunk/*", "document/*")
#: the suite's own port with three bugs: tiles at an edge are left zero, NaNs of float32 lose their payload, and
#: attributes end the process; and one rule forgotten: the magic at a chunk's end
BROKEN = """
import numpy as np
from lakebed_conform import ownport
from lakebed_conform.checker import chunk, reader
from lakebed_conform.checker.codecs import ITEMSIZE

whole, plain_item = chunk._untile, ownport._cut

def untile(c, item, region):
    out = np.frombuffer(whole(c, item, region), np.uint8)
    out = out.reshape(*c.index.item_shape(item), ITEMSIZE[c.index.dtype]).copy()
    for axis, (n, t) in enumerate(zip(c.index.item_shape(item), c.index.tile)):
        if n % t and n > t:
            out[(slice(None),) * axis + (slice(n - n % t, None),)] = 0
    return out.tobytes()

def cut(item, dtype, region):
    array = plain_item(item, dtype, region).copy()
    if dtype == "float32":
        array[np.isnan(array)] = np.nan
    return array

def inspect(q):
    if ownport.opened(q).commit.members.get("attributes"):
        raise KeyError("attributes")
    return ownport.metadata(q)

chunk._untile, ownport._cut = untile, cut
ownport.metadata, ownport.inspect = ownport.inspect, inspect
ownport.main()
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    path = tmp_path_factory.mktemp("broken") / "port.py"
    path.write_text(BROKEN)
    spec = PortSpec("broken", (sys.executable, str(path)), env=ENV)
    return run(spec, "1.0", select(CASES, only=AREAS), every=CASES)


def test_three_planted_bugs_are_three_groups(broken):
    groups = grouped(broken.results, BY_ID)
    symptoms = {g.symptom: g for g in groups}
    assert set(symptoms) == {
        "a valid dataset: values differ: zeros in their place",
        "a valid dataset: values differ: NaNs with another payload",
        "crashes: KeyError: 'attributes'",
    }
    edges = symptoms["a valid dataset: values differ: zeros in their place"]
    assert len(edges.results) > 5 and "[tile.edge]" in edges.shared
    assert all(id.startswith("tile/") for id in edges.results)
    nan = symptoms["a valid dataset: values differ: NaNs with another payload"]
    assert nan.first[0].case == "dtype/float32_scalars" and "dtype float32" in nan.shared
    crash = symptoms["crashes: KeyError: 'attributes'"]
    assert crash.first[0].cause == "KeyError: 'attributes'" and "Traceback" in crash.first[0].stderr


def test_the_simplest_case_of_a_group_comes_first(broken):
    for group in grouped(broken.results, BY_ID):
        features = [len(rs[0].features) for rs in group.results.values()]
        kinds = [rs[0].kind for rs in group.results.values()]
        assert kinds == sorted(kinds, key=lambda k: k != "valid")
        assert features == sorted(features)


def test_the_terminal_tells_each_symptom_once(broken):
    lines = [line for line, _ in summary_lines(broken, BY_ID, "mine/")]
    text = "\n".join(lines)
    assert len([x for x in lines if re.match(r"\d+\. ", x)]) == 3 and len(lines) < 40
    assert "sample 9 is nan for nan (bytes 0000c07f for 4523c17f)" in text
    assert "stderr: KeyError: 'attributes'" in text and "Traceback" not in text
    assert "look: lakebed-conform case dtype/float32_scalars --port mine/" in text
    assert re.search(r"and \d+ more: tile/", text)


def test_the_page_shows_bytes_and_exchange_of_a_valid_case(broken, tmp_path):
    write_results(broken, tmp_path / "r.jsonl")
    outcome = read_results(tmp_path / "r.jsonl")
    page = report.html_page(outcome, BY_ID, clauses(spec_folder("1.0")))
    assert page == report.html_page(broken, BY_ID, clauses(spec_folder("1.0")))
    failures = page[page.index('id="failures"') : page.index('id="areas"')]
    assert failures.count("<article") == 3
    assert "marked: what came, struck out: what was due" in failures and "<s>" in failures
    assert "<mark>45</mark> <mark>23</mark> <mark>c1</mark>" in failures
    assert "cases/1.0/dtype/float32_scalars/dataset" in failures and "&quot;op&quot;: &quot;read&quot;" in failures
    assert "KeyError: &#x27;attributes&#x27;" in failures and "Traceback (most recent call last)" in failures
    assert "ceil(s[a] / t[a])" in failures and "<em>t[a]" not in failures
    talks = re.findall(r'<pre class="talk">(.*?)</pre>', failures, re.S)
    assert len(talks) == 3 and str(ROOT) not in "".join(talks)


def test_the_page_says_what_a_port_declares_and_why_hello_failed(broken):
    said = broken.header["hello"] | {"declares": {"codecs": "none <yet>"}}
    page = report.html_page(replace(broken, header=broken.header | {"hello": said}), BY_ID)
    assert "<dt>codecs</dt><dd>none &lt;yet&gt;</dd>" in page
    dead = {"hello": None, "hello_status": "crash", "hello_detail": "exit status 1", "hello_cause": "E: no <lib>"}
    page = report.html_page(replace(broken, header=broken.header | dead), BY_ID)
    assert "hello: exit status 1 · E: no &lt;lib&gt;" in page


def test_one_fault_in_many_invalid_cases_is_one_group_per_code():
    accept = PortSpec("accept", find_port("null:accept").command, env=ENV)
    outcome = run(accept, "1.0", select(CASES, only=("chunk/end_magic*", "chunk/raw_units")), every=CASES)
    groups = grouped(outcome.results, BY_ID)
    assert groups[0].first[0].case == "chunk/raw_units"  # valid comes before invalid
    by = {g.symptom: g for g in groups}
    found = by["an invalid dataset must be refused with E_CHUNK_MAGIC, and it is let through"]
    assert [r.role for r in found.first] == ["reader", "checker"]


def result(**members) -> Result:
    usual = {"status": "fail", "level": "must", "kind": "valid", "clauses": ("a.b",)}
    return Result("a/b", "reader", **(usual | members))


def test_symptoms_leave_out_what_differs_from_case_to_case():
    a = result(status="crash", cause="panicked at a.rs:4:12: the len is 3 but the index is 5")
    b = replace(a, case="a/c", cause="panicked at a.rs:4:12: the len is 7 but the index is 9")
    assert symptom(a) == symptom(b) == "crashes: panicked at a.rs:#:#: the len is # but the index is #"
    refused = result(detail="refused: E_UNIT_CRC · unit.crc · chunks/ab.chunk", wanted="accepted", got="E_UNIT_CRC")
    assert symptom(refused) == "a valid dataset is refused: E_UNIT_CRC [unit.crc]"
    assert symptom(replace(refused, status="xfail")).startswith("as listed: ")
    assert symptom(result(kind="invalid", wanted="E_A", got="E_B")).endswith("E_A, and it gets E_B")
    unmapped = [symptom(result(kind="invalid", wanted=code, got="E_ANY")) for code in ("E_A", "E_B")]
    assert unmapped[0] == unmapped[1] and "without a diagnosis" in unmapped[0]
    assert plain("open '/a/b' at 0x1f: [1, 2] of (3,) in /tmp/x/y.chunk") == "open … at #: … of … in …"


@pytest.mark.parametrize(
    ("dtype", "want", "got", "manner"),
    [
        ("uint16", [1, 2, 3, 4], [1, 2, 0, 0], "zeros in their place"),
        ("uint16", [1, 2, 3, 4], [1, 3, 2, 4], "right values in wrong places"),
        ("uint16", [1, 2, 3, 4], [256, 512, 768, 1024], "their bytes are swapped"),
        ("uint16", [1, 2, 3, 4], [1, 2, 3, 5], "other values"),
        ("uint16", [1, 2, 3, 4], [1, 2, 3], "too few bytes"),
        ("uint16", [1, 2, 3, 4], [], "no bytes"),
        ("uint16", [1, 2], [1, 2, 3], "too many bytes"),
        ("float32", [1.0, -0.0], [1.0, 0.0], "the sign of zero is lost"),
        ("float32", [1.0, 1e-45], [1.0, 0.0], "subnormals become zero"),
        ("float64", [1.0, np.nan], [1.0, 0.0], "other values for NaN"),
        ("complex64", [1, complex(0, -0.0)], [1, 0], "the sign of zero is lost"),
    ],
)
def test_the_manner_of_a_difference(dtype, want, got, manner):
    a, b = (np.array(v, dtype).tobytes() for v in (got, want))
    apart = difference(a, b, dtype, [("sample 0", [len(want)])])
    assert apart is not None and apart.manner == manner


def test_a_difference_names_the_element_of_its_item():
    want = np.arange(12, dtype=np.uint16)
    got = want.copy()
    got[11] = 99
    items = [("sample 0", [2, 3]), ("item 1 of sample 2", [2, 3])]
    apart = difference(got.tobytes(), want.tobytes(), "uint16", items)
    assert apart is not None
    assert apart.words.startswith("item 1 of sample 2 at [1, 2] of [2, 3] is 99 for 11 (bytes 6300 for 0b00); 1 of 12")
    assert apart.cells[-1] == ("11", "99", True) and not any(wrong for *_, wrong in apart.cells[:-1])
    assert difference(want.tobytes(), want.tobytes(), "uint16", items) is None


@pytest.mark.parametrize(
    ("picks", "said"),
    [
        ({"only": ("tile/edge",)}, "did you mean tile/edges_raw"),
        ({"only": ("chunk/*", "tyle/*")}, "did you mean tile/*"),
        ({"clause": "chunk.trailer.magik"}, "did you mean chunk.trailer.magic"),
        ({"feature": "codec.lzz4"}, "did you mean codec.lz4"),
        ({"only": ("tile/edges_raw",), "role": "writer"}, "no case is all of: --only tile/edges_raw --role writer"),
    ],
)
def test_a_pick_that_matches_nothing_is_said(picks, said):
    with pytest.raises(SuiteError, match=re.escape(said)):
        picked(CASES, **picks)
    assert picked(CASES, only=("tile/*",), role="reader") == select(CASES, only=("tile/*",), role="reader")
