"""Writing scripts: commits, branches, tags, tensors that come and go."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import EDIT, new, numbered, start, u16, x_is

BRANCH = ("write.branch",)


@case("write/commit_members", "commit.message", "commit.author", "commit.time")
def _(b: Book) -> None:
    """Message, author and time as given

    History is read by people; what they wrote must come back, quotes and line breaks included.
    """
    said = {"message": 'a "quoted"\nline \u2713', "author": "M\u00fcller <m@example.org>"}
    script = new(s.append(x=u16(1, 2)))[:-1]
    script.append(s.commit(said["message"], author=said["author"], time="2026-01-31T12:00:00Z"))
    b.writes(script, x_is([u16(1, 2)]) | {"members": said | {"time": "2026-01-31T12:00:00Z"}})


@case("write/time_never_back", "commit.time.order", "algo.commit.make")
def _(b: Book) -> None:
    """A clock that is behind the last commit

    The writer takes the parent's time; opening by time bisects and would miss commits otherwise.
    """
    dataset = one(numbered(2), shape=[2], commit={"time": "2030-05-05T05:05:05Z"})
    script = [s.open_(), s.append(x=u16(1, 1)), s.commit("late", time="2026-01-01T00:00:00Z")]
    want = x_is([*numbered(2), u16(1, 1)]) | {"members": {"time": "2030-05-05T05:05:05Z"}}
    b.writes(script, want, start=dataset)


@case("write/unknown_members", "json.unknown", "version.write")
def _(b: Book) -> None:
    """Members of the commit and of a tensor that this writer does not know are kept

    A newer program's notes vanish when an older one appends.
    """
    dataset = one(numbered(2), shape=[2], commit={"x_note": {"by": [1, 2.5]}}, members={"x_stat": "kept"})
    want = x_is([*numbered(2), u16(1, 1)]) | {"members": {"x_note": {"by": [1, 2.5]}}}
    script = [s.open_(), s.append(x=u16(1, 1)), s.commit()]
    b.writes(script, want | {"layout": {"x": {"members": {"x_stat": "kept"}}}}, start=dataset)


@case("write/minor_above", "version.minor", "version.write")
def _(b: Book) -> None:
    """On top of a commit of format 1.7

    Only `requires` may stop a writer; its own commit says 1.0 or 1.7 and loses nothing.
    """
    dataset = one(numbered(2), shape=[2]).change("main/1", "/lakebed", "1.7").change("main/1", "/later", [1])
    want = x_is([*numbered(2), u16(1, 1)]) | {"members": {"later": [1]}}
    b.writes([s.open_(), s.append(x=u16(1, 1)), s.commit()], want, start=dataset)


@case("write/head_past_hint", "algo.newest", "algo.newest.gallop", "algo.commit.base")
def _(b: Book) -> None:
    """The hint names commit 1, the newest is 4

    A writer that believes the hint would fork history, or fail to create number 2.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(4), k=2))
    for n in range(1, 5):
        dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 0, n)])
        dataset.commit()
    dataset.hint("main", 1)
    want = x_is([*numbered(4), u16(5, 5)]) | {"number": 5}
    b.writes([s.open_(), s.append(x=u16(5, 5)), s.commit()], want, start=dataset)


@case("write/hint_broken", "hint.ignore", "algo.newest.list")
def _(b: Book) -> None:
    """A hint that is no document is ignored and replaced

    The only object that is overwritten must never be able to stop a writer.
    """
    dataset = start(2)
    dataset.put("commits/main/latest.json", b'{"lakebed":"1.0"')
    b.writes(
        [s.open_(), s.append(x=u16(5, 5)), s.commit()], x_is([*numbered(2), u16(5, 5)]) | {"number": 2}, start=dataset
    )


@case("write/hint_other_branch", "hint.ignore")
def _(b: Book) -> None:
    """A hint of another branch is ignored

    Copied folders carry it.
    """
    dataset = start(2)
    dataset.commit("dev", parent=("main", 1))
    dev = dataset.tree(False)["commits/dev/0000000001.json"]
    dataset.put("commits/main/latest.json", dev)
    b.writes(
        [s.open_(), s.append(x=u16(5, 5)), s.commit()], x_is([*numbered(2), u16(5, 5)]) | {"number": 2}, start=dataset
    )


@case("write/foreign_objects", "tree.foreign", "tree.dotfiles")
def _(b: Book) -> None:
    """Notes, temporary files and a README beside the dataset stay

    A writer that cleans up takes what is not its own.
    """
    dataset = start(2)
    dataset.put("README.txt", b"mine")
    dataset.put("commits/main/.0000000002.json.tmp", b"torn")
    dataset.put("chunks/zz/notes", b"?")
    b.writes([s.open_(), s.append(x=u16(5, 5)), s.commit()], x_is([*numbered(2), u16(5, 5)]), start=dataset)


@case("write/chunk_exists_torn", "algo.commit.upload", "tree.content")
def _(b: Book) -> None:
    """A torn object lies under the name of the chunk to be written

    A killed writer left it. Skipping the write because the name exists commits damaged data.
    """
    values = [np.array([[i, 7]], "<u2") for i in range(3)]
    whole = Dataset()
    whole.chunk("a", pack(values, k=3, tensor="y"))
    whole.tensor("y", dtype="uint16", shape=[1, 2], slices=[("a", 0, 3)])
    whole.commit()
    torn = {k: v[:-9] for k, v in whole.tree(False).items() if k.startswith("chunks/")}
    b.files |= {f"dataset/{k}": v for k, v in torn.items()}
    script = [s.create(), s.tensor("y", dtype="uint16", shape=[1, 2]), s.extend(y=values), s.commit()]
    b.writes(
        script, {"length": 3, "tensors": {"y": {"values": values, "dtype": "uint16"}}, "overwritten": sorted(torn)}
    )


@case("write/branch", "algo.branch", "commit.parent.first", features=BRANCH)
def _(b: Book) -> None:
    """A branch from main, then a commit on each

    Each branch has its own number 1 and its own history; neither sees the other's rows.
    """
    script = [
        s.open_(),
        s.simple("branch", branch="dev"),
        s.simple("checkout", branch="dev"),
        s.append(x=u16(1, 1)),
        s.commit("dev"),
        s.simple("checkout", branch="main"),
        s.append(x=u16(2, 2)),
        s.commit("main"),
    ]
    dev = x_is([*numbered(2), u16(1, 1)]) | {"branch": "dev", "number": 2}
    born = x_is(numbered(2)) | {"branch": "dev", "number": 1}
    main = x_is([*numbered(2), u16(2, 2)]) | {"branch": "main", "number": 2}
    b.writes(script, main | {"states": [dev, born]}, start=start(2))


@case("write/branch_parent", "commit.parent", "algo.branch", features=BRANCH)
def _(b: Book) -> None:
    """Number 1 of a branch names the commit it starts from

    Without the parent's hash nobody can tell where the branch came from.
    """
    dataset = start(2)
    from lakebed_conform.pen import sha256

    parent = {"branch": "main", "number": 1, "sha256": sha256(dataset.tree(False)["commits/main/0000000001.json"])}
    want = x_is(numbered(2)) | {"branch": "b.1", "number": 1, "members": {"parent": parent}}
    b.writes([s.open_(), s.simple("branch", branch="b.1")], want, start=dataset)


@case("write/close_branch", "algo.close", "commit.closed", features=BRANCH)
def _(b: Book) -> None:
    """A closed branch ends in a commit of equal content

    What was there can still be read; nothing can follow.
    """
    want = x_is(numbered(2)) | {"number": 2, "members": {"closed": True}}
    b.writes([s.open_(), s.simple("close_branch")], want, start=start(2))


@case("write/branch_from_closed", "commit.parent.hash", "algo.branch", features=BRANCH)
def _(b: Book) -> None:
    """A branch may start from a closed commit

    Closing ends a name, not the data.
    """
    dataset = start(2)
    dataset.commit("old", parent=("main", 1), closed=True)
    script = [
        s.open_(),
        s.simple("branch", branch="new"),
        s.simple("checkout", branch="new"),
        s.append(x=u16(1, 1)),
        s.commit(),
    ]
    b.writes(script, x_is([*numbered(2), u16(1, 1)]) | {"branch": "new", "number": 2}, start=dataset)


@case("write/tag_made", "algo.tag", "tag.target", features=BRANCH)
def _(b: Book) -> None:
    """A tag, then another commit

    The tag goes on naming the commit it was made for.
    """
    script = [s.open_(), s.simple("tag", name="v1.0"), s.append(x=u16(1, 1)), s.commit()]
    want = x_is([*numbered(2), u16(1, 1)]) | {"number": 2, "keys": ["tags/v1.0.json"]}
    b.writes(script, want, start=start(2))


@case("write/revert", "algo.revert", features=EDIT)
def _(b: Book) -> None:
    """Back to commit 1, as commit 3

    History stays: a revert is a new commit, and the reverted one still opens.
    """
    script = [
        s.open_(),
        s.delete(0),
        s.update(0, x=u16(9, 9)),
        s.commit("wrong"),
        s.simple("revert", number="1"),
        s.commit("back"),
    ]
    wrong = [u16(9, 9), *numbered(4)[2:]]
    b.writes(script, x_is(numbered(4)) | {"number": 3, "states": [x_is(wrong) | {"number": 2}]}, start=start(4))


@case("write/revert_then_append", "algo.revert", "algo.append", features=EDIT)
def _(b: Book) -> None:
    """A revert and an append in one commit

    The append belongs behind the reverted rows.
    """
    script = [s.open_(), s.delete(0, 1), s.commit(), s.simple("revert", number="1"), s.append(x=u16(9, 9)), s.commit()]
    b.writes(script, x_is([*numbered(4), u16(9, 9)]) | {"number": 3}, start=start(4))


@case("write/tensor_added_later", "algo.edit.tensor", "slice.null", features=EDIT)
def _(b: Book) -> None:
    """A tensor added to three rows is missing in them

    One slice of three missing samples, no object.
    """
    script = [s.open_(), s.tensor("y", dtype="uint8", shape=[]), s.append(x=u16(1, 1), y=np.array(4, "u1")), s.commit()]
    ys: list[Any] = [None, None, None, np.array(4, "u1")]
    tensors = {"x": {"values": [*numbered(3), u16(1, 1)], "dtype": "uint16"}, "y": {"values": ys, "dtype": "uint8"}}
    layout = {"y": {"slices": [[None, 0, 3], [0, 0, 1]]}}
    b.writes(script, {"length": 4, "tensors": tensors, "layout": layout}, start=start(3))


@case("write/tensor_deleted", "algo.edit.tensor", features=EDIT)
def _(b: Book) -> None:
    """A tensor removed: gone here, still there in commit 1

    Earlier commits keep it.
    """
    script = [
        s.create(),
        s.tensor("x", dtype="uint16", shape=[2]),
        s.tensor("y", dtype="uint16", shape=[2]),
        s.extend(x=numbered(2), y=numbered(2)),
        s.commit(),
        s.simple("delete_tensor", name="y"),
        s.commit(),
    ]
    both = {"x": {"values": numbered(2), "dtype": "uint16"}, "y": {"values": numbered(2), "dtype": "uint16"}}
    first = {"number": 1, "length": 2, "tensors": both}
    b.writes(script, x_is(numbered(2)) | {"number": 2, "gone": ["y"], "states": [first]})


@case("write/tensor_renamed", "algo.edit.tensor", "chunk.tensor.hints", features=EDIT)
def _(b: Book) -> None:
    """A tensor renamed, appended to, and its old name given to another

    Chunks keep their old name inside as a hint; nobody compares it.
    """
    script = [
        s.open_(),
        s.simple("rename_tensor", name="x", to="group/x"),
        s.tensor("x", dtype="uint8", shape=[]),
        *s.rows({"group/x": u16(1, 1), "x": np.array(3, "u1")}),
        s.commit(),
    ]
    tensors = {
        "group/x": {"values": [*numbered(2), u16(1, 1)], "dtype": "uint16"},
        "x": {"values": [None, None, np.array(3, "u1")], "dtype": "uint8"},
    }
    b.writes(script, {"length": 3, "tensors": tensors}, start=start(2))


@case("write/delete_and_recreate", "algo.edit.tensor", features=EDIT)
def _(b: Book) -> None:
    """A tensor removed and made again with another dtype

    The new one begins with missing samples, not with the old one's bytes.
    """
    script = [s.open_(), s.simple("delete_tensor", name="x"), s.tensor("x", dtype="float32", shape=[]), s.commit()]
    b.writes(script, x_is([None, None, None], "float32"), start=start(3))


@case("write/attributes", "commit.attributes", "tensor.attributes", features=EDIT)
def _(b: Book) -> None:
    """Attributes of the dataset and of a tensor

    Merged by key; a null takes one away; numbers stay what they are.
    """
    dataset = one(numbered(2), shape=[2], commit={"attributes": {"keep": 1, "drop": [1]}})
    script = [
        s.open_(),
        s.simple("attributes", attributes={"new": {"pi": 3.25, "n": 9007199254740991}, "drop": None}),
        s.simple("attributes", name="x", attributes={"unit": "\u00b5m"}),
        s.commit(),
    ]
    want = x_is(numbered(2)) | {"members": {"attributes": {"keep": 1, "new": {"pi": 3.25, "n": 9007199254740991}}}}
    b.writes(script, want | {"layout": {"x": {"members": {"attributes": {"unit": "\u00b5m"}}}}}, start=dataset)


@case("write/discard", "model.dataset", "algo.commit.kill")
def _(b: Book) -> None:
    """What is discarded is never seen

    Nothing of an uncommitted row may reach the next commit.
    """
    script = [s.open_(), s.append(x=u16(7, 7)), s.simple("discard"), s.append(x=u16(8, 8)), s.commit()]
    b.writes(script, x_is([*numbered(2), u16(8, 8)]) | {"number": 2}, start=start(2))


@case("write/manifests_kept", "algo.edit.manifests", "manifest.ref")
def _(b: Book) -> None:
    """Appending behind sealed slices

    The manifest is named again or its slices are copied; either way every row is there once.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(4), k=2))
    dataset.manifest("m", [("a", 0, 3)])
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 3, 1)], manifests=["m"])
    dataset.commit()
    b.writes([s.open_(), s.append(x=u16(5, 5)), s.commit()], x_is([*numbered(4), u16(5, 5)]), start=dataset)


@case("write/manifests_edited", "algo.edit.manifests", features=EDIT)
def _(b: Book) -> None:
    """Rows inside sealed slices updated, inserted and deleted

    Manifests are never changed; what follows the edit gets new slices.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(numbered(6), k=2))
    dataset.manifest("m", [("a", 0, 3)])
    dataset.manifest("n", [("a", 3, 2)])
    dataset.tensor("x", dtype="uint16", shape=[2], slices=[("a", 5, 1)], manifests=["m", "n"])
    dataset.commit()
    rows = numbered(6)
    rows[4] = u16(44, 44)
    rows.insert(3, u16(33, 33))
    del rows[1]
    script = [s.open_(), s.update(4, x=u16(44, 44)), s.insert(3, x=u16(33, 33)), s.delete(1), s.commit()]
    b.writes(script, x_is(rows), start=dataset)


@case("write/compact", "algo.compact", "algo.compact.units", features=("write.compact",))
def _(b: Book) -> None:
    """Twelve slices of one row each, compacted

    No sample changes, whatever it costs to read; the old commit still opens.
    """
    dataset = Dataset()
    slices = []
    for n, row in enumerate(numbered(12)):
        slices.append((dataset.chunk(f"c{n}", pack([row])), 0, 1))
    dataset.tensor("x", dtype="uint16", shape=[2], slices=slices)
    dataset.commit()
    before = x_is(numbered(12)) | {"number": 1}
    want = x_is(numbered(12)) | {"states": [before], "number": 2, "layout": {"x": {"chunks": 1}}}
    b.writes([s.open_(), s.simple("compact")], want, start=dataset)


@case("write/compact_missing", "algo.compact", features=("write.compact",))
def _(b: Book) -> None:
    """Compacting keeps missing samples, empty lists and free shapes

    Three kinds of nothing must not become one.
    """
    values: list[Any] = [[np.zeros((0,), "u1")], [], None, [np.arange(3, dtype="u1"), np.arange(1, dtype="u1")]]
    dataset = Dataset()
    slices: list[Any] = []
    for n, v in enumerate(values):
        slices.append(
            (None, 0, 1)
            if v is None
            else (dataset.chunk(f"c{n}", pack([v], sequence=True, dtype="uint8", rank=1)), 0, 1)
        )
    dataset.tensor("x", dtype="uint8", shape=[None], sequence=True, slices=slices)
    dataset.commit()
    want = x_is(values, "uint8", sequence=True) | {"number": 2, "layout": {"x": {"chunks": 1}}}
    b.writes([s.open_(), s.simple("compact")], want, start=dataset)
