"""``python -m lakebed_conform.nullports NAME``: run one null port on stdin and stdout."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

FEATURES = json.loads((Path(__file__).parents[1] / "features.json").read_text())
ROLES = ["reader", "writer", "checker", "migrator", "recoverer"]


def hello(name: str) -> dict[str, Any]:
    return {
        "ok": True, "protocol": 1, "name": f"null {name}", "version": "0", "language": "none", "formats": ["1.0"],
        "roles": ROLES, "features": sorted(FEATURES),
    }  # fmt: skip


def accept(q: dict[str, Any]) -> dict[str, Any]:
    if "out" in q:
        Path(q["out"]).write_bytes(b"{}" if q["op"] == "inspect" else b"")
    return {"ok": True, "dtype": "uint8", "shapes": [], "findings": []}


def refuse(q: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": {"code": "E_ANY"}}


def guess(q: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": {"code": "E_TENSOR_FIELD"}}


def zeros(q: dict[str, Any]) -> dict[str, Any]:
    """Right shape, no data: what a port that never opens a chunk could say."""
    if q["op"] != "read":
        return accept(q)
    sizes = {"float64": 8, "int64": 8, "uint64": 8, "float32": 4, "int32": 4, "uint32": 4, "float16": 2, "int16": 2}
    newest = sorted(Path(q["root"]).glob("commits/main/0*.json"))[-1]
    commit = json.loads(newest.read_bytes())
    tensor = commit["tensors"][q["tensor"]]
    shape = [d or 0 for d in tensor["shape"]]
    n = int(q.get("count", commit["length"]))
    size = sizes.get(tensor["dtype"], 1)
    for dim in shape:
        size *= dim
    Path(q["out"]).write_bytes(bytes(min(n * size, 1 << 20)))
    return {"ok": True, "dtype": tensor["dtype"], "shapes": [shape] * n}


def echo(q: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, **q}


def hang(q: dict[str, Any]) -> dict[str, Any]:
    time.sleep(3600)
    return {}


def liar(q: dict[str, Any]) -> dict[str, Any]:
    return {"skip": q["op"]}


PORTS = {f.__name__: f for f in (accept, refuse, guess, zeros, echo, hang, liar)}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in PORTS:
        sys.exit(f"one of: {', '.join(PORTS)}")
    for line in sys.stdin:
        q = json.loads(line)
        try:
            reply = hello(name) if q["op"] == "hello" else PORTS[name](q)
        except Exception:
            reply = refuse(q)
        print(json.dumps({**reply, "id": q["id"]}), flush=True)


main()
