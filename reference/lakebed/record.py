"""Floor 1. Fixed binary layouts, declared once as tables and used in both directions.

A record is a list of fields with offset, struct code and name. Integers are little-endian [chunk.endian].
"""

from __future__ import annotations

import struct
from typing import NamedTuple


class Field(NamedTuple):
    """One row of a byte table of the spec."""

    offset: int
    code: str  # of the struct module, without byte order
    name: str
    clause: str


class Record:
    """A fixed layout; its rows are held against the table printed in the spec by a test."""

    def __init__(self, name: str, size: int, *fields: Field) -> None:
        self.name, self.size, self.fields = name, size, fields
        self._struct = struct.Struct("<" + "".join(field.code for field in fields))
        offset = 0
        for field in fields:
            if field.offset != offset:
                raise AssertionError(f"{name}.{field.name} stands at {offset}, not {field.offset}")
            offset += struct.calcsize("<" + field.code)
        if offset != size:
            raise AssertionError(f"{name} is {offset} bytes, not {size}")

    def encode(self, **values) -> bytes:
        """The bytes of one record."""
        return self._struct.pack(*(values[field.name] for field in self.fields))

    def decode(self, data: bytes | memoryview, offset: int = 0) -> dict:
        """Values by field name; ``data`` must hold ``size`` bytes from ``offset`` on."""
        values = self._struct.unpack_from(data, offset)
        return {field.name: value for field, value in zip(self.fields, values, strict=True)}

    def offset_of(self, name: str) -> int:
        return next(field.offset for field in self.fields if field.name == name)
