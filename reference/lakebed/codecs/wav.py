"""Floor 1. ``wav``: plain sound, read and written in numpy [codec.wav]."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

from ..errors import LakebedError
from .row import Codec, Header, Param, Params, corrupt
from .seek import Seek
from .sound import takes

_FORMS = {
    (1, 8): "uint8", (1, 16): "int16", (1, 24): "int32", (1, 32): "int32", (3, 32): "float32", (3, 64): "float64",
    (6, 8): "int16", (7, 8): "int16",
}  # fmt: skip
_WIDE = 0xFFFFFFFF


def _alaw(code: int) -> int:
    """ITU-T G.711 A-law: 13 bits, moved up to 16."""
    code ^= 0x55
    step, place = code >> 4 & 7, (code & 15) << 4
    size = place + 8 if step == 0 else (place + 0x108) << (step - 1)
    return size if code & 0x80 else -size


def _mulaw(code: int) -> int:
    """ITU-T G.711 mu-law: 14 bits, moved up to 16."""
    code ^= 0xFF
    size = ((((code & 15) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size


_LAWS = {kind: np.array([law(code) for code in range(256)], np.int16) for kind, law in ((6, _alaw), (7, _mulaw))}


LEAD = 1 << 16  # bytes in which a file's head is looked for


class _Wave(NamedTuple):
    """``order``: of the bytes of a number; ``bits``: of a number with its padding, a multiple of 8."""

    order: str
    kind: int
    channels: int
    rate: int
    bits: int
    start: int
    size: int


def _parsed(data: bytes) -> _Wave:
    if not _sniff(data):
        raise corrupt("media.corrupt", "no WAV file: RIFF and WAVE do not come first")
    order = ">" if data[:4] == b"RIFX" else "<"
    place, form, long = 12, None, 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from(order + "4sI", data, place)
        place += 8
        if kind == b"fmt " and size >= 16 and place + size <= len(data):
            tag, channels, rate, _, block, bits = struct.unpack_from(order + "HHIIHH", data, place)
            if tag == 0xFFFE and size >= 40:
                (tag,) = struct.unpack_from(order + "H", data, place + 24)
            if not channels or not bits or block != channels * ((bits + 7) // 8):
                raise corrupt("media.corrupt", f"a WAV format of {channels} channels, {bits} bits, blocks of {block}")
            form = (order, tag, channels, rate, (bits + 7) // 8 * 8)
        elif kind == b"ds64" and data[:4] == b"RF64" and size >= 16 and place + 16 <= len(data):
            (long,) = struct.unpack_from("<Q", data, place + 8)
        elif kind == b"data":
            size = long if size == _WIDE and data[:4] == b"RF64" else size
            if form is None:
                raise corrupt("media.corrupt", "WAV samples before their format")
            return _Wave(*form, place, size)
        place += size + (size & 1)
    raise corrupt("media.corrupt", "a WAV file without samples")


def header(data: bytes) -> Header:
    """[audio.other]"""
    wave = _parsed(data)
    dtype = _FORMS.get((wave.kind, wave.bits))
    block = wave.channels * wave.bits // 8
    refuse = None
    if dtype is None:
        refuse = f"WAV of form {wave.kind} with {wave.bits} bits is not decoded here"
    elif wave.size % block:
        refuse = f"WAV of {wave.size} bytes in blocks of {block} does not end with a whole sample"
    return Header(dtype or "int16", (wave.size // block, wave.channels), refuse=refuse, attributes={"rate": wave.rate})


def part(data: bytes, head: Header, start: int, stop: int) -> np.ndarray:
    wave = _parsed(data)
    width = wave.bits // 8
    block = width * wave.channels
    begin, end = wave.start + start * block, wave.start + stop * block
    if end > len(data) or end > wave.start + wave.size:
        raise corrupt("media.corrupt", f"the samples need {end} bytes, there are {len(data)}")
    return _values(np.frombuffer(data, np.uint8, end - begin, begin), wave, head.dtype)


def _values(raw: np.ndarray, wave: _Wave, dtype: str) -> np.ndarray:
    if wave.bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, slice(1, 4) if wave.order == "<" else slice(0, 3)] = raw.reshape(-1, 3)
        raw = wide.reshape(-1)
    if wave.kind in _LAWS:
        return _LAWS[wave.kind][raw].reshape(-1, wave.channels)
    values = raw.view(wave.order + np.dtype(dtype).str[1:]).reshape(-1, wave.channels)
    return values if wave.order == "<" else values.astype(dtype)


def reach(
    file: Any, dtype: str, shape: tuple[int, ...], start: int, stop: int, seek: Seek | None
) -> np.ndarray | None:
    """Samples lie where their number says; None where the beginning of the file does not tell it."""
    try:
        lead = file.read(LEAD)
        head, wave = header(lead), _parsed(lead)
    except LakebedError as problem:
        if problem.code != "E_CODEC_DATA":
            raise
        return None
    if not head.agrees(dtype, shape) or head.refuse is not None or start >= stop:
        return None
    block = wave.channels * wave.bits // 8
    begin, size = wave.start + start * block, (stop - start) * block
    if begin + size > file.size:
        return None
    file.want([(begin, size)])
    file.seek(begin)
    raw = bytearray(size)
    return _values(np.frombuffer(raw, np.uint8), wave, dtype) if file.readinto(raw) == size else None


def plausible(data: bytes, head: Header) -> str | None:
    wave = _parsed(data)
    there = len(data) - wave.start
    return f"the samples need {wave.size} bytes, there are {there}" if there < wave.size else None


def describe(data: bytes) -> dict[str, Any]:
    wave = _parsed(data)
    return {"rate": wave.rate, "bits": wave.bits, "lossless": True}


def _sniff(data: bytes) -> bool:
    return data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE"


def write(array: np.ndarray, params: Params) -> bytes:
    kind = 3 if array.dtype.kind == "f" else 1
    block = array.shape[1] * array.itemsize
    form = struct.pack(
        "<HHIIHH", kind, array.shape[1], params["rate"], params["rate"] * block, block, 8 * array.itemsize
    )
    body = array.astype(array.dtype.newbyteorder("<")).tobytes()
    pad = b"\0" * (len(body) & 1)
    rest = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body + pad
    return b"RIFF" + struct.pack("<I", 4 + len(rest)) + b"WAVE" + rest


ROW = Codec(
    "wav",
    "media",
    "always",
    "WAV: plain sound",
    aliases=("wave",),
    params=(Param("rate", (int,), 44100, 1, 16_000_000, about="samples a second"),),
    takes=takes("uint8", "int16", "int32", "float32", "float64", channels=65535),
    conditions="uint8, int16, int32, float32 and float64, below 4 GiB",
    medium="audio",
    proves=("shape", "dtype"),
    limits={"bytes": (1 << 32) - 1},
    media_type="audio/wav",
    suffixes=(".wav",),
    sniff=_sniff,
    header=header,
    write=write,
    pixels=lambda data, head: part(data, head, 0, head.shape[0]),
    part=part,
    reach=reach,
    describe=describe,
    plausible=plausible,
)
