"""Floor 3. The candidate list that the first pass of a collector leaves for the second [sweep.members]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .. import names
from ..columns import MAX_INT
from ..errors import LakebedError, error
from . import document

KEY = re.compile(r"\.sweep-([0-9a-f]{32})\.json")
MOST = 250_000  # candidates of one list: 250 bytes each at most, so below the limit of a document
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


class Candidate(NamedTuple):
    """A chunk or manifest that nothing named: its key, its length, its age mark as the time of a commit is written."""

    key: str
    bytes: int
    modified: str


@dataclass(frozen=True, slots=True)
class SweepList:
    """When the first pass ended, the grace period (seconds) it was made under, and what it found."""

    id: str
    time: str
    grace: int
    candidates: tuple[Candidate, ...]


def sweep_key(id: str) -> str:
    return f".sweep-{id}.json"


def encode_sweep(sweep: SweepList) -> bytes:
    """Errors: E_JSON_LIMIT."""
    return document.encode(
        {
            "lakebed": document.VERSION,
            "id": sweep.id,
            "time": sweep.time,
            "grace": sweep.grace,
            "candidates": [candidate._asdict() for candidate in sweep.candidates],
        }
    )


def decode_sweep(data: bytes, key: str) -> SweepList:
    """A list that may be acted upon; any error means that it is not to be used [sweep.invalid].

    Errors: E_JSON_*, E_VERSION; E_JSON_SYNTAX also for a member that breaks [sweep.members].
    """
    raw = document.decode(data, key)
    place = KEY.fullmatch(key)
    id, time, grace, rows = (raw.get(member, "") for member in ("id", "time", "grace", "candidates"))
    good = place is not None and id == place[1] and _is_time(time) and type(rows) is list
    if not good or type(grace) is not int or grace < 0:
        raise error("E_JSON_SYNTAX", "sweep.members", "not a candidate list", object=key)
    try:
        return SweepList(id, time, grace, tuple(map(_candidate, rows)))
    except LakebedError as cause:
        cause.object = key
        raise


def _candidate(raw: Any) -> Candidate:
    if type(raw) is dict and set(raw) == {"key", "bytes", "modified"}:
        key, size, modified = raw["key"], raw["bytes"], raw["modified"]
        ours = type(key) is str and (names.CHUNK_KEY.fullmatch(key) or names.MANIFEST_KEY.fullmatch(key))
        if ours and type(size) is int and 0 <= size <= MAX_INT and _is_time(modified):
            return Candidate(key, size, modified)
    raise error("E_JSON_SYNTAX", "sweep.invalid", f"no candidate: {str(raw)[:120]}")


def _is_time(text: Any) -> bool:
    if type(text) is not str or not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
