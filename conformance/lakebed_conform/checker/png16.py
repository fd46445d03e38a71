"""PNG of 16-bit colour, which Pillow would cut to 8 bits [picture.rgb16]."""

from __future__ import annotations

import numpy as np

from lakebed_conform.checker.finding import Broken

#: first column, first row, step of columns, step of rows; (0, 0, 1, 1) is a picture that is not interlaced
Pass = tuple[int, int, int, int]


def deep_pixels(rows: bytes, passes: list[Pass], height: int, width: int, channels: int) -> np.ndarray:
    """uint16 [height, width, channels] from the whole inflated IDAT, whose length was judged. Raises E_CODEC_DATA."""
    out = np.zeros((height, width, channels), np.uint16)
    at = 0
    for x, y, dx, dy in passes:
        part = out[y::dy, x::dx]
        if not part.size:
            continue
        line = part.shape[1] * channels * 2
        above = np.zeros(line, np.uint8)
        for row in part:
            above = _unfilter(rows[at], rows[at + 1 : at + 1 + line], above, 2 * channels)
            row[:] = above.view(">u2").reshape(row.shape)
            at += 1 + line
    return out


def _unfilter(kind: int, data: bytes, above: np.ndarray, step: int) -> np.ndarray:
    """One row by its filter: none, left, above, average, Paeth."""
    if kind > 4:
        raise Broken("E_CODEC_DATA", "media.corrupt", f"row filter {kind}")
    row = np.frombuffer(data, np.uint8).copy()
    if kind == 2:
        row += above
    if kind in (0, 2):
        return row
    left = up_left = np.zeros(step, np.int64)
    for i in range(0, len(row), step):
        up = above[i : i + step].astype(np.int64)
        guess = left if kind == 1 else (left + up) // 2 if kind == 3 else _paeth(left, up, up_left)
        row[i : i + step] = (row[i : i + step] + guess) & 255
        left, up_left = row[i : i + step].astype(np.int64), up
    return row


def _paeth(left: np.ndarray, up: np.ndarray, up_left: np.ndarray) -> np.ndarray:
    guess = left + up - up_left
    a, b, c = abs(guess - left), abs(guess - up), abs(guess - up_left)
    return np.where((a <= b) & (a <= c), left, np.where(b <= c, up, up_left))
