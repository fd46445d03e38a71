"""Small datasets of every kind, written through the public API, and the ways to damage them."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

import lakebed
from lakebed.format import packing
from lakebed.format.chunk import CRC_COVERS, END_MAGIC, HEAD, TRAILER
from lakebed.names import chunk_key
from lakebed.stores import MemoryStore


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032x}"


def clock() -> Callable[[], float]:
    seconds = itertools.count(1_700_000_000)
    return lambda: float(next(seconds))


def create(store: MemoryStore) -> lakebed.Dataset:
    return lakebed.create(store, clock=clock(), make_id=ids())


def append(store: MemoryStore, branch: str | None = None) -> lakebed.Dataset:
    return lakebed.open(store, "a", branch=branch, clock=clock(), make_id=ids())


def picture(form: str, height: int = 6, width: int = 8, seed: int = 0, **options: Any) -> bytes:
    """A picture file of ``form``, in RGB."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def numbers(rows: int = 100, **options: Any) -> MemoryStore:
    """One tensor ``x`` of int32 (3,), raw unless ``options`` say otherwise."""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="int32", shape=(3,), **options)
        ds.extend({"x": np.arange(rows * 3, dtype=np.int32).reshape(rows, 3)})
    return store


def varied() -> MemoryStore:
    """Every kind of unit and sample: raw, lz4, shuffle, files, ragged, sequences, missing, tiles, text, updates."""
    store = MemoryStore()
    rng = np.random.default_rng(7)
    with create(store) as ds:
        ds.create_tensor("raw", dtype="int32", shape=(3,))
        ds.create_tensor("packed", dtype="int64", shape=(), chunk_compression="shuffle+lz4")
        ds.create_tensor("ragged", dtype="float32", shape=(None, 2), chunk_compression="lz4")
        ds.create_tensor("single", dtype="uint8", shape=(None,), sample_compression="lz4")
        ds.create_tensor("flags", dtype="bool", shape=(4,))
        ds.create_tensor("photos", htype="image", sample_compression=["jpeg", "png"])
        ds.create_tensor("text", htype="text")
        ds.create_tensor("boxes", htype="bbox")
        ds.create_tensor("tags", htype="tag")
        ds.create_tensor("outlines", htype="polygon")
        ds.create_tensor("labels", htype="class_label", class_names=["cat", "dog", "owl"])
        ds.create_tensor("tiled", dtype="int16", shape=(None, None), tile=(5, 4), chunk_compression="lz4")
        bound = {"max_abs_error": 0.01}
        ds.create_tensor("rough", dtype="float32", shape=(50,), fidelity=bound, chunk_compression="lz4")
        for i in range(12):
            ds.append(
                {
                    "raw": np.full(3, i, np.int32),
                    "packed": i,
                    "ragged": rng.random((i % 4, 2), np.float32),
                    "single": np.zeros(40 + i, np.uint8),
                    "flags": np.array([i & 1, 0, 1, 1], bool),
                    "photos": lakebed.read(picture("JPEG" if i % 2 else "PNG", seed=i)) if i != 5 else None,
                    "text": f"row {i}" if i != 3 else None,
                    "boxes": np.full((i % 3, 4), i, np.float32),
                    "tags": [f"t{j}" for j in range(i % 3)],
                    "outlines": [np.full((3 + j, 2), i, np.float32) for j in range(i % 2 + 1)],
                    "labels": i % 3,
                    "tiled": np.arange((6 + i) * 9, dtype=np.int16).reshape(6 + i, 9),
                    "rough": np.cumsum(rng.random(50, np.float32)).astype(np.float32),
                }
            )
    with append(store) as ds:
        ds.raw[4] = np.array([7, 8, 9], np.int32)
        ds.packed[2:4] = [100, 101]
        ds.text[0] = "changed"
        ds.create_tensor("late", dtype="uint8", shape=())
    with append(store) as ds:
        ds.append({"raw": np.zeros(3, np.int32), "late": 5})
        ds.delete([1])
    ds = append(store)
    ds.create_tag("v1")
    ds.create_branch("side").close()
    ds.close()
    return store


def commits(rows: int = 6) -> MemoryStore:
    """``rows`` commits of one sample each in ``x`` (int64 scalars) and ``name`` (text)."""
    store = MemoryStore()
    with create(store) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
        ds.create_tensor("name", htype="text")
        ds.append({"x": 0, "name": "0"})
    for i in range(1, rows):
        with append(store) as ds:
            ds.append({"x": i, "name": str(i)})
    return store


# --- damage --------------------------------------------------------------------------------------------------------


def copied(store: MemoryStore) -> MemoryStore:
    """The same objects in a store of their own."""
    other = MemoryStore()
    for row in store.list(""):
        other.put(row.key, store.get(row.key))
    return other


def keys(store: MemoryStore, prefix: str) -> list[str]:
    return [row.key for row in store.list(prefix)]


def flip(store: MemoryStore, key: str, offset: int, mask: int = 1) -> None:
    """Some bits of one byte; a negative offset counts from the end."""
    data = bytearray(store.get(key))
    data[offset] ^= mask
    store.put(key, bytes(data))


def sealed(members: dict[str, Any]) -> bytes:
    """A document of these members, whatever they are, with a right checksum."""
    members = {key: value for key, value in members.items() if key != "crc32"}
    return sealed_text(json.dumps(members, separators=(",", ":")))


def sealed_text(text: str) -> bytes:
    """``text``, an object's JSON, with its checksum."""
    body = text.encode()[:-1]
    return body + f',"crc32":"{zlib.crc32(body):08x}"}}'.encode()


def edit(store: MemoryStore, key: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the members of a document; its checksum is made right again, and the hint that copied it follows."""
    data = store.get(key)
    members = json.loads(data)
    change(members)
    hint = f"{key.rpartition('/')[0]}/latest.json"
    for same in {key, hint} if key.startswith("commits/") and store.get(hint) == data else {key}:
        store.put(same, sealed(members))


def set_chunk(store: MemoryStore, tensor: str, data: bytes, payload: int, index: int) -> str:
    """Make ``data`` the one chunk of ``tensor`` in the first commit, all names and lengths right; gives its key."""
    name = hashlib.sha256(data).hexdigest()
    store.put(chunk_key(name), data)
    key = "commits/main/0000000001.json"
    before = []

    def change(members: dict[str, Any]) -> None:
        table = members["tensors"][tensor]["chunks"]
        before.extend(table["name"])
        table.update(name=[name], payload=payload, index=index)

    edit(store, key, change)
    for old in before:
        if old != name:
            store.delete(chunk_key(old))
    return chunk_key(name)


def built_chunk(index: dict[str, Any] | bytes, payload: bytes, /, **trailer: Any) -> tuple[bytes, int, int]:
    """(chunk, P, N) of an index map in the order given, or of index bytes; ``trailer`` replaces the right fields."""
    body = index if isinstance(index, bytes) else packing.encode(index)
    values = {"payload": len(payload), "index": len(body), "major": 1, "minor": 0, "features": 0, "reserved": bytes(8)}
    values |= {"magic": END_MAGIC, **{k: v for k, v in trailer.items() if k != "crc"}}
    crc = zlib.crc32(TRAILER.encode(**values, crc=0)[:CRC_COVERS], zlib.crc32(body))
    tail = TRAILER.encode(**values, crc=trailer.get("crc", crc))
    return HEAD + payload + body + tail, len(payload), len(body)


def rechunk(
    store: MemoryStore,
    tensor: str,
    change: Callable[[dict[str, Any]], Any],
    units: bytes | None = None,
    **trailer: Any,
) -> str:
    """Change the index map of the one chunk of ``tensor``, and its payload when ``units`` are given."""
    members = json.loads(store.get("commits/main/0000000001.json"))
    (name,) = members["tensors"][tensor]["chunks"]["name"]
    data = bytes(store.get(chunk_key(name)))
    fields = TRAILER.decode(data[-40:])
    index = packing.decode(data[64 + fields["payload"] : -40])
    changed = change(index)
    old = data[64 : 64 + fields["payload"]]
    chunk = built_chunk(changed if isinstance(changed, bytes) else index, old if units is None else units, **trailer)
    return set_chunk(store, tensor, *chunk)
