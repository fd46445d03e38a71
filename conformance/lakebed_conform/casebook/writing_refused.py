"""Writing scripts that must be refused, by the code of the rule they break; what is left must be valid or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import EDIT, numbered, start, u16, x_is

BRANCH = ("write.branch",)
REFUSED = ("write.refused",)


def refuses(
    id: str,
    code: str,
    clauses: tuple[str, ...],
    title: str,
    effect: str,
    steps: list[Any],
    given: Dataset | None = None,
    features: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> None:
    """Register one refused script."""

    @case(f"refused/{id}", *clauses, features=features)
    def _(b: Book) -> None:
        b.explain(title, effect)
        b.write_refused(steps, code, start=given, also=also)


def made(name: str = "x", dtype: str = "uint16", shape: tuple[int | None, ...] = (2,), **members: Any) -> list[Any]:
    return [s.create(), s.tensor(name, dtype=dtype, shape=list(shape), **members)]


# --- datasets, branches, tags

refuses(
    "create_exists",
    "E_DATASET_EXISTS",
    ("algo.create",),
    "Creating where a dataset is",
    "A dataset overwritten by a script that ran twice.",
    [*made(), s.append(x=u16(1, 2)), s.commit()],
    start(2),
)
refuses(
    "open_absent",
    "E_DATASET_ABSENT",
    ("tree.absent",),
    "Opening nothing for writing",
    "A typing error in a path makes an empty dataset that looks like success.",
    [s.open_()],
)
refuses(
    "open_branch_absent",
    "E_BRANCH_ABSENT",
    ("algo.open.2",),
    "Opening a branch that is not there",
    "Commits go to main instead.",
    [{"do": "open", "branch": "dev"}],
    start(2),
    BRANCH,
)
refuses(
    "head_damaged",
    "E_JSON_CRC",
    ("algo.newest.invalid", "algo.commit.base"),
    "The newest commit is damaged: nothing is written on the one before",
    "Falling back forks history and loses a commit without a word.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    (lambda d: (d.commit(), d.change("main/2", "crc32", "00000000"), d)[-1])(start(2)),
)
refuses(
    "requires_write",
    "E_REQUIRES_WRITE",
    ("commit.requires.write", "algo.commit.base"),
    "A feature that writers must know",
    "Statistics that an old writer does not update lie from then on.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    one(numbered(2), shape=[2]).change("main/1", "/requires/write", ["stats"]),
)
refuses(
    "requires_read",
    "E_REQUIRES_READ",
    ("commit.requires.read",),
    "A feature that readers must know",
    "A writer that cannot read what is there cannot keep it.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    one(numbered(2), shape=[2]).change("main/1", "/requires/read", ["bits"]),
    also=("E_REQUIRES_WRITE",),
)
refuses(
    "major_2",
    "E_VERSION",
    ("version.major",),
    "A commit of format 2.0",
    "Whoever writes 1.0 behind it hides data of the newer format.",
    [s.open_()],
    one(numbered(2), shape=[2]).change("main/1", "/lakebed", "2.0"),
)
refuses(
    "closed",
    "E_BRANCH_CLOSED",
    ("commit.closed.end", "algo.close"),
    "Writing on a closed branch",
    "A closed branch is a promise that nothing follows.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit()],
    (lambda d: (d.commit(closed=True), d)[-1])(start(2)),
    BRANCH,
)
refuses(
    "branch_exists",
    "E_BRANCH_EXISTS",
    ("algo.branch",),
    "A branch whose name is taken",
    "Two people's branches become one.",
    [s.open_(), s.simple("branch", branch="dev")],
    (lambda d: (d.commit("dev", parent=("main", 1), message="theirs"), d)[-1])(start(2)),
    BRANCH,
)
refuses(
    "tag_exists",
    "E_TAG_EXISTS",
    ("tag.fixed", "algo.tag"),
    "A tag whose name is taken",
    "A tag that moves is no name for a result any more.",
    [s.open_(), s.append(x=u16(1, 1)), s.commit(), s.simple("tag", name="v1")],
    (lambda d: (d.tag("v1"), d)[-1])(start(2)),
    BRANCH,
)
for _i, _name in enumerate(("Main", ".hidden", "a/b", "..", "x" * 65, "v1.", "", "d\u00e9v")):
    refuses(
        f"branch_name_{_i}",
        "E_NAME",
        ("tree.name",),
        f"A branch called {_name[:12]!r}",
        "A name becomes a key; a key becomes a path.",
        [s.open_(), s.simple("branch", branch=_name)],
        start(1),
        BRANCH,
    )
    refuses(
        f"tag_name_{_i}",
        "E_NAME",
        ("tree.name",),
        f"A tag called {_name[:12]!r}",
        "A name becomes a key; a key becomes a path.",
        [s.open_(), s.simple("tag", name=_name)],
        start(1),
        BRANCH,
    )

# --- tensors

for _i, _name in enumerate(
    ("", "a//b", "/a", "a/", "../x", ".x", "a b", "n\u00e4me", "a" * 65, "a\\b", "/".join(["ab"] * 90))
):
    refuses(
        f"tensor_name_{_i}",
        "E_NAME",
        ("tensor.name",),
        f"A tensor called {_name[:12]!r}",
        "Other programs cannot name the tensor, or make a path of it.",
        [*made(_name), s.commit()],
    )
refuses(
    "tensor_name_group",
    "E_NAME",
    ("tensor.name",),
    "Tensors a and a/b",
    "One name is a tensor and a group: exporters and file systems cannot have both.",
    [*made("a"), s.tensor("a/b", dtype="uint8", shape=[]), s.commit()],
)
refuses(
    "tensor_exists",
    "E_TENSOR_EXISTS",
    ("algo.edit.tensor_new",),
    "A tensor made twice",
    "The second would hide the first one's samples.",
    [*made(), s.tensor("x", dtype="uint8", shape=[])],
)
refuses(
    "rename_taken",
    "E_TENSOR_EXISTS",
    ("algo.edit.tensor_new",),
    "A tensor renamed to a name that is taken",
    "The other tensor is gone without having been deleted.",
    [*made(), s.tensor("y", dtype="uint8", shape=[]), s.simple("rename_tensor", name="x", to="y")],
    features=EDIT,
)
refuses(
    "delete_absent",
    "E_TENSOR_ABSENT",
    ("model.tensor",),
    "Deleting a tensor that is not there",
    "A typing error deletes nothing and says nothing.",
    [*made(), s.simple("delete_tensor", name="y")],
    features=EDIT,
)
refuses(
    "append_absent",
    "E_TENSOR_ABSENT",
    ("model.tensor",),
    "A row that names a tensor that is not there",
    "A misspelt column is lost for ever.",
    [*made(), s.append(y=u16(1, 2))],
)

CREATE: dict[str, tuple[dict[str, Any], str, tuple[str, ...], str]] = {
    "dtype_unknown": ({"dtype": "string"}, "E_DTYPE_UNSUPPORTED", ("dtype.table",), "A dtype that is none"),
    "rank_33": ({"shape": [1] * 33}, "E_ARGUMENT", ("model.rank", "tensor.create"), "Rank 33"),
    "shape_negative": ({"shape": [-1]}, "E_ARGUMENT", ("tensor.shape", "tensor.create"), "A negative axis"),
    "htype_unknown": ({"htype": "hologram"}, "E_ARGUMENT", ("htype.unknown", "tensor.create"), "An htype that is none"),
    "htype_dtype": (
        {"htype": "class_label", "dtype": "float32", "shape": []},
        "E_ARGUMENT",
        ("htype.fits",),
        "Class labels as floats",
    ),
    "htype_rank": (
        {"htype": "image", "dtype": "uint8", "shape": [None]},
        "E_ARGUMENT",
        ("htype.fits",),
        "Images of rank 1",
    ),
    "htype_axis": (
        {"htype": "bbox", "dtype": "float32", "shape": [None, 5]},
        "E_ARGUMENT",
        ("htype.fits",),
        "Boxes of 5 numbers",
    ),
    "mask_of_floats": (
        {"htype": "binary_mask", "dtype": "float32", "shape": [None, None]},
        "E_ARGUMENT",
        ("htype.fits",),
        "A binary mask of floats",
    ),
    "names_twice": (
        {"htype": "class_label", "dtype": "uint32", "shape": [], "attributes": {"class_names": ["a", "a"]}},
        "E_ARGUMENT",
        ("htype.class_label.names",),
        "Two classes of one name",
    ),
    "codec_unknown": ({"codecs": [[{"name": "brotli9"}]]}, "E_ARGUMENT", ("codec.registry",), "A codec that is none"),
    "codec_order": (
        {"codecs": [[{"name": "lz4"}, {"name": "shuffle", "size": 2}]]},
        "E_ARGUMENT",
        ("codec.chain",),
        "A filter behind a byte codec",
    ),
    "codec_two": (
        {"codecs": [[{"name": "lz4"}, {"name": "deflate"}]]},
        "E_ARGUMENT",
        ("codec.chain",),
        "Two byte codecs",
    ),
    "codec_param": (
        {"codecs": [[{"name": "lz4", "level": 99}]]},
        "E_ARGUMENT",
        ("codec.params",),
        "A level out of range",
    ),
    "codec_param_type": (
        {"codecs": [[{"name": "lz4", "level": "fast"}]]},
        "E_ARGUMENT",
        ("codec.params",),
        "A level that is a string",
    ),
    "png_floats": (
        {"dtype": "float32", "shape": [None, None], "codecs": [[{"name": "png"}]]},
        "E_ARGUMENT",
        ("codec.takes",),
        "PNG of floats",
    ),
    "jpeg_rank_4": (
        {"dtype": "uint8", "shape": [2, 2, 2, 3], "codecs": [[{"name": "jpeg"}]]},
        "E_ARGUMENT",
        ("codec.takes",),
        "JPEG of rank 4",
    ),
    "png_five_channels": (
        {"dtype": "uint8", "shape": [None, None, 5], "codecs": [[{"name": "png"}]]},
        "E_ARGUMENT",
        ("codec.takes",),
        "PNG of five channels",
    ),
    "tile_rank": ({"tile": [2, 2]}, "E_ARGUMENT", ("write.tile_advice", "tensor.create"), "Two tile axes for rank 1"),
    "tile_zero": ({"tile": [0]}, "E_ARGUMENT", ("write.tile_advice", "tensor.create"), "A tile of no width"),
    "fidelity_word": ({"fidelity": "good"}, "E_ARGUMENT", ("fidelity.form",), "A fidelity that is none"),
    "fidelity_zero": (
        {"dtype": "float32", "fidelity": {"max_abs_error": 0}},
        "E_ARGUMENT",
        ("fidelity.form",),
        "A bound of 0",
    ),
    "fidelity_two": (
        {"dtype": "float32", "fidelity": {"max_abs_error": 1, "max_rel_error": 0.1}},
        "E_ARGUMENT",
        ("fidelity.form",),
        "Two bounds",
    ),
    "fidelity_bool": (
        {"dtype": "bool", "fidelity": {"max_abs_error": 0.5}},
        "E_ARGUMENT",
        ("fidelity.max_abs_error",),
        "A bound on booleans",
    ),
    "psnr_float": (
        {"dtype": "float32", "fidelity": {"psnr_db": 40}},
        "E_ARGUMENT",
        ("fidelity.psnr_db",),
        "PSNR of floats",
    ),
}
for _id, (_members, _code, _clauses, _title) in CREATE.items():
    _how = {"dtype": "uint16", "shape": [2]} | _members
    refuses(
        f"create_{_id}",
        _code,
        _clauses,
        _title,
        "Accepted now, it fails at the first sample, or at the last.",
        [s.create(), s.tensor("x", **_how), s.commit()],
        features=tuple(f"codec.{n}" for n in ("png", "jpeg", "lz4") if f"'{n}'" in str(_members)),
    )

# --- rows

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
    "E_ARGUMENT",
    ("algo.append",),
    "Columns of different lengths",
    "Rows would pair values that do not belong together.",
    [*made(), s.tensor("y", dtype="uint16", shape=[2]), s.extend(x=numbered(2), y=numbered(3))],
    also=("E_LENGTH",),
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


# --- and everything stays as it was


@case("refused/atomic_row", "sample.atomic", features=REFUSED)
def _(b: Book) -> None:
    """A row of which one value is refused leaves every tensor as it was

    Half a row shifts one tensor against the other for ever.
    """
    bad = s.append(x=u16(9, 9), y=u16(9, 9, 9))
    script = [
        *made(),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.append(x=u16(1, 1), y=u16(1, 1)),
        s.refused("E_SAMPLE_SHAPE", bad),
        s.append(x=u16(2, 2), y=u16(2, 2)),
        s.commit(),
    ]
    one_ = {"values": [u16(1, 1), u16(2, 2)], "dtype": "uint16"}
    b.writes(script, {"length": 2, "tensors": {"x": one_, "y": one_}})


@case("refused/atomic_batch", "sample.atomic", features=REFUSED)
def _(b: Book) -> None:
    """A batch whose last value is refused is refused whole

    Whoever repeats the batch after repairing it must not store its beginning twice.
    """
    bad = s.extend(x=[u16(8, 8), u16(9, 9), u16(1, 2, 3)])
    script = [*made(), s.extend(x=numbered(2)), s.refused("E_SAMPLE_SHAPE", bad), s.extend(x=numbered(1)), s.commit()]
    b.writes(script, x_is([*numbered(2), *numbered(1)]))


@case("refused/atomic_update", "sample.atomic", "algo.edit.update", features=(*REFUSED, *EDIT))
def _(b: Book) -> None:
    """A refused update changes nothing

    The row is not half replaced and not missing.
    """
    bad = s.update(1, x=np.array([1.5, 2], "<f4"))
    b.writes(
        [s.open_(), s.refused("E_SAMPLE_DTYPE", bad), s.append(x=u16(7, 7)), s.commit()],
        x_is([*numbered(3), u16(7, 7)]),
        start=start(3),
    )


@case("refused/atomic_insert", "sample.atomic", "algo.edit.insert", features=(*REFUSED, *EDIT))
def _(b: Book) -> None:
    """A refused insert moves nothing

    A place is made for the value only when it fits.
    """
    bad = s.insert(1, x=u16(1, 2, 3))
    script = [s.open_(), s.refused("E_SAMPLE_SHAPE", bad), s.append(x=u16(7, 7)), s.commit()]
    b.writes(script, x_is([*numbered(3), u16(7, 7)]), start=start(3))


@case("refused/atomic_tensor", "tensor.create", features=REFUSED)
def _(b: Book) -> None:
    """A refused tensor is not there

    Its name stays free for the right one.
    """
    bad = s.tensor("y", dtype="uint16", shape=[2], tile=[1, 1])
    script = [
        *made(),
        s.refused("E_ARGUMENT", bad),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.append(x=u16(1, 1), y=u16(2, 2)),
        s.commit(),
    ]
    tensors = {n: {"values": [u16(v, v)], "dtype": "uint16"} for n, v in (("x", 1), ("y", 2))}
    b.writes(script, {"length": 1, "tensors": tensors})


@case("refused/atomic_first_value", "sample.atomic", features=(*REFUSED, "codec.png"))
def _(b: Book) -> None:
    """A refused file among rows of arrays

    The rows around it stay together.
    """
    bad = s.append(x=u16(5, 5), y=b"\x89PNG\r\n\x1a\n" + bytes(20))
    script = [
        *made(),
        s.tensor("y", dtype="uint8", shape=[None, None], codecs=[[{"name": "png"}]]),
        s.append(x=u16(1, 1), y=None),
        s.refused("E_SAMPLE_FILE", bad),
        s.append(x=u16(2, 2), y=None),
        s.commit(),
    ]
    tensors = {
        "x": {"values": [u16(1, 1), u16(2, 2)], "dtype": "uint16"},
        "y": {"values": [None, None], "dtype": "uint8"},
    }
    b.writes(script, {"length": 2, "tensors": tensors})
