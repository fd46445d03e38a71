"""Bytes for people: a hexdump around a place, the bytes that matter marked."""

from __future__ import annotations

from collections.abc import Iterator

Line = tuple[int, list[tuple[str, bool]], list[tuple[str, bool]]]


def hexdump(
    data: bytes, offset: int, size: int = 1, around: int = 48, marks: set[int] | None = None, first: int = 0
) -> Iterator[Line]:
    """(offset, [(two digits, marked)], [(character, marked)]) for each line of 16 bytes around ``offset``.

    ``marks``: which bytes of ``data`` are marked, by default ``size`` of them from ``offset``; ``first``: the offset
    of ``data`` itself in what it was cut from.
    """
    start = max(0, offset - around) // 16 * 16
    end = min(len(data), offset + min(size, 64) + around)
    chosen = range(offset, offset + max(1, size)) if marks is None else marks
    for at in range(start, end, 16):
        row = data[at : at + 16]
        flags = [at + i in chosen for i in range(len(row))]
        digits = [(f"{b:02x}", m) for b, m in zip(row, flags, strict=True)]
        text = [(chr(b) if 32 <= b < 127 else ".", m) for b, m in zip(row, flags, strict=True)]
        yield first + at, digits, text


def as_text(data: bytes, offset: int, size: int = 1, around: int = 48, first: int = 0) -> str:
    """The hexdump as plain lines; marked bytes stand in brackets. ``size`` 0 marks nothing."""
    lines = []
    marks = None if size else set()
    for at, digits, text in hexdump(data, offset, size, around, marks, first):
        cells = "".join(f"[{d}]" if m else f" {d} " for d, m in digits)
        lines.append(f"{at:8d}  {cells:<64}  {''.join(c for c, _ in text)}")
    return "\n".join(lines)
