"""Recovery: into a copy, the source untouched, good samples kept, every loss and every choice named [algo.recover]."""

from __future__ import annotations

import json

import numpy as np
import pytest

import datasets as d
import lakebed
from lakebed import history
from lakebed.check import check
from lakebed.migrate import copy, migrate
from lakebed.recover import recover
from lakebed.stores import MemoryStore
from test_compact import stored_units, values

FIRST = "commits/main/0000000001.json"


def objects(store):
    return {row.key: bytes(store.get(row.key)) for row in store.list("")}


def recovered(source, **options):
    """(report, target): the source is untouched, the copy is sound."""
    before = objects(source)
    target = MemoryStore()
    report = recover(source, target, clock=d.clock(), make_id=d.ids(), **options)
    assert objects(source) == before
    found = check(target)
    assert (found.findings, found.notes) == ([], [])
    return report, target


def chunk_of(store, tensor, number=0):
    names = json.loads(store.get(FIRST))["tensors"][tensor]["chunks"]["name"]
    return f"chunks/{names[number][:2]}/{names[number]}.chunk"


def without_commits(store):
    for key in [*d.keys(store, "commits/"), *d.keys(store, "tags/")]:
        store.delete(key)
    return store


# --- with commits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [d.numbers, d.varied, d.commits])
def test_a_sound_dataset_comes_back_whole(make):
    store = make()
    report, target = recovered(store)
    assert report.ok and not report.rewritten and not report.skipped
    assert values(target) == values(store)
    old, new = history.newest(store, "main").commit, history.newest(target, "main").commit
    for name, tensor in old.tensors.items():
        assert (new.tensors[name].htype, new.tensors[name].attributes) == (tensor.htype, tensor.attributes)
    assert set(objects(target)) & set(d.keys(store, "chunks/")) == set(d.keys(target, "chunks/"))


def test_branches_manifests_and_history():
    store = d.varied()
    report, target = recovered(store)
    assert report.taken == {"main": 3, "side": 1}
    assert values(target, branch="side") == values(store, branch="side")
    assert {note.object for note in report.notes if note.clause == "algo.recover.commits"} == {"tags/v1.json"}
    assert lakebed.open(target).number == 1


def test_one_damaged_unit_costs_its_samples_only():
    store = d.numbers(1000, sample_compression="lz4")
    d.flip(store, chunk_of(store, "x"), 64 + 12 * 500)
    before = stored_units(d.numbers(1000, sample_compression="lz4"), "x")
    report, target = recovered(store)
    assert [(lost.tensor, lost.start, lost.stop) for lost in report.lost] == [("x", 500, 501)]
    assert {finding.code for finding in report.findings} == {"E_UNIT_CRC"}
    x = lakebed.open(target).x
    assert x[500] is None and x[499].tolist() == [1497, 1498, 1499] and x[501].tolist() == [1503, 1504, 1505]
    assert stored_units(target, "x") == before[:500] + before[501:]
    assert (report.copied, report.rewritten) == (0, 1)


@pytest.mark.parametrize("tensor", ["raw", "packed", "ragged", "photos", "text", "tags", "outlines", "tiled", "rough"])
def test_damage_in_every_kind_of_unit(tensor):
    sound = d.varied()
    want = values(sound, number=1)
    for offset in (64, 80, 150):
        store = d.varied()
        for number in (2, 3):
            store.delete(f"commits/main/{number:010d}.json")
        store.delete("commits/main/latest.json")
        key = chunk_of(store, tensor)
        payload = json.loads(store.get(FIRST))["tensors"][tensor]["chunks"]["payload"]
        offset = min(offset, 64 + payload - 1)
        d.flip(store, key, offset)
        report, target = recovered(store)
        got = values(target)
        lost = {row for loss in report.lost for row in range(loss.start, loss.stop) if loss.branch == "main"}
        assert lost and {loss.tensor for loss in report.lost} == {tensor}
        for name, rows in want.items():
            if name == "files":
                continue
            for row, value in enumerate(rows):
                if name == tensor and row in lost:
                    assert got[name][row] == [None, False]
                else:
                    assert got[name][row] == value, (name, row)


def test_a_head_a_magic_and_junk_behind_cost_nothing():
    for damage in (
        lambda store, key: d.flip(store, key, 3),
        lambda store, key: d.flip(store, key, -1),
        lambda store, key: store.put(key, bytes(store.get(key)) + b"junk"),
    ):
        store = d.numbers()
        damage(store, chunk_of(store, "x"))
        report, target = recovered(store)
        assert not report.lost and report.rewritten == 1 and values(target) == values(d.numbers())


def test_lost_chunks_become_missing_samples():
    for damage in (
        lambda store, key: store.delete(key),
        lambda store, key: store.put(key, bytes(store.get(key))[:-50]),
        lambda store, key: d.flip(store, key, -60),
    ):
        store = d.commits(4)
        second = json.loads(store.get("commits/main/0000000002.json"))["tensors"]["x"]["chunks"]["name"][1]
        damage(store, f"chunks/{second[:2]}/{second}.chunk")
        report, target = recovered(store)
        assert [(lost.tensor, lost.start, lost.stop) for lost in report.lost] == [("x", 1, 2)]
        assert [lakebed.open(target).x[i] for i in range(4)] == [0, None, 2, 3]
        assert report.skipped == [f"chunks/{second[:2]}/{second}.chunk"] and report.findings


@pytest.mark.parametrize("size", [100, 101])
def test_another_chunk_in_the_place_of_one_is_not_believed(size):
    """Sound in itself, of the same or another length: not the bytes that the commit names."""
    store, other = d.numbers(100), MemoryStore()
    with lakebed.create(other) as ds:
        ds.create_tensor("x", dtype="int32", shape=(3,))
        ds.extend({"x": np.ones((size, 3), np.int32)})
    store.put(chunk_of(store, "x"), bytes(other.get(chunk_of(other, "x"))))
    report, target = recovered(store)
    assert [(lost.tensor, lost.start, lost.stop) for lost in report.lost] == [("x", 0, 100)]
    assert report.skipped == [chunk_of(store, "x")] and lakebed.open(target).x[5] is None
    assert report.findings[0].code == ("E_CHUNK_HASH" if size == 100 else "E_CHUNK_MAGIC")


def test_an_index_that_is_not_proved_is_not_believed():
    store = d.numbers()
    key = chunk_of(store, "x")
    for offset in range(store.size(key) - 80, store.size(key) - 8):
        bad = d.copied(store)
        d.flip(bad, key, offset)
        report, target = recovered(bad)
        assert [(lost.start, lost.stop) for lost in report.lost] == [(0, 100)], offset
        assert lakebed.open(target).x[5] is None


def test_the_newest_valid_commit_is_taken():
    store = d.commits(5)
    d.flip(store, "commits/main/0000000005.json", 50)
    report, target = recovered(store)
    assert report.taken == {"main": 5}, "the hint is a copy of it"
    assert not report.lost and lakebed.open(target).x[:].tolist() == [0, 1, 2, 3, 4]
    store.delete("commits/main/latest.json")
    report, target = recovered(store)
    assert report.taken == {"main": 4} and {f.code for f in report.findings} == {"E_JSON_CRC"}
    assert lakebed.open(target).x[:].tolist() == [0, 1, 2, 3]
    candidates = [note.object for note in report.notes if note.clause == "algo.recover.candidates"]
    assert len(candidates) == 2 and all(key in d.keys(store, "chunks/") for key in candidates)


def test_lost_manifests_are_missing_rows(monkeypatch):
    monkeypatch.setattr("lakebed.seal.BUDGET", 600)
    store = d.commits(12)
    ref = history.newest(store, "main").commit.tensors["x"].manifests[0]
    store.delete(f"manifests/{ref.sha256[:2]}/{ref.sha256}.json")
    report, target = recovered(store)
    assert {finding.code for finding in report.findings} == {"E_OBJECT_MISSING"}
    x = lakebed.open(target).x
    assert len(x) == 12 and x[0] is None and x[ref.samples] == ref.samples


# --- from chunks alone -----------------------------------------------------------------------------------------------


def test_tensors_from_chunks_alone():
    store = d.commits(5)
    want = values(store)
    report, target = recovered(without_commits(store))
    ds = lakebed.open(target)
    assert report.taken == {"main": 0} and not report.lost and not report.findings
    assert ds.x[:].tolist() == [0, 1, 2, 3, 4]
    assert [bytes(ds.name[i]).decode() for i in range(5)] == [row[0] for row in want["name"]]
    assert {note.clause for note in report.notes} == {"algo.recover.candidates"}
    assert set(d.keys(target, "chunks/")) == set(d.keys(store, "chunks/"))


def test_what_was_changed_is_kept_beside_what_it_was():
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", dtype="int64", shape=())
        ds.create_tensor("y", dtype="int64", shape=())
        ds.extend({"x": np.arange(10), "y": np.arange(10)})
    with d.append(store) as ds:
        ds.x[3] = 99
    with d.append(store) as ds:
        ds.extend({"x": np.arange(10, 15), "y": np.arange(10, 15)})
    report, target = recovered(store, chunks_only=True)
    ds = lakebed.open(target)
    assert ds.x[:15].tolist() == list(range(15)) and ds.x[15] == 99, "the update's rows were taken: it stands behind"
    assert ds.y[:15].tolist() == list(range(15)) and ds.y[15] is None
    overlaps = [note for note in report.notes if note.clause == "algo.recover.chunks"]
    assert len(overlaps) == 1 and "at 15 to 15" in overlaps[0].detail


def test_every_kind_of_chunk_alone():
    store = d.varied()
    report, target = recovered(without_commits(store))
    ds = lakebed.open(target)
    assert set(ds.tensors) >= {"raw", "photos", "tiled", "tags", "rough", "outlines"}
    assert ds["rough"].fidelity == "lossy" and ds["raw"].fidelity == "exact"
    assert ds["photos"].file(0) == d.picture("PNG", seed=0)
    assert ds["tags"].sequence and ds["raw"].shape == (3,) and ds["ragged"].shape == (None, 2)
    assert len(d.keys(target, "chunks/")) == len(d.keys(store, "chunks/")) and not report.skipped


def test_gaps_damage_and_noise_among_the_chunks():
    store = d.commits(5)
    second = json.loads(store.get("commits/main/0000000002.json"))["tensors"]["x"]["chunks"]["name"][1]
    key = f"chunks/{second[:2]}/{second}.chunk"
    third = json.loads(store.get("commits/main/0000000003.json"))["tensors"]["x"]["chunks"]["name"][2]
    without_commits(store).put(key, b"torn")
    d.flip(store, f"chunks/{third[:2]}/{third}.chunk", 64)
    store.put("chunks/ab/" + "ab" * 32 + ".chunk", bytes(300))
    store.put("chunks/readme.txt", b"foreign")
    report, target = recovered(store)
    assert [lakebed.open(target).x[i] for i in range(5)] == [0, None, None, 3, 4]
    damaged = f"chunks/{third[:2]}/{third}.chunk"
    assert set(report.skipped) == {key, damaged, "chunks/ab/" + "ab" * 32 + ".chunk"}
    assert [(lost.tensor, lost.start, lost.object) for lost in report.lost] == [("x", 2, damaged)]
    assert {finding.code for finding in report.findings} >= {"E_CHUNK_MAGIC", "E_UNIT_CRC"}


def test_names_that_clash_and_kinds_that_differ():
    store = MemoryStore()
    for name, dtype in (("a", "int64"), ("a", "float32"), ("a/b", "uint8"), ("", "uint8"), ("..", "uint8")):
        other = MemoryStore()
        with d.create(other) as ds:
            ds.create_tensor("t", dtype=dtype, shape=())
            ds.extend({"t": np.arange(4).astype(dtype)})

        def rename(index, name=name):
            index.update(tensor=name) if name else index.pop("tensor")

        key = d.rechunk(other, "t", rename)
        store.put(key, other.get(key))
    report, target = recovered(store)
    assert sorted(lakebed.open(target).tensors) == ["a", "a-2", "a.b", "unnamed", "unnamed-2"]
    assert sum(note.clause == "algo.recover.chunks" for note in report.notes) == 4


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_the_target_must_be_empty_and_the_source_must_hold_something():
    store = d.numbers()
    for target in (store, d.commits(1)):
        with pytest.raises(lakebed.InputError) as caught:
            recover(store, target)
        assert caught.value.code == "E_DATASET_EXISTS"
    with pytest.raises(lakebed.NotFoundError):
        recover(MemoryStore(), MemoryStore())


def test_folders(tmp_path):
    with lakebed.create(tmp_path / "a") as ds:
        ds.create_tensor("x", dtype="uint8", shape=(2,))
        ds.extend({"x": np.ones((5, 2), np.uint8)})
    report = recover(tmp_path / "a", tmp_path / "b")
    assert report.ok and lakebed.open(tmp_path / "b").x[:].tolist() == [[1, 1]] * 5


# --- migrate ----------------------------------------------------------------------------------------------------------


def test_copies_are_byte_for_byte_with_their_history():
    store = d.varied()
    store.put("chunks/ab/" + "ab" * 32 + ".chunk", b"nobody needs it")
    target = MemoryStore()
    report = copy(store, target)
    there = objects(target)
    assert there == {key: data for key, data in objects(store).items() if key in there}
    assert len(there) == len(objects(store)) - 1
    assert (report.commits, report.tags) == (4, 1) and report.bytes == sum(
        len(data) for key, data in there.items() if not key.endswith("latest.json") and not key.startswith("tags/")
    )
    assert check(target).ok and values(target) == values(store)


def test_copies_with_manifests(monkeypatch):
    monkeypatch.setattr("lakebed.seal.BUDGET", 600)
    store = d.commits(12)
    target = MemoryStore()
    assert copy(store, target).manifests >= 2
    assert check(target).ok and values(target) == values(store)


def test_a_damaged_source_is_not_copied():
    for key, offset in (("chunks/", 64), ("commits/", 40)):
        store = d.commits(2)
        d.flip(store, d.keys(store, key)[0], offset)
        target = MemoryStore()
        with pytest.raises(lakebed.FormatError) as caught:
            copy(store, target)
        assert caught.value.code in ("E_CHUNK_HASH", "E_JSON_CRC")
        assert not d.keys(target, "commits/")
    with pytest.raises(lakebed.InputError):
        copy(d.commits(1), d.commits(1))


def test_unknown_versions_are_refused_by_name():
    store = d.numbers()
    d.edit(store, FIRST, lambda commit: commit.update(lakebed="2.0"))
    for call in (lambda: copy(store, MemoryStore()), lambda: migrate(d.numbers(), MemoryStore(), to="2.0")):
        with pytest.raises(lakebed.UnsupportedError) as caught:
            call()
        assert caught.value.code == "E_VERSION" and "2.0" in caught.value.detail
