"""Golden DICOM files and point clouds."""

from __future__ import annotations

import io
from typing import Any

import laspy
import numpy as np
import pydicom
import simplejpeg
from pictures import DEEP, RGB, made, saved
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

SCALE, OFFSET = np.array([0.01, 0.02, 0.001]), np.array([1000.0, -20.5, 0.25])


def dicom(
    array: np.ndarray, syntax: str, packed: list[bytes] | None = None, frames: int = 0, colour: str = ""
) -> bytes:
    """A secondary capture with nobody's name in it; ``packed``: the coded frames, else the array as it is."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    meta.MediaStorageSOPInstanceUID = meta.ImplementationClassUID = "2.25.1"
    meta.TransferSyntaxUID = syntax
    d = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = meta.MediaStorageSOPClassUID, "2.25.1", "OT"
    d.PatientName, d.PatientID = "Made^By^Script", "0"
    colours = array.shape[-1] == 3
    d.SamplesPerPixel = 3 if colours else 1
    d.PhotometricInterpretation = colour or ("RGB" if colours else "MONOCHROME2")
    if colours:
        d.PlanarConfiguration = 0
    d.Rows, d.Columns = array.shape[1:3] if frames else array.shape[:2]
    if frames:
        d.NumberOfFrames = frames
    bits = 8 * array.dtype.itemsize
    d.BitsAllocated = d.BitsStored = bits
    d.HighBit, d.PixelRepresentation = bits - 1, int(array.dtype.kind == "i")
    big = syntax == ExplicitVRBigEndian
    if packed is None:
        d.PixelData = array.astype(array.dtype.newbyteorder(">" if big else "<")).tobytes()
    else:
        d.PixelData = encapsulate(packed)
        d["PixelData"].is_undefined_length = True
    d["PixelData"].VR = "OW" if bits > 8 else "OB"
    out = io.BytesIO()
    pydicom.dcmwrite(out, d, implicit_vr=False, little_endian=not big, enforce_file_format=True)
    return out.getvalue()


def rle(array: np.ndarray) -> list[bytes]:
    from pydicom.pixels.encoders import RLELosslessEncoder

    if array.ndim == 2:
        array = array[None]
    return [
        RLELosslessEncoder.encode(
            frame, rows=frame.shape[0], columns=frame.shape[1], samples_per_pixel=1, number_of_frames=1,
            bits_allocated=16, bits_stored=16, pixel_representation=int(array.dtype.kind == "i"),
            photometric_interpretation="MONOCHROME2",
        )
        for frame in array
    ]  # fmt: skip


def scans() -> list[dict[str, Any]]:
    signed = DEEP.astype(np.int32).__sub__(20000).astype(np.int16)
    three = np.stack([signed, signed[::-1], -signed])
    clauses, by = "codec.dcm dicom.array dicom.syntax", ("pydicom",)
    jpeg = saved(RGB, "JPEG", quality=90, subsampling=0)
    kept = saved(DEEP, "JPEG2000", irreversible=False, no_jp2=True)
    files = {
        "little": (signed, dicom(signed, ExplicitVRLittleEndian), by, "explicit, little endian"),
        "big": (DEEP, dicom(DEEP, ExplicitVRBigEndian), by, "explicit, big endian"),
        "deflated": (DEEP, dicom(DEEP, DeflatedExplicitVRLittleEndian), by, "deflated"),
        "rle_frames": (three, dicom(three, RLELossless, rle(three), 3), by, "RLE, 3 frames"),
        "rgb": (RGB, dicom(RGB, ExplicitVRLittleEndian), by, "colours, little endian"),
        "jpeg2000": (DEEP, dicom(DEEP, JPEG2000Lossless, [kept]), (*by, "pillow"), "JPEG 2000 by Pillow, reversible"),
    }  # fmt: skip
    found = [made(f"dcm_{n}", "dcm", f"{n}.dcm", data, array, clauses, by=libraries, how=how)
             for n, (array, data, libraries, how) in files.items()]  # fmt: skip
    due = simplejpeg.decode_jpeg(jpeg, fastdct=False, fastupsample=False)
    data = dicom(RGB, JPEGBaseline8Bit, [jpeg], colour="YBR_FULL")
    found.append(made("dcm_jpeg", "dcm", "jpeg.dcm", data, due, clauses, by=(*by, "pillow", "simplejpeg"),
                      how="baseline JPEG by Pillow", rule="A", due="the JPEG, decoded by simplejpeg"))  # fmt: skip
    data = dicom(DEEP, JPEGLosslessSV1, [bytes(64)])
    found.append(made("dcm_other_syntax", "dcm", "other_syntax.dcm", data, DEEP, "dicom.syntax", by=by,
                      how="names lossless JPEG as its transfer syntax; its frame is 64 zeros", rule="refused",
                      due="nothing: it is refused"))  # fmt: skip
    return found


def points() -> list[dict[str, Any]]:
    n = 50
    grid = np.stack([np.arange(n) * 37 % 1013, -np.arange(n) * 11, np.arange(n) ** 2], 1).astype(np.int32)
    due = grid.astype(np.float64) * SCALE + OFFSET
    found = []
    for form, packed in (("las", False), ("laz", True)):
        header = laspy.LasHeader(point_format=3, version="1.2")
        header.scales, header.offsets = SCALE, OFFSET
        cloud = laspy.LasData(header)
        cloud.X, cloud.Y, cloud.Z = grid.T
        cloud.red = np.arange(n, dtype=np.uint16)
        out = io.BytesIO()
        cloud.write(out, do_compress=packed)
        by = ("laspy", "lazrs") if packed else ("laspy",)
        found.append(made(form, form, f"points.{form}", out.getvalue(), due, f"codec.{form} points.las", by=by,
                          how="point format 3, version 1.2", due="integers times scale, plus offset"))  # fmt: skip
    return found


def files() -> list[dict[str, Any]]:
    return [*scans(), *points()]
