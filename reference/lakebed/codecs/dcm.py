"""Floor 1. ``dcm``: DICOM images kept as given; stored numbers, no rescaling, no windows [codec.dcm]
[dicom.array]."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from ..extras import installed, optional
from . import jpeg
from .row import Codec, Header, Shape, corrupt

_PLAIN = {
    "1.2.840.10008.1.2": True,
    "1.2.840.10008.1.2.1": True,
    "1.2.840.10008.1.2.2": True,
    "1.2.840.10008.1.2.1.99": True,
    "1.2.840.10008.1.2.5": True,
    "1.2.840.10008.1.2.4.50": False,
    "1.2.840.10008.1.2.4.90": True,
    "1.2.840.10008.1.2.4.91": False,
    "1.2.840.10008.1.2.4.80": True,
    "1.2.840.10008.1.2.4.81": False,
}
"""Transfer syntaxes that are decoded here [dicom.syntax], and whether they are lossless: plain ones, RLE,
baseline JPEG, JPEG 2000, JPEG-LS."""
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_TOLD = (
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "StudyDate",
    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "PixelSpacing", "SliceThickness",
    "ImagePositionPatient", "ImageOrientationPatient", "PhotometricInterpretation", "BitsStored", "InstanceNumber",
)  # fmt: skip


def _opened(data: bytes, pixels: bool = False) -> Any:
    pydicom = optional("pydicom", "medical")
    if data[128:132] != b"DICM":
        raise corrupt("media.corrupt", "no DICOM file: DICM does not stand at byte 128")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels)
    except Exception as problem:  # the library raises whatever its data makes it meet
        raise corrupt("media.corrupt", f"pydicom refuses it: {problem}") from problem


def _number(found: Any, name: str, default: int = 0) -> int:
    try:
        return int(getattr(found, name, default) or default)
    except (TypeError, ValueError) as problem:
        raise corrupt("media.corrupt", f"DICOM {name} is no number") from problem


def _syntax(found: Any) -> str:
    meta = getattr(found, "file_meta", None)
    return str(getattr(meta, "TransferSyntaxUID", "1.2.840.10008.1.2"))


def header(data: bytes) -> Header:
    found = _opened(data)
    rows, columns = _number(found, "Rows"), _number(found, "Columns")
    bits, samples, frames = (_number(found, k, d) for k, d in
                             (("BitsAllocated", 16), ("SamplesPerPixel", 1), ("NumberOfFrames", 1)))  # fmt: skip
    if rows < 1 or columns < 1 or frames < 1:
        raise corrupt("media.corrupt", "DICOM without an image")
    kind = "int" if _number(found, "PixelRepresentation") else "uint"
    shape = (*((frames,) if frames > 1 else ()), rows, columns, *((samples,) if samples > 1 else ()))
    said = str(getattr(found, "PhotometricInterpretation", ""))
    refuse, clause = None, "picture.other"
    if bits == 1 and samples == 1 and _syntax(found) in _NATIVE:
        return Header("uint8", shape, also=("bool",))
    if bits not in (8, 16, 32) or samples not in (1, 3):
        refuse = f"DICOM of {samples} samples of {bits} bits is not decoded here"
    elif _syntax(found) not in _PLAIN:
        refuse = f"DICOM of transfer syntax {_syntax(found)} is not decoded here"
    elif samples == 3 and said not in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"):
        refuse = f"DICOM colours of kind {said} are not decoded here"
    elif _syntax(found) in _JPEG_LS and not installed("imagecodecs"):
        refuse, clause = "DICOM of JPEG-LS needs imagecodecs; pip install 'lakebed[image]'", "picture.rgb16"
    return Header(f"{kind}{bits if bits in (8, 16, 32) else 16}", shape, refuse=refuse, clause=clause)


def decoded(data: bytes, head: Header) -> np.ndarray:
    found = _opened(data, True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.ascontiguousarray(_jpeg_ls(found, head) if _syntax(found) in _JPEG_LS else found.pixel_array)
    except Exception as problem:  # as above: decoders of many kinds stand behind this
        raise corrupt("media.corrupt", f"damaged DICOM pixels: {problem}") from problem
    if array.shape != head.shape or array.dtype.newbyteorder("=") != np.dtype(head.dtype):
        raise corrupt("media.corrupt", f"pixels of {array.dtype} {array.shape}, {head.dtype} {head.shape} is due")
    return array.astype(head.dtype, copy=False)


def _jpeg_ls(found: Any, head: Header) -> np.ndarray:
    """Frame by frame, the size of each judged by its own header; signed numbers of fewer bits get their sign back."""
    frames = _number(found, "NumberOfFrames", 1)
    each = head.shape[1:] if frames > 1 else head.shape
    out = np.empty((frames, *each), head.dtype)
    encapsulated = optional("pydicom.encaps", "medical").generate_frames(found.PixelData, number_of_frames=frames)
    for number, frame in zip(range(frames), encapsulated, strict=True):
        if jpeg.header(bytes(frame)).shape != each:
            raise corrupt("media.corrupt", f"frame {number} is not of {each}")
        done = optional("imagecodecs", "image").jpegls_decode(bytes(frame))
        if done.shape != each or done.dtype.itemsize != out.itemsize:
            raise corrupt("media.corrupt", f"frame {number} is {done.dtype} {done.shape}")
        out[number] = done.view(out.dtype)
    spare = 8 * out.itemsize - _number(found, "BitsStored", 8 * out.itemsize)
    if out.dtype.kind == "i" and spare > 0:
        out = out << spare >> spare
    return out if frames > 1 else out[0]


def describe(data: bytes) -> dict[str, Any]:
    """The tags that place and scale an image, as text and numbers; all others are in the file."""
    found = _opened(data)
    told: dict[str, Any] = {"lossless": _PLAIN.get(_syntax(found), False), "transfer_syntax": _syntax(found)}
    for name in _TOLD:
        value = getattr(found, name, None)
        if value is not None and value != "":
            many = not isinstance(value, str) and hasattr(value, "__iter__")
            told[name] = [_plain(each) for each in value] if many else _plain(value)
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, (int, float)):
        return value if isinstance(value, int) else float(value)
    return str(value)


def plausible(data: bytes, head: Header) -> str | None:
    due = int(np.prod(head.shape, dtype=object)) * np.dtype(head.dtype).itemsize
    found = _opened(data)
    if _syntax(found) not in _NATIVE:
        due //= 1032
    elif _number(found, "BitsAllocated", 16) == 1:
        due //= 8
    elif getattr(found, "PhotometricInterpretation", "") == "YBR_FULL_422":
        due = due * 2 // 3  # two pixels share their chroma
    if due > len(data):
        return f"{len(data)} bytes cannot hold {head.shape} pixels"
    return None


def takes(dtype: str, shape: Shape | None) -> str | None:
    known = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
    if dtype not in known or (shape is not None and not 2 <= len(shape) <= 4):
        return f"DICOM images have two to four axes of {' or '.join(known)}"
    return None


ROW = Codec(
    "dcm",
    "media",
    "never",
    "DICOM: medical images, kept as given with all their tags",
    aliases=("dicom",),
    takes=takes,
    library="pydicom",
    extra="medical",
    medium="dicom",
    tolerance="A",
    proves=("shape", "dtype"),
    media_type="application/dicom",
    suffixes=(".dcm",),
    sniff=lambda data: data[128:132] == b"DICM",
    header=header,
    pixels=decoded,
    describe=describe,
    plausible=plausible,
)
