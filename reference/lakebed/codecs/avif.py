"""Floor 1. ``avif``: small lossy pictures of 8 bits; exact ones with imagecodecs [codec.avif] [picture.avif]."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import features
from PIL.AvifImagePlugin import AvifImageFile

from ..errors import error
from ..extras import installed, optional
from .bounds import LOOSE, loose
from .legacy import opened
from .pictures import _FAULTS, _settled, image_of, pixels, takes
from .row import Codec, Header, Param, Params, corrupt


def _sniff(data: bytes) -> bool:
    size = int.from_bytes(data[:4], "big")
    return data[4:8] == b"ftyp" and 16 <= size <= 4096 and (b"avif" in data[8:size] or b"avis" in data[8:size])


def _able() -> None:
    if not features.check("avif"):
        raise error("E_EXTRA_MISSING", "codec.extra", "this Pillow was built without AVIF; install a wheel of Pillow")


def header(data: bytes) -> Header:
    """Ten and twelve bits are told by any image's av1C box; Pillow would cut them to eight."""
    if not _sniff(data):
        raise corrupt("media.corrupt", "no AVIF file: it does not begin with an ftyp box of brand avif or avis")
    _able()
    head = opened(AvifImageFile, data, {"uint8": (1, 3, 4)})
    place = data.find(b"av1C")
    if place < 0 or place + 7 > len(data):
        raise corrupt("media.corrupt", "an AVIF file without an av1C box")
    deep = False
    while 0 <= place < len(data) - 6:
        deep |= data[place + 4] == 0x81 and bool(data[place + 6] & 0x40)
        place = data.find(b"av1C", place + 4)
    return _deep(data, head) if deep else head


def _deep(data: bytes, head: Header) -> Header:
    """10 and 12 bits, as they are in uint16; the library that reads them fails on sequences of such."""
    if b"avis" in data[8:64] or b"moov" in data:
        return head._replace(refuse="AVIF sequences of more than 8 bits are not decoded here")
    if not installed("imagecodecs"):
        detail = "AVIF of more than 8 bits needs imagecodecs; pip install 'lakebed[image]'"
        return head._replace(dtype="uint16", refuse=detail, clause="picture.rgb16")
    return head._replace(dtype="uint16")


def decoded(data: bytes, head: Header) -> np.ndarray:
    if head.dtype == "uint8":
        return pixels(AvifImageFile, data, head)
    try:
        return _settled(optional("imagecodecs", "image").avif_decode(data, numthreads=1), head)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged AVIF picture: {problem}") from problem


def describe(data: bytes) -> dict[str, Any]:
    return {"lossless": False, "sequence": data[8:12] == b"avis"}


def write(array: np.ndarray, params: Params) -> bytes:
    if params["lossless"]:
        return optional("imagecodecs", "image").avif_encode(array, level=100, speed=params["speed"])
    _able()
    out = io.BytesIO()
    image_of(array).save(
        out, "AVIF", quality=params["quality"], subsampling=params["subsampling"], speed=params["speed"], max_threads=1
    )
    return out.getvalue()


ROW = Codec(
    "avif",
    "media",
    "conditions",
    "AVIF: smaller than JPEG and WebP, slow to encode",
    params=(
        Param("lossless", (bool,), False, about="every bit comes back; needs imagecodecs to encode"),
        Param("quality", (int,), 75, 0, 100, about="of the lossy mode: 0 smallest to 100 best"),
        Param("subsampling", (str,), "4:2:0", choices=("4:4:4", "4:2:2", "4:2:0"), about="chroma resolution"),
        Param("speed", (int,), 8, 0, 10, about="0 slowest and smallest to 10", effort=True),
    ),
    takes=takes({"uint8": (3, 4)}, 16384),
    keeps=takes({"uint8": (1, 3, 4), "uint16": (1, 3, 4)}, 65536),
    library="PIL",
    tolerance="A",
    needs=lambda params, dtype, shape: ("imagecodecs", "image") if params["lossless"] else None,
    conditions="lossless is true",
    holds="uint8 of 3 or 4 channels",
    proves=("shape", "dtype"),
    limits={"side": 16384, **LOOSE},
    media_type="image/avif",
    suffixes=(".avif", ".avifs"),
    is_exact=lambda params, dtype, shape: bool(params.get("lossless")),
    sniff=_sniff,
    header=header,
    write=write,
    pixels=decoded,
    describe=describe,
    plausible=loose,
)
