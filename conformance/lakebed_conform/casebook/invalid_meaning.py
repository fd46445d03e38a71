"""What only checkers judge: htypes, their values, fidelity; and text that readers must refuse to call text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.invalid_codecs import FLOATS, QUANT, quantized
from lakebed_conform.casebook.pictures import jpeg, png, webp_lossless

FIELD, VALUE, TEXT, SHAPE = "E_TENSOR_FIELD", "E_SAMPLE_HTYPE", "E_VALUE_TEXT", "E_SAMPLE_SHAPE"
CHECKER = ("checker",)
EFFECT = "A loader trusts the htype: what does not fit it trains a model on something else than its name says."


def texts(*words: str | bytes) -> list[np.ndarray]:
    return [np.frombuffer(w if isinstance(w, bytes) else w.encode(), np.uint8) for w in words]


BOXES = [np.array([[0.1, 0.2, 0.3, 0.4]], "<f4")]
POINTS = [np.array([[[1, 2, 2], [3, 4, 0]]], "<f4")]
GRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)
#: per htype: values, shape, how; what a valid tensor of it is
VALID: dict[str, tuple[list[Any], list[int | None], dict[str, Any]]] = {
    "image": ([np.zeros((2, 2, 4), np.uint8)], [None, None, None], {}),
    "image.rgb": ([np.zeros((2, 2, 3), np.uint8)], [None, None, 3], {}),
    "image.gray": ([GRAY], [None, None], {}),
    "class_label": ([np.array(1, "<u4")], [], {"members": {"attributes": {"class_names": ["cat", "dog"]}}}),
    "bbox": (BOXES, [None, 4], {}),
    "binary_mask": ([np.ones((2, 2), bool)], [None, None], {}),
    "segment_mask": ([np.ones((2, 2), "<u4")], [None, None], {"members": {"attributes": {"class_names": ["a", "b"]}}}),
    "keypoints": (POINTS, [None, None, 3], {"members": {"attributes": {"keypoints": ["l", "r"], "connections": [[0,
                                        1]]}}}),
    "point": ([np.array([[1, 2]], "<f4")], [None, 2], {}),
    "polygon": ([[np.array([[1, 2], [3, 4]], "<f4")], [], None], [None, 2], {"sequence": True}),
    "embedding": ([np.array([1, float("nan")], "<f4")], [None], {}),
    "text": (texts("h\u00e9llo", "", "\ufeffx\0"), [None], {}),
    "json": (texts('{"a":[1,2.5,null,true,"\u00e9"]}', " 1 ", '"x"'), [None], {}),
    "list": ([texts("1", '"a"', "[]"), [], None], [None], {"sequence": True}),
    "tag": ([texts("red", "blue"), texts("")], [None], {"sequence": True}),
    "generic": ([np.array([1 + 2j], "<c8")], [None], {}),
}  # fmt: skip
for htype, (values, shape, how) in VALID.items():
    clause = f"htype.{htype.replace('.', '_')}"

    @case(f"htype/{htype.replace('.', '_')}", clause, "htype.fits", "htype.attributes", "htype.missing")
    def _(b: Book, htype=htype, values=values, shape=shape, how=how) -> None:
        b.explain(f"A valid tensor of htype {htype}", "A checker that refuses good labels is switched off.")
        samples = [*values, None]
        b.reads(one(samples, shape=shape, htype=htype, dtype=None if htype != "generic" else "complex64", **how),
                {"x": samples})  # fmt: skip


@case("htype/unknown", "htype.unknown", "version.unknown.htype", "tensor.htype")
def _(b: Book) -> None:
    """An unknown htype is read as generic, its name kept

    A reader of today must read data of tomorrow whose bytes it understands.
    """
    values = [np.array([1, 2], "<i2")]
    b.reads(one(values, shape=[2], htype="later.thing[x]_9"), {"x": values})


def wrong_form(htype: str, pointer: str, value: Any) -> Any:
    values, shape, how = VALID[htype]
    return one(values, shape=shape, htype=htype, **how).fault("main/1", pointer, value)


#: from the htype of a valid tensor to one that its dtype, shape or sequence do not fit
FITS: dict[str, tuple[str, str]] = {
    "label_of_floats": ("bbox", "class_label"), "mask_of_ints": ("segment_mask", "binary_mask"),
    "image_of_floats": ("embedding", "image"), "rgb_of_4": ("image.gray", "image.rgb"),
    "bbox_of_2": ("point", "bbox"), "embedding_of_ints": ("class_label", "embedding"),
    "segment_of_floats": ("bbox", "segment_mask"), "keypoints_of_2": ("point", "keypoints"),
    "point_of_4": ("bbox", "point"), "text_of_floats": ("embedding", "text"), "json_of_rank_2": ("image.gray", "json"),
    "gray_of_3": ("image.rgb", "image.gray"),
}  # fmt: skip
for name, (htype, claimed) in FITS.items():

    @case(f"htype/fits_{name}", "htype.fits")
    def _(b: Book, htype=htype, claimed=claimed) -> None:
        b.explain(f"A tensor of the form of {htype} says {claimed}", EFFECT)
        b.refuses(wrong_form(htype, "/tensors/x/htype", claimed), FIELD, roles=CHECKER)


for htype, claimed in (("text", "tag"), ("json", "list"), ("point", "polygon")):

    @case(f"htype/no_sequence_{claimed}", "htype.sequence", "htype.fits")
    def _(b: Book, htype=htype, claimed=claimed) -> None:
        b.explain(f"A {claimed} that is no sequence", EFFECT)
        b.refuses(wrong_form(htype, "/tensors/x/htype", claimed), FIELD, roles=CHECKER)


NAMES = {"string": "cat", "twice": ["cat", "cat"], "number": ["cat", 1], "object": {"0": "cat"}, "null": None}
for htype in ("class_label", "segment_mask"):
    for name, value in NAMES.items():

        @case(f"htype/{htype}_names_{name}", f"htype.{htype}.names", "htype.attributes")
        def _(b: Book, htype=htype, value=value) -> None:
            b.explain(f"class_names is {value!r}", "Two classes of one name, or a name that is none, merge labels.")
            why = "the list is one value"
            b.refuses(wrong_form(htype, "/tensors/x/attributes/class_names", value), FIELD, roles=CHECKER, why=why)


ATTRIBUTES: dict[str, tuple[str, str, Any, str]] = {
    "coords_string": ("bbox", "coords", "LTRB", "htype.bbox.coords"),
    "coords_mode": ("bbox", "coords", {"type": "pixel", "mode": "ltrb"}, "htype.bbox.coords"),
    "coords_type": ("bbox", "coords", {"type": "relative"}, "htype.bbox.coords"),
    "keypoints_twice": ("keypoints", "keypoints", ["l", "l"], "htype.keypoints.names"),
    "keypoints_numbers": ("keypoints", "keypoints", [1, 2], "htype.keypoints.names"),
    "connection_beyond": ("keypoints", "connections", [[0, 2]], "htype.keypoints.names"),
    "connection_of_three": ("keypoints", "connections", [[0, 1, 1]], "htype.keypoints.names"),
    "connection_flat": ("keypoints", "connections", [0, 1], "htype.keypoints.names"),
}  # fmt: skip
for name, (htype, member, value, clause) in ATTRIBUTES.items():

    @case(f"htype/{name}", clause, "htype.attributes")
    def _(b: Book, htype=htype, member=member, value=value) -> None:
        b.explain(f"{member} is {json.dumps(value)}", EFFECT)
        dataset = wrong_form(htype, f"/tensors/x/attributes/{member}", value)
        if htype == "bbox":
            values, shape, _ = VALID["bbox"]
            dataset = one(values, shape=shape, htype="bbox", members={"attributes": {}})
            dataset.fault("main/1", f"/tensors/x/attributes/{member}", value)
        b.refuses(dataset, FIELD, roles=CHECKER, why="the attribute is one value")


def boxes(*numbers: float) -> list[np.ndarray]:
    return [np.array([numbers], "<f4")]


NAN, INF = float("nan"), float("inf")
LTRB = {"attributes": {"coords": {"type": "pixel", "mode": "LTRB"}}}
FRACTION = {"attributes": {"coords": {"type": "fractional", "mode": "LTWH"}}}
DEEP = b"[" * 513 + b"]" * 513
#: htype, shape, good and bad values, how, code, clause
VALUES: dict[str, tuple[str, list[int | None], list[Any], list[Any], dict[str, Any], str, str]] = {
    "image_5_channels": ("image", [None] * 3, [np.zeros((1, 1, 4), np.uint8)], [np.zeros((1, 1, 5), np.uint8)], {},
                         VALUE,
                         "htype.image.channels"),
    "image_0_channels": ("image", [None] * 3, [np.zeros((1, 1, 1), np.uint8)], [np.zeros((1, 1, 0), np.uint8)], {},
                         VALUE,
                         "htype.image.channels"),
    "label_2_of_2": ("class_label", [], [np.array(1, "<u4")], [np.array(2, "<u4")], VALID["class_label"][2], VALUE,
                     "htype.class_label.range"),
    "label_minus": ("class_label", [], [np.array(1, "<i4")], [np.array(-1, "<i4")], VALID["class_label"][2], VALUE,
                    "htype.class_label.range"),
    "segment_2_of_2": ("segment_mask", [None, None], [np.array([[1]], "<u4")], [np.array([[2]], "<u4")],
                       VALID["segment_mask"][2], VALUE, "htype.segment_mask.range"),
    "bbox_nan": ("bbox", [None, 4], boxes(0, 0, 1, 1), boxes(NAN, 0, 1, 1), {}, VALUE, "htype.bbox.finite"),
    "bbox_infinite": ("bbox", [None, 4], boxes(0, 0, 1, 1), boxes(0, 0, INF, 1), {}, VALUE, "htype.bbox.finite"),
    "bbox_width_minus": ("bbox", [None, 4], boxes(5, 5, 1, 1), boxes(5, 5, -1, 1), {}, VALUE, "htype.bbox.size"),
    "bbox_right_of_left": ("bbox", [None, 4], boxes(5, 5, 6, 6), boxes(5, 5, 4, 6), {"members": LTRB}, VALUE,
                           "htype.bbox.size"),
    "bbox_fraction_over": ("bbox", [None, 4], boxes(0.5, 0.5, 0.1, 1), boxes(0.5, 0.5, 0.1, 1.5), {"members": FRACTION},
                           VALUE, "htype.bbox.fractional"),
    "keypoints_3": ("keypoints", [None, None, 3], POINTS, [np.array([[[1, 2, 3], [3, 4, 0]]], "<f4")], {}, VALUE,
                    "htype.keypoints.visibility"),
    "keypoints_half": ("keypoints", [None, None, 3], POINTS, [np.array([[[1, 2, 0.5], [3, 4, 0]]], "<f4")], {}, VALUE,
                       "htype.keypoints.visibility"),
    "keypoints_nan": ("keypoints", [None, None, 3], POINTS, [np.array([[[NAN, 2, 0], [3, 4, 0]]], "<f4")], {}, VALUE,
                      "htype.keypoints.finite"),
    "keypoints_k": ("keypoints", [None, None, 3], POINTS, [np.array([[[1, 2, 0]]], "<f4")], VALID["keypoints"][2],
                    SHAPE,
                    "htype.keypoints.axes"),
    "point_nan": ("point", [None, 2], [np.array([[1, 2]], "<f4")], [np.array([[1, NAN]], "<f4")], {}, VALUE,
                  "htype.point.finite"),
    "polygon_none": ("polygon", [None, 2], [[np.array([[1, 2]], "<f4")]], [[np.zeros((0, 2), "<f4")]],
                     {"sequence": True},
                     VALUE, "htype.polygon.points"),
    "polygon_infinite": ("polygon", [None, 2], [[np.array([[1, 2]], "<f4")]], [[np.array([[1, INF]], "<f4")]],
                         {"sequence": True}, VALUE, "htype.polygon.finite"),
    "text_ff": ("text", [None], texts("a"), texts(b"\xff"), {}, TEXT, "htype.text.utf8"),
    "text_surrogate": ("text", [None], texts("a"), texts(b"\xed\xa0\x80"), {}, TEXT, "htype.text.utf8"),
    "text_overlong": ("text", [None], texts("a"), texts(b"\xc0\xaf"), {}, TEXT, "htype.text.utf8"),
    "text_cut": ("text", [None], texts("a"), texts(b"\xe2\x82"), {}, TEXT, "htype.text.utf8"),
    "json_bom": ("json", [None], texts("1"), texts(b"\xef\xbb\xbf1"), {}, TEXT, "htype.json.value"),
    "json_nan": ("json", [None], texts("1"), texts("NaN"), {}, TEXT, "htype.json.value"),
    "json_two": ("json", [None], texts("1"), texts("1 2"), {}, TEXT, "htype.json.value"),
    "json_none": ("json", [None], texts("1"), texts(""), {}, TEXT, "htype.json.value"),
    "json_twice": ("json", [None], texts("1"), texts('{"a":1,"a":2}'), {}, TEXT, "htype.json.value"),
    "json_comma": ("json", [None], texts("1"), texts("[1,]"), {}, TEXT, "htype.json.value"),
    "json_deep": ("json", [None], texts("1"), texts(DEEP), {}, TEXT, "htype.json.value"),
    "json_utf8": ("json", [None], texts("1"), texts(b'"\xff"'), {}, TEXT, "htype.json.value"),
    "list_no_json": ("list", [None], [texts("1")], [texts("abc")], {"sequence": True}, TEXT, "htype.list.value"),
    "tag_no_text": ("tag", [None], [texts("a")], [texts(b"\x80")], {"sequence": True}, TEXT, "htype.tag.value"),
}  # fmt: skip
for name, (htype, shape, good, bad, how, code, clause) in VALUES.items():

    @case(f"htype/{name}", clause, "htype.known")
    def _(b: Book, htype=htype, shape=shape, good=good, bad=bad, how=how, code=code) -> None:
        b.explain(f"htype {htype}: a value that breaks its rule", EFFECT)
        dataset = one(good, shape=shape, htype=htype, **how)
        twin = one(bad, shape=shape, htype=htype, **how)
        dataset.fault("a", "payload", b"".join(twin._chunks["a"].units))
        for key, value in _index(twin).items():
            if value != _index(dataset)[key]:
                dataset.fault("a", f"index.{key}", value)
        b.refuses(dataset, code, roles=CHECKER, why="the value, with its shape and checksum")


def _index(dataset: Any) -> dict[str, Any]:
    from lakebed_conform.builders.chunk import index_pairs

    return dict(index_pairs(dataset._chunks["a"]))


# fidelity

GRAYS = [np.full((8, 8), 120, np.uint8)]
RGBA = np.array([[[1, 2, 3, 255], [4, 5, 6, 0]]], np.uint8)
JPEG = jpeg([np.array([[120]])], 8, 8)
ABS = {"max_abs_error": 0.5}


def media(values: list[np.ndarray], codec: dict[str, Any], file: bytes, shape: list[int | None], **how: Any) -> Any:
    return one(values, shape=shape, codecs=[[codec]], encode=[lambda d: file], **how)


FIDELITY: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "quantize_exact": (lambda: one(FLOATS, shape=[4], codecs=[[QUANT]], encode=[lambda d: quantized()],
                                   members={"fidelity": "lossy"}), "exact", ("codec.quantize",)),
    "quantize_bound_less": (lambda: one(FLOATS, shape=[4], codecs=[[QUANT]], encode=[lambda d: quantized()],
                                        members={"fidelity": ABS}), {"max_abs_error": 0.25}, ("codec.quantize",)),
    "jpeg_encoded_exact": (lambda: media(GRAYS, {"name": "jpeg", "quality": 90}, JPEG, [None, None], htype="image.gray",
                                         members={"fidelity": "lossy"}), "exact", ("codec.jpeg",)),
    "webp_lossy_exact": (lambda: media([RGBA[..., :3]], {"name": "webp", "lossless": False},
                                       webp_lossless(RGBA[..., :3]), [None, None, 3], members={"fidelity": "lossy"}),
                         "exact", ("codec.webp",)),
}  # fmt: skip
for name, (base, value, features) in FIDELITY.items():

    @case(f"fidelity/{name}", "fidelity.stored", "chunk.tensor.fidelity", features=features)
    def _(b: Book, base=base, value=value) -> None:
        b.explain(
            f"A lossy pipeline in a tensor of fidelity {value}", "Data that says exact and is not cannot be told."
        )
        pointer = "/tensors/x/fidelity"
        if isinstance(value, dict):
            pointer, value = f"{pointer}/max_abs_error", value["max_abs_error"]
        b.refuses(base().fault("main/1", pointer, value), "E_FIDELITY_BROKEN", roles=CHECKER)


@case("fidelity/jpeg_given_exact", "fidelity.stored", "fidelity.encoded", "codec.jpeg", features=("codec.jpeg",))
def _(b: Book) -> None:
    """A JPEG without parameters is a file as given, and right in an exact tensor

    Fidelity speaks about arrays; a camera's file is kept as it is.
    """
    dataset = media(GRAYS, {"name": "jpeg"}, JPEG, [None, None], htype="image.gray")
    b.reads(dataset, {"x": GRAYS}, rule="A")
    b.file("x", 0, JPEG)


@case("fidelity/given_and_encoded", "fidelity.encoded", "chunk.index.codec", features=("codec.jpeg",))
def _(b: Book) -> None:
    """One given and one encoded JPEG in one tensor, told apart by their parameters

    Generation loss is seen only when files of cameras and files made here stay distinguishable.
    """
    values = GRAYS * 2
    codecs = [[{"name": "jpeg"}], [{"name": "jpeg", "quality": 90}]]
    dataset = one(values, shape=[8, 8], codecs=codecs, codec=[0, 1], encode=[lambda d: JPEG] * 2,
                  members={"fidelity": "lossy"})  # fmt: skip
    b.reads(dataset, {"x": values}, rule="A")
    b.file("x", 0, JPEG)


MASK = [np.full((8, 8), 1, np.uint8)]
for name, codec in (("given", {"name": "jpeg"}), ("encoded", {"name": "jpeg", "quality": 100})):

    @case(f"fidelity/label_jpeg_{name}", "htype.lossless.stored", "chunk.tensor.fidelity", features=("codec.jpeg",))
    def _(b: Book, codec=codec) -> None:
        b.explain("A mask stored as JPEG", "Ringing around an edge becomes classes that nobody drew.")
        good, bad = png(MASK[0]), jpeg([np.array([[1]])], 8, 8)
        dataset = media(MASK, {"name": "png"}, good, [None, None], htype="segment_mask", members={})
        dataset.fault("a", "payload", bad).fault("a", "index.codecs", [[codec]])
        from lakebed_conform.pen import crc32

        dataset.fault("a", "index.stored", len(bad)).fault("a", "index.crc", crc32(bad))
        b.refuses(dataset, "E_FIDELITY_BROKEN", roles=CHECKER, why="the file and what describes it")


@case("fidelity/label_webp_lossless", "codec.webp.given", "htype.lossless.stored", features=("codec.webp",))
def _(b: Book) -> None:
    """A lossless WebP in a mask is right

    The format has both forms; only its VP8L chunk tells.
    """
    mask = [np.array([[[0, 1, 2], [0, 1, 3]]], np.uint8)]
    dataset = media(mask, {"name": "webp"}, webp_lossless(mask[0]), [None, None, None], htype="segment_mask")
    b.reads(dataset, {"x": mask})


@case("fidelity/bounds_kept", "fidelity.form", "tensor.fidelity", "codec.quantize", features=("codec.quantize",))
def _(b: Book) -> None:
    """A quantize whose bound is smaller than the tensor's

    A checker that wants equality refuses what is better than promised.
    """
    dataset = one(
        FLOATS, shape=[4], codecs=[[QUANT]], encode=[lambda d: quantized()], members={"fidelity": {"max_abs_error": 9}}
    )
    b.reads(dataset, {"x": FLOATS})
