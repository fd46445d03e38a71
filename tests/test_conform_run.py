"""The suite as a whole: its cases are sound, its verdicts strict, its reports whole, its exit codes as promised."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "conformance"))

from lakebed_conform import SuiteError, report  # noqa: E402
from lakebed_conform.baseline import apply_baseline, read_baseline  # noqa: E402
from lakebed_conform.cases import cases_folder, load_cases, select  # noqa: E402
from lakebed_conform.judge import differs  # noqa: E402
from lakebed_conform.lint import lint  # noqa: E402
from lakebed_conform.newport import LANGUAGES  # noqa: E402
from lakebed_conform.ports import Port, PortSpec, find_port  # noqa: E402
from lakebed_conform.results import read_results, write_results  # noqa: E402
from lakebed_conform.run import run, run_case  # noqa: E402
from lakebed_conform.tolerance import bounded, decoder_class, exact  # noqa: E402

ENV = {"PYTHONPATH": str(ROOT / "conformance")}
CASES = load_cases("1.0")


def spec_of(*words: str) -> PortSpec:
    return PortSpec("port", (sys.executable, "-m", *words), env=ENV)


def outcome_of(*words: str, only: tuple[str, ...] = ()):
    return run(spec_of(*words), "1.0", select(CASES, only=only), every=CASES, jobs=2)


@pytest.fixture(scope="module")
def own():
    return outcome_of("lakebed_conform.ownport")


def cli(*words: str, **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lakebed_conform", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | ENV | env, timeout=120)


def test_lint_is_clean():
    assert [str(t) for t in lint("1.0")] == []


def test_the_suites_own_port_passes_every_case(own):
    assert [f"{r.case} {r.role}: {r.detail}" for r in own.results if r.red] == []
    assert own.exit_code == 0 and own.verdict == "conformant reader and checker"


@pytest.mark.parametrize("name", ["accept", "refuse", "guess", "zeros", "echo", "liar"])
def test_null_ports_stay_below_their_ceilings(name):
    ceilings = json.loads((ROOT / "conformance/lakebed_conform/nullports/ceilings.json").read_text())
    tasks = select(CASES)[:: 7 if name == "echo" else 1]  # echo breaks the protocol, and starts again each time
    outcome = run(spec_of("lakebed_conform.nullports", name), "1.0", tasks, every=CASES, jobs=2)
    results = [r for r in outcome.results if r.level == "must"]
    passed = [r.case for r in results if r.status == "pass"]
    assert len(passed) <= ceilings[name] * len(results), passed


def test_hang_is_a_timeout_and_not_a_refusal(tmp_path):
    hang = find_port("null:hang")
    with Port(PortSpec(hang.name, hang.command, env=ENV)) as port:
        hello = port.hello().reply
        case = replace(next(c for c in CASES if c.id == "chunk/end_magic"), seconds=0.3)
        result = run_case(port, hello, "1.0", case, "checker", tmp_path)
    assert result.status == "timeout" and result.safe is False


def test_a_filtered_run_is_never_called_conformant():
    outcome = outcome_of("lakebed_conform.ownport", only=("chunk/raw_units",))
    assert outcome.exit_code == 0 and "only some cases" in outcome.verdict


def test_e_any_is_safe_and_not_conformant():
    outcome = outcome_of("lakebed_conform.nullports", "refuse", only=("chunk/end_magic",))
    assert [(r.status, r.safe) for r in outcome.results] == [("fail", True), ("fail", True)]


def test_another_code_is_not_the_right_one():
    outcome = outcome_of("lakebed_conform.nullports", "guess", only=("chunk/end_magic",))
    assert all(r.status == "fail" and r.got == "E_TENSOR_FIELD" for r in outcome.results)


def baseline_file(path: Path, *entries: dict) -> Path:
    path.write_text(json.dumps({"baseline": 1, "port": "x", "known": list(entries)}))
    return path


def test_the_baseline_is_strict_both_ways(tmp_path, own):
    entry = {"case": "chunk/end_magic", "role": "reader", "status": "fail", "why": "issue 7"}
    known = read_baseline(baseline_file(tmp_path / "b.json", entry))
    passing = next(r for r in own.results if (r.case, r.role) == ("chunk/end_magic", "reader"))
    assert apply_baseline(passing, known).status == "xpass"
    tasks = select(CASES, only=("chunk/end_magic",), role="reader")
    refuse = spec_of("lakebed_conform.nullports", "refuse")
    outcome = run(refuse, "1.0", tasks, every=CASES, known=known)
    assert [r.status for r in outcome.results] == ["xfail"] and outcome.exit_code == 0
    assert outcome.verdict == "not conformant"
    other = read_baseline(baseline_file(tmp_path / "c.json", entry | {"status": "crash"}))
    assert run(refuse, "1.0", tasks, every=CASES, known=other).exit_code == 1
    gone = read_baseline(baseline_file(tmp_path / "d.json", entry | {"case": "chunk/no_such"}))
    outcome = run(refuse, "1.0", tasks, every=CASES, known=gone)
    assert outcome.stale == ["chunk/no_such as reader: no such case"] and outcome.exit_code == 1


@pytest.mark.parametrize(
    "text", ["{", '{"baseline":2,"port":"x","known":[]}', '{"baseline":1,"port":"x","known":[{"case":"a"}]}']
)
def test_a_damaged_baseline_is_the_suites_trouble(tmp_path, text):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(SuiteError):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize("damage", ["json", "schema", "place", "file"])
def test_a_damaged_case_stops_with_exit_2(tmp_path, damage):
    shutil.copytree(cases_folder() / "1.0" / "chunk", tmp_path / "1.0" / "chunk")
    path = tmp_path / "1.0/chunk/raw_units/case.json"
    said = json.loads(path.read_text())
    if damage == "json":
        path.write_text(path.read_text()[:-20])
    elif damage == "schema":
        path.write_text(json.dumps(said | {"lvl": "must"}))
    elif damage == "place":
        path.write_text(json.dumps(said | {"id": "chunk/other"}))
    else:
        (path.parent / "want.x.raw").unlink()
    done = cli("run", "--format", "1.0", "--port", "null:accept", LAKEBED_CONFORM_CASES=str(tmp_path))
    assert done.returncode == 2 and "damaged case" in done.stderr and "Traceback" not in done.stderr


def test_exit_codes_and_files(tmp_path):
    files = {k: str(tmp_path / f"r.{k}") for k in ("results", "html", "junit", "badge")}
    options = [w for k, v in files.items() for w in (f"--{k}", v)]
    done = cli("run", "--format", "1.0", "--port", "own", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MUST" in done.stdout and "passed/executed/applicable" in done.stdout
    assert json.loads(Path(files["badge"]).read_text())["message"] == "1.0 conformant reader and checker"
    assert cli("run", "--format", "1.0", "--port", "null:liar", "--only", "chunk/*").returncode == 1
    assert cli("run", "--format", "1.0", "--port", "own", "--role", "migrator").returncode == 3
    assert cli("run", "--format", "1.0", "--port", "no/such/port", "--only", "chunk/minor_7").returncode == 2
    done = cli("run", "--format", "1.0", "--port", "own", "--html", str(tmp_path / "no/such/page.html"))
    assert done.returncode == 2 and "its folder is absent" in done.stderr
    assert cli("report", files["results"], "--html", str(tmp_path / "again.html")).returncode == 0
    assert (tmp_path / "again.html").read_text() == Path(files["html"]).read_text()


class Balance(HTMLParser):
    """Every tag that opens closes, in order."""

    VOID = frozenset({"meta", "br", "circle", "line", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids |= {named["id"]} if "id" in named else set()
        self.links |= {named["href"]} if "href" in named else set()
        assert not any(k in named for k in ("src", "onload")), "the page is self-contained"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_shows_the_fault_and_its_clause():
    outcome = outcome_of("lakebed_conform.nullports", "accept")
    page = report.html_page(outcome, {c.id: c for c in CASES})
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert {link[1:] for link in parser.links if link.startswith("#")} <= parser.ids
    assert "<mark>8a</mark> <mark>4c</mark>" in page and "chunk.trailer.magic" in page
    assert "not conformant" in page


def test_junit_counts_what_is_red():
    outcome = outcome_of("lakebed_conform.nullports", "accept", only=("chunk/*",))
    suite = ET.fromstring(report.junit(outcome).encode())
    red = sum(r.red for r in outcome.results)
    assert int(suite.get("failures")) + int(suite.get("errors")) == red > 0
    assert len(suite.findall("testcase")) == len(outcome.results)
    body = next(f.text for f in suite.iter("failure") if "E_CHUNK_MAGIC" in (f.text or ""))
    assert body.startswith("wanted E_CHUNK_MAGIC, got ") and '\n> {"id"' in body and "chunk.trailer.magic" in body


def test_results_come_back_as_they_were(tmp_path, own):
    write_results(own, tmp_path / "r.jsonl")
    again = read_results(tmp_path / "r.jsonl")
    assert [(r.case, r.role, r.status, r.detail) for r in again.results] == [
        (r.case, r.role, r.status, r.detail) for r in own.results
    ]
    (tmp_path / "bad.jsonl").write_text("{}\n{}\n")
    with pytest.raises(SuiteError):
        read_results(tmp_path / "bad.jsonl")


MYLIB = """
from pathlib import Path
from lakebed_conform.checker import Broken as Error, folder_tree
from lakebed_conform.casebook.book import metadata_of
from lakebed_conform.ownport import opened
import numpy as np

class Tensor:
    def __init__(self, state, name):
        self.state, self.name, t = state, name, state.commit.tensors[name]
        self.dtype, self.sequence = t.dtype, t.sequence
    def __len__(self):
        return self.state.commit.length
    def array(self, item):
        return np.frombuffer(item.data, np.dtype(self.dtype)).reshape(item.shape)
    def file(self, sample, item):
        v = self.row(sample)
        v = v[item] if isinstance(v, list) else v
        if v is None or v.file is None:
            raise Error("E_FILE_ABSENT", "media.verbatim", f"row {sample} has no file")
        return v.file
    def row(self, i):
        if not 0 <= i < len(self):
            raise Error("E_SAMPLE_RANGE", "model.sample", f"row {i} of {len(self)}")
        return self.state.read(self.name, [i]).values[0]
    def __getitem__(self, i):
        v = self.row(i)
        return None if v is None else [self.array(x) for x in v] if self.sequence else self.array(v)

class Data(dict):
    def __missing__(self, name):
        raise Error("E_TENSOR_ABSENT", "model.tensor", name)
    def metadata(self):
        return metadata_of(self.state.commit.members)

def open(root, branch, number, tag):
    q = {"root": root, "branch": branch, "number": number, "tag": tag}
    state = opened({k: v for k, v in q.items() if v is not None})
    data = Data({name: Tensor(state, name) for name in state.commit.tensors})
    data.state = state
    return data
"""


def readme_adapter() -> str:
    text = (ROOT / "conformance/README.md").read_text()
    return re.search(r"<!-- adapter -->\n```python\n(.*?)```", text, re.S)[1]


def test_the_adapter_of_the_readme_runs_as_written(tmp_path):
    adapter = readme_adapter()
    assert len(adapter.splitlines()) < 30
    (tmp_path / "adapter.py").write_text(adapter)
    (tmp_path / "mylib.py").write_text(MYLIB)
    port = PortSpec("readme", (sys.executable, str(tmp_path / "adapter.py")), env=ENV)
    outcome = run(port, "1.0", select(CASES, role="reader"), every=CASES)
    assert [(r.case, r.detail) for r in outcome.results if r.red] == []
    asked = {a.op for c in CASES for a in c.asks if a.role == "reader"}
    assert asked == {"read", "read_file", "inspect"} and outcome.verdict.startswith("all passed")
    assert sum(r.status == "pass" for r in outcome.results) > 500


def test_the_readme_names_every_language_and_feature_that_a_port_may_leave_out():
    text = (ROOT / "conformance/README.md").read_text()
    line = next(x for x in text.split("\n\n") if "new-port LANGUAGE" in x)
    assert [x for x in LANGUAGES if f"`{x}`" not in line] == []
    features = json.loads((ROOT / "conformance/lakebed_conform/features.json").read_text())
    optional = ("reader.sha256", "read.region", "read.at_time", "write.filters")
    assert all(f in features and f"`{f}`" in text for f in optional) and "`declares`" in text


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_new_port_and_doctor(tmp_path, language):
    if language == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    done = cli("new-port", language, str(tmp_path / "mine"))
    assert done.returncode == 0, done.stderr
    assert cli("new-port", language, str(tmp_path / "mine")).returncode == 2
    done = cli("doctor", "--port", str(tmp_path / "mine"))
    assert done.returncode == 1  # there is no mylib yet: every read is refused
    assert "hello: mylib 0, roles reader" in done.stdout and "what it cannot do it skips" in done.stdout
    assert "wrong reader: a good dataset" in done.stdout and "E_ANY" in done.stdout
    assert cli("doctor", "--port", "own").returncode == 0


def test_case_prints_the_exchange_and_the_bytes():
    done = cli("case", "chunk/end_magic", "--port", "null:accept")
    assert "[8a][4c][42]" in done.stdout and '"op": "read"' in done.stdout and "wanted E_CHUNK_MAGIC" in done.stdout
    assert cli("case", "chunk/nothing").returncode == 2


def test_export_lists_and_matrix(tmp_path):
    assert cli("export", "--format", "1.0", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out/cases/1.0/chunk/end_magic/case.json").is_file()
    said = (tmp_path / "out/README.md").read_text()
    asked = {f"`{op}`" for op in ("read", "read_file", "inspect", "check", "write")}
    assert all(name in said for name in asked) and (tmp_path / "out/features.json").is_file()
    assert "chunk/end_magic" in cli("list", "--format", "1.0", "--clause", "chunk.trailer.*").stdout
    assert cli("matrix", "--format", "1.0", "--port", "own", "--port", "own").returncode == 3


def test_values_are_compared_to_the_bit():
    zero, minus = np.float32(0).tobytes(), np.float32(-0.0).tobytes()
    quiet, payload = bytes.fromhex("0000c07f"), bytes.fromhex("0100c07f")
    assert exact(zero, zero, "float32") is None
    assert "element 0" in exact(minus, zero, "float32") and exact(payload, quiet, "float32") is not None
    assert exact(zero + zero, zero, "float32") == "8 bytes, not 4"


def test_bounds_are_judged_without_rounding():
    want = np.array([1.0, np.nan, np.inf, 0.0])
    step = np.nextafter(1.1, 2) - 1

    def off_by(error, bound):
        got = want + np.array([error, 0, 0, 0])
        return bounded(got.tobytes(), want.tobytes(), "float64", "max_abs_error", bound)

    assert off_by(0.1, 0.1)[0] is not None
    problem, slack = off_by(0.0625, 0.0625)
    assert problem is None and slack.ratio == 1.0
    assert off_by(step, 0.1)[0] is not None
    lost = np.array([1.0, 0.0, np.inf, 0.0])
    assert "not finite" in bounded(lost.tobytes(), want.tobytes(), "float64", "max_abs_error", 9.0)[0]
    moved = np.array([1.0, np.nan, np.inf, 1e-300])
    assert bounded(moved.tobytes(), want.tobytes(), "float64", "max_rel_error", 0.5)[0] is not None


def test_decoder_classes():
    rng = np.random.default_rng(1)
    want = rng.integers(40, 200, (32, 32, 3)).astype(np.uint8)
    near = want + (rng.integers(0, 100, want.shape) < 5).astype(np.uint8)
    assert decoder_class(want, want, "A") is None and decoder_class(near, want, "A") is None
    far = near.copy()
    far[3, 3, 0] += 5
    assert decoder_class(far, want, "A").startswith("max 5") and decoder_class(far, want, "B") is None
    assert decoder_class(want[::-1], want, "B") is not None
    sound = np.sin(np.arange(4800) / 10)
    assert decoder_class(sound + 2e-5, sound, "S") is None and decoder_class(sound * 0.999, sound, "S") is not None


def test_metadata_are_compared_by_type():
    assert differs({"a": 1}, {"a": 1.0}) and differs({"a": True}, {"a": 1}) and differs({}, {"a": None})
    assert differs({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert "/a/1/b" in differs({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})


def test_ports_by_name():
    assert find_port("own").name == "own" and find_port("null:hang").command[-1] == "hang"
