"""Pictures that claim more than their bytes can give; TIFF pages of many dtypes; Blosc2 chunks."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.hostile_bytes import LIES, budget, patched
from lakebed_conform.casebook.invalid_codecs import stream
from lakebed_conform.casebook.invalid_media import DATA, replaced
from lakebed_conform.casebook.valid_codecs import RGB
from lakebed_conform.pen import crc32, lz4_literals, zlib_stored

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


# Blosc2 chunks

NUMBERS = [np.array([i, 500 + i, 1 << 30], "<u4") for i in range(4)]
CONTENT = b"".join(v.tobytes() for v in NUMBERS)
BLOSC2 = [{"name": "blosc2", "size": 4}]
LZ4, ZLIB, ONE, STORED = 0x25, 0x65, 0x10, 0x02


def chunk(flags: int, blocks: list[bytes], block: int = len(CONTENT), length: int = len(CONTENT), **how: Any) -> bytes:
    """A header, the starts of the blocks, the blocks."""
    starts, at = b"", 32 + 4 * len(blocks)
    for part in blocks:
        starts, at = starts + struct.pack("<I", at), at + len(part)
    body = how.get("starts", starts) + b"".join(blocks) + how.get("more", b"")
    filters = how.get("filters", bytes(6))
    head = struct.pack("<BBBBIII", how.get("version", 5), 1, flags, how.get("size", 4), length, block, how.get(
        "whole", 32 + len(body)))  # fmt: skip
    return head + filters + b"\x01\0" + how.get("zero", bytes(8)) + body


def laid(data: bytes) -> bytes:
    """A stream behind its length."""
    return struct.pack("<i", len(data)) + data


def planes(data: bytes) -> bytes:
    return b"".join(data[i::4] for i in range(4))


HALF = len(CONTENT) // 2
FULL = chunk(LZ4 | STORED, [], more=CONTENT)
GOOD: dict[str, tuple[bytes, str]] = {
    "stored": (FULL, "A chunk whose content follows as it is"),
    "notes": (FULL[:1] + b"\x07" + FULL[2:22] + b"\xff\xff" + FULL[24:], "Notes of the writer mean nothing"),
    "lz4": (chunk(LZ4 | ONE, [laid(lz4_literals(CONTENT))]), "One block of one LZ4 stream"),
    "zlib": (chunk(ZLIB | ONE, [laid(zlib_stored(CONTENT))]), "One block of one zlib stream"),
    "plain_stream": (chunk(LZ4 | ONE, [laid(CONTENT)]), "A stream of its own length is not compressed"),
    "blocks": (chunk(LZ4 | ONE, [laid(CONTENT[:HALF]), laid(CONTENT[HALF:])], HALF), "Two blocks"),
    "short_block": (chunk(LZ4, [b"".join(laid(CONTENT[i : i + 8]) for i in (0, 8, 16, 24)), laid(CONTENT[32:])], 32),
                    "A full block of four streams and a short one of one"),
    "shuffle": (chunk(LZ4 | ONE, [laid(planes(CONTENT))], filters=b"\0\0\0\0\0\1"), "Bytes shuffled in the block"),
    "filter_first": (chunk(LZ4 | ONE, [laid(planes(CONTENT))], filters=b"\1\0\0\0\0\0"), "The filter comes first"),
    "any_order": (chunk(LZ4 | ONE, [laid(CONTENT[HALF:]), laid(CONTENT[:HALF])], HALF,
                        starts=struct.pack("<II", 40 + 4 + HALF, 40)), "Blocks that lie in another order"),
}  # fmt: skip
for name, (file, words) in GOOD.items():

    @case(f"codec/blosc2_{name}", "codec.blosc2", "codec.blosc2.head", "codec.blosc2.streams", "codec.blosc2.starts",
          "codec.blosc2.stored", "codec.blosc2.filter", "codec.blosc2.flags", "codec.blosc2.filters",
          "codec.blosc2.inner", "codec.blosc2.notes",
          features=("codec.blosc2",))  # fmt: skip
    def _(b: Book, file=file, words=words) -> None:
        b.explain(words, "Chunks of other writers are read as well as those of one's own.")
        data = one(NUMBERS, shape=[3], k=4, codecs=[BLOSC2], encode=[lambda d: file])
        b.reads(data, {"x": NUMBERS})


@case("codec/blosc2_runs", "codec.blosc2.streams", features=("codec.blosc2",))
def _(b: Book) -> None:
    """Streams of one byte only

    Zeros take no bytes, another byte takes one.
    """
    values = [np.array([0x07000000 | 0, 0x07000000], "<u4")] * 2
    runs = b"".join((struct.pack("<i", 0),) * 3 + (struct.pack("<i", -7) + b"\x01",))
    file = chunk(LZ4, [runs], 16, 16, filters=b"\0\0\0\0\0\1")
    b.reads(one(values, shape=[2], k=2, codecs=[BLOSC2], encode=[lambda d: file]), {"x": values})


FAULTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "head"),
    "cut": (FULL[:31], "head"),
    "version_4": (chunk(LZ4 | ONE, [laid(CONTENT)], version=4), "version"),
    "blosc_1": (chunk(0x21, [laid(CONTENT)]), "flags"),
    "lazy": (chunk(LZ4 | 8 | ONE, [laid(CONTENT)]), "flags"),
    "size_0": (chunk(LZ4 | ONE, [laid(CONTENT)], size=0), "size"),
    "size_2": (chunk(LZ4 | ONE, [laid(CONTENT)], size=2), "size"),
    "length_less": (chunk(LZ4 | STORED, [], length=44, block=44, more=CONTENT[:44]), "length"),
    "length_2_32": (chunk(LZ4 | ONE, [laid(CONTENT)], length=(1 << 32) - 1), "length"),
    "length_2_31": (chunk(LZ4 | ONE, [laid(CONTENT)], length=1 << 31), "length"),
    "block_2_31": (chunk(LZ4 | ONE, [laid(CONTENT)], block=1 << 31), "block"),
    "whole_2_31": (chunk(LZ4 | ONE, [laid(CONTENT)], whole=1 << 31), "whole"),
    "block_0": (chunk(LZ4 | ONE, [laid(CONTENT)], block=0), "block"),
    "block_more": (chunk(LZ4 | ONE, [laid(CONTENT)], block=49), "block"),
    "whole_less": (chunk(LZ4 | ONE, [laid(CONTENT)], whole=50), "whole"),
    "whole_0": (chunk(LZ4 | ONE, [laid(CONTENT)], whole=0), "whole"),
    "filter_delta": (chunk(LZ4 | ONE, [laid(CONTENT)], filters=b"\0\0\0\0\0\3"), "filters"),
    "filter_two": (chunk(LZ4 | ONE, [laid(CONTENT)], filters=b"\0\0\0\0\1\2"), "filters"),
    "special": (chunk(LZ4 | ONE, [], zero=bytes(7) + b"\x10"), "zero"),
    "dictionary": (chunk(LZ4 | ONE, [laid(CONTENT)], zero=bytes(7) + b"\x01"), "zero"),
    "codec_0": (chunk(0x15, [laid(CONTENT)]), "flags"),
    "codec_6": (chunk(0xD5, [laid(CONTENT)]), "flags"),
    "stored_more": (FULL[:12] + struct.pack("<I", 81) + FULL[16:] + b"\0", "stored"),
    "start_far": (chunk(LZ4 | ONE, [laid(CONTENT)], starts=struct.pack("<I", 1 << 31)), "starts"),
    "start_head": (chunk(LZ4 | ONE, [laid(CONTENT)], starts=struct.pack("<I", 0)), "starts"),
    "overlap": (
        chunk(LZ4 | ONE, [laid(CONTENT[:HALF]), laid(CONTENT[HALF:])], HALF, starts=struct.pack("<II", 40, 40)),
        "starts",
    ),
    "gap": (chunk(LZ4 | ONE, [laid(CONTENT)], more=b"\0"), "starts"),
    "stream_long": (chunk(LZ4 | ONE, [struct.pack("<i", 1 << 30) + CONTENT]), "streams"),
    "stream_short": (chunk(LZ4 | ONE, [laid(CONTENT[:20])]), "streams"),
    "run_far": (chunk(LZ4 | ONE, [struct.pack("<i", -256) + b"\1"]), "streams"),
    "run_token": (chunk(LZ4 | ONE, [struct.pack("<i", -7) + b"\0"]), "streams"),
    "blocks_2_30": (chunk(LZ4 | ONE, [laid(CONTENT)], block=1, length=48), "starts"),
}
for name, (file, clause) in FAULTS.items():

    @case(f"hostile/blosc2_{name}", f"codec.blosc2.{clause}", "codec.blosc2.head", "safety.bounded",
          features=("codec.blosc2",))  # fmt: skip
    def _(b: Book, name=name, file=file) -> None:
        budget(b, f"A Blosc2 chunk that is broken: {name.replace('_', ' ')}")
        b.refuses(stream(BLOSC2, NUMBERS, FULL, file), DATA, why="length and CRC agree with the broken chunk")


@case("hostile/blosc2_due_2_31", "codec.blosc2.length", "codec.blosc2.head", "safety.bounded",
      features=("codec.blosc2",))  # fmt: skip
def _(b: Book) -> None:
    """A Blosc2 chunk of 2^31 bytes that keeps every rule but that of its length

    Its length is the length due and each of its blocks a run; 73,760 stored bytes may hold as much.
    """
    each, small = 1 << 18, b"\1" * 8
    runs = [struct.pack("<i", -1) + b"\1"] * ((1 << 31) // each)
    codecs = [[{"name": "blosc2", "size": 1}]]
    good = chunk(LZ4 | STORED, [], block=8, length=8, size=1, more=small)
    dataset = one([np.ones(8, np.uint8)], shape=[None], codecs=codecs, encode=[lambda d: good])
    stored = chunk(LZ4 | ONE, runs, each, 1 << 31, size=1)
    dataset.fault("a", "index.shape", [1 << 31]).fault("a", "payload", stored)
    dataset.fault("a", "index.stored", len(stored)).fault("a", "index.crc", crc32(stored))
    b.limits(seconds=5, memory=64 << 20)
    b.refuses(dataset, DATA, why="the length that the chunk and the index say")


# OpenEXR, laid by hand: scan lines without coding

HALFS = np.array([[[0.5, -2.0, 0.0], [65504.0, 6e-8, np.inf]], [[1, 2, 3], [4, 5, 6]]], "<f2")


def exr(planes: dict[str, np.ndarray], kind: int, window: tuple[int, int] = (0, 0), flags: int = 2) -> bytes:
    """``planes`` by name, in the order of their names; the data window begins at ``window`` (x, y)."""
    names = sorted(planes)
    height, width = planes[names[0]].shape
    x, y = window
    box = struct.pack("<4i", x, y, x + width - 1, y + height - 1)
    channels = b"".join(n.encode() + b"\0" + struct.pack("<iIii", kind, 0, 1, 1) for n in names) + b"\0"
    values = {
        "channels": ("chlist", channels), "compression": ("compression", b"\0"), "dataWindow": ("box2i", box),
        "displayWindow": ("box2i", struct.pack("<4i", 0, 0, 9, 9)), "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)), "screenWindowCenter": ("v2f", bytes(8)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }  # fmt: skip
    head = b"\x76\x2f\x31\x01" + struct.pack("<I", flags)
    for name, (form, data) in values.items():
        head += name.encode() + b"\0" + form.encode() + b"\0" + struct.pack("<I", len(data)) + data
    lines = [b"".join(planes[n][row].tobytes() for n in names) for row in range(height)]
    start = len(head) + 1 + 8 * height
    places = b"".join(struct.pack("<Q", start + row * (8 + len(lines[0]))) for row in range(height))
    blocks = b"".join(struct.pack("<iI", y + row, len(line)) + line for row, line in enumerate(lines))
    return head + b"\0" + places + blocks


EXRS: dict[str, tuple[np.ndarray, bytes, str]] = {
    "rgb_half": (HALFS, exr({n: HALFS[..., i] for i, n in enumerate("RGB")}, 1), "RGB halfs, stored as B, G, R"),
    "window": (HALFS, exr({n: HALFS[..., i] for i, n in enumerate("RGB")}, 1, (-5, 3)), "a data window elsewhere"),
    "gray_float": (FLOATS[..., 0], exr({"Y": FLOATS[..., 0]}, 2), "luminance in floats"),
    "depth": (FLOATS[..., 1], exr({"Z": FLOATS[..., 1]}, 2), "one channel of another name"),
    "ids": (PLAIN["uint32"], exr({"id": PLAIN["uint32"]}, 0), "unsigned integers"),
}
for name, (array, file, words) in EXRS.items():

    @case(f"picture/exr_{name}", "picture.exr", "codec.exr", features=("codec.exr", *_needs(array)))
    def _(b: Book, array=array, file=file, words=words) -> None:
        b.explain(f"OpenEXR: {words}", "Channels in the file's order, or cut to 8 bits, are other colours.")
        shape: list[int | None] = [None, None, *array.shape[2:]]
        b.reads(one([array], shape=shape, codecs=[[{"name": "exr"}]], encode=[lambda d: file]), {"x": [array]})


for name, flags in {"deep": 0x802, "parts": 0x1002}.items():

    @case(f"media/exr_{name}", "picture.exr", "media.corrupt", features=("codec.exr", "dtype.float16"))
    def _(b: Book, name=name, flags=flags) -> None:
        b.explain(f"OpenEXR with {name}", "What has no array is refused and not guessed.")
        good = EXRS["rgb_half"][1]
        dataset = replaced("exr", good[:4] + struct.pack("<I", flags) + good[8:], (good, HALFS))
        b.refuses(dataset, DATA, why="length and CRC agree with the file", also=("E_CODEC_UNSUPPORTED",))


@case("media/exr_cut", "media.corrupt", "codec.exr", features=("codec.exr", "dtype.float16"))
def _(b: Book) -> None:
    """OpenEXR that ends in its last row

    Libraries leave what is absent as it was.
    """
    good = EXRS["rgb_half"][1]
    b.refuses(replaced("exr", good[:-1], (good, HALFS)), DATA, why="length and CRC agree with the file")


# all frames of a picture


def apng(frames: np.ndarray) -> bytes:
    """Whole frames, each in the place of the one before."""
    count, height, width, _ = frames.shape
    chunks: list[tuple[bytes, bytes]] = [p.ihdr(height, width, 8, 2), (b"acTL", struct.pack(">II", count, 0))]
    number = 0
    for i, frame in enumerate(frames):
        chunks.append((b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0)))
        number += 1
        kind, body = p.idat([row.tobytes() for row in frame])
        chunks.append((kind, body) if i == 0 else (b"fdAT", struct.pack(">I", number) + body))
        number += i > 0
    return p.png_file([*chunks, p.END])


CLIP = np.stack([RGB, 255 - RGB, RGB // 2])


@case("picture/png_frames", "picture.frames", features=("codec.png", "picture.frames"))
def _(b: Book) -> None:
    """All frames of an animated PNG

    In a tensor of rank 4; a reader that gives the first frame only gives another shape.
    """
    file = apng(CLIP)
    data = one([CLIP], shape=[None] * 4, codecs=[[{"name": "png"}]], encode=[lambda d: file])
    b.reads(data, {"x": [CLIP]})
    b.file("x", 0, file)


@case("picture/png_first_frame", "codec.png", "picture.rows", features=("codec.png",))
def _(b: Book) -> None:
    """The first frame of an animated PNG

    In a tensor of rank 3 the others are bytes of the file only.
    """
    b.reads(one([RGB], shape=[None] * 3, codecs=[[{"name": "png"}]], encode=[lambda d: apng(CLIP)]), {"x": [RGB]})


@case("media/png_frames_fewer", "picture.frames", "media.header", features=("codec.png", "picture.frames"))
def _(b: Book) -> None:
    """Three frames are recorded for a file of two

    The header of an animation says how many frames it has.
    """
    b.refuses(replaced("png", apng(CLIP[:2]), (apng(CLIP), CLIP)), "E_MEDIA_SHAPE", why="length and CRC agree with it")
