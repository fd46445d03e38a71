"""Golden pictures: what Pillow, imagecodecs and qoi encode of the suite's own picture."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import imagecodecs
import numpy as np
import OpenEXR
import qoi
import simplejpeg
from PIL import Image

from lakebed_conform.casebook.photo import photo

RGB = photo(40, 56)
GRAY = photo(40, 56, 0)
RGBA = photo(40, 56, 4)
DEEP = GRAY.astype(np.uint16) * 250 + photo(40, 56)[..., 0] % 7
DEEP_RGB = RGB.astype(np.uint16) * 251 + 3
BITS = GRAY > 120
PIL, IC = "pillow", "imagecodecs"


def saved(array: np.ndarray, form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, form, **how)
    return out.getvalue()


def made(
    name: str, codec: str, file: str, data: bytes, array: np.ndarray, clauses: str, *, by: tuple[str, ...] = (PIL,),
    how: str = "", rule: Any = "exact", due: str = "the array that was encoded", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """One golden file; ``due``: where the expected array is from; ``by``: the libraries, encoder first."""
    return {
        "name": name, "codec": codec, "file": file, "data": data, "array": array, "clauses": clauses.split(),
        "encoder": by[0], "parameters": how, "rule": rule, "due": due, "libraries": by, **more,
    }  # fmt: skip


def full_range(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """BT.601 of full range on planes of one size, to uint8."""
    y, u, v = (p.astype(np.float64) for p in (y, u - 128.0, v - 128.0))
    return np.clip(np.rint(np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1)), 0, 255)


def up(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear up-sampling to twice the sides, samples in the middle of their squares."""
    wide = np.pad(plane.astype(np.float64), 1, mode="edge")
    y, x = ((np.arange(n) + 0.5) / 2 + 0.5 for n in (height, width))
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = (y - y0)[:, None], (x - x0)[None]
    top = wide[y0][:, x0] * (1 - fx) + wide[y0][:, x0 + 1] * fx
    low = wide[y0 + 1][:, x0] * (1 - fx) + wide[y0 + 1][:, x0 + 1] * fx
    return top * (1 - fy) + low * fy


def by_ffmpeg(data: bytes, pixels: str) -> np.ndarray:
    """The first frame in FFmpeg's own layout ``pixels``, without a conversion of it."""
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0))
        if frame.format.name != pixels:
            raise ValueError(f"decodes to {frame.format.name}, not {pixels}")
        return frame.to_ndarray()


def planes(data: bytes, pixels: str, height: int, width: int) -> np.ndarray:
    """RGB of a picture of full range whose chroma has full or half sides."""
    flat = by_ffmpeg(data, pixels)
    if flat.ndim == 3:
        return full_range(*(flat if flat.shape[0] == 3 else np.moveaxis(flat, -1, 0))).astype(np.uint8)
    y = flat[:height]
    u, v = flat[height:].reshape(2, height // 2, width // 2)
    return full_range(y, up(u, height, width), up(v, height, width)).astype(np.uint8)


def jpeg2000() -> Iterator[dict[str, Any]]:
    clauses, form = "codec.jpeg2000 picture.jpeg2000", "JPEG2000"
    for name, array in {"rgb": RGB, "gray": GRAY, "rgba": RGBA}.items():
        data = saved(array, form, irreversible=False)
        yield made(f"jpeg2000_{name}", "jpeg2000", f"{name}.jp2", data, array, clauses, how="reversible")
    data = imagecodecs.jpeg2k_encode(DEEP, level=0, reversible=True, codecformat="jp2")
    yield made("jpeg2000_gray_16", "jpeg2000", "gray_16.jp2", data, DEEP, clauses, by=(IC,), how="reversible")
    data = imagecodecs.jpeg2k_encode(DEEP_RGB, level=0, reversible=True, codecformat="jp2")
    yield made("jpeg2000_rgb_16", "jpeg2000", "rgb_16.jp2", data, DEEP_RGB, clauses, by=(IC,), how="reversible")
    data = imagecodecs.jpeg2k_encode(RGB, level=0, reversible=True, codecformat="j2k")
    yield made("jpeg2000_stream", "jpeg2000", "rgb.j2k", data, RGB, clauses, by=(IC,), how="bare codestream")
    data = saved(RGB, form, irreversible=True, quality_mode="dB", quality_layers=[42])
    due = by_ffmpeg(data, "rgb24")
    yield made("jpeg2000_lossy", "jpeg2000", "lossy.jp2", data, due, f"{clauses} media.tolerance", by=(PIL, "av"),
               how="irreversible, 42 dB", rule="A", due="FFmpeg's own decoder")  # fmt: skip


def avif() -> Iterator[dict[str, Any]]:
    clauses = "codec.avif picture.avif"
    for name, array in {"rgb": RGB, "rgba": RGBA}.items():
        data = imagecodecs.avif_encode(array, level=100, speed=8)
        yield made(f"avif_{name}", "avif", f"{name}.avif", data, array, clauses, by=(IC,), how="lossless")
    data = saved(RGB, "AVIF", quality=90, subsampling="4:4:4", max_threads=1)
    formula = "planes of FFmpeg's decoder (dav1d), BT.601 of full range by formula"
    due = planes(data, "yuv444p", 40, 56)
    yield made("avif_lossy_444", "avif", "lossy_444.avif", data, due, f"{clauses} media.tolerance", by=(PIL, "av"),
               how="quality 90, 4:4:4", rule="A", due=formula)  # fmt: skip
    data = saved(RGB, "AVIF", quality=80, subsampling="4:2:0", max_threads=1)
    due = planes(data, "yuv420p", 40, 56)
    yield made("avif_lossy_420", "avif", "lossy_420.avif", data, due, f"{clauses} media.tolerance", by=(PIL, "av"),
               how="quality 80, 4:2:0", rule="B", due=formula)  # fmt: skip


def jxl() -> Iterator[dict[str, Any]]:
    clauses = "codec.jxl picture.jxl"
    floats = (DEEP_RGB / np.float32(65535)).astype(np.float32)
    for name, array in {"rgb": RGB, "gray": GRAY, "rgba": RGBA, "gray_16": DEEP, "rgb_16": DEEP_RGB,
                        "floats": floats}.items():  # fmt: skip
        data = imagecodecs.jpegxl_encode(array, lossless=True, effort=3)
        yield made(f"jxl_{name}", "jxl", f"{name}.jxl", data, array, clauses, by=(IC,), how="lossless, effort 3")
    data = imagecodecs.jpegxl_encode(RGB, lossless=False, distance=0.5, effort=5)
    yield made("jxl_lossy", "jxl", "lossy.jxl", data, RGB, clauses, by=(IC,), how="distance 0.5, effort 5",
               rule={"psnr_db": 38}, due="the array that was encoded, at least 38 dB near")  # fmt: skip
    given = saved(photo(96, 128), "JPEG", quality=95, subsampling=0)
    data = imagecodecs.jpegxl_encode_jpeg(given, usecontainer=True)
    due = simplejpeg.decode_jpeg(given, fastdct=False, fastupsample=False)
    yield made("jxl_jpeg", "jxl_jpeg", "packed.jxl", data, due, "codec.jxl_jpeg media.packed picture.jpeg_rgb",
               by=(IC, PIL, "simplejpeg"), how="a JPEG of quality 95, 4:4:4, by Pillow, packed", rule="A",
               due="the JPEG, decoded by simplejpeg", given=("packed.jpg", given))  # fmt: skip


def plain() -> Iterator[dict[str, Any]]:
    """Formats that Pillow writes whole."""
    for name, array in {"rgb": RGB, "gray": GRAY, "rgba": RGBA, "bits": BITS, "gray_16": DEEP}.items():
        form = {"how": f"{array.dtype} {array.shape[2:]}"}
        yield made(f"im_{name}", "im", f"{name}.im", saved(array, "IM"), array, "codec.im picture.legacy", **form)
    yield made("xbm", "xbm", "bits.xbm", saved(BITS, "XBM"), BITS, "codec.xbm picture.legacy picture.bilevel")
    yield made("msp", "msp", "bits.msp", saved(BITS, "MSP"), BITS, "codec.msp picture.legacy picture.bilevel")
    for name, array, how in (
        ("deflate", RGB, {"compression": "tiff_adobe_deflate"}), ("lzw", RGB, {"compression": "tiff_lzw"}),
        ("packbits", GRAY, {"compression": "packbits"}), ("group4", BITS, {"compression": "group4"}),
        ("gray_16", DEEP, {}), ("int32", GRAY.astype(np.int32) * -70_000, {}),
        ("float32", GRAY.astype(np.float32) / 7, {}),
    ):  # fmt: skip
        forms = {"gray_16": "gray16", "int32": "gray32", "float32": "gray32", "group4": "bilevel", "packbits": "gray8"}
        clauses = f"codec.tiff picture.{forms.get(name, 'rgb8')}"
        yield made(f"tiff_{name}", "tiff", f"{name}.tif", saved(array, "TIFF", **how), array, clauses, how=str(how))
    yield made("tga_runs", "tga", "runs.tga", saved(RGBA, "TGA", compression="tga_rle"), RGBA,
               "codec.tga picture.legacy", how="run lengths")  # fmt: skip
    yield made("qoi_rgb", "qoi", "rgb.qoi", qoi.encode(RGB), RGB, "codec.qoi", by=("qoi",))
    yield made("pcx_gray", "pcx", "gray.pcx", saved(GRAY, "PCX"), GRAY, "codec.pcx picture.legacy")


def webp() -> Iterator[dict[str, Any]]:
    for name, array in {"rgb": RGB, "rgba": RGBA}.items():
        data = saved(array, "WEBP", lossless=True, exact=True, method=4)
        yield made(f"webp_{name}", "webp", f"{name}.webp", data, array, "codec.webp", how="lossless, exact")
    data = saved(RGB, "WEBP", quality=80)
    due = imagecodecs.webp_decode(data)
    yield made("webp_lossy", "webp", "lossy.webp", data, due, "codec.webp media.tolerance", by=(PIL, IC),
               how="quality 80", rule="A", due="imagecodecs (another build of libwebp)")  # fmt: skip


def moving() -> Iterator[dict[str, Any]]:
    """Animations, of which the first picture counts."""
    frames = [Image.fromarray(np.roll(RGB, 5 * n, 1)) for n in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], duration=40)
    yield made("png_moving", "png", "moving.png", out.getvalue(), RGB, "codec.png picture.colour", how="APNG, 3 frames")
    four = (np.indices((20, 28)).sum(0) // 6 % 4).astype(np.uint8)
    palette = np.array([[200, 30, 10], [10, 220, 40], [5, 6, 250], [240, 240, 9]], np.uint8)
    made_of = [Image.fromarray(np.roll(four, n, 1), "P") for n in range(3)]
    for image in made_of:
        image.putpalette(palette.tobytes())
    out = io.BytesIO()
    made_of[0].save(out, "GIF", save_all=True, append_images=made_of[1:], duration=40)
    yield made("gif_moving", "gif", "moving.gif", out.getvalue(), palette[four], "codec.gif picture.gif picture.colour",
               how="3 frames of 4 colours")  # fmt: skip
    yield made("png_rgb_16", "png", "rgb_16.png", imagecodecs.png_encode(DEEP_RGB), DEEP_RGB,
               "codec.png picture.rgb16", by=(IC,))  # fmt: skip


def exr() -> Iterator[dict[str, Any]]:
    """Halfs in colour and floats in gray, by OpenEXR's own library."""
    half = (RGB / np.float32(16)).astype(np.float16)
    gray = (GRAY - np.float32(100)) / np.float32(7)
    for name, channels, array, how in (
        ("half", {"RGB": half}, half, "ZIP_COMPRESSION"), ("float", {"Y": gray}, gray, "PIZ_COMPRESSION"),
    ):  # fmt: skip
        with tempfile.NamedTemporaryFile(suffix=".exr") as file:
            header = {"compression": getattr(OpenEXR, how), "type": OpenEXR.scanlineimage}
            OpenEXR.File(header, channels).write(file.name)
            data = Path(file.name).read_bytes()
        yield made(f"exr_{name}", "exr", f"{name}.exr", data, array, "codec.exr picture.exr", by=("OpenEXR",), how=how)


def files() -> list[dict[str, Any]]:
    return [m for group in (jpeg2000, avif, jxl, plain, webp, moving, exr) for m in group()]
