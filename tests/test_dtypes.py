"""dtypes: names, and the lossless way from a caller's value to an array."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lakebed.dtypes import DTYPES, dtype, to_array
from lakebed.errors import LakebedError


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_is_little_endian_and_known_by_its_numpy_form(name):
    row = DTYPES[name]
    assert row.numpy.itemsize == row.itemsize
    assert row.numpy.newbyteorder("<") == row.numpy
    assert dtype(row.numpy) is row
    assert dtype(name) is row


def test_python_types_and_big_endian_names():
    assert dtype(bool).name == "bool"
    assert dtype(float).name == "float64"
    assert dtype(np.dtype(">i2")).name == "int16"
    assert dtype(np.float32).name == "float32"


@pytest.mark.parametrize("name", ["float128x", "object", "U4", "datetime64[s]", np.dtype("O"), str])
def test_unknown_dtypes_are_refused_by_name(name):
    with pytest.raises(LakebedError) as caught:
        dtype(name)
    assert (caught.value.code, caught.value.clause) == ("E_DTYPE_UNSUPPORTED", "dtype.unknown")


def test_the_same_dtype_is_passed_on_without_a_copy():
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    assert to_array(array, DTYPES["float32"]) is array


def test_big_endian_and_strided_arrays_keep_their_values():
    big = np.array([[1, -2], [300, 4]], ">i4")
    result = to_array(big.T, DTYPES["int32"])
    assert result.dtype.str == "<i4" and result.flags.c_contiguous
    assert result.tolist() == [[1, 300], [-2, 4]]


def test_nan_payloads_and_negative_zero_survive():
    bits = np.array([0x7FC00001, 0xFFC12345, 0x80000000, 0x00000001], "<u4")
    for form in ("<f4", ">f4"):
        array = bits.view("<f4").astype(form) if form == "<f4" else bits.astype(">u4").view(">f4")
        assert to_array(array, DTYPES["float32"]).view("<u4").tolist() == bits.tolist()
    assert math.copysign(1, float(to_array(np.float64(-0.0), DTYPES["float32"])[()])) == -1


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ([1, 2, 255], "uint8"),
        (True, "bool"),
        ([1.0, 2.0], "int8"),
        (2**64 - 1, "uint64"),
        (-(2**63), "int64"),
        (0.1, "float32"),
        ([[1, 2], [3, 4.5]], "float16"),
        (1.3, "bfloat16"),
        (300.0, "float8_e4m3fn"),
        (np.int64(5), "uint8"),
        (np.array([1.5], "f8"), "float16"),
        (np.array([2**53], "i8"), "float64"),
        (np.array([1, 0], "u1"), "bool"),
        (np.array([3.0]), "complex64"),
        (np.array([3 + 0j]), "float32"),
        (np.array([1, 2], object), "int16"),
        (float("nan"), "float32"),
        ([], "int32"),
        (np.array([1.5, -2], "f4"), "bfloat16"),
    ],
)
def test_values_that_fit_are_taken(value, name):
    result = to_array(value, DTYPES[name])
    assert result.dtype == DTYPES[name].numpy
    wanted = np.array(value)
    wanted = (wanted.real if name == "float32" and wanted.dtype.kind == "c" else wanted).astype(DTYPES[name].numpy)
    assert result.shape == wanted.shape and result.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (256, "uint8"),
        (-1, "uint64"),
        (2**64, "uint64"),
        ([1, 2**63], "int64"),
        ([-1, 2**63], "int64"),
        (1.5, "int32"),
        (float("nan"), "int32"),
        (1e39, "float32"),
        (70000.0, "float16"),
        (500.0, "float8_e4m3fn"),
        (2**53 + 1, "float64"),
        (np.float64(0.1), "float32"),
        (np.array([0.1]), "float16"),
        ([np.float64(0.1)], "float32"),
        (np.array([2**63 - 1]), "float64"),
        (np.array([2**64 - 1], "u8"), "float64"),
        (np.array([2**64 - 1], "u8"), "int64"),
        (np.array([2, 0], "u1"), "bool"),
        (np.array([-0.0]), "int8"),
        (np.array([1 + 2j]), "float64"),
        (np.array([1e300]), "float32"),
        (np.array([0x7FF8000000000001], "u8").view("f8"), "float32"),
        ("12", "int32"),
        (None, "float32"),
        ({"a": 1}, "float32"),
        (np.array(["2020"], "M8[Y]"), "int64"),
        (2**64 + 1, "float64"),
        (-(2**63) - 1, "float64"),
        (2**70 + 1, "complex128"),
        ([2**63 + 1, -1], "float64"),
        ([2**53 + 1, 0.5], "float64"),
        ([[0.5], [-(2**53) - 1]], "float64"),
        ([2**64 - 1, 1], "float64"),
        ([2**53 + 1, 1.0, float("nan")], "complex128"),
        ([0.5, np.int64(2**53 + 1)], "float64"),
        ([np.float64(0.5), 2**53 + 1], "float64"),
        (np.array([2**53 + 1, 0.5], object), "float64"),
        ([2**24 + 1, 0.5], "float32"),
        ([2049, 0.5], "float16"),
        ([257, 0.5], "bfloat16"),
        ([17, 0.5], "float8_e4m3fn"),
        ([2**63 + 1, 0.5], "uint64"),
        ([2**64 - 1, 1], "int64"),
    ],
)
def test_values_that_would_change_are_refused(value, name):
    with pytest.raises(LakebedError) as caught:
        to_array(value, DTYPES[name])
    assert (caught.value.code, caught.value.clause) == ("E_SAMPLE_DTYPE", "dtype.convert")


def test_ragged_lists_are_a_question_of_shape():
    with pytest.raises(LakebedError) as caught:
        to_array([[1], [2, 3]], DTYPES["int32"])
    assert (caught.value.code, caught.value.clause) == ("E_SAMPLE_SHAPE", "dtype.ragged")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ([2**53 + 1, 1.0], "int64"),
        ([2**64 - 1, 1], "uint64"),
        ([[2**63 + 1], [0]], "uint64"),
        ([2**63, -1], "float64"),
        ([2**53 + 2, 0.5], "float64"),
        ([1e300, 2**60, -0.5], "float64"),
        (2**70, "float64"),
        ([2**24 + 2, 0.5], "float32"),
        ([2**100, 1j], "complex128"),
    ],
)
def test_large_python_integers_come_back_equal(value, name):
    """[dtype.convert]: also where numpy would make float64 of them on the way."""
    result = to_array(value, DTYPES[name])
    assert result.dtype == DTYPES[name].numpy and result.tolist() == value
