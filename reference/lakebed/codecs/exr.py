"""Floor 1. ``exr``: OpenEXR pictures of half floats, floats and unsigned integers [codec.exr] [picture.exr].

The header is read here, files are written here (scan lines, zip); pixels are the library's, which knows all codings.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from ..extras import optional
from .bounds import LOOSE, loose, sparse
from .pictures import _FAULTS, takes
from .row import Codec, Header, Param, Params, corrupt

_MAGIC = b"\x76\x2f\x31\x01"
_TYPES = ("uint32", "float16", "float32")
_SETS = {("Y",): "Y", ("A", "Y"): "YA", ("B", "G", "R"): "RGB", ("A", "B", "G", "R"): "RGBA"}
_RATIOS = {0: 1, 1: 64, 2: 1032, 3: 1032}
"""The most bytes of pixels that a stored byte gives: without coding, run lengths, zip of a line or of sixteen."""
_LINES = {3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Lines in a block, by coding; one where nothing stands."""
_NEEDED = ("channels", "compression", "dataWindow")


class _Said(NamedTuple):
    """``channels``: (name, type, x and y sampling), in the file's order, which is that of their names."""

    flags: int
    channels: tuple[tuple[str, int, int, int], ...]
    packing: int
    height: int
    width: int
    tile: tuple[int, int] | None
    table: int


def _word(data: bytes, place: int) -> tuple[str, int]:
    """A name and where it ends."""
    end = data.find(b"\0", place, place + 256)
    if end < 0:
        raise corrupt("media.corrupt", f"an OpenEXR name at byte {place} that does not end")
    return data[place:end].decode("latin1"), end + 1


def _parsed(data: bytes) -> _Said:
    if data[:4] != _MAGIC or len(data) < 8 or data[4] != 2:
        raise corrupt("media.corrupt", "no OpenEXR file: its mark and version do not come first")
    place, found = 8, dict[str, bytes]()
    while data[place : place + 1] not in (b"\0", b""):
        name, place = _word(data, place)
        _, place = _word(data, place)
        (size,) = struct.unpack_from("<I", data.ljust(place + 4, b"\0"), place)
        if place + 4 + size > len(data):
            raise corrupt("media.corrupt", f"the OpenEXR attribute {name} runs past the end")
        found[name] = data[place + 4 : place + 4 + size]
        place += 4 + size
    if not all(name in found for name in _NEEDED) or len(found["dataWindow"]) != 16 or len(found["compression"]) != 1:
        raise corrupt("media.corrupt", "an OpenEXR header without channels, compression or dataWindow")
    x0, y0, x1, y1 = struct.unpack("<4i", found["dataWindow"])
    if x1 < x0 or y1 < y0:
        raise corrupt("media.corrupt", f"an OpenEXR window from {(y0, x0)} to {(y1, x1)}")
    flags = int.from_bytes(data[5:8], "little") << 8
    tile = struct.unpack_from("<II", found["tiles"]) if flags & 0x200 and len(found.get("tiles", b"")) == 9 else None
    names = _channels(found["channels"])
    return _Said(flags, names, found["compression"][0], y1 - y0 + 1, x1 - x0 + 1, tile, place + 1)


def _channels(data: bytes) -> tuple[tuple[str, int, int, int], ...]:
    place, found = 0, []
    while data[place : place + 1] not in (b"\0", b""):
        name, place = _word(data, place)
        if place + 16 > len(data):
            raise corrupt("media.corrupt", "an OpenEXR list of channels is cut short")
        kind, _, across, down = struct.unpack_from("<iIii", data, place)
        found.append((name, kind, across, down))
        place += 16
    return tuple(found)


def _names(said: _Said) -> str | list[str] | None:
    """The channels in the order of the array: of a known set, or the only one there is."""
    names = tuple(name for name, _, _, _ in said.channels)
    return list(names) if len(names) == 1 else _SETS.get(names)


def header(data: bytes) -> Header:
    said = _parsed(data)
    kinds = {kind for _, kind, _, _ in said.channels}
    names, refuse = _names(said), None
    if said.flags & 0x1800:
        refuse = "OpenEXR of several parts or with deep pixels is not decoded here"
    elif names is None or {(across, down) for _, _, across, down in said.channels} != {(1, 1)}:
        refuse = f"OpenEXR with the channels {', '.join(name for name, *_ in said.channels)[:80]} is not decoded here"
    elif len(kinds) != 1 or not kinds <= {0, 1, 2}:
        refuse = "OpenEXR with channels of different types is not decoded here"
    count = len(names or "Y")
    shape = (said.height, said.width, *((count,) if count > 1 else ()))
    return Header(_TYPES[min(kinds)] if len(kinds) == 1 and kinds <= {0, 1, 2} else "float32", shape, refuse=refuse)


def decoded(data: bytes, head: Header) -> np.ndarray:
    said, library = _parsed(data), optional("OpenEXR", "image")
    names = _names(said) or ""
    reason = whole(data, head)
    if reason is not None:
        raise corrupt("media.corrupt", f"an OpenEXR file that is cut short: {reason}")
    out = np.empty((*head.shape[:2], len(names)), head.dtype)
    try:
        file = library.InputFile(io.BytesIO(data))
        for place, name in enumerate(names):
            plane = np.frombuffer(file.channel(name), head.dtype)
            out[:, :, place] = plane.reshape(head.shape[:2])
    except (*_FAULTS, getattr(library, "error", OSError)) as problem:
        raise corrupt("media.corrupt", f"a damaged OpenEXR picture: {problem}") from problem
    return out.reshape(head.shape)


def whole(data: bytes, head: Header) -> str | None:
    """Why the file cannot be whole: a block of lines, or a tile of the first level, lies outside it."""
    said = _parsed(data)
    if said.tile is not None:
        across, down = said.tile
        if not across or not down:
            return "its tiles have no size"
        count, front = -(-said.width // across) * -(-said.height // down), 16
    else:
        count, front = -(-said.height // _LINES.get(said.packing, 1)), 4
    if said.table + 8 * count > len(data):
        return f"its table of {count} blocks runs past the end"
    for start in struct.unpack_from(f"<{count}Q", data, said.table):
        if start + front + 4 > len(data):
            return f"a block at byte {start} of {len(data)}"
        (size,) = struct.unpack_from("<I", data, start + front)
        if start + front + 4 + size > len(data):
            return f"a block of {size} bytes at byte {start} of {len(data)}"
    return None


def plausible(data: bytes, head: Header) -> str | None:
    ratio = _RATIOS.get(_parsed(data).packing)
    return loose(data, head) if ratio is None else sparse(ratio)(data, head)


def describe(data: bytes) -> dict[str, Any]:
    """24-bit floats and the block and wavelet codings of 5 and above cut; 5 only floats of 32 bits."""
    said = _parsed(data)
    cut = said.packing > 5 or (said.packing == 5 and any(kind == 2 for _, kind, _, _ in said.channels))
    return {"lossless": not cut, "channels": [name for name, _, _, _ in said.channels]}


def write(array: np.ndarray, params: Params) -> bytes:
    """One part of scan lines, sixteen to a block, by rising rows."""
    height, width = array.shape[:2]
    planes = array.reshape(height, width, -1)
    order = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[planes.shape[2]]
    ranks = sorted(range(len(order)), key=lambda place: order[place])
    packs = params["compression"] == "zip"
    kind = struct.pack("<iIii", _TYPES.index(array.dtype.name), 0, 1, 1)
    channels = b"".join(order[place].encode() + b"\0" + kind for place in ranks) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = (
        ("channels", "chlist", channels), ("compression", "compression", bytes([3 * packs])),
        ("dataWindow", "box2i", window), ("displayWindow", "box2i", window), ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)), ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    )  # fmt: skip
    head = _MAGIC + struct.pack("<I", 2)
    for name, form, value in attributes:
        head += name.encode() + b"\0" + form.encode() + b"\0" + struct.pack("<I", len(value)) + value
    lines = np.ascontiguousarray(planes[:, :, ranks].transpose(0, 2, 1)).astype(array.dtype.newbyteorder("<"))
    step = 16 if packs else 1
    blocks = [_block(y, lines[y : y + step].tobytes(), packs) for y in range(0, height, step)]
    start = len(head) + 1 + 8 * len(blocks)
    places = np.cumsum([start, *map(len, blocks)])[:-1].astype("<u8").tobytes()
    return b"".join((head, b"\0", places, *blocks))


def _block(y: int, raw: bytes, packs: bool) -> bytes:
    """Zip: the even bytes, then the odd ones, each as its difference from the one before, plus 128."""
    if packs:
        flat = np.frombuffer(raw, np.uint8)
        halves = np.concatenate([flat[::2], flat[1::2]])
        halves[1:] = halves[1:] - halves[:-1] + np.uint8(128)
        done = zlib.compress(halves.tobytes())
        raw = done if len(done) < len(raw) else raw
    return struct.pack("<iI", y, len(raw)) + raw


_KINDS: dict[str, tuple[int, ...]] = {"float16": (1, 2, 3, 4), "float32": (1, 2, 3, 4), "uint32": (1, 2, 3, 4)}

ROW = Codec(
    "exr",
    "media",
    "always",
    "OpenEXR: exact pictures of half floats and floats",
    params=(Param("compression", (str,), "zip", choices=("none", "zip"), about="inside the file"),),
    takes=takes(_KINDS, (1 << 31) - 1),
    library="OpenEXR",
    extra="image",
    conditions="float16, float32 and uint32 of 1 to 4 channels",
    proves=("shape", "dtype"),
    limits=dict(LOOSE),
    media_type="image/x-exr",
    suffixes=(".exr",),
    sniff=lambda data: data[:4] == _MAGIC,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=plausible,
    whole=whole,
)
