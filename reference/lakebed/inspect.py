"""Floor 7. Any object of a dataset, byte by byte, with the clauses that say what each byte is.

    for line in render(inspect("pets.lakebed", "commits/main/0000000001.json")): print(line)

Works on broken objects too: what can still be told is told, and the place where it stops making sense has its code.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import inspect_index, inspect_json, names
from .canonical import canonical_faults
from .check_chunk import Object, own_ref, trailer_faults
from .check_commit import judge_commit
from .check_seek import seek_faults
from .codecs import names as pipeline_names
from .errors import LakebedError, error
from .format import chunk as layout
from .format.chunk import HEAD, HEAD_SIZE, MAGIC, TRAILER
from .format.commit import decode_commit, decode_manifest, decode_tag
from .format.document import MAX_BYTES
from .geometry import CRC_SPAN, Geometry, Unit
from .model import ManifestRef
from .slices import ChunkRef
from .stores import store as open_store

RAW = 16  # bytes of each span that are kept for printing
SHOWN = 100  # characters of a JSON value that are printed


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [offset, offset+size) of an object: what they are, the value they have, what it means.

    ``error`` is the code of the rule that they break. Spans lie side by side and cover the object; JSON members hold
    those inside them; the first span is the whole object; spans of no bytes say what no single bytes do. ``raw`` are
    the first bytes.
    """

    offset: int
    size: int
    name: str
    clause: str
    value: str
    meaning: str
    error: str | None = None
    raw: bytes = b""


def inspect(place: Any, key: str, *, units: int = 1000) -> list[Span]:
    """The object ``key`` of the dataset at ``place``; of a chunk the first ``units`` units one by one.

    Errors: E_OBJECT_MISSING, E_ARGUMENT (a key of no dataset), E_STORE.
    """
    store = open_store(place, writable=False)
    size = store.size(key)
    if size is None:
        raise error("E_OBJECT_MISSING", "store.ranges.missing", "the object is not in the store", object=key)
    data = Object(store, key, size)
    if names.CHUNK_KEY.fullmatch(key) or key.endswith(".chunk"):
        spans = list(_chunk(data, units))
    elif size > MAX_BYTES:
        spans = [Span(0, size, "document", "json.size", f"{size} bytes", "longer than 64 MiB", "E_JSON_LIMIT")]
    else:
        spans = list(_document(bytes(data.read(0, size)), key))
    head = _whole(data)
    return [replace(s, raw=bytes(data.read(s.offset, min(s.size, RAW)))) for s in (head, *spans)]


def render(spans: Iterable[Span]) -> list[str]:
    """One line for each span: offset, size, first bytes, name, value, meaning, clause, and the error's code."""
    lines = []
    for span in spans:
        dump = span.raw.hex(" ") + (" …" if span.size > len(span.raw) else "")
        fault = f"  !! {span.error}" if span.error else ""
        said = "  ".join(part for part in (span.value, span.meaning) if part)
        place = f"{span.offset:08x} {span.size:>10}  {dump:<{3 * RAW + 1}}"
        lines.append(f"{place}  {span.name:<24} {said}  [{span.clause}]{fault}")
    return lines


def _whole(data: Object) -> Span:
    match = names.CHUNK_KEY.fullmatch(data.key) or names.MANIFEST_KEY.fullmatch(data.key)
    digest = hashlib.sha256()
    for _, part in data.windows(0, data.size):
        digest.update(part)
    value = f"SHA-256 {digest.hexdigest()}"
    if match is None:
        return Span(0, data.size, "object", "tree.keys", value, data.key)
    good = digest.hexdigest() == match[2]
    chunk = data.key.startswith("chunks/")
    code = None if good else ("E_CHUNK_HASH" if chunk else "E_MANIFEST")
    meaning = "as its name says" if good else "its name says another"
    return Span(0, data.size, "object", "chunk.hash" if chunk else "manifest.hash", value, meaning, code)


# --- chunks --------------------------------------------------------------------------------------------------------


def _chunk(data: Object, units: int) -> Iterator[Span]:
    yield from _head(bytes(data.read(0, HEAD_SIZE)))
    if data.size <= HEAD_SIZE:
        return
    ref = own_ref(data)
    if ref is None:
        yield from _without_index(data)
        return
    offset = HEAD_SIZE + ref.payload
    faults = {name: (code, detail) for code, name, detail in trailer_faults(data, ref)}
    body = bytes(data.read(offset, ref.index))
    notes: list[Span] = []
    yield from _payload(data, ref, body, units, notes)
    for item in inspect_index.items(body):
        start, size = offset + item.start, item.stop - item.start
        yield Span(start, size, item.name, item.clause, item.value, item.meaning, item.error)
    yield from notes
    yield from _trailer(data, data.size - TRAILER.size, faults)


def _head(head: bytes) -> Iterator[Span]:
    good = head[: len(MAGIC)] == MAGIC
    meaning = "a chunk of Lakebed" if good else f"the magic of a chunk is {MAGIC.hex(' ')}"
    magic = min(len(head), len(MAGIC))
    yield Span(0, magic, "head.magic", "chunk.head.magic", "", meaning, None if good else "E_CHUNK_HEAD")
    if len(head) > magic:
        good = not any(head[magic:]) and len(head) == len(HEAD)
        meaning = "nothing stands here" if good else "56 bytes of zero are due"
        code = None if good else "E_CHUNK_HEAD"
        yield Span(magic, len(head) - magic, "head.zero", "chunk.head.zero", "", meaning, code)


def _without_index(data: Object) -> Iterator[Span]:
    """The last 40 bytes do not say where the index is."""
    start = max(HEAD_SIZE, data.size - TRAILER.size)
    if start > HEAD_SIZE:
        meaning = "units and index: from here on it makes no sense, for the trailer does not say where they are"
        yield Span(HEAD_SIZE, start - HEAD_SIZE, "?", "chunk.size", "", meaning, "E_CHUNK_SIZE")
    if data.size - start < TRAILER.size:
        yield Span(start, data.size - start, "?", "chunk.size", "", "too short for a trailer", "E_TRUNCATED")
        return
    fields = TRAILER.decode(data.read(start, TRAILER.size))
    faults = {}
    if fields["magic"] != layout.END_MAGIC:
        faults["magic"] = ("E_CHUNK_MAGIC", "the end magic is 8a 4c 42 4b 45 4e 44 0a")
    else:
        faults["payload"] = ("E_CHUNK_SIZE", f"64 + payload + index + 40 is not {data.size}, the object's length")
    yield from _trailer(data, start, faults)


_TRAILER_MEANING = {
    "payload": "bytes of all units",
    "index": "bytes of the index",
    "major": "chunk layout",
    "minor": "of the layout; larger ones are read too",
    "features": "what a reader must know",
    "reserved": "eight bytes of zero",
    "crc": "CRC-32 of the index and of the trailer before here",
    "magic": "end of a chunk",
}


def _trailer(data: Object, start: int, faults: dict[str, tuple[str, str]]) -> Iterator[Span]:
    values = TRAILER.decode(data.read(start, TRAILER.size))
    ends = [field.offset for field in TRAILER.fields[1:]] + [TRAILER.size]
    for field, end in zip(TRAILER.fields, ends, strict=True):
        value = values[field.name]
        shown = "" if isinstance(value, bytes) else f"{value:08x}" if field.name == "crc" else str(value)
        code, detail = faults.get(field.name, (None, _TRAILER_MEANING[field.name]))
        yield Span(start + field.offset, end - field.offset, f"trailer.{field.name}", field.clause, shown, detail, code)


def _payload(data: Object, ref: ChunkRef, body: bytes, units: int, notes: list[Span]) -> Iterator[Span]:
    """The units; ``notes`` get what is wrong with the index as a whole."""
    offset = HEAD_SIZE + ref.payload
    try:
        index = layout.decode_index(body)
        geometry = Geometry(index, ref.payload)
        for clause, detail, at in canonical_faults(body, geometry):
            where = offset if at is None else offset + at
            notes.append(Span(where, 0, "index", clause, "", detail, "E_INDEX_CANONICAL"))
        notes += [Span(offset, 0, "index", clause, "", said, code) for code, clause, said in seek_faults(geometry)]
    except LakebedError as cause:
        notes.append(Span(offset, 0, "index", cause.clause, "", cause.detail, cause.code))
        if ref.payload:
            meaning = "units; the index does not say where each begins"
            yield Span(HEAD_SIZE, ref.payload, "payload", "unit.place", "", meaning, cause.code)
        return
    number = 0
    at = HEAD_SIZE
    for number, (unit, what) in enumerate(_units(geometry, notes)):
        if number >= units:
            left = f"{geometry.n_units - number} more units"
            yield Span(at, offset - at, f"units {number} …", "unit.place", "", left)
            return
        yield _unit(data, geometry, unit, what)
        at = unit.offset + unit.stored


def _units(geometry: Geometry, notes: list[Span]) -> Iterator[tuple[Unit, str]]:
    try:
        if geometry.index.tile is None:
            for number in range(geometry.n_units):
                start, stop = geometry.unit_items(number)
                yield geometry.unit(number), f"item {start}" if stop - start == 1 else f"items {start} to {stop - 1}"
            return
        for item in range(geometry.n_items):
            shape = geometry.shape_of(item)
            for place in _places(geometry, item):
                extent = "x".join(map(str, geometry.tile_shape(shape, place)))
                yield geometry.tile_unit(item, place), f"tile {list(place)} of item {item}, {extent}"
    except LakebedError as cause:
        notes.append(Span(HEAD_SIZE, 0, "payload", cause.clause, "", cause.detail, cause.code))


def _places(geometry: Geometry, item: int) -> Iterator[tuple[int, ...]]:
    grid = geometry.grid(item)
    total = 1
    for side in grid:
        total *= side
    for number in range(total):
        place = []
        for side in reversed(grid):
            number, at = divmod(number, side)
            place.append(at)
        yield tuple(reversed(place))


def _unit(data: Object, geometry: Geometry, unit: Unit, what: str) -> Span:
    """One unit; the offset of its first bad MiB when a checksum is wrong [unit.crc]."""
    bad = None
    for part, crc in enumerate(geometry.crcs(unit)):
        length = min(CRC_SPAN, unit.stored - part * CRC_SPAN)
        found = zlib.crc32(data.read(unit.offset + part * CRC_SPAN, max(0, length)))
        if found != crc and bad is None:
            bad = f"MiB {part} has the CRC {found:08x}, the index says {crc:08x}"
    codec = pipeline_names([geometry.index.codecs[unit.codec]])
    decoded = "" if codec == "none" else f", {unit.decoded} bytes decoded"
    value = f"{what}, {'raw' if codec == 'none' else codec}{decoded}"
    code = None if bad is None else "E_UNIT_CRC"
    clause = "unit.place" if bad is None else "unit.crc"
    return Span(unit.offset, unit.stored, f"unit {unit.number}", clause, value, bad or "checksum right", code)


# --- documents -----------------------------------------------------------------------------------------------------


def _document(data: bytes, key: str) -> Iterator[Span]:
    kind, faults = _judged(data, key)
    found, stop = inspect_json.members(data, kind)
    spans = []
    for member in found:
        if member.path == ("crc32",):
            continue
        name = "/".join(member.path)
        spans.append(Span(member.start, member.stop - member.start, name, member.clause, _shown(member.value), ""))
    for fault in faults:
        if fault.code == "E_JSON_CRC":
            continue
        mine = [i for i, span in enumerate(spans) if span.clause == fault.clause]
        if len(mine) == 1:
            spans[mine[0]] = replace(spans[mine[0]], error=fault.code, meaning=fault.detail)
        else:
            spans.append(Span(fault.offset or 0, 0, kind, fault.clause, "", fault.detail, fault.code))
    yield from spans
    if stop is not None:
        meaning = f"from here on it makes no sense: {stop.why}"
        yield Span(stop.start, len(data) - stop.start, "?", "json.syntax", "", meaning, "E_JSON_SYNTAX")
    value, code = inspect_json.crc_state(data)
    start = max(0, len(data) - inspect_json.END)
    yield Span(start, len(data) - start, "crc32", "json.crc", value, "CRC-32 of everything before this comma", code)


def _judged(data: bytes, key: str) -> tuple[str, list[LakebedError]]:
    """What kind of document it is, by its key, and its faults."""
    if names.COMMIT_KEY.fullmatch(key):
        return "commit", judge_commit(data, key)[1]
    try:
        if match := names.MANIFEST_KEY.fullmatch(key):
            kind = "manifest"
            found, _ = inspect_json.members(data, kind)
            samples = next((m.value for m in found if m.path == ("samples",) and type(m.value) is int), 0)
            decode_manifest(data, ManifestRef(match[2], len(data), samples), key)
        elif names.TAG_KEY.fullmatch(key):
            kind = "tag"
            decode_tag(data, key)
        elif key.endswith("/latest.json"):
            kind = "commit"
            decode_commit(data, key)
        else:
            kind = "sweep" if ".sweep-" in key else "json"
    except LakebedError as cause:
        return kind, [cause]
    return kind, []


def _shown(value: Any) -> str:
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value)} entries: {json.dumps(value[:4], ensure_ascii=False)[1:-1][:SHOWN]}, …"
    if isinstance(value, dict) and len(value) > 8:
        return f"{len(value)} members"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
