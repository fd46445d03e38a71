"""Floor 1. The dtypes of the format, and the lossless way from a caller's value to an array of one [dtype.table].

Names are numpy's; bytes are little-endian. ``bfloat16`` and the two ``float8`` need the extra ``numeric``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import LakebedError, error
from .extras import optional


@dataclass(frozen=True, slots=True)
class DType:
    """One row: ``itemsize`` in bytes, ``kind`` one of bool, int, uint, float, complex."""

    name: str
    itemsize: int
    kind: str
    extra: str | None = None

    @property
    def numpy(self) -> np.dtype:
        """The little-endian numpy dtype; E_EXTRA_MISSING when its library is not installed."""
        found = _NUMPY.get(self.name)
        return _numpy(self) if found is None else found


# [dtype.bool] [dtype.int] [dtype.uint] [dtype.float] [dtype.bfloat16] [dtype.float8_e4m3fn] [dtype.float8_e5m2]
# [dtype.complex]
_ROWS = (
    DType("bool", 1, "bool"),
    *(DType(f"int{bits}", bits // 8, "int") for bits in (8, 16, 32, 64)),
    *(DType(f"uint{bits}", bits // 8, "uint") for bits in (8, 16, 32, 64)),
    *(DType(f"float{bits}", bits // 8, "float") for bits in (16, 32, 64)),
    DType("bfloat16", 2, "float", "numeric"),
    DType("float8_e4m3fn", 1, "float", "numeric"),
    DType("float8_e5m2", 1, "float", "numeric"),
    DType("complex64", 8, "complex"),
    DType("complex128", 16, "complex"),
)
DTYPES: dict[str, DType] = {row.name: row for row in _ROWS}
_NUMPY: dict[str, np.dtype] = {}
_WHOLE = {
    "float16": 2**11,
    "float32": 2**24,
    "bfloat16": 2**8,
    "float8_e4m3fn": 2**4,
    "float8_e5m2": 2**3,
    "complex64": 2**24,
}
"""Up to here every integer is a value of the dtype; 2**53 for the others, as numpy's float64 comes between."""
_PYTHON = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


def _numpy(row: DType) -> np.dtype:
    scalar = row.name if row.extra is None else getattr(optional("ml_dtypes", row.extra), row.name)
    _NUMPY[row.name] = found = np.dtype(scalar).newbyteorder("<")
    return found


def dtype(name: Any) -> DType:
    """The row of a name, a numpy dtype (of any byte order) or a Python type; else E_DTYPE_UNSUPPORTED."""
    if isinstance(name, DType):
        return name
    if isinstance(name, str) and name in DTYPES:
        return DTYPES[name]
    try:
        key = _PYTHON[name] if isinstance(name, type) and name in _PYTHON else np.dtype(name).name
    except TypeError:
        key = str(name)
    row = DTYPES.get(key)
    if row is None:
        raise error("E_DTYPE_UNSUPPORTED", "dtype.unknown", f"dtype {key!r} is none of {', '.join(DTYPES)}")
    return row


def to_array(value: Any, dtype: DType, *, what: str = "the sample") -> np.ndarray:
    """``value`` as a C-contiguous little-endian array of ``dtype`` (the caller's own array where it already is one).

    A numpy array or scalar of another dtype is taken only if every value survives bit for bit (NaN payload and the
    sign of zero included [dtype.bits]). Python numbers are weak: integers must be exact, floats are rounded to the
    dtype, but never to infinity. Else E_SAMPLE_DTYPE [dtype.convert]; a ragged list is E_SAMPLE_SHAPE [dtype.ragged].
    """
    target = dtype.numpy
    if value.__class__ is np.ndarray and value.dtype == target:
        return value if value.flags.c_contiguous else np.ascontiguousarray(value).reshape(value.shape)
    if value.__class__ is int and dtype.kind in ("int", "uint"):
        low = -(1 << (8 * dtype.itemsize - 1)) if dtype.kind == "int" else 0
        if low <= value < low + (1 << (8 * dtype.itemsize)):
            return np.array(value, target)
    try:
        if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
            array = np.asarray(value)
            weak = array.dtype.kind == "O"
            objects = array if weak else None
        else:
            array, weak = _listed(value, what), not _holds_numpy(value)
            objects = _large_integers(value, array, dtype)
            if weak and objects is not None:
                array = objects
        if array.dtype.kind == "O":
            result = _from_objects(array, dtype)
        else:
            result = _weak(array, dtype) if weak and array.dtype.kind in "fc" else _exact(array, dtype)
    except LakebedError:
        raise
    except (TypeError, ValueError, OverflowError) as problem:
        raise _refused(what, dtype, str(problem)) from problem
    if result is None or (objects is not None and not _integers_kept(objects, result)):
        kind = "number" if array.dtype.kind == "O" else f"{array.dtype} value"
        raise _refused(what, dtype, f"a {kind} is out of range or would change")
    return np.ascontiguousarray(result).reshape(array.shape)


def _refused(what: str, dtype: DType, why: str) -> LakebedError:
    return error("E_SAMPLE_DTYPE", "dtype.convert", f"{what} does not fit {dtype.name}: {why}")


def _listed(value: Any, what: str) -> np.ndarray:
    try:
        return np.array(value)
    except ValueError as problem:
        raise error("E_SAMPLE_SHAPE", "dtype.ragged", f"{what} is not rectangular: {problem}") from problem


def _holds_numpy(value: Any) -> bool:
    """Does a nested list hold numpy values (judged by its first leaf)? Then they are not weak."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (np.ndarray, np.generic))


def _large_integers(value: Any, array: np.ndarray, dtype: DType) -> np.ndarray | None:
    """The Python values of a list where some may be integers that numpy, or the dtype, rounds; else None.

    numpy makes float64 of integers among floats, and of integers beyond int64 among smaller ones.
    """
    if array.dtype.kind == "O":
        return array
    if value.__class__ is float or array.dtype.kind not in "fc":
        return None
    large = (np.abs(array.real) >= _WHOLE.get(dtype.name, 2**53)).any()
    return np.array(value, object) if large else None


def _integers_kept(objects: np.ndarray, result: np.ndarray) -> bool:
    """Is every integer among ``objects`` what it became in ``result``?"""
    stored = result if result.dtype.kind in "biuc" else result.astype(np.float64)
    pairs = zip(objects.ravel().tolist(), stored.ravel().tolist(), strict=True)
    return all(got == int(item) for item, got in pairs if isinstance(item, (int, np.integer)))


def _from_objects(array: np.ndarray, dtype: DType) -> np.ndarray | None:
    """Large Python integers land here, and everything that is no number at all."""
    items = [item.item() if isinstance(item, np.generic) else item for item in array.ravel().tolist()]
    if not all(isinstance(item, (int, float, complex)) for item in items):
        odd = next(item for item in items if not isinstance(item, (int, float, complex)))
        raise TypeError(f"{type(odd).__name__} is no number")
    if dtype.kind in ("int", "uint"):
        if any(item != int(item) for item in items):
            return None
        return np.array([int(item) for item in items], dtype.numpy).reshape(array.shape)
    return _weak(np.array([complex(i) if isinstance(i, complex) else float(i) for i in items]), dtype)


def _weak(array: np.ndarray, dtype: DType) -> np.ndarray | None:
    """Python floats: rounded to a float dtype, never to infinity; whole numbers only into an integer dtype."""
    if dtype.kind not in ("float", "complex"):
        return _exact(array, dtype)
    if array.dtype.kind == "c" and dtype.kind == "float":
        return _exact(array, dtype)
    with np.errstate(all="ignore"):
        result = array.astype(dtype.numpy)
    return result if bool((np.isfinite(array) == np.isfinite(result)).all()) else None


def _exact(array: np.ndarray, dtype: DType) -> np.ndarray | None:
    """``array`` converted when every value survives the way there and back; else None."""
    if array.dtype.kind not in "biufcV" or (array.dtype.kind == "V" and array.dtype.name not in DTYPES):
        raise TypeError(f"{array.dtype} holds no numbers of the format")
    source = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    target = dtype.numpy
    if source.dtype.kind == "c" and dtype.kind != "complex":
        if any(np.ascontiguousarray(source.imag).tobytes()):
            return None
        source = np.ascontiguousarray(source.real)
    if source.dtype == target or source.size == 0:
        return source.astype(target, copy=False)
    if not _in_range(source, dtype):
        return None
    with np.errstate(all="ignore"):
        result = source.astype(target)
        if source.dtype.kind in "iu" and dtype.kind in ("int", "uint"):
            return result  # the range said it all
        back = (result.real if dtype.kind == "complex" and source.dtype.kind != "c" else result).astype(source.dtype)
    if source.dtype.kind in "fc" and source.dtype.itemsize > 8 and source.dtype.name not in DTYPES:
        same = bool(((back == source) | (np.isnan(back) & np.isnan(source))).all())  # padding bytes mean nothing
    else:
        same = back.tobytes() == source.tobytes()
    return result if same else None


def _in_range(source: np.ndarray, dtype: DType) -> bool:
    """Guards the casts whose overflow is undefined: into integers, and 64-bit integers into floats."""
    kind = source.dtype.kind
    if dtype.kind in ("int", "uint"):
        if kind == "b":
            return True
        info = np.iinfo(dtype.numpy)
        if kind in "iu":
            return int(source.min()) >= info.min and int(source.max()) <= info.max
        real = source.astype(np.float64)
        if not bool(np.isfinite(real).all()):
            return False
        return float(real.min()) >= float(info.min) and int(float(real.max())) <= info.max
    if kind in "iu" and source.dtype.itemsize == 8 and dtype.kind in ("float", "complex"):
        # the largest integers round up to 2**63 or 2**64, and casting those back is undefined
        return int(source.max()) < np.iinfo(source.dtype).max - 1024
    return True
