"""Samples and edits that must be refused, by the code of the rule they break."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.writing_refused import made, refuses
from lakebed_conform.casebook.writing_rows import EDIT, numbered, start, u16

ROWS: dict[str, tuple[dict[str, Any], Any, str, tuple[str, ...], str]] = {
    "rank": ({}, np.zeros((2, 1), "<u2"), "E_SAMPLE_SHAPE", ("sample.shape",), "An item of another rank"),
    "axis": ({}, u16(1, 2, 3), "E_SAMPLE_SHAPE", ("sample.shape",), "A fixed axis of another length"),
    "not_a_list": (
        {"sequence": True},
        u16(1, 2),
        "E_SAMPLE_SHAPE",
        ("sample.sequence",),
        "An array where a list is due",
    ),
    "int_too_large": ({}, np.array([1, 70000], "<i4"), "E_SAMPLE_DTYPE", ("dtype.convert",), "70,000 into uint16"),
    "int_negative": ({}, np.array([-1, 1], "<i2"), "E_SAMPLE_DTYPE", ("dtype.convert",), "-1 into uint16"),
    "float_to_int": ({}, np.array([1.5, 2], "<f4"), "E_SAMPLE_DTYPE", ("dtype.convert",), "1.5 into uint16"),
    "float_narrowed": (
        {"dtype": "float32"},
        np.array([0.1, 1], "<f8"),
        "E_SAMPLE_DTYPE",
        ("dtype.convert",),
        "float64 0.1 into float32",
    ),
    "int_to_float": (
        {"dtype": "float32"},
        np.array([2**24 + 1, 0], "<i4"),
        "E_SAMPLE_DTYPE",
        ("dtype.convert",),
        "2^24 + 1 into float32",
    ),
    "nan_to_int": (
        {"dtype": "int32"},
        np.array([np.nan, 0], "<f8"),
        "E_SAMPLE_DTYPE",
        ("dtype.convert",),
        "NaN into int32",
    ),
    "two_to_bool": ({"dtype": "bool"}, np.array([0, 2], "u1"), "E_SAMPLE_DTYPE", ("dtype.convert",), "2 into bool"),
    "complex_to_float": (
        {"dtype": "float64"},
        np.array([1j, 1], "<c16"),
        "E_SAMPLE_DTYPE",
        ("dtype.convert",),
        "An imaginary part into float64",
    ),
    "label_range": (
        {"htype": "class_label", "dtype": "uint32", "shape": [], "attributes": {"class_names": ["a", "b"]}},
        np.array(2, "<u4"),
        "E_SAMPLE_HTYPE",
        ("htype.class_label.range",),
        "Class 2 of two names",
    ),
    "mask_range": (
        {"htype": "segment_mask", "dtype": "uint8", "shape": [None, None], "attributes": {"class_names": ["a"]}},
        np.ones((2, 2), "u1"),
        "E_SAMPLE_HTYPE",
        ("htype.segment_mask.range",),
        "A mask class without a name",
    ),
    "box_nan": (
        {"htype": "bbox", "dtype": "float32", "shape": [None, 4]},
        np.array([[1, 2, np.nan, 4]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.bbox.finite",),
        "A box with NaN",
    ),
    "box_negative": (
        {"htype": "bbox", "dtype": "float32", "shape": [None, 4]},
        np.array([[1, 2, -3, 4]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.bbox.size",),
        "A box of negative width",
    ),
    "box_fraction": (
        {
            "htype": "bbox",
            "dtype": "float32",
            "shape": [None, 4],
            "attributes": {"coords": {"type": "fractional", "mode": "LTWH"}},
        },
        np.array([[0, 0, 1.5, 1]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.bbox.fractional",),
        "A fraction above 1",
    ),
    "box_turned": (
        {
            "htype": "bbox",
            "dtype": "float32",
            "shape": [None, 4],
            "attributes": {"coords": {"type": "pixel", "mode": "LTRB"}},
        },
        np.array([[9, 0, 1, 1]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.bbox.size",),
        "Right of it lies left",
    ),
    "visibility": (
        {"htype": "keypoints", "dtype": "float32", "shape": [None, None, 3]},
        np.array([[[1, 2, 3]]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.keypoints.visibility",),
        "Visibility 3",
    ),
    "point_inf": (
        {"htype": "point", "dtype": "float32", "shape": [None, 2]},
        np.array([[np.inf, 0]], "<f4"),
        "E_SAMPLE_HTYPE",
        ("htype.point.finite",),
        "A point at infinity",
    ),
    "polygon_empty": (
        {"htype": "polygon", "dtype": "float32", "shape": [None, 2], "sequence": True},
        [np.zeros((0, 2), "<f4")],
        "E_SAMPLE_HTYPE",
        ("htype.polygon.points",),
        "A polygon without points",
    ),
    "image_channels": (
        {"htype": "image", "dtype": "uint8", "shape": [None, None, None]},
        np.zeros((2, 2, 5), "u1"),
        "E_SAMPLE_HTYPE",
        ("htype.image.channels",),
        "An image of five channels",
    ),
    "text_bytes": (
        {"htype": "text", "dtype": "uint8", "shape": [None]},
        np.array([0xC3, 0x28], "u1"),
        "E_SAMPLE_HTYPE",
        ("htype.text.utf8",),
        "Text that is not UTF-8",
    ),
    "json_open": (
        {"htype": "json", "dtype": "uint8", "shape": [None]},
        np.frombuffer(b'{"a":', "u1"),
        "E_SAMPLE_HTYPE",
        ("htype.json.value",),
        "JSON that does not end",
    ),
    "json_nan": (
        {"htype": "json", "dtype": "uint8", "shape": [None]},
        np.frombuffer(b"[NaN]", "u1"),
        "E_SAMPLE_HTYPE",
        ("htype.json.value",),
        "NaN in JSON",
    ),
}
for _id, (_members, _value, _code, _clauses, _title) in ROWS.items():
    _how = {"dtype": "uint16", "shape": [2]} | _members
    _features = tuple(f"dtype.{d}" for d in ("complex128",) if getattr(_value, "dtype", None) == np.dtype(d))
    refuses(
        f"row_{_id}",
        _code,
        _clauses,
        _title,
        "Stored silently changed, it is found after the training.",
        [s.create(), s.tensor("x", **_how), s.append(x=_value), s.commit()],
        features=_features,
    )

refuses(
    "extend_uneven",
    "E_LENGTH",
    ("algo.append", "algo.edit.lengths"),
    "Columns of different lengths",
    "Rows would pair values that do not belong together.",
    [*made(), s.tensor("y", dtype="uint16", shape=[2]), s.extend(x=numbered(2), y=numbered(3))],
    also=("E_ARGUMENT",),
)
refuses(
    "update_range",
    "E_SAMPLE_RANGE",
    ("model.sample",),
    "Updating row 6 of 6",
    "One past the end is another row's.",
    [s.open_(), s.update(6, x=u16(1, 1))],
    start(6),
    EDIT,
)
refuses(
    "insert_range",
    "E_SAMPLE_RANGE",
    ("model.sample",),
    "Inserting at row 7 of 6",
    "A hole would have to be filled.",
    [s.open_(), s.insert(7, x=u16(1, 1))],
    start(6),
    EDIT,
)
refuses(
    "delete_range",
    "E_SAMPLE_RANGE",
    ("model.sample",),
    "Deleting row 6 of 6",
    "Another row, or none, is deleted.",
    [s.open_(), s.delete(6)],
    start(6),
    EDIT,
)
refuses(
    "unknown_htype",
    "E_ARGUMENT",
    ("htype.unknown",),
    "Appending to a tensor of an unknown htype",
    "A writer that does not know the rules would break them.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    one(numbered(2), shape=[2], htype="hologram"),
)
refuses(
    "revert_absent",
    "E_COMMIT_ABSENT",
    ("algo.open.3",),
    "Reverting to a commit that never was",
    "The newest would be repeated instead.",
    [s.open_(), s.simple("revert", number="9")],
    start(2),
    EDIT,
)


def _collected() -> Dataset:
    """main/1 uses a chunk that is gone; in main/2 every sample is missing."""
    dataset = start(2)
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[(None, 0, 2)])
    dataset.commit()
    return dataset.change("a", "absent", True)


refuses(
    "revert_chunk_gone",
    "E_OBJECT_MISSING",
    ("algo.revert",),
    "Reverting to a commit whose chunk was collected",
    "A commit that names what is not there is unreadable from the start.",
    [s.open_(), s.simple("revert", number="1"), s.commit()],
    _collected(),
    EDIT,
)
