"""Floor 1. TIFF pages of numbers that Pillow does not hold: odd bits, many dtypes, planes, predictors [picture.tiff].

Strips and tiles are unpacked one by one; nothing is made that the directory's lengths do not account for.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

from .pictures import pixels
from .row import Header, corrupt
from .tiff_page import Page

PACKINGS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""none, LZW, deflate (two numbers), PackBits, LZMA, zstd."""
_PREDICTED = (5, 8, 32946, 34925, 50000)
_BACKWARD = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def decoded(data: bytes, page: Page, order: str, head: Header) -> np.ndarray:
    """The page's numbers as (H, W) or (H, W, C), in the machine's byte order."""
    height, width = page.sides
    deep, tall, wide = _grid(page)
    each = 1 if page.planar else page.samples
    across, down = -(-width // wide), -(-height // tall)
    if len(page.starts) != len(page.sizes) or len(page.starts) != deep * across * down:
        raise corrupt("media.corrupt", f"{len(page.starts)} strips or tiles where {deep * across * down} are due")
    out = np.empty((height, width, page.samples), head.dtype)
    for number, (plane, y, x) in enumerate(_places(deep, down, across)):
        rows = tall if page.tile else min(tall, height - y * tall)
        start, size = page.starts[number], page.sizes[number]
        raw = _unpacked(data[start : start + size], page, rows, (wide * each * page.bits + 7) // 8)
        block = _numbers(raw, page, order, rows, wide * each, each, head.dtype).reshape(rows, wide, each)
        there = out[y * tall : (y + 1) * tall, x * wide : (x + 1) * wide, plane : plane + each]
        there[:] = block[: there.shape[0], : there.shape[1]]
    if page.colour == 0:
        out = np.array((1 << page.bits) - 1, head.dtype) - out
    return out.reshape(head.shape)


def _grid(page: Page) -> tuple[int, int, int]:
    """(planes, height and width of a strip or tile)."""
    tall, wide = page.tile or (page.rows, page.sides[1])
    if tall < 1 or wide < 1 or tall * wide > 4 * max(1 << 20, page.sides[0] * page.sides[1]):
        raise corrupt("media.corrupt", f"TIFF tiles of {tall} x {wide} pixels in a page of {page.sides}")
    return page.samples if page.planar else 1, tall, wide


def _places(deep: int, down: int, across: int) -> Iterator[tuple[int, int, int]]:
    for plane in range(deep):
        for y in range(down):
            for x in range(across):
                yield plane, y, x


def _unpacked(stored: bytes, page: Page, rows: int, each: int) -> bytes:
    """``rows`` rows of ``each`` bytes; what is left over is padding, what is absent is E_CODEC_DATA."""
    if page.backward:
        stored = stored.translate(_BACKWARD)
    due = rows * each
    if page.packing == 1:
        raw = stored[:due]
    elif page.packing in (8, 32946):
        try:
            raw = zlib.decompressobj().decompress(stored, due)
        except zlib.error as problem:
            raise corrupt("media.corrupt", f"damaged deflate data in a TIFF page: {problem}") from problem
    else:
        raw = pixels(TiffImageFile, _alone(stored, page.packing, rows, each), Header("uint8", (rows, each))).tobytes()
    if len(raw) != due:
        raise corrupt("media.corrupt", f"a TIFF strip or tile of {len(raw)} bytes where {due} are due")
    return raw


def _alone(stored: bytes, packing: int, rows: int, each: int) -> bytes:
    """A TIFF file of its own around one packed strip, its bytes as grey pixels: libtiff unpacks it."""
    tags = ((256, each), (257, rows), (258, 8), (259, packing), (262, 1), (273, 122), (277, 1), (278, rows),
            (279, len(stored)))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + stored


def _numbers(raw: bytes, page: Page, order: str, rows: int, count: int, stride: int, dtype: str) -> np.ndarray:
    """(rows, count) of ``dtype`` from packed rows."""
    final = np.dtype(dtype)
    predictor = page.predictor if page.packing in _PREDICTED else 1
    if page.bits != 8 * final.itemsize:
        return _narrow(raw, page, rows, count).astype(final)
    if predictor == 3:
        return _floats(np.frombuffer(raw, np.uint8).reshape(rows, -1), final, count, stride)
    if final.kind == "c":
        return np.frombuffer(raw, order + final.str[1:]).reshape(rows, count).astype(final)
    plain = f"u{final.itemsize}"
    values = np.frombuffer(raw, order + plain).reshape(rows, count).astype(plain)
    if predictor == 2:
        steps = values.reshape(rows, -1, stride)
        values = np.cumsum(steps, axis=1, dtype=plain).reshape(rows, count)
    return values.view(final)


def _narrow(raw: bytes, page: Page, rows: int, count: int) -> np.ndarray:
    """Unsigned numbers of any width, most significant bit first, every row from a new byte."""
    lines = np.frombuffer(raw, np.uint8).reshape(rows, -1)
    bits = np.unpackbits(lines, axis=1)[:, : count * page.bits].reshape(rows, count, page.bits)
    out = np.zeros((rows, count), np.uint32)
    for place in range(page.bits):
        out = (out << np.uint32(1)) | bits[:, :, place]
    return out


def _floats(lines: np.ndarray, final: np.dtype, count: int, stride: int) -> np.ndarray:
    """Predictor 3: bytes of equal weight side by side, most significant first, each the difference from its left."""
    summed = np.cumsum(lines.reshape(len(lines), -1, stride), axis=1, dtype=np.uint8).reshape(len(lines), -1)
    planes = summed.reshape(len(lines), final.itemsize, count)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(final.newbyteorder(">"))[..., 0].astype(final)
