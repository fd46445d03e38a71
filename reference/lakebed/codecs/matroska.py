"""Floor 1. The outer elements of a Matroska file, as far as they tell whether it is whole [media.corrupt]."""

from __future__ import annotations


def _size(data: bytes, at: int) -> tuple[int, int]:
    """An EBML size and the place behind it; the size that says "not known" is 0."""
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (0 if value == (1 << 7 * width) - 1 else value), at + width


def is_cut(data: bytes) -> bool:
    """Does a Matroska segment end beyond the file? FFmpeg gives the frames that are there and says nothing."""
    try:
        size, at = _size(data, 4)
        if data[at + size : at + size + 4] != b"\x18\x53\x80\x67":
            return False
        size, at = _size(data, at + size + 4)
    except IndexError:
        return False
    return at + size > len(data)
