"""The commands: what they print, their exit codes, JSON for machines, errors without tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import lakebed
from lakebed.cli import main
from lakebed.cli.shell import plain, size
from lakebed.demo import run as demo
from servers import RangeServer, folder


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    """Some runners set a width for their own sake."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset with two commits and a tag, and a copy with a bit turned over."""
    return demo(tmp_path_factory.mktemp("cli") / "demo", lambda step: None)


@pytest.fixture
def call(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def asked(call):
    """The JSON that a command gives; it must be all of stdout, and stderr empty."""

    def run(*words: object, code: int = 0):
        got, out, err = call(*words, "--json")
        assert (got, err) == (code, ""), (got, err)
        return json.loads(out)

    return run


# --- looking ---------------------------------------------------------------------------------------------------------


def test_info(made, call, asked):
    found = asked("info", made["dataset"])
    assert (found["length"], found["number"], found["format"], found["branches"]) == (7, 2, "1.0", ["main"])
    assert found["tags"]["v1"]["number"] == 1
    assert list(found["tensors"]) == ["images", "labels", "boxes", "masks", "names"]
    assert found["tensors"]["labels"]["attributes"]["class_names"] == ["animal", "flower", "thing"]
    assert asked("info", made["dataset"], "--tag", "v1")["length"] == 6
    code, out, _ = call("info", made["dataset"])
    assert code == 0 and "png, jpeg, webp, tiff" in out and "7 rows" in out and "\x1b" not in out


def test_log(made, call, asked):
    found = asked("log", made["dataset"])
    assert [(c["number"], c["message"], c["tags"]) for c in found] == [
        (2, "a label mended, a rose added", []),
        (1, "six pictures", ["v1"]),
    ]
    assert len(asked("log", made["dataset"], "-n", 1)) == 1
    assert "six pictures" in call("log", made["dataset"])[1]


@pytest.mark.parametrize("words", [(), ("v1",), (1,), (1, 2)])
def test_diff(made, call, asked, words):
    found = asked("diff", made["dataset"], *words)
    assert found["tensors"]["labels"]["updated"] == [[4, 5]] and found["tensors"]["images"]["added"] == [[6, 7]]
    assert "1 row: 4" in call("diff", made["dataset"], *words)[1]


def test_diff_of_a_first_commit_and_of_nothing(made, call):
    code, _, err = call("diff", made["dataset"], "1", "1")
    assert code == 0
    lakebed.create("memory://cli-first").commit()
    code, _, err = call("diff", "memory://cli-first")
    assert code == 2 and "E_COMMIT_ABSENT" in err


def test_cat_tells_of_pictures_boxes_labels_text_and_nothing(made, call, asked):
    found = asked("cat", made["dataset"], "images", 0)
    assert (found["shape"], found["dtype"]) == ([240, 320, 3], "uint8")
    assert found["stored"] == {"format": "jpeg", "bytes": 21474}
    assert asked("cat", made["dataset"], "boxes", 0)["values"] == [[38, 40, 134, 184]]
    assert asked("cat", made["dataset"], "names", -1)["value"] == "rose.jpg"
    assert asked("cat", made["dataset"], "masks", 0)["missing"] is True
    assert "thing" in call("cat", made["dataset"], "labels", 4)[1]
    assert "flower" in call("cat", made["dataset"], "labels", 4, "--number", 1)[1]
    for tensor in ("images", "boxes", "names", "masks"):
        assert call("cat", made["dataset"], tensor, 1)[0] == 0


def test_cat_writes_the_file_s_own_bytes(made, call, tmp_path):
    assert call("cat", made["dataset"], "images", 0, "--out", tmp_path / "cat.jpg")[0] == 0
    assert (tmp_path / "cat.jpg").read_bytes() == lakebed.open(made["dataset"])["images"].file(0)
    assert call("cat", made["dataset"], "boxes", 0, "--out", tmp_path / "boxes.npy")[0] == 0
    assert np.load(tmp_path / "boxes.npy", allow_pickle=False).tolist() == [[38, 40, 134, 184]]
    code, _, err = call("cat", made["dataset"], "masks", 0, "--out", tmp_path / "none")
    assert code == 2 and "missing" in err and not (tmp_path / "none").exists()


def test_values_that_json_has_no_word_for(call, asked):
    ds = lakebed.create("memory://cli-nan")
    ds.create_tensor("x", dtype="float32", shape=(None,))
    ds.create_tensor("z", dtype="complex64", shape=(None,))
    ds.append({"x": np.array([np.nan, 1], np.float32), "z": np.array([1j], np.complex64)})
    ds.append({"x": np.zeros(0, np.float32)})
    ds.commit()
    found = asked("cat", "memory://cli-nan", "x", 0)
    assert found["min"] == "nan" and "values" not in found
    assert asked("cat", "memory://cli-nan", "x", 1)["values"] == []
    for row, tensor in ((0, "x"), (0, "z"), (1, "x"), (1, "z")):
        assert call("cat", "memory://cli-nan", tensor, row)[0] == 0


def test_codecs(call, asked):
    found = {row["name"]: row for row in asked("codecs")}
    assert found["lz4"]["installed"] and found["jpeg"]["exact"] == "never" and "quantize" in found
    assert found["jpeg"]["tolerance"] == "A" and "uint8" in found["jpeg"]["takes"]
    assert found["webp"]["conditions"] == "lossless is true" and found["mp4"]["takes"] == "its files only"
    assert "runs an interpreter" in found["eps"]["refused"] and {"fli", "wmf"} <= found.keys()
    shown = call("codecs")[1]
    assert "shuffle" in shown and "eps" in shown and "its files only" in shown


def test_one_codec(call, asked):
    assert asked("codecs", "JPG")["name"] == "jpeg" and asked("codecs", "wmf")["kind"] == "refused"
    for row in asked("codecs"):
        code, said, _ = call("codecs", row["name"])
        assert code == 0 and row.get("refused", row.get("about")) in said
        assert row["kind"] == "refused" or f"{row['tolerance']}: " in said
    code, _, said = call("codecs", "nonsense")
    assert code == 2 and "E_ARGUMENT" in said


# --- judging ---------------------------------------------------------------------------------------------------------


def test_check(made, call, asked):
    assert asked("check", made["dataset"])["ok"] is True
    found = asked("check", made["damaged"], code=1)
    codes = {finding["code"]: finding for finding in found["findings"]}
    assert codes.keys() == {"E_UNIT_CRC", "E_CHUNK_HASH"} and codes["E_UNIT_CRC"]["clause"] == "unit.crc"
    code, out, _ = call("check", made["damaged"])
    assert code == 1 and "E_UNIT_CRC" in out and "faults  2" in out
    assert call("check", made["dataset"], "--newest", "--shallow")[0] == 0


def test_inspect(made, call, asked):
    keys = [row["key"] for row in asked("inspect", made["damaged"])]
    assert "tags/v1.json" in keys
    spans = asked("inspect", made["dataset"], "tags/v1.json")
    sizes = {row["key"]: row["bytes"] for row in asked("inspect", made["dataset"])}
    assert spans[0]["size"] == sizes["tags/v1.json"]
    largest = max(asked("inspect", made["damaged"]), key=lambda row: row["bytes"])["key"]
    short = largest.rpartition("/")[2][:10]
    assert any(span["error"] == "E_UNIT_CRC" for span in asked("inspect", made["damaged"], short, code=1))
    code, out, _ = call("inspect", made["damaged"], short)
    assert code == 1 and "!! E_UNIT_CRC" in out and "[chunk.trailer.magic]" in out
    assert call("inspect", made["dataset"])[0] == 0
    for wrong in ("nothing-like-it", "chunks/"):
        code, _, err = call("inspect", made["dataset"], wrong)
        assert code == 2 and "E_ARGUMENT" in err


def test_gc_and_expire(call, asked, tmp_path):
    place = tmp_path / "ds"
    with lakebed.create(place) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
        ds.extend({"x": np.arange(100)})
    with lakebed.open(place, mode="a") as ds:
        ds["x"][:] = np.arange(100) * 2
    chunks = len(list(place.rglob("*.chunk")))
    assert asked("expire", place, "--keep-last", 1, "--dry-run")["commits"] == [["main", 1]]
    assert asked("expire", place, "--keep-last", 1)["commits"] == [["main", 1]]
    assert "deleted" in call("expire", place, "--keep-last", 1)[1]
    code, _, err = call("gc", place, "--grace", 0)
    assert code == 2 and "alone" in err
    assert "dry run" in call("gc", place, "--grace", 0, "--alone", "--dry-run")[1]
    assert len(asked("gc", place, "--grace", 0, "--alone")["deleted"]) == 1
    assert len(list(place.rglob("*.chunk"))) == chunks - 1
    assert lakebed.open(place)["x"][:].tolist() == (np.arange(100) * 2).tolist()


def test_recover(made, call, asked, tmp_path):
    found = asked("recover", made["damaged"], tmp_path / "one", code=1)
    assert [(lost["tensor"], lost["start"], lost["stop"]) for lost in found["lost"]] == [("images", 4, 5)]
    assert found["taken"] == {"main": 2} and not found["ok"]
    saved, whole = lakebed.open(tmp_path / "one"), lakebed.open(made["dataset"])
    assert saved["images"][4] is None and saved["labels"][:].tolist() == whole["labels"][:].tolist()
    assert saved["images"].file(6) == whole["images"].file(6)
    code, out, _ = call("recover", made["damaged"], tmp_path / "two")
    assert code == 1 and "main: images" in out and "E_UNIT_CRC" in out
    assert call("recover", made["damaged"], tmp_path / "two")[0] == 2
    assert asked("recover", made["dataset"], tmp_path / "three")["ok"] is True
    code, out, _ = call("recover", made["dataset"], tmp_path / "four", "--chunks-only")
    assert "from chunks alone" in out and code in (0, 1)


def test_compact_and_copy(call, asked, tmp_path):
    place = tmp_path / "ds"
    with lakebed.create(place) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
    for start in range(0, 50, 10):
        with lakebed.open(place, mode="a") as ds:
            ds.extend({"x": np.arange(start, start + 10)})
    assert asked("compact", place)["tensors"]["x"]["chunks"] == [5, 1]
    code, out, _ = call("compact", place)
    assert code == 0 and "nothing to do" in out
    assert asked("copy", place, tmp_path / "copy")["commits"] == 7
    assert lakebed.open(tmp_path / "copy")["x"][:].tolist() == list(range(50))
    assert len(lakebed.open(tmp_path / "copy", number=3)) == 20
    code, _, err = call("copy", place, tmp_path / "copy")
    assert code == 2 and "E_DATASET_EXISTS" in err
    assert "copied" in call("copy", place, tmp_path / "again")[1]


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    for name in ("cat/1.png", "dog/2.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 6), (1, 2, 3)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "cat" / "bad\x1b[31m.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "in"


def test_import_lists_what_is_refused_and_export_gives_back_the_rest(pictures, tmp_path, call, asked):
    code, out, err = call("import", pictures, tmp_path / "ds")
    assert code == 1 and "E_SAMPLE_FILE" in out and "2 files (" in out and "\x1b" not in out and err == ""
    found = asked("export", tmp_path / "ds", tmp_path / "out")
    assert (found["files"], found["verbatim"]) == (2, 2)
    assert (tmp_path / "out" / "cat" / "1.png").read_bytes() == (pictures / "cat" / "1.png").read_bytes()
    code, _, err = call("import", pictures, tmp_path / "ds")
    assert code == 2 and "E_DATASET_EXISTS" in err
    assert asked("import", pictures, tmp_path / "ds", "--append", code=1)["rows"] == 2
    assert len(lakebed.open(tmp_path / "ds")) == 4
    code, _, err = call("import", pictures, tmp_path / "other", "--stop")
    assert code == 2 and "E_SAMPLE_FILE" in err and not (tmp_path / "other" / "commits").exists()


def test_export_of_some_rows_and_tensors(made, call, asked, tmp_path):
    found = asked("export", made["dataset"], tmp_path / "a", "--rows", "1:3", "--paths", "names")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["horse.masks.png", "horse.png", "lizard.tif"]
    assert found["files"] == 3
    assert call("export", made["dataset"], tmp_path / "b", "--tensor", "boxes", "--rows", "0:1")[0] == 0
    assert list((tmp_path / "b").rglob("*.npy")) == [tmp_path / "b" / "animal" / "00000000.npy"]
    assert call("export", made["dataset"], tmp_path / "c", "--rows", "x")[0] == 2
    assert call("export", made["dataset"], tmp_path / "a")[0] == 2


def test_demo(call, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = asked("demo")
    assert found["steps"][0]["name"] == "write" and (tmp_path / "lakebed-demo").is_dir()
    code, out, _ = call("demo")
    assert code == 0 and "rose.jpg" in out and (tmp_path / "lakebed-demo-2" / "contact-sheet.png").is_file()


# --- errors ----------------------------------------------------------------------------------------------------------


def test_an_error_names_code_clause_place_and_what_to_do(made, call, asked):
    code, out, err = call("cat", made["damaged"], "images", 4)
    assert code == 2 and out == ""
    assert "E_UNIT_CRC" in err and "unit.crc" in err and " at byte " in err and "lakebed check" in err
    assert "Traceback" not in err and len(err.strip().splitlines()) == 4
    problem = asked("cat", made["damaged"], "images", 4, code=2)["error"]
    assert problem["code"] == "E_UNIT_CRC" and problem["object"].startswith("chunks/") and problem["offset"] > 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["info", "nowhere.lakebed"], "E_DATASET_ABSENT"),
        (["info", "memory://cli-absent", "--tag", "v9"], "E_TAG_ABSENT"),
        (["info", "x", "--number", "1", "--tag", "v1"], "E_ARGUMENT"),
        (["info", "x", "--time", "yesterday"], "E_ARGUMENT"),
        (["info", "a::b://c"], "E_ARGUMENT"),
        (["info", "x", "-o", "novalue"], "KEY=VALUE"),
        (["info", "s3://b/d", "-o", 'client_kwargs="x'], "E_"),
        (["import", "no-such-folder", "x"], "does not exist"),
        (["gc", "http://127.0.0.1:9/ds"], "E_READ_ONLY"),
        (["nonsense"], "No such command"),
        (["cat"], "Missing argument"),
        ([], "Usage"),
    ],
)
def test_wrong_usage_is_code_2_and_never_a_traceback(call, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*words)
    assert code == 2 and said in err and "Traceback" not in out + err


def test_help_fits_and_lists_every_command(call):
    code, out, _ = call("--help")
    assert code == 0 and "..." not in out.partition("Commands:")[2]
    for line in out.partition("Commands:")[2].split("\n"):
        if line.strip():
            assert call(line.split()[0], "--help")[0] == 0


def test_without_the_extra_one_clear_line(tmp_path):
    """A real interpreter in which click and rich cannot be found."""
    for name in ("click", "rich"):
        (tmp_path / "sitecustomize.py").write_text(
            "import sys, importlib.abc\n"
            "class Hide(importlib.abc.MetaPathFinder):\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name == {name!r}: raise ModuleNotFoundError(name)\n"
            "sys.meta_path.insert(0, Hide())\n"
        )
        done = python("-m", "lakebed", "info", "x", path=tmp_path)
        assert done.returncode == 2 and done.stdout == "" and len(done.stderr.strip().splitlines()) == 1
        assert "lakebed[cli]" in done.stderr and name in done.stderr


def test_a_pipe_that_closes_and_a_terminal_without_unicode(made):
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = python("-m", "lakebed", "cat", made["dataset"], "images", "0", env=ascii_only)
    assert done.returncode == 0 and "240 ? 320 ? 3" in done.stdout
    script = f"{sys.executable} -m lakebed inspect {made['dataset']} commits/main/0000000002.json | head -n 1"
    words = ["bash", "-o", "pipefail", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, env=_environment(None), timeout=60)
    assert "Traceback" not in done.stderr and len(done.stdout.splitlines()) == 1


def python(*words: str, path=None, env=None) -> subprocess.CompletedProcess[str]:
    surroundings = {**_environment(path), **(env or {})}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=surroundings, timeout=60)


def _environment(path) -> dict[str, str]:
    here = os.path.dirname(os.path.dirname(lakebed.__file__))
    parts = [here] if path is None else [str(path), here]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(parts)}


def test_text_from_data_cannot_move_the_cursor():
    assert plain("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\n"
    ds = lakebed.create("memory://cli-escape")
    ds.create_tensor("t", htype="text")
    ds.append({"t": "[red]not a style[/red]\x1b]0;title\x07"})
    ds.commit("\x1b[31mred")


def test_control_characters_never_reach_the_terminal(call):
    for words in (("cat", "memory://cli-escape", "t", 0), ("log", "memory://cli-escape"), ("info", "memory://cli-escape")):
        code, out, _ = call(*words)
        assert code == 0 and "\x1b" not in out and "\x07" not in out
    assert "[red]not a style[/red]" in call("cat", "memory://cli-escape", "t", 0)[1]


def test_places_on_servers(made, asked, call):
    """The same dataset over plain HTTP: it reads, cannot list, and takes no changes."""
    pytest.importorskip("urllib3")
    with RangeServer(folder(made["dataset"])) as server:
        found = asked("info", server.url)
        assert (found["length"], found["branches"], found["tags"]) == (7, None, None)
        assert [row["number"] for row in asked("log", server.url)] == [2, 1]
        assert asked("cat", server.url, "images", 6)["shape"] == [149, 227, 3]
        code, _, err = call("expire", server.url, "--keep-last", 1)
        assert code == 2 and "E_READ_ONLY" in err


def test_sizes():
    assert [size(n) for n in (0, 999, 1000, 999_499, 999_500, 5_000_000_000)] == [
        "0 B", "999 B", "1.0 kB", "999 kB", "1.0 MB", "5.0 GB",
    ]  # fmt: skip
