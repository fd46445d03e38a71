"""Floor 1. Fidelity: what a tensor promises about arrays, and whether a decoded sample keeps the promise [fidelity].

Canonical JSON: ``"exact"``, ``"lossy"``, ``{"max_abs_error": e}``, ``{"max_rel_error": e}``, ``{"psnr_db": q}``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dtypes import DTYPES
from .errors import error

_PEAK = {"uint8": 255, "uint16": 65535}
_BOUNDS = ("max_abs_error", "max_rel_error", "psnr_db")


@dataclass(frozen=True, slots=True)
class Fidelity:
    """``kind``: exact, lossy, max_abs_error, max_rel_error or psnr_db; ``bound``: its number (0 without one)."""

    kind: str
    bound: float = 0.0

    @property
    def exact(self) -> bool:
        return self.kind == "exact"

    def to_json(self) -> str | dict[str, float]:
        return self.kind if self.kind in ("exact", "lossy") else {self.kind: self.bound}


EXACT = Fidelity("exact")
LOSSY = Fidelity("lossy")


def parse(value: Any) -> Fidelity:
    """Fidelity from its JSON form (or itself); anything else is E_ARGUMENT [fidelity.form]."""
    if isinstance(value, Fidelity):
        return value
    if value in ("exact", "lossy") and isinstance(value, str):
        return Fidelity(value)
    if isinstance(value, dict) and len(value) == 1:
        kind, bound = next(iter(value.items()))
        number = isinstance(bound, (int, float)) and not isinstance(bound, bool)
        bounded = number and math.isfinite(bound) and bound > 0 and (kind != "max_rel_error" or bound < 1)
        if kind in _BOUNDS and bounded:
            return Fidelity(kind, float(bound))
    raise error(
        "E_ARGUMENT",
        "fidelity.form",
        f'{value!r} is no fidelity: "exact", "lossy", {{"max_abs_error": e > 0}}, '
        '{"max_rel_error": 0 < e < 1} or {"psnr_db": q > 0}',
    )


def takes(fidelity: Fidelity, dtype: str) -> str | None:
    """Why ``dtype`` cannot be under ``fidelity``; None when it can. psnr_db is for uint8 and uint16 only."""
    kind = DTYPES[dtype].kind
    if fidelity.kind == "psnr_db" and dtype not in _PEAK:
        return f"psnr_db needs a known peak: uint8 or uint16, not {dtype}"
    if fidelity.kind in ("max_abs_error", "max_rel_error") and kind == "bool":
        return "a bound on the error means nothing for bool"
    return None


def check(original: np.ndarray, decoded: np.ndarray, fidelity: Fidelity, *, what: str = "the sample") -> float:
    """How much of the bound is left (in its own unit; 0 for exact, inf for lossy); a broken promise is E_FIDELITY.

    Both arrays have the tensor's dtype and the same shape. Non-finite values must come back bit for bit.
    [fidelity.exact], [fidelity.max_abs_error], [fidelity.max_rel_error], [fidelity.psnr_db], [fidelity.lossy].
    """
    if original.shape != decoded.shape or original.dtype != decoded.dtype:
        raise error(
            "E_FIDELITY",
            "fidelity.shape",
            f"{what}: {original.dtype} {original.shape} comes back as {decoded.dtype} {decoded.shape}",
        )
    if fidelity.kind == "lossy":
        return math.inf
    if fidelity.kind == "exact":
        if np.ascontiguousarray(original).tobytes() != np.ascontiguousarray(decoded).tobytes():
            raise error("E_FIDELITY", "fidelity.exact", f"{what} does not come back bit for bit")
        return 0.0
    reason = takes(fidelity, original.dtype.name)
    if reason is not None:
        raise error("E_FIDELITY", f"fidelity.{fidelity.kind}", f"{what}: {reason}")
    if fidelity.kind == "psnr_db":
        return _psnr_slack(original, decoded, fidelity, what)
    return _error_slack(original, decoded, fidelity, what)


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Peak signal to noise ratio in dB, peak 255 (uint8) or 65535 (uint16); inf for equal arrays."""
    difference = original.astype(np.float64) - decoded.astype(np.float64)
    mean = float(np.mean(difference * difference)) if difference.size else 0.0
    return math.inf if mean == 0 else 10 * math.log10(_PEAK[original.dtype.name] ** 2 / mean)


def _psnr_slack(original: np.ndarray, decoded: np.ndarray, fidelity: Fidelity, what: str) -> float:
    measured = psnr(original, decoded)
    if measured < fidelity.bound:
        raise error(
            "E_FIDELITY", "fidelity.psnr_db", f"{what} comes back with {measured:.2f} dB, below {fidelity.bound:g} dB"
        )
    return measured - fidelity.bound


def _error_slack(original: np.ndarray, decoded: np.ndarray, fidelity: Fidelity, what: str) -> float:
    if original.size == 0:
        return fidelity.bound
    if original.dtype.kind in "iu":
        worst = _integer_error(original.ravel(), decoded.ravel(), fidelity.kind == "max_rel_error")
    else:
        worst = _float_error(original.ravel(), decoded.ravel(), fidelity.kind == "max_rel_error")
    if not worst <= fidelity.bound:
        raise error(
            "E_FIDELITY", f"fidelity.{fidelity.kind}", f"{what} is off by {worst:.6g}, more than {fidelity.bound:g}"
        )
    return fidelity.bound - worst


def _integer_error(original: np.ndarray, decoded: np.ndarray, relative: bool) -> float:
    """Exact for 64 bits: the difference of two integers always fits the unsigned type of their width."""
    width = f"<u{original.dtype.itemsize}"
    high, low = np.maximum(original, decoded), np.minimum(original, decoded)
    off: Any = np.subtract(high.view(width), low.view(width))
    if not relative:
        return float(off.max())
    plain: Any = original.view(width)
    size = np.where(original < 0, np.zeros(1, width) - plain, plain)
    if bool((off[size == 0] != 0).any()):
        return math.inf
    some = size != 0
    return float((off[some] / size[some].astype(np.float64)).max()) if bool(some.any()) else 0.0


def _float_error(original: np.ndarray, decoded: np.ndarray, relative: bool) -> float:
    """Worst error in float64 (long double for float64 itself, so that the difference is not rounded down)."""
    if original.dtype.kind == "c":
        part = f"<f{original.dtype.itemsize // 2}"
        original, decoded = original.view(part), decoded.view(part)
    wide = np.longdouble if original.dtype.itemsize == 8 else np.float64
    start: Any = original.astype(wide)
    end: Any = decoded.astype(wide)
    finite = np.isfinite(start)
    if not bool(finite.all()):
        raw = f"<u{original.dtype.itemsize}"
        if bool((original.view(raw)[~finite] != decoded.view(raw)[~finite]).any()):
            return math.inf
        start, end = start[finite], end[finite]
    if start.size == 0:
        return 0.0
    off = np.abs(end - start)
    if not bool(np.isfinite(off).all()):
        return math.inf
    if not relative:
        return float(off.max())
    size = np.abs(start)
    if bool((off[size == 0] != 0).any()):
        return math.inf
    some = size != 0
    return float((off[some] / size[some]).max()) if bool(some.any()) else 0.0
