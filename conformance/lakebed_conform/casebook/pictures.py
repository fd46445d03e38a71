"""Picture files laid by hand from their formats' own texts: no encoder, the same bytes for ever."""

from __future__ import annotations

import struct

import numpy as np

from lakebed_conform.pen import crc32, zlib_stored

_COLOUR = {1: 0, 2: 4, 3: 2, 4: 6}


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of ``chunks`` (type, data), each with its CRC."""
    laid = [struct.pack(">I", len(d)) + k + d + crc32(k + d).to_bytes(4, "big") for k, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(laid)


def ihdr(height: int, width: int, depth: int, colour: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def idat(rows: list[bytes]) -> tuple[bytes, bytes]:
    return b"IDAT", zlib_stored(b"".join(b"\0" + row for row in rows))


END = (b"IEND", b"")


def png(pixels: np.ndarray, extra: list[tuple[bytes, bytes]] | None = None) -> bytes:
    """Gray, gray and alpha, RGB or RGBA of 8 or 16 bits, filter none, stored blocks; ``extra`` chunks before IDAT."""
    a = pixels.reshape(*pixels.shape[:2], -1)
    big = a.astype(a.dtype.newbyteorder(">"))
    rows = [r.tobytes() for r in big]
    head = ihdr(a.shape[0], a.shape[1], 8 * a.dtype.itemsize, _COLOUR[a.shape[2]])
    return png_file([head, *(extra or []), idat(rows), END])


def png_bits(values: np.ndarray, depth: int, colour: int = 0, extra: list[tuple[bytes, bytes]] | None = None) -> bytes:
    """Gray or palette indexes of 1, 2, 4 or 8 bits."""
    head = ihdr(values.shape[0], values.shape[1], depth, colour)
    return png_file([head, *(extra or []), idat(_packed(values, depth)), END])


def _packed(values: np.ndarray, depth: int) -> list[bytes]:
    """Rows of ``depth``-bit values, the first pixel in the highest bits, each row to a whole byte."""
    rows = []
    for row in values:
        bits = "".join(f"{int(v):0{depth}b}" for v in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    return rows


def bmp(
    rows: list[bytes], height: int, width: int, bits: int, palette: list[tuple[int, int, int]] | None = None,
    masks: tuple[int, int, int, int] | None = None, top_down: bool = False,
) -> bytes:  # fmt: skip
    """A BMP with an information header of 40 bytes, or 108 with bit fields; ``rows`` from the top, unpadded."""
    table = b"".join(bytes([b_, g, r, 0]) for r, g, b_ in palette or [])
    size = 108 if masks else 40
    body = b"".join(r + bytes(-len(r) % 4) for r in (rows if top_down else reversed(rows)))
    info = struct.pack("<IiiHHIIiiII", size, width, -height if top_down else height, 1, bits, 3 if masks else 0,
                       len(body), 2835, 2835, len(palette or []), 0)  # fmt: skip
    if masks:
        info += struct.pack("<4I", *masks) + b"BGRs" + bytes(48)
    start = 14 + len(info) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + table + body


def gif(
    indexes: np.ndarray, palette: list[tuple[int, int, int]], *, transparent: int | None = None,
    screen: tuple[int, int] | None = None, at: tuple[int, int] = (0, 0),
) -> bytes:  # fmt: skip
    """A GIF89a of one frame, its pixels as LZW codes of 9 bits with a clear code often enough."""
    height, width = indexes.shape
    canvas = screen or indexes.shape
    colours = b"".join(map(bytes, palette + [(0, 0, 0)] * (256 - len(palette))))
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent, 0])
    codes: list[int] = []
    for i, v in enumerate(indexes.ravel()):
        codes += ([256] if i % 200 == 0 else []) + [int(v)]
    bits = "".join(f"{c:09b}"[::-1] for c in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    frame = b"\x2c" + struct.pack("<HHHHB", at[1], at[0], width, height, 0) + b"\x08" + blocks + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", canvas[1], canvas[0], 0xF7, 0, 0) + colours + control + frame + b";"


def tiff(
    strip: bytes, height: int, width: int, *, bits: int, channels: int = 1, colour: int = 1, form: int = 1,
    palette: list[int] | None = None, extra: int | None = None, big: bool = False,
) -> bytes:  # fmt: skip
    """An uncompressed TIFF of one strip; ``strip`` has the file's byte order already."""
    o = ">" if big else "<"
    tags: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * channels), (259, 3, [1]), (262, 3, [colour]),
        (273, 4, [0]), (277, 3, [channels]), (278, 4, [height]), (279, 4, [len(strip)]), (284, 3, [1]),
    ]  # fmt: skip
    tags += [(320, 3, palette)] if palette else []
    tags += [(338, 3, [extra])] if extra is not None else []
    tags += [(339, 3, [form] * channels)]
    after = 8 + 2 + 12 * len(tags) + 4
    beside = b""
    entries = b""
    for tag, kind, numbers in tags:
        data = struct.pack(f"{o}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(data) > 4:
            entries += struct.pack(f"{o}HHII", tag, kind, len(numbers), after + len(beside))
            beside += data
        else:
            entries += struct.pack(f"{o}HHI", tag, kind, len(numbers)) + data.ljust(4, b"\0")
    place = struct.pack(f"{o}I", after + len(beside))
    entries = entries.replace(struct.pack(f"{o}HHII", 273, 4, 1, 0), struct.pack(f"{o}HHI", 273, 4, 1) + place)
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(f"{o}I", 8)
    return head + struct.pack(f"{o}H", len(tags)) + entries + struct.pack(f"{o}I", 0) + beside + strip


# JPEG: every block of 8 x 8 is of one colour, so that only the DC coefficients count.

_DC = bytes([0, 0, 0, 12] + [0] * 12), bytes(range(12))
_AC = bytes([1] + [0] * 15), b"\0"


def jpeg(levels: list[np.ndarray], height: int, width: int, *, adobe: int | None = None, precision: int = 8,
         sof: int = 0xC0, ids: bytes = b"\1\2\3\4") -> bytes:  # fmt: skip
    """A baseline JPEG: ``levels`` per component, one value 0 to 255 per block; step 8, no subsampling."""
    n = len(levels)
    head = b"\xff\xd8"
    if adobe is not None:
        head += b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0" + bytes([adobe])
    head += b"\xff\xdb\x00\x43\x00" + bytes([8]) * 64
    components = b"".join(bytes([ids[c], 0x11, 0]) for c in range(n))
    head += bytes([0xFF, sof]) + struct.pack(">HBHHB", 8 + 3 * n, precision, height, width, n) + components
    for kind, (counts, symbols) in ((0x00, _DC), (0x10, _AC)):
        head += b"\xff\xc4" + struct.pack(">HB", 19 + len(symbols), kind) + counts + symbols
    head += (
        b"\xff\xda" + struct.pack(">HB", 6 + 2 * n, n) + b"".join(bytes([ids[c], 0]) for c in range(n)) + b"\0\x3f\0"
    )
    bits, before = "", [0] * n
    for place in np.ndindex(*levels[0].shape):
        for c in range(n):
            dc = int(levels[c][place]) - 128
            bits += _difference(dc - before[c]) + "0"
            before[c] = dc
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return head + data + b"\xff\xd9"


def _difference(d: int) -> str:
    """A DC difference: its size in a code of four bits, then its bits, one's complement when negative."""
    size = abs(d).bit_length()
    return f"{size:04b}" + (f"{d if d > 0 else d + (1 << size) - 1:0{size}b}" if size else "")


# WebP, lossless: each channel has one or two values, so that prefix codes have at most one bit.


def webp_lossless(pixels: np.ndarray, alpha: bool = False) -> bytes:
    """A VP8L file of RGB or RGBA pixels in which each channel takes at most two values."""
    height, width = pixels.shape[:2]
    bits: list[int] = []

    def put(value: int, n: int) -> None:
        bits.extend(value >> i & 1 for i in range(n))

    put(width - 1, 14), put(height - 1, 14), put(int(alpha), 1), put(0, 3)
    put(0, 1), put(0, 1), put(0, 1)
    channels = [pixels[..., 1], pixels[..., 0], pixels[..., 2], pixels[..., 3] if alpha else None]
    values = [[255] if c is None else sorted({int(v) for v in c.ravel()}) for c in channels] + [[0]]
    for symbols in values:
        put(1, 1), put(len(symbols) - 1, 1), put(1, 1), put(symbols[0], 8)
        if len(symbols) == 2:
            put(symbols[1], 8)
    for place in np.ndindex(height, width):
        for c, symbols in zip(channels, values, strict=False):
            if len(symbols) == 2:
                put(symbols.index(int(c[place])), 1)
    bits += [0] * (-len(bits) % 8)
    body = b"\x2f" + bytes(sum(b << i for i, b in enumerate(bits[j : j + 8])) for j in range(0, len(bits), 8))
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
