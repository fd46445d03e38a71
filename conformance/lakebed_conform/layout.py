"""How a writer laid its chunks: the rules of chapter 5.7 that values alone do not show."""

from __future__ import annotations

from typing import Any

from lakebed_conform.checker.chunk import Chunk
from lakebed_conform.checker.index import pipeline_of, unit_items
from lakebed_conform.checker.tree import State


def layout_problem(state: State, want: dict[str, dict[str, Any]]) -> str | None:
    """The first place where a tensor's chunks are not as ``want`` says, or None.

    Per tensor, each member optional: ``units``, items of every unit, one list per chunk in slice order (null for
    tiles); ``raw``, which units are stored raw; ``codecs``, codec names of every unit; ``encoded``, whether its
    pipeline has parameters; ``tile`` per chunk; ``slices``, [chunk number or null, first, count]; ``chunks``, how many;
    ``listed``, how many the tensor's own table names; ``members`` of the tensor.
    """
    for name, expected in want.items():
        tensor = state.commit.tensors.get(name)
        if tensor is None:
            return f"tensor {name} is absent"
        rows = state.rows(tensor)
        used = list(dict.fromkeys(r.chunk for r in rows if r.chunk is not None))
        chunks = [state.chunk(ref) for ref in used]
        found = {
            "units": [_units(c) for c in chunks],
            "raw": [[not pipeline_of(c.index, u) for u in range(c.index.unit_count)] for c in chunks],
            "codecs": [[_names(c, u) for u in range(c.index.unit_count)] for c in chunks],
            "encoded": [[_encoded(c, u) for u in range(c.index.unit_count)] for c in chunks],
            "tile": [c.index.tile for c in chunks],
            "slices": [[None if r.chunk is None else used.index(r.chunk), r.first, r.count] for r in rows],
            "chunks": len(chunks),
            "listed": len(state.commit.members["tensors"][name]["chunks"]["name"]),
        }
        for what, right in expected.items():
            got = _part(state.commit.members["tensors"][name], right) if what == "members" else found[what]
            if got != right:
                return f"tensor {name}: {what} are {_cut(got)}, not {_cut(right)}"
    return None


def _units(chunk: Chunk) -> list[int] | None:
    index = chunk.index
    return None if index.tile is not None else [unit_items(index, u) for u in range(index.unit_count)]


def _names(chunk: Chunk, unit: int) -> list[str]:
    return [codec["name"] for codec in pipeline_of(chunk.index, unit)]


def _encoded(chunk: Chunk, unit: int) -> bool:
    return any(len(codec) > 1 for codec in pipeline_of(chunk.index, unit))


def _part(members: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    return {key: members.get(key) for key in right}


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) < 160 else text[:157] + "..."
