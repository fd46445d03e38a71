"""The suite's tools on the reference: faults, fuzz, I/O budget, mutants, new ports in every language at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lakebed_conform import SuiteError
from lakebed_conform.fuzz import Find, Model, fuzz, save_draft, scripts, trial
from lakebed_conform.iobudget import io_budget
from lakebed_conform.mutate import as_results, load_mutants, mutate, source_of, stale, table
from lakebed_conform.ports import Port, PortSpec, find_port

ROOT = Path(__file__).parents[1]
ENV = {"PYTHONPATH": f"{ROOT / 'reference'}:{ROOT / 'conformance'}"}
LAKEBED = replace(find_port("lakebed"), env=ENV)


def test_every_mutant_fits_its_source_and_there_are_enough():
    mutants = load_mutants()
    assert stale(mutants, source_of(None)) == []
    assert len(mutants) >= 120 and len({m.cls for m in mutants}) >= 11


def test_published_results_cover_every_mutant_and_explain_every_survivor():
    results = json.loads((ROOT / "conformance/mutants/RESULTS.json").read_text())
    fates = {f["id"]: f for f in results["mutants"]}
    assert set(fates) == {m.id for m in load_mutants()}
    assert [f["id"] for f in fates.values() if not f["by"] and not f["reason"]] == []
    assert any("all" in line for line in table(results))


def test_a_mutant_is_killed_by_the_cases_of_its_clause():
    mutants = {m.id: m for m in load_mutants()}
    chosen = [mutants["trailer/major_unread"]]
    fates = mutate(source_of(None), "1.0", chosen, jobs=1)
    assert fates[0].by and fates[0].ran <= 40  # its clause's cases come first
    assert as_results(fates, {})["classes"]["trailer"] == {
        "mutants": 1, "killed": 1, "exit": 0, "picture": 0, "allclose": 0,
    }  # fmt: skip


def test_the_reference_touches_only_what_it_needs():
    found = list(io_budget(LAKEBED))
    assert [(t.name, t.detail) for t in found if t.ok is False] == []
    assert sum(t.ok is True for t in found) >= 8


def test_fuzz_finds_nothing_in_the_reference():
    assert fuzz(LAKEBED, LAKEBED, examples=15) is None


def test_a_wrong_model_is_found_and_saved(tmp_path):
    steps = [{"do": "create"}, {"do": "create_tensor", "name": "x", "htype": "generic", "dtype": "uint8", "shape": []}]
    steps += [{"do": "append", "values": {"x": {"raw": b"\x07", "dtype": "uint8", "shape": []}}}]
    steps += [{"do": "commit", "message": ""}]
    model = Model({"x": [(b"\x08", ())]}, {"x": {"dtype": "uint8"}})
    with Port(LAKEBED) as port:
        problem = trial(port, port, steps, model, tmp_path)
    assert problem is not None and "another sample 0" in problem
    save_draft(Find(steps, problem, model), tmp_path / "draft")
    assert json.loads((tmp_path / "draft/script.json").read_text())["steps"][2]["values"]["x"]["raw"].endswith(".raw")
    want = json.loads((tmp_path / "draft/draft.json").read_text())["want"]
    assert want == {"x": {"dtype": "uint8", "sequence": False, "samples": [{"shape": [], "hex": "08"}]}}
    with pytest.raises(SuiteError, match="already there"):
        save_draft(Find(steps, problem, model), tmp_path / "draft")


LAY = """
import runpy, sys
from pathlib import Path
from lakebed_conform.casebook import book
for path in sorted(Path(sys.argv[1]).glob("*.py")):
    runpy.run_path(str(path))
for entry in book._ENTRIES.values():
    for name, data in book.Book(entry).lay().items():
        place = Path(sys.argv[2]) / entry.format / entry.id / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
"""


def conform(*words: str, **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lakebed_conform", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | ENV | env, timeout=120)


def found_script(folder: Path) -> None:
    """A draft of a script with sequences, missing samples, a half float and edits, its model right."""
    from hypothesis import find

    def half(drawn) -> bool:
        steps, model = drawn
        full = any(isinstance(r, list) and r for rows in model.rows.values() for r in rows)
        return full and any(s["do"] == "update" for s in steps) and "float16" in str(model.tensors)

    steps, model = find(scripts({"dtype.float16", "codec.lz4"}, True), half)
    save_draft(Find(steps, 'the reader finds "other" bytes', model), folder)


def test_new_cases_run_as_written(tmp_path):
    """Empty, with a fault, from a fuzz draft, from a script, from a dataset: each is laid and passed."""
    made, laid, cases = tmp_path / "made", tmp_path / "laid", ROOT / "conformance/cases/1.0"
    made.mkdir()
    found_script(tmp_path / "draft")
    sources = {
        "demo/plain": (), "demo/bad": ("--invalid",), "demo/found": ("--from", tmp_path / "draft/draft.json"),
        "demo/script": ("--script", cases / "write/special_float32/script.json"),
        "demo/tree": ("--bytes", cases / "chunk/raw_units/dataset"),
        "demo/damaged": ("--bytes", cases / "chunk/end_magic/dataset"),
    }  # fmt: skip
    for id, how in sources.items():
        done = conform("new-case", id, "--clause", "chunk.trailer.magic", "--into", str(made), *map(str, how))
        assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, "-c", LAY, str(made), str(laid)], check=True, env=os.environ | ENV)
    done = conform("run", "--format", "1.0", "--port", "lakebed", LAKEBED_CONFORM_CASES=str(laid))
    assert done.returncode == 0 and "MUST 9/9/9" in done.stdout, done.stdout
    said = json.loads((laid / "1.0/demo/found/case.json").read_text())
    assert said["origin"] == "fuzz" and "dtype.float16" in said["features"] and "write.edit" in said["features"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tile/edges_raw", "--clause", "tile.edge"), "is there already"),
        (("demo/x", "--clause", "chunk.trailer.magik"), "did you mean chunk.trailer.magic"),
        (("Demo", "--clause", "tile.edge"), "is no case id"),
        (("demo/x", "--clause", "tile.edge", "--invalid", "--bytes", "."), "give one of"),
        (("demo/x", "--clause", "tile.edge", "--bytes", "spec"), "belong to golden"),
    ],
)
def test_new_case_refuses(tmp_path, words, said):
    done = conform("new-case", *words, "--into", str(tmp_path))
    assert done.returncode == 2 and said in done.stderr and not list(tmp_path.iterdir()), done.stderr


def test_scripts_use_only_what_a_port_has():
    from hypothesis import find

    steps, _ = find(scripts(set(), False), lambda drawn: len(drawn[0]) > 3)
    assert all(step["do"] in ("create", "create_tensor", "append", "extend", "commit") for step in steps)


TOOLS = {"rust": "rustc", "c": "cc", "go": "go"}


@pytest.mark.parametrize("language", TOOLS)
def test_adapters_of_compiled_languages_run_as_written(tmp_path, language):
    if shutil.which(TOOLS[language]) is None:
        pytest.skip(f"{TOOLS[language]} is not installed")
    command = [sys.executable, "-m", "lakebed_conform", "new-port", language, str(tmp_path / "mine")]
    subprocess.run(command, check=True, env=os.environ | ENV, capture_output=True)
    spec: PortSpec = find_port(str(tmp_path / "mine"))
    with Port(spec) as port:
        hello = port.hello(60)
        assert hello.reply and hello.reply["language"] == language and hello.reply["roles"] == ["reader"]
        request = {"op": "read", "root": 'a "quoted" \\ root', "tensor": "x", "list": ["1"], "out": "o"}
        refused = port.ask(request, 10).reply
        assert refused and refused["error"]["code"] == "E_ANY"
        assert port.ask({"op": "recover", "root": "/r", "out": "/o"}, 10).reply == {"id": 3, "skip": "recover"}
        owed = port.ask({"op": "inspect", "root": "/r", "out": "/o"}, 10).reply
        assert owed and owed["error"]["detail"] == "inspect is not written yet"
