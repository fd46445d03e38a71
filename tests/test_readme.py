"""The README keeps its word: its code runs, its commands are the ones that are run, its links lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import lakebed
from lakebed.errors import CODES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def blocks(language: str, text: str = README) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def test_code_runs_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = "\n".join(blocks("python"))
    assert script.count("assert") > 10
    exec(compile(script, "README.md", "exec"), {"__name__": "readme"})
    made = sorted(path.name for path in tmp_path.glob("*.lakebed"))
    assert made == ["pets.lakebed", "photos.lakebed", "sensor.lakebed"]


def test_two_commands_of_one_line_each():
    commands = blocks("sh")
    assert [len(command.strip().splitlines()) for command in commands] == [1, 1]
    assert commands[0].strip().endswith(".venv/bin/lakebed-conform run --format 1.0 --port lakebed")
    assert commands[1].strip().endswith(".venv/bin/python -m pytest")


def test_ci_runs_the_test_command():
    """.ci/run takes the command out of this file; what it takes is the one above."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "README.md" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    found = [line for line in README.splitlines() if line.startswith("python3 -m venv") and "pytest" in line]
    assert found == [blocks("sh")[1].strip()]


def test_the_format_on_one_screen_is_the_spec_s():
    introduction = (ROOT / "spec" / "1.0" / "introduction.md").read_text("utf-8")
    assert blocks("")[0] == blocks("", introduction)[0]


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", README):
        if "://" not in target and target != "conformance/README.md":
            assert (ROOT / target).exists(), target


def test_error_classes_and_codes_are_real():
    for name in re.findall(r"^`(\w+Error)` \|", README, re.M):
        assert issubclass(getattr(lakebed, name), lakebed.LakebedError)
    for code in re.findall(r"\bE_[A-Z_]+\b", README):
        assert code in CODES, code


def test_every_command_is_named():
    """The table of tools and the commands that there are."""
    from lakebed.cli.commands import app

    tools = README.partition("## Tools")[2].partition("\n## ")[0]
    for name in app.commands:
        assert re.search(rf"`(lakebed )?{name}\b", tools), name
