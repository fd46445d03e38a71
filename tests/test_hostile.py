"""Objects that no honest writer makes end in the error that names the broken rule, quickly and in little memory; and
damage to honest ones ends in an error or in the right data, never in anything else."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hostile
import lakebed
from datasets import append, create, varied
from kinds import KINDS, same
from lakebed import seal
from lakebed.errors import CODES, LakebedError
from lakebed.stores import MemoryStore

HERE = Path(__file__).parent
MEMORY = 100  # MiB above what the process had
SECONDS = 3.0  # a case alone takes less than one; machines are shared


# --- by hand ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    """Every case, run in one child process with its address space limited."""
    path = f"{HERE.parent / 'reference'}"
    done = subprocess.run(
        [sys.executable, str(HERE / "hostile.py")],
        env={"PYTHONPATH": path, "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("name", hostile.CASES)
def test_hand_made(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    row = outcomes[name]
    assert row["found"] in hostile.CASES[name][1]
    assert row["found"] == "data" or row["found"] in CODES
    assert row["seconds"] < SECONDS


def test_hand_made_ones_take_little_memory(outcomes: dict[str, dict[str, Any]]) -> None:
    """The peak never falls, so the sum of what the cases added to it is the largest need of any."""
    assert sum(row["mib"] for row in outcomes.values()) < MEMORY, [row for row in outcomes.values() if row["mib"] > 5]


# --- by chance -------------------------------------------------------------------------------------------------------


def everything(store: MemoryStore, **where: Any) -> dict[str, Any]:
    """All there is to read of one commit, by single samples and by batches."""
    ds = lakebed.open(store, **where)
    out: dict[str, Any] = {"": len(ds)}
    for name, tensor in ds.tensors.items():
        whole = tensor[:]
        out[name] = (list(whole), [tensor[i] for i in range(0, len(tensor), 5)], tensor.shapes, dict(tensor.attributes))
        if tensor.htype == "image":
            out[name] += ([_file(tensor, i) for i in range(len(tensor))],)
    return out


def _file(tensor: lakebed.Tensor, number: int) -> bytes | None:
    try:
        return tensor.file(number)
    except LakebedError as problem:
        if problem.code != "E_FILE_ABSENT":
            raise
        return None


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if a.keys() != b.keys():
        return False
    return all(same(_plain(a[key]), _plain(b[key])) for key in a)


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def kinds() -> MemoryStore:
    store = MemoryStore()
    rng = np.random.default_rng(3)
    with create(store) as ds:
        for kind in KINDS.values():
            ds.create_tensor(kind.name, **kind.options)
        for _ in range(12):
            ds.append({kind.name: kind.make(rng) for kind in KINDS.values() if rng.random() < 0.9})
    return store


def sealed(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """Slices in manifests."""
    monkeypatch.setattr(seal, "BUDGET", 400)
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
        ds.create_tensor("text", htype="text")
        ds.extend({"x": np.arange(40), "text": [str(i) for i in range(40)]})
    for i in range(5):
        with append(store) as ds:
            ds.x[i * 3] = -i
            ds.append({"x": 40 + i})
    assert any(row.key.startswith("manifests/") for row in store.list(""))
    return store


def pictures() -> MemoryStore:
    store = MemoryStore()
    pixels = np.random.default_rng(1).integers(0, 255, (9, 7, 3), np.uint8)
    with create(store) as ds:
        ds.create_tensor("p", htype="image", sample_compression=["png", "jpeg", "webp", "tiff", "bmp", "gif"])
        for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, form)
            ds.append({"p": lakebed.read(out.getvalue())})
    return store


WHERE = ({}, {"number": 1})


def spoil(rng: np.random.Generator, objects: dict[str, bytes]) -> tuple[str, str]:
    """One random damage to one object; gives the object's key and what was done."""
    key = str(rng.choice(list(objects)))
    data = bytearray(objects[key])
    place, length = int(rng.integers(max(1, len(data)))), int(rng.integers(1, 40))
    done = str(
        rng.choice(["flip", "flip", "flip", "burst", "zero", "cut", "longer", "remove", "swap", "shift", "empty"])
    )
    if done == "flip":
        for _ in range(rng.integers(1, 4)):
            if data:
                data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif done == "burst":
        data[place : place + length] = rng.bytes(min(length, len(data) - place))
    elif done == "zero":
        data[place : place + length] = bytes(min(length, len(data) - place))
    elif done == "cut":
        del data[place:]
    elif done == "longer":
        data += rng.bytes(length)
    elif done == "shift":
        data[place:place] = rng.bytes(1)
    elif done == "empty":
        data.clear()
    elif done == "swap":
        other = objects[str(rng.choice(list(objects)))]
        if key.startswith("chunks/") and len(other) == len(data):  # whole, and of the lengths that the table says:
            other = b""  # only a reader of whole objects, by their SHA-256, sees that [safety.hash]
        data = bytearray(other)
    if done == "remove":
        del objects[key]
    else:
        objects[key] = bytes(data)
    return key, done


def rebuilt(objects: dict[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    for key, data in objects.items():
        store.put(key, data)
    return store


@pytest.mark.parametrize(("make", "rounds"), [("varied", 300), ("kinds", 150), ("sealed", 500), ("pictures", 500)])
def test_damaged(make: str, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    build = {"varied": varied, "kinds": kinds, "pictures": pictures, "sealed": lambda: sealed(monkeypatch)}[make]
    clean = build()
    objects = {row.key: bytes(clean.get(row.key)) for row in clean.list("")}
    newest = max(key for key in objects if key.startswith("commits/main/0"))
    due = [everything(clean, **where) for where in WHERE]
    older = [everything(clean, number=n) for n in range(1, int(newest[13:23]))]
    rng = np.random.default_rng(11)
    ends: dict[str, int] = {}
    for _ in range(rounds):
        damaged = dict(objects)
        key, done = spoil(rng, damaged)
        store = rebuilt(damaged)
        for where, right in zip(WHERE, due, strict=True):
            start = time.perf_counter()
            try:
                found = everything(store, **where)
            except LakebedError as problem:
                assert problem.code in CODES and problem.clause, (key, done, problem)
                assert problem.object or problem.code.endswith("_ABSENT"), (key, done, problem)
                ends[problem.code] = ends.get(problem.code, 0) + 1
            else:
                # without its newest commit a branch is what it was before: nothing in it could tell
                allowed = [right, *older] if (key, done) == (newest, "remove") else [right]
                assert any(equal(found, each) for each in allowed), (key, done, where)
                ends["data"] = ends.get("data", 0) + 1
            assert time.perf_counter() - start < SECONDS, (key, done)
    assert ends["data"] and len(ends) > 5, ends


# --- damage behind right checksums -----------------------------------------------------------------------------------

POOL: list[Any] = [
    None, True, False, -1, 0, 1, 2, 3, 255, 2**31, 2**53 - 1, 2**53, 1.5, "", "x", "main", "0" * 64, [], [0], [None],
    {}, {"a": 1}, [[]], "int8", "bool", "text", "image", "json", "exact", "lossy", {"max_abs_error": 1}, [2**53 - 1],
]  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, each in inner for path in paths(each, (*at, key)))]


def test_documents_of_any_content() -> None:
    """Members replaced at random, with the checksum made right: an error of this project or something to read."""
    clean = varied()
    objects = {row.key: bytes(clean.get(row.key)) for row in clean.list("")}
    names = [key for key in objects if key.endswith(".json") and "latest" not in key]
    rng = np.random.default_rng(5)
    read = 0
    for _ in range(600):
        key = str(rng.choice(names))
        members = json.loads(objects[key])
        for _ in range(rng.integers(1, 3)):
            path = [p for p in paths(members) if p][rng.integers(len(paths(members)) - 1)]
            holder = members
            for part in path[:-1]:
                holder = holder[part]
            if rng.random() < 0.2:
                del holder[path[-1]]
            else:
                holder[path[-1]] = POOL[rng.integers(len(POOL))]
        members.pop("crc32", None)
        damaged = {k: v for k, v in objects.items() if "latest" not in k}
        damaged[key] = hostile.sealed(members)
        read += _survives(rebuilt(damaged), (key, members))
    assert 50 < read < 550


def test_indexes_of_any_content() -> None:
    """Keys of an index replaced at random, with checksum and table made right."""
    rng = np.random.default_rng(6)
    keys = ["dtype", "samples", "items", "missing", "shape", "tile", "unit", "codecs", "codec", "stored", "crc", "row"]
    whole = [hostile.u(n) for n in (0, 1, 2, 3, 7, 255, 2**20, 2**26, 2**31, 2**53 - 1)]
    columns = [hostile.column(w, *rng.integers(0, 200, n).tolist()) for w in (1, 2, 4, 8) for n in (0, 1, 2, 3, 7)]
    columns += [hostile.column(8, 2**53 - 1, 1, 1), hostile.column(4, 2**32 - 1, 0, 1)]
    steps = ["lz4", "deflate", "zstd", "png", "jpeg", "none", "shuffle"]
    codecs = [hostile.array(hostile.array(hostile.step(name))) for name in steps]
    codecs += [hostile.array(hostile.array(), each[1:]) for each in codecs]
    shapes = [hostile.array(*([each] * n)) for each in whole + columns for n in (0, 1, 2)]
    odd = [b"\xc3", b"\xff", hostile.s("uint8"), hostile.s("bool"), hostile.s("float64"), hostile.array(), b"\x80"]
    read = 0
    for _ in range(3000):
        rank, side = int(rng.integers(3)), int(rng.integers(4))
        size = side**rank
        payload = rng.integers(0, 2, 3 * size).astype(np.uint8).tobytes()
        base = {
            "samples": hostile.u(3),
            "shape": hostile.array(*[hostile.u(side)] * rank),
            "unit": hostile.u(2),
            "crc": hostile.crcs(payload, 2 * size, size),
        }
        if rng.random() < 0.2:
            base |= {"items": hostile.u(1)}
        sequence = "items" in base
        for key in rng.choice(keys, rng.integers(1, 4), replace=False):
            pool = {"shape": shapes, "tile": shapes, "codecs": codecs}.get(str(key), whole + columns)
            pool = odd if rng.random() < 0.08 else pool
            base[str(key)] = pool[rng.integers(len(pool))]
        if "tile" in base and rng.random() < 0.7:
            del base["unit"]
        body = hostile.index(**base)
        shape = [None if rng.random() < 0.8 else side for _ in range(rank)]
        dtype = str(rng.choice(["uint8", "uint8", "bool"]))
        store = hostile.dataset(
            body, payload, count=int(rng.integers(1, 4)), shape=shape, sequence=sequence, dtype=dtype
        )
        read += _survives(store, base)
    assert 50 < read < 2900


def _survives(store: MemoryStore, what: Any) -> bool:
    """Whether anything could be read; every other end is an error of this project."""
    start = time.perf_counter()
    try:
        ds = lakebed.open(store)
        for tensor in ds.tensors.values():
            rows = [*range(min(4, len(tensor))), len(tensor) - 1] if len(tensor) else []
            for number in rows:
                tensor[number]
            tensor[:4]
        done = True
    except LakebedError as problem:
        assert problem.code in CODES and problem.clause, what
        done = False
    assert time.perf_counter() - start < SECONDS, what
    return done
