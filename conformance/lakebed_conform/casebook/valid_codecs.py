"""Valid streams of every codec, laid by hand: matches, filters with a rest, narrow, quantize, pictures."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.invalid_codecs import FLOATS, QUANT, mantissa, narrowed, quantized
from lakebed_conform.pen import lz4_literals, zlib_stored, zstd_raw

EFFECT = "Every port must give the same bits from the same stream, whoever wrote it."
TEXT = np.frombuffer(b"abcabcabcabcabcabcabcabc12345", np.uint8)
WORDS = np.array([1, 2, 3, 500, 501, 65535, 0, 7, 9], "<u2")


def coded(values: list[np.ndarray], codecs: list[dict[str, Any]], stored: bytes, **how: Any) -> Any:
    """All values in one unit stored as ``stored``."""
    return one(values, shape=list(values[0].shape), k=len(values), codecs=[codecs], encode=[lambda d: stored], **how)


STREAMS: dict[str, tuple[np.ndarray, list[dict[str, Any]], bytes, tuple[str, ...]]] = {
    "lz4_match": (TEXT, [{"name": "lz4"}], b"\x3fabc\x03\x00\x02\x5012345", ("codec.lz4",)),
    "lz4_run": (np.full(300, 7, np.uint8), [{"name": "lz4", "level": 12}],
                b"\x1f\x07\x01\x00\xff\x14\x50\x07\x07\x07\x07\x07", ("codec.lz4", "codec.level")),
    "lz4_long_literals": (np.arange(600, dtype="<u2"), [{"name": "lz4"}],
                          lz4_literals(np.arange(600, dtype="<u2").tobytes()), ("codec.lz4",)),
    "deflate_fixed": (np.full(20, 97, np.uint8), [{"name": "deflate", "level": 9}],
                      bytes.fromhex("78014b4cc404004fa60795"), ("codec.deflate",)),
    "deflate_stored_blocks": (TEXT, [{"name": "deflate"}], zlib_stored(TEXT.tobytes()), ("codec.deflate",)),
    "zstd_rle": (np.full(1000, 5, np.uint8), [{"name": "zstd"}],
                 b"\x28\xb5\x2f\xfd\x60\xe8\x02" + ((1000 << 3) | 3).to_bytes(3, "little") + b"\x05", ("codec.zstd",)),
    "zstd_window_8_mib": (TEXT, [{"name": "zstd", "level": 22}],
                          b"\x28\xb5\x2f\xfd\x80\x68" + struct.pack("<I", 29) + ((29 << 3) | 1).to_bytes(3, "little")
                          + TEXT.tobytes(), ("codec.zstd.window",)),
    "zstd_two_blocks": (TEXT, [{"name": "zstd"}], b"\x28\xb5\x2f\xfd\x20\x1d" + (10 << 3).to_bytes(3, "little")
                        + TEXT.tobytes()[:10] + ((19 << 3) | 1).to_bytes(3, "little") + TEXT.tobytes()[10:],
                        ("codec.zstd",)),
    "shuffle_rest": (WORDS.view(np.uint8)[:17].copy(), [{"name": "shuffle", "size": 4}],
                     b"".join(WORDS.tobytes()[i:16:4] for i in range(4)) + WORDS.tobytes()[16:17], ("codec.shuffle",)),
    "shuffle_text_example": (np.array([1, 2, 3, 4, 5], np.uint8), [{"name": "shuffle", "size": 2}], bytes([1, 3, 2,
                                        4, 5]),
                             ("codec.shuffle",)),
    "shuffle_size_1": (TEXT, [{"name": "shuffle", "size": 1}], TEXT.tobytes(), ("codec.shuffle",)),
    "shuffle_size_255": (TEXT, [{"name": "shuffle", "size": 255}], TEXT.tobytes(), ("codec.shuffle",)),
    "delta_text_example": (np.array([5, 7, 6], np.uint8), [{"name": "delta", "size": 1}], b"\x05\x02\xff",
                           ("codec.delta",)),
    "delta_wraps": (np.array([0, (1 << 64) - 1, 1], "<u8"), [{"name": "delta", "size": 8}],
                    struct.pack("<3Q", 0, (1 << 64) - 1, 2), ("codec.delta",)),
    "delta_stride_3": (np.array([1, 2, 3, 2, 4, 6, 3], "<u2"), [{"name": "delta", "size": 2, "stride": 3}],
                       struct.pack("<7H", 1, 2, 3, 1, 2, 3, 1), ("codec.delta", "codec.params.default")),
    "delta_stride_over_n": (np.array([1, 2], "<u2"), [{"name": "delta", "size": 2, "stride": 1 << 32}],
                            struct.pack("<2H", 1, 2), ("codec.delta",)),
    "delta_rest": (np.array([5, 7, 6], np.uint8), [{"name": "delta", "size": 2}], b"\x05\x07\x06", ("codec.delta",)),
    "bitshuffle_text_example": (np.array([1] + [0] * 7, np.uint8), [{"name": "bitshuffle", "size": 1}],
                                b"\x01" + bytes(7), ("codec.bitshuffle",)),
    "bitshuffle_ff": (np.array([255] + [0] * 7, np.uint8), [{"name": "bitshuffle", "size": 1}], b"\x01" * 8,
                      ("codec.bitshuffle",)),
    "bitshuffle_rest": (np.array([255] + [0] * 7 + [9, 8, 7], np.uint8), [{"name": "bitshuffle", "size": 1}],
                        b"\x01" * 8 + b"\x09\x08\x07", ("codec.bitshuffle",)),
    "bitshuffle_size_2": (np.array([0x8001] + [0] * 7, "<u2"), [{"name": "bitshuffle", "size": 2}],
                          b"\x01" + bytes(14) + b"\x01", ("codec.bitshuffle",)),
    "narrow_signed": (np.array([-3, 0, 4, 250], "<i2"), [{"name": "narrow", "size": 2, "width": 1, "signed": True}],
                      narrowed(), ("codec.narrow", "codec.narrow.values")),
    "narrow_unsigned": (np.array([1 << 63, (1 << 64) - 1], "<u8"), [{"name": "narrow", "size": 8, "width": 8}],
                        bytes([8, 8, 0]) + bytes(5) + struct.pack("<3Q", 1 << 63, 0, (1 << 63) - 1),
                        ("codec.narrow", "codec.narrow.minimum")),
    "narrow_wider_than_size": (np.array([3, 4], np.uint8), [{"name": "narrow", "size": 1, "width": 4}],
                               bytes([1, 4, 0]) + bytes(5) + struct.pack("<QII", 3, 0, 1), ("codec.narrow.values",)),
    "narrow_rest": (np.array([1, 0, 2, 0, 9], np.uint8), [{"name": "narrow", "size": 2, "width": 1}],
                    bytes([2, 1, 0]) + bytes(5) + struct.pack("<Q", 1) + b"\0\1\x09", ("codec.narrow.rest",)),
    "narrow_no_elements": (np.array([9], np.uint8), [{"name": "narrow", "size": 2, "width": 1}],
                           bytes([2, 1, 0]) + bytes(13) + b"\x09", ("codec.narrow.minimum", "codec.narrow.rest")),
    "three_filters": (np.array([1, 3, 6, 10], "<u2"), [{"name": "delta", "size": 2}, {"name": "shuffle", "size": 2},
                      {"name": "lz4"}], lz4_literals(bytes([1, 2, 3, 4, 0, 0, 0, 0])), ("codec.order", "codec.chain")),
    "narrow_then_zstd": (np.array([-3, 0, 4, 250], "<i2"),
                         [{"name": "narrow", "size": 2, "width": 1, "signed": True}, {"name": "zstd"}],
                         zstd_raw(narrowed()), ("codec.length",)),
    "eight_filters": (WORDS, [{"name": "shuffle", "size": 1}] * 8, WORDS.tobytes(), ("codec.pipeline",)),
    "quantize_linear": (FLOATS[0], [QUANT], quantized(), ("codec.quantize.linear", "codec.quantize.codes")),
    "quantize_exceptions": (np.array([1, float("nan"), 3, float("inf")], "<f4"), [QUANT],
                            quantized([1, 0, 3, 0], exceptions=2) + np.array([float("nan"), float("inf")],
                                        "<f4").tobytes(),
                            ("codec.quantize.raw", "codec.quantize.exceptions")),
    "quantize_rounds_twice": (np.array([0.1 + k * 0.5 for k in range(4)]).astype("<f4"), [QUANT],
                              quantized([1, 2, 3, 4], lo=0.1, step=0.5), ("codec.quantize.linear",)),
    "quantize_mantissa": (np.array([1.0, 2.0, 4.0, -8.0], "<f4"),
                          [{"name": "quantize", "dtype": "float32", "max_rel_error": 0.01}],
                          mantissa((np.array([1, 2, 4, -8], "<f4").view("<u4") >> 16).astype("<u2").tobytes()),
                          ("codec.quantize.mantissa", "codec.quantize.drop")),
    "quantize_mantissa_exception": (
        np.array([float("nan"), 2.0], "<f4"), [{"name": "quantize", "dtype": "float32", "max_rel_error": 0.01}],
        mantissa(struct.pack("<2H", 65535, 0x4000), exceptions=1) + np.array([float("nan")], "<f4").tobytes(),
        ("codec.quantize.mantissa", "codec.quantize.raw")),
    "quantize_float64": (np.array([-1.5, 0.0, 2.0**40]), [{"name": "quantize", "dtype": "float64",
                                        "max_abs_error": 0.5},
                         {"name": "deflate"}],
                         zlib_stored(quantized([], lo=-1.5, step=1.5, exceptions=1) + b"\1\2\0" + struct.pack("<d",
                                        2.0**40)),
                         ("codec.quantize.linear", "codec.quantize.length")),
}  # fmt: skip
for name, (values, codecs, stored, clauses) in STREAMS.items():
    features = tuple(f"codec.{c}" for c in dict.fromkeys(c["name"] for c in codecs))
    features += ("dtype.uint64",) if values.dtype == "<u8" else ()

    @case(f"stream/{name}", *clauses, features=features)
    def _(b: Book, name=name, values=values, codecs=codecs, stored=stored) -> None:
        b.explain(f"A stream laid by hand: {name.replace('_', ' ')}", EFFECT)
        members = {"fidelity": "lossy"} if codecs[0]["name"] == "quantize" else {}
        b.reads(coded([values], codecs, stored, members=members), {"x": [values]})


# pictures: file, array

RED, GREEN = (255, 0, 0), (0, 128, 0)
BITS = np.array([[0, 1, 1], [1, 0, 1]])
G2, G4 = np.array([[0, 1, 2, 3]]), np.array([[0, 5, 15]])
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 11
RGBA = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) * 10
U16 = np.array([[0, 1, 256], [32768, 65535, 4660]], "<u2")
PALETTE = (b"PLTE", bytes([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3]))
LOOKED = np.array([[[10, 20, 30], [70, 80, 90]]], np.uint8)
INDEXES = np.array([[0, 2]])
SPLIT = np.array([[[1, 9, 3], [1, 200, 3]], [[77, 9, 3], [77, 9, 3]]], np.uint8)
ALPHA = np.array([[[1, 2, 3, 0], [4, 2, 3, 255]]], np.uint8)
GIFS = np.array([[0, 1], [1, 2]], np.uint8)
COLOURS = [(9, 8, 7), (60, 50, 40), (255, 254, 253)]
LUT = np.array(COLOURS, np.uint8)
WIDE16 = np.array([[[1, 300, 65535]]], "<u2")


def level(v: int) -> np.ndarray:
    return np.array([[v]])


def screen() -> np.ndarray:
    """A frame of 2 x 2 at (1, 1) of a screen of 3 x 4: what it does not cover has index 0."""
    canvas = np.zeros((3, 4), np.uint8)
    canvas[1:3, 1:3] = GIFS
    return LUT[canvas]


def see_through() -> np.ndarray:
    alpha = np.where(GIFS == 1, 0, 255).astype(np.uint8)
    return np.concatenate([LUT[GIFS], alpha[..., None]], 2)


#: codec, file, array as recorded, clauses, rule
PICTURES: dict[str, tuple[str, bytes, np.ndarray, tuple[str, ...], Any]] = {
    "png_gray": ("png", p.png(RGB[..., 0]), RGB[..., 0], ("picture.gray8", "media.gray"), "exact"),
    "png_gray_rank_3": ("png", p.png(RGB[..., :1]), RGB[..., :1], ("media.gray", "picture.shape"), "exact"),
    "png_gray_alpha": ("png", p.png(RGB[..., :2]), RGB[..., :2], ("picture.gray_alpha",), "exact"),
    "png_rgb": ("png", p.png(RGB), RGB, ("picture.rgb8", "codec.png", "picture.rows"), "exact"),
    "png_rgba": ("png", p.png(RGBA), RGBA, ("picture.rgb8",), "exact"),
    "png_gray_16": ("png", p.png(U16), U16, ("picture.gray16",), "exact"),
    "png_bits_bool": ("png", p.png_bits(BITS, 1), BITS.astype(bool), ("picture.bilevel",), "exact"),
    "png_bits_uint8": ("png", p.png_bits(BITS, 1), (BITS * 255).astype(np.uint8), ("picture.bilevel",), "exact"),
    "png_gray_2": ("png", p.png_bits(G2, 2), (G2 * 85).astype(np.uint8), ("picture.gray_small",), "exact"),
    "png_gray_4": ("png", p.png_bits(G4, 4), (G4 * 17).astype(np.uint8), ("picture.gray_small",), "exact"),
    "png_palette": ("png", p.png_bits(INDEXES, 8, 3, [PALETTE]), LOOKED, ("picture.palette",), "exact"),
    "png_palette_2_bits": ("png", p.png_bits(INDEXES, 2, 3, [PALETTE]), LOOKED, ("picture.palette",), "exact"),
    "png_palette_alpha": ("png", p.png_bits(INDEXES, 8, 3, [PALETTE, (b"tRNS", b"\x05")]),
                          np.dstack([LOOKED, [[5, 255]]]).astype(np.uint8), ("picture.palette",), "exact"),
    "png_colour_key": ("png", p.png(RGB, [(b"tRNS", bytes([0, 0, 0, 11, 0, 22]))]), RGB, ("picture.colour_key",),
                       "exact"),
    "png_gamma": ("png", p.png(RGB, [(b"gAMA", struct.pack(">I", 100000)), (b"tEXt", b"a\0b")]), RGB,
                  ("picture.colour",),
                  "exact"),
    "png_orientation": ("png", p.png(RGB, [(b"eXIf",
                                        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")]), RGB,
                        ("picture.orientation",), "exact"),
    "png_bytes_behind": ("png", p.png(RGB) + b"more", RGB, ("media.append", "media.unit"), "exact"),
    "bmp_24": ("bmp", p.bmp([r[:, ::-1].tobytes() for r in RGB], 2, 3, 24), RGB, ("codec.bmp", "picture.rows"),
               "exact"),
    "bmp_top_down": ("bmp", p.bmp([r[:, ::-1].tobytes() for r in RGB], 2, 3, 24, top_down=True), RGB,
                     ("picture.rows",), "exact"),
    "bmp_gray": ("bmp", p.bmp([b"\0\x07\xff", b"\x01\x02\x03"], 2, 3, 8, [(i, i, i) for i in range(256)]),
                 np.array([[0, 7, 255], [1, 2, 3]], np.uint8), ("picture.bmp_gray",), "exact"),
    "bmp_bilevel": ("bmp", p.bmp([b"\x60", b"\xa0"], 2, 3, 1, [(0, 0, 0), (255, 255, 255)]), BITS.astype(bool),
                    ("picture.bmp_bilevel",), "exact"),
    "bmp_bilevel_uint8": ("bmp", p.bmp([b"\x60", b"\xa0"], 2, 3, 1, [(0, 0, 0), (255, 255, 255)]),
                          (BITS * 255).astype(np.uint8), ("picture.bmp_bilevel",), "exact"),
    "bmp_palette": ("bmp", p.bmp([b"\0\2"], 1, 2, 8, [(10, 20, 30), (40, 50, 60), (70, 80, 90)]), LOOKED,
                    ("picture.palette",), "exact"),
    "bmp_fields_565": ("bmp", p.bmp([struct.pack("<HH", 0x1F << 11 | 1, 32 << 5 | 31)], 1, 2, 16,
                                    masks=(0xF800, 0x07E0, 0x001F, 0)),
                       np.array([[[255, 0, 8], [0, 129, 255]]], np.uint8), ("picture.bmp_fields",), "exact"),
    "bmp_fields_alpha": ("bmp", p.bmp([bytes([3, 2, 1, 4])], 1, 1, 32, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                         np.array([[[1, 2, 3, 4]]], np.uint8), ("picture.bmp_fields",), "exact"),
    "gif": ("gif", p.gif(GIFS, COLOURS), LUT[GIFS], ("codec.gif", "picture.gif"), "exact"),
    "gif_screen": ("gif", p.gif(GIFS, COLOURS, screen=(3, 4), at=(1, 1)), screen(), ("picture.gif",), "exact"),
    "gif_transparent": ("gif", p.gif(GIFS, COLOURS, transparent=1), see_through(), ("picture.palette",
                                        "picture.gif"), "exact"),
    "tiff_rgb": ("tiff", p.tiff(RGB.tobytes(), 2, 3, bits=8, channels=3, colour=2), RGB, ("codec.tiff",), "exact"),
    "tiff_gray": ("tiff", p.tiff(RGB[..., 0].tobytes(), 2, 3, bits=8), RGB[..., 0], ("picture.gray8",), "exact"),
    "tiff_white_is_0": ("tiff", p.tiff(RGB[..., 0].tobytes(), 2, 3, bits=8, colour=0), 255 - RGB[..., 0],
                        ("picture.gray8",),
                        "exact"),
    "tiff_gray_16": ("tiff", p.tiff(U16.tobytes(), 2, 3, bits=16), U16, ("picture.gray16",), "exact"),
    "tiff_gray_16_big": ("tiff", p.tiff(U16.astype(">u2").tobytes(), 2, 3, bits=16, big=True), U16,
                         ("picture.gray16",), "exact"),
    "tiff_float32": ("tiff", p.tiff(np.array([[1.5, -0.0]], "<f4").tobytes(), 1, 2, bits=32, form=3),
                     np.array([[1.5, -0.0]], "<f4"), ("picture.gray32",), "exact"),
    "tiff_int32": ("tiff", p.tiff(np.array([[-1, 1 << 30]], "<i4").tobytes(), 1, 2, bits=32, form=2),
                   np.array([[-1, 1 << 30]], "<i4"), ("picture.gray32",), "exact"),
    "tiff_cmyk": ("tiff", p.tiff(RGBA.tobytes(), 2, 3, bits=8, channels=4, colour=5), RGBA, ("picture.tiff_cmyk",),
                  "exact"),
    "tiff_rgba": ("tiff", p.tiff(RGBA.tobytes(), 2, 3, bits=8, channels=4, colour=2, extra=2), RGBA, ("picture.rgb8",
                                        ), "exact"),
    "tiff_bits": ("tiff", p.tiff(b"\x60\xa0", 2, 3, bits=1), BITS.astype(bool), ("picture.bilevel",), "exact"),
    "webp_rgb": ("webp", p.webp_lossless(SPLIT), SPLIT, ("codec.webp",), "exact"),
    "webp_rgba": ("webp", p.webp_lossless(ALPHA, alpha=True), ALPHA, ("codec.webp", "picture.rgb8"), "exact"),
    "jpeg_gray": ("jpeg", p.jpeg([level(77)], 5, 7), np.full((5, 7), 77, np.uint8), ("codec.jpeg",
                                        "media.tolerance"), "A"),
    "jpeg_rgb": ("jpeg", p.jpeg([level(200), level(128), level(128)], 8, 8), np.full((8, 8, 3), 200, np.uint8),
                 ("picture.jpeg_rgb",), "A"),
    "jpeg_red": ("jpeg", p.jpeg([level(76), level(85), level(255)], 4, 4), np.full((4, 4, 3), [254, 0, 0], np.uint8),
                 ("picture.jpeg_rgb", "media.tolerance"), "A"),
    "jpeg_adobe_rgb": ("jpeg", p.jpeg([level(10), level(20), level(30)], 8, 8, adobe=0),
                       np.full((8, 8, 3), [10, 20, 30], np.uint8), ("picture.jpeg_rgb",), "A"),
    "jpeg_ids_rgb": ("jpeg", p.jpeg([level(10), level(20), level(30)], 8, 8, ids=b"RGBX"),
                     np.full((8, 8, 3), [10, 20, 30], np.uint8), ("picture.jpeg_rgb",), "A"),
    "jpeg_cmyk": ("jpeg", p.jpeg([level(10), level(20), level(30), level(40)], 8, 8, adobe=0),
                  np.full((8, 8, 4), [245, 235, 225, 215], np.uint8), ("picture.jpeg_cmyk",), "A"),
}  # fmt: skip
for name, (codec, file, array, clauses, rule) in PICTURES.items():

    @case(f"picture/{name}", "media.verbatim", "model.file", "media.header", *clauses, features=(f"codec.{codec}",))
    def _(b: Book, name=name, codec=codec, file=file, array=array, rule=rule) -> None:
        b.explain(f"A picture: {name.replace('_', ' ')}", "The same file must be the same array in every port.")
        shape: list[int | None] = [None, None, *array.shape[2:]]
        values = [array, None]
        dataset = one(values, shape=shape, codecs=[[{"name": codec}]], encode=[lambda d: file])
        b.reads(dataset, {"x": values}, rule=rule)
        b.file("x", 0, file)


@case("picture/png_rgb_16_file", "picture.rgb16", features=("codec.png",))
def _(b: Book) -> None:
    """RGB of 16 bits: whether pixels are given or not, the file is

    A reader whose library would cut 16 bits to 8 refuses the array; the bytes it can still hand out.
    """
    file = p.png(WIDE16)
    dataset = one([WIDE16], shape=[None, None, 3], codecs=[[{"name": "png"}]], encode=[lambda d: file])
    b.reads(dataset, {})
    b.file("x", 0, file)


@case("picture/tiles", "media.unit", "tile.edge", features=("codec.png",))
def _(b: Book) -> None:
    """A picture cut into tiles, each a PNG

    A tile at the edge is a smaller picture.
    """
    picture = np.arange(35, dtype=np.uint8).reshape(5, 7)

    def encode(data: bytes) -> bytes:
        widths = {12: (3, 4), 9: (3, 3), 8: (2, 4), 6: (2, 3)}
        return p.png(np.frombuffer(data, np.uint8).reshape(widths[len(data)]))

    dataset = one([picture], shape=[5, 7], tile=[3, 4], codecs=[[{"name": "png"}]], encode=[encode])
    b.reads(dataset, {"x": [picture]})
    b.ask("read_file", None, error="E_FILE_ABSENT", tensor="x", sample="0")


@case("picture/formats_mixed", "chunk.index.codec", "media.verbatim", features=("codec.png", "codec.bmp", "codec.lz4"))
def _(b: Book) -> None:
    """PNG, BMP, lz4 and raw in one chunk

    Which codec a sample has is the unit's business, not the tensor's.
    """
    files = [p.png(RGB), p.bmp([r[:, ::-1].tobytes() for r in RGB], 2, 3, 24)]
    codecs: list[Any] = [[{"name": "png"}], [{"name": "bmp"}], [{"name": "lz4"}], []]
    encode = [lambda d: files[0], lambda d: files[1], lz4_literals, bytes]
    dataset = one([RGB] * 4, shape=[2, 3, 3], codecs=codecs, codec=[0, 1, 2, 3], encode=encode)
    b.reads(dataset, {"x": [RGB] * 4})
    b.file("x", 1, files[1])
    b.ask("read_file", None, error="E_FILE_ABSENT", tensor="x", sample="2")
    b.ask("read_file", None, error="E_FILE_ABSENT", tensor="x", sample="3")


@case("picture/sequence", "media.verbatim", "model.sequence", features=("codec.png",))
def _(b: Book) -> None:
    """A sequence of PNG files with an empty list and a missing sample

    The file of item 1 of sample 3 is not that of sample 1.
    """
    values = [[RGB, RGB[:1]], [], None, [RGB[1:]]]
    shapes = {18: (2, 3, 3), 9: (1, 3, 3)}
    dataset = one(values, shape=[None, None, 3], sequence=True, codecs=[[{"name": "png"}]],
                  encode=[lambda d: p.png(np.frombuffer(d, np.uint8).reshape(shapes[len(d)]))])  # fmt: skip
    b.reads(dataset, {"x": values})
    b.file("x", 3, p.png(RGB[1:]))
