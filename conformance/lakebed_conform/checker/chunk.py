"""Sections 5.1, 5.2, 5.5, 5.6: one chunk object against its name, its row and its tensor; units by number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lakebed_conform.checker.codecs import ITEMSIZE, decode, pipeline_kind
from lakebed_conform.checker.commit import Row, Tensor
from lakebed_conform.checker.finding import Broken, need
from lakebed_conform.checker.index import Index, canonical, grid_count, pipeline_of, read_index
from lakebed_conform.checker.pixels import array_bytes
from lakebed_conform.checker.seek import judge_seek
from lakebed_conform.pen import crc32, sha256

HEAD = bytes.fromhex("894c424b0d0a1a0a")
END = bytes.fromhex("8a4c424b454e440a")
MIB = 1 << 20
#: a part of an item: start and stop, or None for all, an axis
Region = list[list[int] | None] | None


@dataclass
class Chunk:
    """An opened chunk: its bytes and what its index says."""

    data: bytes = field(repr=False)
    index: Index


def open_chunk(data: bytes, payload: int, length: int) -> Chunk:
    """Open as a reader does, P' and N' from the table, in the order of [chunk.open]."""
    start = 64 + payload
    tail = data[start : start + length + 40]
    need(len(tail) == length + 40, "E_TRUNCATED", "chunk.open.range", f"{len(data)} bytes", len(data))
    at = start + length
    need(tail[-8:] == END, "E_CHUNK_MAGIC", "chunk.trailer.magic", f"ends in {tail[-8:].hex()}", at + 32)
    sizes = int.from_bytes(tail[-40:-32], "little"), int.from_bytes(tail[-32:-28], "little")
    need(sizes[0] == payload, "E_CHUNK_SIZE", "chunk.trailer.payload", f"P {sizes[0]}, table {payload}", at)
    need(sizes[1] == length, "E_CHUNK_SIZE", "chunk.trailer.index", f"N {sizes[1]}, table {length}", at + 8)
    said, found = int.from_bytes(tail[-12:-8], "little"), crc32(tail[:-12])
    need(said == found, "E_CHUNK_CRC", "chunk.trailer.crc", f"says {said:08x}, is {found:08x}", at + 28)
    need(tail[-20:-12] == bytes(8), "E_CHUNK_RESERVED", "chunk.trailer.reserved", tail[-20:-12].hex(), at + 20)
    major, features = int.from_bytes(tail[-28:-26], "little"), int.from_bytes(tail[-24:-20], "little")
    need(major == 1, "E_CHUNK_VERSION", "chunk.trailer.major", f"major {major}", at + 12)
    need(features == 0, "E_CHUNK_FEATURE", "chunk.trailer.features", f"bits {features:#x}", at + 16)
    try:
        return Chunk(data, read_index(tail[:-40], payload))
    except Broken as e:
        e.offset = start + (e.offset or 0)
        raise


def strict(chunk: Chunk, name: str, payload: int, length: int) -> None:
    """What only checkers look at: size, head, name, the one encoding."""
    data = chunk.data
    size = 64 + payload + length + 40
    need(len(data) == size, "E_CHUNK_SIZE", "chunk.size", f"{len(data)} bytes, not {size}", size)
    need(data[:8] == HEAD, "E_CHUNK_HEAD", "chunk.head.magic", data[:8].hex(), 0)
    need(data[8:64] == bytes(56), "E_CHUNK_HEAD", "chunk.head.zero", "the head's 56 bytes are not zero", 8)
    found = sha256(data)
    need(found == name, "E_CHUNK_HASH", "chunk.hash", f"bytes hash to {found[:16]}...")
    start = 64 + payload
    minor = int.from_bytes(data[start + length + 14 : start + length + 16], "little")
    try:
        judge_seek(chunk.index)
    except Broken as e:
        e.offset = start
        raise
    right = canonical(chunk.index)
    if minor == 0 and right != data[start : start + length]:
        at = next((i for i, (a, b) in enumerate(zip(right, data[start:], strict=False)) if a != b), 0)
        detail = f"not the canonical index; it differs at byte {at} of the index"
        raise Broken("E_INDEX_CANONICAL", "index.canonical", detail, start + at)


def against_tensor(chunk: Chunk, tensor: Tensor, row: Row) -> None:
    """Section 5.6 and [table.slice.range] for one slice."""
    index, clause = chunk.index, "chunk.tensor"
    need(index.dtype == tensor.dtype, "E_CHUNK_TENSOR", f"{clause}.dtype", f"{index.dtype}, tensor {tensor.dtype}")
    rank = len(index.shape)
    need(rank == len(tensor.shape), "E_CHUNK_TENSOR", f"{clause}.rank", f"rank {rank}, tensor {len(tensor.shape)}")
    good = (index.items is not None) == tensor.sequence
    need(good, "E_CHUNK_TENSOR", f"{clause}.sequence", "items and the tensor's sequence disagree")
    end = row.first + row.count
    need(end <= index.samples, "E_SLICE_RANGE", "table.slice.range", f"samples to {end} of {index.samples}")
    first, last = index.first_item(row.first), index.first_item(end)
    for a, dim in enumerate(tensor.shape):
        axis = index.shape[a]
        if dim is None or first == last:
            continue
        same = axis.const == dim if axis.const is not None else not (axis.array[first:last] != dim).any()
        need(same, "E_CHUNK_TENSOR", f"{clause}.dims", f"axis {a} is not {dim} in every item")


def stored_unit(chunk: Chunk, unit: int) -> bytes:
    """A unit's stored bytes, its CRCs verified [unit.crc]."""
    index = chunk.index
    start, n = 64 + index.stored.sum_to(unit), index.stored.at(unit)
    data = chunk.data[start : start + n]
    need(len(data) == n, "E_TRUNCATED", "unit.short", f"unit {unit}: {len(data)} of {n} bytes", start)
    first = index.stored.crc_start(unit)
    for j in range(max(1, -(-n // MIB))):
        piece = data[j * MIB : (j + 1) * MIB]
        good = crc32(piece) == index.crc.at(first + j)
        need(good, "E_UNIT_CRC", "unit.crc", f"unit {unit}, MiB {j}", start + j * MIB)
    return data


def decoded_unit(chunk: Chunk, unit: int) -> bytes:
    """A unit's array bytes."""
    index = chunk.index
    data = stored_unit(chunk, unit)
    pipeline = pipeline_of(index, unit)
    if pipeline:
        try:
            if pipeline_kind(pipeline) == "media":
                data = array_bytes(pipeline[0]["name"], data, unit_shape(index, unit), index.dtype)
            else:
                data = decode(data, pipeline, index.lengths.at(unit), index.dtype)
        except Broken as e:
            e.offset = 64 + index.stored.sum_to(unit)
            raise
    if index.dtype == "bool":
        good = not data or int(np.frombuffer(data, np.uint8).max()) <= 1
        need(good, "E_VALUE_BOOL", "value.bool", f"unit {unit} holds another byte than 0 and 1")
    return data


def unit_shape(index: Index, unit: int) -> tuple[int, ...]:
    """The shape of the one item, or the one tile, of a media unit."""
    if index.tile is None:
        return index.item_shape(index.unit.sum_to(unit) if index.unit.const is None else unit * index.unit.const)
    item = 0
    while unit >= (n := grid_count(index.item_shape(item), index.tile)):
        unit, item = unit - n, item + 1
    shape = index.item_shape(item)
    place = np.unravel_index(unit, [-(-s // t) for s, t in zip(shape, index.tile, strict=True)])
    return tuple(min(t, s - int(p) * t) for p, t, s in zip(place, index.tile, shape, strict=True))


def kind_of(chunk: Chunk, unit: int) -> str:
    return pipeline_kind(pipeline_of(chunk.index, unit))


def item_data(
    chunk: Chunk, item: int, cache: dict[int, bytes], region: Region = None
) -> tuple[bytes | None, bytes | None, list[Any]]:
    """(array bytes or None, stored file or None, pipeline) of one item; outside ``region`` tiles are not opened."""
    index = chunk.index
    if index.tile is not None:
        return _untile(chunk, item, region), None, pipeline_of(index, 0) if index.unit_count else []
    unit = _unit_of(index, item)
    pipeline = pipeline_of(index, unit)
    if pipeline_kind(pipeline) == "media":
        return None, stored_unit(chunk, unit), pipeline
    if unit not in cache:
        cache.clear()
        cache[unit] = decoded_unit(chunk, unit)
    head = index.unit.sum_to(unit) if index.unit.const is None else unit * index.unit.const
    start = index.item_bytes.sum_to(item) - index.item_bytes.sum_to(head)
    return cache[unit][start : start + index.item_bytes.at(item)], None, pipeline


def _unit_of(index: Index, item: int) -> int:
    if index.unit.const is not None:
        return item // index.unit.const
    edges = np.cumsum(index.unit.array.astype(np.int64))
    return int(np.searchsorted(edges, item, side="right"))


def _untile(chunk: Chunk, item: int, region: Region) -> bytes:
    """The item put together from its tiles [tile.edge]; zeros where a tile does not meet ``region``."""
    index = chunk.index
    unit = sum(grid_count(index.item_shape(i), index.tile) for i in range(item))
    shape, size = index.item_shape(item), ITEMSIZE[index.dtype]
    out = np.zeros((*shape, size), np.uint8)
    grid = [range(0, s, t) for s, t in zip(shape, index.tile, strict=True)]
    for place in np.ndindex(*[len(g) for g in grid]):
        at = tuple(slice(g[p], min(g[p] + t, s)) for g, p, t, s in zip(grid, place, index.tile, shape, strict=True))
        if region is None or _meet(at, region):
            out[at] = np.frombuffer(decoded_unit(chunk, unit), np.uint8).reshape(out[at].shape)
        unit += 1
    return out.tobytes()


def _meet(box: tuple[slice, ...], region: list[list[int] | None]) -> bool:
    return all(r is None or (b.start < r[1] and r[0] < b.stop) for b, r in zip(box, region, strict=True))
