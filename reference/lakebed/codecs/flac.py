"""Floor 1. ``flac``: exact sound, half the size of WAV [codec.flac]."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ..extras import optional
from .row import Codec, Header, Param, Params, corrupt
from .sound import reach, read, takes


def _stream(data: bytes) -> tuple[int, int, int, int]:
    """(rate, channels, bits, samples) from STREAMINFO, which comes first."""
    if data[:4] != b"fLaC" or len(data) < 42 or data[4] & 0x7F or data[5:8] != b"\0\0\x22":
        raise corrupt("media.corrupt", "no FLAC file: fLaC and its stream information do not come first")
    packed = int.from_bytes(data[18:26], "big")
    return packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & ((1 << 36) - 1)


def header(data: bytes) -> Header:
    rate, channels, bits, samples = _stream(data)
    refuse = None
    if not samples:
        refuse = "FLAC that does not say its length is not decoded here"
    elif bits > 24:
        refuse = f"FLAC of {bits} bits is not decoded here"
    return Header("int16" if bits <= 16 else "int32", (samples, channels), refuse=refuse, attributes={"rate": rate})


def whole(data: bytes, head: Header) -> str | None:
    """A frame of at most 65,535 samples takes 9 bytes or more."""
    least = (head.shape[0] + 65534) // 65535 * 9
    return f"{len(data)} bytes cannot hold {head.shape[0]} samples" if least > len(data) else None


def describe(data: bytes) -> dict[str, Any]:
    rate, _, bits, _ = _stream(data)
    return {"rate": rate, "bits": bits, "lossless": True}


def write(array: np.ndarray, params: Params) -> bytes:
    out = io.BytesIO()
    optional("soundfile", "audio").write(out, array, params["rate"], subtype="PCM_16", format="FLAC")
    return out.getvalue()


ROW = Codec(
    "flac",
    "media",
    "always",
    "FLAC: exact sound, about half the size",
    params=(Param("rate", (int,), 44100, 1, 655_350, about="samples a second"),),
    takes=takes("int16", channels=8),
    keeps=takes("int16", "int32", channels=8),
    library="soundfile",
    extra="audio",
    conditions="int16 of 1 to 8 channels; files of up to 24 bits",
    medium="audio",
    proves=("shape", "dtype"),
    limits={"channels": 8},
    media_type="audio/flac",
    suffixes=(".flac",),
    sniff=lambda data: data[:4] == b"fLaC",
    header=header,
    write=write,
    pixels=lambda data, head: read(data, "FLAC", head, 0, head.shape[0]),
    part=lambda data, head, start, stop: read(data, "FLAC", head, start, stop),
    reach=reach("FLAC"),
    describe=describe,
    whole=whole,
)
