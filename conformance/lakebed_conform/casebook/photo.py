"""A picture with what photographs have: slopes, edges, texture, saturated colour; made from integers, so always the
same on every machine."""

from __future__ import annotations

import numpy as np


def photo(height: int = 64, width: int = 96, channels: int = 3) -> np.ndarray:
    """uint8 (height, width, channels), or (height, width) for ``channels`` 0."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    slope = (x * 160 // max(1, width) + y * 90 // max(1, height)) % 256
    texture = ((x * 7919 + y * 104729 + (x * y) * 31) >> 3) % 7
    edge = np.where((x - width // 2) ** 2 + (y - height // 2) ** 2 < (height // 3) ** 2, 70, 0)
    planes = [slope + texture, slope // 2 + edge + texture, 255 - slope + edge // 2 - texture]
    stacked = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    if channels == 0:
        return np.ascontiguousarray(stacked[..., 1])
    if channels == 4:
        alpha = (255 - edge * 3).astype(np.uint8)[..., None]
        return np.ascontiguousarray(np.concatenate([stacked, alpha], -1))
    return np.ascontiguousarray(stacked[..., :channels])


def encoded(pixels: np.ndarray, form: str, **how: object) -> bytes:
    """A picture file, by Pillow: for cases whose origin is a library."""
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **how)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """The reference decode of a file (class A is measured against it)."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)
