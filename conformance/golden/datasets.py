"""Makes the golden datasets: scripts of the port protocol, run by a released writer; what is due is the script's own.

``python datasets.py PORT VERSION`` writes ``datasets/<port>-<version>/<name>/``; a folder that is there is left alone.
Ids and times are the writer's, so that no two runs give the same bytes: the committed ones are the golden ones.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from lakebed_conform.builders.values import raw  # noqa: E402
from lakebed_conform.casebook import steps as s  # noqa: E402
from lakebed_conform.casebook.photo import photo  # noqa: E402
from lakebed_conform.faults.ground import script  # noqa: E402
from lakebed_conform.ports import Port, find_port  # noqa: E402

Values = list[Any]
#: one version that must be read: how it is asked for, and tensor -> (values, dtype, sequence)
Version = tuple[dict[str, str], dict[str, tuple[Values, str, bool]]]


def words(*texts: str) -> Values:
    return [np.frombuffer(t.encode(), np.uint8) for t in texts]


def rows() -> tuple[list[Any], list[Version]]:
    """Raw and lz4, fixed and free shapes, missing samples, a sequence, two commits and a tag."""
    odd = np.array([0x7FC00001, 0x80000000, 0x00000001, 0xFF800000], "<u4").view("<f4")
    a = [np.array([n, 255 - n, 7], np.uint8) for n in range(40)]
    f = [np.roll(odd, n) for n in range(40)]
    r = [None if n % 7 == 3 else np.arange(n, dtype="<i8") * -(1 << 40) for n in range(40)]
    q = [[np.full((i + 1, 2), n + i, "<u2") for i in range(n % 3)] for n in range(40)]
    lz4 = [[{"name": "lz4"}]]
    steps = [
        s.create(), s.tensor("a", dtype="uint8", shape=[3]), s.tensor("f", dtype="float32", shape=[4], codecs=lz4),
        s.tensor("r", dtype="int64", shape=[None], codecs=lz4),
        s.tensor("q", dtype="uint16", shape=[None, 2], sequence=True),
        s.extend(a=a[:25], f=f[:25], r=r[:25], q=q[:25]), s.commit("first"),
        s.extend(a=a[25:], f=f[25:], r=r[25:], q=q[25:]), s.commit("second"),
    ]  # fmt: skip

    def upto(n: int) -> dict[str, tuple[Values, str, bool]]:
        return {"a": (a[:n], "uint8", False), "f": (f[:n], "float32", False), "r": (r[:n], "int64", False),
                "q": (q[:n], "uint16", True)}  # fmt: skip

    return steps, [({}, upto(40)), ({"number": "1"}, upto(25))]


def edited() -> tuple[list[Any], list[Version]]:
    """Rows updated, inserted, deleted, a branch of its own and a tag."""
    x = [np.array([n, -n], "<i4") for n in range(12)]
    steps = [
        s.create(), s.tensor("x", dtype="int32", shape=[2]), s.extend(x=x), s.commit("all"), s.simple("tag", name="v1"),
        s.simple("branch", branch="work"), s.delete(3, 4), s.update(0, x=x[9]), s.insert(2, x=x[11]),
        s.commit("edited"), s.simple("checkout", branch="work"), s.append(x=x[5]), s.commit("on the branch"),
    ]  # fmt: skip
    now = [x[9], x[1], x[11], x[2], *x[5:]]
    return steps, [({}, {"x": (now, "int32", False)}), ({"tag": "v1"}, {"x": (x, "int32", False)}),
                   ({"branch": "work"}, {"x": ([*x, x[5]], "int32", False)})]  # fmt: skip


def kinds() -> tuple[list[Any], list[Version]]:
    """Labels with names, texts, JSON, boxes and pictures."""
    labels = [np.uint32(n % 3) for n in range(6)]
    notes, data = words("", "naïve", "日本語", "a", "b", "c"), words("1", '{"a":[1.5,null]}', '"x"', "[]", "true", "{}")
    boxes = [np.arange(4 * n, dtype="<f4").reshape(n, 4) for n in range(6)]
    pictures = [photo(8 + n, 12) for n in range(6)]
    steps = [
        s.create(),
        s.tensor("label", dtype="uint32", shape=[], htype="class_label", attributes={"class_names": ["a", "b", "c"]}),
        s.tensor("note", dtype="uint8", shape=[None], htype="text"),
        s.tensor("data", dtype="uint8", shape=[None], htype="json"),
        s.tensor("box", dtype="float32", shape=[None, 4], htype="bbox"),
        s.tensor("group/picture", dtype="uint8", shape=[None, None, 3], htype="image", codecs=[[{"name": "png"}]]),
        *s.rows(*[{"label": labels[n], "note": notes[n], "data": data[n], "box": boxes[n], "group/picture": pictures[n]}
                  for n in range(6)]),
        s.commit("kinds"),
    ]  # fmt: skip
    due = {"label": (labels, "uint32", False), "note": (notes, "uint8", False), "data": (data, "uint8", False),
           "box": (boxes, "float32", False), "group/picture": (pictures, "uint8", False)}  # fmt: skip
    return steps, [({}, due)]


def filters() -> tuple[list[Any], list[Version]]:
    """Every filter and byte codec, and tiles."""
    n = np.arange(600, dtype="<i8")
    columns: dict[str, tuple[np.ndarray, list[dict[str, Any]]]] = {
        "shuffled": ((n * 37 % 1000).astype("<u4"), [{"name": "shuffle", "size": 4}, {"name": "lz4"}]),
        "bits": ((n * 37 % 8).astype("<u2"), [{"name": "bitshuffle", "size": 2}, {"name": "zstd"}]),
        "steps": (n * n, [{"name": "delta", "size": 8}, {"name": "deflate"}]),
        "small": (n % 50 - 1000, [{"name": "narrow", "size": 8, "width": 1, "signed": True}, {"name": "lz4"}]),
    }
    wave = np.sin(n / 40).astype("<f4")
    steps = [s.create()]
    steps += [s.tensor(k, dtype=v.dtype.name, shape=[600], codecs=[p]) for k, (v, p) in columns.items()]
    tiled = np.arange(30 * 40, dtype="<u2").reshape(30, 40)
    steps += [s.tensor("tiled", dtype="uint16", shape=[30, 40], tile=[16, 16], codecs=[[{"name": "lz4"}]])]
    steps += [
        s.tensor(
            "wave",
            dtype="float32",
            shape=[600],
            fidelity={"max_abs_error": 0.001},
            codecs=[[{"name": "quantize", "dtype": "float32", "max_abs_error": 0.001}, {"name": "lz4"}]],
        )
    ]
    steps += [s.append(wave=wave, tiled=tiled, **{k: v for k, (v, _) in columns.items()}), s.commit("filters")]
    due: dict[str, Any] = {k: ([v], v.dtype.name, False) for k, (v, _) in columns.items()}
    due |= {"tiled": ([tiled], "uint16", False), "wave": ([wave], "float32", False, {"max_abs_error": 0.001})}
    return steps, [({}, due)]


#: what a reader must have declared
SCRIPTS = {
    "rows": (rows, ("codec.lz4", "dtype.int64")), "edited": (edited, ()), "kinds": (kinds, ("codec.png",)),
    "filters": (filters, ("codec.shuffle", "codec.bitshuffle", "codec.delta", "codec.narrow", "codec.quantize",
                          "codec.lz4", "codec.zstd", "codec.deflate")),
}  # fmt: skip


def said(values: Values, dtype: str, sequence: bool, rule: Any = "exact") -> tuple[dict[str, Any], bytes]:
    """What is due of a tensor, as case.json has it, and its bytes."""
    present = [v for v in values if v is not None]
    items = [i for v in present for i in v] if sequence else present
    shapes = [None if v is None else [list(np.shape(i)) for i in v] if sequence else list(np.shape(v)) for v in values]
    more = ({"sequence": True} if sequence else {}) | ({} if rule == "exact" else {"rule": rule})
    return {"dtype": dtype, "shapes": shapes, **more}, b"".join(raw(np.asarray(i)) for i in items)


def digest(folder: Path) -> str:
    """SHA-256 over names and bytes of the dataset and of what is due: what must never change."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "want.json"):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return total.hexdigest()


def make(port: str, version: str) -> None:
    with Port(find_port(port)) as running, tempfile.TemporaryDirectory() as scratch:
        for name, (build, features) in SCRIPTS.items():
            folder = HERE / "datasets" / f"{port}-{version}" / name
            steps, versions = build()
            if folder.exists():
                continue
            request = {
                "op": "write",
                "root": str(folder / "dataset"),
                "script": str(script(Path(scratch), name, steps)),
            }
            reply = running.ask(request, 60).reply or {}
            if not reply.get("ok"):
                print(f"{name}: {reply}")
                shutil.rmtree(folder, ignore_errors=True)
                continue
            wants = []
            for number, (at, tensors) in enumerate(versions):
                for tensor, due in tensors.items():
                    want, data = said(*due)
                    file = f"want.{number}.{tensor.replace('/', '.')}.raw"
                    (folder / file).write_bytes(data)
                    wants.append({"at": at, "tensor": tensor, "want": want | {"raw": file}})
            about = {"writer": port, "version": version, "sha256": digest(folder), "features": features, "wants": wants}
            (folder / "want.json").write_text(json.dumps(about, indent=1) + "\n")
            print(
                f"{folder.relative_to(HERE)}: {sum(p.stat().st_size for p in folder.rglob('*') if p.is_file())} bytes"
            )


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2])
