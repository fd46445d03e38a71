"""The checker: sound datasets have no finding, each damage has its own, one fault hides no other [safety.check]."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import numpy as np
import pytest

import datasets as d
import lakebed
from lakebed.check import check
from lakebed.format import packing
from lakebed.names import chunk_key
from lakebed.stores import MemoryStore

FIRST = "commits/main/0000000001.json"


def said(store: MemoryStore, **options) -> set[tuple[str, str]]:
    return {(finding.code, finding.clause) for finding in check(store, **options).findings}


def chunk_of(store: MemoryStore, tensor: str = "x") -> str:
    return chunk_key(json.loads(store.get(FIRST))["tensors"][tensor]["chunks"]["name"][0])


def tensor(store: MemoryStore, name: str = "x", **members) -> None:
    d.edit(store, FIRST, lambda commit: commit["tensors"][name].update(members))


# --- nothing wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [d.numbers, d.varied, d.commits])
def test_sound_datasets_have_neither_findings_nor_notes(make):
    report = check(make())
    assert (report.findings, report.notes) == ([], [])
    assert report.commits and report.chunks and report.units and report.bytes


def test_a_chunk_of_many_commits_is_judged_once():
    store = d.commits(6)
    report = check(store)
    assert (report.commits, report.chunks) == (6, len(d.keys(store, "chunks/")))


def test_manifests_are_followed(monkeypatch):
    monkeypatch.setattr("lakebed.seal.BUDGET", 600)
    store = d.commits(12)
    report = check(store)
    assert report.manifests >= 2 and report.ok and not report.notes
    (key, *_) = d.keys(store, "manifests/")
    d.flip(store, key, 30)
    codes = {finding.code for finding in check(store).findings}
    assert "E_MANIFEST" in codes and codes <= {"E_MANIFEST", "E_JSON_CRC"}
    store.delete(key)
    assert ("E_OBJECT_MISSING", "tree.needed") in said(store)


def test_newest_only_and_one_branch():
    store = d.varied()
    assert check(store, all_commits=False).commits == 2
    assert check(store, branch="side").commits == 1
    with pytest.raises(lakebed.NotFoundError) as caught:
        check(store, branch="other")
    assert caught.value.code == "E_BRANCH_ABSENT"
    with pytest.raises(lakebed.NotFoundError):
        check(MemoryStore())


def test_progress_ends_at_its_total():
    seen = []
    check(d.varied(), progress=lambda *step: seen.append(step))
    assert {what for what, _, _ in seen} == {"commits", "chunks"}
    assert all(any(w == what and done == total for w, done, total in seen) for what in ("commits", "chunks"))


class Unlisted(MemoryStore):
    def list(self, prefix):
        return None


def test_a_store_that_cannot_list_is_checked_by_numbers():
    store = d.commits(5)
    other = Unlisted(writable=False)
    other._objects = dict(store._objects)
    report = check(other)
    assert report.commits == 5 and report.ok and [note.clause for note in report.notes] == ["store.contract"]


# --- the tree ------------------------------------------------------------------------------------------------------


def test_foreign_unused_and_dotfiles():
    store = d.numbers()
    store.put("README.txt", b"hello")
    store.put("chunks/ab/" + "cd" * 32 + ".chunk", b"in the wrong folder")
    store.put("chunks/ab/" + "ab" * 32 + ".chunk", b"nobody names it")
    store.put("manifests/ab/" + "ab" * 32 + ".json", b"nobody names it")
    store.put("chunks/ab/.tmp-1", b"")
    report = check(store)
    assert report.ok
    assert sorted(note.clause for note in report.notes) == ["algo.collect.roots"] * 2 + ["tree.foreign"] * 2


def test_names_numbers_and_holes():
    store = d.commits(6)
    store.delete("commits/main/0000000003.json")
    store.put("commits/Main/0000000001.json", b"x")
    store.put("commits/main/0000000000.json", b"x")
    store.put("tags/a..json", b"x")
    assert said(store) == {
        ("E_COMMIT_ABSENT", "algo.expire.prefix"),
        ("E_NAME", "tree.name"),
        ("E_COMMIT_PLACE", "tree.number"),
    }


def test_expired_history_is_no_fault():
    store = d.commits(6)
    for number in (1, 2):
        store.delete(f"commits/main/{number:010d}.json")
    assert check(store).ok


# --- documents -----------------------------------------------------------------------------------------------------


def replaced(store: MemoryStore, old: str, new: str) -> None:
    text = store.get(FIRST).decode()[:-20] + "}"
    assert old in text
    store.put(FIRST, d.sealed_text(text.replace(old, new, 1)))


TEXTS = {
    "twice": ('"length":100', '"length":100,"length":100', "E_JSON_DUPLICATE", "json.duplicate"),
    "twice inside": ('"attributes":{}', '"attributes":{"a":{"b":1,"b":1}}', "E_JSON_DUPLICATE", "json.duplicate"),
    "float for integer": ('"length":100', '"length":100.0', "E_COMMIT_FIELD", "commit.length"),
    "exponent": ('"number":1', '"number":1e0', "E_COMMIT_FIELD", "commit.number"),
    "true for integer": ('"number":1', '"number":true', "E_COMMIT_FIELD", "commit.number"),
    "large": ('"attributes":{}', '"attributes":{"a":9007199254740992}', "E_JSON_LIMIT", "json.integers"),
    "NaN": ('"attributes":{}', '"attributes":{"a":NaN}', "E_JSON_SYNTAX", "json.syntax"),
    "deep": ('"attributes":{}', '"attributes":' + '{"a":' * 40 + "1" + "}" * 40, "E_JSON_LIMIT", "json.depth"),
    "surrogate": ('"message":""', '"message":"\\ud800"', "E_JSON_SYNTAX", "json.surrogate"),
    "comma": ('"length":100,', '"length":100,,', "E_JSON_SYNTAX", "json.syntax"),
    "other major": ('"lakebed":"1.0"', '"lakebed":"2.0"', "E_VERSION", "json.version"),
    "required": ('"read":[]', '"read":["wings"]', "E_REQUIRES_READ", "commit.requires.read"),
    "requires": ('"read":[]', '"read":[],"more":[]', "E_COMMIT_FIELD", "commit.requires"),
    "id": ('"id":"0', '"id":"x', "E_COMMIT_FIELD", "commit.id"),
    "branch": ('"branch":"main"', '"branch":"side"', "E_COMMIT_PLACE", "commit.place"),
    "parent": ('"parent":null', '"parent":{}', "E_COMMIT_FIELD", "commit.parent"),
    "time": ('"time":"2023-11', '"time":"2023-13', "E_COMMIT_FIELD", "commit.time"),
    "closed": ('"closed":false', '"closed":0', "E_COMMIT_FIELD", "commit.closed"),
    "length": ('"length":100', '"length":101', "E_LENGTH", "tensor.length"),
    "dtype": ('"dtype":"int32"', '"dtype":7', "E_TENSOR_FIELD", "tensor.dtype"),
    "shape": ('"shape":[3]', '"shape":[-1]', "E_TENSOR_FIELD", "tensor.shape"),
    "fidelity": ('"fidelity":"exact"', '"fidelity":"perfect"', "E_TENSOR_FIELD", "tensor.fidelity"),
    "tensor name": ('"tensors":{"x"', '"tensors":{"../x"', "E_TENSOR_FIELD", "tensor.name"),
    "manifests": ('"manifests":[]', '"manifests":[{}]', "E_TENSOR_FIELD", "tensor.manifests"),
    "column": ('"first":0', '"first":0,"last":0', "E_TABLE_COLUMNS", "json.columns_closed"),
    "uneven": ('"first":0', '"first":[0,0]', "E_TABLE_COLUMNS", "json.column"),
    "no chunk": ('"chunk":0', '"chunk":1', "E_SLICE", "table.slice.chunk"),
    "no samples": ('"count":[100]', '"count":[0,100]', "E_TABLE_COLUMNS", "json.column"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_fault_in_a_commit_document(case):
    old, new, code, clause = TEXTS[case]
    store = d.numbers()
    if case == "no samples":
        new, code, clause = '"count":[0]', "E_SLICE", "table.slice.count"
    replaced(store, old, new)
    assert (code, clause) in said(store)
    assert {found for found, _ in said(store)} <= {code, "E_LENGTH"}


def test_a_bad_checksum_and_a_cut_document():
    store = d.numbers()
    d.flip(store, FIRST, 40)
    assert said(store) == {("E_JSON_CRC", "json.crc")}
    store.put(FIRST, store.get(FIRST)[:100])
    assert said(store) == {("E_JSON_CRC", "json.crc")}


def test_every_fault_of_one_document_and_the_chunks_of_its_sound_tensors():
    store = d.commits(1)

    def change(commit):
        commit["id"], commit["time"] = "?", "yesterday"
        commit["tensors"]["x"] |= {"dtype": 1, "sequence": "no"}
        del commit["tensors"]["x"]["htype"]

    d.flip(store, chunk_of(store, "name"), 64)
    d.edit(store, FIRST, change)
    found = said(store)
    assert found == {
        ("E_COMMIT_FIELD", "commit.id"),
        ("E_COMMIT_FIELD", "commit.time"),
        ("E_TENSOR_FIELD", "tensor.dtype"),
        ("E_TENSOR_FIELD", "tensor.sequence"),
        ("E_TENSOR_FIELD", "tensor.htype"),
        ("E_UNIT_CRC", "unit.crc"),
        ("E_CHUNK_HASH", "chunk.hash"),
    }


@pytest.mark.parametrize(
    ("change", "code", "clause"),
    [
        ({"dtype": "int33"}, "E_DTYPE_UNSUPPORTED", "dtype.table"),
        ({"htype": "image"}, "E_TENSOR_FIELD", "htype.fits"),
        ({"htype": "polygon", "dtype": "int32", "shape": [None, 2]}, "E_TENSOR_FIELD", "htype.sequence"),
        ({"write": {"codecs": [{"name": "lz4"}]}}, "E_TENSOR_FIELD", "codec.pipeline"),
    ],
)
def test_what_a_tensor_declares(change, code, clause):
    store = d.numbers()
    tensor(store, **change)
    assert (code, clause) in said(store)


def test_htype_attributes_and_fidelity_of_labels():
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("y", htype="class_label", class_names=["a", "b"])
        ds.extend({"y": [0, 1, 1]})
    tensor(store, "y", attributes={"class_names": ["a", "a"]}, fidelity="lossy")
    assert said(store) == {("E_TENSOR_FIELD", "htype.class_label.names"), ("E_FIDELITY_LABEL", "htype.lossless")}
    tensor(store, "y", attributes={"class_names": ["a"]}, fidelity="exact")
    assert said(store) == {("E_SAMPLE_HTYPE", "htype.class_label.range")}


def test_advice_unknown_htypes_and_unused_table_rows_are_notes():
    store = d.numbers()
    row = {"name": [*json.loads(store.get(FIRST))["tensors"]["x"]["chunks"]["name"], "ab" * 32], "payload": 1200}
    index = json.loads(store.get(FIRST))["tensors"]["x"]["chunks"]["index"]
    store.put("chunks/ab/" + "ab" * 32 + ".chunk", store.get(chunk_of(store)))
    tensor(store, htype="odour", write={"unit": {"items": 0}, "tile": "x", "chunk": 3}, chunks=row | {"index": index})
    report = check(store)
    assert {finding.code for finding in report.findings} == {"E_CHUNK_HASH"}  # of the unused row's chunk
    assert {note.clause for note in report.notes} >= {
        "htype.unknown", "write.unit_advice", "write.tile_advice", "tensor.chunks.used",
    }  # fmt: skip


# --- history, tags, hints --------------------------------------------------------------------------------------------


def test_parents():
    store = d.commits(3)
    second = "commits/main/0000000002.json"
    d.edit(store, second, lambda commit: commit.update(message="other"))
    assert said(store) == {("E_COMMIT_PARENT", "commit.parent.hash")}
    store = d.commits(2)
    d.edit(store, second, lambda commit: commit.update(time="2000-01-01T00:00:00Z"))
    assert said(store) == {("E_COMMIT_PARENT", "commit.time.order")}
    store = d.commits(1)
    d.edit(store, FIRST, lambda commit: commit.update(closed=True))
    with d.append(d.commits(1)) as ds:
        ds.append({"x": 1})
    other = d.commits(2)
    d.edit(other, FIRST, lambda commit: commit.update(closed=True))
    assert said(other) == {("E_COMMIT_PARENT", "commit.parent.hash")}
    assert len(check(other).findings) == 2  # another hash, and closed


def test_tags_and_hints():
    store = d.varied()
    d.edit(store, "tags/v1.json", lambda tag: tag.update(sha256="0" * 64))
    assert said(store) == {("E_TAG_TARGET", "tag.target")}
    d.edit(store, "tags/v1.json", lambda tag: tag.update(number=99))
    assert said(store) == {("E_TAG_TARGET", "tag.target")}
    d.edit(store, "tags/v1.json", lambda tag: tag.update(tag="v2"))
    assert said(store) == {("E_TAG", "tag.tag")}
    store = d.commits(3)
    store.put("commits/main/latest.json", store.get(FIRST))
    assert [note.clause for note in check(store).notes] == ["hint.checker"]
    store.put("commits/main/latest.json", b"{}")
    report = check(store)
    assert report.ok and [(note.code, note.level) for note in report.notes] == [("E_JSON_CRC", "note")]
    store.delete("commits/main/latest.json")
    assert [note.clause for note in check(store).notes] == ["hint.checker"]


# --- chunk objects ---------------------------------------------------------------------------------------------------


def test_missing_cut_long_and_renamed_chunks():
    store = d.numbers()
    key = chunk_of(store)
    data = bytes(store.get(key))
    store.put(key, data[:-1])
    assert said(store) == {
        ("E_CHUNK_SIZE", "chunk.size"), ("E_TRUNCATED", "chunk.open.range"), ("E_CHUNK_HASH", "chunk.hash"),
    }  # fmt: skip
    store.put(key, data + b"\0")
    assert said(store) == {("E_CHUNK_SIZE", "chunk.size"), ("E_CHUNK_HASH", "chunk.hash")}
    store.put(key, b"")
    assert ("E_TRUNCATED", "chunk.open.range") in said(store)
    store.delete(key)
    assert said(store) == {("E_OBJECT_MISSING", "tree.needed")}


@pytest.mark.parametrize(
    ("offset", "code", "clause"),
    [
        (0, "E_CHUNK_HEAD", "chunk.head.magic"),
        (63, "E_CHUNK_HEAD", "chunk.head.zero"),
        (64, "E_UNIT_CRC", "unit.crc"),
        (-45, "E_CHUNK_CRC", "chunk.trailer.crc"),
        (-12, "E_CHUNK_CRC", "chunk.trailer.crc"),
        (-1, "E_CHUNK_MAGIC", "chunk.trailer.magic"),
    ],
)
def test_one_flipped_bit_of_a_chunk(offset, code, clause):
    store = d.numbers()
    key = chunk_of(store)
    d.flip(store, key, offset)
    report = check(store)
    assert {(f.code, f.clause) for f in report.findings} == {(code, clause), ("E_CHUNK_HASH", "chunk.hash")}
    assert all(finding.object == key for finding in report.findings)


def test_every_flipped_bit_of_a_small_dataset_is_found():
    sound = d.numbers(5)
    for key in d.keys(sound, "chunks/") + d.keys(sound, "commits/main/0"):
        for offset in range(len(sound.get(key))):
            store = d.copied(sound)
            d.flip(store, key, offset, 1 << (offset % 8))
            assert not check(store).ok, (key, offset)


@pytest.mark.parametrize(
    ("fields", "code", "clause"),
    [
        ({"major": 2}, "E_CHUNK_VERSION", "chunk.trailer.major"),
        ({"features": 4}, "E_CHUNK_FEATURE", "chunk.trailer.features"),
        ({"reserved": b"\0\0\0\0\0\0\0\1"}, "E_CHUNK_RESERVED", "chunk.trailer.reserved"),
        ({"payload": 1201}, "E_CHUNK_SIZE", "chunk.trailer.payload"),
        ({"index": 3}, "E_CHUNK_SIZE", "chunk.trailer.index"),
    ],
)
def test_trailer_fields(fields, code, clause):
    store = d.numbers()
    d.rechunk(store, "x", lambda index: None, **fields)
    assert said(store) == {(code, clause)}


def test_a_larger_minor_is_a_note():
    store = d.numbers()
    d.rechunk(store, "x", lambda index: index.update(new=1), minor=3)
    report = check(store)
    assert report.ok and [note.clause for note in report.notes] == ["chunk.trailer.minor"]


def test_a_table_that_lies_about_a_sound_chunk():
    store = d.numbers()
    tensor(store, chunks=json.loads(store.get(FIRST))["tensors"]["x"]["chunks"] | {"payload": 1199})
    codes = {code for code, _ in said(store)}
    assert "E_CHUNK_SIZE" in codes and "E_UNIT_CRC" not in codes


def reordered(index):
    items = list(index.items())[::-1]
    index.clear()
    index.update(items)


CRC = zlib.crc32(np.arange(300, dtype=np.int32).tobytes())
INDEXES = {
    "field absent": (lambda i: i.pop("dtype"), "E_INDEX_FIELD", "chunk.index.dtype"),
    "wrong type": (lambda i: i.update(samples="1"), "E_INDEX_FIELD", "chunk.index.samples"),
    "no samples": (lambda i: i.update(samples=0), "E_INDEX_LIMIT", "chunk.index.samples"),
    "unknown dtype": (lambda i: i.update(dtype="int33"), "E_DTYPE_UNSUPPORTED", "dtype.unknown"),
    "column": (lambda i: i.update(missing=np.array([0, 1], "<u1")), "E_INDEX_COLUMN", "chunk.index.missing"),
    "missing": (lambda i: i.update(missing=2), "E_INDEX_MISSING", "chunk.index.missing"),
    "tile": (lambda i: (i.update(tile=[1, 1]), i.pop("unit")), "E_INDEX_TILE", "chunk.index.tile"),
    "unit": (lambda i: i.update(unit=0), "E_INDEX_UNIT", "chunk.index.unit"),
    "codec": (lambda i: i.update(codec=3), "E_INDEX_CODEC", "chunk.index.codec_range"),
    "stored": (lambda i: i.update(stored=7), "E_INDEX_STORED", "chunk.index.stored_sum"),
    "other dtype": (lambda i: i.update(dtype="uint32"), "E_CHUNK_TENSOR", "chunk.tensor.dtype"),
    "dims": (lambda i: i.update(shape=[4], samples=75, unit=75), "E_CHUNK_TENSOR", "chunk.tensor.dims"),
    "rank": (lambda i: i.update(shape=[3, 1]), "E_CHUNK_TENSOR", "chunk.tensor.rank"),
    "sequence": (
        lambda i: (i.update(items=1), reordered(i), reordered(i)), "E_CHUNK_TENSOR", "chunk.tensor.sequence",
    ),
    "unknown key": (lambda i: i.update(zebra=1), "E_INDEX_CANONICAL", "index.present"),
    "default": (lambda i: i.update(row=0), "E_INDEX_CANONICAL", "index.present"),
    "order": (reordered, "E_INDEX_CANONICAL", "index.order"),
    "expanded": (lambda i: i.update(crc=np.array([CRC], "<u4")), "E_INDEX_CANONICAL", "column.canonical"),
    "unit form": (lambda i: i.update(unit=200), "E_INDEX_CANONICAL", "chunk.index.unit_form"),
    "unit column": (lambda i: i.update(unit=np.array([100], "<u1")), "E_INDEX_CANONICAL", "chunk.index.unit_form"),
    "stored needless": (lambda i: i.update(stored=1200), "E_INDEX_CANONICAL", "index.present"),
    "unused pipeline": (
        lambda i: i.update(codecs=[[], [{"name": "lz4"}]]), "E_INDEX_CANONICAL", "chunk.index.codecs_canonical",
    ),
    "longer": (lambda i: packing.encode(i).replace(b"\xa6", b"\xd9\x06", 1), "E_INDEX_CANONICAL", "index.shortest"),
    "more": (lambda i: packing.encode(i) + b"\0", "E_INDEX_SYNTAX", "index.end"),
    "no map": (lambda i: b"\x90", "E_INDEX_SYNTAX", "index.map"),
    "nil": (lambda i: b"\x81\xa1a\xc0", "E_INDEX_SYNTAX", "index.types"),
}  # fmt: skip


@pytest.mark.parametrize("case", INDEXES)
def test_index(case):
    change, code, clause = INDEXES[case]
    store = d.numbers()
    d.rechunk(store, "x", change)
    found = said(store)
    assert (code, clause) in found
    allowed = {code, "E_SLICE_RANGE", "E_INDEX_CANONICAL", "E_CHUNK_TENSOR"} if "CHUNK" in code else {code}
    assert {c for c, _ in found} <= allowed, found


def test_a_slice_past_its_chunk():
    store = d.numbers()
    tensor(store, slices={"chunk": 0, "first": 1, "count": [100]})
    assert said(store) == {("E_SLICE_RANGE", "table.slice.range")}


# --- units -----------------------------------------------------------------------------------------------------------


def test_every_damaged_unit_is_found_and_no_other():
    store = d.numbers(1000, sample_compression="lz4")
    key = chunk_of(store)
    sound = check(store)
    report = check(store, decode=False)
    assert (report.units, sound.units) == (1000, 1000)
    data = bytes(store.get(key))
    for offset in (64, 64 + 12 * 500, 64 + 12 * 999):
        d.flip(store, key, offset)
    found = [finding for finding in check(store).findings if finding.code == "E_UNIT_CRC"]
    assert [finding.offset for finding in found] == [64, 64 + 12 * 500, 64 + 12 * 999]
    assert len(data) == len(store.get(key))


def test_two_bad_chunks_do_not_hide_each_other():
    store = d.commits(4)
    first, second = d.keys(store, "chunks/")[:2]
    d.flip(store, first, 64)
    d.flip(store, second, -1)
    report = check(store)
    assert {f.object for f in report.findings} == {first, second}
    assert {f.code for f in report.findings} == {"E_UNIT_CRC", "E_CHUNK_MAGIC", "E_CHUNK_HASH"}


def lz4_unit(store, payload, **change):
    """The chunk of ``x`` with one lz4 unit of these bytes."""

    def to(index):
        crc = index.pop("crc")
        index |= {"codecs": [[{"name": change.pop("codec", "lz4")}]], "stored": len(payload), "crc": crc}
        index["crc"] = zlib.crc32(payload)
        index |= change

    return d.rechunk(store, "x", to, payload)


def test_streams_that_do_not_decode():
    store = d.numbers(100)
    lz4_unit(store, b"\xff" * 40)
    assert {code for code, _ in said(store)} == {"E_CODEC_DATA"}
    assert said(store, decode=False) == set()
    lz4_unit(d.numbers(100), b"\xff" * 40)
    store = d.numbers(100)
    lz4_unit(store, b"\xff" * 40, codec="riddle")
    report = check(store)
    assert report.ok and [note.code for note in report.notes] == ["E_CODEC_UNSUPPORTED"]


def test_booleans():
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", dtype="bool", shape=())
        ds.extend({"x": np.ones(10, bool)})
    payload = b"\1\1\2" + b"\1" * 7
    d.rechunk(store, "x", lambda index: index.update(crc=zlib.crc32(payload)), payload)
    assert said(store) == {("E_VALUE_BOOL", "value.bool")}


def one_file(form, file, **options):
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", htype="image", sample_compression=form, **options)
        ds.append({"x": lakebed.read(file)})
    return store


def test_files_that_lie_or_are_cut():
    file = d.picture("PNG")
    store = one_file("png", file)
    d.rechunk(store, "x", lambda index: index.update(shape=[6, 9, 3]))
    assert said(store) == {("E_MEDIA_SHAPE", "media.header")}
    for bad in (file[:-20], file[:60] + b"\0" * (len(file) - 60)):
        store = one_file("png", file)
        d.rechunk(store, "x", lambda i, bad=bad: i.update(stored=len(bad), crc=zlib.crc32(bad)), bad)
        assert said(store) == {("E_CODEC_DATA", "media.corrupt")}


# --- fidelity and values ---------------------------------------------------------------------------------------------


def quantized(**promise):
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor(
            "x", dtype="float32", shape=(500,), fidelity={"max_abs_error": 0.01}, chunk_compression="lz4"
        )
        ds.append({"x": np.cumsum(np.random.default_rng(0).random(500)).astype(np.float32)})
    tensor(store, **promise)
    return store


@pytest.mark.parametrize(
    ("fidelity", "found", "noted"),
    [
        ({"max_abs_error": 0.01}, 0, 0),
        ({"max_abs_error": 0.5}, 0, 0),
        ({"max_abs_error": 0.005}, 1, 0),
        ("exact", 1, 0),
        ("lossy", 0, 0),
        ({"max_rel_error": 0.1}, 0, 1),
    ],
)
def test_a_quantized_unit_against_the_promise(fidelity, found, noted):
    report = check(quantized(fidelity=fidelity))
    assert [f.code for f in report.findings] == ["E_FIDELITY_BROKEN"] * found
    assert [f.clause for f in report.notes] == ["fidelity.stored"] * noted


def test_pictures_encoded_here_under_exact():
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", htype="image", sample_compression="jpeg")
        ds.append({"x": np.zeros((8, 8, 3), np.uint8)})
    assert check(store).ok
    tensor(store, fidelity="exact")
    assert said(store) == {("E_FIDELITY_BROKEN", "fidelity.stored")}
    assert check(one_file("jpeg", d.picture("JPEG"), fidelity="exact")).ok  # a file as given loses nothing


@pytest.mark.parametrize(
    ("form", "options", "broken"),
    [("JPEG", {}, True), ("WEBP", {}, True), ("WEBP", {"lossless": True}, False), ("PNG", {}, False)],
)
def test_lossy_files_of_labels(form, options, broken):
    store = one_file(form.lower(), d.picture(form, **options))
    tensor(store, htype="segment_mask", dtype="uint8", shape=[None, None, 3], fidelity="exact")
    assert said(store) == ({("E_FIDELITY_BROKEN", "htype.lossless.stored")} if broken else set())


def stored_as(htype, values, shape=(None,), dtype="uint8", attributes=None, **options):
    """Values stored as generic arrays and then called ``htype``."""
    store = MemoryStore()
    with d.create(store) as ds:
        ds.create_tensor("x", dtype=dtype, shape=shape, **options)
        for value in values:
            ds.append({"x": value})
    tensor(store, htype=htype, attributes=attributes or {})
    return store


def text(*values):
    return [np.frombuffer(value, np.uint8) for value in values]


@pytest.mark.parametrize(
    ("store", "expected", "count"),
    [
        (lambda: stored_as("text", text(b"good", b"\xff", b"", b"\xc3")), ("E_VALUE_TEXT", "htype.text.utf8"), 2),
        (lambda: stored_as("json", text(b"1", b'{"a":1,"a":2}', b"NaN")), ("E_VALUE_TEXT", "htype.json.value"), 2),
        (
            lambda: stored_as("tag", [text(b"a", b"\xff")], sequence=True), ("E_VALUE_TEXT", "htype.tag.value"), 1,
        ),
        (
            lambda: stored_as("list", [text(b"[1]", b"]")], sequence=True), ("E_VALUE_TEXT", "htype.list.value"), 1,
        ),
        (
            lambda: stored_as("bbox", [np.array([[0, 0, -1, 1]], "f4")] * 2, (None, 4), "float32"),
            ("E_SAMPLE_HTYPE", "htype.bbox.size"),
            2,
        ),
        (
            lambda: stored_as("bbox", [np.array([[0, 0, np.nan, 1]], "f4")], (None, 4), "float32"),
            ("E_SAMPLE_HTYPE", "htype.bbox.finite"),
            1,
        ),
        (
            lambda: stored_as("keypoints", [np.full((1, 1, 3), 7, "i4")], (None, None, 3), "int32"),
            ("E_SAMPLE_HTYPE", "htype.keypoints.visibility"),
            1,
        ),
        (
            lambda: stored_as(
                "keypoints", [np.zeros((1, 2, 3), "i4")], (None, None, 3), "int32", {"keypoints": ["nose"]}
            ),
            ("E_SAMPLE_SHAPE", "htype.keypoints.axes"),
            1,
        ),
        (
            lambda: stored_as("polygon", [[np.zeros((0, 2), "f4")]], (None, 2), "float32", sequence=True),
            ("E_SAMPLE_HTYPE", "htype.polygon.points"),
            1,
        ),
        (
            lambda: stored_as("class_label", range(5), (), "uint8", {"class_names": ["a", "b", "c"]}),
            ("E_SAMPLE_HTYPE", "htype.class_label.range"),
            2,
        ),
        (
            lambda: stored_as(
                "segment_mask", [np.full((9, 9), 3, "u1")], (None, None), "uint8", {"class_names": ["a"]}, tile=(4, 4)
            ),
            ("E_SAMPLE_HTYPE", "htype.segment_mask.range"),
            9,
        ),
    ],
)
def test_values_that_break_their_htype(store, expected, count):
    findings = check(store()).findings
    assert [(finding.code, finding.clause) for finding in findings] == [expected] * count


def test_values_outside_the_slices_are_not_judged():
    store = stored_as("class_label", range(5), (), "uint8", {"class_names": ["a", "b", "c"]})
    tensor(store, slices={"chunk": [0, None], "first": 0, "count": [3, 2]})
    assert check(store).ok


def test_many_bad_values_are_counted():
    store = stored_as("class_label", range(250), (), "uint8", {"class_names": ["a"]})
    findings = check(store).findings
    assert len(findings) == 101 and "149 more" in findings[-1].detail


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_memory_is_bounded_by_windows(tmp_path):
    with lakebed.create(tmp_path / "big") as ds:
        ds.create_tensor("x", dtype="uint8", shape=(1 << 20,))
        for _ in range(4):
            ds.extend({"x": np.zeros((24, 1 << 20), np.uint8)})
    tracemalloc.start()
    report = check(tmp_path / "big")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.ok and report.bytes > 96 << 20 and peak < 24 << 20
