"""Floor 1. The rules of htypes about values, and the way of text and JSON into bytes and back [htype].

A check looks at one item, or at many stacked on new first axes, and raises E_SAMPLE_HTYPE with the rule's clause.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from .errors import LakebedError, error

BBOX = {"type": "pixel", "mode": "LTWH"}
"""What absent members of a bbox tensor's ``coords`` mean."""

_SHARED = {
    **{("tag", rule): "htype.tag.value" for rule in ("utf8", "type")},
    **{("list", rule): "htype.list.value" for rule in ("value",)},
    ("text", "type"): "htype.text.utf8",
    ("class_label", "text"): "htype.class_label.text",
    ("segment_mask", "text"): "htype.segment_mask.names",
}


def clause(htype: str, rule: str) -> str:
    """The spec's name of a rule of an htype."""
    return _SHARED.get((htype, rule), f"htype.{htype.replace('.', '_')}.{rule}")


def refuse(htype: str, rule: str, detail: str) -> LakebedError:
    return error("E_SAMPLE_HTYPE", clause(htype, rule), f"{htype}: {detail}")


# --- constraints of one item, or of many stacked on new first axes ---------------------------------------------------


def check_class(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """With class names, every id has one; without, any value will do.

    [htype.class_label.range], [htype.segment_mask.range]
    """
    if item.size == 0:
        return
    names = attributes.get("class_names") or ()
    if not names:
        return
    for least_or_most in (int(item.min()), int(item.max())):
        if not 0 <= least_or_most < len(names):
            raise refuse(htype, "range", f"id {least_or_most} has no name; there are {len(names)} class names")


def check_bbox(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """Finite, fractional ones within 0..1, no negative width or height in any mode.

    [htype.bbox.finite], [htype.bbox.fractional], [htype.bbox.size]
    """
    if item.size == 0:
        return
    boxes = item.reshape(-1, 4).astype(np.float64)
    coords = {**BBOX, **(attributes.get("coords") or {})}
    if not bool(np.isfinite(boxes).all()):
        raise refuse(htype, "finite", "a box has NaN or infinity")
    if coords["type"] == "fractional" and not (boxes.min() >= 0 and boxes.max() <= 1):
        raise refuse(htype, "fractional", f"a fractional box lies outside 0..1: {boxes.min():g} .. {boxes.max():g}")
    extent = boxes[:, 2:] - boxes[:, :2] if coords["mode"] == "LTRB" else boxes[:, 2:]
    if bool((extent < 0).any()):
        worst = boxes[(extent < 0).any(axis=1)][0].tolist()
        raise refuse(htype, "size", f"a box {worst} in mode {coords['mode']} has a negative width or height")


def check_keypoints(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """Visibility is 0, 1 or 2; coordinates are finite; as many points as there are names.

    [htype.keypoints.visibility], [htype.keypoints.finite], [htype.keypoints.axes]
    """
    names = attributes.get("keypoints") or ()
    if names and item.shape[-2] != len(names):
        detail = f"{item.shape[-2]} points, but {len(names)} keypoint names"
        raise error("E_SAMPLE_SHAPE", "htype.keypoints.axes", detail)
    if item.size == 0:
        return
    seen = item[..., 2].astype(np.float64)
    if not bool(np.isin(seen, (0.0, 1.0, 2.0)).all()):
        odd = seen[~np.isin(seen, (0.0, 1.0, 2.0))].ravel()[0]
        raise refuse(htype, "visibility", f"visibility {odd:g} is none of 0 (absent), 1 (hidden), 2 (visible)")
    check_finite(htype, attributes, item)


def check_keypoints_coco(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """Rows x, y, visibility of one point after another, a column for each object.

    [htype.keypoints_coco.axes], [htype.keypoints_coco.visibility]
    """
    names, rows = attributes.get("keypoints") or (), item.shape[-2]
    if rows % 3 or (names and rows != 3 * len(names)):
        detail = f"{rows} rows, where there are 3 for each of {len(names) or 'k'} points"
        raise error("E_SAMPLE_SHAPE", "htype.keypoints_coco.axes", detail)
    seen = item[..., 2::3, :]
    if item.size and not 0 <= int(seen.min()) <= int(seen.max()) <= 2:
        raise refuse(htype, "visibility", "a visibility is none of 0 (absent), 1 (hidden), 2 (visible)")


def check_bbox_3d(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """[htype.bbox_3d.finite], [htype.bbox_3d.size], [htype.bbox_3d.coords]"""
    check_finite(htype, attributes, item)
    mode = (attributes.get("coords") or {}).get("mode")
    center = item.shape[-1] == 9
    if mode is not None and center != (mode == "center"):
        raise refuse(htype, "coords", f"boxes of shape {item.shape} where coords say {mode}")
    if center and item.size and bool((item[..., 3:6].astype(np.float64) < 0).any()):
        raise refuse(htype, "size", "a box has a negative length, width or height")


def check_finite(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """[htype.point.finite], [htype.polygon.finite], [htype.keypoints.finite]"""
    if item.dtype.kind not in "iub" and not bool(np.isfinite(item.astype(np.float64)).all()):
        raise refuse(htype, "finite", "NaN or infinity among the coordinates")


def check_polygon(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """[htype.polygon.points], [htype.polygon.finite]"""
    if item.shape[-2] < 1:
        raise refuse(htype, "points", "a polygon without points")
    check_finite(htype, attributes, item)


def check_text(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    try:
        item.tobytes().decode("utf-8")
    except UnicodeDecodeError as problem:
        raise refuse(htype, "utf8", f"bytes that are not UTF-8: {problem}") from problem


def check_json(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    try:
        value = _value(item.tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise refuse(htype, "value", f"bytes that are no JSON: {problem}") from problem
    if attributes.get("schema") is not None:
        try:
            fault = next(_validator(json.dumps(attributes["schema"])).iter_errors(value), None)
        except importlib.import_module("referencing.exceptions").Unresolvable as problem:
            raise refuse(htype, "schema", f"the tensor's schema refers to something elsewhere: {problem}") from problem
        if fault is not None:
            place = "/".join(map(str, fault.absolute_path))
            raise refuse(htype, "schema", f"the value breaks the tensor's schema at /{place}: {fault.message}")


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    """The schema's validator; it fetches nothing, a reference to elsewhere is an error [htype.json.schema]."""
    registry = importlib.import_module("referencing").Registry()
    return schemas().Draft202012Validator(json.loads(schema), registry=registry)


def schemas() -> Any:
    """jsonschema, imported when the first schema is used: it takes longer to import than all the rest."""
    return importlib.import_module("jsonschema")


def check_channels(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """[htype.image.channels]; those of image.rgb and image.gray are fixed by the tensor's shape."""
    if htype == "image" and item.ndim == 3 and not 1 <= item.shape[-1] <= 4:
        raise refuse(htype, "channels", f"{item.shape[-1]} channels; a picture has 1 to 4")


DEPTH = 512


def _value(text: str) -> Any:
    """A JSON value by the strict rules; ValueError or RecursionError otherwise [htype.json.value]."""
    value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object, parse_float=_finite)
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        if depth > DEPTH:
            raise ValueError(f"it is nested deeper than {DEPTH} levels")
        level = [inner for outer in level for inner in _inside(outer)]
    return value


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _finite(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a member twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


# --- values to arrays and back ----------------------------------------------------------------------------------------


def text_bytes(value: Any, htype: str) -> np.ndarray:
    if isinstance(value, (np.ndarray, bytes, bytearray)):
        return value if isinstance(value, np.ndarray) else np.frombuffer(bytes(value), np.uint8)
    if not isinstance(value, str):
        raise refuse(htype, "type", f"a string is needed, not {type(value).__name__}")
    try:
        return np.frombuffer(value.encode("utf-8"), np.uint8)
    except UnicodeEncodeError as problem:
        raise refuse(htype, "utf8", f"a string that UTF-8 cannot hold: {problem}") from problem


def json_bytes(value: Any, htype: str) -> np.ndarray:
    """Compact JSON; numpy scalars and arrays inside become numbers and lists [htype.json.floats]."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        return np.frombuffer(written.encode("utf-8"), np.uint8)
    except (TypeError, ValueError, RecursionError) as problem:
        raise refuse(htype, "value", f"a value that JSON cannot hold: {problem}") from problem


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def as_text(item: np.ndarray) -> str:
    try:
        return item.tobytes().decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error("E_VALUE_TEXT", "htype.text.utf8", f"stored text is not UTF-8: {problem}") from problem


def as_json(item: np.ndarray) -> Any:
    try:
        return _value(item.tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise error("E_VALUE_TEXT", "htype.json.value", f"stored text is no JSON: {problem}") from problem
