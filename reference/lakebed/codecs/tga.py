"""Floor 1. ``tga``: plain exact pictures of 8 bits [codec.tga]."""

from __future__ import annotations

from PIL.TgaImagePlugin import TgaImageFile

from .legacy import picture


def _sniff(data: bytes) -> bool:
    """The format has no magic: every field of its header must make sense."""
    if len(data) < 19 or data[1] > 1 or data[2] not in (1, 2, 3, 9, 10, 11) or data[17] & 0xC0:
        return False
    mapped = data[2] in (1, 9)
    if mapped != bool(data[1]) or (not mapped and any(data[3:8])):
        return False
    sides = data[12:14] != b"\0\0" and data[14:16] != b"\0\0"
    return sides and data[16] in {1: (8,), 2: (16, 24, 32), 3: (8, 16)}[data[2] & 7] and data[7] in (0, 15, 16, 24, 32)


def _refuse(data: bytes) -> str | None:
    sixteen = (data[2] & 7 == 2 and data[16] == 16) or data[7] in (15, 16)
    return "TGA of 5-bit colours is not decoded here" if sixteen else None


ROW = picture(
    "tga",
    "TGA: plain exact pictures of 8 bits",
    TgaImageFile,
    "TGA",
    {"uint8": (1, 2, 3, 4)},
    sniff=_sniff,
    suffixes=(".tga",),
    ratio=512,
    refuse=_refuse,
)
