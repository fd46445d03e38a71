"""Files of real encoders, kept in ``conformance/golden``: read, kept byte for byte, cut, recorded with another size.

What is due of each is in its manifest: the array that was encoded, or what an independent decoder makes of the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.builders.chunk import unit_crcs
from lakebed_conform.builders.columns import column
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case

GOLDEN = Path(__file__).parents[2] / "golden"
ROWS: list[dict[str, Any]] = json.loads((GOLDEN / "MANIFEST.json").read_text()) if GOLDEN.is_dir() else []
GOOD = {r["name"]: r for r in ROWS if r["rule"] != "refused"}
FIRST = {r["codec"]: r for r in reversed(list(GOOD.values()))}
DATA, SHAPE = "E_CODEC_DATA", "E_MEDIA_SHAPE"
KEPT = "What real encoders write must be one array in every port; a file laid by hand shows only what its maker knew."
WHY = "length and CRC agree with the broken file"


def file_of(row: dict[str, Any]) -> bytes:
    return (GOLDEN / "files" / row["file"]).read_bytes()


def given_of(row: dict[str, Any]) -> bytes:
    """The file as a user has it: for a packed one that which was packed."""
    return (GOLDEN / "files" / row.get("given", row["file"])).read_bytes()


def array_of(row: dict[str, Any]) -> np.ndarray:
    with np.load(GOLDEN / "expected" / row["expected"]) as found:
        return found["array"]


def dataset_of(row: dict[str, Any], codec: str | None = None) -> Any:
    """One tensor with the file and a missing sample."""
    array, file = array_of(row), file_of(row)
    pipeline = [{"name": codec or row["codec"]}]
    return one([array, None], shape=[None] * array.ndim, codecs=[pipeline], encode=[lambda d: file])


def broken(row: dict[str, Any], bad: bytes) -> Any:
    dataset = dataset_of(row)
    dataset.fault("a", "payload", bad).fault("a", "index.crc", column(unit_crcs([bad])))
    return dataset if len(bad) == len(file_of(row)) else dataset.fault("a", "index.stored", len(bad))


def script(row: dict[str, Any], file: bytes) -> list[dict[str, Any]]:
    shape = [None] * len(row["shape"])
    tensor = s.tensor("x", dtype=row["dtype"], shape=shape, codecs=[[{"name": row["codec"]}]])
    return [s.create(), tensor, s.append(x=file), s.commit()]


def features(row: dict[str, Any]) -> tuple[str, ...]:
    loose = row["rule"] == "A" and row["codec"] in ("jpeg2000", "webp", "avif", "jxl_jpeg", "dcm")
    return (*kept(row), *(("decoder.class_a",) if loose else ()))


def kept(row: dict[str, Any]) -> tuple[str, ...]:
    """What a port that keeps the file must have: some libraries cut pictures of 16 bits to 8 [picture.rgb16]."""
    deep = row["codec"] in ("png", "jpeg2000", "avif") and row["dtype"] == "uint16" and row["shape"][2:] > [1]
    return (f"codec.{row['codec']}", *(("picture.rgb16",) if deep else ()))


for name, row in GOOD.items():

    @case(f"golden/{name}", "media.verbatim", "model.file", *row["clauses"], features=features(row), origin="library")
    def _(b: Book, row=row) -> None:
        b.explain(f"{row['codec']} by {row['encoder']}: {row['parameters'] or row['name'].replace('_', ' ')}", KEPT)
        array = array_of(row)
        b.reads(dataset_of(row), {"x": [array, None]}, rule=row["rule"])
        b.file("x", 0, given_of(row))

    @case(f"golden/{name}_written", "media.verbatim", "fidelity.files", "media.append", *row["clauses"][:1],
          features=kept(row), origin="library")  # fmt: skip
    def _(b: Book, row=row) -> None:
        b.explain(
            f"{row['codec']} by {row['encoder']} is stored as given", "A file that was re-encoded is another file."
        )
        want: dict[str, Any] = {"length": 1, "tensors": {"x": {"dtype": row["dtype"], "shapes": [row["shape"]]}}}
        if "given" not in row:  # what is packed is another file inside its unit
            want["files"] = [{"tensor": "x", "sample": 0, "data": file_of(row)}]
        b.writes(script(row, given_of(row)), want)


#: the first picture is whole, so that a reader may return it; a checker looks on
MOVING = ("gif_moving", "png_moving")
KIND = {
    **dict.fromkeys(("flac", "mp3", "ogg", "opus"), "audio"), **dict.fromkeys(("mp4", "mkv", "webm", "avi"), "video"),
    **dict.fromkeys(("las", "laz", "dcm"), "other"),
}  # fmt: skip
for codec, row in FIRST.items():
    kind = KIND.get(codec, "picture")
    shaped = (f"{kind}.shape",) if kind in ("picture", "audio", "video") else ()

    @case(f"golden/{row['name']}_shape", "media.header", *shaped, features=(f"codec.{codec}",), origin="library")
    def _(b: Book, row=row) -> None:
        b.explain(
            f"{row['codec']}: the index records one row more than the file has", "Memory for another size is read."
        )
        first, *rest = row["shape"]
        b.refuses(dataset_of(row).fault("a", "index.shape", [first + 1, *rest]), SHAPE)

    @case(f"golden/{row['name']}_cut", "media.corrupt", "codec.corrupt", *row["clauses"][:1],
          features=(f"codec.{codec}",), origin="library")  # fmt: skip
    def _(b: Book, row=row) -> None:
        b.explain(
            f"{row['codec']}: half a file", "Half a file decodes to something, and nobody sees what is not there."
        )
        file = file_of(row)
        roles = ("checker",) if row["name"] in MOVING else ("reader", "checker")
        b.refuses(broken(row, file[: len(file) // 2]), DATA, why=WHY, also=(SHAPE,), roles=roles)

    @case(f"golden/{row['name']}_cut_written", "media.append", *(("video.whole",) if kind == "video" else ()),
          features=(f"codec.{codec}",), origin="library")  # fmt: skip
    def _(b: Book, row=row) -> None:
        b.explain(f"{row['codec']}: half a file is given", "What gets in unread is found by whoever trains on it.")
        file = given_of(row)
        b.write_refused(script(row, file[: len(file) // 2]), "E_SAMPLE_FILE")


if GOLDEN.is_dir():

    @case("golden/dcm_other_syntax", "dicom.syntax", features=("codec.dcm",), origin="library")
    def _(b: Book) -> None:
        """A DICOM file whose transfer syntax no reader here undoes

        Accepted, it would be unreadable for ever.
        """
        row = next(r for r in ROWS if r["name"] == "dcm_other_syntax")
        b.write_refused(script(row, file_of(row)), "E_SAMPLE_FILE")

    @case("golden/jxl_jpeg_plain", "media.packed", features=("codec.jxl_jpeg",), origin="library")
    def _(b: Book) -> None:
        """A JPEG XL file that packs no JPEG, under the name that says it does

        The JPEG that was given cannot be had back.
        """
        b.refuses(broken(GOOD["jxl_jpeg"], file_of(GOOD["jxl_rgb"])), DATA, why=WHY)

    def repeated() -> bytes:
        """The video with its second frame at the time of the first."""
        file = file_of(GOOD["webm_vp9"])
        second = b"\xa3", b"\x81\x00\x64"
        at = file.index(second[1], file.index(second[0]))
        return file[: at + 1] + bytes(2) + file[at + 3 :]

    @case("golden/video_times_repeat", "video.frames", features=("codec.webm",), origin="library")
    def _(b: Book) -> None:
        """Two frames of one time

        Frame k is known by its time; which of the two it is nobody can say.
        """
        b.refuses(broken(GOOD["webm_vp9"], repeated()), DATA, why=WHY, also=(SHAPE,))

    @case(
        "golden/video_times_repeat_written", "video.frames", "video.whole", features=("codec.webm",), origin="library"
    )
    def _(b: Book) -> None:
        """A video of two frames with one time is given

        Whoever slices it gets one frame twice, or the next.
        """
        b.write_refused(script(GOOD["webm_vp9"], repeated()), "E_SAMPLE_FILE")
