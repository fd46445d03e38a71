"""Floor 1. What the older picture formats share: Pillow reads their header, arrays are written as they are
[picture.legacy].

Their parsers look at the header only when a file is opened; sizes are judged before pixels are made.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .bounds import sparse
from .pictures import _FAULTS, Plugin, pixels, saved, takes
from .row import Codec, Header, Param, Params, corrupt

_MODES: dict[str, tuple[str, tuple[int, ...]]] = {
    "1": ("uint8", ()),
    "L": ("uint8", ()),
    "LA": ("uint8", (2,)),
    "RGB": ("uint8", (3,)),
    "RGBA": ("uint8", (4,)),
    "CMYK": ("uint8", (4,)),
    "I": ("int32", ()),
    "F": ("float32", ()),
    **{f"I;16{order}": ("uint16", ()) for order in ("", "B", "L")},
}


def opened(plugin: Plugin, data: bytes, kinds: Mapping[str, tuple[int, ...]]) -> Header:
    """The header as Pillow's parser for this one format sees it; a mode outside ``kinds`` is marked refused."""
    try:
        image = plugin(io.BytesIO(data))
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"no {plugin.__name__[:-9]} header: {problem}") from problem
    width, height = image.size
    if width < 1 or height < 1:
        raise corrupt("media.corrupt", f"a header of {height} x {width} pixels")
    if image.mode in ("P", "PA"):
        alpha = image.mode == "PA" or "transparency" in image.info
        return Header("uint8", (height, width, 4 if alpha else 3))
    dtype, channels = _MODES.get(image.mode, ("uint8", ()))
    count = channels[0] if channels else 1
    known = image.mode in _MODES and (count in kinds.get(dtype, ()) or image.mode == "1")
    refuse = None if known else f"pixels of mode {image.mode} are not decoded here"
    also = ("bool",) if image.mode == "1" else ()
    return Header(dtype, (height, width, *channels), also=also, refuse=refuse)


def bits(array: np.ndarray, params: Params) -> Params:
    """The parameter of formats that have nothing to choose: bits of one channel."""
    return {"bits": 1 if array.dtype == bool else 8 * array.itemsize}


def picture(
    name: str,
    about: str,
    plugin: Plugin,
    form: str,
    kinds: dict[str, tuple[int, ...]],
    *,
    sniff: Callable[[bytes], bool],
    suffixes: Iterable[str],
    side: int = 65535,
    ratio: int = 8,
    aliases: tuple[str, ...] = (),
    refuse: Callable[[bytes], str | None] = lambda data: None,
    holds: str = "",
    **options: Any,
) -> Codec:
    """A row for an exact format that Pillow reads and writes; ``options`` go to its writer."""

    def header(data: bytes) -> Header:
        if not sniff(data):
            raise corrupt("media.corrupt", f"no {name} file: it begins with {data[:8].hex(' ') or 'nothing'}")
        head = opened(plugin, data, kinds)
        reason = head.refuse or refuse(data)
        return head._replace(refuse=reason)

    widths = tuple(sorted({1 if dtype == "bool" else 8 * np.dtype(dtype).itemsize for dtype in kinds}))
    return Codec(
        name,
        "media",
        "always",
        about,
        aliases=aliases,
        params=(Param("bits", (int,), choices=widths, about="of a channel; follows from the array"),),
        takes=takes(kinds, side),
        library="PIL",
        conditions=holds or words(kinds),
        proves=("shape", "dtype"),
        limits={"side": side},
        media_type=f"image/x-{name}",
        suffixes=tuple(suffixes),
        sniff=sniff,
        header=header,
        write=lambda array, params: saved(array, form, **options),
        complete=bits,
        pixels=lambda data, head: pixels(plugin, data, head),
        plausible=sparse(ratio),
    )


def words(kinds: Mapping[str, tuple[int, ...]]) -> str:
    """``uint8 of 1 or 3 channels, bool of 1`` and the like."""
    return ", ".join(f"{dtype} of {' or '.join(map(str, counts))}" for dtype, counts in kinds.items()) + " channels"
