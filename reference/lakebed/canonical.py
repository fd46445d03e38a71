"""Floor 7. The one encoding of an index: what in given bytes differs from it, and why [index.canonical].

Works on what :mod:`lakebed.format.packing` gives, so that unknown codecs and keys stay as they are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import columns
from .codecs import CODECS
from .columns import Column
from .format import packing
from .geometry import Geometry

ORDER = [
    *("tensor", "row", "dtype", "samples", "items", "missing", "shape", "tile"),
    *("unit", "codecs", "codec", "stored", "crc", "seek"),
]
_DEFAULTS: dict[str, Any] = {"tensor": "", "row": 0, "missing": 0, "unit": 1, "codecs": [[]], "codec": 0}
Fault = tuple[str, str, int | None]  # clause, detail, byte of the index


def canonical_faults(body: bytes, geometry: Geometry) -> list[Fault]:
    """Every rule of the one encoding that a valid index breaks; the last, bytes in a longer form than needed."""
    raw = packing.decode(body)
    faults = [*_keys(raw), *_columns(raw, geometry), *_units(raw, geometry), *_pipelines(raw, geometry)]
    again = packing.encode(raw)
    if again != bytes(body):
        at = next((i for i, (a, b) in enumerate(zip(again, body, strict=False)) if a != b), min(len(again), len(body)))
        faults.append(("index.shortest", f"{len(body)} bytes, where the shortest forms take {len(again)}", at))
    return faults


def _keys(raw: dict[str, Any]) -> list[Fault]:
    faults: list[Fault] = [("index.present", f"the key {key!r} is not of 1.0", None) for key in raw if key not in ORDER]
    known = [key for key in raw if key in ORDER]
    if known != sorted(known, key=ORDER.index):
        faults.append(("index.order", f"the keys stand as {', '.join(known)}", None))
    for key, default in _DEFAULTS.items():
        if key in raw and not isinstance(raw[key], np.ndarray) and raw[key] == default:
            faults.append(("index.present", f"{key} is present with its default", None))
    return faults


def _columns(raw: dict[str, Any], geometry: Geometry) -> list[Fault]:
    named: dict[str, Any] = {key: raw[key] for key in ("items", "missing", "codec", "stored", "crc") if key in raw}
    named |= {f"shape[{axis}]": column for axis, column in enumerate(raw["shape"])}
    faults: list[Fault] = []
    if not geometry.n_items and any(axis.__class__ is int and axis for axis in raw["shape"]):
        faults.append(("column.canonical", "a column without entries is 0", None))
    if not geometry.n_units and any(raw.get(key) for key in ("codec", "crc") if isinstance(raw.get(key), int)):
        faults.append(("column.canonical", "a column without entries is 0", None))
    return faults + [
        ("column.canonical", f"{name} has entries of {column.dtype.itemsize} bytes and need not", None)
        for name, column in named.items()
        if isinstance(column, np.ndarray) and not _same(column, columns.column(column))
    ]


def _same(a: Column, b: Column) -> bool:
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.dtype.itemsize == b.dtype.itemsize


def _units(raw: dict[str, Any], geometry: Geometry) -> list[Fault]:
    """[chunk.index.unit_form] and the presence of `stored`."""
    faults: list[Fault] = []
    unit = raw.get("unit", 1)
    if isinstance(unit, np.ndarray):
        regular = not len(unit) or (int(unit[-1]) <= int(unit[0]) and bool((unit[:-1] == unit[0]).all()))
        width = len(unit) and next(w for w in columns.WIDTHS if int(unit.max()) < 1 << (8 * w))
        if regular or unit.dtype.itemsize != width:
            faults.append(("chunk.index.unit_form", f"unit is a column of {unit.dtype.itemsize}-byte entries", None))
    elif unit > max(1, geometry.n_items):
        faults.append(("chunk.index.unit_form", f"unit is {unit}, the chunk has {geometry.n_items} items", None))
    if "stored" in raw and (geometry.raw or not geometry.n_units):
        faults.append(("index.present", "stored is present, and every unit is raw", None))
    return faults


def _pipelines(raw: dict[str, Any], geometry: Geometry) -> list[Fault]:
    """[chunk.index.codecs_canonical] [codec.params.order]"""
    faults: list[Fault] = []
    pipelines = raw.get("codecs", [[]])
    codec = raw.get("codec", 0)
    if not geometry.n_units:
        used = [0] if pipelines == [[]] else []
    elif isinstance(codec, int):
        used = [codec]
    else:
        values, first = np.unique(codec, return_index=True)
        used = values[np.argsort(first)].tolist()
    if used != list(range(len(pipelines))):
        faults.append(("chunk.index.codecs_canonical", f"units use pipelines {used[:8]} of {len(pipelines)}", None))
    forms = [packing.encode({"": pipeline}) for pipeline in pipelines]
    if len(set(forms)) != len(forms):
        faults.append(("chunk.index.codecs_canonical", "a pipeline stands twice", None))
    for step in (step for pipeline in pipelines for step in pipeline):
        row = CODECS.get(step["name"])
        known = ["name", *(param.name for param in row.params)] if row is not None else ["name"]
        written = [key for key in step if key in known]
        if written != [key for key in known if key in step] or next(iter(step)) != "name":
            faults.append(("codec.params.order", f"the parameters of {step['name']} stand as {list(step)}", None))
    return faults
