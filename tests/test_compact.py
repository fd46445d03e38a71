"""Compaction changes no sample, carries units as they are stored, and is an ordinary commit [algo.compact]."""

from __future__ import annotations

import numpy as np
import pytest

import datasets as d
import lakebed
from lakebed import carry, history
from lakebed.check import check
from lakebed.chunkfile import ChunkFile
from lakebed.compact import compact
from lakebed.recover import recover
from lakebed.stores import MemoryStore


def values(store, **where):
    """Everything a reader can see: every value of every tensor, and every file."""
    ds = lakebed.open(store, **where)
    out = {}
    for name, tensor in ds.tensors.items():
        rows = []
        for i in range(len(tensor)):
            value = tensor[i]
            parts = value if isinstance(value, list) else [value]
            rows.append(
                [(p.dtype.name, p.shape, p.tobytes()) if isinstance(p, np.ndarray) else p for p in parts]
                + [isinstance(value, list)]
            )
        out[name] = rows
    if "photos" in ds:
        out["files"] = [None if ds.photos[i] is None else ds.photos.file(i) for i in range(len(ds))]
    return out


def files(store, name):
    """The open chunks of a tensor of the newest commit."""
    state = history.newest(store, "main").commit.tensors[name]
    return [ChunkFile(store, ref) for ref in history.table(store, name, state).used().chunks]


def stored_units(store, name):
    """(pipeline, stored bytes) of every unit of every chunk of a tensor."""
    out = []
    for file in files(store, name):
        for number in range(file.geometry.n_units):
            unit = file.geometry.unit(number)
            out.append((file.index.codecs[unit.codec], bytes(file.stored([unit])[0])))
    return out


def test_many_commits_become_one_chunk_of_one_unit():
    store = d.commits(20)
    before = values(store)
    report = compact(store, clock=d.clock(), make_id=d.ids())
    assert values(store) == before
    assert report.commit.number == 21
    assert report.tensors["x"].slices == (20, 1) and report.tensors["x"].chunks == (20, 1)
    assert [file.geometry.n_units for file in files(store, "x")] == [1]
    assert check(store).ok and values(store, number=20) == before


def test_a_second_time_there_is_nothing_to_do():
    store = d.varied()
    assert compact(store).commit is not None
    again = compact(store)
    assert again.commit is None and again.tensors == {}
    assert lakebed.open(store).number == 4


def test_every_kind_of_sample_stays_as_it_is():
    store = d.varied()
    for i in range(3):
        with d.append(store) as ds:
            ds.append(
                {
                    "photos": lakebed.read(d.picture("JPEG", seed=50 + i)),
                    "packed": i,
                    "text": f"more {i}",
                    "tags": [],
                    "outlines": [np.ones((3, 2), np.float32)],
                    "tiled": np.full((11, 5), i, np.int16),
                    "ragged": np.zeros((i, 2), np.float32),
                    "rough": np.linspace(0, i + 1, 50, dtype=np.float32),
                }
            )
            ds.raw[i] = np.full(3, 40 + i, np.int32)
    before = values(store)
    report = compact(store)
    assert values(store) == before
    assert set(report.tensors) >= {"photos", "packed", "text", "tags", "outlines", "tiled", "ragged", "rough", "raw"}
    assert all(change.chunks[1] == 1 for change in report.tensors.values())
    found = check(store)
    assert found.ok and {note.clause for note in found.notes} <= {"algo.collect.roots"}
    assert lakebed.open(store).tensors.keys() == lakebed.open(store, number=3).tensors.keys()


def test_encoded_units_travel_byte_for_byte(monkeypatch):
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", dtype="float32", shape=(256,), fidelity={"max_abs_error": 0.1}, chunk_compression="lz4")
        ds.create_tensor("p", htype="image", sample_compression="jpeg")
    rng = np.random.default_rng(1)
    for i in range(5):
        with d.append(store) as ds:
            waves = np.cumsum(rng.random((70, 256), np.float32), axis=1)
            photo = lakebed.read(d.picture("JPEG", seed=i))
            ds.extend({"x": waves, "p": [np.zeros((8, 8, 3), np.uint8)] * 69 + [photo]})
    before, seen = stored_units(store, "x"), values(store)
    media = stored_units(store, "p")
    assert {pipeline[0].name for pipeline, _ in before} == {"quantize"}
    monkeypatch.setattr("lakebed.codecs.encode_unit", lambda *_: pytest.fail("nothing is encoded again"))
    monkeypatch.setattr("lakebed.codecs.decode_media", lambda *_, **__: pytest.fail("no file is decoded"))
    compact(store)
    monkeypatch.undo()
    assert stored_units(store, "x") == before and stored_units(store, "p") == media
    assert len(files(store, "x")) == len(files(store, "p")) == 1
    assert values(store) == seen


def test_a_quantized_unit_that_is_cut_is_not_quantized_again():
    store = MemoryStore()
    bound = {"max_abs_error": 0.1}
    with d.create(store) as ds:
        ds.create_tensor("x", dtype="float32", shape=(64,), fidelity=bound, chunk_compression="lz4")
        ds.extend({"x": np.cumsum(np.random.default_rng(2).random((100, 64), np.float32), axis=1)})
    for i in (20, 50, 70, 96):
        with d.append(store) as ds:
            ds.delete([i])
    with d.append(store) as ds:
        ds.append({"x": np.ones(64, np.float32)})
    before = values(store)
    report = compact(store)
    assert values(store) == before and report.tensors["x"].slices[1] == 1
    pipelines = [[step.name for step in pipeline] for pipeline, _ in stored_units(store, "x")]
    assert pipelines[-1] == ["quantize", "lz4"], "the new row's unit is whole and travels"
    assert len(pipelines) > 1 and not any("quantize" in names for names in pipelines[:-1]), "what was cut is exact now"
    assert check(store).ok


def test_sparse_chunks_give_up_what_nobody_uses():
    store = d.numbers(1000)
    with d.append(store) as ds:
        ds.delete(list(range(10, 990)))
    before = values(store)
    report = compact(store)
    assert values(store) == before
    assert report.tensors["x"].written == 20 * 12
    assert [file.index.samples for file in files(store, "x")] == [20]


def test_full_chunks_are_left_alone():
    store = d.numbers(1000)
    with d.append(store) as ds:
        ds.x[500] = np.zeros(3, np.int32)
    name = files(store, "x")[0].ref.name
    assert compact(store, target_bytes=10_000).commit is None
    assert files(store, "x")[0].ref.name == name


def test_target_bytes_cuts_new_chunks():
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", dtype="uint8", shape=(1000,))
    for i in range(12):
        with d.append(store) as ds:
            ds.extend({"x": np.full((5, 1000), i, np.uint8)})
    before = values(store)
    compact(store, target_bytes=20_000)
    sizes = [file.ref.payload for file in files(store, "x")]
    assert sizes == [20_000] * 3 and values(store) == before
    assert compact(store, target_bytes=20_000).commit is None


def test_missing_runs_and_only_some_tensors():
    store = d.commits(3)
    for _ in range(3):
        with d.append(store) as ds:
            ds.append({"x": 7})
        with d.append(store) as ds:
            ds.append({"name": "n"})
    before = values(store)
    report = compact(store, tensors=["x"])
    assert list(report.tensors) == ["x"] and values(store) == before
    assert report.tensors["x"].slices[1] <= 2
    with pytest.raises(lakebed.NotFoundError):
        compact(store, tensors=["nothing"])


def test_manifests_that_stay_are_kept(monkeypatch):
    monkeypatch.setattr("lakebed.seal.BUDGET", 600)
    store = d.commits(30)
    before = values(store)
    compact(store)
    commit = history.newest(store, "main").commit
    assert values(store) == before and commit.tensors["x"].manifests == ()
    assert check(store).ok


def meanwhile(monkeypatch, store, change) -> None:
    """Another writer commits ``change`` when the first samples are about to be carried over."""
    real, done = carry.carry_samples, []

    def slow(*args):
        if not done:
            done.append(1)
            with d.append(store) as ds:
                change(ds)
        real(*args)

    monkeypatch.setattr("lakebed.compact.carry_samples", slow)


def test_appends_meanwhile_are_kept(monkeypatch):
    store = d.commits(6)
    meanwhile(monkeypatch, store, lambda ds: ds.append({"x": 99, "name": "late"}))
    report = compact(store)
    assert report.commit.number == 8
    ds = lakebed.open(store)
    assert ds.x[:].tolist() == [0, 1, 2, 3, 4, 5, 99] and ds.name[6] == "late"
    assert check(store).ok


def test_a_change_of_the_same_rows_is_a_conflict(monkeypatch):
    store = d.commits(6)
    meanwhile(monkeypatch, store, lambda ds: ds.update("x", 0, 5))
    with pytest.raises(lakebed.ConflictError) as caught:
        compact(store)
    assert caught.value.code == "E_CONFLICT"


def test_an_open_dataset_stands_at_the_new_commit():
    store = d.commits(4)
    ds = d.append(store)
    ds.append({"x": 1})
    with pytest.raises(lakebed.InputError):
        compact(ds)
    ds.commit()
    compact(ds)
    assert ds.number == 6 and ds.x[:].tolist() == [0, 1, 2, 3, 1]


def test_damage_is_an_error_and_leaves_all_as_it_was():
    store = d.commits(4)
    d.flip(store, d.keys(store, "chunks/")[0], 64)
    count = len(d.keys(store, "chunks/"))
    with pytest.raises(lakebed.FormatError) as caught:
        compact(store)
    assert caught.value.code == "E_UNIT_CRC"
    assert lakebed.open(store).number == 4 and len(d.keys(store, "chunks/")) <= count + 1


@pytest.mark.parametrize("change", [{"dtype": "uint64"}, {"shape": [1]}, {"shape": [None, None]}, {"sequence": True}])
def test_chunks_that_are_not_the_tensor_s_are_not_given_its_name(change):
    """[chunk.tensor]: else eight bytes of one dtype would be written down as another."""
    store = d.commits(4)
    d.edit(store, "commits/main/0000000004.json", lambda members: members["tensors"]["x"].update(change))
    with pytest.raises(lakebed.FormatError) as caught:
        compact(store)
    assert caught.value.code == "E_CHUNK_TENSOR" and lakebed.open(store).number == 4
    target = MemoryStore()
    report = recover(store, target)
    assert {finding.code for finding in report.findings} == {"E_CHUNK_TENSOR"}
    assert {(lost.tensor, lost.stop - lost.start) for lost in report.lost} == {("x", 1)} and len(report.lost) == 4
    assert check(target).findings == []


@pytest.mark.parametrize(
    "write", [{"unit": 5}, {"unit": {"bytes": "x"}}, {"codecs": [5]}, {"codecs": [[5]]}, {"codecs": 1}]
)
def test_advice_that_cannot_be_followed_is_left_alone(write):
    """[tensor.write]: nothing that a reader needs."""
    store = d.commits(4)
    d.edit(store, "commits/main/0000000004.json", lambda members: members["tensors"]["x"].update(write=write))
    before = values(store)
    assert lakebed.open(store).x.compression == ([[]] if "unit" in write else [])
    assert compact(store).commit.number == 5 and values(store) == before
