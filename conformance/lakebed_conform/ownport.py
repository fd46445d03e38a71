"""The suite's own reader and checker as a port: ``python -m lakebed_conform.ownport``.

It shows that every case can be passed, and lets the runner be tested without any implementation. Pictures it decodes
with Pillow (extra ``pictures``); it writes nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform import __version__
from lakebed_conform.casebook.book import metadata_of
from lakebed_conform.checker import Broken, Item, State, check_tree, folder_tree, open_state
from lakebed_conform.checker.commit import branch_name, instant, tag
from lakebed_conform.checker.document import parse
from lakebed_conform.checker.pixels import FORMATS, available
from lakebed_conform.pen import sha256
from lakebed_conform.tolerance import array_of

FEATURES = [
    "codec.lz4", "codec.deflate", "codec.zstd", "codec.shuffle", "codec.bitshuffle", "codec.delta", "codec.narrow",
    "codec.quantize", "dtype.float16", "dtype.bfloat16", "dtype.float8_e4m3fn", "dtype.float8_e5m2",
    "dtype.complex64", "dtype.complex128", "dtype.int64", "dtype.uint64", "reader.sha256", "read.region",
    "read.at_time", "picture.rgb16",
] + [f"codec.{name}" for name in FORMATS if available()]


def hello(q: dict[str, Any]) -> dict[str, Any]:
    return {"protocol": 1, "name": "own", "version": __version__, "language": "python", "formats": ["1.0"],
            "roles": ["reader", "checker"], "features": FEATURES}  # fmt: skip


def opened(q: dict[str, Any]) -> State:
    """The commit that a request asks for."""
    tree = folder_tree(Path(q["root"]))
    if len({"number", "tag", "at_time"} & set(q)) > 1:
        raise Broken("E_ARGUMENT", "algo.open", "give one of number, tag and time")
    if not branch_name(q.get("branch", "main")):
        raise Broken("E_NAME", "tree.name", q["branch"])
    if "at_time" in q:
        return at_time(tree, q.get("branch", "main"), q["at_time"])
    if "tag" not in q:
        number = int(q["number"]) if "number" in q else None
        return open_state(tree, q.get("branch", "main"), number)
    key = f"tags/{q['tag']}.json"
    if not branch_name(q["tag"]):
        raise Broken("E_NAME", "tree.name", q["tag"])
    if key not in tree:
        raise Broken("E_TAG_ABSENT", "tree.absent", key)
    branch, number, digest = tag(parse(tree[key]), q["tag"])
    place = f"commits/{branch}/{number:010d}.json"
    if place not in tree or sha256(tree[place]) != digest:
        raise Broken("E_TAG_TARGET", "tag.target", place)
    return open_state(tree, branch, number)


def at_time(tree: Any, branch: str, time: str) -> State:
    """The commit with the largest number whose time is not after ``time``: every one is tried, newest first."""
    when = instant(time)
    for number in range(open_state(tree, branch).commit.number, 0, -1):
        state = open_state(tree, branch, number)
        if when is not None and state.commit.time <= when:
            return state
    raise Broken("E_COMMIT_ABSENT", "algo.open.5", f"{branch} has no commit as old as {time}")


def read(q: dict[str, Any]) -> dict[str, Any]:
    state = opened(q)
    if q["tensor"] not in state.commit.tensors:
        raise Broken("E_TENSOR_ABSENT", "algo.read", q["tensor"])
    length = state.commit.length
    rows = range(length)
    if "list" in q:
        rows = [int(i) for i in q["list"]]
    elif "first" in q:
        rows = range(int(q["first"]), int(q["first"]) + int(q["count"]))
    if any(not 0 <= r < length for r in rows):
        raise Broken("E_SAMPLE_RANGE", "algo.read", f"a sample outside 0 to {length - 1}")
    samples = state.read(q["tensor"], rows, q.get("region"))
    items = [i for v in samples.values if v is not None for i in (v if isinstance(v, list) else [v])]
    arrays = {id(i): _cut(i, samples.dtype, q.get("region")) for i in items}
    Path(q["out"]).write_bytes(b"".join(arrays[id(i)].tobytes() for i in items))

    def shape(value: Item | list[Item] | None) -> Any:
        if value is None:
            return None
        return [shape(i) for i in value] if isinstance(value, list) else list(arrays[id(value)].shape)

    return {"dtype": samples.dtype, "sequence": samples.sequence, "shapes": [shape(v) for v in samples.values]}


def _cut(item: Item, dtype: str, region: list[Any] | None) -> np.ndarray:
    """The item's elements, or those of a region, in its shape."""
    whole = array_of(item.array(dtype), dtype, item.shape)
    return whole if region is None else whole[tuple(slice(None) if r is None else slice(*r) for r in region)]


def read_file(q: dict[str, Any]) -> dict[str, Any]:
    value = opened(q).read(q["tensor"], [int(q["sample"])]).values[0]
    item = value[int(q.get("item", 0))] if isinstance(value, list) else value
    if item is None or item.file is None:
        raise Broken("E_FILE_ABSENT", "media.verbatim", "no file")
    Path(q["out"]).write_bytes(item.file)
    return {"format": item.pipeline[0]["name"]}


def inspect(q: dict[str, Any]) -> dict[str, Any]:
    said = metadata_of(opened(q).commit.members)
    Path(q["out"]).write_text(json.dumps(said))
    return {}


def check(q: dict[str, Any]) -> dict[str, Any]:
    return {"findings": [f.as_json() for f in check_tree(folder_tree(Path(q["root"])))]}


def main() -> None:
    ops = {f.__name__: f for f in (hello, read, read_file, inspect, check)}
    for line in sys.stdin:
        q = json.loads(line)
        try:
            reply = ops[q["op"]](q) if q["op"] in ops else {"skip": q["op"]}
            reply = reply if "skip" in reply else {"ok": True, **reply}
        except Broken as e:
            reply = {"ok": False, "error": {"code": e.code, "clause": e.clause, "object": e.object, "detail": e.detail}}
        print(json.dumps({"id": q["id"], **reply}), flush=True)


if __name__ == "__main__":
    main()
