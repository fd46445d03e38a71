"""The benchmarks' own parts; what they measure is printed by them, not asserted here, but for what must never grow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import floor
import growth
import report


def test_an_empty_commit_is_one_object(tmp_path: Path) -> None:
    """[algo.commit] Nothing changed: the commit's document and nothing else is new."""
    assert growth.empty_commit(str(tmp_path / "d"), "", 0) == {"objects of an empty commit": 1}


@pytest.mark.parametrize("kind", growth.KINDS)
def test_growth_is_measured(tmp_path: Path, kind: str) -> None:
    place = str(tmp_path / "d")
    found = growth.write_samples(place, kind, 1000) | growth.read_samples(place, kind, 1000)
    assert found["index, bytes a sample"] < 1.2 and found["open, ms"] > 0


@pytest.mark.parametrize(
    ("values", "said"),
    [((9, 5, 5, 5), "flat"), ((9, 1, 10, 100), "linear"), ((1, 1, 100, 10_000), "faster than linear")],
)
def test_slopes(values: tuple[float, ...], said: str) -> None:
    assert growth.verdict(growth.slope((1, 10, 100, 1000), values)) == said


def test_a_report_says_when_and_with_what(tmp_path: Path) -> None:
    options = report.arguments(None).parse_args(
        ["--json", str(tmp_path / "r.json"), "--markdown", str(tmp_path / "r.md")]
    )
    report.emit("speed", ("what", "us"), [("one", 1.5), ("many", 1234.0)], options, rounds=3)
    found = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert found["rows"] == [{"what": "one", "us": 1.5}, {"what": "many", "us": 1234.0}]
    assert found["rounds"] == 3 and found["versions"]["numpy"] and found["date"].endswith("UTC")
    text = (tmp_path / "r.md").read_text("utf-8")
    assert "| one | 1.50 |" in text and "|---|---:|" in text and found["command"] in text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("w", "read all", 130.0, 100.0), "met"),
        (("w", "read all", 140.0, 100.0), "short"),
        (("w", "random sample", 4.9, 1.0), "met"),
        (("w", "random sample", 5.1, 1.0), "short"),
        (("w", "something else", 1.0, 1.0), ""),
    ],
)
def test_targets(row: tuple[str, str, float, float], said: str) -> None:
    targets = {("w", "read all"): ("x", 1.3), ("w", "random sample"): ("us", 5.0)}
    assert floor.judged(row, targets)[-1] == said
