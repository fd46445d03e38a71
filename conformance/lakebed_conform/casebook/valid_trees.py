"""Valid trees: commits, branches, tags, hints, manifests, slices, unknown members, larger minors."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import Dataset, one, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.first_chunk import rows, small
from lakebed_conform.casebook.invalid_documents import history, values
from lakebed_conform.pen import Raw

MOST = (1 << 53) - 1


def numbered(n: int, hint: int | None = None) -> tuple[Dataset, list[np.ndarray]]:
    """n commits of one row each; the hint is a copy of commit ``hint``."""
    dataset, kept = Dataset(), [np.array(i, "<i4") for i in range(n)]
    for i in range(n):
        dataset.chunk(f"c{i}", pack([kept[i]]))
        dataset.tensor("x", dtype="int32", shape=[], slices=[(f"c{j}", 0, 1) for j in range(i + 1)])
        dataset.commit()
    if hint is not None:
        dataset.hint("main", hint)
    return dataset, kept


for name, n, hint in (("fresh", 3, 3), ("one_behind", 3, 2), ("far_behind", 40, 1), ("absent", 9, None)):

    @case(f"hint/{name}", "algo.newest", "algo.newest.hint", "algo.newest.gallop", "algo.newest.read", "algo.open.1",
          "hint.ignore", "algo.open.2")  # fmt: skip
    def _(b: Book, name=name, n=n, hint=hint) -> None:
        b.explain(
            f"The hint is {name.replace('_', ' ')}", "A hint that is believed shows yesterday's rows as the newest."
        )
        dataset, kept = numbered(n, hint)
        b.reads(dataset, {"x": kept})


BROKEN: dict[str, Any] = {
    "empty": lambda d: b"", "cut": lambda d: d[:40], "crc": lambda d: d[:-4] + b"00\"}",
    "text": lambda d: b"newest: 3\n",
    "other_json": lambda d: b"[1,2]", "newline": lambda d: d + b"\n",
}  # fmt: skip
for name, change in BROKEN.items():

    @case(f"hint/broken_{name}", "hint.ignore", "hint.checker", "algo.newest.hint")
    def _(b: Book, change=change, name=name) -> None:
        b.explain(
            f"A hint that is no document: {name}",
            "Only a hint is overwritten, so only a hint may be torn: it is ignored.",
        )
        dataset, kept = numbered(3, 2)
        b.reads(dataset.change("hint:main", "bytes", change), {"x": kept})


def resealed(change: Any) -> Any:
    """Change the text of a document and lay the checksum again."""
    from lakebed_conform.pen import sealed

    return lambda d: sealed(change(d[:-20] + b"}"))


WRONG: dict[str, Any] = {
    "other_branch": resealed(lambda d: d.replace(b'"branch":"main"', b'"branch":"mean"', 1)),
    "version_2": resealed(lambda d: d.replace(b'"lakebed":"1.0"', b'"lakebed":"2.0"', 1)),
    "number_0": resealed(lambda d: d.replace(b'"number":2,', b'"number":0,', 1)),
    "number_past": resealed(lambda d: d.replace(b'"number":2,', b'"number":7,', 1)),
    "number_string": resealed(lambda d: d.replace(b'"number":2,', b'"number":"2",', 1)),
    "time": resealed(lambda d: d.replace(b'"time":"2026', b'"time":"20x6', 1)),
}  # fmt: skip
for name, change in WRONG.items():

    @case(f"hint/wrong_{name}", "hint.ignore", "hint.checker", "algo.newest")
    def _(b: Book, change=change, name=name) -> None:
        b.explain(
            f"A hint with a right checksum and a wrong {name}", "A stale or foreign hint must never choose the dataset."
        )
        dataset, kept = numbered(3, 2)
        b.reads(dataset.change("hint:main", "bytes", change), {"x": kept})


@case("tree/expired_prefix", "algo.newest", "commit.parent.expired", "algo.expire.dangling", "tree.absent")
def _(b: Book) -> None:
    """The oldest commits of a branch are expired

    A reader that starts at number 1 finds nothing where a dataset is.
    """
    dataset, kept = numbered(5, 5)
    for i in (1, 2, 3):
        dataset.change(f"main/{i}", "absent", True)
    b.reads(dataset, {"x": kept})
    b.ask("inspect", None, error="E_COMMIT_ABSENT", number="2")


@case("tree/expired_no_hint", "algo.newest", "commit.parent.expired")
def _(b: Book) -> None:
    """The oldest commits are expired and there is no hint

    Where the store can list, listing finds the newest.
    """
    dataset, kept = numbered(4)
    dataset.change("main/1", "absent", True).change("main/2", "absent", True)
    b.reads(dataset, {"x": kept})


@case("tree/old_numbers", "algo.open.3", "model.dataset", "tree.immutable")
def _(b: Book) -> None:
    """Every number of a branch opens as it was

    A reader that mixes chunks of two commits shows a state that never was.
    """
    dataset, kept = numbered(3)
    b.reads(dataset, {"x": kept})
    for n in (1, 2):
        want = b.want(f"want.n{n}.raw", kept[:n], "int32")
        b.ask("read", want, tensor="x", number=str(n))
    for number in ("4", "9999999999"):
        b.ask("inspect", None, error="E_COMMIT_ABSENT", number=number)


def branches() -> Dataset:
    dataset = small()
    dataset.chunk("more", pack([rows(1)[0] + 1]))
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5), ("more", 0, 1)])
    dataset.commit("dev-2.a_b", parent=("main", 1))
    dataset.commit("dev-2.a_b", closed=True)
    return dataset


@case("tree/branches", "tree.name", "algo.open.2", "commit.closed", "commit.parent", "commit.parent.first")
def _(b: Book) -> None:
    """A branch from a commit of another, and its last, closed commit

    A closed branch opens for reading like any other.
    """
    b.reads(branches(), {"x": rows()})
    want = b.want("want.dev.raw", [*rows(), rows(1)[0] + 1], "uint8")
    b.ask("read", want, tensor="x", branch="dev-2.a_b")


@case("tree/no_main", "tree.default", "tree.absent", "algo.open.2")
def _(b: Book) -> None:
    """A dataset without a branch main

    A root is a dataset when any branch has a commit.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(rows(), k=2))
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5)])
    dataset.commit("dev")
    b.reads(dataset, {"x": rows()}, branch="dev")
    b.ask("inspect", None, error="E_BRANCH_ABSENT")


@case("tree/tags", "algo.open.4", "tag.target", "tag.branch", "tag.number", "tag.sha256", "tag.time", "tag.tag")
def _(b: Book) -> None:
    """Tags of old commits and of other branches open what they name

    A tag that opens the newest commit instead changes a paper's results.
    """
    dataset = branches()
    dataset.tag("v1", members=[1])
    dataset.tag("v1.0-rc_1", "dev-2.a_b", 1)
    b.reads(dataset, {"x": rows()}, tag="v1")
    want = b.want("want.rc.raw", [*rows(), rows(1)[0] + 1], "uint8")
    b.ask("read", want, tensor="x", tag="v1.0-rc_1")
    b.ask("inspect", None, error="E_TAG_ABSENT", tag="v2")


MINORS = ("1.1", "1.10", "1.999999999")
for n, version in enumerate(MINORS):

    @case(f"version/minor_{n}", "version.minor", "json.version", "version.mixed", "json.unknown", "version.unknown.key")
    def _(b: Book, version=version) -> None:
        b.explain(f"A commit of version {version} with members of that version, on top of one of 1.0",
                  "A minor adds what older readers may ignore; refusing it stops every old loader.")  # fmt: skip
        dataset = history()
        dataset.change("main/2", "/lakebed", version).change("main/2", "/later", {"a": [1.5, None]})
        dataset.change("main/2", "/tensors/x/later", [1]).change("tag:v1", "/later", 1).change("m", "/later", "x")
        b.reads(dataset, {"x": [*values(), values()[0]]})


@case("version/requires_write", "commit.requires", "commit.requires.write", "version.requires")
def _(b: Book) -> None:
    """Unknown names in requires.write do not concern readers

    A statistics feature that old writers would falsify must not stop old readers.
    """
    b.reads(history().change("main/2", "/requires/write", ["stats.v2", "a-b_c"]), {"x": [*values(), values()[0]]})


@case("version/refused_first", "commit.requires.checks", "safety.order", "algo.open.6")
def _(b: Book) -> None:
    """An unknown name in requires.read, and members that 1.0 would refuse

    A document of the future is refused by its own words and not by a rule it has replaced.
    """
    dataset = history().fault("main/2", "/requires/read", ["rows.v2"]).fault("main/2", "/number", "two")
    b.refuses(dataset, "E_REQUIRES_READ", op="inspect", roles=("reader",), why="the member that the feature changed")
    b.ask("check", None, error="E_REQUIRES_READ", also=("E_COMMIT_FIELD",))


DOCUMENTS: dict[str, tuple[str, Any]] = {
    "time_fraction": ("/time", "2026-01-01T00:00:02.5Z"), "time_six": ("/time", "2026-12-31T23:59:59.999999Z"),
    "time_leap_day": ("/time", "2028-02-29T23:59:59Z"), "author": ("/author", "\u00e9 \U0001f600 \"q\" \\ \n"),
    "message_long": ("/message", "m" * 5000), "attributes": ("/attributes", {"a": {"b": [1, -1.5e-3, None, True, ""]}}),
    "integers_edge": ("/zz", [MOST, -MOST]), "float_edge": ("/zz", [1.7976931348623157e308, -0.0, 5e-324, 1e-400]),
    "float_forms": ("/zz", Raw(b"[1.0,1e0,1E+2,-0,-0.0]")), "depth_32": ("/zz", Raw(b"[" * 31 + b"]" * 31)),
    "blanks": ("/zz", Raw(b" [ 1 ,\t2 ]\n")), "escapes": ("/zz", Raw(b'"\\u00e9\\ud83d\\ude00\\/"')),
    "proto": ("/__proto__", {"length": 0}), "name_length": ("/" + "n" * 1000, 1), "nul": ("/zz", "a\0b"),
}  # fmt: skip
for name, (pointer, value) in DOCUMENTS.items():

    @case(f"document/{name}", "json.unknown", "json.syntax", "json.depth", "json.integers", "json.floats",
          "commit.time",
          "commit.author", "commit.message", "commit.attributes")  # fmt: skip
    def _(b: Book, pointer=pointer, value=value, name=name) -> None:
        b.explain(f"A commit with {name.replace('_', ' ')}", "What the text allows a parser must take.")
        b.reads(history().change("main/2", pointer, value), {"x": [*values(), values()[0]]})


@case("document/member_order", "json.order")
def _(b: Book) -> None:
    """Members stand in another order, tensors first

    The order of members means nothing, but for the checksum at the end.
    """

    def reverse(data: bytes) -> bytes:
        import json

        from lakebed_conform.pen import json_bytes

        return json_bytes(dict(reversed(json.loads(data).items())))

    b.reads(history().change("main/2", "text", reverse), {"x": [*values(), values()[0]]})


@case("document/tensor_names", "tensor.name", "commit.tensors", "tree.keys", "algo.newest.read")
def _(b: Book) -> None:
    """Tensor names of every kind that is allowed

    Names with digits first are moved by some languages; groups are not folders.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(rows(2)))
    names = [
        "b",
        "10",
        "2",
        "a/b",
        "a/c.d-e_f",
        "A",
        "x" * 64,
        "/".join(["a" * 63] * 3 + ["B" * 63]),
        "constructor",
        "length",
    ]
    for name in names:
        dataset.tensor(name, dtype="uint8", shape=[3], slices=[("a", 0, 2)])
    dataset.commit()
    b.reads(dataset, {n: rows(2) for n in names[:4]})


@case("document/no_tensors", "commit.tensors", "commit.length", "model.length")
def _(b: Book) -> None:
    """A commit without tensors, of length 0

    The first commit of a dataset often is.
    """
    dataset = Dataset()
    dataset.commit()
    b.reads(dataset, {})


@case("document/length_0", "tensor.length", "json.column", "algo.edit.tensor")
def _(b: Book) -> None:
    """A tensor without samples: tables without rows

    Empty tables have empty columns, or any integer.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[])
    dataset.commit()
    dataset.change("main/1", "/tensors/x/slices/first", 7)
    b.reads(dataset, {"x": []})


@case("tree/foreign", "tree.foreign", "tree.dotfiles", "tree.keys")
def _(b: Book) -> None:
    """Foreign objects, temporary files and a candidate list among the rest

    Folders gather such files; none of them is part of the dataset and none is a fault.
    """
    dataset = small()
    for key in ("README.txt", "chunks/ab/notes", "commits/main/1.json", "commits/main/.tmp-1",
                ".sweep-" + "a" * 32 + ".json",
                "tags/.v1.json.tmp", "manifests/zz/x.json", "commits/main/00000000001.json"):  # fmt: skip
        dataset.put(key, b"not a document")
    b.reads(dataset, {"x": rows()})


@case("tree/unnamed_chunk", "tree.foreign", "model.dataset")
def _(b: Book) -> None:
    """A chunk that no commit names, damaged

    A writer at work or an aborted one left it; nothing outside a commit changes what is read.
    """
    dataset = small()
    dataset.put("chunks/ab/" + "ab" * 32 + ".chunk", b"torn")
    b.reads(dataset, {"x": rows()}, checker=False)


@case("tree/unknown_dtype", "dtype.unknown", "version.unknown.dtype", "tensor.dtype")
def _(b: Book) -> None:
    """A tensor of an unknown dtype fails, the others are read

    The whole dataset must not be lost for one tensor of tomorrow.
    """
    dataset = Dataset()
    dataset.chunk("a", pack(rows(), k=2))
    dataset.chunk("f", pack(rows(), k=2, dtype="float4_e2m1"))
    dataset.tensor("x", dtype="uint8", shape=[3], slices=[("a", 0, 5)])
    dataset.tensor("y", dtype="float4_e2m1", shape=[3], slices=[("f", 0, 5)])
    dataset.commit()
    b.reads(dataset, {"x": rows()}, checker=False)
    b.ask("read", None, error="E_DTYPE_UNSUPPORTED", tensor="y")


@case("tree/chunk_minor", "version.chunk", "chunk.trailer.minor", "chunk.index.unknown")
def _(b: Book) -> None:
    """A chunk of a larger minor with unknown keys

    A chunk minor adds what may be ignored.
    """
    dataset = small().change("a", "trailer.minor", 65535).change("a", "index.+later", {"a": [1, 2.5, False]})
    b.reads(dataset, {"x": rows()})


@case(
    "tensor/every_member", "tensor.members", "tensor.attributes", "tensor.write", "tensor.sequence", "tensor.fidelity"
)
def _(b: Book) -> None:
    """A tensor that states every member, defaults included

    What may be left out may be there.
    """
    members = {"sequence": False, "fidelity": "exact", "attributes": {"unit": "mm"}, "manifests": [],
               "write": {"codecs": [[{"name": "zz"}]], "unit": {"items": 3}, "tile": [7], "more": 1}}  # fmt: skip
    b.reads(one(rows(), shape=[3], k=2, members=members), {"x": rows()})
