"""Floor 7. Every fault of one chunk object: against its name, its tables, itself, and each tensor that uses it.

Memory is bounded by a window and by the largest encoded unit; what one unit breaks does not hide the next
[safety.check].
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import codecs
from .canonical import canonical_faults
from .check_seek import seek_faults, untrue
from .check_values import HELD, Index, Placed, Use, Values
from .codecs import CODECS, lz4
from .errors import LakebedError
from .findings import NOTE, Findings
from .format import chunk as layout
from .format.chunk import HEAD_SIZE, MAGIC, TRAILER
from .geometry import CRC_SPAN, Geometry, Unit
from .names import chunk_key
from .slices import ChunkRef
from .stores import Store

WINDOW = 8 << 20
MISSING_PARTS = ("E_CODEC_UNSUPPORTED", "E_EXTRA_MISSING")  # this checker cannot say, so it is no fault
MANY_EMPTY = 1 << 20  # units without a byte that are judged one by one


class Object:
    """One stored object, read by windows."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self.key, self.size, self._store = key, size, store
        view = store.view(key)
        if view is None and size <= HELD:
            view = memoryview(store.ranges(key, [(0, size)])[0])
        self._held, self._start = memoryview(b"") if view is None else view, 0

    def read(self, offset: int, length: int) -> memoryview:
        """Fewer bytes than asked for where the object ends."""
        length = max(0, min(length, self.size - offset))
        if not (self._start <= offset and offset + length <= self._start + len(self._held)):
            wanted = max(length, min(WINDOW, self.size - offset))
            self._held, self._start = memoryview(self._store.ranges(self.key, [(offset, wanted)])[0]), offset
        return self._held[offset - self._start : offset - self._start + length]

    def windows(self, offset: int, length: int) -> Iterator[tuple[int, memoryview]]:
        for start in range(offset, offset + length, WINDOW):
            yield start, self.read(start, min(WINDOW, offset + length - start))


class Judged(NamedTuple):
    """What was read of one chunk; ``bytes`` and ``units`` count what was verified."""

    bytes: int = 0
    units: int = 0


def judge_chunk(
    store: Store, refs: Mapping[ChunkRef, str], uses: Sequence[Use], found: Findings, *, decode: bool = True
) -> Judged:
    """``refs`` are the table rows that name the chunk, each with the key of a document that has it."""
    ref = next(iter(refs))
    key = chunk_key(ref.name)
    size = store.size(key)
    if size is None:
        for where in dict.fromkeys(refs.values()):
            found.add("E_OBJECT_MISSING", "tree.needed", key, f"the chunk is not in the store; {where} needs it")
        return Judged()
    data = Object(store, key, size)
    _judge_whole(data, ref.name, found)
    rows = [ref for ref in refs if _judge_ref(data, ref, refs[ref], found)]
    place = rows[0] if rows else own_place(data)
    if place is None:
        return Judged(size)
    index = judge_index(data, place, found)
    if index is None:
        return Judged(size)
    values = Values(key, index, uses, found)
    return Judged(size, Units(data, index, values, found, decode).judge())


# --- the object ----------------------------------------------------------------------------------------------------


def _judge_whole(data: Object, name: str, found: Findings) -> None:
    """[chunk.hash] [chunk.head.magic] [chunk.head.zero]"""
    digest = hashlib.sha256()
    for _, part in data.windows(0, data.size):
        digest.update(part)
    if digest.hexdigest() != name:
        detail = f"the object's bytes hash to {digest.hexdigest()}"
        found.add("E_CHUNK_HASH", "chunk.hash", data.key, detail)
    head = bytes(data.read(0, HEAD_SIZE))
    if head[: len(MAGIC)] != MAGIC:
        found.add("E_CHUNK_HEAD", "chunk.head.magic", data.key, f"the first bytes are {head[:8].hex(' ')}", 0)
    at = next((i for i in range(len(MAGIC), len(head)) if head[i]), None)
    if at is not None:
        found.add("E_CHUNK_HEAD", "chunk.head.zero", data.key, f"byte {at} of the head is {head[at]:#04x}", at)


def _judge_ref(data: Object, ref: ChunkRef, where: str, found: Findings) -> bool:
    """One table row against the object [chunk.size] and its trailer; whether the index can be looked at."""
    due = HEAD_SIZE + ref.payload + ref.index + TRAILER.size
    if data.size != due:
        detail = f"the object has {data.size} bytes; by {where} it has {due}"
        found.add("E_CHUNK_SIZE", "chunk.size", data.key, detail, min(data.size, due))
    if data.size < due:
        detail = f"the object ends at byte {data.size}, before its trailer at {due - TRAILER.size} does"
        found.add("E_TRUNCATED", "chunk.open.range", data.key, detail, data.size)
        return False
    faults = trailer_faults(data, ref)
    for code, name, detail in faults:
        offset = due - TRAILER.size + TRAILER.offset_of(name)
        found.add(code, f"chunk.trailer.{name}", data.key, detail, offset)
    return all(code == "E_CHUNK_RESERVED" for code, _, _ in faults)


def trailer_faults(data: Object, ref: ChunkRef) -> list[tuple[str, str, str]]:
    """(code, field, detail) of everything wrong with the trailer where ``ref`` says that it is [algo.open_chunk]."""
    tail = data.read(HEAD_SIZE + ref.payload, ref.index + TRAILER.size)
    fields = TRAILER.decode(tail, ref.index)
    faults = []
    if fields["magic"] != layout.END_MAGIC:
        faults.append(("E_CHUNK_MAGIC", "magic", f"the last eight bytes are {fields['magic'].hex(' ')}"))
    for name, due in (("payload", ref.payload), ("index", ref.index)):
        if fields[name] != due:
            faults.append(("E_CHUNK_SIZE", name, f"{name} is {fields[name]}, the table says {due}"))
    crc = zlib.crc32(tail[: ref.index + layout.CRC_COVERS])
    if crc != fields["crc"]:
        faults.append(("E_CHUNK_CRC", "crc", f"crc is {fields['crc']:08x}, that of index and trailer {crc:08x}"))
    if fields["reserved"] != bytes(8):
        faults.append(("E_CHUNK_RESERVED", "reserved", f"the reserved bytes are {fields['reserved'].hex(' ')}"))
    if fields["major"] != layout.MAJOR:
        faults.append(("E_CHUNK_VERSION", "major", f"layout {fields['major']}; this reader knows {layout.MAJOR}"))
    if fields["features"] & ~layout.KNOWN_FEATURES:
        faults.append(("E_CHUNK_FEATURE", "features", f"unknown feature bits {fields['features']:#x}"))
    return faults


def own_ref(data: Object, name: str = "") -> ChunkRef | None:
    """Lengths by the last 40 bytes of the object itself [algo.recover.chunks]; None where they make no sense."""
    if data.size < HEAD_SIZE + TRAILER.size:
        return None
    fields = TRAILER.decode(data.read(data.size - TRAILER.size, TRAILER.size))
    ref = ChunkRef(name, fields["payload"], fields["index"])
    fits = HEAD_SIZE + ref.payload + ref.index + TRAILER.size == data.size and 1 <= ref.index <= layout.MAX_INDEX
    return ref if fits and fields["magic"] == layout.END_MAGIC else None


def own_place(data: Object) -> ChunkRef | None:
    """The object's own sound trailer, when no table row fits it."""
    ref = own_ref(data)
    return ref if ref is not None and not trailer_faults(data, ref) else None


# --- the index -----------------------------------------------------------------------------------------------------


def judge_index(data: Object, ref: ChunkRef, found: Findings) -> Index | None:
    """[chunk.index.order] up to its first fault, for what follows rests on it; then its form [index.canonical]."""
    offset = HEAD_SIZE + ref.payload
    body = bytes(data.read(offset, ref.index))
    try:
        value = layout.decode_index(body)
        geometry = Geometry(value, ref.payload)
    except LakebedError as cause:
        found.caught(cause, data.key, offset)
        return None
    minor = TRAILER.decode(data.read(offset + ref.index, TRAILER.size))["minor"]
    if minor > layout.MINOR:
        detail = f"chunk layout 1.{minor}: what it adds is not judged"
        found.note(NOTE, "chunk.trailer.minor", data.key, detail, offset + ref.index + TRAILER.offset_of("minor"))
    else:
        for clause, detail, at in canonical_faults(body, geometry):
            found.add("E_INDEX_CANONICAL", clause, data.key, detail, None if at is None else offset + at)
        for code, clause, detail in seek_faults(geometry):
            found.add(code, clause, data.key, detail, offset)
    return Index(value, geometry, offset)


# --- units ---------------------------------------------------------------------------------------------------------


class Units:
    """Every unit of a chunk: its checksums, its decoding, its values. ``bad`` are those with a fault."""

    def __init__(self, data: Object, index: Index, values: Values, found: Findings, decode: bool) -> None:
        self.bad: list[Placed] = []
        self.unplaced = 0  # raw units whose stored length is not their decoded length
        self.data, self.index, self.geometry, self.values = data, index.value, index.geometry, values
        self.found, self.decode, self.offset = found, decode, index.offset
        self.media = [codecs.is_media(pipeline) for pipeline in self.index.codecs]
        self.lacking: dict[tuple[str, str, str], list[int]] = {}

    def judge(self) -> int:
        if self.geometry.n_units > MANY_EMPTY and self.offset == HEAD_SIZE:
            return self._judge_empty()
        for placed in self.placed():
            before = self.found.faults
            self._judge(placed)
            if self.found.faults != before:
                self.bad.append(placed)
        for (code, clause, detail), offsets in self.lacking.items():
            said = f"{len(offsets)} units are not decoded here: {detail}"
            self.found.note(code, clause, self.data.key, said, offsets[0])
        self.values.finish()
        return self.geometry.n_units

    def _judge_empty(self) -> int:
        """Millions of units without a byte: their checksums are 0 [unit.empty]."""
        if np.any(np.asarray(self.index.crc)):
            self.found.add("E_UNIT_CRC", "unit.empty", self.data.key, "a unit of no bytes has a checksum", HEAD_SIZE)
        return self.geometry.n_units

    def placed(self) -> Iterator[Placed]:
        """All units in order, but for raw ones of a wrong length."""
        geometry = self.geometry
        if self.index.tile is not None:
            for item in range(geometry.n_items):
                shape = geometry.shape_of(item)
                for place in np.ndindex(*geometry.grid(item)) if all(shape) else ():
                    unit = self._unit(lambda place=place, item=item: geometry.tile_unit(item, place))
                    if unit is not None:
                        yield Placed(unit, item, item + 1, geometry.tile_shape(shape, place))
            return
        for number in range(geometry.n_units):
            unit = self._unit(lambda number=number: geometry.unit(number))
            if unit is not None:
                start, stop = geometry.unit_items(number)
                yield Placed(unit, start, stop, geometry.shape_of(start) if stop - start == 1 else None)

    def _unit(self, place: Any) -> Unit | None:
        try:
            return place()
        except LakebedError as cause:
            self.unplaced += 1
            self.found.caught(cause, self.data.key)
            return None

    def _judge(self, placed: Placed) -> None:
        unit = placed.unit
        pipeline = self.index.codecs[unit.codec]
        media = self.media[unit.codec]
        if media and placed.stop - placed.start != 1:
            detail = f"media unit {unit.number} holds {placed.stop - placed.start} items"
            self.found.add("E_INDEX_UNIT", "unit.media", self.data.key, detail, unit.offset)
            return
        sound = self._judge_crc(unit)
        stored = self.data.read(unit.offset, unit.stored) if media or unit.stored <= HELD or pipeline else b""
        self.values.fidelity(placed, pipeline, stored)
        if not sound or not self.decode:
            return
        if not pipeline and unit.stored > HELD:
            self._judge_large(placed)
        elif media:
            self._judge_picture(placed, stored)
        else:
            self._judge_array(placed, pipeline, stored)

    def _judge_crc(self, unit: Unit) -> bool:
        """[unit.crc] of every MiB, each fault with the MiB's offset."""
        sound = True
        crcs = self.geometry.crcs(unit)
        for start, part in self.data.windows(unit.offset, unit.stored):
            for at in range(0, len(part), CRC_SPAN):
                number = (start - unit.offset + at) // CRC_SPAN
                crc = zlib.crc32(memoryview(part)[at : at + CRC_SPAN])
                if crc != crcs[number]:
                    sound = False
                    detail = f"MiB {number} of unit {unit.number}: crc {crc:08x}, the index says {crcs[number]:08x}"
                    self.found.add("E_UNIT_CRC", "unit.crc", self.data.key, detail, start + at)
        if not unit.stored and crcs[0]:
            detail = f"unit {unit.number} has no bytes and the checksum {crcs[0]:08x}"
            self.found.add("E_UNIT_CRC", "unit.empty", self.data.key, detail, unit.offset)
        return sound

    def _judge_array(self, placed: Placed, pipeline: codecs.Pipeline, stored: memoryview | bytes) -> None:
        unit = placed.unit
        try:
            data = codecs.decode(pipeline, stored, unit.decoded)
            if pipeline and pipeline[-1].name == "lz4":
                lz4.judge(stored)
        except LakebedError as cause:
            self._refused(cause, unit)
            return
        self._judge_bool(data, unit.offset, unit.number)
        self.values.array(placed, memoryview(data))

    def _judge_large(self, placed: Placed) -> None:
        """A raw unit that is not held in memory; its values are judged as far as they are single bytes."""
        for start, part in self.data.windows(placed.unit.offset, placed.unit.stored):
            self._judge_bool(part, start, placed.unit.number)
        self.values.array(placed, None)

    def _judge_bool(self, data: memoryview | bytes | bytearray, offset: int, number: int) -> None:
        if self.index.dtype == "bool" and len(data) and int(np.frombuffer(data, np.uint8).max()) > 1:
            detail = f"unit {number} decodes to a boolean that is neither 0 nor 1"
            self.found.add("E_VALUE_BOOL", "value.bool", self.data.key, detail, offset)

    def _judge_picture(self, placed: Placed, stored: memoryview | bytes) -> None:
        """Header, wholeness, pixels [media.header] [media.corrupt]."""
        unit = placed.unit
        step = self.index.codecs[unit.codec][0]
        data, shape = bytes(stored), placed.shape or ()
        row = CODECS[step.name]
        try:
            array = self._judged_film(row, data, shape)
            if array is None:
                array = codecs.decode_media(step.name, dict(step.params), data, self.index.dtype, shape)
            reason = None if row.whole is None or row.header is None else row.whole(data, row.header(data))
        except LakebedError as cause:
            self._refused(cause, unit)
            return
        if reason is not None:
            detail = f"unit {unit.number} is no whole {step.name} file: {reason}"
            self.found.add("E_CODEC_DATA", "media.corrupt", self.data.key, detail, unit.offset)
            return
        self.values.picture(placed, array)
        wrong = untrue(self.geometry, unit.number, step.name, data)
        if wrong is not None:
            self.found.add("E_INDEX_SEEK", wrong[0], self.data.key, f"unit {unit.number}: {wrong[1]}", self.offset)

    def _judged_film(self, row: codecs.Codec, data: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
        """Where nobody asks for the values of a film: each frame decoded and none kept, an empty array; else None."""
        if row.judge is None or any(one.row.check is not None for one in self.values.uses):
            return None
        header = row.header(data)
        if header.refuse is not None or not header.agrees(self.index.dtype, shape):
            return None
        row.judge(data, header)
        return np.empty(0, np.uint8)

    def _refused(self, cause: LakebedError, unit: Unit) -> None:
        variant = cause.clause.startswith("picture.") and cause.clause != "picture.rgb16"  # no library would help
        if cause.code in MISSING_PARTS and not variant:
            self.lacking.setdefault((cause.code, cause.clause, cause.detail), []).append(unit.offset)
        else:
            detail = f"unit {unit.number}: {cause.detail}"
            self.found.add(cause.code, cause.clause, self.data.key, detail, unit.offset)
