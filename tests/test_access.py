"""Every way to samples against a plain list, over chunks of every layout; and damage, which every way must notice."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lakebed
from datasets import create
from kinds import Distant
from lakebed import Ragged, checksum, codecs
from lakebed.codecs import lz4
from lakebed.errors import LakebedError
from lakebed.geometry import Geometry
from lakebed.stores import MemoryStore, Store

UNIT, CHUNK = 48, 150  # bytes: many units a chunk, several chunks a tensor
LAYOUTS: dict[str, dict[str, Any]] = {
    "fixed": {"dtype": "int16", "shape": (3,)},
    "scalar": {"dtype": "int64", "shape": ()},
    "bool": {"dtype": "bool", "shape": (5,)},
    "fixed lz4": {"dtype": "int16", "shape": (3,), "chunk_compression": "lz4"},
    "item lz4": {"dtype": "int16", "shape": (40,), "sample_compression": "lz4"},
    "same shape, free": {"dtype": "int16", "shape": (None,)},
    "ragged": {"dtype": "float32", "shape": (None, 2)},
    "ragged flat": {"dtype": "uint8", "shape": (None,)},
    "ragged lz4": {"dtype": "float32", "shape": (None, 2), "chunk_compression": "shuffle+lz4"},
    "ragged twice": {"dtype": "int16", "shape": (None, None)},
    "tiled": {"dtype": "int16", "shape": (6, 5), "tile": (4, 2)},
    "files": {"htype": "image", "dtype": "uint8", "shape": (None, None, 3), "sample_compression": "png"},
}
STORES: dict[str, Callable[[], Store]] = {"mapped": MemoryStore, "distant": Distant}


def values(layout: str, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Samples that fit the layout; free axes differ, but in the layout that says otherwise."""
    options = LAYOUTS[layout]
    kind = np.dtype(options["dtype"])
    free = (lambda: 4) if layout.startswith("same") else (lambda: int(rng.integers(layout == "files", 7)))
    shapes = [tuple(free() if axis is None else axis for axis in options["shape"]) for _ in range(count)]
    return [rng.integers(0, 2 if kind.kind == "b" else 9, shape).astype(kind) for shape in shapes]


def made(layout: str, store: Store, rng: np.random.Generator, *, edited: bool = False) -> list[np.ndarray | None]:
    """A dataset in ``store`` with one tensor ``x`` of many small chunks, and what is in it as a plain list."""
    model: list[np.ndarray | None] = list(values(layout, 120, rng))
    with create(store) as ds:
        unit = {} if "sample_compression" in LAYOUTS[layout] else {"unit_bytes": UNIT}
        ds.create_tensor("x", **LAYOUTS[layout], **unit, chunk_bytes=CHUNK)
        for start in range(0, len(model), 10):
            ds.extend({"x": model[start : start + 10]})
        if edited:
            _edit(ds, model, layout, rng)
    return model


def _edit(ds: lakebed.Dataset, model: list[np.ndarray | None], layout: str, rng: np.random.Generator) -> None:
    """Many slices of few samples, and runs of missing ones."""
    for value in values(layout, 6, rng):
        row = int(rng.integers(len(model)))
        ds.insert(row, {"x": value})
        model.insert(row, value)
        row = int(rng.integers(len(model) - 3))
        ds.delete(slice(row, row + 2))
        del model[row : row + 2]
    ds.append({})
    model.append(None)


def same(found: Any, due: list[np.ndarray | None]) -> None:
    """An array, a ragged batch or a list holds exactly these samples; arrays are the caller's own."""
    if isinstance(found, Ragged):
        assert found.shapes.shape[0] == len(found.offsets) - 1 == len(due)
        assert found.missing.tolist() == [value is None for value in due]
        for one, value in zip(found.list(), found, strict=True):
            assert (one is None) == (value is None) and (one is None or np.array_equal(one, value))
    assert len(found) == len(due)
    for got, value in zip(found, due, strict=True):
        if value is None:
            assert got is None
        else:
            assert got.shape == value.shape and got.dtype == value.dtype and np.array_equal(got, value)
    whole = found.values if isinstance(found, Ragged) else found
    if isinstance(whole, np.ndarray) and whole.size:
        whole[...] = 0  # fails where it is a view of the chunk


@pytest.mark.parametrize("edited", [False, True], ids=["as written", "edited"])
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_like_a_list(layout: str, store: str, edited: bool) -> None:
    """Sorted or not, repeated or not, over one chunk or many, cold or verified before: always the same samples."""
    seed = zlib.crc32(f"{layout}{store}{edited}".encode())
    rng, pick = np.random.default_rng(seed), random.Random(seed)
    place = STORES[store]()
    model = made(layout, place, rng, edited=edited)
    ds = lakebed.open(place)
    info = ds.commit_info
    assert info is not None and len(info.tensors["x"].own.chunks) >= 3
    for step in range(60):
        if step % 12 == 0:
            tensor = lakebed.open(place)["x"]  # nothing is verified yet
        low, high = sorted(pick.choices(range(len(model) + 1), k=2))
        way = step % 6
        if way == 0:
            same(tensor[low:high], model[low:high])
        elif way == 1:
            rows = [pick.randrange(-len(model), len(model)) for _ in range(pick.choice([1, 2, 7, 90]))]
            same(tensor[rows], [model[row] for row in rows])
        elif way == 2:
            row = pick.randrange(len(model))
            same([tensor[row]], [model[row]])
        elif way == 3:
            near = [min(low + pick.randrange(4), len(model) - 1) for _ in range(5)]  # likely of one chunk
            same(tensor[np.array(near, np.int32)], [model[row] for row in near])
        elif way == 4:
            same(tensor[low:high:-3 if low & 1 else 3], model[low:high:-3 if low & 1 else 3])
        else:
            rows = sorted(pick.choices(range(len(model)), k=20))
            same(tensor.samples(rows), [model[row] for row in rows])


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in ("tiled", "files")])
def test_threads(layout: str) -> None:
    """[reader.parallel] One tensor asked from several threads at once."""
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(7)
    place = MemoryStore()
    model = made(layout, place, rng)
    tensor = lakebed.open(place)["x"]
    asked = [rng.integers(0, len(model), 30).tolist() for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for rows, found in zip(asked, pool.map(lambda rows: tensor[rows], asked), strict=True):
            same(found, [model[row] for row in rows])


WAYS: dict[str, Callable[[lakebed.Tensor, list[int]], Any]] = {
    "one": lambda tensor, rows: [tensor[row] for row in rows],
    "batch": lambda tensor, rows: tensor[rows],
    "array": lambda tensor, rows: tensor[np.array(rows)],
    "span": lambda tensor, rows: tensor[rows[0] : rows[-1] + 1],
    "samples": lambda tensor, rows: tensor.samples(rows),
    "part": lambda tensor, rows: [tensor[row, ...] for row in rows],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_damage_is_noticed_by_every_way(layout: str, way: str) -> None:
    """[unit.crc] A flipped bit in any unit is E_UNIT_CRC for the samples of that unit, each time they are asked for,
    and for no others."""
    place = MemoryStore()
    model = made(layout, place, np.random.default_rng(3))
    info = lakebed.open(place).commit_info
    assert info is not None
    ref = info.tensors["x"].own.chunks[1]
    key = f"chunks/{ref.name[:2]}/{ref.name}.chunk"
    sound = place.get(key)
    assert sound is not None
    tensor = lakebed.open(place)["x"]
    held, geometry = (file := tensor._file(1)).index.samples, file.geometry  # type: ignore[union-attr]
    first = tensor._starts[1]
    for at in (64, 64 + ref.payload // 2, 63 + ref.payload):
        place.put(key, sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        tensor = lakebed.open(place)["x"]
        alone = []
        for row in range(first, first + held):
            try:
                same(WAYS[way](lakebed.open(place)["x"], [row]), [model[row]])
            except LakebedError as problem:
                assert problem.code == "E_UNIT_CRC" and problem.object == key, problem
                assert problem.offset is not None and problem.offset <= at
                alone.append(row)
        assert alone and (geometry.n_units == 1 or len(alone) < held)
        for _ in range(2):
            with pytest.raises(LakebedError, match="E_UNIT_CRC"):
                WAYS[way](tensor, [first - 1, alone[0], first + held])
        whole = [row for row in range(len(model)) if row not in alone]
        if way not in ("span",):
            same(WAYS[way](tensor, whole), [model[row] for row in whole])
    place.put(key, sound)


@pytest.mark.parametrize("units", [2, (3, 1, 2, 4)], ids=str)
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "tiled"])
def test_bounds_of_units(layout: str, units: int | tuple[int, ...]) -> None:
    """[unit.order] Many units are found at once where each is found alone."""
    place = MemoryStore()
    made(layout, place, np.random.default_rng(9))
    for part in range(3):
        file = lakebed.open(place)["x"]._file(part)
        assert file is not None and file.geometry.one_crc
        geometry = file.geometry
        if layout in ("fixed", "scalar", "bool"):  # units of any size may be told
            count = geometry.n_items if isinstance(units, int) else sum(units)
            column = units if isinstance(units, int) else np.array(units, np.uint8)
            crc = np.arange(len(units) if isinstance(units, tuple) else -(-count // units), dtype=np.uint8)
            index = replace(file.index, samples=count, unit=column, crc=crc)
            geometry = Geometry(index, count * geometry.item_bytes)  # type: ignore[operator]
        each = [geometry.unit(number) for number in range(geometry.n_units)]
        starts, stops = geometry.bounds(np.arange(geometry.n_units))
        assert (starts + 64).tolist() == [unit.offset for unit in each]
        assert (stops - starts).tolist() == [unit.stored for unit in each]
        items = np.arange(geometry.n_items)
        assert geometry.units_of(items).tolist() == [geometry.unit_of(item) for item in items.tolist()]


def test_damaged_files() -> None:
    """[unit.crc] [media.verbatim] Encoded files are verified too, one by one and together."""
    place = MemoryStore()
    made("files", place, np.random.default_rng(5))
    tensor = lakebed.open(place)["x"]
    files = tensor.files()
    assert files == [tensor.file(row) for row in range(len(tensor))]
    key = next(entry.key for entry in place.list("chunks/"))
    data = place.get(key)
    assert data is not None
    place.put(key, data[:64] + bytes([data[64] ^ 1]) + data[65:])
    tensor = lakebed.open(place)["x"]
    good = []
    for row in range(len(tensor)):
        try:
            assert tensor.files([row, row]) == [files[row]] * 2
            good.append(row)
        except LakebedError as problem:
            assert problem.code == "E_UNIT_CRC"
            with pytest.raises(LakebedError, match="E_UNIT_CRC"):
                tensor.file(row)
    assert len(good) == len(tensor) - 1
    assert tensor.files(good[::-1]) == [files[row] for row in good[::-1]]
    with pytest.raises(LakebedError, match="E_UNIT_CRC"):
        tensor.files()


@pytest.mark.parametrize("size", [0, 1, 7, 64, 65_536, 1 << 20])
def test_one_checksum(size: int) -> None:
    """Whichever library does it, it is the CRC-32 of zlib [unit.crc]."""
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    for form in (data.tobytes(), memoryview(data), bytearray(data)):
        assert checksum.crc32(form) == zlib.crc32(data)
    assert checksum.crc32(b"b", checksum.crc32(b"a")) == zlib.crc32(b"ab")


PIPELINES = ("lz4", "shuffle+lz4", "shuffle+zstd", "delta+lz4", "bitshuffle+lz4", "zstd", "deflate")


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("name", PIPELINES)
def test_decoded_into_a_buffer(name: str, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """[codec.length] [codec.whole] The same bytes and the same refusals as on the way that allocates, with and without
    the libraries that can write where they are told to."""
    if fast:
        pytest.importorskip("cramjam")
    else:
        monkeypatch.setattr(lz4, "_cramjam", lambda: None)
    rng = np.random.default_rng(11)
    pipeline = codecs.resolve(codecs.parse_pipelines(name)[0], "float32")
    for size in (4, 20, 4096, 400_000):
        raw = np.repeat(rng.integers(0, 9, size // 4 + 1).astype(np.float32), 2).tobytes()[:size]
        stored = bytes(codecs.encode(pipeline, raw))
        out = bytearray(size)
        codecs.decode_into(pipeline, stored, memoryview(out))
        assert bytes(out) == raw == bytes(codecs.decode(pipeline, stored, size))
        wrong = [(stored[:-1], size), (stored + b"\0", size), (b"", size), (stored, size + 4), (stored, size - 4)]
        wrong += [(bytes(rng.integers(0, 256, 30, np.uint8)), size), (stored, 1 << 40)]
        for data, length in wrong:
            with pytest.raises(LakebedError) as one:
                codecs.plausible(pipeline, len(data), length)
                codecs.decode_into(pipeline, data, memoryview(bytearray(length)))
            with pytest.raises(LakebedError) as other:
                codecs.decode(pipeline, data, length)
            assert one.value.code == other.value.code == "E_CODEC_DATA"
