"""The pen: integers, checksums, MessagePack and JSON as bytes. It knows nothing of Lakebed.

Right forms are the default; deliberately wrong ones are asked for with :class:`Long`, :class:`Pairs`, :class:`Ext`
with a width, and :class:`Raw`, so that a builder can lay exactly one fault.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Ext", "Long", "Pairs", "Raw", "crc32", "json_bytes", "lz4_literals", "messagepack", "sealed", "sha256",
    "u8", "u16", "u32", "u64", "zlib_stored", "zstd_raw",
]  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """Bytes to be laid as they are, in place of a value (MessagePack or JSON)."""

    data: bytes


@dataclass(frozen=True)
class Ext:
    """A MessagePack ext of ``type``; ``width`` (1, 2, 4) forces an ext 8, 16 or 32 header."""

    type: int
    data: bytes
    width: int | None = None


@dataclass(frozen=True)
class Long:
    """An int, str, list or dict whose MessagePack header is ``width`` bytes wide, longer than needed."""

    value: Any
    width: int


@dataclass(frozen=True)
class Pairs:
    """A map or object from a list of pairs, so that keys can repeat or stand in a wrong order."""

    pairs: tuple[tuple[Any, Any], ...]


def u8(n: int) -> bytes:
    return n.to_bytes(1, "little")


def u16(n: int) -> bytes:
    return n.to_bytes(2, "little")


def u32(n: int) -> bytes:
    return n.to_bytes(4, "little")


def u64(n: int) -> bytes:
    return n.to_bytes(8, "little")


def crc32(data: bytes) -> int:
    """CRC-32 of zlib and PNG: reflected polynomial EDB88320, all ones in and out."""
    return zlib.crc32(data)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# MessagePack: its own integers and lengths are big-endian.


def messagepack(value: Any) -> bytes:
    """``value`` in the shortest form, or in the wrong form that a wrapper asks for; floats are always float 64."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Ext):
        return _ext_header(len(value.data), value.width) + struct.pack("b", value.type) + value.data
    if isinstance(value, Long):
        return _long(value.value, value.width)
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return _sized(len(value), None, None, b"\xc4", b"\xc5", b"\xc6") + value
    if isinstance(value, str):
        data = value.encode()
        return _sized(len(data), 0xA0, 31, b"\xd9", b"\xda", b"\xdb") + data
    if isinstance(value, list | tuple):
        return _sized(len(value), 0x90, 15, None, b"\xdc", b"\xdd") + b"".join(map(messagepack, value))
    pairs = value.pairs if isinstance(value, Pairs) else tuple(value.items())
    body = b"".join(messagepack(k) + messagepack(v) for k, v in pairs)
    return _sized(len(pairs), 0x80, 15, None, b"\xde", b"\xdf") + body


def _int(n: int) -> bytes:
    if n >= 0:
        if n < 0x80:
            return bytes([n])
        for code, width in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if n < 1 << (8 * width):
                return bytes([code]) + n.to_bytes(width, "big")
    elif n >= -32:
        return struct.pack("b", n)
    for code, width in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
        if -(1 << (8 * width - 1)) <= n < 0:
            return bytes([code]) + n.to_bytes(width, "big", signed=True)
    raise ValueError(f"{n} does not fit MessagePack")


def _sized(n: int, fix: int | None, most: int | None, one: bytes | None, two: bytes, four: bytes) -> bytes:
    if fix is not None and most is not None and n <= most:
        return bytes([fix | n])
    if one is not None and n < 1 << 8:
        return one + n.to_bytes(1, "big")
    return two + n.to_bytes(2, "big") if n < 1 << 16 else four + n.to_bytes(4, "big")


def _ext_header(n: int, width: int | None) -> bytes:
    fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
    if width is None and n in fixed:
        return bytes([fixed[n]])
    width = width or (1 if n < 1 << 8 else 2 if n < 1 << 16 else 4)
    return bytes([{1: 0xC7, 2: 0xC8, 4: 0xC9}[width]]) + n.to_bytes(width, "big")


def _long(value: Any, width: int) -> bytes:
    if isinstance(value, int):
        code = {1: 0xCC, 2: 0xCD, 4: 0xCE, 8: 0xCF} if value >= 0 else {1: 0xD0, 2: 0xD1, 4: 0xD2, 8: 0xD3}
        return bytes([code[width]]) + value.to_bytes(width, "big", signed=value < 0)
    if isinstance(value, str):
        data = value.encode()
        return bytes([{1: 0xD9, 2: 0xDA, 4: 0xDB}[width]]) + len(data).to_bytes(width, "big") + data
    if isinstance(value, list):
        return (
            bytes([{2: 0xDC, 4: 0xDD}[width]]) + len(value).to_bytes(width, "big") + b"".join(map(messagepack, value))
        )
    pairs = value.pairs if isinstance(value, Pairs) else tuple(value.items())
    body = b"".join(messagepack(k) + messagepack(v) for k, v in pairs)
    return bytes([{2: 0xDE, 4: 0xDF}[width]]) + len(pairs).to_bytes(width, "big") + body


# JSON


def json_bytes(value: Any) -> bytes:
    """Compact UTF-8 JSON, members in the order given; :class:`Raw` and :class:`Pairs` lay what json cannot."""
    import json

    if isinstance(value, Raw):
        return value.data
    if isinstance(value, dict | Pairs):
        pairs = value.pairs if isinstance(value, Pairs) else tuple(value.items())
        return b"{" + b",".join(json_bytes(k) + b":" + json_bytes(v) for k, v in pairs) + b"}"
    if isinstance(value, list | tuple):
        return b"[" + b",".join(map(json_bytes, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode()


def sealed(document: bytes, crc: str | None = None) -> bytes:
    """``document`` (an object that ends with ``}``) with its last member, the CRC-32 of all bytes before the comma."""
    head = document[:-1]
    return head + b',"crc32":"' + (crc or f"{crc32(head):08x}").encode() + b'"}'


# Compressed streams laid by hand: legal, uncompressed, the same bytes for ever.


def lz4_literals(data: bytes) -> bytes:
    """An LZ4 block of literals only: one sequence, no match."""
    n = len(data)
    if n < 15:
        return bytes([n << 4]) + data
    full, rest = divmod(n - 15, 255)
    return b"\xf0" + b"\xff" * full + bytes([rest]) + data


def zlib_stored(data: bytes) -> bytes:
    """A zlib stream (RFC 1950) of stored blocks."""
    blocks = [data[i : i + 65535] for i in range(0, len(data), 65535)] or [b""]
    body = b"".join(u8(i == len(blocks) - 1) + u16(len(b)) + u16(len(b) ^ 0xFFFF) + b for i, b in enumerate(blocks))
    return b"\x78\x01" + body + zlib.adler32(data).to_bytes(4, "big")


def zstd_raw(data: bytes) -> bytes:
    """One Zstandard frame: single segment, 8-byte content size, raw blocks, no checksum."""
    blocks = [data[i : i + 65536] for i in range(0, len(data), 65536)] or [b""]
    body = b"".join((((len(b) << 3) | (i == len(blocks) - 1)).to_bytes(3, "little")) + b for i, b in enumerate(blocks))
    return b"\x28\xb5\x2f\xfd\xe0" + u64(len(data)) + body
