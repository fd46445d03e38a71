"""The checker's own decoder of 16-bit colour PNG, held against Pillow's high bytes and, where it is, imagecodecs."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lakebed_conform.checker import Broken
from lakebed_conform.checker.pixels import _ADAM7, _STRAIGHT, array_bytes

COLOUR = {2: 4, 3: 2, 4: 6}
MODE = {2: "LA", 3: "RGB", 4: "RGBA"}


def png(height: int, width: int, channels: int, interlaced: bool, filters: tuple[int, ...] = (0, 1, 2, 3, 4)) -> bytes:
    """Random rows, the filters in turn."""
    rng, rows, n = np.random.default_rng(3), b"", 0
    for x, y, dx, dy in _ADAM7 if interlaced else _STRAIGHT:
        high, wide = -(-(height - y) // dy), -(-(width - x) // dx)
        for _ in range(high if wide > 0 else 0):
            rows += bytes([filters[n % len(filters)]]) + rng.integers(0, 256, wide * channels * 2, np.uint8).tobytes()
            n += 1
    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR[channels], 0, 0, interlaced)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize(("height", "width", "interlaced"), [(5, 7, 0), (9, 8, 0), (1, 1, 1), (5, 7, 1), (17, 9, 1)])
def test_all_filters_and_passes(channels, height, width, interlaced):
    data = png(height, width, channels, bool(interlaced))
    shape = (height, width, channels)
    got = np.frombuffer(array_bytes("png", data, shape, "uint16"), "<u2").reshape(shape)
    high = np.asarray(Image.open(io.BytesIO(data)).convert(MODE[channels]))
    assert (high == got >> 8).all()
    if not interlaced:
        imagecodecs = pytest.importorskip("imagecodecs")
        assert (imagecodecs.png_decode(data).reshape(shape) == got).all()


def test_a_filter_that_is_none_is_refused():
    with pytest.raises(Broken) as caught:
        array_bytes("png", png(2, 2, 3, False, filters=(5,)), (2, 2, 3), "uint16")
    assert caught.value.code == "E_CODEC_DATA"
