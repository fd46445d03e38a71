"""Floor 2. A chunk against the tensor that uses it [chunk.tensor]."""

from __future__ import annotations

from .errors import error
from .geometry import Geometry
from .model import TensorState


def check_fit(name: str, state: TensorState, geometry: Geometry, first: int, count: int, key: str) -> None:
    """Samples [first, first + count) of the chunk ``key`` as a slice of tensor ``name``.

    Errors: E_SLICE_RANGE, E_CHUNK_TENSOR.
    """
    samples = geometry.index.samples
    if first + count > samples:
        detail = f"a slice of tensor {name!r} reaches past {samples} samples"
        raise error("E_SLICE_RANGE", "table.slice.range", detail, object=key)
    wrong = misfit(state, geometry, first, count)
    if wrong is not None:
        rule, found = wrong
        raise error("E_CHUNK_TENSOR", f"chunk.tensor.{rule}", f"for tensor {name!r} the chunk has {found}", object=key)


def misfit(state: TensorState, geometry: Geometry, first: int, count: int) -> tuple[str, str] | None:
    """(rule, what the chunk has) where the tensor has something else; None when these samples fit."""
    index = geometry.index
    if index.dtype != state.dtype:
        return "dtype", f"dtype {index.dtype}, not {state.dtype}"
    if len(index.shape) != len(state.shape):
        return "rank", f"rank {len(index.shape)}, not {len(state.shape)}"
    if (index.items is not None) != state.sequence:
        return "sequence", "single items" if state.sequence else "sequences"
    low, high = geometry.items_between(first, count)
    for due, axis in zip(state.shape, index.shape, strict=True):
        if due is None or low == high:
            continue
        if axis != due if isinstance(axis, int) else (axis[low:high] != due).any():
            return "dims", f"items that are not of shape {state.shape}"
    return None
