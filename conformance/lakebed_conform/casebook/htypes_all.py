"""Every htype, alone, in a sequence and behind a link: one sample that is taken and one that is not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.invalid_meaning import texts

VALUE, SHAPE, DTYPE = "E_SAMPLE_HTYPE", "E_SAMPLE_SHAPE", "E_SAMPLE_DTYPE"
NAN = float("nan")
Row = tuple[list[int | None], dict[str, Any], list[np.ndarray], np.ndarray, tuple[str, ...]]


def u8(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


def f4(*rows: Any) -> np.ndarray:
    return np.array(rows, "<f4")


def text(value: Any) -> np.ndarray:
    return texts(value if isinstance(value, str) else json.dumps(value, separators=(",", ":")))[0]


BYTES = np.array([0xFF, 0xFE], np.uint8)
BOX, BOX9 = f4([1, 2, 3, 4]), f4([0, 0, 0, 1, 2, 3, 0, 0, 0])
#: shape, attributes, samples that are taken, one that is not, the codes that are right for it
ROWS: dict[str, Row] = {
    "generic": ([2], {}, [u8(2), u8(2) + 1], u8(3), (SHAPE,)),
    "image": ([None] * 3, {}, [u8(2, 3, 3), u8(1, 1, 4)], u8(2, 2, 5), (VALUE,)),
    "image.rgb": ([None, None, 3], {}, [u8(2, 3, 3), u8(1, 1, 3)], u8(2, 2, 4), (SHAPE, VALUE)),
    "image.gray": ([None, None, 1], {}, [u8(2, 3, 1), u8(1, 1, 1)], u8(2, 2, 3), (SHAPE, VALUE)),
    "class_label": ([], {"class_names": ["cat", "dog"]}, [np.uint32(0), np.uint32(1)], np.uint32(2), (VALUE,)),
    "bbox": ([None, 4], {"coords": {"type": "pixel", "mode": "LTWH"}}, [BOX, BOX[:0]], f4([1, 2, -3, 4]), (VALUE,)),
    "binary_mask": ([None, None], {}, [u8(2, 3) > 2, u8(1, 1) > 2], u8(3) > 1, (SHAPE,)),
    "segment_mask": ([None, None], {"class_names": ["a", "b"]}, [np.eye(2, dtype="<u4")], np.full((1, 2), 2, "<u4"),
                     (VALUE,)),
    "keypoints": ([None, 2, 3], {"keypoints": ["a", "b"], "connections": [[0, 1]]}, [f4([[1, 2, 2], [3, 4, 0]])],
                  f4([[1, 2, 3], [3, 4, 0]]), (VALUE,)),
    "point": ([None, 2], {}, [f4([1, 2], [3, 4]), f4([0, 0])[:0]], f4([1, NAN]), (VALUE,)),
    "polygon": ([None, 2], {}, [f4([0, 0], [1, 0], [1, 1]), f4([5, 5])], f4([0, 0])[:0], (VALUE,)),
    "embedding": ([3], {}, [f4(1, NAN, 3), f4(0, 0, 0)], f4(1, 2), (SHAPE,)),
    "text": ([None], {}, [text("naïve"), text("")], BYTES, (VALUE,)),
    "json": ([None], {}, [text({"a": [1, None]}), text("1.5")], text("NaN"), (VALUE,)),
    "list": ([None], {}, [text("1"), text({"b": True})], text("{"), (VALUE,)),
    "tag": ([None], {}, [text("night"), text("rain")], BYTES, (VALUE,)),
    "bbox.3d": ([None, 9], {"coords": {"mode": "center"}}, [BOX9, BOX9[:0]], -BOX9 + 0.5, (VALUE,)),
    "intrinsics": ([None, 3, 3], {}, [np.eye(3, dtype="<f4")[None]], np.full((1, 3, 3), NAN, "<f4"), (VALUE,)),
    "instance_label": ([None, None], {}, [np.eye(2, dtype="<u4")], np.eye(2, dtype="<f4") / 2, (DTYPE,)),
    "keypoints_coco": ([None, None], {"keypoints": ["nose"]}, [np.array([[1], [2], [2]], "<i4")],
                       np.array([[1], [2], [3]], "<i4"), (VALUE,)),
    "video": ([None, None, None, 3], {}, [u8(2, 2, 2, 3)], u8(2, 2, 2, 4), (SHAPE, VALUE)),
    "audio": ([None, None], {}, [np.array([[1, -1]], "<i2")], np.array([1, 2], "<i2"), (SHAPE,)),
    "dicom": ([None, None], {}, [np.array([[1, 2]], "<u2")], np.array([1, 2], "<u2"), (SHAPE,)),
    "nifti": ([None] * 3, {}, [np.zeros((1, 2, 3), "<i2")], np.zeros((2, 3), "<i2"), (SHAPE,)),
    "point_cloud": ([None, 3], {}, [f4([1, 2, 3])], f4([1, 2]), (SHAPE, VALUE)),
    "mesh": ([None, 3, 3], {}, [np.zeros((2, 3, 3), "<f4")], np.zeros((2, 3), "<f4"), (SHAPE,)),
}  # fmt: skip
ALWAYS = ("polygon", "list", "tag")
LINKED = ("image", "image.rgb", "image.gray", "segment_mask", "binary_mask", "video", "audio", "dicom", "nifti",
          "point_cloud", "mesh")  # fmt: skip
LINK: Row = ([None], {}, [text({"url": "https://example.org/a.png"}), text({"url": "s3://b/k", "credentials": "lab"})],
             text({"url": "https://me:word@example.org/a"}), (VALUE,))  # fmt: skip
EFFECT = "What is taken by one writer and refused by another splits the data by who wrote it."


def script(htype: str, row: Row, values: list[Any], sequence: bool) -> list[dict[str, Any]]:
    shape, attributes, good, _, _ = row
    more: dict[str, Any] = {"attributes": attributes} if attributes else {}
    more |= {"sequence": True} if sequence else {}
    tensor = s.tensor("x", dtype=np.asarray(good[0]).dtype.name, shape=shape, htype=htype, **more)
    return [s.create(), tensor, *[step for v in values for step in (s.append(x=v), s.commit())]]


def clause(htype: str) -> str:
    return "htype.link" if htype.startswith("link") else f"htype.{htype.replace('.', '_')}"


def _alone(htype: str, row: Row) -> None:
    name, dtype = clause(htype)[6:], np.asarray(row[2][0]).dtype.name

    @case(f"htype/{name}_appended", clause(htype), "htype.known", "htype.missing", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(f"{htype}: samples that are taken, and a missing one", EFFECT)
        values = [*row[2], None]
        b.writes(script(htype, row, values, False), {"tensors": {"x": {"values": values, "dtype": dtype}}})

    @case(f"htype/{name}_not_appended", clause(htype), "htype.known", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(f"{htype}: a sample that is not taken", EFFECT)
        code, *also = row[4]
        b.write_refused(script(htype, row, [row[2][0], row[3]], False), code, also=tuple(also))


def _in_sequence(htype: str, row: Row) -> None:
    name, dtype = clause(htype)[6:], np.asarray(row[2][0]).dtype.name
    values: list[Any] = [row[2], [], None, row[2][:1]]
    members: dict[str, Any] = {"attributes": row[1]} if row[1] else {}

    @case(f"htype/sequence_{name}", clause(htype), "htype.sequence")
    def _(b: Book) -> None:
        b.explain(f"sequence[{htype}] as stored", "A checker that refuses good data is switched off.")
        sequence = one(values, shape=row[0], htype=htype, sequence=True, dtype=dtype, members=members)
        b.reads(sequence, {"x": values})

    @case(f"htype/sequence_{name}_appended", clause(htype), "htype.sequence", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(f"sequence[{htype}]: samples that are taken", EFFECT)
        want = {"x": {"values": values, "dtype": dtype, "sequence": True}}
        b.writes(script(htype, row, values, True), {"tensors": want})

    @case(f"htype/sequence_{name}_not_appended", clause(htype), "htype.sequence", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(
            f"sequence[{htype}]: the second item breaks the rule", "Every item keeps the rules, not the first only."
        )
        code, *also = row[4]
        b.write_refused(script(htype, row, [row[2], [row[2][0], row[3]]], True), code, also=tuple(also))


def _linked(htype: str) -> None:
    name = f"link_{htype.replace('.', '_')}"

    @case(f"htype/{name}_appended", "htype.link", "htype.link.value", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(f"link[{htype}]: addresses that are taken", EFFECT)
        want = {"x": {"values": LINK[2], "dtype": "uint8"}}
        b.writes(script(f"link[{htype}]", LINK, LINK[2], False), {"tensors": want})

    @case(f"htype/{name}_not_appended", "htype.link", "htype.link.secret", features=("write.htypes",))
    def _(b: Book) -> None:
        b.explain(
            f"link[{htype}]: an address with a password in it", "What is stored once is read by everyone, for ever."
        )
        b.write_refused(script(f"link[{htype}]", LINK, [LINK[3]], False), VALUE)


for htype, row in ROWS.items():
    if htype not in ALWAYS:
        _alone(htype, row)
    _in_sequence(htype, row)
for htype in LINKED:
    _linked(htype)
_in_sequence("link[image]", LINK)
