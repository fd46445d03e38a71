"""Pixels of picture files, through Pillow (the extra ``pictures``), as the table *The array of a picture* has them."""

from __future__ import annotations

import importlib.util
import io
import warnings
import zlib
from typing import Any

import numpy as np

from lakebed_conform.checker.finding import Broken
from lakebed_conform.checker.media import Picture, agrees, header
from lakebed_conform.checker.png16 import deep_pixels

FORMATS = ("png", "jpeg", "gif", "bmp", "webp", "tiff")


def available() -> bool:
    return importlib.util.find_spec("PIL") is not None


def array_bytes(codec: str, data: bytes, shape: tuple[int, ...], dtype: str) -> bytes:
    """The C-order bytes of a picture recorded with ``shape`` and ``dtype``; headers are judged first.

    Raises E_MEDIA_SHAPE, E_CODEC_DATA; E_EXTRA_MISSING without Pillow or for what it would cut or convert.
    """
    picture = header(codec, data)
    agrees(picture, shape, dtype)
    if not available():
        raise Broken("E_EXTRA_MISSING", "codec.extra", "install lakebed-conform[pictures]")
    if not picture.held:
        raise Broken("E_EXTRA_MISSING", "picture.tiff", "a TIFF page that Pillow does not hold as it is")
    deep = picture.channels > 1 and picture.dtypes == ("uint16",)
    if deep and codec != "png":
        raise Broken("E_EXTRA_MISSING", "picture.rgb16", "16-bit colour")
    rows = _png_whole(data, picture) if codec == "png" else b""
    if deep:
        passes = _ADAM7 if data[28] else _STRAIGHT
        pixels = deep_pixels(rows, passes, picture.height, picture.width, picture.channels)
    else:
        pixels = _decoded(codec, data, picture, len(shape) == 4)
    if pixels.dtype == bool:  # Pillow's true is the byte 255
        pixels = pixels.view(np.uint8) != 0
        pixels = pixels.astype(np.uint8) * 255 if dtype == "uint8" else pixels
    if pixels.dtype.name != dtype or pixels.size != int(np.prod(shape)):
        raise Broken("E_MEDIA_SHAPE", "media.header", f"decodes to {pixels.shape} {pixels.dtype}, recorded {shape}")
    return np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()


def _png_whole(data: bytes, picture: Picture) -> bytes:
    """The inflated IDAT, which must hold every row: decoders fill what is missing with zeros [media.corrupt]."""
    at, parts = 8, []
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        parts += [data[at + 8 : at + 8 + size]] if kind == b"IDAT" else []
        at += 12 + size
    depth, colour, interlaced = data[24], data[25], data[28]
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = _ADAM7 if interlaced else _STRAIGHT
    sides = [(-(-(picture.height - y) // dy), -(-(picture.width - x) // dx)) for x, y, dx, dy in passes]
    due = sum(h * (1 + -(-w * bits // 8)) for h, w in sides if h > 0 and w > 0)
    stream = zlib.decompressobj()
    try:
        rows = stream.decompress(b"".join(parts), due + 1)
    except zlib.error as e:
        raise Broken("E_CODEC_DATA", "media.corrupt", f"IDAT: {e}") from None
    if len(rows) != due:
        raise Broken("E_CODEC_DATA", "media.corrupt", f"IDAT holds {len(rows)} bytes of {due}")
    return rows


#: first column, first row, step of columns, step of rows
_STRAIGHT = [(0, 0, 1, 1)]
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def _decoded(codec: str, data: bytes, picture: Picture, frames: bool) -> np.ndarray:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=[codec.upper()]) as image:
                image.load()
                if not frames:
                    return _pixels(image, picture)
                out = []
                for number in range(picture.frames):
                    image.seek(number)
                    out.append(_pixels(image, picture))
                return np.stack(out)
    except Broken:
        raise
    except Exception as e:  # whatever a decoder says about bad bytes [media.corrupt]
        raise Broken("E_CODEC_DATA", "media.corrupt", f"{type(e).__name__}: {e}") from None


def _pixels(image: Any, picture: Picture) -> np.ndarray:
    want = {1: None, 2: "LA", 3: "RGB", 4: "RGBA"}[picture.channels]
    if image.mode == "CMYK":
        want = "CMYK"
    if picture.channels == 1 and image.mode not in ("1", "L", "I", "F") and not image.mode.startswith("I;16"):
        want = "L"
    if picture.channels == 1 and picture.dtypes[0] == "bool" and image.mode != "1":
        want = "1"
    if want is not None and image.mode != want:
        image = image.convert(want)
    pixels = np.asarray(image)
    return pixels.astype(pixels.dtype.newbyteorder("="))
