"""Floor 1. ``sgi``: plain exact pictures of 8 bits [codec.sgi]."""

from __future__ import annotations

from PIL.SgiImagePlugin import SgiImageFile

from .legacy import picture

ROW = picture(
    "sgi",
    "SGI: plain exact pictures of 8 bits",
    SgiImageFile,
    "SGI",
    {"uint8": (1, 3, 4)},
    sniff=lambda data: data[:2] == b"\x01\xda",
    suffixes=(".sgi", ".rgb", ".rgba", ".bw"),
    ratio=256,
    refuse=lambda data: None if data[3] == 1 else "SGI of 16 bits: Pillow would cut it to 8",
)
