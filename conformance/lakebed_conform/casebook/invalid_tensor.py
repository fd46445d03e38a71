"""Invalid tensors: members, names, tables, and what a commit's history and tree must be."""

from __future__ import annotations

from typing import Any

from lakebed_conform.builders import DROP, Dataset
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.invalid_documents import BOTH, CHECKER, HEX, history
from lakebed_conform.pen import Raw

FIELD, COLUMNS, SLICE, LIMIT = "E_TENSOR_FIELD", "E_TABLE_COLUMNS", "E_SLICE", "E_JSON_LIMIT"
EFFECT = "Dtype and shape decide how bytes become arrays; a form that is guessed turns pixels into noise."

TENSOR: dict[str, dict[str, Any]] = {
    "htype": {"absent": DROP, "empty": "", "null": None, "capital": "Image", "blank": "a b", "long": "a" * 65,
              "newline": "image\n", "number": 3},
    "dtype": {"absent": DROP, "empty": "", "null": None, "capital": "Int32", "big_endian": ">i4", "long": "a" * 33,
              "number": 4},
    "shape": {"absent": DROP, "null": None, "number": 2, "negative": [-1], "string": ["2"], "true": [True],
              "half": [2.5], "object": {"0": 2}, "rank_33": [1] * 33, "nested": [[2]]},
    "sequence": {"number": 0, "string": "false", "null": None},
    "fidelity": {"null": None, "true": True, "capital": "Exact", "word": "verbatim", "empty": {}, "number": 0.1,
                 "two": {"max_abs_error": 1, "psnr_db": 30}, "unknown": {"ssim": 0.9}, "abs_0": {"max_abs_error": 0},
                 "abs_minus": {"max_abs_error": -1}, "abs_string": {"max_abs_error": "1"},
                 "rel_0": {"max_rel_error": 0},
                 "rel_1": {"max_rel_error": 1}, "psnr_0": {"psnr_db": 0}, "abs_true": {"max_abs_error": True}},
    "attributes": {"array": [], "null": None, "string": "{}"},
    "write": {"array": [], "null": None, "string": ""},
    "manifests": {"null": None, "object": {}, "string": [HEX], "absent": DROP},
    "manifests/0": {"null": None, "empty": {}},
    "manifests/0/sha256": {"absent": DROP, "short": "ab", "capital": "AB" * 32, "null": None},
    "manifests/0/bytes": {"absent": DROP, "zero": 0, "over": (64 << 20) + 1, "string": "100"},
    "manifests/0/samples": {"absent": DROP, "zero": 0, "string": "3"},
    "manifests/0/first": {"more": 0},
}  # fmt: skip
for member, wrong in TENSOR.items():
    top = member.split("/")[0]
    for name, value in wrong.items():
        clauses: tuple[str, ...] = (f"tensor.{top}", "tensor.members")
        clauses += {"fidelity": ("fidelity.form",), "manifests": ("manifest.ref",)}.get(top, ())
        clauses += ("tree.hex",) if name in ("capital", "short") and "sha256" in member else ()
        clauses += ("model.rank",) if name == "rank_33" else ()
        also = ("E_LENGTH",) if top == "manifests" else ()
        if (member, name) == ("manifests", "absent"):
            continue

        @case(f"tensor/{member.replace('/', '_')}_{name}", *clauses)
        def _(b: Book, member=member, value=value, also=also) -> None:
            b.explain(f"Tensor: {member} is {value!r}"[:90], EFFECT)
            why = "the whole shape is one value" if member == "shape" else None
            b.refuses(history().fault("main/2", f"/tensors/x/{member}", value), FIELD, also=also, why=why)


for name, value in {"null": None, "array": [], "string": "x"}.items():

    @case(f"tensor/{name}", "tensor.members")
    def _(b: Book, value=value) -> None:
        b.explain(f"A tensor is {value!r}", EFFECT)
        b.refuses(history().fault("main/2", "/tensors/x", value), FIELD, also=("E_COMMIT_FIELD",))


@case("tensor/shape_written_as_float", "json.integer_form")
def _(b: Book) -> None:
    """An axis is written as 2.0

    Half the languages read it as 2 and half refuse it; the checker decides.
    """
    b.refuses(history().fault("main/2", "/tensors/x/shape/0", Raw(b"2.0")), FIELD, roles=CHECKER)


# names

NAMES = {
    "empty": "", "slash_first": "/a", "slash_last": "a/", "slash_twice": "a//b", "dot_first": ".a", "dots": "..",
    "climb": "a/../b", "minus": "-a", "underscore": "__proto__", "blank": "a b", "accent": "\u00e9", "nul": "a\0",
    "backslash": "a\\b", "newline": "a\n", "segment_65": "a" * 65,
    "bytes_256": "/".join(["a" * 64] + ["a" * 63] * 3), "star": "a*",
    "colon": "c:a",
}  # fmt: skip


def nameless() -> Dataset:
    dataset = Dataset()
    dataset.tensor("t", dtype="uint8", shape=[], slices=[])
    dataset.tensor("group/t", dtype="uint8", shape=[], slices=[])
    dataset.commit()
    return dataset


EMPTY = {"htype": "generic", "dtype": "uint8", "shape": [], "chunks": {"name": [], "payload": [], "index": []},
         "slices": {"chunk": [], "first": [], "count": []}}  # fmt: skip
for name, text in (NAMES | {"is_group": "group", "in_tensor": "t/u"}).items():

    @case(f"name/tensor_{name}", "tensor.name", "safety.paths")
    def _(b: Book, text=text) -> None:
        b.explain(
            f"A tensor is called {text!r}"[:90],
            "Names become folders and variables in other tools; one that climbs or collides overwrites.",
        )
        pointer = "/tensors/" + text.replace("~", "~0").replace("/", "~1")
        why = "a whole tensor more" if text == "group" else None
        b.refuses(nameless().fault("main/1", pointer, EMPTY), FIELD, op="inspect", why=why)


REQUESTS = {"capital": "Main", "climb": "../main", "slash": "a/b", "empty": "", "dot_last": "v.", "dot_first": ".a",
            "long": "a" * 65, "newline": "main\n", "accent": "\u00e4", "nul": "a\0b", "backslash": "a\\b"}  # fmt: skip
for what in ("branch", "tag"):
    for name, text in REQUESTS.items():

        @case(f"name/{what}_{name}", "tree.name", "safety.paths")
        def _(b: Book, what=what, text=text) -> None:
            b.explain(
                f"A caller asks for the {what} {text!r}"[:90],
                "A key made from such a name leaves the dataset's folder, or means two things on two systems.",
            )
            b.reads(history(), {}, metadata=False, checker=False)
            b.ask("inspect", None, error="E_NAME", **{what: text})


# tables

TABLES: dict[str, tuple[str, Any, str, tuple[str, ...], str]] = {
    "chunks_absent": ("chunks", DROP, COLUMNS, (FIELD, SLICE), "tensor.chunks"),
    "chunks_array": ("chunks", [], COLUMNS, (FIELD, SLICE), "tensor.chunks"),
    "slices_absent": ("slices", DROP, COLUMNS, (FIELD,), "tensor.slices"),
    "slices_null": ("slices", None, COLUMNS, (FIELD,), "tensor.slices"),
    "name_absent": ("chunks/name", DROP, COLUMNS, (), "json.columns_closed"),
    "payload_absent": ("chunks/payload", DROP, COLUMNS, (), "json.columns_closed"),
    "index_absent": ("chunks/index", DROP, COLUMNS, (), "json.columns_closed"),
    "chunk_absent": ("slices/chunk", DROP, COLUMNS, (), "json.columns_closed"),
    "first_absent": ("slices/first", DROP, COLUMNS, (), "json.columns_closed"),
    "count_absent": ("slices/count", DROP, COLUMNS, (), "json.columns_closed"),
    "seventh_column": ("slices/stride", 1, COLUMNS, (), "version.unknown.column"),
    "seventh_chunk_column": ("chunks/crc", [0], COLUMNS, (), "json.columns_closed"),
    "name_one": ("chunks/name", HEX, COLUMNS, (), "json.column"),
    "count_one": ("slices/count", 1, COLUMNS, (), "json.column"),
    "payload_long": ("chunks/payload", [24, 24], COLUMNS, (), "json.column"),
    "index_short": ("chunks/index", [], COLUMNS, (), "json.column"),
    "chunk_long": ("slices/chunk", [0, 0], COLUMNS, (), "json.column"),
    "first_short": ("slices/first", [], COLUMNS, (), "json.column"),
    "first_null": ("slices/first", None, COLUMNS, (SLICE,), "json.column"),
    "first_negative": ("slices/first", -1, COLUMNS, (SLICE,), "json.column"),
    "first_string": ("slices/first", "0", COLUMNS, (SLICE,), "json.column"),
    "chunk_negative": ("slices/chunk", -1, COLUMNS, (SLICE,), "json.column"),
    "chunk_true": ("slices/chunk", False, COLUMNS, (SLICE,), "json.column"),
    "payload_negative": ("chunks/payload", -1, COLUMNS, (FIELD,), "json.column"),
    "payload_null": ("chunks/payload", None, COLUMNS, (FIELD,), "json.column"),
    "count_negative": ("slices/count", [-1], SLICE, (COLUMNS, "E_LENGTH"), "table.slice.count"),
    "count_zero": ("slices/count", [0], SLICE, ("E_LENGTH",), "table.slice.count"),
    "count_string": ("slices/count", ["1"], SLICE, (COLUMNS, "E_LENGTH"), "table.slice.count"),
    "count_two": ("slices/count", [2], "E_LENGTH", (), "tensor.length"),
    "name_short": ("chunks/name/0", "ab", FIELD, (), "table.chunk.name"),
    "name_capital": ("chunks/name/0", "AB" * 32, FIELD, (), "table.chunk.name"),
    "name_null": ("chunks/name/0", None, FIELD, (COLUMNS,), "table.chunk.name"),
    "name_path": ("chunks/name/0", "../" + "a" * 61, FIELD, (), "table.chunk.name"),
    "payload_2_53": ("chunks/payload", 1 << 53, LIMIT, (FIELD,), "table.chunk.payload"),
    "index_zero": ("chunks/index", 0, FIELD, (), "table.chunk.index"),
    "index_over": ("chunks/index", (8 << 20) + 1, FIELD, (), "table.chunk.index"),
    "chunk_beyond": ("slices/chunk", 1, SLICE, (), "table.slice.chunk"),
    "chunk_most": ("slices/chunk", (1 << 53) - 1, SLICE, (), "table.slice.chunk"),
    "first_of_null": ("slices/first", 1, SLICE, ("E_SLICE_RANGE",), "table.slice.first"),
}  # fmt: skip
TABLES["payload_string"] = ("chunks/payload", "24", FIELD, (COLUMNS,), "table.chunk.payload")
for name, (pointer, value, code, also, clause) in TABLES.items():

    @case(f"table/{name}", clause)
    def _(b: Book, pointer=pointer, value=value, code=code, also=also) -> None:
        b.explain(
            f"Table: {pointer} is {value!r}"[:90],
            "The tables say which bytes are which rows; a row that two ports read differently is two datasets.",
        )
        if "first_of_null" in b.entry.id:
            dataset = Dataset()
            dataset.tensor("x", dtype="int32", shape=[2], slices=[(None, 0, 1)])
            dataset.commit()
            b.refuses(dataset.fault("main/1", "/tensors/x/slices/first", value), code)
            return
        b.refuses(history().fault("main/2", f"/tensors/x/{pointer}", value), code, also=also)


@case("table/name_twice", "table.chunk.name")
def _(b: Book) -> None:
    """One chunk twice in a table

    Its rows could disagree, and an edit of one would leave the other.
    """
    from lakebed_conform.casebook.invalid_object import two_chunks

    tree = two_chunks().tree(False)
    name = next(k for k in tree if k.startswith("chunks/"))[-70:-6]
    b.refuses(two_chunks().fault("main/1", "/tensors/x/chunks/name/1", name), FIELD)


@case("table/counts_wrap", "tensor.length", "model.integers")
def _(b: Book) -> None:
    """Counts of missing samples whose sum passes 2^53-1

    A sum in floats or 64-bit integers comes out as the length that was wanted.
    """
    dataset = Dataset()
    dataset.tensor("x", dtype="int32", shape=[2], slices=[(None, 0, 1), (None, 0, 2)])
    dataset.commit()
    dataset.fault("main/1", "/tensors/x/slices/count/1", (1 << 53) - 1)
    b.refuses(dataset, "E_LENGTH", also=(LIMIT, SLICE))


for name, delta in (("less", -1), ("more", 1), ("zero", -4)):

    @case(f"commit/length_{name}", "tensor.length", "model.length")
    def _(b: Book, delta=delta) -> None:
        b.explain("The commit's length is not the tensor's", "Tensors of unequal length pair rows that do not belong.")
        b.refuses(history().fault("main/2", "/length", 4 + delta), "E_LENGTH")


# places and history


for name, key, read in (
    ("other_number", "commits/main/0000000003.json", {}), ("number_0", "commits/main/0000000000.json", None),
    ("other_branch", "commits/dev/0000000002.json", {"branch": "dev"}),
):  # fmt: skip

    @case(f"tree/{name}", "commit.place", "tree.number")
    def _(b: Book, key=key, read=read) -> None:
        b.explain("A commit lies under another key", "A copy in the wrong place brings back rows that were deleted.")
        dataset = history().fault("main/2", "key", key)
        roles = CHECKER if read is None else BOTH
        also = ("E_COMMIT_ABSENT", "E_COMMIT_FIELD")  # a hole in the numbers, a parent that is not the one before
        roles = ("reader",) if "reader" in roles else CHECKER
        b.refuses(
            dataset, "E_COMMIT_PLACE", op="inspect", roles=roles, also=also if read is None else (), **(read or {})
        )
        if read is not None:
            b.ask("check", None, error="E_COMMIT_PLACE", also=also)


@case("commit/newest_invalid", "algo.newest.invalid")
def _(b: Book) -> None:
    """The newest commit is damaged: never silently the one before

    Two readers would see two truths, and the rows just written would be gone without a word.
    """
    b.refuses(history().fault("main/2", "bytes", lambda d: d[: len(d) // 2]), "E_JSON_CRC", op="inspect")


PAST = {
    "parent_hash": (("main/2", "/parent/sha256", HEX), "commit.parent.hash"),
    "parent_closed": (("main/1", "/closed", True), "commit.parent.hash"),
    "time_back": (("main/2", "/time", "2026-01-01T00:00:00Z"), "commit.time.order"),
    "time_back_fraction": (("main/2", "/time", "2026-01-01T00:00:00.999999Z"), "commit.time.order"),
}
for name, (fault, clause) in PAST.items():

    @case(f"history/{name}", clause)
    def _(b: Book, fault=fault) -> None:
        b.explain(
            f"History: {fault[0]} {fault[1]} is {fault[2]!r}"[:90],
            "The chain of hashes is what proves a history, and opening at a time bisects over it.",
        )
        b.refuses(history().fault(*fault), "E_COMMIT_PARENT", roles=CHECKER)


@case("commit/requires_read_unknown_of_two", "commit.requires.read", "version.requires")
def _(b: Book) -> None:
    """Two unknown names in requires.read

    Reading on would return wrong values without a word.
    """
    b.refuses(history().fault("main/2", "/requires/read", ["a", "b.c-d_e"]), "E_REQUIRES_READ", op="inspect")


for kind, label, extra in (("commit", "main/2", {"op": "inspect"}), ("tag", "tag:v1", {"op": "inspect", "tag": "v1"})):
    for place in range(0, 400, 40):

        @case(f"json/{kind}_flip_{place:03d}", "json.crc", f"{kind}.crc32", "safety.crc")
        def _(b: Book, kind=kind, label=label, place=place, extra=extra) -> None:
            b.explain(
                f"One bit of byte {place} (counted around) of a {kind} is flipped",
                "Of all single flips a quarter is another valid document: only the checksum tells.",
            )

            def flip(data: bytes) -> bytes:
                at = place % len(data)
                return data[:at] + bytes([data[at] ^ (1 << (place // 40 % 7))]) + data[at + 1 :]

            why = "a bit in a name makes it another name"
            b.refuses(history().fault(label, "bytes", flip), "E_JSON_CRC", why=why, **extra)
