"""Floor 1. How much a file of a format can hold: judged before its pixels are made [media.plausible].

Formats with a least number of bits for each pixel are held to it. The others (arithmetic and run-length coders that
give a plain picture of any size in a few bytes) may have 2^26 pixels, or 65,536 for each of their bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .row import Header

FREE = 1 << 20
"""Elements that a reader makes without asking: their memory is small whatever the file says."""
PIXELS = 1 << 26
PIXELS_A_BYTE = 1 << 16
LOOSE = {"pixels": PIXELS, "pixels_per_byte": PIXELS_A_BYTE}
"""``limits`` of a row whose format has no least size."""

Plausible = Callable[[bytes, Header], str | None]


def loose(data: bytes, head: Header) -> str | None:
    """More than 2^26 pixels, and more than 65,536 for each byte?"""
    pixels = math.prod(head.shape[:3] if len(head.shape) == 4 else head.shape[:2])
    if pixels > max(PIXELS, PIXELS_A_BYTE * len(data)):
        return f"{len(data)} bytes claim {pixels} pixels; {max(PIXELS, PIXELS_A_BYTE * len(data))} are believed"
    return None


def sparse(ratio: int) -> Plausible:
    """No file of the format gives more than ``ratio`` bytes of array for one of its own."""

    def reason(data: bytes, head: Header) -> str | None:
        due = math.prod(head.shape) * np.dtype(head.dtype).itemsize
        return f"{len(data)} bytes cannot hold {head.shape} pixels" if due > ratio * len(data) else None

    return reason


def at_least(bits: int, data: bytes, head: Header) -> str | None:
    """The picture needs ``bits`` at the least."""
    if bits > 8 * len(data):
        return f"{len(data)} bytes cannot hold {head.shape} pixels: they need {(bits + 7) // 8} at the least"
    return None
