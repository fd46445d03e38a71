"""Floor 1. ``quantize``: floats within a stated bound; lossy to encode, exact to decode [codec.quantize].

Stream: u8 mode, u8 width, u8 drop, u8 zero, u32 exceptions, f64 lo, f64 step, 8 zero bytes; n codes of ``width``
bytes; the exceptions' own bytes in order. Mode 1 (absolute bound) [codec.quantize.linear]: code 0 is an exception,
else the value is ``lo + (code - 1) * step`` in float64, rounded to the dtype; step has at most 20 significant bits, so
the product is exact and every port gives the same bits. Mode 2 (relative bound) [codec.quantize.mantissa]: the code is
the top bits of the value; all ones is an exception.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from .row import Buffer, Codec, Param, Params, corrupt

# mode [codec.quantize.mode], width [codec.quantize.width], drop, zero [codec.quantize.zero], exceptions,
# lo [codec.quantize.lo], step, zeros [codec.quantize.pad]; then [codec.quantize.codes] and [codec.quantize.raw]
_HEAD = struct.Struct("<BBBBIdd8s")
_ITEM = {"float16": 2, "float32": 4, "float64": 8}
_MANTISSA = {"float16": 10, "float32": 23, "float64": 52}
_STEP_BITS = 20


def encode(raw: Buffer, params: Params) -> bytes | None:
    """None when the stream would not pay, or cannot keep the bound: the unit is then stored exactly
    [codec.quantize.verified].
    """
    name = params["dtype"]
    if len(raw) % _ITEM[name]:
        return None
    values = np.frombuffer(raw, f"<f{_ITEM[name]}")
    if len(values) == 0 or len(values) >= 1 << 32:
        return None
    if "max_abs_error" in params:
        return _linear(values, name, params["max_abs_error"])
    return _mantissa(values, name, params["max_rel_error"])


def decode(stored: Buffer, params: Params, length: int) -> bytes:
    name = params["dtype"]
    item = _ITEM[name]
    view = memoryview(stored).cast("B")
    if length % item or len(view) < 32:
        raise corrupt("codec.quantize.head", f"a quantize stream of {len(view)} bytes cannot give {length} bytes")
    mode, width, drop, zero, missed, lo, step, zeros = _HEAD.unpack_from(view)
    count = length // item
    if zero or zeros != bytes(8) or mode not in (1, 2) or width not in (1, 2, 4):
        raise corrupt("codec.quantize.head", f"a quantize stream's head has mode {mode}, width {width}")
    if (mode == 1) != ("max_abs_error" in params):
        raise corrupt("codec.quantize.head", f"a quantize stream's mode {mode} is not the pipeline's")
    if missed > count or len(view) != 32 + count * width + missed * item:
        raise corrupt(
            "codec.quantize.length", f"{len(view)} bytes of quantize with {missed} exceptions in {count} values"
        )
    codes = np.frombuffer(view[32 : 32 + count * width], f"<u{width}")
    exceptions = np.frombuffer(view[32 + count * width :], f"<f{item}")
    if mode == 1:
        _check_linear(drop, lo, step)
        odd = codes == 0
        values = _values(codes, lo, step, item)
    else:
        _check_mantissa(drop, width, lo, step, name)
        odd = codes == (1 << (8 * width)) - 1
        if 8 * item - drop < 8 * width and bool(((codes >> (8 * item - drop)) != 0)[~odd].any()):
            raise corrupt("codec.quantize.code", "a quantize stream's code has bits beyond its value")
        values = (codes.astype(f"<u{item}") << np.array(drop, f"<u{item}")).view(f"<f{item}")
    if int(np.count_nonzero(odd)) != missed:
        raise corrupt("codec.quantize.exceptions", f"a quantize stream marks other than its {missed} exceptions")
    if missed:
        values[odd] = exceptions
    return values.tobytes()


def _check_linear(drop: int, lo: float, step: float) -> None:
    mantissa = math.frexp(step)[0] * (1 << _STEP_BITS) if math.isfinite(step) else 0.5
    if drop or mantissa != int(mantissa) or not math.isfinite(lo) or not 0 < step < math.inf:
        raise corrupt("codec.quantize.step", f"a quantize stream's lo {lo!r} and step {step!r} are not allowed")


def _check_mantissa(drop: int, width: int, lo: float, step: float, name: str) -> None:
    if lo != 0 or step != 0 or drop > _MANTISSA[name] or 8 * _ITEM[name] - drop > 8 * width:
        raise corrupt("codec.quantize.drop", f"a quantize stream drops {drop} bits of {name} in width {width}")


def _values(codes: np.ndarray, lo: float, step: float, item: int) -> np.ndarray:
    """Exact product, one rounding in float64, one to the dtype; the value under code 0 means nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        return ((codes.astype(np.float64) - 1.0) * step + lo).astype(f"<f{item}")


def _cut(step: float) -> float:
    """``step`` rounded down to 20 significant bits; 0 when it is too small for exact products."""
    mantissa, exponent = math.frexp(step)
    cut = math.ldexp(math.floor(mantissa * (1 << _STEP_BITS)), exponent - _STEP_BITS)
    return cut if cut >= 2.0**-1000 else 0.0


def _linear(values: np.ndarray, name: str, bound: float) -> bytes | None:
    with np.errstate(invalid="ignore"):  # signalling NaN among the values
        wide = values.astype(np.float64)
    fine = np.isfinite(wide)
    finite = wide if bool(fine.all()) else wide[fine]
    if len(finite) == 0:
        return None
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore"):
        half_ulp = float(np.spacing(np.array(max(-low, high), values.dtype))) / 2
    best = None
    # the widest step first; where rounding to the dtype pushes many values over the bound, a step that leaves room
    for step in (_cut(2 * bound), _cut(2 * (bound - half_ulp)) if half_ulp < bound / 2 else 0.0):
        if not 0 < step < math.inf:
            continue
        for lo, width in _windows(finite, low, high, step):
            stream = _try_linear(values, wide, bound, lo, step, width)
            if best is None or len(stream) < len(best):
                best = stream
        if best is not None and _HEAD.unpack_from(best)[4] * 1000 <= len(values):
            break
    return best


def _windows(finite: np.ndarray, low: float, high: float, step: float) -> list[tuple[float, int]]:
    """Candidate (lo, width): the width that the whole range needs, and narrower ones around the median.

    A narrower one is worth a try when, by a sample, it leaves no more than a tenth of the values as exceptions.
    """
    span = (high - low) / step
    width = next((w for w in (1, 2, 4) if span < (1 << (8 * w)) - 2), None)
    found = [] if width is None else [(low, width)]
    if width == 1:
        return found
    some = finite[:: max(1, len(finite) // 4096)]
    middle = float(np.median(some))
    away = np.abs(some - middle)
    for narrower in (w for w in (4, 2, 1) if width is None or w < width):
        half = ((1 << (8 * narrower)) - 2) / 2 * step
        if not math.isfinite(middle - half) or float(np.mean(away < half)) < 0.9:
            break
        found.append((middle - half, narrower))
    return found


def _try_linear(values: np.ndarray, wide: np.ndarray, bound: float, lo: float, step: float, width: int) -> bytes:
    top = (1 << (8 * width)) - 1
    with np.errstate(over="ignore", invalid="ignore"):
        place = wide - lo
        place /= step
        np.rint(place, out=place)
        place += 1
        fits = (place >= 1) & (place <= top)  # False for NaN
        codes = (place if bool(fits.all()) else np.where(fits, place, 0)).astype(f"<u{width}")
    fits &= _keeps(wide, _values(codes, lo, step, values.itemsize), bound, values.itemsize, relative=False)
    codes[~fits] = 0
    return _stream((1, width, 0, 0, lo, step), codes, values[~fits])


def _mantissa(values: np.ndarray, name: str, bound: float) -> bytes | None:
    kept = max(0, math.ceil(-math.log2(bound)) - 1)  # rounding to k bits is off by at most 2 ** -(k + 1)
    drop = _MANTISSA[name] - kept
    item = values.itemsize
    width = next((w for w in (1, 2, 4) if 8 * w >= 8 * item - drop), None)
    if drop < 1 or width is None or width > item:
        return None
    bits = values.view(f"<u{item}")
    one, shift = np.array(1, bits.dtype), np.array(drop, bits.dtype)
    half = np.array((1 << (drop - 1)) - 1, bits.dtype)
    codes = ((bits + half + ((bits >> shift) & one)) >> shift).astype(f"<u{width}")
    rounded = (codes.astype(bits.dtype) << shift).view(values.dtype)
    marker = np.array((1 << (8 * width)) - 1, codes.dtype)
    fits = (
        np.isfinite(values) & (codes != marker) & _keeps(values.astype(np.float64), rounded, bound, item, relative=True)
    )
    codes[~fits] = marker
    return _stream((2, width, drop, 0, 0.0, 0.0), codes, values[~fits])


def _keeps(start: np.ndarray, rounded: np.ndarray, bound: float, item: int, *, relative: bool) -> np.ndarray:
    """Which values keep the bound; differences are taken in float64, with a guard digit where that may round."""
    with np.errstate(over="ignore", invalid="ignore"):
        off = rounded.astype(np.float64)
        off -= start
        np.abs(off, out=off)
        limit = bound * np.abs(start) if relative else np.array(bound)
        if item == 8 or relative:
            limit = limit * (1 - 2.0**-50)
        if relative:
            limit[np.abs(start) < 2.0**-960] = 0.0  # down there the product itself is rounded
        return (off <= limit) & (off < np.inf)


def _stream(head: tuple, codes: np.ndarray, exceptions: np.ndarray) -> bytes:
    mode, width, drop, zero, lo, step = head
    packed = _HEAD.pack(mode, width, drop, zero, len(exceptions), lo, step, bytes(8))
    return packed + codes.tobytes() + exceptions.tobytes()


def encoded(length: int, params: Params) -> int:
    count = -(-length // _ITEM[params["dtype"]])
    return 32 + count * 4 + length


ROW = Codec(
    "quantize",
    "filter",
    "never",
    "floats within a stated error bound; decoding is exact on every port",
    params=(
        Param("dtype", (str,), None, choices=tuple(_ITEM), required=True, about="filled from the tensor's dtype"),
        Param("max_abs_error", (float, int), None, 5e-324, 1e308, about="absolute bound; this or the next"),
        Param("max_rel_error", (float, int), None, 1e-15, 0.999, about="relative bound, at every value"),
    ),
    takes=lambda dtype, shape: None if dtype in _ITEM else "quantize is for float16, float32 and float64",
    encode=encode,
    decode=decode,
    encoded=encoded,
    holds="float16, float32, float64",
)
