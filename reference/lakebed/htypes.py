"""Floor 1. htypes: what a tensor's values mean, how they lie in bytes, and which of them are refused [htype].

One row each: dtypes and ranks allowed, defaults, whether the values must stay exact, required attributes, the way
from a caller's value to arrays and back, and the constraints checked when a sample is appended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .constraints import (
    BBOX,
    as_json,
    as_text,
    check_bbox,
    check_bbox_3d,
    check_channels,
    check_class,
    check_finite,
    check_json,
    check_keypoints,
    check_keypoints_coco,
    check_polygon,
    check_text,
    clause,
    json_bytes,
    refuse,
    schemas,
    text_bytes,
)
from .dtypes import DTYPES, dtype, to_array
from .errors import LakebedError, error
from .links import as_link, check_link, link_bytes

Shape = tuple[int | None, ...]
Value = np.ndarray | list[np.ndarray]
_NESTED = (list, tuple, np.ndarray)
_INTS = tuple(name for name, row in DTYPES.items() if row.kind in ("int", "uint"))
_FLOATS = tuple(name for name, row in DTYPES.items() if row.kind == "float")
_NUMBERS = tuple(name for name, row in DTYPES.items() if row.kind in ("int", "uint", "float"))
MEDIA = ("picture", "audio", "video", "dicom", "nifti", "points", "mesh")
"""What media codecs stand for, one of these each."""
SPACE = {"mode": ("center", "vertex")}
COORDS = {"type": ("pixel", "fractional"), "mode": ("LTRB", "LTWH", "CCWH")}


class TensorLike(Protocol):
    """What a tensor must tell; ``attributes`` as stored, JSON values."""

    htype: str
    dtype: str
    shape: Shape
    sequence: bool

    @property
    def attributes(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class HType:
    """One row. ``check(htype, attributes, item)`` raises for an item that breaks a rule of the htype.

    ``convert`` turns a caller's value for one item into an array; ``present`` turns a stored item into what users
    hold. ``shapes`` are an item's (none: any), the default first; ``media`` are the kinds of files it takes.
    ``shape_only``: the check looks at the item's shape and nothing else. ``exact``: no lossy codec, ever
    [htype.lossless].
    """

    name: str
    about: str
    dtypes: tuple[str, ...]
    dtype: str | None
    shapes: tuple[Shape, ...]
    exact: bool = False
    sequence: bool = False
    attributes: tuple[str, ...] = ()
    frame: Callable[[str, Shape], str | None] | None = None
    check: Callable[[str, Mapping[str, Any], np.ndarray], None] | None = None
    convert: Callable[[Any, str], np.ndarray] | None = None
    present: Callable[[np.ndarray], Any] | None = None
    shape_only: bool = False
    media: tuple[str, ...] = ("picture",)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape | None:
        """Of an item when nobody says; None: that of the first sample."""
        return self.shapes[0] if self.shapes else None

    def fits(self, shape: Shape) -> bool:
        """Is ``shape`` one of the row's, perhaps with free axes fixed?"""
        return not self.shapes or any(
            len(own) == len(shape) and all(a is None or a == b for a, b in zip(own, shape, strict=True))
            for own in self.shapes
        )


# --- rules about a tensor's shape, judged when it is created ----------------------------------------------------------


def _image(name: str, shape: Shape) -> str | None:
    wrong = len(shape) == 3 and shape[2] is not None and not 1 <= shape[2] <= 4
    return "a picture has 1 to 4 channels" if wrong else None


_TEXT: dict[str, Any] = {"exact": True, "dtypes": ("uint8",), "dtype": "uint8", "shapes": ((None,),), "media": ()}
# One row per clause: [htype.generic] [htype.image] [htype.image_rgb] [htype.image_gray] [htype.class_label]
# [htype.bbox] [htype.binary_mask] [htype.segment_mask] [htype.keypoints] [htype.point] [htype.polygon]
# [htype.embedding] [htype.text] [htype.json] [htype.list] [htype.tag]. Axes: [htype.image_rgb.channels]
# [htype.image_gray.channels] [htype.binary_mask.rank] [htype.segment_mask.rank] [htype.point.axes]
# [htype.polygon.axes] [htype.embedding.rank]; dtype and shape given when none is asked: [htype.default].
_ROWS = (
    HType("generic", "anything", tuple(DTYPES), "float64", (), media=MEDIA),
    HType(
        "image",
        "a picture: height, width, channels",
        ("uint8", "uint16"),
        "uint8",
        ((None, None, None), (None, None)),
        frame=_image,
        check=check_channels,
        shape_only=True,
    ),
    HType("image.rgb", "a picture of three channels", ("uint8", "uint16"), "uint8", ((None, None, 3),)),
    HType("image.gray", "a picture of one channel", ("uint8", "uint16"), "uint8", ((None, None), (None, None, 1))),
    HType(
        "class_label",
        "ids of named classes",
        _INTS,
        "uint32",
        ((), (None,)),
        True,
        attributes=("class_names",),
        check=check_class,
    ),
    HType(
        "bbox",
        "boxes: one row of four numbers each",
        _NUMBERS,
        "float32",
        ((None, 4),),
        True,
        attributes=("coords",),
        check=check_bbox,
        defaults={"coords": BBOX},
    ),
    HType("binary_mask", "a mask, or one per object", ("bool",), "bool", ((None, None), (None, None, None)), True),
    HType(
        "segment_mask",
        "a class id for every pixel",
        ("uint8", "uint16", "uint32", "uint64"),
        "uint32",
        ((None, None), (None, None, None)),
        True,
        attributes=("class_names",),
        check=check_class,
    ),
    HType(
        "keypoints",
        "named points of every object: x, y, visibility",
        ("float32", "int32"),
        "float32",
        ((None, None, 3),),
        True,
        attributes=("keypoints", "connections"),
        check=check_keypoints,
    ),
    HType(
        "point",
        "points in two or three dimensions",
        _NUMBERS,
        "float32",
        ((None, 2), (None, 3)),
        True,
        check=check_finite,
    ),
    HType(
        "polygon",
        "a list of polygons, each a row per point",
        _NUMBERS,
        "float32",
        ((None, 2), (None, 3)),
        True,
        True,
        check=check_polygon,
    ),
    HType("embedding", "a vector", _FLOATS, "float32", ((None,),)),
    HType("text", "a string, UTF-8", check=check_text, convert=text_bytes, present=as_text, **_TEXT),
    HType(
        "json",
        "a JSON value, UTF-8",
        attributes=("schema",),
        check=check_json,
        convert=json_bytes,
        present=as_json,
        **_TEXT,
    ),
    HType(
        "list", "a list of JSON values", sequence=True, check=check_json, convert=json_bytes, present=as_json, **_TEXT
    ),
    HType("tag", "a list of strings", sequence=True, check=check_text, convert=text_bytes, present=as_text, **_TEXT),
)
# [htype.bbox_3d] [htype.intrinsics] [htype.instance_label] [htype.keypoints_coco] [htype.video] [htype.audio]
# [htype.dicom] [htype.nifti] [htype.point_cloud] [htype.mesh]; names: [htype.keypoints_coco.names]. Axes:
# [htype.bbox_3d.axes] [htype.intrinsics.axes] [htype.audio.axes] [htype.video.axes] [htype.dicom.axes]
# [htype.nifti.axes] [htype.point_cloud.axes] [htype.mesh.axes]; finite numbers: [htype.intrinsics.finite].
_AXIS = (None,)
_SPATIAL = (
    HType(
        "bbox.3d",
        "boxes in space: centre, size and three angles, or eight corners",
        _NUMBERS,
        "float32",
        ((None, 9), (None, 8, 3)),
        True,
        attributes=("coords",),
        check=check_bbox_3d,
    ),
    HType("intrinsics", "camera matrices", _NUMBERS, "float32", ((None, 3, 3),), True, check=check_finite),
    HType(
        "instance_label", "a number for every object or pixel", _INTS, "uint32", (2 * _AXIS, 3 * _AXIS, _AXIS), True
    ),
    HType(
        "keypoints_coco",
        "points as in COCO: rows x, y, visibility of each, a column for each object",
        ("int32", "float32", "int16", "int64", "float64"),
        "int32",
        (2 * _AXIS,),
        True,
        attributes=("keypoints", "connections"),
        check=check_keypoints_coco,
    ),
)
_SOUND = ("int16", "int32", "uint8", "float32", "float64")
_VOXELS = tuple(name for name, row in DTYPES.items() if row.extra is None and name != "bool" and name != "float16")
_FILES = (
    HType("video", "frames, height, width, RGB", ("uint8",), "uint8", ((None, None, None, 3),), media=("video",)),
    HType("audio", "samples, channels", _SOUND, None, (2 * _AXIS,), media=("audio",)),
    HType(
        "dicom",
        "a medical image, or frames of it, with its tags",
        ("uint8", "int8", "uint16", "int16", "uint32", "int32"),
        None,
        (2 * _AXIS, 3 * _AXIS, 4 * _AXIS),
        media=("dicom",),
    ),
    HType("nifti", "a volume, or volumes over time", _VOXELS, None, (3 * _AXIS, 4 * _AXIS), media=("nifti",)),
    HType("point_cloud", "points in space", ("float32", "float64"), None, ((None, 3),), media=("points", "mesh")),
    HType("mesh", "vertices, or triangles", ("float32", "float64"), None, ((None, 3), (None, 3, 3)), media=("mesh",)),
)
_LINKED = (
    "image", "image.rgb", "image.gray", "segment_mask", "binary_mask", "video", "audio", "dicom", "nifti",
    "point_cloud", "mesh",
)  # fmt: skip
_LINKS = tuple(
    HType(f"link[{name}]", f"the address of {name}", check=check_link, convert=link_bytes, present=as_link, **_TEXT)
    for name in _LINKED
)
HTYPES: dict[str, HType] = {row.name: row for row in (*_ROWS, *_SPATIAL, *_FILES, *_LINKS)}


def parse(name: str) -> tuple[str, bool]:
    """(htype, sequence) of ``"bbox"`` or ``"sequence[bbox]"``; unknown names are E_ARGUMENT [htype.unknown].

    Polygon, list and tag are sequences by themselves; a sequence of sequences does not exist.
    ``"link[sequence[h]]"`` is ``"sequence[link[h]]"`` [htype.link.sequence].
    """
    if not isinstance(name, str):
        raise error("E_ARGUMENT", "htype.unknown", f"an htype is a name, not {name!r}")
    if name.startswith("link[sequence[") and name.endswith("]]"):
        name = f"sequence[link[{name[14:-2]}]]"
    inner, sequence = name, False
    if name.startswith("sequence[") and name.endswith("]"):
        inner, sequence = name[9:-1], True
    row = HTYPES.get(inner or "generic")
    if row is None:
        raise error("E_ARGUMENT", "htype.unknown", f"{name!r} is no htype; there are {', '.join(HTYPES)}")
    if sequence and row.sequence:
        raise error("E_ARGUMENT", "htype.sequence", f"{inner} is a sequence already")
    return row.name, sequence or row.sequence


def _known(tensor: TensorLike) -> HType:
    """The row for a writer, who adds nothing to a tensor whose htype is not known [htype.unknown]."""
    if tensor.htype not in HTYPES:
        raise error("E_ARGUMENT", "htype.unknown", f"htype {tensor.htype!r} is not known here; samples cannot be added")
    return HTYPES[tensor.htype]


def is_python(name: str) -> bool:
    """Do users hold something else than arrays: text, json, list, tag?"""
    return row_of(name).present is not None


def row_of(name: str) -> HType:
    """The row of a stored htype; one this reader does not know is read as generic [htype.unknown]."""
    return HTYPES.get(name, HTYPES["generic"])


def check_tensor(
    htype: str, dtype_name: str, shape: Shape, sequence: bool, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """Refuse a tensor that its htype does not allow; returns the attributes with the htype's defaults filled in.

    [htype.fits], [htype.attributes], [htype.class_label.names], [htype.bbox.coords], [htype.keypoints.names].
    """
    row = HTYPES[parse(htype)[0]]
    name = row.name
    if dtype(dtype_name).name not in row.dtypes:
        raise error("E_ARGUMENT", "htype.fits", f"{name}: dtype {dtype_name} is none of {', '.join(row.dtypes)}")
    if not row.fits(shape):
        detail = f"{name}: shape {_axes(shape)} where it has {' or '.join(map(_axes, row.shapes))}"
        raise error("E_ARGUMENT", "htype.fits", detail)
    reason = None if row.frame is None else row.frame(name, shape)
    if reason is not None:
        raise error("E_ARGUMENT", "htype.fits", f"{name}: shape {list(shape)}: {reason}")
    if row.sequence and not sequence:
        raise error("E_ARGUMENT", "htype.sequence", f"{name}: its tensors are sequences")
    filled = {**row.defaults, **attributes}
    for key in row.attributes:
        if filled.get(key) is not None:
            filled[key] = _ATTRIBUTES[key](name, filled[key], filled)
    return filled


def check_stored(
    htype: str, dtype_name: str, shape: Shape, sequence: bool, attributes: Mapping[str, Any]
) -> None:
    """The same of a tensor that a document describes, whose htype and dtype are known. Errors: E_TENSOR_FIELD."""
    for member in HTYPES[htype].attributes:
        if attributes.get(member, "") is None:
            rule = member if member in ("coords", "schema") else "names"
            raise error("E_TENSOR_FIELD", clause(htype, rule), f"{member} is null; leave it out")
    try:
        check_tensor(htype, dtype_name, shape, sequence, attributes)
    except LakebedError as cause:
        raise error("E_TENSOR_FIELD", cause.clause, cause.detail) from cause


def _axes(shape: Shape) -> str:
    return str(tuple("any" if axis is None else axis for axis in shape)).replace("'", "")


def _tensor(htype: str, rule: str, detail: str) -> LakebedError:
    return error("E_ARGUMENT", clause(htype, rule), f"{htype}: {detail}")


def _names(htype: str, value: Any, attributes: Mapping[str, Any]) -> list[str]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise _tensor(htype, "names", f"names are a list of strings, not {value!r}")
    if len(set(value)) != len(value):
        raise _tensor(htype, "names", "a name stands twice in the list")
    return list(value)


def _coords(htype: str, value: Any, attributes: Mapping[str, Any]) -> dict[str, str]:
    known: Mapping[str, tuple[str, ...]] = SPACE if htype == "bbox.3d" else COORDS
    if not isinstance(value, Mapping) or not set(value) <= set(known):
        raise _tensor(htype, "coords", f"coords has the members {' and '.join(known)}, not {value!r}")
    full = {**({} if htype == "bbox.3d" else BBOX), **value}
    for key, allowed in known.items():
        if key in full and full[key] not in allowed:
            raise _tensor(htype, "coords", f"coords {key} is one of {', '.join(allowed)}, not {full[key]!r}")
    return full


def _connections(htype: str, value: Any, attributes: Mapping[str, Any]) -> list[list[int]]:
    known = len(attributes.get("keypoints") or ()) or None
    pairs = []
    for pair in value if isinstance(value, (list, tuple)) else [None]:
        numbers = list(pair) if isinstance(pair, (list, tuple)) else []
        if len(numbers) != 2 or any(type(n) is not int or not 0 <= n < (known or n + 1) for n in numbers):
            raise _tensor(htype, "names", f"connections are pairs of keypoint numbers, not {pair!r}")
        pairs.append(numbers)
    return pairs


def _schema(htype: str, value: Any, attributes: Mapping[str, Any]) -> Any:
    try:
        schemas().Draft202012Validator.check_schema(value)
        json.dumps(value, allow_nan=False)
    except (schemas().SchemaError, TypeError, ValueError) as problem:
        raise _tensor(htype, "schema", f"the schema is no JSON Schema: {problem}") from problem
    return value


_ATTRIBUTES: dict[str, Callable[[str, Any, Mapping[str, Any]], Any]] = {
    "class_names": _names,
    "keypoints": _names,
    "coords": _coords,
    "connections": _connections,
    "schema": _schema,
}


# --- samples ----------------------------------------------------------------------------------------------------------


def encode_sample(tensor: TensorLike, value: Any, *, name_id: Callable[[str], int] | None = None) -> Value:
    """A caller's value as the array that is stored, or the list of them in a sequence tensor [htype.known].

    ``name_id`` gives the id of a class name and may extend the list [htype.class_label.extend]; without it unknown
    names are refused.
    """
    row = _known(tensor)
    if not tensor.sequence:
        return _item(row, tensor, value, name_id)
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise error("E_SAMPLE_SHAPE", "sample.shape", f"a sequence takes a list, not {type(value).__name__}")
    return [_item(row, tensor, item, name_id) for item in value]


def _item(row: HType, tensor: TensorLike, value: Any, name_id: Callable[[str], int] | None) -> np.ndarray:
    if row.convert is not None:
        value = row.convert(value, row.name)
    elif "class_names" in row.attributes and _has_names(value):
        value = _ids(row.name, tensor.attributes, value, name_id)
    if isinstance(value, (list, tuple)) and not value and tensor.shape and not tensor.shape[0]:
        value = np.zeros([axis or 0 for axis in tensor.shape], dtype(tensor.dtype).numpy)  # "no boxes" is written []
    array = to_array(value, dtype(tensor.dtype), what=f"a sample of {row.name}")
    check_shape(tensor.shape, array.shape)
    if row.check is not None:
        row.check(row.name, tensor.attributes, array)
    return array


def check_shape(tensor: Shape, sample: tuple[int, ...]) -> None:
    """Rank and fixed axes; else E_SAMPLE_SHAPE [sample.shape]."""
    if len(sample) != len(tensor) or any(a is not None and a != b for a, b in zip(tensor, sample, strict=True)):
        wanted = ", ".join("any" if axis is None else str(axis) for axis in tensor)
        raise error("E_SAMPLE_SHAPE", "sample.shape", f"a sample of shape {sample} where ({wanted}) is due")


def _has_names(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "U" or (value.dtype.kind == "O" and any(isinstance(v, str) for v in value.flat))
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and any(isinstance(v, str) for v in value))


def _ids(htype: str, attributes: Mapping[str, Any], value: Any, name_id: Callable[[str], int] | None) -> Any:
    """Class names as ids; numbers among them stay."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_ids(htype, attributes, each, name_id) for each in value]
    if not isinstance(value, str):
        return value
    if name_id is not None:
        return name_id(str(value))
    names = list(attributes.get("class_names") or ())
    if value not in names:
        raise refuse(htype, "text", f"{value!r} is none of the {len(names)} class names")
    return names.index(value)


def check_first_name(tensor: TensorLike, values: Iterable[Any], stored: bool) -> None:
    """Refuse a name where values without names are ``stored``, or come before it among the samples ``values``.

    It would become the name of value 0, and leave the others without [htype.class_label.extend].
    """
    for value in values:
        if _names_within(value):
            if not stored:
                return
            detail = "values without names are stored; name them first: set_attributes(tensor, class_names=[...])"
            raise refuse(tensor.htype, "text", f"{detail}, or class_names at creation")
        stored = stored or value is not None


def _names_within(value: Any) -> bool:
    """The same as :func:`_has_names` for lists of lists."""
    return _has_names(value) or (
        isinstance(value, (list, tuple)) and any(_names_within(each) for each in value if isinstance(each, _NESTED))
    )


def check_sample(tensor: TensorLike, sample: Value) -> None:
    """Every rule again for arrays that did not come through :func:`encode_sample` (decoded files, sub-regions)."""
    row = _known(tensor)
    for item in sample if isinstance(sample, list) else [sample]:
        check_shape(tensor.shape, item.shape)
        if row.check is not None:
            row.check(row.name, tensor.attributes, item)


def encode_many(tensor: TensorLike, values: Any) -> np.ndarray | None:
    """Many samples at once: one array (n, ...) of the tensor's dtype, checked in one go.

    For numpy arrays (and lists of plain numbers for rank 0) of non-sequence tensors; None when the samples must be
    taken one by one.
    """
    row = _known(tensor)
    if tensor.sequence or row.convert is not None:
        return None
    if not isinstance(values, np.ndarray):
        numbers = isinstance(values, (list, tuple)) and set(map(type, values)) <= {int, float, bool}
        if tensor.shape or not numbers:
            return None
    elif values.dtype.kind in "OUST" or values.ndim == 0:
        return None
    array = to_array(values, dtype(tensor.dtype), what=f"samples of {row.name}")
    check_shape(tensor.shape, array.shape[1:])
    check_many(tensor, array)
    return array


def check_many(tensor: TensorLike, array: np.ndarray) -> None:
    """Every rule of the htype for samples stacked on the first axis."""
    row = row_of(tensor.htype)
    if row.check is None:
        return
    if row.present is not None:
        for item in array:
            row.check(row.name, tensor.attributes, item)
    elif len(array):
        row.check(row.name, tensor.attributes, array[0] if row.shape_only else array)


def decode_sample(htype: str, sample: Value) -> Any:
    """What a user holds: str for text, the value for json, lists of them for list and tag, else the arrays."""
    row = row_of(htype)
    if row.present is None or sample is None:  # a missing sample stays None [model.missing]
        return sample
    return [row.present(item) for item in sample] if isinstance(sample, list) else row.present(sample)
