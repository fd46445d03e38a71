"""Bytes for people: a hexdump around a fault, its bytes marked."""

from __future__ import annotations

from collections.abc import Iterator

Line = tuple[int, list[tuple[str, bool]], list[tuple[str, bool]]]


def hexdump(data: bytes, offset: int, size: int = 1, around: int = 48) -> Iterator[Line]:
    """(offset, [(two digits, marked)], [(character, marked)]) for each line of 16 bytes around the fault."""
    start = max(0, offset - around) // 16 * 16
    end = min(len(data), offset + min(size, 64) + around)
    for at in range(start, end, 16):
        row = data[at : at + 16]
        marks = [offset <= at + i < offset + max(1, size) for i in range(len(row))]
        digits = [(f"{b:02x}", m) for b, m in zip(row, marks, strict=True)]
        text = [(chr(b) if 32 <= b < 127 else ".", m) for b, m in zip(row, marks, strict=True)]
        yield at, digits, text


def as_text(data: bytes, offset: int, size: int = 1) -> str:
    """The hexdump as plain lines; marked bytes stand in brackets."""
    lines = []
    for at, digits, text in hexdump(data, offset, size):
        cells = "".join(f"[{d}]" if m else f" {d} " for d, m in digits)
        lines.append(f"{at:8d}  {cells:<64}  {''.join(c for c, _ in text)}")
    return "\n".join(lines)
