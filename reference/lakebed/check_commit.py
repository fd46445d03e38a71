"""Floor 7. Every fault of one commit document, not only the first [safety.check].

A reader stops at the first broken rule. Here each member that is not the first to break a rule is judged beside
sound ones, tensor by tensor, so that one bad member hides neither another nor the chunks of the sound tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from . import dtypes, htypes, names
from .codecs.pipeline import STEPS
from .errors import LakebedError, error
from .format import document
from .format.commit import decode_commit
from .model import Commit, TensorState

_EMPTY: dict[str, Any] = {
    "chunks": {"name": [], "payload": [], "index": []},
    "slices": {"chunk": [], "first": [], "count": []},
}
_SOUND_TENSOR = {"htype": "generic", "dtype": "uint8", "shape": [], **_EMPTY}
_FINAL = ("E_VERSION", "E_REQUIRES_READ")  # what follows may be written by other rules


def judge_commit(data: bytes, key: str) -> tuple[Commit | None, list[LakebedError]]:
    """The commit (of its sound tensors, where some are not; None when nothing can be said) and all its faults.

    A `time` that breaks a rule is "", and the parent of a commit in the wrong place None: nothing is judged by them.
    """
    try:
        return decode_commit(data, key), list(judge_strings(data, key))
    except LakebedError as cause:
        first = cause
    try:
        members = document.decode(data, key)
    except LakebedError:
        return None, [first]
    place = names.COMMIT_KEY.fullmatch(key)
    if first.code in _FINAL or place is None:
        return None, [first]
    faults = {_what(cause): cause for cause in [first, *judge_strings(data, key)]}
    commit = _taken_apart(members, key, _sound(place[1], int(place[2])), faults)
    return commit, list(faults.values())


def judge_strings(data: bytes, key: str) -> Iterator[LakebedError]:
    """[json.surrogate]: a lone half of a surrogate pair, which readers may let pass. ``data`` is valid otherwise."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return
    for text in _strings(json.loads(data)):
        try:
            text.encode()
        except UnicodeEncodeError:
            detail = f"a string holds an unpaired surrogate: {text[:60]!a}"
            yield error("E_JSON_SYNTAX", "json.surrogate", detail, object=key)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)


def _what(cause: LakebedError) -> tuple[str, str, str]:
    return cause.code, cause.clause, cause.detail


def _sound(branch: str, number: int) -> dict[str, Any]:
    """A commit of no samples that breaks no rule at this place."""
    parent = None if number == 1 else {"branch": branch, "number": number - 1, "sha256": "0" * 64}
    return {
        "lakebed": document.VERSION,
        "requires": {"read": [], "write": []},
        "branch": branch,
        "number": number,
        "id": "0" * 32,
        "parent": parent,
        "time": "2000-01-01T00:00:00Z",
        "length": 0,
        "tensors": {},
    }


def _taken_apart(
    members: dict[str, Any], key: str, sound: dict[str, Any], faults: dict[tuple[str, str, str], LakebedError]
) -> Commit | None:
    def trial(trying: Mapping[str, Any], *, ignore: str = "") -> Commit | None:
        try:
            return decode_commit(document.encode(trying), key)
        except LakebedError as cause:
            if cause.code not in (ignore, "E_ARGUMENT"):
                cause.object = key
                faults.setdefault(_what(cause), cause)
            return None

    good = dict(sound)
    broken: set[str] = set()
    for name in dict.fromkeys([*sound, *members]):
        if name == "tensors" or (name == "parent" and broken & {"branch", "number"}):
            continue  # a commit in the wrong place has another parent than its key asks for
        tried = _without(sound, name) | ({name: members[name]} if name in members else {})
        if trial(tried, ignore="E_LENGTH") is None:
            broken.add(name)
        else:
            good = _without(good, name) | ({name: members[name]} if name in members else {})
    tensors = members.get("tensors")
    if type(tensors) is not dict:
        trial({**sound, "tensors": tensors} if "tensors" in members else _without(sound, "tensors"))
        return None
    trial({**sound, "tensors": dict.fromkeys(tensors, _SOUND_TENSOR)})  # the names together
    good["tensors"] = {}
    for name, tensor in tensors.items():
        if trial({**good, "tensors": {name: tensor}}, ignore="E_LENGTH" if "length" in broken else "") is not None:
            good["tensors"][name] = tensor
        elif type(tensor) is dict:
            for tried in _tensor_trials(tensor):
                trial({**sound, "tensors": {name: tried}}, ignore="E_LENGTH")
    commit = trial(good)
    if commit is None:
        return None
    commit = replace(commit, time="") if "time" in broken else commit
    return replace(commit, parent=None) if broken & {"branch", "number"} else commit


def _tensor_trials(tensor: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tensor's members, each beside sound ones; `slices` count in their `chunks`."""
    for name in dict.fromkeys([*_SOUND_TENSOR, *tensor]):
        tried = _without(_SOUND_TENSOR, name)
        if name in tensor:
            tried[name] = tensor[name]
        if name == "slices" and "chunks" in tensor:
            tried["chunks"] = tensor["chunks"]
        yield tried


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in members.items() if k != name}


# --- what a tensor declares ----------------------------------------------------------------------------------------


def judge_tensor(name: str, tensor: TensorState) -> Iterator[tuple[LakebedError, bool]]:
    """(fault, is it only a note) for what dtype, htype and advice say, beyond what every reader checks."""
    if tensor.dtype not in dtypes.DTYPES:
        detail = f"tensor {name!r} has the unknown dtype {tensor.dtype}"
        yield error("E_DTYPE_UNSUPPORTED", "dtype.table", detail), False
    elif tensor.htype not in htypes.HTYPES:
        detail = f"tensor {name!r} has the unknown htype {tensor.htype!r}; its values are not judged"
        yield error("E_TENSOR_FIELD", "htype.unknown", detail), True
    else:
        try:
            htypes.check_stored(tensor.htype, tensor.dtype, tensor.shape, tensor.sequence, tensor.attributes)
        except LakebedError as cause:
            yield error(cause.code, cause.clause, f"tensor {name!r}: {cause.detail}"), False
        if htypes.HTYPES[tensor.htype].exact and tensor.fidelity != "exact":
            detail = f"tensor {name!r} of htype {tensor.htype} has the fidelity {tensor.fidelity}"
            yield error("E_FIDELITY_LABEL", "htype.lossless", detail), False
    for clause, detail in _advice(tensor.write, len(tensor.shape)):
        yield error("E_TENSOR_FIELD", clause, f"tensor {name!r}: {detail}"), clause != "codec.pipeline"


def _advice(write: Mapping[str, Any], rank: int) -> Iterator[tuple[str, str]]:
    """Advice is a SHOULD, but for the form of pipelines [codec.pipeline] [write.unit_advice] [write.tile_advice]."""
    pipelines = write.get("codecs", [])
    if type(pipelines) is not list or not all(_is_pipeline(entry) for entry in pipelines):
        yield "codec.pipeline", "`codecs` of `write` is no array of pipelines"
    unit = write.get("unit", {"bytes": 1})
    if type(unit) is not dict or len(unit) != 1 or not _positive(unit.get("items", unit.get("bytes"))):
        yield "write.unit_advice", '`unit` of `write` is neither {"items": n} nor {"bytes": n}'
    tile = write.get("tile", [1] * rank)
    if type(tile) is not list or len(tile) != rank or not all(_positive(side) for side in tile):
        yield "write.tile_advice", f"`tile` of `write` is no array of {rank} integers >= 1"
    size = write.get("chunk", {"bytes": 1})
    if type(size) is not dict or not _positive(size.get("bytes")):
        yield "write.tile_advice", '`chunk` of `write` is not {"bytes": n}'


def _is_pipeline(entry: Any) -> bool:
    if type(entry) is not list or len(entry) > STEPS:
        return False
    steps = all(type(step) is dict and type(step.get("name")) is str for step in entry)
    return steps and all(type(v) in (bool, int, float, str) for step in entry for v in step.values())


def _positive(value: Any) -> bool:
    return type(value) is int and value >= 1
