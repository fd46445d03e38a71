"""Floor 1. ``pcx``: run-length coded exact pictures of 1 and 8 bits [codec.pcx]."""

from __future__ import annotations

from PIL.PcxImagePlugin import PcxImageFile

from .legacy import picture


def _sniff(data: bytes) -> bool:
    return len(data) >= 128 and data[0] == 10 and data[1] in (0, 2, 3, 4, 5) and data[2] < 2 and data[3] in (1, 2, 4, 8)


ROW = picture(
    "pcx",
    "PCX: run-length coded pictures of 1 and 8 bits",
    PcxImageFile,
    "PCX",
    {"uint8": (1, 3), "bool": (1,)},
    sniff=_sniff,
    suffixes=(".pcx",),
    ratio=512,
)
