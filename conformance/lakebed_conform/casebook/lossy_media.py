"""Lossiness: pictures. Files byte for byte, lossless codecs exact, lossy ones above a floor, decoders by class."""

from __future__ import annotations

from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.photo import decoded, encoded, photo
from lakebed_conform.casebook.pictures import png
from lakebed_conform.casebook.writing_rows import x_is

RGB = [None, None, 3]


def image(codec: dict[str, Any], shape: list[int | None], dtype: str = "uint8", **more: Any) -> list[Any]:
    htype = "image" if len(shape) > 1 else "generic"
    return [s.create(), s.tensor("x", dtype=dtype, shape=shape, htype=htype, codecs=[[codec]], **more)]


# --- encoders: PSNR of a writer's encoder on the suite's picture, at least the floor of widely used encoders less 1 dB

FLOORS: dict[str, tuple[dict[str, Any], float]] = {
    "jpeg_q50": ({"name": "jpeg", "quality": 50, "subsampling": "4:2:0"}, 26.0),
    "jpeg_q75": ({"name": "jpeg", "quality": 75, "subsampling": "4:2:0"}, 29.0),
    "jpeg_q85": ({"name": "jpeg", "quality": 85, "subsampling": "4:2:0"}, 31.0),
    "jpeg_q95": ({"name": "jpeg", "quality": 95, "subsampling": "4:2:0"}, 33.5),
    "jpeg_q95_444": ({"name": "jpeg", "quality": 95, "subsampling": "4:4:4"}, 39.0),
    "jpeg_q100_444": ({"name": "jpeg", "quality": 100, "subsampling": "4:4:4"}, 49.0),
    "webp_q80": ({"name": "webp", "quality": 80, "lossless": False}, 32.0),
    "webp_q95": ({"name": "webp", "quality": 95, "lossless": False}, 33.5),
}
for _id, (_codec, _floor) in FLOORS.items():

    @case(
        f"lossy/floor_{_id}",
        "fidelity.lossy",
        "fidelity.encoded",
        f"codec.{_codec['name']}",
        level="should",
        features=(f"codec.{_codec['name']}",),
    )
    def _(b: Book, codec: dict[str, Any] = _codec, floor: float = _floor) -> None:
        b.explain(
            f"{codec['name']} quality {codec['quality']}: at least {floor} dB",
            "An encoder far below what its parameters mean loses what the user believes to have kept.",
        )
        pixels = photo(96, 128)
        want = x_is([pixels], "uint8", rule={"psnr_db": floor})
        b.writes([*image(codec, RGB, fidelity="lossy"), s.append(x=pixels), s.commit()], want)


# --- lossless picture codecs


def _alpha() -> np.ndarray:
    pixels = photo(20, 24, 4)
    pixels[:10, :, 3] = 0  # fully transparent, and coloured all the same
    return pixels


LOSSLESS: dict[str, tuple[dict[str, Any], str, list[int | None], list[np.ndarray]]] = {
    "png_rgb": ({"name": "png"}, "uint8", RGB, [photo(31, 17), photo(1, 1)]),
    "png_gray": ({"name": "png"}, "uint8", [None, None], [photo(31, 17, 0), photo(1, 9, 0)]),
    "png_one_channel": ({"name": "png"}, "uint8", [None, None, 1], [photo(8, 9, 0)[..., None]]),
    "png_two_channels": ({"name": "png"}, "uint8", [None, None, 2], [photo(8, 9, 2)]),
    "png_rgba": ({"name": "png"}, "uint8", [None, None, 4], [_alpha()]),
    "png_uint16": ({"name": "png"}, "uint16", [None, None], [np.arange(35, dtype="<u2").reshape(5, 7) * 1873]),
    "webp_rgb": ({"name": "webp", "lossless": True}, "uint8", RGB, [photo(31, 17), photo(2, 1)]),
    "webp_rgba": ({"name": "webp", "lossless": True}, "uint8", [None, None, 4], [_alpha()]),
    "tiff_rgb": ({"name": "tiff"}, "uint8", RGB, [photo(31, 17)]),
    "tiff_uint16": ({"name": "tiff"}, "uint16", [None, None], [np.arange(35, dtype="<u2").reshape(5, 7) * 1873]),
    "bmp_rgb": ({"name": "bmp"}, "uint8", RGB, [photo(31, 17), photo(3, 2)]),
    "bmp_gray": ({"name": "bmp"}, "uint8", [None, None], [photo(5, 7, 0)]),
}
for _id, (_codec, _dtype, _shape, _values) in LOSSLESS.items():

    @case(f"lossy/lossless_{_id}", "fidelity.exact", f"codec.{_codec['name']}",
          *(("codec.webp.alpha",) if _id == "webp_rgba" else ()), features=(f"codec.{_codec['name']}",))  # fmt: skip
    def _(
        b: Book,
        codec: dict[str, Any] = _codec,
        dtype: str = _dtype,
        shape: list[int | None] = _shape,
        values: list[np.ndarray] = _values,
    ) -> None:
        b.explain(
            f"{codec['name']} of {dtype} {shape}: every value comes back",
            "8 bits for 16, a colour under alpha 0 cleared, a channel dropped: all look right on the screen.",
        )
        b.writes([*image(codec, shape, dtype, fidelity="exact"), s.extend(x=values), s.commit()], x_is(values, dtype))


@case("lossy/png_mask", "htype.lossless", "htype.binary_mask", features=("codec.png",))
def _(b: Book) -> None:
    """A boolean mask as 1-bit PNG

    Labels may take a picture codec when it is exact for them.
    """
    mask = photo(19, 23, 0) > 120
    script = [
        s.create(),
        s.tensor("x", dtype="bool", shape=[None, None], htype="binary_mask", codecs=[[{"name": "png"}]]),
        s.append(x=mask),
        s.commit(),
    ]
    b.writes(script, x_is([mask], "bool"))


@case("lossy/media_empty", "media.empty", features=("codec.png",))
def _(b: Book) -> None:
    """A picture without pixels is raw

    No picture format has one; it is a sample all the same.
    """
    values = [photo(4, 5), np.zeros((0, 5, 3), "u1"), np.zeros((3, 0, 3), "u1")]
    b.writes([*image({"name": "png"}, RGB), s.extend(x=values), s.commit()], x_is(values, "uint8"))


# --- files


def _given(
    id: str,
    form: str,
    files: list[bytes],
    values: list[np.ndarray],
    shape: list[int | None],
    title: str,
    *clauses: str,
    rule: Any = "exact",
    lossy: bool = False,
) -> None:
    @case(
        f"lossy/file_{id}", "media.verbatim", "fidelity.files", *clauses, features=(f"codec.{form}",), origin="library"
    )
    def _(b: Book) -> None:
        b.explain(
            title, "A file that was re-encoded once is another file: its hash, its metadata and its pixels are gone."
        )
        script = [*image({"name": form}, shape, values[0].dtype.name), *[s.append(x=f) for f in files], s.commit()]
        said = [{"tensor": "x", "sample": i, "data": f} for i, f in enumerate(files)]
        b.writes(script, x_is(values, values[0].dtype.name, rule=rule) | {"files": said})


_jpeg = encoded(photo(40, 48), "jpeg", quality=85)
_given("jpeg", "jpeg", [_jpeg], [decoded(_jpeg)], RGB, "A JPEG file, byte for byte", rule="B")
_given(
    "jpeg_trailing",
    "jpeg",
    [_jpeg + b"trailing bytes"],
    [decoded(_jpeg)],
    RGB,
    "A JPEG with bytes behind its end",
    "media.append",
    rule="B",
)
_gray = encoded(photo(24, 24, 0), "jpeg", quality=90)
_given(
    "jpeg_gray",
    "jpeg",
    [_gray],
    [decoded(_gray)[..., None]],
    [None, None, None],
    "A gray JPEG in a tensor of rank 3",
    "media.gray",
    rule="A",
)
_png = png(photo(9, 11))
_given("png", "png", [_png, png(photo(2, 3))], [photo(9, 11), photo(2, 3)], RGB, "PNG files of two sizes")
_given(
    "png_text",
    "png",
    [png(photo(9, 11), [(b"tEXt", b"Comment\0by hand")])],
    [photo(9, 11)],
    RGB,
    "A PNG with a text chunk",
)
_webp = encoded(photo(32, 32), "webp", quality=70)
_given("webp", "webp", [_webp], [decoded(_webp)], RGB, "A lossy WebP, byte for byte", rule="B")
_gif = encoded(photo(16, 18, 0), "gif")
_given(
    "gif",
    "gif",
    [_gif],
    [np.repeat(photo(16, 18, 0)[..., None], 3, -1)],
    RGB,
    "A GIF: a palette is expanded to RGB",
    "picture.palette",
)


def _refused(
    id: str,
    code: str,
    codec: dict[str, Any],
    file: bytes,
    title: str,
    *clauses: str,
    shape: Any = None,
    dtype: str = "uint8",
    also: tuple[str, ...] = (),
    **more: Any,
) -> None:
    @case(f"lossy/file_refused_{id}", *clauses, features=(f"codec.{codec['name']}",), origin="library")
    def _(b: Book) -> None:
        b.explain(title, "What gets in unread is found by whoever trains on it.")
        htype = more.pop("htype", "image")
        script = [
            s.create(),
            s.tensor("x", dtype=dtype, shape=shape or RGB, htype=htype, codecs=[[codec]], **more),
            s.append(x=file),
            s.commit(),
        ]
        b.write_refused(script, code, also=also)


_refused(
    "other_format",
    "E_FILE_FORMAT",
    {"name": "jpeg"},
    _png,
    "A PNG for a tensor of JPEG files, exact",
    "media.transcode",
    "fidelity.files",
    fidelity="exact",
)
_refused(
    "truncated_jpeg",
    "E_SAMPLE_FILE",
    {"name": "jpeg"},
    _jpeg[: len(_jpeg) * 2 // 3],
    "A JPEG that ends in the middle",
    "media.append",
)
_refused("truncated_png", "E_SAMPLE_FILE", {"name": "png"}, _png[:-30], "A PNG without its end", "media.append")
_refused(
    "png_crc",
    "E_SAMPLE_FILE",
    {"name": "png"},
    _png[:60] + bytes([_png[60] ^ 1]) + _png[61:],
    "A PNG with one bit changed in its data",
    "media.append",
)
_refused(
    "no_picture",
    "E_SAMPLE_FILE",
    {"name": "png"},
    b"hello, I am a picture",
    "Text that calls itself a picture",
    "media.append",
)
_refused("empty", "E_SAMPLE_FILE", {"name": "png"}, b"", "A file of no bytes", "media.append")
_refused(
    "gray_for_rgb",
    "E_SAMPLE_SHAPE",
    {"name": "png"},
    png(photo(5, 5, 0)),
    "A gray PNG where three channels are due",
    "sample.shape",
    "media.gray",
)
_refused(
    "dtype",
    "E_SAMPLE_DTYPE",
    {"name": "png"},
    png((photo(5, 5, 0).astype("<u2") * 257)[..., None]),
    "A 16-bit PNG in a tensor of uint8",
    "media.dtype",
    shape=[None, None],
)
_refused(
    "jpeg_mask",
    "E_FIDELITY_LABEL",
    {"name": "jpeg"},
    _gray,
    "A JPEG tensor of class masks",
    "htype.lossless",
    shape=[None, None],
    htype="segment_mask",
)
_refused(
    "webp_mask",
    "E_FIDELITY_LABEL",
    {"name": "webp", "lossless": True},
    _webp,
    "A lossy WebP file in a tensor of masks",
    "htype.lossless",
    "codec.webp.given",
    htype="segment_mask",
    shape=RGB,
    also=("E_ARGUMENT",),
)

for _htype, _dtype2, _shape2, _more in (
    ("class_label", "uint32", [], {}),
    ("bbox", "float32", [None, 4], {}),
    ("binary_mask", "bool", [None, None], {}),
    ("segment_mask", "uint8", [None, None], {}),
    ("keypoints", "float32", [None, None, 3], {}),
    ("point", "float32", [None, 2], {}),
    ("polygon", "float32", [None, 2], {"sequence": True}),
    ("text", "uint8", [None], {}),
    ("json", "uint8", [None], {}),
    ("list", "uint8", [None], {"sequence": True}),
    ("tag", "uint8", [None], {"sequence": True}),
):

    @case(f"lossy/label_{_htype}", "htype.lossless")
    def _(
        b: Book, htype: str = _htype, dtype: str = _dtype2, shape: Any = _shape2, more: dict[str, Any] = _more
    ) -> None:
        b.explain(f"{htype} declared lossy is refused", "A label that is nearly right is wrong.")
        script = [
            s.create(),
            s.tensor("x", dtype=dtype, shape=shape, htype=htype, fidelity="lossy", **more),
            s.commit(),
        ]
        b.write_refused(script, "E_FIDELITY_LABEL")


# --- decoders


def _read(id: str, form: str, file: bytes, pixels: np.ndarray, rule: str, title: str, *more: str) -> None:
    @case(f"lossy/decode_{id}", "media.tolerance", f"codec.{form}", features=(f"codec.{form}", *more), origin="library")
    def _(b: Book) -> None:
        b.explain(title, "Two readers that show different pixels train different models.")
        shape: list[int | None] = [None, None] if pixels.ndim == 2 else [None, None, pixels.shape[2]]
        dataset = one(
            [pixels],
            shape=shape,
            htype="image",
            codecs=[[{"name": form}]],
            encode=[lambda _: file],
            members={"fidelity": "exact"},
        )
        b.reads(dataset, {"x": [pixels]}, rule=rule)
        b.file("x", 0, file)


for _sub, _tag in ((0, "444"), (1, "422"), (2, "420")):
    for _q in (50, 85, 95):
        _file = encoded(photo(64, 96), "jpeg", quality=_q, subsampling=_sub)
        _exactly = () if _sub == 0 else ("decoder.class_a",)
        _read(
            f"jpeg_{_tag}_q{_q}",
            "jpeg",
            _file,
            decoded(_file),
            "A",
            f"JPEG {_tag} quality {_q}: within 4 of the reference decode",
            *_exactly,
        )
        if _sub:
            _read(
                f"jpeg_{_tag}_q{_q}_b",
                "jpeg",
                _file,
                decoded(_file),
                "B",
                f"JPEG {_tag} quality {_q}: chroma up-sampling is free, luma is not",
            )
_file = encoded(photo(61, 93), "jpeg", quality=85, subsampling=2)
_read("jpeg_odd_sides", "jpeg", _file, decoded(_file), "A", "JPEG 4:2:0 of odd sides", "decoder.class_a")
_file = encoded(photo(64, 96), "jpeg", quality=85, progressive=True)
_read("jpeg_progressive", "jpeg", _file, decoded(_file), "A", "A progressive JPEG", "decoder.class_a")
_read("jpeg_gray", "jpeg", _gray, decoded(_gray), "A", "A gray JPEG")
_read("webp_lossy", "webp", _webp, decoded(_webp), "A", "A lossy WebP", "decoder.class_a")
_file = encoded(photo(32, 32), "webp", lossless=True)
_read("webp_lossless", "webp", _file, photo(32, 32), "exact", "A lossless WebP: class E, to the bit")
_read("png", "png", png(photo(32, 33)), photo(32, 33), "exact", "A PNG: class E, to the bit")
_file = encoded(photo(32, 33), "tiff", compression="tiff_lzw")
_read("tiff_lzw", "tiff", _file, photo(32, 33), "exact", "A TIFF in LZW: class E, to the bit")
