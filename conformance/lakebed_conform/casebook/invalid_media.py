"""Picture files that lie, that are cut, or that are of another format than their codec says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.builders.chunk import unit_crcs
from lakebed_conform.builders.columns import column
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.valid_codecs import BITS, RGB, SPLIT, level

DATA, SHAPE = "E_CODEC_DATA", "E_MEDIA_SHAPE"
EFFECT = "Decoders forgive and guess; a grey half picture or another size goes into training unseen."
WHY = "length and CRC agree with the broken file"
GRAY = np.full((8, 8, 3), 200, np.uint8)
FILES: dict[str, tuple[bytes, np.ndarray]] = {
    "png": (p.png(RGB), RGB),
    "jpeg": (p.jpeg([level(200), level(128), level(128)], 8, 8), GRAY),
    "gif": (p.gif(np.zeros((2, 3), np.uint8), [(9, 8, 7)]), np.full((2, 3, 3), [9, 8, 7], np.uint8)),
    "bmp": (p.bmp([r[:, ::-1].tobytes() for r in RGB], 2, 3, 24), RGB),
    "webp": (p.webp_lossless(SPLIT), SPLIT),
    "tiff": (p.tiff(RGB.tobytes(), 2, 3, bits=8, channels=3, colour=2), RGB),
}  # fmt: skip


def replaced(codec: str, bad: bytes, good: tuple[bytes, np.ndarray] | None = None) -> Any:
    """A picture whose file is replaced by ``bad``."""
    file, array = good or FILES[codec]
    shape: list[int | None] = [None, None, *array.shape[2:]]
    dataset = one([array], shape=shape, codecs=[[{"name": codec}]], encode=[lambda d: file])
    dataset.fault("a", "payload", bad).fault("a", "index.crc", column(unit_crcs([bad])))
    return dataset if len(bad) == len(file) else dataset.fault("a", "index.stored", len(bad))


for codec, (file, array) in FILES.items():
    h, w, c = array.shape
    for name, axis, value in (("height", 0, h + 1), ("width", 1, w + 1), ("less", 1, w - 1)):

        @case(f"media/{codec}_{name}", "media.header", "media.budget", "picture.shape", features=(f"codec.{codec}",))
        def _(b: Book, codec=codec, axis=axis, value=value) -> None:
            b.explain(f"{codec}: the index records another size than the file's header", EFFECT)
            file, array = FILES[codec]
            dataset = one([array], shape=[None, None, 3], codecs=[[{"name": codec}]], encode=[lambda d: file])
            entries: list[Any] = [*array.shape]
            entries[axis] = value
            b.refuses(dataset.fault("a", "index.shape", entries), SHAPE)

    @case(f"media/{codec}_channels", "media.header", "picture.shape", features=(f"codec.{codec}",))
    def _(b: Book, codec=codec) -> None:
        b.explain(f"{codec}: four channels are recorded for a file of three", EFFECT)
        file, array = FILES[codec]
        dataset = one([array], shape=[None] * 3, codecs=[[{"name": codec}]], encode=[lambda d: file])
        b.refuses(dataset.fault("a", "index.shape", [*array.shape[:2], 4]), SHAPE)

    other = "png" if codec != "png" else "bmp"
    cuts: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda f: b"", "signature": lambda f: f[:4], "half": lambda f: f[: len(f) // 2],
        "noise": lambda f: bytes(len(f)),
    }  # fmt: skip
    for name, cut in cuts.items():

        @case(f"media/{codec}_{name}", "media.corrupt", "codec.corrupt", features=(f"codec.{codec}",))
        def _(b: Book, codec=codec, cut=cut, name=name) -> None:
            b.explain(f"{codec}: a file that is broken: {name}", EFFECT)
            b.refuses(replaced(codec, cut(FILES[codec][0])), DATA, why=WHY, also=(SHAPE,) if name == "half" else ())

    @case(f"media/{codec}_is_{other}", "media.corrupt", features=(f"codec.{codec}", f"codec.{other}"))
    def _(b: Book, codec=codec, other=other) -> None:
        b.explain(
            f"The codec says {codec}, the file is {other}",
            "A decoder that tries every format opens more than it should.",
        )
        bad = FILES[other][0] if codec != "jpeg" else p.png(GRAY)
        b.refuses(replaced(codec, bad), DATA, why=WHY, also=(SHAPE,) if codec in ("gif", "webp") else ())


def ihdr_crc(file: bytes) -> bytes:
    return file[:29] + bytes([file[29] ^ 1]) + file[30:]


def idat_crc(file: bytes) -> bytes:
    at = file.index(b"IEND") - 8
    return file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]


PIXELS = [b"\0" + r.tobytes() for r in RGB]
BROKEN: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "png_ihdr_crc": ("png", ihdr_crc(FILES["png"][0]), ()), "png_idat_crc": ("png", idat_crc(FILES["png"][0]), ()),
    "png_no_idat": ("png", p.png_file([p.ihdr(2, 3, 8, 2), p.END]), ()),
    "png_no_end": ("png", FILES["png"][0][:-12], ()),
    "png_pixels_short": ("png", p.png_file([p.ihdr(2, 3, 8, 2), p.idat([r.tobytes() for r in RGB[:1]]), p.END]), ()),
    "png_pixels_no_zlib": ("png", p.png_file([p.ihdr(2, 3, 8, 2), (b"IDAT", bytes(24)), p.END]), ()),
    "png_depth_3": ("png", p.png_file([p.ihdr(2, 3, 3, 0), p.idat([b"\0\0"] * 2), p.END]), (SHAPE,)),
    "jpeg_12_bits": ("jpeg", p.jpeg([level(200)] * 3, 8, 8, precision=12, sof=0xC1), (SHAPE, "E_CODEC_UNSUPPORTED")),
    "jpeg_lossless": ("jpeg", p.jpeg([level(200)] * 3, 8, 8, sof=0xC3), (SHAPE, "E_CODEC_UNSUPPORTED")),
    "jpeg_2_components": ("jpeg", p.jpeg([level(200)] * 2, 8, 8), (SHAPE, "E_CODEC_UNSUPPORTED")),
    "jpeg_no_end": ("jpeg", FILES["jpeg"][0][:-2], ()),
    "tiff_lab": ("tiff", p.tiff(bytes(18), 2, 3, bits=8, channels=3, colour=8), (SHAPE, "E_CODEC_UNSUPPORTED")),
}  # fmt: skip
for name, (codec, bad, also) in BROKEN.items():
    clause = {
        "jpeg_12_bits": "picture.jpeg_other",
        "jpeg_lossless": "picture.jpeg_other",
        "jpeg_2_components": "picture.jpeg_other",
        "tiff_lab": "picture.other",
    }.get(name, "media.corrupt")

    @case(f"media/{name}", "media.corrupt", clause, features=(f"codec.{codec}",))
    def _(b: Book, codec=codec, bad=bad, also=also, name=name) -> None:
        b.explain(f"A file that is refused: {name.replace('_', ' ')}", EFFECT)
        late = name in ("png_idat_crc", "png_no_end", "jpeg_no_end")  # a reader may return what is all there
        roles = ("checker",) if late else ("reader", "checker")
        b.refuses(replaced(codec, bad), DATA, why=WHY, also=also, roles=roles)


@case("media/png_16_as_8", "media.header", "picture.gray16", features=("codec.png",))
def _(b: Book) -> None:
    """A gray PNG of 16 bits recorded as uint8

    Cutting to 8 bits in silence halves what a microscope saw.
    """
    array = np.array([[1, 2]], np.uint8)
    b.refuses(replaced("png", p.png(array.astype(np.uint16)), (p.png(array), array)), SHAPE, why=WHY)


@case("media/png_8_as_bool", "media.header", "picture.bilevel", features=("codec.png",))
def _(b: Book) -> None:
    """A gray PNG of 8 bits recorded as bool

    Only one bit of gray is a bool.
    """
    good, bad = p.png_bits(BITS, 1), p.png(BITS.astype(np.uint8))
    b.refuses(replaced("png", bad, (good, BITS.astype(bool))), SHAPE, why=WHY)
