"""Floor 1. ``im``: the plain format of the LabEye program [codec.im]."""

from __future__ import annotations

from PIL.ImImagePlugin import ImImageFile

from .legacy import picture

ROW = picture(
    "im",
    "IM: plain exact pictures of 8, 16 and 32 bits",
    ImImageFile,
    "IM",
    {"uint8": (1, 2, 3, 4), "bool": (1,), "uint16": (1,), "int32": (1,), "float32": (1,)},
    sniff=lambda data: data[:11] == b"Image type:",
    suffixes=(".im",),
    side=(1 << 31) - 1,
)
