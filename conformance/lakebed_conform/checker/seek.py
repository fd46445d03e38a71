"""Section 5.8: the entries of ``seek``, each against its unit, and in its one encoding. No file is decoded here."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from lakebed_conform.checker.codecs import pipeline_kind
from lakebed_conform.checker.column import Column
from lakebed_conform.checker.document import MOST, whole
from lakebed_conform.checker.finding import Broken, need

CODE = "E_INDEX_SEEK"
KEYS = ("unit", "codec", "base", "start", "step", "trim", "colour", "rotation", "head", "points", "at", "offset",
        "bytes", "before")  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "start": 0, "step": 1, "trim": [0, 0], "colour": [2, 0, 2, 2], "rotation": 0, "head": [], "points": 0, "at": 0,
    "offset": 0, "bytes": 0, "before": 0,
}  # fmt: skip
PLAYED = ("wav", "flac", "mp3", "ogg", "opus", "mp4", "mkv", "webm", "avi")


def judge_seek(index: Any) -> None:
    """Every entry of a chunk's index, which is itself sound."""
    if "seek" not in index.members:
        return
    rows = index.members["seek"]
    good = type(rows) is list and 1 <= len(rows) <= 4096 and all(type(row) is dict for row in rows)
    _is(good and index.tile is None, "entries", "seek is no array of 1 to 4,096 maps in a chunk without tile")
    _is(all(whole(row.get("unit"), 0) for row in rows), "entries", "an entry without a unit")
    units = [row["unit"] for row in rows]
    _is(all(a < b for a, b in pairwise(units)), "entries", f"units {units[:9]} do not ascend")
    for row in rows:
        _judge(index, row)


def _judge(index: Any, row: dict[str, Any]) -> None:
    unit = row["unit"]
    _is(unit < index.unit_count, "unit", f"unit {unit} of {index.unit_count}")
    pipeline = index.codecs[index.codec.at(unit)]
    played = bool(pipeline) and pipeline_kind(pipeline) == "media" and pipeline[0]["name"] in PLAYED
    _is(played, "unit", f"unit {unit} is neither sound nor video")
    n, length = (*index.item_shape(_item(index, unit)), 1)[0], index.stored.at(unit)
    m = DEFAULTS | row
    name = m.get("codec")
    _is(type(name) is str and re.fullmatch(r"[a-z0-9_]{1,32}", name) is not None, "codec", f"codec {name!r}")
    _list(m, "base", 2, 1, (1 << 31) - 1)
    _is(type(m["start"]) is int and abs(m["start"]) <= MOST, "start", f"start {m['start']!r}")
    step = _column(m, "step", n - 1, 1, MOST)
    _is(abs(m["start"] + (step.total() if n > 1 else 0)) <= MOST, "step", "the times pass 2^53-1")
    _list(m, "trim", 2, 0, MOST)
    _list(m, "colour", 4, 0, 255)
    _is(m["colour"][1] <= 2, "colour", f"colour range {m['colour'][1]}")
    _is(m["rotation"] in (0, 90, 180, 270) and type(m["rotation"]) is int, "rotation", f"rotation {m['rotation']!r}")
    _head(m["head"], length)
    _is(whole(m["points"], 0) and m["points"] <= 1 << 16, "points", f"{m['points']!r} points")
    points = m["points"]
    at = _column(m, "at", points, 0, n - 1)
    offset, size = _column(m, "offset", points, 0, length - 1), _column(m, "bytes", points, 1, length)
    ascends = not points or (at.at(0) == 0 and all(at.at(p) < at.at(p + 1) for p in range(points - 1)))
    _is(ascends, "at", "points do not ascend from 0")
    _is(all(offset.at(p) + size.at(p) <= length for p in range(points)), "bytes", "a point reaches past its unit")
    _is(whole(m["before"], 0) and m["before"] <= n, "before", f"before {m['before']!r}")


def _is(holds: bool, key: str, detail: str) -> None:
    need(holds, CODE, f"seek.{key}", detail)


def _list(m: dict[str, Any], key: str, count: int, low: int, high: int) -> None:
    value = m.get(key)
    good = type(value) is list and len(value) == count and all(type(v) is int and low <= v <= high for v in value)
    _is(good, key, f"{key} {value!r}")


def _head(head: Any, length: int) -> None:
    good = type(head) is list and len(head) % 2 == 0 and len(head) <= 32 and all(whole(v, 0) for v in head)
    _is(good, "head", "head is no list of at most 16 pairs")
    end = 0
    for offset, size in zip(head[::2], head[1::2], strict=True):
        _is(end <= offset and size >= 1 and offset + size <= length, "head", f"{size} bytes at {offset} after {end}")
        end = offset + size


def _column(m: dict[str, Any], key: str, n: int, low: int, high: int) -> Column:
    try:
        column = Column(key, m[key], n)
    except Broken as e:
        raise Broken(CODE, f"seek.{key}", e.detail) from None
    least = column.const if column.const is not None else int(column.array.min()) if n else low
    _is(not n or (low <= least and column.most() <= high), key, f"{key} has entries that are not {low} to {high}")
    return column


def canonical_seek(index: Any) -> list[dict[str, Any]]:
    """The entries as [seek.canonical] writes them, unknown keys dropped."""
    out = []
    for row in index.members["seek"]:
        counts = {"step": index.item_shape(_item(index, row["unit"]))[0] - 1}
        counts |= dict.fromkeys(("at", "offset", "bytes"), row.get("points", 0))
        entry = {}
        for key in KEYS:
            if key in row and not (key in counts and not counts[key]):
                value = Column(key, row[key], counts[key]).canonical() if key in counts else row[key]
                entry |= {} if value == DEFAULTS.get(key, ()) else {key: value}
        out.append(entry)
    return out


def _item(index: Any, unit: int) -> int:
    return index.unit.sum_to(unit) if index.unit.const is None else unit * index.unit.const
