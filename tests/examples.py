"""The worked examples of the specification: built here from real values and files, explained byte by byte.

    python tests/examples.py --write      writes spec/1.0/examples/
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import lakebed
from lakebed.inspect import Span, inspect

FOLDER = Path(__file__).parent.parent / "spec" / "1.0" / "examples"
FILES = FOLDER / "files"
Build = Callable[[str], None]


def _tools() -> dict[str, Any]:
    """A clock and ids that are the same at every build."""
    ticks, ids = iter(range(1, 1000)), iter(range(1, 1000))
    return {"clock": lambda: 1_767_225_600 + next(ticks) // 100, "make_id": lambda: f"{next(ids):032x}"}


def numbers(place: str) -> None:
    """Three numbers: the smallest dataset with something in it.

    One tensor of int16 scalars. Its chunk has one raw unit of three items; every column is one integer.
    """
    with lakebed.create(place, **_tools()) as ds:
        ds.create_tensor("x", dtype="int16", shape=())
        ds.extend({"x": np.array([1, -2, 300], np.int16)})


def boxes(place: str) -> None:
    """Boxes: ragged rows, a missing sample, an update.

    Samples of shape (n, 4): the first axis needs a column. Sample 1 is missing: the run in the slice table has no
    chunk, so no bytes stand for it. The second commit replaces sample 2: the slice list is split and a second chunk
    put between; the first chunk stays as it is. Units of more than one item are compressed with lz4 where that helps.
    """
    tools = _tools()
    with lakebed.create(place, **tools) as ds:
        ds.create_tensor("boxes", htype="bbox", chunk_compression="lz4")
        row = [1, 2, 30, 40]
        for value in ([row], None, [row, row, row, row], [], [row, row]):
            ds.append({"boxes": value})
    with lakebed.open(place, "a", **tools) as ds:
        ds["boxes"][2] = [[5, 6, 7, 8]]


def pictures(place: str) -> None:
    """Pictures: files kept byte for byte, in two formats, with labels.

    Each file is a unit of its own. The pipelines have no parameters: the files are as they were given. The tensor of
    labels extends to a fourth row that has no picture.
    """
    with lakebed.create(place, **_tools()) as ds:
        ds.create_tensor("images", htype="image", sample_compression=["jpeg", "png"])
        ds.create_tensor("labels", htype="class_label", dtype="uint8", class_names=["street", "parts"])
        ds.append({"images": lakebed.read(FILES / "street.jpg"), "labels": "street"})
        ds.append({"images": lakebed.read(FILES / "parts.png"), "labels": "parts"})
        ds.append({"images": lakebed.read(FILES / "street.jpg"), "labels": "street"})
        ds.append({"labels": "parts"})


def tiles(place: str) -> None:
    """Tiles and sequences: an item cut into a grid, lists of texts.

    The item of 5 x 7 is cut into tiles of 4 x 4: a grid of 2 x 2, smaller at the edges, each tile a unit. The tags are
    a sequence: `items` says how many texts each sample has; a list of none is not a missing sample.
    """
    with lakebed.create(place, **_tools()) as ds:
        ds.create_tensor("field", dtype="uint8", shape=(None, None), tile=(4, 4))
        ds.create_tensor("tags", htype="tag")
        ds.append({"field": np.arange(35, dtype=np.uint8).reshape(5, 7), "tags": ["wet", "grün"]})
        ds.append({"tags": []})
        ds.append({})


EXAMPLES: tuple[Build, ...] = (numbers, boxes, pictures, tiles)


def page(build: Build, folder: Path) -> str:
    """The Markdown that explains every byte of every object of one example."""
    title, _, text = (build.__doc__ or "").partition("\n")
    lines = [f"# {title.strip().rstrip('.')}", "", " ".join(text.split()), ""]
    lines += ["This page and the files beside it are written by `tests/examples.py`; a test builds them again.", ""]
    for path in sorted(folder.rglob("*")):
        key = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name == "README.md":
            continue
        lines += [f"## `{key}`", ""]
        if path.name == "latest.json":
            lines += ["The hint: a copy of the newest commit [hint.copy].", ""]
            continue
        lines += ["offset | size | bytes | what | value | meaning | clause", "---|---|---|---|---|---|---"]
        lines += [_row(span) for span in inspect(str(folder), key) if span.size and span.name != "object"]
        lines.append("")
    return "\n".join(lines)


def _row(span: Span) -> str:
    raw = span.raw[:12].hex(" ") + (" …" if span.size > 12 else "")
    cells = (span.offset, span.size, f"`{raw}`", span.name, _cell(span.value), _cell(span.meaning), f"[{span.clause}]")
    return " | ".join(map(str, cells))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write(target: Path = FOLDER) -> None:
    """Every example, its dataset and its page, under ``target``."""
    for build in EXAMPLES:
        folder = target / build.__name__
        shutil.rmtree(folder, ignore_errors=True)
        build(str(folder))
        (folder / "README.md").write_text(page(build, folder), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    write()
