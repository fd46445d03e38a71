"""Floor 1. What the picture codecs share: Pillow opened without guessing, arrays in and out, orientation.

Decode contract: no orientation [picture.orientation], no colour management [picture.colour], palettes expanded
[picture.palette], one-bit pictures 0 and 255 or bool [picture.bilevel], the first frame. Each plugin is called by
name, so no other parser sees the bytes; sizes are judged from the header before Pillow allocates [media.budget].
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from .row import Header, Params, Shape, corrupt

Plugin = Callable[..., ImageFile.ImageFile]


def pixels(plugin: Plugin, data: bytes, header: Header) -> np.ndarray:
    """The first frame, top row first [picture.rows], alpha apart [picture.rgb8]; dtype and shape as ``header`` says;
    E_CODEC_DATA when Pillow fails or gives something else.
    """
    try:
        image: Image.Image = plugin(io.BytesIO(data))
        height, width = header.shape[:2]
        if image.size != (width, height):
            raise corrupt("media.corrupt", f"the decoder sees {image.size[::-1]}, the header {(height, width)}")
        if image.mode in ("P", "PA"):
            image = image.convert("RGBA" if header.shape[2:] == (4,) else "RGB")
        array = np.asarray(image)
    except _FAULTS as problem:
        raise corrupt("media.corrupt", f"a damaged {plugin.__name__[:-9]} picture: {problem}") from problem
    return _settled(array, header)


_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


def _settled(array: np.ndarray, header: Header) -> np.ndarray:
    if array.dtype.kind == "b" and header.dtype == "uint8":
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    if array.dtype.name != header.dtype or array.shape != header.shape:
        raise corrupt(
            "media.corrupt",
            f"the decoder gives {array.dtype} {array.shape}, the header says {header.dtype} {header.shape}",
        )
    return array


def image_of(array: np.ndarray) -> Image.Image:
    """A Pillow image that shares the array's values; (H, W, 1) becomes (H, W)."""
    return Image.fromarray(array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def saved(array: np.ndarray, form: str, **options: Any) -> bytes:
    """``array`` as a file of Pillow's format ``form``."""
    out = io.BytesIO()
    image_of(array).save(out, form, **options)
    return out.getvalue()


def takes(
    kinds: dict[str, tuple[int, ...]], side: int, *, frames: bool = False
) -> Callable[[str, Shape | None], str | None]:
    """A row's ``takes``: ``kinds`` maps a dtype to the channel counts allowed, ``side`` is the longest side; with
    ``frames`` uint8 of rank 4, too [picture.frames]."""

    def reason(dtype: str, shape: Shape | None) -> str | None:
        if dtype not in kinds:
            return f"the format holds {' or '.join(kinds)}"
        if shape is None:
            return None
        if frames and len(shape) == 4:
            return reason(dtype, shape[1:]) if dtype == "uint8" and shape[0] != 0 else "frames are uint8, one or more"
        if len(shape) not in (2, 3):
            return f"pictures have two or three axes, not {len(shape)}"
        if len(shape) == 3 and shape[2] is not None and shape[2] not in kinds[dtype]:
            return f"{shape[2]} channels of {dtype}; it holds {', '.join(map(str, kinds[dtype]))}"
        if len(shape) == 2 and 1 not in kinds[dtype]:
            return f"one channel of {dtype}; it holds {', '.join(map(str, kinds[dtype]))}"
        if any(length is not None and not 1 <= length <= side for length in shape[:2]):
            return f"sides of {shape[0]} and {shape[1]} pixels; 1 to {side} are possible"
        return None

    return reason


def colour16(params: Params, dtype: str, shape: Shape | None) -> tuple[str, str] | None:
    """What 16-bit pictures of more than one channel need; free channels may turn out to be one."""
    many = shape is not None and len(shape) == 3 and (shape[2] or 1) > 1
    return ("imagecodecs", "image") if dtype == "uint16" and many else None


def orientation(exif: bytes) -> int | None:
    """Tag 274 of an EXIF block's first directory (1 to 8), or None."""
    block = exif[6:] if exif[:6] == b"Exif\0\0" else exif
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return None
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for place in range(min(count, 512)):
            tag, kind, many, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * place)
            if tag == 274 and kind == 3 and many == 1:
                return value if 1 <= value <= 8 else None
    except struct.error:
        return None
    return None
