"""Columns: constants never expanded, exact sums, one canonical form."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from lakebed import columns
from lakebed.errors import LakebedError

MAX = 2**53 - 1


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([], 0),
        ([7], 7),
        ([7, 7, 7], 7),
        ([0, 255], "u1"),
        ([0, 256], "<u2"),
        ([1, 2**16 - 1], "<u2"),
        ([1, 2**16], "<u4"),
        ([1, 2**32 - 1], "<u4"),
        ([1, 2**32], "<u8"),
        ([0, MAX], "<u8"),
    ],
)
def test_canonical(values: list[int], form: int | str) -> None:
    """[column.canonical]: an integer when all are equal or none; else the narrowest width."""
    column = columns.column(values)
    if isinstance(form, int):
        assert column == form and isinstance(column, int)
    else:
        assert isinstance(column, np.ndarray) and column.dtype == np.dtype(form)
        assert column.tolist() == values
    for i, value in enumerate(values):
        assert columns.at(column, i) == value  # [column.at]
    assert columns.total(column, len(values)) == sum(values)  # [column.sum]


def test_totals_do_not_wrap() -> None:
    """[column.values] [column.sum]: sums above 64 bits are told exactly, whatever the width."""
    huge = np.array([2**63, 2**63, 5], np.uint64)
    assert columns.total(huge, 3) == 2**64 + 5
    assert columns.total(np.full(300, 255, np.uint8), 300) == 300 * 255
    assert columns.total(2**40, 2**26) == 2**66  # [column.constant]


def test_prefix_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BLOCK", 4)
    values = np.random.default_rng(0).integers(0, 200, 23).astype(np.uint8)
    assert columns.prefix(values).tolist() == [0, *np.cumsum(values).tolist()]
    assert columns.prefix(values[:0]).tolist() == [0]


def test_entries_of_both_forms() -> None:
    assert columns.entries(7, 3, 6).tolist() == [7, 7, 7]
    assert columns.entries(np.array([1, 2, 3], "<u2"), 1, 3).tolist() == [2, 3]


def test_from_ext_at_any_offset() -> None:
    """[column.unaligned]: nothing promises that entries lie at aligned offsets."""
    data = b"?" + np.array([1, 2**40], "<u8").tobytes()
    assert columns.from_ext(8, memoryview(data)[1:]).tolist() == [1, 2**40]


def test_from_ext_of_uneven_length() -> None:
    """[column.ext]: no column, which is refused where one is due (test_hostile.py)."""
    assert not isinstance(columns.from_ext(4, b"12345"), np.ndarray)


def test_entries_above_the_limit() -> None:
    """[column.values] [model.integers]"""
    with pytest.raises(LakebedError) as caught:
        columns.from_ext(8, np.array([1, 2**53], "<u8").tobytes())
    assert caught.value.code == "E_INDEX_LIMIT"


@pytest.mark.parametrize(
    ("column", "code"),
    [(np.zeros(3, "u1"), "E_INDEX_COLUMN"), (-1, "E_INDEX_LIMIT"), (2**53, "E_INDEX_LIMIT"), (True, "E_INDEX_FIELD")],
)
def test_checked(column: object, code: str) -> None:
    """[column.form] [column.length]"""
    with pytest.raises(LakebedError) as caught:
        columns.checked(column, 2, "chunk.index.items")
    assert caught.value.code == code


def test_crc_is_the_one_of_the_text() -> None:
    """[column.crc32]: reflected EDB88320."""
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert zlib.crc32(b"") == 0
