"""Writing scripts: every dtype with its special values, kept to the bit."""

from __future__ import annotations

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.writing_rows import new, x_is

#: dtype -> words (unsigned, of its width) that a careless writer changes
SPECIAL: dict[str, tuple[str, list[int]]] = {
    "bool": ("u1", [0, 1]),
    "int8": ("u1", [0, 0x7F, 0x80, 0xFF]),
    "int16": ("<u2", [0, 0x7FFF, 0x8000, 0xFFFF, 0x00FF]),
    "int32": ("<u4", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
    "int64": ("<u8", [0, 2**63 - 1, 2**63, 2**53 + 1, 2**64 - 1]),
    "uint8": ("u1", [0, 0x80, 0xFF]),
    "uint16": ("<u2", [0, 0x8000, 0xFFFF, 0x0100]),
    "uint32": ("<u4", [0, 0x80000000, 0xFFFFFFFF]),
    "uint64": ("<u8", [0, 2**63, 2**53 + 1, 2**64 - 1]),
    "float16": ("<u2", [0, 0x8000, 1, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E01, 0x7C01, 0xFE55]),
    "float32": ("<u4", [0, 0x80000000, 1, 0x807FFFFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC12345, 0x7F800001]),
    "float64": ("<u8", [0, 1 << 63, 1, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000123, 0x7FF0000000000001]),
    "bfloat16": ("<u2", [0, 0x8000, 1, 0x807F, 0x7F7F, 0x7F80, 0xFF80, 0x7FC1, 0x7F81]),
    "float8_e4m3fn": ("u1", [0, 0x80, 1, 0x7E, 0x7F, 0xFF]),
    "float8_e5m2": ("u1", [0, 0x80, 1, 0x7B, 0x7C, 0xFC, 0x7D, 0xFF]),
    "complex64": ("<u4", [0, 0x80000000, 0x7FC12345, 0xFF800000, 1, 0x807FFFFF]),
    "complex128": ("<u8", [0, 1 << 63, 0x7FF8000000000123, 0xFFF0000000000000, 1, 0x7FEFFFFFFFFFFFFF]),
}
DECLARED = frozenset(
    {"float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128", "int64", "uint64"}
)
CLAUSE = {
    "bool": "dtype.bool",
    "bfloat16": "dtype.bfloat16",
    "float8_e4m3fn": "dtype.float8_e4m3fn",
    "float8_e5m2": "dtype.float8_e5m2",
    "complex64": "dtype.complex",
    "complex128": "dtype.complex",
}


def items_of(dtype: str) -> tuple[list[dict], bytes]:
    """Two rows of a script (all special words, then the same reversed) and the bytes wanted back."""
    kind, words = SPECIAL[dtype]
    per = 2 if dtype.startswith("complex") else 1
    row = np.array(words, kind)
    rows = [row, np.ascontiguousarray(row[::-1])]
    said = [{"raw": r.tobytes(), "dtype": dtype, "shape": [len(words) // per]} for r in rows]
    return said, b"".join(r.tobytes() for r in rows)


for _dtype in SPECIAL:

    @case(
        f"write/special_{_dtype}",
        CLAUSE.get(
            _dtype,
            "dtype.int" if _dtype.startswith("int") else "dtype.uint" if _dtype.startswith("uint") else "dtype.float",
        ),
        "dtype.bits",
        features=(f"dtype.{_dtype}",) if _dtype in DECLARED else (),
    )
    def _(b: Book, dtype: str = _dtype) -> None:
        b.explain(
            f"Extremes and special bit patterns of {dtype}",
            "A writer that converts through another type loses payloads, signs of zero, subnormals or large integers.",
        )
        said, data = items_of(dtype)
        n = said[0]["shape"][0]
        script = [
            s.create(),
            s.tensor("x", dtype=dtype, shape=[n]),
            {"do": "extend", "values": {"x": said}},
            s.commit(),
        ]
        size = {"bool": 1}.get(dtype) or len(data) // (2 * n)
        values = [np.frombuffer(data[i * n * size : (i + 1) * n * size], np.void(size).dtype) for i in range(2)]
        b.writes(script, {"length": 2, "tensors": {"x": {"values": values, "dtype": dtype}}})


@case("write/narrow_fits", "dtype.convert")
def _(b: Book) -> None:
    """int64 values that fit are taken into an int16 tensor

    Converting what fits exactly is allowed; what is stored has the tensor's dtype.
    """
    given = [np.array([-32768, 0, 32767], "<i8"), np.array([1, 2, 3], "<i8")]
    values = [v.astype("<i2") for v in given]
    b.writes(new(s.extend(x=given), dtype="int16", shape=(3,)), x_is(values, "int16"))


@case("write/rank_0_of_each", "model.item", "tensor.order")
def _(b: Book) -> None:
    """Three scalar tensors side by side

    Each tensor has its own chunk, and its samples are its own.
    """
    kinds = {"a": "uint8", "b": "float32", "c": "bool"}
    script = [s.create(), *[s.tensor(n, dtype=d, shape=[]) for n, d in kinds.items()]]
    rows = [{n: np.array(i % 2, d) for n, d in kinds.items()} for i in range(4)]
    script += [*s.rows(*rows), s.commit()]
    b.writes(
        script, {"length": 4, "tensors": {n: {"values": [r[n] for r in rows], "dtype": d} for n, d in kinds.items()}}
    )


@case("write/text", "htype.text.utf8", "htype.text")
def _(b: Book) -> None:
    """Text is UTF-8 bytes, unchanged

    Normalising, trimming or terminating a string changes what was meant.
    """
    strings = ["", "a\u0301 \u00e1", "\ufeffmark", "line\nline", "\U0001f41f\0 end "]
    values = [np.frombuffer(t.encode(), "u1") for t in strings]
    script = [s.create(), s.tensor("x", dtype="uint8", shape=[None], htype="text"), s.extend(x=values), s.commit()]
    b.writes(script, x_is(values, "uint8"))


@case("write/json", "htype.json.value", "htype.json")
def _(b: Book) -> None:
    """JSON values in their shortest spelling

    Integers beyond 2^53 keep their digits.
    """
    texts = ['{"a":[1,2.5,null]}', '"\u00e9"', "9007199254740993", "[]", "true"]
    values = [np.frombuffer(t.encode(), "u1") for t in texts]
    script = [s.create(), s.tensor("x", dtype="uint8", shape=[None], htype="json"), s.extend(x=values), s.commit()]
    b.writes(script, x_is(values, "uint8"))


@case("write/class_label", "htype.class_label", "htype.class_label.range")
def _(b: Book) -> None:
    """Class numbers with their names

    The names are an attribute; the numbers are stored.
    """
    values = [np.array(i, "<u4") for i in (0, 2, 1)]
    script = [
        s.create(),
        s.tensor("x", dtype="uint32", shape=[], htype="class_label", attributes={"class_names": ["cat", "dog", "eel"]}),
        s.extend(x=values),
        s.commit(),
    ]
    members = {"members": {"attributes": {"class_names": ["cat", "dog", "eel"]}, "htype": "class_label"}}
    b.writes(script, x_is(values, "uint32") | {"layout": {"x": members}})


@case("write/bbox", "htype.bbox", "htype.bbox.coords")
def _(b: Book) -> None:
    """Boxes, and what their numbers mean

    Without `coords` the next reader takes left-top-right-bottom for left-top-width-height.
    """
    values = [np.array([[1, 2, 3, 4]], "<f4"), np.zeros((0, 4), "<f4")]
    coords = {"type": "pixel", "mode": "LTRB"}
    script = [
        s.create(),
        s.tensor("x", dtype="float32", shape=[None, 4], htype="bbox", attributes={"coords": coords}),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(script, x_is(values, "float32") | {"layout": {"x": {"members": {"attributes": {"coords": coords}}}}})


@case("write/tag", "htype.tag", "htype.tag.value")
def _(b: Book) -> None:
    """Lists of strings

    A tag sample is a sequence; a list without tags is not missing.
    """
    values = [[np.frombuffer(t.encode(), "u1") for t in row] for row in (["a", "\u00fc b"], [], [""])]
    script = [
        s.create(),
        s.tensor("x", dtype="uint8", shape=[None], htype="tag", sequence=True),
        s.extend(x=values),
        s.commit(),
    ]
    b.writes(script, x_is(values, "uint8", sequence=True))


@case("write/big_endian_source", "chunk.endian", "dtype.uint")
def _(b: Book) -> None:
    """Elements are little-endian whatever they were

    Bytes swapped twice, or once too few, look like numbers too.
    """
    values = [np.array([1, 256, 65535], "<u2")]
    b.writes(new(s.append(x=np.array([1, 256, 65535], ">u2")), shape=(3,)), x_is(values))
