"""Inspection: every byte of every object is explained, broken ones included, and faults stand where they are."""

from __future__ import annotations

import numpy as np
import pytest

import datasets as d
import lakebed
from lakebed.inspect import inspect, render
from lakebed.inspect_index import items
from lakebed.names import chunk_key
from lakebed.stores import MemoryStore

FIRST = "commits/main/0000000001.json"


def covered(spans, size):
    """The spans but the first lie side by side, or inside one another, and leave no byte of a chunk out."""
    at = 0
    for span in sorted(spans[1:], key=lambda span: (span.offset, -span.size)):
        if span.size:
            assert span.offset <= at, f"bytes {at} to {span.offset} are not explained"
            at = max(at, span.offset + span.size)
    assert at == size


def test_every_byte_of_every_chunk_is_explained():
    store = d.varied()
    for key in d.keys(store, "chunks/"):
        spans = inspect(store, key)
        assert not [span for span in spans if span.error], key
        covered(spans, store.size(key))
        parts = sorted(span.offset for span in spans[1:])
        assert parts == [span.offset for span in spans[1:]], "spans stand in the order of their bytes"
        assert len(render(spans)) == len(spans)


def test_documents_with_their_members():
    store = d.varied()
    for key in d.keys(store, "commits/") + d.keys(store, "tags/"):
        spans = inspect(store, key)
        data = store.get(key)
        assert not [span for span in spans if span.error], key
        assert spans[-1].name == "crc32" and spans[-1].offset == len(data) - 20
        named = {span.name: span for span in spans}
        if key == FIRST:
            span = named["tensors/labels/attributes"]
            assert data[span.offset : span.offset + span.size].startswith(b'"attributes":{"class_names":["cat"')
            assert named["tensors/raw/chunks/payload"].clause == "table.chunk.payload"


def test_units_say_their_items_codec_and_checksum():
    store = d.numbers(100, sample_compression="lz4")
    (key,) = d.keys(store, "chunks/")
    d.flip(store, key, 64 + 12 * 3)
    spans = inspect(store, key)
    units = [span for span in spans if span.name.startswith("unit ")]
    assert len(units) == 100
    assert [span.name for span in units if span.error == "E_UNIT_CRC"] == ["unit 3"]
    assert "item 3" in units[3].value and "raw" in units[3].value and "CRC" in units[3].meaning
    assert spans[0].error == "E_CHUNK_HASH"
    short = inspect(store, key, units=10)
    assert sum(span.name.startswith("unit ") for span in short) == 10
    covered(short, store.size(key))
    assert any(span.meaning == "90 more units" for span in short)


@pytest.mark.parametrize(
    ("offset", "name", "code"),
    [
        (0, "head.magic", "E_CHUNK_HEAD"),
        (9, "head.zero", "E_CHUNK_HEAD"),
        (-1, "trailer.magic", "E_CHUNK_MAGIC"),
        (-12, "trailer.crc", "E_CHUNK_CRC"),
        (-40, "trailer.payload", "E_CHUNK_SIZE"),
    ],
)
def test_faults_stand_at_their_bytes(offset, name, code):
    store = d.numbers()
    (key,) = d.keys(store, "chunks/")
    d.flip(store, key, offset)
    spans = inspect(store, key)
    assert {span.name: span.error for span in spans if span.error}[name] == code
    covered(spans, store.size(key))
    assert any(f"!! {code}" in line for line in render(spans))


def test_cut_objects_and_noise():
    sound = d.numbers(8)
    rng = np.random.default_rng(3)
    for key in [*d.keys(sound, "chunks/"), FIRST]:
        data = bytes(sound.get(key))
        for size in range(0, len(data), 7):
            store = MemoryStore()
            store.put(key, data[:size])
            covered(inspect(store, key), size) if key.endswith(".chunk") else inspect(store, key)
        for _ in range(100):
            store = MemoryStore()
            bad = bytearray(data)
            bad[int(rng.integers(len(bad)))] ^= int(rng.integers(1, 256))
            store.put(key, bytes(bad))
            assert any(span.error for span in inspect(store, key))


def test_an_index_up_to_where_it_makes_no_sense():
    good = b"\x82\xa7samples\x05\xa3crc"
    for bad, clause in [(b"\xc0", "index.types"), (b"\xc7\xff\x01", "index.counts"), (b"\xd4\x03\x00", "index.ext")]:
        found = items(good + bad)
        assert [item.name for item in found] == ["index", "index.samples", "index.samples", "index.crc", "?"]
        assert (found[-1].clause, found[-1].error, found[-1].start) == (clause, "E_INDEX_SYNTAX", len(good))
    assert items(b"\xdd\xff\xff\xff\xff")[-1].clause == "index.counts"
    assert items(b"\x91" * 20)[-1].clause == "index.depth"


def test_faults_of_documents():
    store = d.numbers()
    d.edit(store, FIRST, lambda commit: commit.update(length=-1, extra=[1]))
    spans = {span.name: span for span in inspect(store, FIRST)}
    assert spans["length"].error == "E_COMMIT_FIELD" and spans["extra"].clause == "json.unknown"
    store.put(FIRST, store.get(FIRST)[:200])
    errors = [span.error for span in inspect(store, FIRST) if span.error]
    assert errors == ["E_JSON_SYNTAX", "E_JSON_CRC"]
    store.put(FIRST, b"[" * 100_000)
    assert inspect(store, FIRST)[-1].error == "E_JSON_CRC"


def test_manifests_and_absent_objects(monkeypatch):
    monkeypatch.setattr("lakebed.seal.BUDGET", 600)
    store = d.commits(12)
    (key, *_) = d.keys(store, "manifests/")
    spans = inspect(store, key)
    assert not [span for span in spans if span.error]
    assert {"manifest.samples", "table.slice.count"} <= {span.clause for span in spans}
    with pytest.raises(lakebed.FormatError) as caught:
        inspect(store, chunk_key("0" * 64))
    assert caught.value.code == "E_OBJECT_MISSING"
