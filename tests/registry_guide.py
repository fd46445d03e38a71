# ruff: noqa: E501
"""The guide to compression: tables made by asking the codecs themselves, one array at a time."""

from __future__ import annotations

import numpy as np

from lakebed import codecs
from lakebed.codecs import CODECS, Codec
from lakebed.codecs.registry import REFUSED
from lakebed.errors import LakebedError
from lakebed.extras import installed
from lakebed.htypes import HTYPES

KINDS = [
    ("uint8 (H, W)", "uint8", (24, 20)),
    ("uint8 1 ch.", "uint8", (24, 20, 1)),
    ("uint8 2 ch.", "uint8", (24, 20, 2)),
    ("uint8 3 ch.", "uint8", (24, 20, 3)),
    ("uint8 4 ch.", "uint8", (24, 20, 4)),
    ("bool", "bool", (24, 20)),
    ("uint16", "uint16", (24, 20)),
    ("int32", "int32", (24, 20)),
    ("uint32", "uint32", (24, 20)),
    ("float32", "float32", (24, 20)),
    ("int64", "int64", (24, 20)),
]
"""The arrays of the table: every dtype and channel count that a picture, mask or label may have."""

CHOOSE = """\
## How to choose

what you have | what to take | why
---|---|---
pictures, sound, video, scans that are files already | `sample_compression` of their own format; give the files | kept byte for byte, no loss of a second coding, no time spent
pictures as arrays that must stay exact | `png`; `webp` with `lossless`; `jxl` with `lossless` | 2 to 3.5 times smaller; png opens everywhere, the others are smaller
pictures as arrays where loss is fine | `jpeg` with `quality` 85 to 95; `avif`, `jxl` smaller and slower | 7 to 20 times smaller
small pictures, below 4 KiB raw | `chunk_compression` `lz4` or `zstd` | a file's own header would outweigh the picture
masks, labels, boxes, text, JSON | `lz4` or `zstd`, with `shuffle` or `narrow` for integers | always exact; lossy codecs are refused
numbers | `shuffle+lz4`, `shuffle+zstd`, `delta+shuffle+zstd`, `pcodec` | ask `lakebed recommend`: it measures
floats of which only so much precision matters | `fidelity={"max_abs_error": e}` with `shuffle+zstd` | quantized within the bound, verified for every value
samples below 16 KiB | `chunk_compression` | many share a unit of 64 KiB and compress together
samples above 16 KiB | `sample_compression` | one is read without its neighbours

What `lakebed recommend photographs.lakebed images --lossy --plot recommend.png` drew for two photographs of 640 x 427
(green: its pick; blue: exact; orange: with the error written beside it; two shared cores):

![size against decode speed of thirteen compressions](pictures/recommend.png)
"""


FILES = """\
## Files that are refused

Found by running public test suites through every codec. These are refused by name when given (E_SAMPLE_FILE), and when
read (E_CODEC_UNSUPPORTED); beside them only files that a decoder takes for damaged:

format | what is refused | why
---|---|---
`jpeg` | lossless, hierarchical, JPEG-LS, 12 and 16 bits, two components | libraries give 8 bits or nothing
`tiff` | more than 4 channels; Lab, LogL, LogLuv, YCbCr without JPEG; palettes of 16 bits; 24-bit floats | no array of gray, RGB or CMYK stands for it without a conversion
`tiff` | JPEG 2000, JPEG XL, PNG, WebP, LERC inside; JPEG of 12 bits; predictors with odd widths | no kept library of the base install unpacks it
`bmp` | JPEG or PNG inside; bit fields with holes; run lengths that end early | another format, no defined value, cut short
`jpeg2000` | depths other than 8 and 16, sub-sampled components, palettes, CMYK, YCC | libraries convert them, each in its own way
`avif` | sequences of 10 or 12 bits; gain maps and grids that the library does not know | the library that reads 10 bits fails on sequences
`jxl` | extra channels other than one alpha; depths other than 8, 16 and float32; previews | no channel of the array stands for them
`exr` | several parts, deep pixels, layers, luminance with chroma, channels of different types | no one array stands for them
`hdr` | XYZ | a conversion of colours
`ppm` | largest values other than 1, 255, 65,535 | the numbers would have to be scaled
`tga`, `sgi` | colours of 5 bits; 16 bits | readers disagree about their scale and their alpha
`wav` | ADPCM and other codings; more than 32 bits | no exact integer; no dtype
`flac` | more than 24 bits; no stated length | libraries cut them; the shape is not known
`dcm` | lossless JPEG, 12-bit JPEG, HTJ2K, JPEG XL, MPEG; colours of other kinds than RGB and YBR | no kept decoder, or colours that depend on it
`nii` | RGB and 128-bit types | no dtype
`ply` | vertices that do not come first, or of mixed or integer types | the array would have to be converted
all | a file whose bytes cannot hold what its header claims ([media.plausible] in chapter 7) | memory
"""


def sample(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The same noise every time."""
    bits = np.random.default_rng(5).integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, np.uint8)
    return (bits % 2).view(bool).reshape(shape) if dtype == "bool" else bits.view(dtype).reshape(shape)


def outcome(row: Codec, dtype: str, shape: tuple[int, ...]) -> str:
    """``exact``, ``lossy``, or ``-`` for refused: what really happens to an array, with the row's best parameters."""
    array = sample(dtype, shape)
    if row.kind != "media":
        try:
            asked = {"max_abs_error": 1e-3} if row.name == "quantize" else {}
            pipeline = codecs.resolve(codecs.parse_pipelines({"name": row.name, **asked})[0], dtype, shape)
        except LakebedError:
            return "-"
        used, stored = codecs.encode_unit(pipeline, array.tobytes())
        exact = codecs.decode(used, stored, array.nbytes) == array.tobytes()
        return "bound" if row.name == "quantize" else "exact" if exact else "BROKEN"
    params = {"lossless": True} if any(param.name == "lossless" for param in row.params) else {}
    try:
        data = codecs.encode_media(row.name, params, array)
    except LakebedError as problem:
        return "-" if problem.code == "E_FIDELITY" else "BROKEN"
    back = codecs.decode_media(row.name, params, data, dtype, shape)
    if codecs.media_exact(row.name, params, dtype, shape):
        return "exact" if back.tobytes() == array.tobytes() else "BROKEN"
    return "lossy" if (back.dtype, back.shape) == (array.dtype, array.shape) else "BROKEN"


def _codecs() -> str:
    lines = ["name | also called | for | exact | parameters | comes with", "---|---|---|---|---|---"]
    for row in CODECS.values():
        params = ", ".join(f"`{p.name}`" + (f" = {p.default}" if p.default is not None else "") for p in row.params)
        exact = {"always": "yes", "never": "no", "conditions": f"when {row.conditions}"}[row.exact]
        if row.kind == "media" and row.write is None:
            exact = "files only"
        comes = "base" if row.extra is None else f"`[{row.extra}]`"
        aliases = ", ".join(f"`{name}`" for name in row.aliases)
        lines.append(f"`{row.name}` | {aliases} | {row.about} | {exact} | {params} | {comes}")
    return "\n".join(lines)


def _outcomes() -> str:
    heads = [words for words, _, _ in KINDS]
    lines = ["codec | " + " | ".join(heads), "---|" + "|".join("---" for _ in heads)]
    for row in CODECS.values():
        if row.kind == "media" and row.write is None:
            cells = ["-"] * len(KINDS)
        else:
            cells = [outcome(row, dtype, shape) for _, dtype, shape in KINDS]
        lines.append(f"`{row.name}` | " + " | ".join(cells))
    return "\n".join(lines)


def _htypes() -> str:
    lines = ["htype | what it is | dtypes | shape of an item | exact always", "---|---|---|---|---"]
    for row in HTYPES.values():
        shapes = " or ".join(str(["n" if axis is None else axis for axis in shape]).replace("'", "") for shape in row.shapes)
        kinds = "any" if row.name == "generic" else ", ".join(sorted(row.dtypes, key=lambda name: name != row.dtype))
        lines.append(f"`{row.name}` | {row.about} | {kinds} | {shapes or 'any'} | {'yes' if row.exact else 'no'}")
    return "\n".join(lines)


def _refused() -> str:
    return "\n".join(f"- `{name}`: {why}" for name, why in REFUSED.items())


def missing() -> list[str]:
    """Libraries without which the tables cannot be made."""
    return sorted({row.library for row in CODECS.values() if row.extra is not None and not installed(row.library)})


def guide() -> str:
    return f"""\
# Choosing a compression

This page is made by `tests/registry_tool.py` from the code's tables; every cell of the second table is the outcome of
really encoding and decoding an array. `lakebed recommend` measures your own samples by the same rules.

{CHOOSE}
## Codecs

"Exact" is about arrays that are encoded here. Files given are kept byte for byte by every media codec.

{_codecs()}

Never stored:

{_refused()}

{FILES}
## What becomes of an array

`exact`: every bit comes back. `bound`: within the stated error. `lossy`: accepted only where the tensor's fidelity
allows it, and never for labels and masks. `-`: refused when the tensor is created or the sample appended.

{_outcomes()}

## htypes

{_htypes()}
"""
