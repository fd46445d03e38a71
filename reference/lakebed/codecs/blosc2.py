"""Floor 1. ``blosc2``: one Blosc2 chunk of format 5, read and written here [codec.blosc2].

The chunk is walked in Python and only its streams go to lz4, zlib and zstd, each with its length as a limit: the C
library was seen to end the process over hostile headers. What it writes with these codecs and filters is read here,
and the other way round.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from . import bitshuffle, deflate, lz4, shuffle, zstd
from .row import Buffer, Codec, Param, Params, corrupt

_HEAD = struct.Struct("<BBBBIII6sH6sBB")
_BLOCK = 1 << 18
_CODES = {"lz4": (1, 1, lz4), "deflate": (3, 4, deflate), "zstd": (4, 5, zstd)}
"""Inner codec: (bits 5 to 7 of the flags, the number that the library notes, module)."""
_MODULES = {code: module for code, _, module in _CODES.values()}
_FILTERS = {"none": 0, "shuffle": 1, "bitshuffle": 2}
_STORED, _ONE_STREAM, _EXTENDED = 2, 16, 5
_NUMBERS = 1 << 31  # lengths and places are below it


class _Head(NamedTuple):
    flags: int
    size: int
    length: int
    block: int
    filter: int


def _levels(params: Params) -> Params:
    """The level of the inner codec; LZ4 is in its fast mode up to 5."""
    level = params.get("level", 5)
    return {"level": 0 if params.get("codec", "lz4") == "lz4" and level <= 5 else level}


def encode(raw: Buffer, params: Params) -> bytes | None:
    """Blocks of 256 KiB, one stream each; None for more than 2^31 - 1 bytes, which no chunk holds."""
    size, data = params["size"], memoryview(raw).cast("B")
    if len(data) + 32 >= _NUMBERS:
        return None
    code, number, module = _CODES[params.get("codec", "lz4")]
    kind = _FILTERS[params.get("filter", "shuffle")]
    block = max(1, min(len(data), max(size, _BLOCK - _BLOCK % size)))
    streams = []
    for start in range(0, len(data), block):
        part = _filtered(data[start : start + block], kind, size, True)
        done = module.encode(part, _levels(params))
        streams.append(struct.pack("<i", len(done)) + done if len(done) < len(part) else _plain(part))
    total = 32 + sum(4 + len(stream) for stream in streams)
    flags = code << 5 | _EXTENDED | _ONE_STREAM
    if total >= 32 + len(data):
        flags, total, streams = flags | _STORED, 32 + len(data), []
    head = _HEAD.pack(5, 1, flags, size, len(data), block, total, bytes(5) + bytes([kind]), number, bytes(6), 0, 0)
    if flags & _STORED:
        return head + bytes(data)
    starts = np.cumsum([32 + 4 * len(streams), *map(len, streams)])[:-1].astype("<i4").tobytes()
    return b"".join((head, starts, *streams))


def _plain(part: Buffer) -> bytes:
    return struct.pack("<i", len(part)) + bytes(part)


def _filtered(data: Buffer, kind: int, size: int, forward: bool) -> Buffer:
    """One block through its filter, or back [codec.blosc2.filter]."""
    if kind == 0 or (size == 1 and kind == 1):
        return data
    module = shuffle if kind == 1 else bitshuffle
    return module.encode(data, {"size": size}) if forward else module.decode(data, {"size": size}, len(data))


def decode(stored: Buffer, params: Params, length: int) -> Buffer:
    data = memoryview(stored).cast("B")
    head = _head(data, params, length)
    if head.flags & _STORED:
        if len(data) != 32 + head.length:
            raise corrupt("codec.blosc2.stored", f"{len(data) - 32} bytes after the header where {head.length} are due")
        return data[32:]
    count = -(-head.length // head.block)
    place = 32 + 4 * count
    if place > len(data):
        raise corrupt("codec.blosc2.starts", f"{len(data)} bytes cannot hold the starts of {count} blocks")
    starts = np.frombuffer(data, "<u4", count, 32).tolist()
    out = np.empty(head.length, np.uint8)
    ends = [
        _block(data, start, place, head, out[number * head.block : (number + 1) * head.block])
        for number, start in enumerate(starts)
    ]
    if sorted((*starts, len(data))) != sorted((place, *ends)):
        raise corrupt("codec.blosc2.starts", "blocks overlap, or leave bytes between them")
    return out.data


def _head(data: memoryview, params: Params, length: int) -> _Head:
    """The header, every field of it judged before anything is made [codec.blosc2.inner] [codec.blosc2.notes]."""
    if len(data) < 32:
        raise corrupt("codec.blosc2.head", f"{len(data)} bytes are no Blosc2 chunk: its header has 32")
    version, _, flags, size, total, block, whole, filters, _, meta, zero, special = _HEAD.unpack_from(data)
    if version != 5:
        raise corrupt("codec.blosc2.version", f"a Blosc2 chunk of version {version}; 5 is read")
    if flags & 13 != _EXTENDED:
        raise corrupt("codec.blosc2.flags", f"Blosc2 flags {flags:#x}")
    if meta != bytes(6) or zero or special:
        raise corrupt("codec.blosc2.zero", f"a Blosc2 chunk of a special kind: {meta.hex()} {zero} {special:#x}")
    if size != params["size"]:
        raise corrupt("codec.blosc2.size", f"elements of {size} bytes where the pipeline says {params['size']}")
    if max(total, block, whole) >= _NUMBERS:
        raise corrupt("codec.blosc2.length", f"numbers from 2^31 on: {total} bytes, blocks of {block}, stored {whole}")
    if whole != len(data):
        raise corrupt("codec.blosc2.whole", f"a chunk of {whole} bytes where {len(data)} are stored")
    if total > length:
        raise corrupt("codec.blosc2.length", f"a content of {total} bytes where {length} are due")
    if not 1 <= block <= max(1, total):
        raise corrupt("codec.blosc2.block", f"blocks of {block} bytes in {total}")
    used = [kind for kind in filters if kind]
    coded = flags >> 5 in _MODULES or flags & _STORED
    if len(used) > 1 or (used and used[0] > 2) or not coded:
        raise corrupt("codec.blosc2.filters", f"filters {filters.hex(' ')}, codec {flags >> 5}")
    return _Head(flags, size, total, block, used[0] if used else 0)


def _block(data: memoryview, start: int, least: int, head: _Head, out: np.ndarray) -> int:
    """One block into ``out``; where it ends."""
    split = not head.flags & _ONE_STREAM and len(out) == head.block
    count = head.size if split else 1
    if len(out) % count:
        raise corrupt("codec.blosc2.block", f"a block of {len(out)} bytes in {count} streams")
    each, place = len(out) // count, start
    parts = np.empty(len(out), np.uint8)
    for number in range(count):
        if not least <= place <= len(data) - 4:
            raise corrupt("codec.blosc2.starts", f"a stream at byte {place} of {len(data)}")
        (size,) = struct.unpack_from("<i", data, place)
        place += 4
        into = parts[number * each : (number + 1) * each]
        if size <= 0:
            place += _run(data, place, size, into)
        elif size > len(data) - place:
            raise corrupt("codec.blosc2.starts", f"a stream of {size} bytes at byte {place} of {len(data)}")
        else:
            into[:] = np.frombuffer(_stream(data[place : place + size], head.flags >> 5, each), np.uint8)
            place += size
    out[:] = np.frombuffer(_filtered(parts.data, head.filter, head.size, False), np.uint8)
    return place


def _run(data: memoryview, place: int, size: int, into: np.ndarray) -> int:
    """A stream of one byte only: 0, or minus the size with a token of one byte; gives the token's length."""
    if size and (size < -255 or place >= len(data) or not data[place] & 1):
        raise corrupt("codec.blosc2.streams", f"a run of {size} at byte {place}")
    into[:] = -size
    return 1 if size else 0


def _stream(part: memoryview, code: int, length: int) -> Buffer:
    if len(part) == length:
        return part
    if length > _MODULES[code].ROW.ratio * len(part):
        raise corrupt("codec.plausible", f"a stream of {len(part)} bytes cannot give {length}")
    done = _MODULES[code].decode(part, {}, length)
    if len(done) != length:
        raise corrupt("codec.blosc2.streams", f"a stream gives {len(done)} bytes where {length} are due")
    return done


ROW = Codec(
    "blosc2",
    "bytes",
    "always",
    "one Blosc2 chunk: a filter and a codec in blocks of 256 KiB",
    params=(
        shuffle.SIZE,
        Param("codec", (str,), "lz4", choices=tuple(_CODES), about="of the streams", effort=True),
        Param("filter", (str,), "shuffle", choices=tuple(_FILTERS), about="before them", effort=True),
        Param("level", (int,), 5, 1, 9, about="1 fast, 9 smallest", effort=True),
    ),
    limits={"input": (1 << 31) - 33},
    encode=encode,
    decode=decode,
    encoded=lambda length, params: length + 32,
    ratio=32768,
)
