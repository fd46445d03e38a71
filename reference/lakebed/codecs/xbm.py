"""Floor 1. ``xbm``: bitmaps as C source text [codec.xbm]."""

from __future__ import annotations

import re

from PIL.XbmImagePlugin import XbmImageFile

from .legacy import picture

_HEAD = re.compile(rb"\s*#define[ \t]+\S*width[ \t]+[0-9]{1,6}\s")

ROW = picture(
    "xbm",
    "XBM: one-bit pictures as text",
    XbmImageFile,
    "XBM",
    {"bool": (1,)},
    sniff=lambda data: _HEAD.match(data[:512]) is not None,
    suffixes=(".xbm",),
)
