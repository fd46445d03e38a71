"""htypes: every constraint once accepted and once refused, and values that come back as they were given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lakebed import htypes
from lakebed.errors import LakebedError
from lakebed.htypes import HTYPES


def tensor(htype, dtype=None, shape=None, sequence=None, **attributes):
    name, inner = htypes.parse(htype)
    row = HTYPES[name]
    dtype = dtype or row.dtype
    shape = row.shape if shape is None else shape
    sequence = inner if sequence is None else sequence
    attributes = htypes.check_tensor(htype, dtype, shape, sequence, attributes)
    return SimpleNamespace(htype=name, dtype=dtype, shape=shape, sequence=sequence, attributes=attributes)


def refused(code, clause, act, *args, **kwargs):
    with pytest.raises(LakebedError) as caught:
        act(*args, **kwargs)
    assert (caught.value.code, caught.value.clause) == (code, clause), str(caught.value)


def test_every_row_creates_a_tensor_with_its_defaults():
    for name, row in HTYPES.items():
        assert row.dtype is None or row.dtype in row.dtypes
        if row.shape is not None and row.dtype is not None:
            made = tensor(name)
            assert (made.dtype, made.shape, made.sequence) == (row.dtype, row.shape, row.sequence)


def test_labels_masks_geometry_and_text_are_always_exact():
    lossy = {name for name, row in HTYPES.items() if not row.exact}
    files = {"video", "audio", "dicom", "nifti", "point_cloud", "mesh"}
    assert lossy == {"generic", "image", "image.rgb", "image.gray", "embedding", *files}


def test_names_with_sequences():
    assert htypes.parse("sequence[bbox]") == ("bbox", True)
    assert htypes.parse("sequence[]") == ("generic", True)
    assert htypes.parse("link[sequence[image]]") == htypes.parse("sequence[link[image]]") == ("link[image]", True)
    for inner in ("text", "link[image]", "", "sequence[image]"):
        name = f"link[sequence[{inner}]]"
        refused("E_ARGUMENT", "htype.unknown", htypes.parse, name)
    assert htypes.parse("tag") == ("tag", True)
    refused("E_ARGUMENT", "htype.unknown", htypes.parse, "boxes")
    refused("E_ARGUMENT", "htype.sequence", htypes.parse, "sequence[tag]")
    refused("E_ARGUMENT", "htype.unknown", htypes.parse, "sequence[sequence[bbox]]")


@pytest.mark.parametrize(
    ("htype", "dtype", "shape", "attributes", "clause"),
    [
        ("image", "float32", (None, None, 3), {}, "htype.fits"),
        ("image", "uint8", (None,), {}, "htype.fits"),
        ("image", "uint8", (None, None, 5), {}, "htype.fits"),
        ("image.rgb", "uint8", (None, None, None), {}, "htype.fits"),
        ("image.rgb", "uint8", (None, None), {}, "htype.fits"),
        ("image.gray", "uint8", (None, None, 3), {}, "htype.fits"),
        ("class_label", "float32", (), {}, "htype.fits"),
        ("class_label", "uint32", (None, None), {}, "htype.fits"),
        ("class_label", "uint32", (), {"class_names": "cat"}, "htype.class_label.names"),
        ("class_label", "uint32", (), {"class_names": ["a", "a"]}, "htype.class_label.names"),
        ("class_label", "uint32", (), {"class_names": [1]}, "htype.class_label.names"),
        ("bbox", "float32", (None, 5), {}, "htype.fits"),
        ("bbox", "complex64", (None, 4), {}, "htype.fits"),
        ("bbox", "float32", (None, 4), {"coords": {"type": "pixels"}}, "htype.bbox.coords"),
        ("bbox", "float32", (None, 4), {"coords": {"mode": "XYWH"}}, "htype.bbox.coords"),
        ("bbox", "float32", (None, 4), {"coords": {"modes": "LTRB"}}, "htype.bbox.coords"),
        ("bbox", "float32", (None, 4), {"coords": "LTRB"}, "htype.bbox.coords"),
        ("binary_mask", "uint8", (None, None), {}, "htype.fits"),
        ("segment_mask", "int32", (None, None), {}, "htype.fits"),
        ("segment_mask", "uint8", (None,), {}, "htype.fits"),
        ("keypoints", "float32", (None, None, 2), {}, "htype.fits"),
        ("keypoints", "float32", (None, None, 3), {"keypoints": ["a", "a"]}, "htype.keypoints.names"),
        ("keypoints", "float32", (None, 2, 3), {"keypoints": ["a", "b"], "connections": [[0, 2]]},
         "htype.keypoints.names"),
        ("keypoints", "float32", (None, 2, 3), {"connections": [[0, 1, 1]]}, "htype.keypoints.names"),
        ("point", "float32", (None, 4), {}, "htype.fits"),
        ("bbox.3d", "float32", (None, 8), {}, "htype.fits"),
        ("bbox.3d", "float32", (None, 9), {"coords": {"mode": "corner"}}, "htype.bbox_3d.coords"),
        ("bbox.3d", "float32", (None, 9), {"coords": {"type": "pixel"}}, "htype.bbox_3d.coords"),
        ("intrinsics", "float32", (None, 4, 4), {}, "htype.fits"),
        ("instance_label", "float32", (None, None), {}, "htype.fits"),
        ("keypoints_coco", "int32", (None, None), {"keypoints": ["a", "a"]}, "htype.keypoints_coco.names"),
        ("video", "uint16", (None, None, None, 3), {}, "htype.fits"),
        ("video", "uint8", (None, None, None, 4), {}, "htype.fits"),
        ("audio", "int64", (None, None), {}, "htype.fits"),
        ("dicom", "float32", (None, None), {}, "htype.fits"),
        ("nifti", "bool", (None, None, None), {}, "htype.fits"),
        ("point_cloud", "float32", (None, 4), {}, "htype.fits"),
        ("mesh", "int32", (None, 3), {}, "htype.fits"),
        ("polygon", "float32", (None, None), {}, "htype.fits"),
        ("embedding", "int8", (None,), {}, "htype.fits"),
        ("embedding", "float32", (3, 4), {}, "htype.fits"),
        ("text", "int8", (None,), {}, "htype.fits"),
        ("json", "uint8", (None,), {"schema": {"type": "thing"}}, "htype.json.schema"),
    ],
)  # fmt: skip
def test_tensors_that_their_htype_does_not_allow(htype, dtype, shape, attributes, clause):
    refused("E_ARGUMENT", clause, tensor, htype, dtype, shape, **attributes)


def test_a_polygon_tensor_is_a_sequence():
    refused("E_ARGUMENT", "htype.sequence", tensor, "polygon", sequence=False)


BOXES = [[1, 2, 3, 4], [0, 0, 0, 0]]
POINTS = [[[1, 2, 0], [3, 4, 2]]]
SAMPLE = "E_SAMPLE_HTYPE"
CASES = [
    # htype, tensor options, a sample that is taken, one that is refused, code, clause
    ("image", {}, np.zeros((2, 3, 4), "u1"), np.zeros((2, 3, 5), "u1"), SAMPLE, "htype.image.channels"),
    ("image", {}, np.zeros((2, 3, 1), "u1"), np.zeros((2, 3), "u1"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("image", {}, np.zeros((2, 3, 1), "u1"), np.zeros((2, 3, 1), "u2") + 256, "E_SAMPLE_DTYPE", "dtype.convert"),
    ("image.rgb", {}, np.zeros((2, 3, 3), "u1"), np.zeros((2, 3, 4), "u1"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("image.gray", {}, np.zeros((2, 3), "u1"), np.zeros((2, 3, 1), "u1"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("class_label", {"class_names": ["a", "b"]}, 1, 2, SAMPLE, "htype.class_label.range"),
    ("class_label", {"class_names": ["a", "b"], "dtype": "int8"}, 0, -1, SAMPLE, "htype.class_label.range"),
    ("class_label", {"class_names": ["a", "b"]}, "b", "c", SAMPLE, "htype.class_label.text"),
    ("class_label", {"class_names": ["a"], "shape": (None,)}, ["a", 0], ["a", 1], SAMPLE, "htype.class_label.range"),
    ("class_label", {"dtype": "int16"}, -5, 1.5, "E_SAMPLE_DTYPE", "dtype.convert"),
    ("bbox", {}, BOXES, [1, 2, 3, 4], "E_SAMPLE_SHAPE", "sample.shape"),
    ("bbox", {}, BOXES, [[1, 2, 3]], "E_SAMPLE_SHAPE", "sample.shape"),
    ("bbox", {}, BOXES, [[1, 2, float("nan"), 4]], SAMPLE, "htype.bbox.finite"),
    ("bbox", {}, BOXES, [[1, 2, -3, 4]], SAMPLE, "htype.bbox.size"),
    ("bbox", {"coords": {"mode": "LTRB"}}, [[1, 2, 3, 4]], [[5, 2, 3, 4]], SAMPLE, "htype.bbox.size"),
    ("bbox", {"coords": {"mode": "CCWH"}}, [[1, 2, 3, 4]], [[1, 2, 3, -4]], SAMPLE, "htype.bbox.size"),
    ("bbox", {"coords": {"type": "fractional"}}, [[0, 0, 1, 0.5]], [[0, 0, 1.5, 0.5]], SAMPLE, "htype.bbox.fractional"),
    ("bbox.3d", {}, np.zeros((2, 9)), np.zeros((2, 8)), "E_SAMPLE_SHAPE", "sample.shape"),
    ("bbox.3d", {}, [[0, 0, 0, 1, 2, 3, 0, 0, 0]], [[0, 0, 0, 1, -2, 3, 0, 0, 0]], SAMPLE, "htype.bbox_3d.size"),
    ("bbox.3d", {}, np.zeros((1, 9)), np.full((1, 9), np.nan), SAMPLE, "htype.bbox_3d.finite"),
    ("bbox.3d", {"shape": (None, 8, 3)}, np.zeros((2, 8, 3)), np.zeros((2, 9)), "E_SAMPLE_SHAPE", "sample.shape"),
    ("intrinsics", {}, [np.eye(3)], [np.eye(4)], "E_SAMPLE_SHAPE", "sample.shape"),
    ("intrinsics", {}, [np.eye(3)], [np.eye(3) * np.inf], SAMPLE, "htype.intrinsics.finite"),
    ("instance_label", {}, [[1, 2]], [1, 2], "E_SAMPLE_SHAPE", "sample.shape"),
    ("instance_label", {}, [[1, 2]], [[-1, 2]], "E_SAMPLE_DTYPE", "dtype.convert"),
    ("keypoints_coco", {}, [[1], [2], [2]], [[1], [2]], "E_SAMPLE_SHAPE", "htype.keypoints_coco.axes"),
    ("keypoints_coco", {"keypoints": ["a"]}, [[1], [2], [0]], [[1], [2], [0]] * 2, "E_SAMPLE_SHAPE",
     "htype.keypoints_coco.axes"),
    ("keypoints_coco", {}, [[1], [2], [2]], [[1], [2], [3]], SAMPLE, "htype.keypoints_coco.visibility"),
    ("video", {}, np.zeros((2, 4, 5, 3), "u1"), np.zeros((2, 4, 5), "u1"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("audio", {"dtype": "int16"}, np.zeros((9, 2), "i2"), np.zeros(9, "i2"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("dicom", {"dtype": "int16"}, np.zeros((9, 2), "i2"), np.zeros(9, "i2"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("nifti", {"dtype": "int16"}, np.zeros((9, 2, 3), "i2"), np.zeros((9, 2), "i2"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("point_cloud", {"dtype": "float32"}, np.zeros((9, 3), "f4"), np.zeros((9, 2), "f4"), "E_SAMPLE_SHAPE",
     "sample.shape"),
    ("mesh", {"dtype": "float32"}, np.zeros((9, 3), "f4"), np.zeros((9, 3, 3), "f4"), "E_SAMPLE_SHAPE", "sample.shape"),
    ("binary_mask", {}, [[True, False]], [[2, 0]], "E_SAMPLE_DTYPE", "dtype.convert"),
    ("binary_mask", {}, np.zeros((2, 2), bool), np.zeros(2, bool), "E_SAMPLE_SHAPE", "sample.shape"),
    ("segment_mask", {"class_names": ["bg", "cat"]}, [[0, 1]], [[0, 2]], SAMPLE, "htype.segment_mask.range"),
    ("keypoints", {}, POINTS, [[[1, 2, 3]]], SAMPLE, "htype.keypoints.visibility"),
    ("keypoints", {}, POINTS, [[[1, float("inf"), 1]]], SAMPLE, "htype.keypoints.finite"),
    ("keypoints", {"keypoints": ["eye", "ear"]}, POINTS, [[[1, 2, 0]]], "E_SAMPLE_SHAPE", "htype.keypoints.axes"),
    ("point", {}, [[1, 2]], [[1, 2, 3]], "E_SAMPLE_SHAPE", "sample.shape"),
    ("point", {"shape": (None, 3)}, [[1, 2, 3]], [[1, 2, float("nan")]], SAMPLE, "htype.point.finite"),
    ("polygon", {}, [[[0, 0], [1, 0], [1, 1]], [[5, 5]]], [np.zeros((0, 2))], SAMPLE, "htype.polygon.points"),
    ("polygon", {}, [], [[[0, float("inf")]]], SAMPLE, "htype.polygon.finite"),
    ("polygon", {}, [[[0, 0]]], 5, "E_SAMPLE_SHAPE", "sample.shape"),
    ("embedding", {"shape": (3,)}, [0.1, 0.2, 0.3], [0.1, 0.2], "E_SAMPLE_SHAPE", "sample.shape"),
    ("text", {}, "h\u00e9 \U0001f600", b"\xff\xfe", SAMPLE, "htype.text.utf8"),
    ("text", {}, "", 5, SAMPLE, "htype.text.utf8"),
    ("text", {}, "a\0b", "\ud800", SAMPLE, "htype.text.utf8"),
    ("json", {}, {"a": [1, None, 2.5]}, {"a": float("nan")}, SAMPLE, "htype.json.value"),
    ("json", {}, None, {1, 2}, SAMPLE, "htype.json.value"),
    ("json", {"schema": {"type": "object", "required": ["a"]}}, {"a": 1}, {"b": 1}, SAMPLE, "htype.json.schema"),
    ("json", {"schema": {"$defs": {}, "items": {"$ref": "http://x.invalid/y"}}}, [], [1], SAMPLE, "htype.json.schema"),
    ("list", {}, [1, "a", None, {"b": []}], [object()], SAMPLE, "htype.list.value"),
    ("tag", {}, ["red", ""], ["red", 1], SAMPLE, "htype.tag.value"),
    ("tag", {}, [], "red", "E_SAMPLE_SHAPE", "sample.shape"),
]  # fmt: skip


@pytest.mark.parametrize(("htype", "options", "good", "bad", "code", "clause"), CASES)
def test_constraints_are_checked_when_a_sample_comes(htype, options, good, bad, code, clause):
    made = tensor(htype, **options)
    stored = htypes.encode_sample(made, good)
    htypes.check_sample(made, stored)
    for item in stored if isinstance(stored, list) else [stored]:
        assert item.dtype.name == made.dtype and item.flags.c_contiguous
    refused(code, clause, htypes.encode_sample, made, bad)


def test_values_come_back_as_python():
    for htype, value in [
        ("text", "h\u00e9llo \U0001f600\0"),
        ("text", ""),
        ("json", {"k": [1, 2.5, None, True, "\u00fc"], "": {}}),
        ("json", 0.1),
        ("json", 10**40),
        ("list", [1, "two", None, [3]]),
        ("list", []),
        ("tag", ["red", "", "gr\u00fcn"]),
    ]:
        made = tensor(htype)
        assert htypes.is_python(htype)
        assert htypes.decode_sample(htype, htypes.encode_sample(made, value)) == value
    value = {"n": np.int64(3), "a": np.array([[1.5, 2]])}
    assert htypes.decode_sample("json", htypes.encode_sample(tensor("json"), value)) == {"n": 3, "a": [[1.5, 2]]}
    array = np.zeros((1, 4), "f4")
    assert htypes.decode_sample("bbox", array) is array


@pytest.mark.parametrize(
    ("htype", "stored"),
    [("text", b"\xff"), ("tag", b"\xc3"), ("json", b"{"), ("json", b""), ("json", b"NaN"), ("json", b'{"a":1,"a":2}'),
     ("json", b"1e999"), ("json", b"\xef\xbb\xbf1"), ("json", b"[" * 600 + b"]" * 600), ("json", b"[" * 200000),
     ("list", b"[1,]")],
)  # fmt: skip
def test_stored_text_that_is_none_is_a_named_error(htype, stored):
    row = htypes.row_of(htype)
    with pytest.raises(LakebedError) as caught:
        row.present(np.frombuffer(stored, np.uint8))
    assert caught.value.code == "E_VALUE_TEXT"
    with pytest.raises(LakebedError) as caught:
        row.check(htype, {}, np.frombuffer(stored, np.uint8))
    assert caught.value.code == "E_SAMPLE_HTYPE"


def test_json_may_be_deep_but_not_deeper():
    made = tensor("json")
    value = 1
    for _ in range(512):
        value = [value]
    assert htypes.decode_sample("json", htypes.encode_sample(made, value)) == value
    refused(SAMPLE, "htype.json.value", htypes.encode_sample, made, [value])


def test_class_names_may_grow_through_the_caller():
    made = tensor("class_label", class_names=["a"])
    names = list(made.attributes["class_names"])

    def name_id(name):
        if name not in names:
            names.append(name)
        made.attributes["class_names"] = names
        return names.index(name)

    assert int(htypes.encode_sample(made, "z", name_id=name_id)) == 1
    assert htypes.encode_sample(tensor("class_label", shape=(None,)), [3, 4]).tolist() == [3, 4]
    assert names == ["a", "z"]


def test_sequences_keep_the_rules_for_every_item():
    made = tensor("sequence[bbox]")
    stored = htypes.encode_sample(made, [BOXES, np.zeros((0, 4))])
    assert [item.shape for item in stored] == [(2, 4), (0, 4)]
    refused(SAMPLE, "htype.bbox.size", htypes.encode_sample, made, [BOXES, [[0, 0, -1, 0]]])


@pytest.mark.parametrize(
    ("htype", "options", "good", "bad", "clause"),
    [
        ("class_label", {"class_names": list("abc")}, np.arange(3), np.arange(4), "htype.class_label.range"),
        ("class_label", {}, [5, 6], [5, -1], "dtype.convert"),
        ("bbox", {}, np.zeros((5, 2, 4), "f4"), -np.ones((5, 2, 4), "f4"), "htype.bbox.size"),
        ("keypoints", {"keypoints": ["a"]}, np.ones((4, 2, 1, 3), "f4"), np.ones((4, 2, 2, 3), "f4"),
         "htype.keypoints.axes"),
        ("keypoints", {}, np.ones((4, 2, 1, 3), "f4"), np.full((4, 2, 1, 3), 7, "f4"), "htype.keypoints.visibility"),
        ("point", {}, np.zeros((3, 2, 2), "f4"), np.full((3, 2, 2), np.nan, "f4"), "htype.point.finite"),
        ("image", {}, np.zeros((2, 4, 4, 3), "u1"), np.zeros((2, 4, 4, 9), "u1"), "htype.image.channels"),
        ("embedding", {"shape": (3,)}, np.zeros((9, 3), "f4"), np.zeros((9, 4), "f4"), "sample.shape"),
    ],
)  # fmt: skip
def test_many_samples_at_once_obey_the_same_rules(htype, options, good, bad, clause):
    made = tensor(htype, **options)
    stored = htypes.encode_many(made, good)
    assert stored.dtype.name == made.dtype and len(stored) == len(good)
    with pytest.raises(LakebedError) as caught:
        htypes.encode_many(made, bad)
    assert caught.value.clause == clause


def test_what_cannot_be_taken_at_once_is_left_to_one_by_one():
    assert htypes.encode_many(tensor("text"), np.zeros((2, 3), "u1")) is None
    assert htypes.encode_many(tensor("class_label", class_names=["a"]), ["a"]) is None
    assert htypes.encode_many(tensor("polygon"), np.zeros((2, 3, 2))) is None
    assert htypes.encode_many(tensor("bbox"), [BOXES, BOXES]) is None


def test_an_unknown_htype_is_read_as_generic():
    assert htypes.row_of("hologram").name == "generic"
    assert not htypes.is_python("hologram")
    stranger = SimpleNamespace(htype="hologram", dtype="int8", shape=(None,), sequence=False, attributes={})
    refused("E_ARGUMENT", "htype.unknown", htypes.encode_sample, stranger, [1])
    refused("E_ARGUMENT", "htype.unknown", htypes.encode_many, stranger, np.zeros((2, 3), "i1"))
