"""Floor 7. What is left of one chunk: as it is, without its bad units, or nothing [algo.recover.commits].

A chunk without a fault travels byte for byte. Of a damaged one the sound units travel byte for byte into a new chunk,
where the samples of bad units have no value. An index whose checksum does not hold is not believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .carry import item_at, lengths, sample_of, shapes_of
from .check_chunk import Object, Units, judge_index, own_ref, trailer_faults
from .check_values import Index, Placed, Values
from .columns import at, entries, total
from .dtypes import DTYPES
from .findings import Findings
from .format import chunk as layout
from .geometry import Geometry
from .model import ChunkIndex
from .names import chunk_key
from .slices import ChunkRef
from .stores import Store
from .writer import ChunkWriter, UnitRule

_PASSED = {"E_CHUNK_MAGIC", "E_CHUNK_RESERVED"}  # faults of a trailer whose checksum holds all the same


@dataclass(slots=True)
class Salvaged:
    """``ref`` names what now stands in the target: the same chunk, or a new one (``rewritten``), or nothing (``empty``:
    no sample has a value left). ``bad``: numbers of the samples that lost their value, ascending. ``name`` and
    ``geometry`` are the old chunk's.
    """

    name: str
    ref: ChunkRef
    geometry: Geometry
    empty: bool = False
    rewritten: bool = False
    bad: list[int] = field(default_factory=list)

    @property
    def index(self) -> ChunkIndex:
        return self.geometry.index


@dataclass(slots=True)
class Opened:
    """A chunk whose index is sound, in the store it was found in."""

    data: Object
    ref: ChunkRef
    index: Index
    whole: bool  # no fault outside its units
    named: bool  # a commit names it, and so says what its bytes are


def open_chunk(store: Store, name: str, refs: Sequence[ChunkRef], found: Findings) -> Opened | None:
    """The chunk ``name`` by the lengths of ``refs`` or by its own trailer; None, with findings, when it is lost."""
    key = chunk_key(name)
    size = store.size(key)
    if size is None:
        found.add("E_OBJECT_MISSING", "tree.needed", key, "the chunk is not in the store")
        return None
    data = Object(store, key, size)
    before = found.faults
    own = own_ref(data, name)
    for ref in dict.fromkeys([*refs, *([own] if own is not None else [])]):
        if size < 64 + ref.payload + ref.index + 40 or (refs and ref not in refs and _mended(data, ref) != name):
            continue
        faults = trailer_faults(data, ref)
        if {code for code, _, _ in faults} <= _PASSED:
            index = judge_index(data, ref, found)
            whole = not faults and size == 64 + ref.payload + ref.index + 40 and found.faults == before
            if index is None:
                return None
            return Opened(data, ref, index, whole and _hash(data) == name, named=bool(refs))
    if own is None and not refs:
        detail = f"the last 40 of its {size} bytes are no trailer that fits"
        found.add("E_CHUNK_MAGIC", "chunk.trailer.magic", key, detail, max(0, size - 40))
    elif all(size < 64 + ref.payload + ref.index + 40 for ref in refs):
        found.add("E_TRUNCATED", "chunk.open.range", key, f"the object ends at byte {size}: its index is lost", size)
    for ref in [*refs, *([own] if own is not None else [])]:
        if size >= 64 + ref.payload + ref.index + 40:
            for code, field_name, detail in trailer_faults(data, ref):
                found.add(code, f"chunk.trailer.{field_name}", key, detail)
    return None


def _hash(data: Object) -> str:
    digest = hashlib.sha256()
    for _, part in data.windows(0, data.size):
        digest.update(part)
    return digest.hexdigest()


def _mended(data: Object, ref: ChunkRef) -> str:
    """The hash of the object with what no checksum covers put right: its head, its magic, nothing behind it."""
    end = layout.HEAD_SIZE + ref.payload + ref.index + layout.CRC_COVERS
    digest = hashlib.sha256(layout.HEAD)
    for _, part in data.windows(layout.HEAD_SIZE, end - layout.HEAD_SIZE):
        digest.update(part)
    digest.update(data.read(end, layout.TRAILER.size - layout.CRC_COVERS - len(layout.END_MAGIC)))
    digest.update(layout.END_MAGIC)
    return digest.hexdigest()


def salvage(opened: Opened, target: Store, found: Findings) -> Salvaged | None:
    """What is sound, in ``target``; each bad unit is a finding. None: it is not the chunk that a commit named."""
    value, geometry = opened.index.value, opened.index.geometry
    before = found.faults
    units = Units(opened.data, opened.index, Values(opened.data.key, opened.index, (), found), found, True)
    units.judge()
    bad = {item for placed in units.bad for item in range(placed.start, placed.stop)}
    if units.unplaced:
        bad = set(range(geometry.n_items))  # raw units of wrong lengths: where the others begin is not sure either
    if opened.whole and found.faults == before:
        _copied(opened, target)
        return Salvaged(opened.ref.name, opened.ref, geometry)
    if opened.named and found.faults == before and _mended(opened.data, opened.ref) != opened.ref.name:
        detail = "every checksum holds and the name does not: it is another chunk, put in the place of this one"
        found.add("E_CHUNK_HASH", "algo.recover.commits", opened.data.key, detail)
        return None
    if not opened.whole:
        detail = "damaged outside its units: its samples travel into a new chunk"
        found.note("-", "algo.recover.commits", opened.data.key, detail)
    lost = sorted({sample_of(geometry, item) for item in bad})
    empty = 0 < len(lost) == value.samples - total(value.missing, value.samples)
    ref = opened.ref if empty else _rewritten(opened, target, bad, lost)
    return Salvaged(opened.ref.name, ref, geometry, empty, True, lost)


def _copied(opened: Opened, target: Store) -> None:
    """Byte for byte."""
    spool = target.spool()
    try:
        for _, part in opened.data.windows(0, opened.data.size):
            spool.write(part)
        spool.finish(opened.data.key)
    except BaseException:
        spool.discard()
        raise


def _rewritten(opened: Opened, target: Store, bad: set[int], lost: list[int]) -> ChunkRef:
    value, geometry = opened.index.value, opened.index.geometry
    writer = ChunkWriter(
        target,
        tensor=value.tensor,
        row=value.row,
        dtype=value.dtype,
        itemsize=DTYPES[value.dtype].itemsize,
        rank=len(value.shape),
        sequence=value.items is not None,
        pipeline=(),
        rule=UnitRule(),
        tile=value.tile,
    )
    try:
        _units(writer, opened, bad)
        counts = _counts(value, geometry, bad, lost)
        for count, each in lengths(counts):
            writer.add_samples(count, each)
        return writer.close()
    except BaseException:
        writer.discard()
        raise


def _units(writer: ChunkWriter, opened: Opened, bad: set[int]) -> None:
    value, geometry = opened.index.value, opened.index.geometry
    units = Units(opened.data, opened.index, Values(opened.data.key, opened.index, (), Findings()), Findings(), False)
    if value.tile is None:
        for placed in units.placed():
            if placed.start not in bad:
                data = opened.data.read(placed.unit.offset, placed.unit.stored)
                shapes = shapes_of(value, geometry, placed.start, placed.stop)
                writer.add_stored_unit(data, value.codecs[placed.unit.codec], shapes)
        return
    tiles: dict[int, list[Placed]] = {}
    for placed in units.placed():
        tiles.setdefault(placed.start, []).append(placed)
    for item in range(geometry.n_items):
        if item not in bad:
            stored = (
                (opened.data.read(placed.unit.offset, placed.unit.stored), value.codecs[placed.unit.codec])
                for placed in tiles.get(item, ())
            )
            writer.add_stored(geometry.shape_of(item), stored)


def _counts(value: ChunkIndex, geometry: Geometry, bad: set[int], lost: list[int]) -> np.ndarray:
    """Items of each sample without the bad ones; -1: missing."""
    items = np.ones(value.samples, np.int64) if value.items is None else entries(value.items, 0, value.samples)
    counts = np.where(entries(value.missing, 0, value.samples) == 1, -1, items)
    for sample in lost:
        first = item_at(geometry, sample)
        number = 1 if value.items is None else at(value.items, sample)
        counts[sample] = sum(item not in bad for item in range(first, first + number)) or -1
    return counts
