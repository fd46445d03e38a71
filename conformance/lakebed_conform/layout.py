"""How a writer laid its chunks: the rules of chapter 5.7 that values alone do not show."""

from __future__ import annotations

from typing import Any

from lakebed_conform.checker.chunk import Chunk
from lakebed_conform.checker.column import Column
from lakebed_conform.checker.index import pipeline_of, unit_items
from lakebed_conform.checker.tree import State


def layout_problem(state: State, want: dict[str, dict[str, Any]]) -> str | None:
    """The first place where a tensor's chunks are not as ``want`` says, or None.

    Per tensor, each member optional: ``units``, items of every unit, one list per chunk in slice order (null for
    tiles); ``raw``, which units are stored raw; ``codecs``, codec names of every unit; ``encoded``, whether its
    pipeline has parameters; ``tile`` per chunk; ``slices``, [chunk number or null, first, count]; ``chunks``, how many;
    ``listed``, how many the tensor's own table names; ``members`` of the tensor; ``keys``, [frame, place of its coded
    data in the file] of every frame of a video that a seek point may be at: such points as there are must be true.
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
            if what == "keys":
                if problem := _points(chunks, right):
                    return f"tensor {name}: {problem}"
                continue
            got = _part(state.commit.members["tensors"][name], right) if what == "members" else found[what]
            if got != right:
                return f"tensor {name}: {what} are {_cut(got)}, not {_cut(right)}"
    return None


def _points(chunks: list[Chunk], keys: list[list[int]]) -> str | None:
    """The first seek point that is at no key frame, or whose bytes do not begin at its data [seek.point.video]."""
    for entry in (e for c in chunks for e in c.index.members.get("seek", ())):
        count = entry.get("points", 0)
        at, offset, size = (Column(k, entry.get(k, 0), count) for k in ("at", "offset", "bytes"))
        for n in range(count):
            place = dict(keys).get(at.at(n))
            if place is None:
                return f"a seek point at frame {at.at(n)}, from which nothing can be decoded"
            if not offset.at(n) <= place < offset.at(n) + size.at(n):
                return f"frame {at.at(n)} begins at byte {place}, its seek point at {offset.at(n)}"
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
