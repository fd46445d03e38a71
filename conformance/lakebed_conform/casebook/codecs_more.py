"""Pictures that claim more than their bytes can give; TIFF pages of many dtypes; Blosc2 chunks."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.hostile_bytes import LIES, budget, patched
from lakebed_conform.casebook.invalid_media import DATA, replaced
from lakebed_conform.casebook.valid_codecs import RGB

CLAIMS = {
    **{name: (*LIES[name], int(name.rpartition("_")[2])) for name in ("png_60000", "jpeg_65500", "webp_16383")},
    "gif_65535": (*LIES["gif_screen_65535"], 65_535),
    "bmp_30000": ("bmp", patched("bmp", 18, struct.pack("<ii", 30_000, 30_000)), 30_000),
    "tiff_30000": ("tiff", p.tiff(bytes(18), 30_000, 30_000, bits=8, channels=3, colour=2), 30_000),
}  # fmt: skip
for name, (codec, file, side) in CLAIMS.items():

    @case(f"hostile/{name}_agreed", "media.plausible", "safety.bounded", features=(f"codec.{codec}",))
    def _(b: Book, name=name, codec=codec, file=file, side=side) -> None:
        budget(b, f"A small picture that claims a huge one, and the index agrees: {name.replace('_', ' ')}")
        why = "header and index agree on the claim; length and CRC on the file"
        b.refuses(replaced(codec, file).fault("a", "index.shape", [side, side, 3]), DATA, why=why)


@case("media/png_plain_large", "media.plausible", "codec.png", features=("codec.png",), origin="library")
def _(b: Book) -> None:
    """A plain picture of 3 MB in 3 KB

    Deflate gives 1,000 bytes for one of its own; that is no reason to refuse.
    """
    array = np.zeros((1024, 1024, 3), np.uint8)
    file = p.png_file([p.ihdr(1024, 1024, 8, 2), (b"IDAT", zlib.compress(bytes(3073 * 1024), 9)), p.END])
    b.reads(one([array], shape=[None, None, 3], codecs=[[{"name": "png"}]], encode=[lambda d: file]), {"x": [array]})


def _tiff(name: str, array: np.ndarray, file: bytes, words: str, effect: str) -> None:
    @case(f"picture/tiff_{name}", "picture.tiff", features=("codec.tiff", "picture.tiff", *_needs(array)))
    def _(b: Book) -> None:
        b.explain(words, effect)
        shape: list[int | None] = [None, None, *array.shape[2:]]
        data = one([array], shape=shape, codecs=[[{"name": "tiff"}]], encode=[lambda d: file])
        b.reads(data, {"x": [array]})


def _needs(array: np.ndarray) -> tuple[str, ...]:
    special = ("float16", "int64", "uint64", "complex64", "complex128")
    return (f"dtype.{array.dtype.name}",) if array.dtype.name in special else ()


SCALED = "A library that scales or converts changes what an instrument measured."
PLAIN: dict[str, np.ndarray] = {
    "uint32": np.array([[0, 1, 1 << 31], [(1 << 32) - 1, 7, 8]], "<u4"), "int8": np.array([[-128, 0, 127]], "i1"),
    "int16": np.array([[-32768, -1], [0, 32767]], "<i2"), "float64": np.array([[0.1, -0.0], [1e300, 5e-324]], "<f8"),
    "float16": np.array([[0.5, -2.0], [65504.0, 6e-8]], "<f2"), "uint64": np.array([[1 << 63, 1]], "<u8"),
    "complex64": np.array([[1 + 2j, -0.5j]], "<c8"),
}  # fmt: skip
FORM = {"u": 1, "i": 2, "f": 3, "c": 6}
for name, array in PLAIN.items():
    h, w = array.shape
    for order in ("little", "big"):
        laid = array if order == "little" else array.astype(array.dtype.newbyteorder(">"))
        file = p.tiff(laid.tobytes(), h, w, bits=8 * array.itemsize, form=FORM[array.dtype.kind], big=order == "big")
        _tiff(f"{name}_{order}", array, file, f"A TIFF page of {name}, {order}-endian", SCALED)

U16RGB = (RGB.astype("<u2") * 257) ^ 0x0105
_tiff(
    "rgb_16", U16RGB, p.tiff(U16RGB.tobytes(), 2, 3, bits=16, channels=3, colour=2), "A TIFF of RGB in 16 bits", SCALED
)
ALPHA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
_tiff("associated", ALPHA, p.tiff(ALPHA.tobytes(), 2, 3, bits=8, channels=4, colour=2, extra=1),
      "A TIFF of colours times alpha", "Dividing by alpha rounds; what is stored is what is read.")  # fmt: skip


def _bits(values: np.ndarray, bits: int) -> bytes:
    """Rows of numbers of ``bits`` bits, most significant first, each row from a new byte."""
    rows = []
    for row in values:
        text = "".join(f"{int(v):0{bits}b}" for v in np.ravel(row))
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        rows.append(bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)))
    return b"".join(rows)


TWELVE = np.array([[0, 1, 4095], [2048, 7, 77]], "<u2")
_tiff("12_bits", TWELVE, p.tiff(_bits(TWELVE, 12), 2, 3, bits=12), "A TIFF of 12 bits", SCALED)
SIX = np.array([[0, 1, 63], [32, 7, 9]], np.uint8)
_tiff("6_bits_white_is_0", 63 - SIX, p.tiff(_bits(SIX, 6), 2, 3, bits=6, colour=0),
      "A TIFF of 6 bits whose 0 is white", "A negative goes into training as a positive.")  # fmt: skip
FOUR = np.array([[[1, 2, 3], [4, 5, 6], [15, 0, 9]]], np.uint8)
_tiff("rgb_4_bits", FOUR, p.tiff(_bits(FOUR, 4), 1, 3, bits=4, channels=3, colour=2), "A TIFF of RGB in 4 bits", SCALED)
FLOATS = np.array([[[0.5, -1, 2], [3, 4, np.inf]]], "<f4")
_tiff("rgb_float32", FLOATS, p.tiff(FLOATS.tobytes(), 1, 2, bits=32, channels=3, colour=2, form=3),
      "A TIFF of RGB floats", SCALED)  # fmt: skip
