"""Invalid JSON: the outer rules of every document, the members of commits, tags and manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lakebed_conform.builders import DROP, Dataset, pack
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.pen import Raw, crc32

HEX = "ab" * 32


def values() -> list[np.ndarray]:
    return [np.array([i, -i], "<i4") for i in range(3)]


def history() -> Dataset:
    """Two commits, a tag of the first, a manifest in the second; tensor ``x``."""
    dataset = Dataset()
    dataset.chunk("a", pack(values()))
    dataset.tensor("x", dtype="int32", shape=[2], slices=[("a", 0, 3)])
    dataset.commit(author="an", message="one")
    dataset.manifest("m", [("a", 0, 3)])
    dataset.tensor("x", dtype="int32", shape=[2], slices=[("a", 0, 1)], manifests=["m"])
    dataset.commit()
    dataset.tag("v1")
    return dataset


def ask(b: Book, dataset: Dataset, label: str, code: str, **how: Any) -> None:
    """Refused where the object is used: the tag by its name, the manifest by a read, the commit by opening it."""
    where: dict[str, Any] = {"tag:v1": {"op": "inspect", "tag": "v1"}, "m": {"op": "read"}}.get(
        label, {"op": "inspect"}
    )
    b.refuses(dataset, code, **where, **how)


# the outer rules, shown on three kinds of document

Bytes = Callable[[bytes], bytes]
SYNTAX, CRC, LIMIT = "E_JSON_SYNTAX", "E_JSON_CRC", "E_JSON_LIMIT"


def behind(text: bytes) -> Bytes:
    """Put ``text`` in front of the last brace, before the checksum is laid."""
    return lambda d: d[:-1] + text + b"}"


OUTER: dict[str, tuple[str, str, Any, str, str]] = {
    "crc_absent": ("no checksum", "bytes", lambda d: d[:-20] + b"}", CRC, "json.crc"),
    "crc_newline": ("a newline behind the document", "bytes", lambda d: d + b"\n", CRC, "json.crc"),
    "crc_blank": ("a blank inside the last 20 bytes", "bytes", lambda d: d[:-11] + b" " + d[-11:], CRC, "json.crc"),
    "crc_one_digit": ("one digit of the checksum is another", "bytes",
                      lambda d: d[:-3] + (b"0" if d[-3:-2] != b"0" else b"1") + d[-2:], CRC, "json.crc"),
    "crc_with_comma": ("the checksum covers the comma too", "crc", lambda d: d + b",", CRC, "json.crc"),
    "crc_whole": ("the checksum is that of the document without it", "crc", lambda d: d + b"}", CRC, "json.crc"),
    "cut": ("the last byte is missing", "bytes", lambda d: d[:-1], CRC, "json.crc"),
    "empty": ("no bytes at all", "bytes", lambda d: b"", CRC, "json.crc"),
    "bom": ("a byte order mark", "text", lambda d: b"\xef\xbb\xbf" + d, SYNTAX, "json.syntax"),
    "comma": ("a comma too many", "text", behind(b",\"zz\":[1,]"), SYNTAX, "json.syntax"),
    "nan": ("NaN", "text", behind(b",\"zz\":NaN"), SYNTAX, "json.syntax"),
    "infinity": ("-Infinity", "text", behind(b",\"zz\":-Infinity"), SYNTAX, "json.syntax"),
    "comment": ("a comment", "text", behind(b"/* */"), SYNTAX, "json.syntax"),
    "quotes": ("a name in single quotes", "text", behind(b",'zz':1"), SYNTAX, "json.syntax"),
    "leading_zero": ("a number with a leading zero", "text", behind(b",\"zz\":01"), SYNTAX, "json.syntax"),
    "plus": ("a number with a plus", "text", behind(b",\"zz\":+1"), SYNTAX, "json.syntax"),
    "bare_point": ("a number that begins with a point", "text", behind(b",\"zz\":.5"), SYNTAX, "json.syntax"),
    "control": ("a control character in a string", "text", behind(b",\"zz\":\"\x01\""), SYNTAX, "json.syntax"),
    "utf8": ("a byte that is no UTF-8", "text", behind(b",\"zz\":\"\xff\""), SYNTAX, "json.syntax"),
    "utf8_surrogate": ("a surrogate in UTF-8", "text", behind(b",\"zz\":\"\xed\xa0\x80\""), SYNTAX, "json.syntax"),
    "array": ("an array", "text", lambda d: b"[" + d, SYNTAX, "json.object"),
    "two": ("two texts", "text", lambda d: b"{}" + d, SYNTAX, "json.object"),
    "depth_33": ("33 levels", "text", behind(b",\"zz\":" + b"[" * 32 + b"]" * 32), LIMIT, "json.depth"),
    "depth_objects": ("33 levels of objects", "text", behind(b",\"zz\":" + b"{\"a\":" * 32 + b"1" + b"}" * 32), LIMIT,
                      "json.depth"),
    "integer_2_53": ("2^53", "text", behind(b",\"zz\":9007199254740992"), LIMIT, "json.integers"),
    "integer_minus": ("-2^53", "text", behind(b",\"zz\":-9007199254740992"), LIMIT, "json.integers"),
    "integer_long": ("an integer of 400 digits", "text", behind(b",\"zz\":" + b"9" * 400), LIMIT, "model.integers"),
    "float_1e400": ("1e400", "text", behind(b",\"zz\":1e400"), LIMIT, "json.floats"),
}  # fmt: skip
for name, (words, field, change, code, clause) in OUTER.items():
    for label, kind in (("main/2", "commit"), ("m", "manifest"), ("tag:v1", "tag")):
        if (name, kind) == ("empty", "manifest"):
            continue  # the commit itself would have to name no bytes

        @case(f"json/{kind}_{name}", clause, *((f"{kind}.crc32",) if code == CRC else ()))
        def _(b: Book, words=words, field=field, change=change, code=code, label=label) -> None:
            b.explain(
                f"{'Commit' if label == 'main/2' else 'Manifest' if label == 'm' else 'Tag'}: {words}",
                "Parsers differ in what they forgive; a document that two of them read differently is two datasets.",
            )
            dataset = history()
            if field == "crc":
                tree = dataset.tree(False)
                body = tree[dataset.places[label]][:-20]
                field, change = "crc32", f"{crc32(change(body)):08x}"
            ask(b, dataset.fault(label, field, change), label, code)


CHECKERS: dict[str, tuple[str, Any, Any, str, str]] = {
    "surrogate_value": ("an unpaired surrogate in a string", "text", behind(b",\"zz\":\"\\ud800\""), SYNTAX,
                        "json.surrogate"),
    "surrogate_name": ("an unpaired surrogate in a name", "text", behind(b",\"\\udfff\":1"), SYNTAX, "json.surrogate"),
    "duplicate": ("a member twice", "text", behind(b",\"length\":3"), "E_JSON_DUPLICATE", "json.duplicate"),
    "duplicate_deep": ("a member twice, deep inside", "text", behind(b",\"zz\":[{\"a\":{\"b\":1,\"b\":2}}]"),
                       "E_JSON_DUPLICATE", "json.duplicate"),
    "duplicate_escaped": ("a member twice, once escaped", "text", behind(b",\"\\u006cength\":3"),
                          "E_JSON_DUPLICATE", "json.duplicate"),
}  # fmt: skip
for name, (words, field, change, code, clause) in CHECKERS.items():

    @case(f"json/{name}", clause)
    def _(b: Book, words=words, field=field, change=change, code=code) -> None:
        b.explain(f"Commit: {words}", "Some platforms cannot see it, so the checker must: they take the last of two.")
        b.refuses(history().fault("main/2", field, change), code, roles=("checker",))


# members: pointer, value, other codes that the text leaves, roles

BOTH, CHECKER = ("reader", "checker"), ("checker",)
COMMIT: dict[str, dict[str, tuple[Any, tuple[str, ...], tuple[str, ...]]]] = {
    "requires": {
        "absent": (DROP, (), BOTH), "array": ([], (), BOTH), "read_only": ({"read": []}, (), BOTH),
        "more": ({"read": [], "write": [], "see": []}, (), BOTH), "string": ({"read": "", "write": []}, (), BOTH),
        "number": ({"read": [1], "write": []}, (), BOTH), "capital": ({"read": [], "write": ["A"]}, (), BOTH),
        "blank": ({"read": [], "write": ["a b"]}, (), BOTH), "none": ({"read": [], "write": [""]}, (), BOTH),
        "twice": ({"read": [], "write": ["a", "a"]}, (), BOTH), "null": (None, (), BOTH),
    },
    "branch": {"absent": (DROP, (), BOTH), "number": (1, (), BOTH), "null": (None, (), BOTH),
               "capital": ("Main", ("E_COMMIT_PLACE",), BOTH)},
    "number": {
        "absent": (DROP, (), BOTH), "string": ("2", (), BOTH), "null": (None, (), BOTH), "true": (True, (), BOTH),
        "zero": (0, ("E_COMMIT_PLACE",), BOTH), "ten_digits": (10**10, ("E_COMMIT_PLACE",), BOTH),
        "fraction": (Raw(b"2.0"), (), CHECKER), "exponent": (Raw(b"2e0"), (), CHECKER), "half": (2.5, (), BOTH),
    },
    "id": {"absent": (DROP, (), BOTH), "short": ("a" * 31, (), BOTH), "long": ("a" * 33, (), BOTH),
           "capital": ("A" * 32, (), BOTH), "newline": ("a" * 32 + "\n", (), BOTH), "number": (7, (), BOTH)},
    "closed": {"number": (1, (), BOTH), "string": ("true", (), BOTH), "null": (None, (), BOTH)},
    "parent": {
        "absent": (DROP, (), BOTH), "null": (None, (), BOTH), "string": ("main/1", (), BOTH),
        "short": ({"branch": "main", "number": 1}, (), BOTH), "array": ([], (), BOTH),
    },
    "parent/id": {"more": ("", (), BOTH)},
    "parent/number": {"itself": (2, (), BOTH), "later": (3, (), BOTH), "string": ("1", (), BOTH)},
    "parent/branch": {"other": ("dev", (), BOTH), "capital": ("Main", (), BOTH)},
    "parent/sha256": {"short": ("ab", (), BOTH), "capital": ("AB" * 32, (), BOTH), "null": (None, (), BOTH)},
    "time": {
        "absent": (DROP, (), BOTH), "null": (None, (), BOTH), "number": (1767225600, (), BOTH),
        "zone": ("2026-01-01T00:00:02+00:00", (), BOTH), "no_zone": ("2026-01-01T00:00:02", (), BOTH),
        "small_z": ("2026-01-01T00:00:02z", (), BOTH), "blank": ("2026-01-01 00:00:02Z", (), BOTH),
        "february": ("2026-02-29T00:00:00Z", (), BOTH), "month_13": ("2026-13-01T00:00:00Z", (), BOTH),
        "hour_24": ("2026-01-01T24:00:00Z", (), BOTH), "leap_second": ("2026-06-30T23:59:60Z", (), BOTH),
        "seven_digits": ("2026-01-01T00:00:02.1234567Z", (), BOTH), "point": ("2026-01-01T00:00:02.Z", (), BOTH),
        "year_5": ("12026-01-01T00:00:02Z", (), BOTH), "newline": ("2026-01-01T00:00:02Z\n", (), BOTH),
        "digits": ("2026-01-01T00:00:0\uff12Z", (), BOTH),
    },
    "author": {"number": (1, (), BOTH), "null": (None, (), BOTH)},
    "message": {"array": (["a"], (), BOTH), "null": (None, (), BOTH)},
    "length": {"absent": (DROP, (), BOTH), "string": ("4", (), BOTH), "null": (None, (), BOTH),
               "negative": (-1, (), BOTH), "true": (True, (), BOTH), "fraction": (Raw(b"4.0"), (), CHECKER),
               "exponent": (Raw(b"4e0"), (), CHECKER)},
    "attributes": {"array": ([], (), BOTH), "null": (None, (), BOTH), "string": ("{}", (), BOTH)},
    "tensors": {"absent": (DROP, (), BOTH), "array": ([], (), BOTH), "null": (None, (), BOTH)},
}  # fmt: skip
for member, wrong in COMMIT.items():
    for name, (value, also, roles) in wrong.items():
        more = ("json.integer_form",) if roles == CHECKER or name == "true" else ()
        also += ("E_COMMIT_PARENT",) if member.startswith("parent") else ()
        clause = f"commit.{member.split('/')[0]}"

        @case(f"commit/{member.replace('/', '_')}_{name}", clause, *more)
        def _(b: Book, member=member, value=value, also=also, roles=roles) -> None:
            b.explain(
                f"Commit: {member} is {value!r}"[:90],
                "A commit is the whole state of a dataset; a member of another form is read as another state.",
            )
            dataset = history().fault("main/2", f"/{member}", value)
            b.refuses(dataset, "E_COMMIT_FIELD", op="inspect", also=also, roles=roles)


@case("commit/parent_of_first_same_branch", "commit.parent", "commit.parent.first")
def _(b: Book) -> None:
    """Number 1 of a branch has a parent on its own branch

    A history that contains itself never ends.
    """
    parent = {"branch": "main", "number": 1, "sha256": HEX}
    dataset = history().fault("main/1", "/parent", parent)
    b.refuses(dataset, "E_COMMIT_FIELD", op="inspect", also=("E_COMMIT_PARENT",), number="1")


VERSIONS = {
    "absent": DROP, "number": 1.0, "null": None, "major_only": "1", "three": "1.0.0", "leading_zero": "01.0",
    "minor_zero": "1.00", "letter": "v1.0", "blank": "1.0 ", "newline": "1.0\n", "minus": "1.-1", "empty": "",
    "major_0": "0.9", "major_2": "2.0", "major_10": "10.0", "long": "1.1234567890", "digits": "\uff11.0",
}  # fmt: skip
for name, value in VERSIONS.items():
    for label, kind in (("main/2", "commit"), ("m", "manifest"), ("tag:v1", "tag")):
        if kind != "commit" and name not in ("absent", "major_2", "leading_zero"):
            continue

        @case(f"{kind}/version_{name}", "json.version", "version.major", f"{kind}.lakebed")
        def _(b: Book, value=value, label=label) -> None:
            b.explain(
                f"{label}: lakebed is {value!r}",
                "A version that is guessed lets a reader go on with a text that it does not know.",
            )
            ask(b, history().fault(label, "/lakebed", value), label, "E_VERSION")


TAG: dict[str, dict[str, tuple[Any, tuple[str, ...]]]] = {
    "tag": {"absent": (DROP, ()), "other": ("v2", ()), "null": (None, ()), "capital": ("V1", ())},
    "branch": {"absent": (DROP, ()), "capital": ("Main", ()), "path": ("../main", ()), "number": (1, ())},
    "number": {"absent": (DROP, ()), "zero": (0, ()), "string": ("1", ()), "true": (True, ()), "ten_digits": (10**10,
                                        ())},
    "sha256": {"absent": (DROP, ()), "short": ("ab" * 31, ()), "capital": ("AB" * 32, ()), "null": (None, ())},
    "time": {"absent": (DROP, ()), "no_zone": ("2026-01-02T00:00:00", ()), "number": (0, ())},
}  # fmt: skip
for member, wrong in TAG.items():
    for name, (value, also) in wrong.items():

        @case(f"tag/{member}_{name}", f"tag.{member}", "algo.open.4")
        def _(b: Book, member=member, value=value, also=also) -> None:
            b.explain(f"Tag: {member} is {value!r}"[:90], "A tag names one commit for good; half a name is none.")
            ask(b, history().fault("tag:v1", f"/{member}", value), "tag:v1", "E_TAG", also=also)


@case("tag/target_absent", "tag.target")
def _(b: Book) -> None:
    """A tag whose commit does not exist

    A tag that outlives its commit must not open the newest one instead.
    """
    ask(b, history().fault("tag:v1", "/number", 7), "tag:v1", "E_TAG_TARGET")


@case("tag/target_other_number", "tag.target", features=("reader.sha256",))
def _(b: Book) -> None:
    """A tag that names another commit than its hash

    Both exist; which of them was released?
    """
    b.refuses(history().fault("tag:v1", "/number", 2), "E_TAG_TARGET", op="inspect", tag="v1")


MANIFEST: dict[str, tuple[str, Any, str, str]] = {
    "samples_absent": ("/samples", DROP, "E_MANIFEST", "manifest.samples"),
    "samples_less": ("/samples", 2, "E_MANIFEST", "manifest.samples"),
    "samples_zero": ("/samples", 0, "E_MANIFEST", "manifest.samples"),
    "samples_string": ("/samples", "3", "E_MANIFEST", "manifest.samples"),
    "count_less": ("/slices/count", [2], "E_MANIFEST", "manifest.samples"),
    "chunks_absent": ("/chunks", DROP, "E_TABLE_COLUMNS", "manifest.chunks"),
    "chunks_column": ("/chunks/size", 1, "E_TABLE_COLUMNS", "manifest.chunks"),
    "slices_absent": ("/slices", DROP, "E_TABLE_COLUMNS", "manifest.slices"),
    "slices_column": ("/slices/first", DROP, "E_TABLE_COLUMNS", "manifest.slices"),
    "chunk_beyond": ("/slices/chunk", 1, "E_SLICE", "table.slice.chunk"),
    "absent": ("absent", True, "E_OBJECT_MISSING", "tree.needed"),
    "other_name": ("name", HEX, "E_MANIFEST", "manifest.hash"),
}  # fmt: skip
for name, (field, value, code, clause) in MANIFEST.items():

    @case(f"manifest/{name}", clause, "algo.read.2", "tree.manifest",
          features=("reader.sha256",) if name == "other_name" else ())  # fmt: skip
    def _(b: Book, field=field, value=value, code=code) -> None:
        b.explain(
            f"Manifest: {field} {'' if callable(value) else value!r}",
            "The oldest slices of a tensor lie in manifests; a fault there moves the whole dataset behind it.",
        )
        b.refuses(history().fault("m", field, value), code)


@case("manifest/bytes", "manifest.hash")
def _(b: Book) -> None:
    """The commit says another length than the manifest has

    A read that is cut at the length that was named would end inside the document.
    """
    tree = history().tree(False)
    size = len(next(v for k, v in tree.items() if k.startswith("manifests/")))
    b.refuses(history().fault("main/2", "/tensors/x/manifests/0/bytes", size + 1), "E_MANIFEST")
