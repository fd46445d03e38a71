"""How far apart values may lie: bit-exact, a declared bound, or a decoder class of the codec's registry row."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Slack:
    """How much of a bound was used: ``used`` / ``bound`` at its worst element, 1.0 being the limit."""

    rule: str
    used: float
    bound: float
    worst: int

    @property
    def ratio(self) -> float:
        return self.used / self.bound if self.bound else (0.0 if self.used == 0 else float("inf"))


def array_of(data: bytes, dtype: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The elements of raw little-endian bytes; dtypes that numpy lacks come back as unsigned words."""
    try:
        kind = np.dtype(dtype).newbyteorder("<")
    except TypeError:
        kind = np.dtype("<u2" if "16" in dtype else "u1")
    array = np.frombuffer(data, kind)
    return array if shape is None else array.reshape(shape)


def exact(got: bytes, want: bytes, dtype: str) -> str | None:
    """None when the bytes are equal, else the first element that differs and how."""
    if got == want:
        return None
    if len(got) != len(want):
        return f"{len(got)} bytes, not {len(want)}"
    at = next(i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b)
    size = array_of(b"", dtype).itemsize
    n = at // size
    here, there = got[n * size : (n + 1) * size], want[n * size : (n + 1) * size]
    values = f"{array_of(here, dtype)[0]} for {array_of(there, dtype)[0]}"
    return f"element {n} is {values} (bytes {here.hex()} for {there.hex()})"


def bounded(got: bytes, want: bytes, dtype: str, measure: str, bound: float) -> tuple[str | None, Slack | None]:
    """Judge ``max_abs_error``, ``max_rel_error`` or ``psnr_db``; what is not finite must be equal to the bit."""
    if len(got) != len(want):
        return f"{len(got)} bytes, not {len(want)}", None
    a, b = array_of(got, dtype), array_of(want, dtype)
    odd = ~np.isfinite(b.astype(np.float64)) if b.dtype.kind == "f" else np.zeros(b.shape, bool)
    if problem := exact(a[odd].tobytes(), b[odd].tobytes(), dtype):
        return f"not finite: {problem}", None
    places = np.flatnonzero(~odd)
    if measure == "psnr_db":
        return _psnr(a[places], b[places], bound)
    return _pointwise(a, b, places, measure, bound)


def _pointwise(a: np.ndarray, b: np.ndarray, places: np.ndarray, measure: str, bound: float) -> tuple[str | None, Any]:
    """The doubtful elements are judged again in exact fractions: a float64 difference may itself round."""
    if not np.isfinite(a[places].astype(np.float64)).all():
        return "a finite value has become infinite or NaN", None
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.abs(a[places].astype(np.longdouble) - b[places].astype(np.longdouble))
        scale = np.abs(b[places].astype(np.longdouble)) if measure == "max_rel_error" else np.longdouble(1)
        used = np.where(apart == 0, 0, apart / np.where(scale == 0, np.finfo(np.float64).tiny, scale))
    if not used.size:
        return None, Slack(measure, 0.0, bound, -1)
    limit = Fraction(bound)
    for i in np.argsort(used)[-64:][::-1]:
        x, y = Fraction(a[places[i]].item()), Fraction(b[places[i]].item())
        allowed = limit * abs(y) if measure == "max_rel_error" else limit
        if abs(x - y) > allowed:
            at = int(places[i])
            return f"element {at} is {a[at]} for {b[at]}: past {measure} {bound}", Slack(
                measure, float(used[i]), bound, at
            )
    worst = int(np.argmax(used))
    return None, Slack(measure, float(used[worst]), bound, int(places[worst]))


def _psnr(a: np.ndarray, b: np.ndarray, bound: float) -> tuple[str | None, Slack]:
    found = psnr(a, b)
    problem = None if found >= bound else f"{found:.2f} dB, declared {bound} dB"
    return problem, Slack("psnr_db", bound / found if found else float("inf"), 1.0, -1)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise in dB; the peak is the dtype's range for integers, the data's for floats."""
    if not a.size:
        return float("inf")
    peak = float(np.iinfo(b.dtype).max) if b.dtype.kind in "iu" else float(b.max() - b.min())
    mse = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if mse == 0 else (-float("inf") if peak == 0 else 10 * np.log10(peak * peak / mse))


LUMA = np.array([0.299, 0.587, 0.114])


def decoder_class(got: np.ndarray, want: np.ndarray, rule: str) -> str | None:
    """Judge a decoded picture or sound by class A (reference grade), B (tolerant), S or S2 (sound); video by frames."""
    if got.shape != want.shape:
        return f"shape {got.shape}, not {want.shape}"
    if rule in ("S", "S2"):
        return _sound(got.astype(np.float64), want.astype(np.float64), rule)
    if want.ndim == 4:
        judged = ((n, decoder_class(a, b, rule)) for n, (a, b) in enumerate(zip(got, want, strict=True)))
        return next((f"frame {n}: {problem}" for n, problem in judged if problem), None)
    scale = 255.0 / (np.iinfo(want.dtype).max if want.dtype.kind in "iu" else 1.0)
    a, b = got.astype(np.float64) * scale, want.astype(np.float64) * scale
    apart, found = np.abs(a - b), psnr((a).astype(np.float64), b) if a.size else float("inf")
    mse = float(np.mean((a - b) ** 2)) if a.size else 0.0
    found = float("inf") if mse == 0 else 10 * np.log10(255.0**2 / mse)
    if rule == "A":
        return _first(
            ("max", apart.max(initial=0), 4.0), ("mean", apart.mean() if a.size else 0, 0.5), ("PSNR", -found, -50.0)
        )
    return _tolerant(a, b, found)


def _first(*measures: tuple[str, float, float]) -> str | None:
    for name, found, limit in measures:
        if found > limit:
            return f"{name} {abs(found):.3g}, limit {abs(limit):g}"
    return None


def _tolerant(a: np.ndarray, b: np.ndarray, found: float) -> str | None:
    luma = [x[..., :3] @ LUMA if x.ndim == 3 and x.shape[2] >= 3 else x.reshape(x.shape[:2]) for x in (a, b)]
    apart = np.abs(luma[0] - luma[1])
    mse = float(np.mean(apart**2))
    luma_psnr = float("inf") if mse == 0 else 10 * np.log10(255.0**2 / mse)
    h, w = (n // 8 * 8 for n in a.shape[:2])
    blocks = [x[:h, :w].reshape(h // 8, 8, w // 8, 8, -1).mean((1, 3)) for x in (a, b)]
    return _first(
        ("PSNR", -found, -38.0), ("mean", float(np.abs(a - b).mean()), 2.5), ("luma max", float(apart.max()), 14.0),
        ("luma PSNR", -luma_psnr, -44.0), ("block mean", float(np.abs(blocks[0] - blocks[1]).max(initial=0)), 8.0),
    )  # fmt: skip


def _sound(a: np.ndarray, b: np.ndarray, rule: str) -> str | None:
    """S2: a decoder whose state reaches back is judged after 8,000 samples only."""
    if rule == "S2":
        return _first(("max", float(np.abs(a - b)[8000:].max(initial=0)), 2.0**-4))
    apart = np.abs(a - b)
    noise, signal = float(np.sum(apart**2)), float(np.sum(b**2))
    snr = float("inf") if noise == 0 else 10 * np.log10(signal / noise) if signal else -float("inf")
    return _first(("max", float(apart.max(initial=0)), 2.0**-14), ("SNR", -snr, -78.0))
