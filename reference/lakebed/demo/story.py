"""Floor 7. Seven real pictures are written, changed, read back, checked, damaged on purpose and exported.

Each step really does what its words say and raises when the outcome is another; :func:`run` tells them as they happen.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..check import check
from ..dataset import Dataset
from ..doors import create
from ..doors import open as open_dataset
from ..errors import FormatError, error
from ..export import export
from ..files import read
from ..recover import recover
from . import sheet

DATA = Path(__file__).parent / "data"
FIRST = 6  # pictures of the first commit; the last one comes with the second


@dataclass(frozen=True, slots=True)
class Step:
    """``title`` says what was done, ``facts`` with what outcome; ``rows`` is the table of the last state."""

    name: str
    title: str
    facts: tuple[str, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()


def run(folder: Path, tell: Callable[[Step], None]) -> dict[str, str]:
    """Tell the story into ``folder``, which must be empty or absent; gives the paths of what it made.

    Errors: E_ARGUMENT (not empty), E_STORE, and E_STORE if any step does not come out as told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise error("E_ARGUMENT", "algo.create", f"the folder {folder} is not empty; name another")
    notes = json.loads((DATA / "annotations.json").read_text("utf-8"))
    place = folder / "pictures.lakebed"
    tell(_write(place, notes))
    tell(_change(place, notes))
    ds = open_dataset(place)
    tell(_read_back(ds, notes))
    tell(_travel(place))
    tell(_check(ds))
    tell(_damage(place, folder / "damaged.lakebed"))
    tell(_recover(folder / "damaged.lakebed", folder / "recovered.lakebed"))
    tell(_export(ds, folder / "exported", notes))
    sheet.draw(ds, folder / "contact-sheet.png", captions=[note["caption"] for note in notes["pictures"]])
    tell(Step("table", f"{len(ds)} rows at commit {ds.number}", rows=tuple(_rows(ds))))
    made = {"dataset": place, "damaged": folder / "damaged.lakebed", "recovered": folder / "recovered.lakebed"}
    made |= {"exported": folder / "exported", "sheet": folder / "contact-sheet.png"}
    return {name: str(path) for name, path in made.items()}


def free_folder(name: str = "lakebed-demo") -> Path:
    """``name``, or ``name-2``, ... : the first that is absent or empty."""
    number, folder = 1, Path(name)
    while folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        number += 1
        folder = Path(f"{name}-{number}")
    return folder


# --- the steps -------------------------------------------------------------------------------------------------------


def _write(place: Path, notes: dict[str, Any]) -> Step:
    with create(place) as ds:
        ds.create_tensor("images", htype="image", sample_compression=["png", "jpeg", "webp", "tiff"])
        ds.create_tensor("labels", htype="class_label", class_names=notes["class_names"])
        ds.create_tensor("boxes", htype="bbox")
        ds.create_tensor("masks", htype="binary_mask", sample_compression="png")
        ds.create_tensor("names", htype="text")
        for note in notes["pictures"][:FIRST]:
            ds.append(_row(note))
        ds.commit("six pictures")
        ds.create_tag("v1")
    facts = (
        "JPEG, PNG, WebP and TIFF files in one tensor, byte for byte",
        "class labels, boxes, a mask where there is one, names",
        "commit 1, tag v1",
    )
    return Step("write", "Wrote six pictures", facts)


def _row(note: dict[str, Any]) -> dict[str, Any]:
    file = read(DATA / note["file"])
    boxes = np.array(note["boxes"], np.float32)
    return {
        "images": file,
        "labels": note["label"],
        "boxes": boxes,
        "masks": _mask(file.array(), note.get("mask")),
        "names": note["file"],
    }


def _mask(pixels: np.ndarray, rule: str | None) -> np.ndarray | None:
    """What is in the picture, found by its colour; None where nobody drew a mask."""
    if rule is None:
        return None
    values = pixels[..., :3].astype(np.int16)
    if rule == "dark":
        return values.max(axis=2) < 128
    return (values[..., 0] > 60) & (values[..., 0] > values[..., 1] + 40) & (values[..., 0] > values[..., 2] + 25)


def _change(place: Path, notes: dict[str, Any]) -> Step:
    before = _stored(place)
    with open_dataset(place, mode="a") as ds:
        wrong = next(i for i, note in enumerate(notes["pictures"]) if "correct" in note)
        ds["labels"][wrong] = notes["pictures"][wrong]["correct"]
        for note in notes["pictures"][FIRST:]:
            ds.append(_row(note))
        ds.commit("a label mended, a rose added")
    title = f"Mended the label of row {wrong} and added a rose"
    after = _stored(place)
    new = sum(after.values()) - sum(before.values())
    _must(before.items() <= after.items(), "an object that was stored has changed")
    fact = f"commit 2 wrote {new:,} bytes; the {sum(before.values()):,} bytes of commit 1 serve both"
    return Step("change", title, (fact,))


def _stored(place: Path) -> dict[str, int]:
    """Every chunk and its length."""
    return {path.name: path.stat().st_size for path in (place / "chunks").rglob("*.chunk")}


def _read_back(ds: Dataset, notes: dict[str, Any]) -> Step:
    for number, note in enumerate(notes["pictures"]):
        _must(ds["images"].file(number) == (DATA / note["file"]).read_bytes(), f"{note['file']} came back changed")
    part = ds["images"][0, 40:104, 60:124]
    _must(np.array_equal(part, ds["images"][0][40:104, 60:124]), "a part of a picture differs from the whole")
    facts = (f"{len(ds)} files are identical, bit for bit", f"a part of row 0: {part.shape} {part.dtype}")
    return Step("read", "Read everything back", facts)


def _travel(place: Path) -> Step:
    old, new = open_dataset(place, tag="v1"), open_dataset(place)
    changes = new.diff("v1")
    labels = changes["labels"]
    _must((len(old), len(new)) == (FIRST, FIRST + 1), "the tag shows another length")
    (row, _), *_ = labels.updated
    names = new["labels"].class_names or []
    before, after = names[int(old["labels"][row])], names[int(new["labels"][row])]
    facts = (
        f"v1 has {len(old)} rows, now there are {len(new)}",
        f"row {row}: {before} became {after}",
    )
    return Step("travel", "Went back to v1 and compared", facts)


def _check(ds: Dataset) -> Step:
    report = check(ds.store)
    _must(report.ok, f"{len(report.findings)} findings in a dataset that was just written")
    counted = f"{report.commits} commits, {report.chunks} chunks, {report.units} units, {report.bytes:,} bytes"
    return Step("check", "Checked every byte", (f"no findings in {counted}",))


def _damage(place: Path, copy: Path) -> Step:
    """One bit of a copy is turned over: the picture is refused by name, all others still read."""
    shutil.copytree(place, copy)
    chunk = max((copy / "chunks").rglob("*.chunk"), key=lambda path: path.stat().st_size)
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    ds = open_dataset(copy)
    refused: list[tuple[int, FormatError]] = []
    for number in range(len(ds)):
        try:
            ds["images"][number]
        except FormatError as problem:
            refused.append((number, problem))
    _must(len(refused) == 1, f"{len(refused)} pictures were refused, not one")
    number, cause = refused[0]
    facts = (
        f"row {number} is refused: {cause.code} [{cause.clause}], {cause.detail}",
        f"the other {len(ds) - 1} pictures still read",
    )
    return Step("damage", "Turned one bit over in a copy", facts)


def _recover(damaged: Path, copy: Path) -> Step:
    report = recover(damaged, copy)
    _must(len(report.lost) == 1, f"recovery lost {len(report.lost)} samples, not one")
    _must(check(copy).ok, "the recovered dataset has faults")
    lost = report.lost[0]
    fact = f"{report.samples} samples saved, one lost: row {lost.start} of {lost.tensor}; the new dataset has no faults"
    return Step("recover", "Recovered the rest", (fact,))


def _export(ds: Dataset, folder: Path, notes: dict[str, Any]) -> Step:
    done = export(ds, folder, tensors=["images"], paths="names")
    same = all((folder / n["file"]).read_bytes() == (DATA / n["file"]).read_bytes() for n in notes["pictures"])
    _must(done.verbatim == len(ds) and same, "an exported file differs")
    return Step("export", f"Exported {done.files} files", ("the same names, the same bytes",))


def _rows(ds: Dataset) -> list[dict[str, Any]]:
    names = ds["labels"].class_names or []
    out = []
    for number, row in enumerate(ds):
        form, data = ds["images"].file_format(number)
        mask = row["masks"]
        out.append(
            {
                "row": number,
                "name": row["names"],
                "label": names[int(row["labels"])],
                "shape": list(ds["images"].shapes[number]),
                "stored": form,
                "bytes": len(data),
                "boxes": len(row["boxes"]),
                "mask": None if mask is None else f"{mask.mean():.0%}",
            }
        )
    return out


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise error("E_STORE", "safety.named", otherwise)
