"""Floor 1. All frames of an animated picture as one array of rank 4, each as it is shown [picture.frames].

Animated PNG, GIF and WebP; Pillow composes the canvas. Arrays of frames are written as PNG, every frame whole.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np

from .pictures import _FAULTS, Plugin, saved
from .row import Header, corrupt

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def all_of(count: Callable[[bytes], int], channels: int | None = None) -> Callable[[bytes, Header], Header]:
    """A row's ``frames``: the first frame's header with the number of them in front; ``channels`` where they are
    always so many."""

    def header(data: bytes, head: Header) -> Header:
        many = channels or (head.shape[2] if len(head.shape) == 3 else 1)
        refuse = head.refuse
        if head.dtype != "uint8" or head.also:
            refuse = refuse or f"frames of {head.dtype} are not decoded here"
        return head._replace(shape=(count(data), *head.shape[:2], many), refuse=refuse, also=())

    return header


def film(plugin: Plugin, data: bytes, head: Header) -> np.ndarray:
    """(frames, height, width, channels), uint8, each frame composed as the format says."""
    count, height, width, channels = head.shape
    out = np.empty(head.shape, np.uint8)
    try:
        image = plugin(io.BytesIO(data))
        skipped = int(bool(image.info.get("default_image")))  # of an animated PNG: a picture that is none of its frames
        if getattr(image, "n_frames", 1) - skipped != count or image.size != (width, height):
            raise corrupt("media.corrupt", f"the decoder sees other frames than {head.shape}")
        for number in range(count):
            image.seek(number + skipped)
            out[number] = np.asarray(image.convert(MODES[channels])).reshape(head.shape[1:])
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged frame: {problem}") from problem
    return out


def animated_png(array: np.ndarray, level: int) -> bytes:
    """uint8 (frames, H, W, C) as an animated PNG that loops for ever, ten frames a second."""
    count, height, width, _ = array.shape
    signature, number, out = b"", 0, []
    for place in range(count):
        parts = _chunks(saved(array[place], "PNG", compress_level=level))
        if place == 0:
            signature, head = b"\x89PNG\r\n\x1a\n", parts[b"IHDR"][0]
            out = [_chunk(b"IHDR", head), _chunk(b"acTL", struct.pack(">II", count, 0))]
        out.append(_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0)))
        number += 1
        for body in parts[b"IDAT"]:
            if place == 0:
                out.append(_chunk(b"IDAT", body))
            else:
                out.append(_chunk(b"fdAT", struct.pack(">I", number) + body))
                number += 1
    return signature + b"".join(out) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> dict[bytes, list[bytes]]:
    place, found = 8, dict[bytes, list[bytes]]()
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        found.setdefault(kind, []).append(data[place + 8 : place + 8 + length])
        place += 12 + length
    return found
