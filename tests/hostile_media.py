"""Media files that mean harm, tried in a process of its own with limits of memory.

``python hostile_media.py`` reads one JSON line for each file ({"path", "names", "pixels"}) and answers with one: what
appending it ended in, what decoding it from a unit that an honest index describes ended in, seconds, growth of memory.
Before it begins a file it says so, so that the one who asks knows which file ended the process.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import time
import warnings
from typing import Any

import numpy as np
from PIL import Image

import lakebed
from lakebed import codecs, files
from lakebed.codecs import CODECS
from lakebed.errors import LakebedError

SPACE = 3 << 30
"""Bytes of address space that the process may have; libraries' code and threads take one of them."""
KINDS = {
    "bmp": ["bmp"], "gif": ["gif"], "jpeg": ["jpeg"], "png": ["png"], "apng": ["png"], "webp": ["webp"],
    "tiff": ["tiff"], "jp2": ["jpeg2000"], "avif": ["avif"], "jxl": ["jxl"], "heif": ["avif"], "exr": ["exr", "hdr"],
    "misc-image": ["tga", "ico", "ppm", "qoi", "hdr", "sgi", "pcx", "xbm", "msp", "im", "dib"],
    "audio": ["wav", "flac", "mp3", "ogg", "opus"], "video": ["mp4", "mkv", "webm", "avi"], "dicom": ["dcm"],
    "nifti": ["nii", "nii.gz"], "pointcloud": ["las", "laz", "ply"], "mesh": ["ply", "stl"],
    "codec": ["png", "jpeg", "webp", "gif", "bmp", "tiff"],
}  # fmt: skip
"""Kinds of the corpus, and the formats that their files could be taken for."""


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ended(action: Any) -> str:
    """ "data", or the code of the error; anything else that is raised gets out and fails the test."""
    try:
        action()
    except LakebedError as problem:
        return problem.code
    return "data"


def given(data: bytes, pixels: int) -> None:
    """As a user gives it: recognised, judged, decoded whole."""
    files.read(data).verify(pixels=pixels)


def stored(name: str, data: bytes) -> None:
    """As a reader meets it: an index that agrees with whatever the header says."""
    header = codecs.media_header(name, data)
    codecs.decode_media(name, {}, data, header.dtype, header.shape)


def forced(name: str, data: bytes) -> None:
    """Through a whole dataset, in a tensor of that format."""
    medium = CODECS[name].medium
    htype = {"points": "point_cloud", "picture": "generic"}.get(medium, medium)
    with lakebed.create("memory://hostile") as ds:
        header = codecs.media_header(name, data)
        ds.create_tensor("x", htype=htype, dtype=header.dtype, shape=[None] * len(header.shape),
                         sample_compression=name, fidelity="lossy")  # fmt: skip
        ds.append({"x": files.read(data)})


def tried(data: bytes, names: list[str], pixels: int) -> dict[str, Any]:
    before, start = peak(), time.perf_counter()
    found = {"given": ended(lambda: given(data, pixels))}
    for name in names:
        found[name] = ended(lambda name=name: stored(name, data))
        found[f"{name} appended"] = ended(lambda name=name: forced(name, data))
    return {"found": found, "seconds": time.perf_counter() - start, "mib": peak() - before}


def warmed() -> None:
    """Libraries are loaded, so that a file's memory is its own."""
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(out, "JPEG")
    given(out.getvalue(), 100)
    for module in ("imagecodecs", "OpenEXR", "soundfile", "pydicom", "laspy", "av", "simplejpeg", "qoi"):
        __import__(module)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warmed()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps({"begins": asked["path"]}), flush=True)
        with open(asked["path"], "rb") as file:
            content = file.read()
        print(json.dumps({"path": asked["path"], **tried(content, asked["names"], asked["pixels"])}), flush=True)
