"""Fixed layouts: declared once, checked when they are declared, the same in both directions."""

from __future__ import annotations

import pytest

from lakebed.record import Field, Record


def test_both_directions() -> None:
    """[chunk.endian]: little-endian, without padding."""
    record = Record("test", 7, Field(0, "B", "a", "x.a"), Field(1, "I", "b", "x.b"), Field(5, "2s", "c", "x.c"))
    data = record.encode(a=1, b=0x01020304, c=b"hi")
    assert data == b"\x01\x04\x03\x02\x01hi"
    assert record.decode(b"??" + data, 2) == {"a": 1, "b": 0x01020304, "c": b"hi"}
    assert record.offset_of("c") == 5


@pytest.mark.parametrize("fields", [[Field(1, "B", "a", "x.a")], [Field(0, "I", "a", "x.a")]])
def test_wrong_declarations(fields: list[Field]) -> None:
    with pytest.raises(AssertionError):
        Record("test", 1, *fields)
