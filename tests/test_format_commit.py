"""Commits, manifests and tags: both ways, unknown members kept, the first broken rule named. (Single broken members
are in test_hostile.py.)"""

from __future__ import annotations

import json
from typing import Any

import pytest

import lakebed
from datasets import append, commits, edit, varied
from hostile import commit, sealed, tensor
from lakebed.errors import LakebedError
from lakebed.format.commit import decode_commit, decode_manifest, decode_tag, encode_commit, encode_tag
from lakebed.model import CommitRef, ManifestRef, Tag
from lakebed.stores import MemoryStore

KEY = "commits/main/0000000001.json"


def test_both_ways() -> None:
    store = varied()
    for row in store.list("commits/main/0"):
        data = store.get(row.key)
        found = decode_commit(data, row.key)
        assert encode_commit(found) == data


def test_members_of_the_writer() -> None:
    """[commit.lakebed] [commit.crc32] [tensor.chunks] [tree.hex]: small members first, then tensors, then the
    checksum."""
    members = json.loads(varied().get(KEY))
    assert next(iter(members)) == "lakebed" and list(members)[-2:] == ["tensors", "crc32"]
    for state in members["tensors"].values():
        assert set(state["chunks"]) == {"name", "payload", "index"}
        assert all(name == name.lower() for name in state["chunks"]["name"])


def test_the_future_is_refused_by_its_own_words() -> None:
    """[commit.requires.checks] [version.requires]: version and requirements are judged before every other member."""
    with pytest.raises(LakebedError) as caught:
        decode_commit(sealed({"lakebed": "1.3", "requires": {"read": ["warp"], "write": []}, "number": "seven"}), KEY)
    assert caught.value.code == "E_REQUIRES_READ" and "warp" in caught.value.detail


def test_requirements_of_writers() -> None:
    """[commit.requires.write]: reading stays allowed."""
    store = commits(2)
    edit(store, "commits/main/0000000002.json", lambda m: m["requires"].update(write=["index-of-names"]))
    assert len(lakebed.open(store)) == 2
    ds = append(store)
    ds.append({"x": 1})
    with pytest.raises(LakebedError) as caught:
        ds.commit()
    assert caught.value.code == "E_REQUIRES_WRITE" and "index-of-names" in str(caught.value)


def test_unknown_members_travel() -> None:
    """[json.unknown] [version.unknown.key]: of the root and of each tensor that is kept."""
    store = commits(2)

    def add(members: dict[str, Any]) -> None:
        members["colour"] = {"of": "root"}
        members["tensors"]["x"]["taste"] = [1, 2.5]

    edit(store, "commits/main/0000000002.json", add)
    with append(store) as ds:
        ds.append({"x": 5})
        ds.rename_tensor("x", "y")
    members = json.loads(store.get("commits/main/0000000003.json"))
    assert members["colour"] == {"of": "root"}
    assert members["tensors"]["y"]["taste"] == [1, 2.5]


def test_versions_may_be_mixed() -> None:
    """[version.mixed] [version.write]: each document is read by its own version; this writer writes 1.0."""
    store = commits(3)
    edit(store, "commits/main/0000000003.json", lambda m: m.update(lakebed="1.4"))
    with append(store) as ds:
        ds.append({"x": 9})
    versions = [json.loads(store.get(row.key))["lakebed"] for row in store.list("commits/main/0")]
    assert versions == ["1.0", "1.0", "1.4", "1.0"]
    assert lakebed.open(store).x[:].tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize("name", ["number", "length"])
def test_integers_have_one_form(name: str) -> None:
    """[json.integer_form]: this reader refuses `1.0` and `true` where an integer is due."""
    for odd in (1.0, True, "1", None):
        with pytest.raises(LakebedError) as caught:
            decode_commit(sealed(commit({}) | {name: odd}), KEY)
        assert (caught.value.code, caught.value.clause) == ("E_COMMIT_FIELD", f"commit.{name}")


def test_one_integer_for_a_column() -> None:
    """[json.column]"""
    a = tensor("0" * 64, 5, 6, slices={"chunk": [0, 0], "first": [3, 3], "count": [1, 2]})
    b = tensor("0" * 64, [5], [6], slices={"chunk": 0, "first": 3, "count": [1, 2]})
    states = [decode_commit(sealed(commit({"t": t})), KEY).tensors["t"].own for t in (a, b)]
    assert states[0].chunks == states[1].chunks and states[0].runs == states[1].runs
    empty = tensor(
        "0" * 64, 7, 7, chunks={"name": [], "payload": 7, "index": []}, slices={"chunk": 9, "first": 1, "count": []}
    )
    assert decode_commit(sealed(commit({"t": empty})), KEY).length == 0


def test_a_member_absent() -> None:
    for name in ("requires", "branch", "number", "id", "parent", "time", "length", "tensors"):
        members = commit({})
        del members[name]
        with pytest.raises(LakebedError) as caught:
            decode_commit(sealed(members), KEY)
        assert caught.value.code == "E_COMMIT_FIELD" and name in caught.value.detail
    for name in ("htype", "dtype", "shape", "chunks", "slices"):
        state = tensor("0" * 64, 1, 1)
        del state[name]
        with pytest.raises(LakebedError) as caught:
            decode_commit(sealed(commit({}) | {"tensors": {"t": state}, "length": 1}), KEY)
        code = "E_TABLE_COLUMNS" if name in ("chunks", "slices") else "E_TENSOR_FIELD"
        assert caught.value.code == code and name in caught.value.detail


def manifest(**members: Any) -> bytes:
    part = tensor("0" * 64, 1, 1, slices={"chunk": 0, "first": 0, "count": [3]})
    return sealed({"lakebed": "1.0", "samples": 3, "chunks": part["chunks"], "slices": part["slices"]} | members)


def test_manifest() -> None:
    """[manifest.lakebed] [manifest.chunks] [manifest.slices] [manifest.crc32] [manifest.requires]"""
    ref = ManifestRef("0" * 64, 1, 3)
    assert len(decode_manifest(manifest(), ref, "key").runs) == 3
    for data, code in (
        (manifest(samples=4), "E_MANIFEST"),
        (manifest(samples=True), "E_MANIFEST"),
        (manifest(lakebed="3.0"), "E_VERSION"),
        (manifest(chunks={"name": []}), "E_TABLE_COLUMNS"),
        (manifest(slices=7), "E_TABLE_COLUMNS"),
        (manifest()[:-3], "E_JSON_CRC"),
    ):
        with pytest.raises(LakebedError) as caught:
            decode_manifest(data, ref, "key")
        assert caught.value.code == code and caught.value.object == "key"
    assert b"requires" not in manifest()


def test_tag() -> None:
    """[tag.lakebed] [tag.branch] [tag.number] [tag.sha256] [tag.crc32]"""
    tag = Tag("v1", CommitRef("main", 3, "a" * 64), "2026-01-01T00:00:00Z")
    data = encode_tag(tag)
    assert decode_tag(data, "tags/v1.json") == tag
    members = json.loads(data)
    for change in ({"tag": "v2"}, {"branch": "Main"}, {"number": 0}, {"number": 1.0}, {"sha256": "a"}, {"time": "now"}):
        with pytest.raises(LakebedError) as caught:
            decode_tag(sealed({k: v for k, v in (members | change).items() if k != "crc32"}), "tags/v1.json")
        assert caught.value.code == "E_TAG" and caught.value.clause == f"tag.{next(iter(change))}"


def test_head_of_another_place() -> None:
    """[commit.place]: a copy under another number or branch is refused."""
    store = MemoryStore()
    data = commits(1).get(KEY)
    store.put("commits/side/0000000001.json", data)
    with pytest.raises(LakebedError) as caught:
        lakebed.open(store, branch="side", number=1)
    assert caught.value.code == "E_COMMIT_PLACE"
