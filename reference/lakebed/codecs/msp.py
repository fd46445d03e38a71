"""Floor 1. ``msp``: bitmaps of an early paint program [codec.msp]."""

from __future__ import annotations

from PIL.MspImagePlugin import MspImageFile

from .legacy import picture

ROW = picture(
    "msp",
    "MSP: one-bit pictures",
    MspImageFile,
    "MSP",
    {"bool": (1,)},
    sniff=lambda data: data[:4] in (b"DanM", b"LinS"),
    suffixes=(".msp",),
    ratio=1024,
)
