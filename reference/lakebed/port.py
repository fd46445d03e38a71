"""Floor 8. The reference as a port of the conformance suite: one JSON object per line in, one out (protocol 1).

    python -m lakebed.port

Arrays travel in files, little-endian, C order, items back to back. A dataset or a script that is refused is answered
with the error's code; anything else that goes wrong ends the process, and the suite calls it a crash.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np

from . import history
from .check import check
from .codecs import CODECS
from .dtypes import DTYPES
from .errors import LakebedError, error
from .extras import installed
from .history import Loaded
from .migrate import migrate as migrate_dataset
from .port_script import run_script
from .recover import recover as recover_dataset
from .stores import store as open_store
from .tensor import Chunks, Tensor

Request = dict[str, Any]
Reply = dict[str, Any]
LIBRARIES = ("numpy", "lz4", "zstandard", "pillow", "av", "ml-dtypes", "pcodec", "blosc2", "pydicom", "nibabel")
NUMERIC = {"bfloat16", "float8_e4m3fn", "float8_e5m2"}


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def hello(q: Request) -> Reply:
    from . import __version__

    coded = [f"codec.{name}" for name, row in CODECS.items() if row.extra is None or installed(row.library)]
    if installed("imagecodecs"):
        coded.append("picture.rgb16")
    else:
        coded.remove("codec.avif")  # Pillow reads it, and writes nothing that is exact
    typed = [f"dtype.{name}" for name in DTYPES if name not in NUMERIC or installed("ml_dtypes")]
    read = ["picture.frames", "picture.tiff", "read.at_time", "read.region", "reader.sha256", "store.http"]
    wrote = ["write.branch", "write.compact", "write.edit", "write.filters", "write.htypes", "write.refused"]
    return {
        "protocol": 1,
        "name": "lakebed",
        "version": __version__,
        "language": "python",
        "formats": ["1.0"],
        "roles": ["reader", "writer", "checker", "migrator", "recoverer"],
        "features": sorted(coded + typed + read + wrote),
        "declares": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _commit(q: Request) -> tuple[Any, Loaded]:
    """The commit that a request means, and the store it lies in."""
    store = open_store(q["root"], writable=False)
    number = int(q["number"]) if "number" in q else None
    how = {"branch": q.get("branch"), "tag": q.get("tag"), "time": q.get("at_time")}
    return store, history.resolve(store, number=number, **how)


def _tensor(q: Request) -> Tensor:
    """The tensor asked for, its values as arrays whatever the htype."""
    store, loaded = _commit(q)
    name = q["tensor"]
    if name not in loaded.commit.tensors:
        raise error("E_TENSOR_ABSENT", "model.tensor", f"there is no tensor {name!r}")
    state = loaded.commit.tensors[name]
    table = history.table(store, name, state)
    return Tensor(name, replace(state, htype="generic"), table.chunks, table.runs, Chunks(store))


def _rows(q: Request, length: int) -> list[int]:
    if "list" in q:
        rows = [int(row) for row in q["list"]]
    elif "first" in q:
        first, count = int(q["first"]), int(q["count"])
        if first + count > length:
            raise error("E_SAMPLE_RANGE", "algo.read.1", f"samples {first} to {first + count} of {length}")
        rows = list(range(first, first + count))
    else:
        rows = list(range(length))
    if any(not 0 <= row < length for row in rows):
        raise error("E_SAMPLE_RANGE", "algo.read.1", f"a sample outside 0 to {length - 1}")
    return rows


def read(q: Request) -> Reply:
    """By ranges, by lists and one by one: whichever way the request asks, so that every road is driven."""
    tensor = _tensor(q)
    rows = _rows(q, len(tensor))
    if "region" in q:
        part = tuple(slice(None) if axis is None else slice(*axis) for axis in q["region"])
        part = (slice(None), *part) if tensor.sequence else part
        values: Iterable[Any] = [tensor[(row, *part)] for row in rows]
    elif "list" in q:
        values = [tensor[row] for row in rows]
    elif "first" in q:
        first = int(q["first"])
        values = tensor[first : first + len(rows)]
    else:
        values = tensor
    shapes: list[Any] = []
    with open(q["out"], "wb") as out:
        for value in values:
            shapes.append(_put(out, value, tensor.sequence))
    return {"dtype": tensor.dtype.name, "sequence": tensor.sequence, "shapes": shapes}


def _put(out: Any, value: Any, sequence: bool) -> Any:
    """Write one sample's items; its shape, or the list of its items' shapes."""
    if value is None:
        return None
    if not sequence:
        value = np.asarray(value)
        out.write(value.tobytes())
        return list(value.shape)
    return [_put(out, item, False) for item in value]


def read_file(q: Request) -> Reply:
    """One verbatim file; an item other than the first of a sequence is asked for by its place."""
    tensor = _tensor(q)
    row = _rows({"list": [q["sample"]]}, len(tensor))[0]
    form, data = tensor.file_format(row)
    with open(q["out"], "wb") as out:
        out.write(data)
    return {"format": form}


def inspect(q: Request) -> Reply:
    """The commit's metadata, defaults filled in, tables left out."""
    commit = _commit(q)[1].commit
    said = {
        "lakebed": commit.version,
        "branch": commit.branch,
        "number": commit.number,
        "closed": commit.closed,
        "time": commit.time,
        "author": commit.author,
        "message": commit.message,
        "length": commit.length,
        "attributes": dict(commit.attributes),
        "tensors": {
            name: {
                "htype": state.htype,
                "dtype": state.dtype,
                "shape": list(state.shape),
                "sequence": state.sequence,
                "fidelity": state.fidelity,
                "attributes": dict(state.attributes),
            }
            for name, state in commit.tensors.items()
        },
    }
    with open(q["out"], "w", encoding="utf-8") as out:
        json.dump(said, out)
    return {}


def check_(q: Request) -> Reply:
    """Every finding; what is no fault carries ``note``."""
    report = check(q["root"])
    faults = [_finding(f) for f in report.findings]
    return {"findings": faults + [{**_finding(f), "note": True} for f in report.notes]}


def _finding(found: Any) -> Reply:
    code = found.code if found.code.startswith("E_") else "E_NOTE"
    return {
        "code": code,
        "clause": found.clause,
        "object": found.object,
        "offset": found.offset,
        "detail": str(found.detail)[:500],
    }


def write(q: Request) -> Reply:
    return run_script(q["root"], q["script"])


def migrate(q: Request) -> Reply:
    migrate_dataset(q["root"], q["out"], to=q["to"])
    return {}


def recover(q: Request) -> Reply:
    return {"findings": [_finding(f) for f in recover_dataset(q["root"], q["out"]).findings]}


OPS: dict[str, Callable[[Request], Reply]] = {
    "hello": hello,
    "read": read,
    "read_file": read_file,
    "inspect": inspect,
    "check": check_,
    "write": write,
    "migrate": migrate,
    "recover": recover,
}


def answer(q: Request) -> Reply:
    """The reply to one request, without its id."""
    if q["op"] not in OPS:
        return {"skip": q["op"]}
    try:
        return {"ok": True, **OPS[q["op"]](q)}
    except LakebedError as cause:
        said: Reply = {
            "code": cause.code,
            "clause": cause.clause,
            "object": cause.object,
            "detail": str(cause.detail)[:500],
        }
        if cause.offset is not None:
            said["offset"] = cause.offset
        return {"ok": False, "error": said}


def main() -> None:
    for line in sys.stdin:
        q = json.loads(line)
        print(json.dumps({"id": q["id"], **answer(q)}), flush=True)


if __name__ == "__main__":
    main()
