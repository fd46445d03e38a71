"""Floor 1. The table of codecs: one row each, found by name or alias [codec.registry]."""

from __future__ import annotations

from ..errors import error
from . import bitshuffle, bmp, deflate, delta, gif, jpeg, lz4, narrow, png, quantize, shuffle, tiff, webp, zstd
from .row import Codec

_MODULES = (lz4, zstd, deflate, shuffle, bitshuffle, delta, narrow, quantize, jpeg, png, webp, tiff, bmp, gif)
CODECS: dict[str, Codec] = {module.ROW.name: module.ROW for module in _MODULES}
ALIASES: dict[str, str] = {alias: row.name for row in CODECS.values() for alias in row.aliases}


def codec(name: str) -> Codec:
    """The row of a name or an alias, in any case of letters; E_ARGUMENT that names the known ones."""
    key = name.lower()
    row = CODECS.get(ALIASES.get(key, key))
    if row is None:
        raise error("E_ARGUMENT", "codec.registry", f"{name!r} is no codec; there are {', '.join(sorted(CODECS))}")
    return row
