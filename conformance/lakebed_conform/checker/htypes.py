"""Chapter 8: does a tensor fit its htype, and do its stored values keep the htype's rules?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from lakebed_conform.checker.codecs import ITEMSIZE
from lakebed_conform.checker.commit import Tensor
from lakebed_conform.checker.finding import need
from lakebed_conform.checker.reader import Item, Samples

INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
UNSIGNED = frozenset(d for d in INTEGERS if d.startswith("u"))
FLOATS = frozenset({"float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"})
BYTE = frozenset({"uint8"})
_2D, _3D = (None, None), (None, None, None)
#: dtypes, item shapes (None: free), sequence ("either" or "always"; the text names no htype that may not be one)
ROWS: dict[str, tuple[frozenset[str], tuple[tuple[int | None, ...], ...], str]] = {
    "image": (frozenset({"uint8", "uint16"}), (_3D, _2D), "either"),
    "image.rgb": (frozenset({"uint8", "uint16"}), ((None, None, 3),), "either"),
    "image.gray": (frozenset({"uint8", "uint16"}), (_2D, (None, None, 1)), "either"),
    "class_label": (INTEGERS, ((), (None,)), "either"),
    "bbox": (INTEGERS | FLOATS, ((None, 4),), "either"),
    "binary_mask": (frozenset({"bool"}), (_2D, _3D), "either"),
    "segment_mask": (UNSIGNED, (_2D, _3D), "either"),
    "keypoints": (frozenset({"float32", "int32"}), ((None, None, 3),), "either"),
    "point": (INTEGERS | FLOATS, ((None, 2), (None, 3)), "either"),
    "polygon": (INTEGERS | FLOATS, ((None, 2), (None, 3)), "always"),
    "embedding": (FLOATS, ((None,),), "either"),
    "bbox.3d": (INTEGERS | FLOATS, ((None, 9), (None, 8, 3)), "either"),
    "intrinsics": (INTEGERS | FLOATS, ((None, 3, 3),), "either"),
    "instance_label": (INTEGERS, (_2D, _3D, (None,)), "either"),
    "keypoints_coco": (frozenset({"int16", "int32", "int64", "float32", "float64"}), (_2D,), "either"),
    "video": (BYTE, ((None, None, None, 3),), "either"),
    "audio": (frozenset({"int16", "int32", "uint8", "float32", "float64"}), (_2D,), "either"),
    "dicom": (INTEGERS - {"int64", "uint64"}, (_2D, _3D, (None,) * 4), "either"),
    "nifti": (INTEGERS | {"float32", "float64", "complex64", "complex128"}, (_3D, (None,) * 4), "either"),
    "point_cloud": (frozenset({"float32", "float64"}), ((None, 3),), "either"),
    "mesh": (frozenset({"float32", "float64"}), ((None, 3), (None, 3, 3)), "either"),
    "text": (BYTE, ((None,),), "either"),
    "json": (BYTE, ((None,),), "either"),
    "list": (BYTE, ((None,),), "always"),
    "tag": (BYTE, ((None,),), "always"),
}
LINKED = ("image", "image.rgb", "image.gray", "segment_mask", "binary_mask", "video", "audio", "dicom", "nifti",
          "point_cloud", "mesh")  # fmt: skip
ROWS |= {f"link[{htype}]": (BYTE, ((None,),), "either") for htype in LINKED}
#: htypes whose samples are always exact
LABELS = frozenset(ROWS) - {"image", "image.rgb", "image.gray", "embedding", "video", "audio", "dicom", "nifti",
                            "point_cloud", "mesh"}  # fmt: skip
FIELD = "E_TENSOR_FIELD"


def fits(tensor: Tensor) -> bool:
    """dtype, shape, sequence and attributes against the row of a known htype [htype.fits, htype.attributes].

    True when they fit: the values of a tensor that does not are not judged.
    """
    if tensor.htype not in ROWS:
        return True
    dtypes, shapes, sequence = ROWS[tensor.htype]
    said = f"{tensor.name}: htype {tensor.htype}"
    need(tensor.dtype in dtypes or tensor.dtype not in ITEMSIZE, FIELD, "htype.fits", f"{said}, dtype {tensor.dtype}")
    good = any(_shape_fits(tensor.shape, row) for row in shapes)
    need(good, FIELD, "htype.fits", f"{said}, shape {list(tensor.shape)}")
    good = tensor.sequence or sequence == "either"
    need(good, FIELD, "htype.sequence", f"{said}, sequence {tensor.sequence}")
    if tensor.htype in _ATTRIBUTES:
        _ATTRIBUTES[tensor.htype](tensor, tensor.attributes)
    return True


def _shape_fits(shape: tuple[int | None, ...], row: tuple[int | None, ...]) -> bool:
    return len(shape) == len(row) and all(r is None or s == r for s, r in zip(shape, row, strict=True))


def _distinct_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value) and len(set(value)) == len(value)


def _class_names(t: Tensor, a: dict[str, Any]) -> None:
    clause = f"htype.{t.htype}.names"
    need(_distinct_strings(a.get("class_names", [])), FIELD, clause, f"{t.name}: class_names are no distinct strings")


def _coords(t: Tensor, a: dict[str, Any]) -> None:
    coords = a.get("coords", {})
    good = isinstance(coords, dict) and set(coords) <= {"type", "mode"}
    good = good and coords.get("type", "pixel") in ("pixel", "fractional")
    good = good and coords.get("mode", "LTWH") in ("LTRB", "LTWH", "CCWH")
    need(good, FIELD, "htype.bbox.coords", f"{t.name}: coords {coords}")


def _keypoint_names(t: Tensor, a: dict[str, Any]) -> None:
    clause = f"htype.{t.htype}.names"
    names, lines = a.get("keypoints", []), a.get("connections", [])
    need(_distinct_strings(names), FIELD, clause, f"{t.name}: keypoints are no distinct strings")
    most = len(names) if "keypoints" in a else t.shape[1] if t.htype == "keypoints" else None
    good = isinstance(lines, list) and all(isinstance(p, list) and len(p) == 2 for p in lines)
    good = good and all(type(n) is int and n >= 0 and (most is None or n < most) for p in lines for n in p)
    need(good, FIELD, clause, f"{t.name}: connections are no pairs of points")


_ATTRIBUTES: dict[str, Callable[[Tensor, dict[str, Any]], None]] = {
    "class_label": _class_names, "segment_mask": _class_names, "bbox": _coords, "keypoints": _keypoint_names,
    "keypoints_coco": _keypoint_names,
}  # fmt: skip


# values


def values_kept(tensor: Tensor, samples: Samples) -> None:
    """The rules about values of the htype's section, for every array among ``samples``."""
    judge = _VALUES.get(tensor.htype)
    if judge is None:
        return
    for value in samples.values:
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                judge(tensor, item)


def has_rules(htype: str) -> bool:
    return htype in _VALUES


def numbers(item: Item, dtype: str) -> np.ndarray:
    """The item's elements; dtypes that numpy lacks widened exactly to float32."""
    data = item.array(dtype)
    if dtype == "bfloat16":
        wide = np.frombuffer(data, "<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4").reshape(item.shape)
    if dtype == "float8_e5m2":
        return (np.frombuffer(data, "u1").astype("<u2") << np.uint16(8)).view("<f2").astype("<f4").reshape(item.shape)
    if dtype == "float8_e4m3fn":
        return _E4M3[np.frombuffer(data, "u1")].reshape(item.shape)
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(item.shape)


def _e4m3() -> np.ndarray:
    """All 256 values of float8_e4m3fn."""
    table = []
    for b in range(256):
        sign, e, m = -1.0 if b & 0x80 else 1.0, (b >> 3) & 15, b & 7
        value = math.ldexp(m, -9) if e == 0 else math.ldexp(8 + m, e - 10)
        table.append(math.nan if b & 0x7F == 0x7F else sign * value)
    return np.array(table, "<f4")


_E4M3 = _e4m3()


def _rule(holds: bool, clause: str, tensor: Tensor, detail: str, code: str = "E_SAMPLE_HTYPE") -> None:
    need(bool(holds), code, clause, f"{tensor.name}: {detail}")


def _image(t: Tensor, item: Item) -> None:
    if t.htype == "image" and len(item.shape) == 3:
        _rule(1 <= item.shape[2] <= 4, "htype.image.channels", t, f"{item.shape[2]} channels")


def _named(t: Tensor, item: Item) -> None:
    names = len(t.attributes.get("class_names", []))
    values = numbers(item, t.dtype)
    if names and values.size:
        good = int(values.min()) >= 0 and int(values.max()) < names
        _rule(good, f"htype.{t.htype}.range", t, f"values {values.min()} to {values.max()} for {names} names")


def _finite(t: Tensor, item: Item) -> np.ndarray:
    values = numbers(item, t.dtype)
    if values.dtype.kind == "f":
        _rule(np.isfinite(values).all(), f"htype.{t.htype.replace('.', '_')}.finite", t, "a number is not finite")
    return values


def _bbox(t: Tensor, item: Item) -> None:
    values = _finite(t, item)
    coords = t.attributes.get("coords", {})
    if coords.get("type") == "fractional":
        _rule(((values >= 0) & (values <= 1)).all(), "htype.bbox.fractional", t, "a number outside 0 to 1")
    if coords.get("mode") == "LTRB":
        good = (values[:, 2] >= values[:, 0]).all() and (values[:, 3] >= values[:, 1]).all()
    else:
        good = (values[:, 2:] >= 0).all()
    _rule(good, "htype.bbox.size", t, "a box with negative width or height")


def _keypoints(t: Tensor, item: Item) -> None:
    values = _finite(t, item)
    if "keypoints" in t.attributes:
        k = len(t.attributes["keypoints"])
        detail = f"{item.shape[1]} points for {k} names"
        _rule(item.shape[1] == k, "htype.keypoints.axes", t, detail, "E_SAMPLE_SHAPE")
    seen = values[..., 2]
    _rule(np.isin(seen, (0, 1, 2)).all(), "htype.keypoints.visibility", t, "visibility is not 0, 1 or 2")


def _coco(t: Tensor, item: Item) -> None:
    values = numbers(item, t.dtype)
    said = len(t.attributes["keypoints"]) * 3 if "keypoints" in t.attributes else item.shape[0]
    good = item.shape[0] == said and said % 3 == 0
    _rule(good, "htype.keypoints_coco.axes", t, f"{item.shape[0]} rows", "E_SAMPLE_SHAPE")
    _rule(np.isin(values[2::3], (0, 1, 2)).all(), "htype.keypoints_coco.visibility", t, "visibility is not 0, 1 or 2")


def _bbox_3d(t: Tensor, item: Item) -> None:
    values, mode = _finite(t, item), t.attributes.get("coords", {}).get("mode")
    if mode:
        _rule(
            (len(item.shape) == 2) == (mode == "center"), "htype.bbox_3d.coords", t, f"mode {mode}, shape {item.shape}"
        )
    if len(item.shape) == 2:
        _rule((values[:, 3:6] >= 0).all(), "htype.bbox_3d.size", t, "a box with a negative side")


def _link(t: Tensor, item: Item) -> None:
    data = item.array(t.dtype)
    problem = json_problem(data)
    value = {} if problem else json.loads(data)
    good = isinstance(value, dict) and {"url"} <= set(value) <= {"url", "credentials"}
    good = good and all(isinstance(v, str) for v in value.values())
    _rule(good, "htype.link.value", t, problem or "no object of url and credentials", "E_VALUE_TEXT")
    url, name = value["url"], value.get("credentials", "x")
    good = 1 <= len(url) <= 2048 and url.isprintable() and _URL.match(url) is not None
    _rule(good, "htype.link.url", t, f"url {url[:60]!r}")
    _rule(_NAME.fullmatch(name) is not None, "htype.link.credentials", t, f"credentials of {len(name)} characters")


_NAME = re.compile("[A-Za-z0-9._-]{1,64}")
_URL = re.compile(r"(https?|s3|gs|az)://[^/?#]+")


def _polygon(t: Tensor, item: Item) -> None:
    _rule(item.shape[0] >= 1, "htype.polygon.points", t, "a polygon without points")
    _finite(t, item)


def _text(t: Tensor, item: Item) -> None:
    try:
        item.array(t.dtype).decode()
    except UnicodeDecodeError:
        _rule(False, f"htype.{t.htype}.{'utf8' if t.htype == 'text' else 'value'}", t, "not UTF-8", "E_VALUE_TEXT")


def _json(t: Tensor, item: Item) -> None:
    problem = json_problem(item.array(t.dtype))
    _rule(problem is None, f"htype.{t.htype}.value", t, problem or "", "E_VALUE_TEXT")


def json_problem(data: bytes) -> str | None:
    """What keeps ``data`` from being one JSON value as [htype.json.value] has it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    if text.startswith("\ufeff"):
        return "a byte order mark"
    if _depth(text) > 512:
        return "deeper than 512"
    try:
        json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=float, parse_int=str)
    except ValueError as e:
        return str(e)
    return None


def _depth(text: str) -> int:
    deepest = depth = 0
    quoted = escaped = False
    for ch in text:
        if quoted:
            escaped, quoted = ch == "\\" and not escaped, ch != '"' or escaped
        elif ch == '"':
            quoted = True
        elif ch in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif ch in "]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_VALUES: dict[str, Callable[[Tensor, Item], None]] = {
    "image": _image, "class_label": _named, "segment_mask": _named, "bbox": _bbox, "keypoints": _keypoints,
    "bbox.3d": _bbox_3d, "intrinsics": _finite, "keypoints_coco": _coco,
    **{f"link[{htype}]": _link for htype in LINKED},
    "point": _finite, "polygon": _polygon, "text": _text, "tag": _text, "json": _json, "list": _json,
}  # fmt: skip
