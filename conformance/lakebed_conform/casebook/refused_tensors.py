"""Tensors that must not be made: names, dtypes, shapes, codecs and promises that do not fit."""

from __future__ import annotations

from typing import Any

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.writing_refused import made, refuses
from lakebed_conform.casebook.writing_rows import EDIT, u16

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
