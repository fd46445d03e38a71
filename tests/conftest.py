"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest


class Corpus:
    """The folder of real files and its manifest: one dictionary per file, under ``files``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[dict] = json.loads((root / "MANIFEST.json").read_text("utf-8"))["files"]

    def path(self, entry: dict) -> Path:
        return self.root / entry["path"]

    def kinds(self, *kinds: str) -> list[dict]:
        return [entry for entry in self.files if entry["kind"] in kinds]


def _find() -> Path | None:
    named = os.environ.get("LAKEBED_CORPUS")
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    for root in [Path(named)] if named else [beside]:
        if (root / "MANIFEST.json").is_file():
            return root
    return None


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Real files, hostile ones included; skipped where the corpus is not at hand."""
    root = _find()
    if root is None:
        pytest.skip("NO CORPUS: set LAKEBED_CORPUS to its folder, or put it at shared/corpus beside the checkout")
    return Corpus(root)
