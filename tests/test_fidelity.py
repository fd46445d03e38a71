"""Fidelity: its forms, and promises that are measured without rounding in the sample's favour."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lakebed import declare, fidelity
from lakebed.errors import LakebedError


@pytest.mark.parametrize("form", ["exact", "lossy", {"max_abs_error": 0.5}, {"max_rel_error": 0.01}, {"psnr_db": 40.0}])
def test_forms_come_back(form):
    assert fidelity.parse(form).to_json() == form
    assert fidelity.parse(fidelity.parse(form)) == fidelity.parse(form)


@pytest.mark.parametrize(
    "form",
    ["best", 1, None, {}, {"max_abs_error": 0}, {"max_abs_error": -1}, {"max_abs_error": math.inf}, {"psnr_db": True},
     {"max_rel_error": 1}, {"max_abs_error": 1, "psnr_db": 2}, {"psnr_db": "40"}, ["exact"]],
)  # fmt: skip
def test_other_forms_are_refused(form):
    with pytest.raises(LakebedError) as caught:
        fidelity.parse(form)
    assert (caught.value.code, caught.value.clause) == ("E_ARGUMENT", "fidelity.form")


def broken(start, end, form, clause):
    with pytest.raises(LakebedError) as caught:
        fidelity.check(np.asarray(start), np.asarray(end), fidelity.parse(form))
    assert (caught.value.code, caught.value.clause) == ("E_FIDELITY", clause)


def kept(start, end, form):
    return fidelity.check(np.asarray(start), np.asarray(end), fidelity.parse(form))


def test_exact_means_bits():
    zero = np.array([0.0])
    assert kept(zero, zero.copy(), "exact") == 0
    broken(zero, -zero, "exact", "fidelity.exact")
    nan = np.array([0x7FC00000, 0x7FC00001], "u4").view("f4")
    assert kept(nan, nan.copy(), "exact") == 0
    broken(nan, nan[::-1].copy(), "exact", "fidelity.exact")


def test_shape_and_dtype_always_matter():
    broken(np.zeros((2, 1)), np.zeros(2), "lossy", "fidelity.shape")
    broken(np.zeros(2, "f4"), np.zeros(2), "lossy", "fidelity.shape")


def test_integer_errors_do_not_wrap():
    low, high = np.array([-(2**63)]), np.array([2**63 - 1])
    broken(low, high, {"max_abs_error": 2.0**63}, "fidelity.max_abs_error")
    assert kept(low, high, {"max_abs_error": 2.0**65}) > 0
    assert kept(np.array([0, 255], "u1"), np.array([3, 252], "u1"), {"max_abs_error": 3}) == 0
    broken(np.array([0], "u1"), np.array([255], "u1"), {"max_abs_error": 254}, "fidelity.max_abs_error")


def test_relative_errors_are_pointwise():
    assert kept(np.array([100.0, -0.01]), np.array([101.0, -0.0101]), {"max_rel_error": 0.0101}) >= 0
    broken(np.array([100.0, 0.01]), np.array([100.0, 0.02]), {"max_rel_error": 0.5}, "fidelity.max_rel_error")
    broken(np.array([0.0]), np.array([1e-300]), {"max_rel_error": 0.5}, "fidelity.max_rel_error")
    broken(np.array([0], "i4"), np.array([1], "i4"), {"max_rel_error": 0.5}, "fidelity.max_rel_error")
    assert kept(np.array([-(2**63)]), np.array([-(2**63)]), {"max_rel_error": 0.5}) == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_back_bit_for_bit(value):
    start = np.array([1.0, value])
    assert kept(start, start.copy(), {"max_abs_error": 1}) == 1
    broken(start, np.array([1.0, 5.0]), {"max_abs_error": 1e300}, "fidelity.max_abs_error")
    broken(np.array([1.0]), np.array([value]), {"max_abs_error": 1e300}, "fidelity.max_abs_error")


def test_a_bound_just_missed_is_missed():
    assert kept(np.array([1.0]), np.array([1.5]), {"max_abs_error": 0.5}) == 0
    broken(np.array([1.0]), np.array([np.nextafter(1.5, 2)]), {"max_abs_error": 0.5}, "fidelity.max_abs_error")
    broken(np.array([0.0]), np.array([np.nextafter(0.1, 1)]), {"max_abs_error": 0.1}, "fidelity.max_abs_error")


def test_psnr_by_hand():
    start = np.zeros((10, 10), "u1")
    end = start.copy()
    end[0, 0] = 10  # mean squared error 1: 48.13 dB
    assert kept(start, end, {"psnr_db": 48.13}) < 0.01
    broken(start, end, {"psnr_db": 48.14}, "fidelity.psnr_db")
    assert kept(start, start, {"psnr_db": 99}) == math.inf
    broken(np.zeros(2, "f4"), np.zeros(2, "f4"), {"psnr_db": 1}, "fidelity.psnr_db")


def test_empty_arrays_keep_every_promise():
    for form in ("exact", "lossy", {"max_abs_error": 1}, {"max_rel_error": 0.5}):
        kept(np.zeros((0, 3), "f4"), np.zeros((0, 3), "f4"), form)


@pytest.mark.parametrize(
    ("asked", "dtype", "shape", "due"),
    [
        ("jpeg", "uint8", (None, None, 3), "lossy"), (["jpeg", "png"], "uint8", (None, None, 3), "exact"),
        ({"name": "webp", "lossless": True}, "uint8", (None, None, 3), "exact"),
        ({"name": "webp", "quality": 80}, "uint8", (None, None, 3), "lossy"),
        ("webp", "uint8", (None, None, 3), "exact"),
        (None, "float32", (None,), "exact"), ("gif", "uint8", (None, None, 3), "lossy"),
        ({"name": "jpeg2000", "lossless": False}, "uint8", (None, None), "lossy"),
    ],
)  # fmt: skip
def test_default_is_exact_where_something_can_be(asked, dtype, shape, due):
    """[fidelity.default]"""
    made = declare.declare(dtype=dtype, shape=shape, sample_compression=asked)
    assert made.fidelity.kind == due
