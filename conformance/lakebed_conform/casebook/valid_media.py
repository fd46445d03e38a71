"""Files of further formats laid by hand: pictures, sound, volumes, points; and the htypes that hold them."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import pictures as p
from lakebed_conform.casebook.book import Book, case
from lakebed_conform.casebook.invalid_codecs import TEXT, stream
from lakebed_conform.casebook.invalid_meaning import CHECKER, EFFECT, _index, texts
from lakebed_conform.casebook.valid_codecs import BITS, RGB, RGBA, U16
from lakebed_conform.pen import crc32, lz4_literals, zlib_stored

FLOAT3 = np.arange(18, dtype="<f4").reshape(2, 3, 3) / 4
STEREO = np.array([[1, -1], [32767, -32768], [0, 7]], "<i2")
VOLUME = np.arange(24, dtype="<i2").reshape(2, 3, 4)
POINTS = np.array([[1, 2, 3], [-0.5, 0, 1e9]], "<f4")
TRIANGLES = np.arange(18, dtype="<f4").reshape(2, 3, 3)


def qoi(pixels: np.ndarray) -> bytes:
    """Every pixel in full: op RGB or RGBA."""
    h, w, c = pixels.shape
    op = b"\xfe" if c == 3 else b"\xff"
    body = b"".join(op + bytes(q) for q in pixels.reshape(-1, c))
    return b"qoif" + struct.pack(">IIBB", w, h, c, 0) + body + bytes(7) + b"\x01"


def sgi(pixels: np.ndarray) -> bytes:
    h, w, c = pixels.shape
    head = struct.pack(">hBBHHHHii", 474, 0, 1, 3, w, h, c, 0, 255)
    return head.ljust(512, b"\0") + b"".join(pixels[::-1, :, i].tobytes() for i in range(c))


def tga(pixels: np.ndarray) -> bytes:
    h, w, _ = pixels.shape
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, w, h, 24, 0x20) + pixels[..., ::-1].tobytes()


def wav(data: bytes, channels: int, bits: int, form: int = 1, rate: int = 44100) -> bytes:
    size = channels * bits // 8
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, form, channels, rate, rate * size, size, bits)
    body = b"WAVE" + fmt + b"data" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def nii(volume: np.ndarray, code: int, bits: int) -> bytes:
    """NIfTI-1 in one file: header of 348 bytes, no extension, x fastest."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, volume.ndim, *volume.shape, *[1] * (7 - volume.ndim))
    struct.pack_into("<hh", head, 70, code, bits)
    struct.pack_into("<8f", head, 76, *[1.0] * 8)
    struct.pack_into("<fff", head, 108, 352.0, 2.0, 10.0)
    head[344:348] = b"n+1\0"
    return bytes(head) + volume.tobytes(order="F")


def gzip(data: bytes) -> bytes:
    """A gzip member of stored blocks."""
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + zlib_stored(data)[2:-4] + struct.pack("<II", crc32(data), len(data))


def ico(png: bytes, h: int, w: int) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, w, h, 0, 0, 1, 32, len(png), 22) + png


def pcx(pixels: np.ndarray) -> bytes:
    """Three planes of 8 bits; every byte as a run of one."""
    h, w, _ = pixels.shape
    line = w + w % 2
    head = struct.pack("<BBBBHHHHHH", 10, 5, 1, 8, 0, 0, w - 1, h - 1, 72, 72) + bytes(48)
    head += struct.pack("<BBHH", 0, 3, line, 1)
    rows = [pixels[y, :, c].tobytes().ljust(line, b"\0") for y in range(h) for c in range(3)]
    return head.ljust(128, b"\0") + b"".join(bytes([0xC1, v]) for row in rows for v in row)


def ply(points: np.ndarray) -> bytes:
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    return head.encode() + points.tobytes()


def stl(triangles: np.ndarray) -> bytes:
    body = b"".join(bytes(12) + t.tobytes() + b"\0\0" for t in triangles)
    return b"made by hand".ljust(80, b"\0") + struct.pack("<I", len(triangles)) + body


RGBE = np.array([[[128, 64, 32, 129], [255, 0, 1, 136]]], np.uint8)
LIGHT = np.array([[[1.0, 0.5, 0.25], [255, 0, 1]]], "<f4")
BYTES24 = b"\x01\x02\x03\xff\xff\xff"
FILES: dict[str, tuple[str, bytes, np.ndarray, tuple[str, ...]]] = {
    "ppm_rgb": ("ppm", b"P6\n3 2\n255\n" + RGB.tobytes(), RGB, ("picture.ppm", "codec.ppm")),
    "ppm_gray_16": ("ppm", b"P5\n3 2\n65535\n" + U16.astype(">u2").tobytes(), U16, ("picture.ppm",)),
    "ppm_bits": ("ppm", b"P4\n3 2\n\x80\x40", BITS.astype(bool), ("picture.ppm",)),
    "ppm_floats": ("ppm", b"PF\n3 2\n-1.0\n" + FLOAT3[::-1].tobytes(), FLOAT3, ("picture.ppm",)),
    "ppm_comment": ("ppm", b"P6\n# made by hand\n3 2\n255\n" + RGB.tobytes(), RGB, ("picture.ppm",)),
    "qoi_rgb": ("qoi", qoi(RGB), RGB, ("codec.qoi",)), "qoi_rgba": ("qoi", qoi(RGBA), RGBA, ("codec.qoi",)),
    "tga_rgb": ("tga", tga(RGB), RGB, ("codec.tga", "picture.legacy")),
    "sgi_rgb": ("sgi", sgi(RGB), RGB, ("codec.sgi", "picture.legacy", "picture.rows")),
    "dib_rgb": ("dib", p.bmp([r[:, ::-1].tobytes() for r in RGB], 2, 3, 24)[14:], RGB, ("codec.dib", "picture.legacy")),
    "hdr_flat": ("hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 2\n" + RGBE.tobytes(), LIGHT,
                 ("codec.hdr", "picture.hdr")),
    "wav_16": ("wav", wav(STEREO.tobytes(), 2, 16), STEREO, ("codec.wav", "audio.shape", "audio.scale", "media.part")),
    "wav_8": ("wav", wav(bytes([0, 128, 255]), 1, 8), np.array([[0], [128], [255]], np.uint8), ("audio.scale",)),
    "wav_24": ("wav", wav(BYTES24, 1, 24), np.array([[0x03020100], [-256]], "<i4"), ("audio.scale",)),
    "wav_float": ("wav", wav(np.array([0.5, -2.0], "<f4").tobytes(), 1, 32, 3), np.array([[0.5], [-2.0]], "<f4"),
                  ("audio.scale", "audio.tolerance")),
    "nii_int16": ("nii", nii(VOLUME, 4, 16), VOLUME, ("codec.nii", "nifti.array", "nifti.scale")),
    "nii_gz": ("nii.gz", gzip(nii(VOLUME, 4, 16)), VOLUME, ("codec.nii_gz",)),
    "ico_png": ("ico", ico(p.png(RGBA), 2, 3), RGBA, ("codec.ico", "picture.ico")),
    "pcx_rgb": ("pcx", pcx(RGB), RGB, ("codec.pcx", "picture.legacy")),
    "ply_floats": ("ply", ply(POINTS), POINTS, ("codec.ply", "mesh.ply")),
    "stl": ("stl", stl(TRIANGLES), TRIANGLES, ("codec.stl", "mesh.stl")),
}  # fmt: skip
for name, (codec, file, array, clauses) in FILES.items():

    @case(f"file/{name}", "media.verbatim", "model.file", *clauses, features=(f"codec.{codec}",))
    def _(b: Book, name=name, codec=codec, file=file, array=array) -> None:
        b.explain(f"A file: {name.replace('_', ' ')}", "The same file must be the same array in every port.")
        values = [array, None]
        shape: list[int | None] = [None] * array.ndim
        b.reads(one(values, shape=shape, codecs=[[{"name": codec}]], encode=[lambda d: file]), {"x": values})
        b.file("x", 0, file)


# htypes


def said(**members: Any) -> dict[str, Any]:
    return {"members": {"attributes": members}}


LINK = texts('{"url":"https://example.org/a.png"}', '{"url":"s3://bucket/key","credentials":"lab"}')
BOX9 = [np.array([[0, 0, 0, 1, 2, 3, 0, 0, 0]], "<f4")]
COCO = [np.array([[1], [2], [2]], "<i4")]
HTYPES: dict[str, tuple[list[Any], list[int | None], dict[str, Any]]] = {
    "bbox.3d": (BOX9, [None, 9], said(coords={"mode": "center"})),
    "intrinsics": ([np.eye(3, dtype="<f4")[None]], [None, 3, 3], {}),
    "instance_label": ([np.ones((2, 2), "<u4")], [None, None], {}),
    "keypoints_coco": (COCO, [None, None], said(keypoints=["nose"])),
    "video": ([np.zeros((2, 2, 2, 3), np.uint8)], [None, None, None, 3], {}),
    "audio": ([STEREO], [None, None], {}), "dicom": ([U16], [None, None], {}), "nifti": ([VOLUME], [None] * 3, {}),
    "point_cloud": ([POINTS], [None, 3], {}), "mesh": ([TRIANGLES], [None, 3, 3], {}),
    "link[image]": (LINK, [None], {}),
}  # fmt: skip
CLAUSE = {h: f"htype.{h.replace('.', '_')}" for h in HTYPES} | {"link[image]": "htype.link"}
for htype, (values, shape, how) in HTYPES.items():

    @case(f"htype/{CLAUSE[htype][6:]}", CLAUSE[htype], "htype.fits", "htype.missing")
    def _(b: Book, htype=htype, values=values, shape=shape, how=how) -> None:
        b.explain(f"A valid tensor of htype {htype}", "A checker that refuses good data is switched off.")
        b.reads(one([*values, None], shape=shape, htype=htype, **how), {"x": [*values, None]})


FORMS: dict[str, tuple[str, str, Any, tuple[str, ...]]] = {
    "video_of_rank_3": ("nifti", "/tensors/x/htype", "video", ("htype.fits", "htype.video")),
    "audio_of_rank_3": ("mesh", "/tensors/x/htype", "audio", ("htype.fits", "htype.audio")),
    "dicom_of_floats": ("mesh", "/tensors/x/htype", "dicom", ("htype.fits", "htype.dicom")),
    "nifti_of_rank_2": ("dicom", "/tensors/x/htype", "nifti", ("htype.fits", "htype.nifti")),
    "point_cloud_of_9": ("bbox.3d", "/tensors/x/htype", "point_cloud", ("htype.fits", "htype.point_cloud")),
    "bbox_3d_of_3": ("point_cloud", "/tensors/x/htype", "bbox.3d", ("htype.fits", "htype.bbox_3d")),
    "intrinsics_of_rank_2": ("point_cloud", "/tensors/x/htype", "intrinsics", ("htype.fits", "htype.intrinsics")),
    "coco_names_twice": ("keypoints_coco", "/tensors/x/attributes/keypoints", ["a", "a"],
                         ("htype.keypoints_coco.names",)),
}  # fmt: skip
for name, (htype, pointer, value, clauses) in FORMS.items():

    @case(f"htype/form_{name}", *clauses)
    def _(b: Book, htype=htype, pointer=pointer, value=value) -> None:
        b.explain(f"A tensor of the form of {htype}: {pointer} is {value!r}", EFFECT)
        values, shape, how = HTYPES[htype]
        dataset = one(values, shape=shape, htype=htype, **how)
        why = "the list is one value"
        b.refuses(dataset.fault("main/1", pointer, value), "E_TENSOR_FIELD", roles=CHECKER, why=why)


def link(**members: Any) -> list[np.ndarray]:
    return texts(json.dumps(members))


NAN = float("nan")
VALUE, TEXT_, SHAPE = "E_SAMPLE_HTYPE", "E_VALUE_TEXT", "E_SAMPLE_SHAPE"
VALUES: dict[str, tuple[str, list[Any], str, str]] = {
    "bbox_3d_size": ("bbox.3d", [np.array([[0, 0, 0, 1, -2, 3, 0, 0, 0]], "<f4")], VALUE, "htype.bbox_3d.size"),
    "bbox_3d_nan": ("bbox.3d", [np.array([[NAN, 0, 0, 1, 2, 3, 0, 0, 0]], "<f4")], VALUE, "htype.bbox_3d.finite"),
    "intrinsics_nan": ("intrinsics", [np.full((1, 3, 3), NAN, "<f4")], VALUE, "htype.intrinsics.finite"),
    "coco_visibility": ("keypoints_coco", [np.array([[1], [2], [3]], "<i4")], VALUE, "htype.keypoints_coco.visibility"),
    "coco_rows": ("keypoints_coco", [np.array([[1], [2]], "<i4")], SHAPE, "htype.keypoints_coco.axes"),
    "link_text": ("link[image]", [texts("https://example.org")[0], LINK[1]], TEXT_, "htype.link.value"),
    "link_member": ("link[image]", [link(url="https://example.org/a", to=1)[0], LINK[1]], TEXT_, "htype.link.value"),
    "link_scheme": ("link[image]", [link(url="ftp://example.org/a")[0], LINK[1]], VALUE, "htype.link.url"),
    "link_path": ("link[image]", [link(url="file:///etc/passwd")[0], LINK[1]], VALUE, "htype.link.url"),
    "link_credentials": ("link[image]", [link(url="s3://b/k", credentials="x" * 65)[0], LINK[1]], VALUE,
                         "htype.link.credentials"),
    "link_credentials_secret": ("link[image]", [link(url="s3://b/k", credentials="ID:word/xyz")[0], LINK[1]], VALUE,
                                "htype.link.credentials"),
}  # fmt: skip
for name, (htype, bad, code, clause) in VALUES.items():

    @case(f"htype/value_{name}", clause, "htype.known")
    def _(b: Book, htype=htype, bad=bad, code=code) -> None:
        b.explain(f"htype {htype}: a value that breaks its rule", EFFECT)
        good, shape, how = HTYPES[htype]
        dataset, twin = (one(v, shape=shape, htype=htype, **how) for v in (good, bad))
        dataset.fault("a", "payload", b"".join(twin._chunks["a"].units))
        for key, value in _index(twin).items():
            if value != _index(dataset)[key]:
                dataset.fault("a", f"index.{key}", value)
        b.refuses(dataset, code, roles=CHECKER, why="the value, with its shape and checksum")


@case("htype/bbox_3d_mode", "htype.bbox_3d.coords", "htype.bbox_3d.axes")
def _(b: Book) -> None:
    """Nine numbers a box where coords says corners

    A centre read as a corner moves every box.
    """
    dataset = one(BOX9, shape=[None, 9], htype="bbox.3d", **said(coords={"mode": "center"}))
    dataset.fault("main/1", "/tensors/x/attributes/coords/mode", "vertex")
    b.refuses(dataset, "E_SAMPLE_HTYPE", roles=CHECKER, also=("E_SAMPLE_SHAPE", "E_TENSOR_FIELD"))


# what was settled about lz4, pcodec and the checksum

BLOCKS: dict[str, tuple[bytes, tuple[str, ...], str]] = {
    "offset_0": (b"\x33abc\x00\x00" + lz4_literals(b"12345678901X"), CHECKER, "codec.lz4.offset"),
    "ends_in_match": (b"\x3fabc\x03\x00\x00", ("reader", "checker"), "codec.lz4.block"),
    "last_match_late": (b"\x3eabc\x03\x00\x10!", ("reader", "checker"), "codec.lz4.block"),
}  # fmt: skip
for name, (bad, roles, clause) in BLOCKS.items():

    @case(f"codec/lz4_{name}", clause, "codec.corrupt", features=("codec.lz4",))
    def _(b: Book, name=name, bad=bad, roles=roles) -> None:
        b.explain(
            f"An LZ4 block: {name.replace('_', ' ')}", "What one library forgives another refuses, or reads as noise."
        )
        dataset = stream([{"name": "lz4"}], TEXT, lz4_literals(TEXT[0].tobytes()), bad)
        b.refuses(dataset, "E_CODEC_DATA", roles=roles, why="length and CRC agree with the broken stream")


PCODEC = {"name": "pcodec", "dtype": "uint16"}
for name, pipeline in {"not_alone": [PCODEC, {"name": "lz4"}], "other_dtype": [PCODEC | {"dtype": "int16"}],
                       "no_dtype": [{"name": "pcodec"}], "after_filter": [{"name": "shuffle", "size": 2},
                                        PCODEC]}.items():  # fmt: skip

    @case(f"codec/pcodec_{name}", "codec.pcodec.alone", "codec.params", "codec.pcodec",
          features=("codec.pcodec", "codec.lz4", "codec.shuffle"))  # fmt: skip
    def _(b: Book, pipeline=pipeline) -> None:
        b.explain(f"Pipeline {pipeline}", "A stream of numbers of another dtype is other numbers.")
        dataset = one([np.array([1, 2], "<u2")] * 4, shape=[2], k=4, codecs=[[{"name": "lz4"}]])
        b.refuses(dataset.fault("a", "index.codecs", [pipeline]), "E_INDEX_CODEC")


@case("unit/check_value", "column.crc32", "unit.crc", "chunk.index.crc")
def _(b: Book) -> None:
    """The CRC-32 of 123456789 is CBF43926

    A CRC of another polynomial, or without the final exclusive-or, refuses every chunk there is.
    """
    value = np.frombuffer(b"123456789", np.uint8)
    dataset = one([value], shape=[None])
    b.reads(dataset.change("a", "index.crc", 0xCBF43926), {"x": [value]})
    b.part("x", [value], dtype="uint8", list=["0"])
