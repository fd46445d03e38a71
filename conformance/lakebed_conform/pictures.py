"""Pixels of a picture that a port encoded, by a decoder that is none of the ports'. Needs Pillow (extra: pictures)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from lakebed_conform import SuiteError


def pixels(codec: str, data: bytes, shape: tuple[int, ...], dtype: str) -> bytes:
    """Little-endian C order bytes of the picture in ``data``; raises SuiteError without Pillow, ValueError when the
    file cannot be decoded or has another shape."""
    try:
        from PIL import Image
    except ImportError:
        raise SuiteError("pictures are judged with Pillow: pip install 'lakebed-conform[pictures]'") from None
    try:
        picture = Image.open(io.BytesIO(data), formats=[codec.upper()])
        array = _array(picture, dtype)
    except (OSError, SyntaxError) as e:
        raise ValueError(f"no {codec} file: {e}") from None
    if array.shape != shape and (*array.shape, 1) != shape:
        raise ValueError(f"a picture of shape {array.shape}, not {shape}")
    return np.ascontiguousarray(array).tobytes()


def _array(picture: Any, dtype: str) -> np.ndarray:
    if picture.mode == "1":
        bits = np.asarray(picture)
        return bits.astype(np.uint8) * (1 if dtype == "bool" else 255)
    array = np.asarray(picture)
    return array.astype(np.dtype(dtype).newbyteorder("<"), copy=False)
