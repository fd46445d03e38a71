"""Datasets as released writers wrote them, kept in ``conformance/golden/datasets``: every later reader reads them."""

from __future__ import annotations

import json
from pathlib import Path

from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.golden_files import GOLDEN


def _objects(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


for path in sorted((GOLDEN / "datasets").glob("*/*/want.json")):
    about = json.loads(path.read_text())

    @case(
        f"golden/by_{path.parts[-3]}_{path.parts[-2]}",
        "algo.open.1",
        "version.mixed",
        features=tuple(about["features"]),
    )
    def _(b: Book, folder: Path = path.parent, about: dict = about) -> None:
        who = f"{about['writer']} {about['version']}"
        b.explain(f"What {who} wrote: {folder.name}", "Data outlive the program that wrote them.")
        b.files |= {f"dataset/{key}": data for key, data in _objects(folder / "dataset").items()}
        b.files |= {p.name: p.read_bytes() for p in folder.glob("want.*.raw")}
        for want in about["wants"]:
            b.ask("read", want["want"], tensor=want["tensor"], **want["at"])
        b.ask("check", {})
