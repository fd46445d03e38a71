"""Lossiness: a declared bound holds for every element, on arrays made to break it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.photo import photo
from lakebed_conform.casebook.writing_rows import x_is

QUANTIZE = ("codec.quantize", "codec.lz4")
Bound = dict[str, float]


def script(values: list[Any], dtype: str, shape: list[int | None], bound: Bound) -> list[Any]:
    chain = [{"name": "quantize", "dtype": dtype, **bound}, {"name": "lz4"}]
    return [
        s.create(),
        s.tensor("x", dtype=dtype, shape=shape, codecs=[chain], fidelity=bound),
        s.extend(x=values),
        s.commit(),
    ]


def wave(dtype: str, n: int = 700) -> np.ndarray:
    """A smooth curve over seven orders of magnitude, both signs."""
    t = np.arange(n, dtype=np.float64)
    return (np.sin(t / 9) * 10.0 ** (t % 7 - 3)).astype(dtype)


def half_steps(dtype: str, e: float) -> np.ndarray:
    """Multiples of the bound: every element lies where two codes are equally far."""
    return (np.arange(-300, 300) * e).astype(dtype)


def odd(dtype: str) -> np.ndarray:
    """NaNs with payloads, infinities, both zeros, subnormals and extremes among ordinary values."""
    info = np.finfo(dtype)
    usual = np.linspace(-1, 1, 400).astype(dtype)
    strange = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, info.smallest_subnormal, -info.tiny, info.max, info.min], dtype
    )
    words = {2: "<u2", 4: "<u4", 8: "<u8"}[strange.dtype.itemsize]
    payload = strange[:1].view(words) + np.array(3, words)
    return np.concatenate([usual, strange, payload.view(dtype), usual[::-1]])


ABS: dict[str, tuple[str, float, np.ndarray]] = {
    "float32_wave": ("float32", 1e-3, wave("float32")),
    "float64_wave": ("float64", 1e-9, wave("float64")),
    "float16_wave": ("float16", 0.01, np.sin(np.arange(600) / 9).astype("float16")),
    "float32_half_steps": ("float32", 0.1, half_steps("float32", 0.1)),
    "float64_half_steps": ("float64", 1e-7, half_steps("float64", 1e-7)),
    "float32_odd": ("float32", 1e-2, odd("float32")),
    "float64_odd": ("float64", 1e-2, odd("float64")),
    "float16_below_ulp": ("float16", 1e-5, (np.arange(500) + 1000).astype("float16")),
    "float32_below_ulp": ("float32", 1e-9, (np.arange(500) * 1000.5).astype("float32")),
    "float32_constant": ("float32", 0.5, np.full(900, 3.14159, "float32")),
    "float32_wide_bound": ("float32", 1e6, wave("float32")),
    "float64_offset": ("float64", 1e-3, 1e9 + np.sin(np.arange(500.0))),
    "float32_all_nan": ("float32", 1e-3, np.full(500, np.nan, "float32")),
    "float32_cancel": ("float32", 2.0**-12, (np.arange(600) * 2.0**-12 + 2.0**-13).astype("float32")),
}
REL: dict[str, tuple[str, float, np.ndarray]] = {
    "float32_wave": ("float32", 1e-3, wave("float32")),
    "float64_wave": ("float64", 1e-6, wave("float64")),
    "float16_wave": ("float16", 0.02, wave("float16")),
    "float32_zeros": ("float32", 0.01, np.where(np.arange(600) % 3 == 0, 0, wave("float32", 600)).astype("float32")),
    "float32_subnormals": ("float32", 0.1, (np.arange(400, dtype="<u4") * 9).view("<f4")),
    "float32_odd": ("float32", 0.01, odd("float32")),
    "float64_powers": ("float64", 0.4, 2.0 ** np.arange(-500, 500)),
    "float32_below_ulp": ("float32", 1e-9, wave("float32")),
}

for _measure, _table in (("max_abs_error", ABS), ("max_rel_error", REL)):
    for _id, (_dtype, _e, _array) in _table.items():
        _feature = ("dtype.float16",) if _dtype == "float16" else ()

        @case(
            f"lossy/{_measure[4:7]}_{_id}",
            f"fidelity.{_measure}",
            "fidelity.verify",
            "codec.quantize.verified",
            features=QUANTIZE + _feature,
        )
        def _(b: Book, measure: str = _measure, dtype: str = _dtype, e: float = _e, array: np.ndarray = _array) -> None:
            b.explain(
                f"{measure} {e:g} on {dtype}",
                "A bound that one element in a million breaks is no bound; the worst slack is in the report.",
            )
            tail = array[:3]
            b.writes(script([array, tail], dtype, [None], {measure: e}), x_is([array, tail], dtype, rule={measure: e}))


@case("lossy/abs_complex", "fidelity.max_abs_error", features=("dtype.complex64", "codec.lz4"))
def _(b: Book) -> None:
    """A bound on complex numbers without a lossy codec

    The parts count singly; what is stored exactly keeps every bound.
    """
    values = [np.array([1 + 2j, complex(np.nan, -0.0), 3e-40j], "<c8")]
    chain = [
        s.create(),
        s.tensor("x", dtype="complex64", shape=[None], codecs=[[{"name": "lz4"}]], fidelity={"max_abs_error": 1e-3}),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(chain, x_is(values, "complex64"))


@case("lossy/declared_words", "fidelity.default", "tensor.fidelity", level="should", features=("codec.jpeg",))
def _(b: Book) -> None:
    """Who names only a lossy codec has declared it, and the commit says so

    Absent means exact: a writer that leaves the word out lies to every reader after it.
    """
    pixels = photo()
    chain = [
        s.create(),
        s.tensor("x", dtype="uint8", shape=[None, None, 3], htype="image", codecs=[[{"name": "jpeg", "quality": 90}]]),
        s.append(x=pixels),
        s.commit(),
    ]
    want = x_is([pixels], "uint8", rule={"psnr_db": 25.0})
    b.writes(chain, want | {"layout": {"x": {"members": {"fidelity": "lossy"}}}})


def promised_psnr(bound: float, values: list[np.ndarray], **how: Any) -> list[Any]:
    """A script that gives pictures to a JPEG tensor whose fidelity is ``psnr_db``; ``how``: the codec's parameters."""
    codecs, fidelity = [[{"name": "jpeg"} | how]], {"psnr_db": bound}
    tensor = s.tensor("x", dtype="uint8", shape=[None, None, 3], htype="image", fidelity=fidelity, codecs=codecs)
    return [s.create(), tensor, s.extend(x=values), s.commit()]


@case("lossy/psnr_kept", "fidelity.psnr_db", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """psnr_db 30 with JPEG: kept, and measured

    The bound is about each picture, not about the average.
    """
    pixels = [photo(), np.full((32, 32, 3), 77, "u1")]
    script = promised_psnr(30, pixels, quality=97, subsampling="4:4:4")
    b.writes(script, x_is(pixels, "uint8", rule={"psnr_db": 30.0}))


@case("lossy/psnr_refused", "fidelity.psnr_db", "fidelity.verify", features=("codec.jpeg",))
def _(b: Book) -> None:
    """psnr_db 60 with JPEG quality 30: the picture is refused

    Accepted with 27 dB, it would be a promise broken in silence.
    """
    noise = np.random.default_rng(5).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    b.write_refused(promised_psnr(60, [noise], quality=30), "E_FIDELITY")


@case("lossy/quantize_undeclared", "fidelity.declared", features=QUANTIZE)
def _(b: Book) -> None:
    """quantize in a tensor that says exact

    A codec that loses must not hide behind the default.
    """
    chain = [
        s.create(),
        s.tensor(
            "x",
            dtype="float32",
            shape=[None],
            fidelity="exact",
            codecs=[[{"name": "quantize", "dtype": "float32", "max_abs_error": 0.1}, {"name": "lz4"}]],
        ),
    ]
    b.write_refused(chain, "E_FIDELITY", also=("E_ARGUMENT",))


@case("lossy/jpeg_exact_arrays", "fidelity.exact", features=("codec.jpeg",))
def _(b: Book) -> None:
    """An array for a JPEG tensor that says exact

    Exact on a lossy codec means: files only.
    """
    chain = [
        s.create(),
        s.tensor(
            "x",
            dtype="uint8",
            shape=[None, None, 3],
            htype="image",
            fidelity="exact",
            codecs=[[{"name": "jpeg", "quality": 95}]],
        ),
        s.append(x=photo(16, 16)),
        s.commit(),
    ]
    b.write_refused(chain, "E_FIDELITY", also=("E_ARGUMENT",))
