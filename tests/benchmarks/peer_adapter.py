"""Lakebed behind the interface of the peer benchmark harness (see its README; loaded by file name).

`sample` units for compressed workloads, small ones for raw rows that are read at random. Variants:

    tiled    images cut into 128x128 tiles
    shuffle  bytes of floats side by side before the codec, as Zarr, TensorStore, Blosc2 and HDF5 do
    best     the smallest lossless form: pcodec for numbers of several bytes, zstd for bytes
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from adapters.base import Base

import lakebed

VARIANTS = ("tiled", "shuffle", "best")
LARGE_ROWS = 512  # bytes of a row from which units are small: a random row is fetched and verified with few neighbours
SMALL_UNIT, ONE_CHUNK, REQUESTS = 8192, 1 << 30, 64


class Peer(Base):
    imports = (
        *("lakebed", "lz4.block", "zstandard", "PIL.JpegImagePlugin", "urllib3"),
        *("isal.isal_zlib", "cramjam", "simplejpeg", "pcodec"),  # optional: lakebed[fast,image,numeric]
    )
    remote_kinds = ("jpeg", "fixed", "ragged")

    def version(self) -> str:
        return "lakebed " + lakebed.__version__

    def notes(self, spec: Any) -> str:
        return "every unit's CRC-32 is verified when first read; chunks are named by their SHA-256"

    def supports(self, spec: Any) -> bool:
        if self.variant == "tiled":
            return spec.n_slice > 0 and spec.kind == "fixed"
        if self.variant == "shuffle":
            return spec.codec != "none" and spec.dtype == "float32"
        return spec.kind != "jpeg" or self.variant is None

    # --- writing

    def _create(self, spec: Any, path: str) -> lakebed.Dataset:
        ds = lakebed.create(path)
        if spec.kind == "jpeg":
            ds.create_tensor("x", htype="image", sample_compression="jpeg")
            return ds
        shape = (None, *spec.shape[1:]) if spec.kind == "ragged" else spec.shape
        codec = None if spec.codec == "none" else spec.codec
        options: dict[str, Any] = {"sample_compression": codec}
        if spec.kind == "ragged":
            options["unit_bytes"] = 2 * SMALL_UNIT
        if self.variant == "best":
            best = {"name": "zstd", "level": 12} if spec.dtype == "uint8" else "pcodec"
            options = {"chunk_compression": best, "unit_bytes": 1 << 20}
        elif self.variant == "shuffle":
            options["sample_compression"] = f"shuffle+{codec}"
        elif self.variant == "tiled":
            options["tile"] = (128, 128)
        elif codec is None and spec.kind == "fixed" and spec.sample_bytes >= LARGE_ROWS:
            options |= {"unit_bytes": SMALL_UNIT, "chunk_bytes": ONE_CHUNK}
        ds.create_tensor("x", dtype=spec.dtype, shape=shape, **options)
        return ds

    def write(self, spec: Any, data: Any, path: str) -> None:
        with self._create(spec, path) as ds:
            ds.extend({"x": [lakebed.read(item) for item in data] if spec.kind == "jpeg" else data})

    def append_rows(self, spec: Any, values: Any, path: str, deadline: float) -> int:
        import time

        done = 0
        with self._create(spec, path) as ds:
            for value in values.tolist():
                ds.append({"x": value})
                done += 1
                if not done & 0xFFF and time.perf_counter() > deadline:
                    break
        return done

    # --- reading

    def open(self, spec: Any, path: str) -> lakebed.Tensor:
        return lakebed.open(path)["x"]

    def open_remote(self, spec: Any, endpoint: Any) -> lakebed.Tensor:
        return lakebed.open(endpoint.http, options={"concurrency": REQUESTS})["x"]

    def get(self, tensor: lakebed.Tensor, i: int) -> np.ndarray:
        return tensor[i]

    def read_all(self, tensor: lakebed.Tensor) -> Any:
        if tensor.htype == "image":
            parts = (tensor.read(slice(i, i + 256)) for i in range(0, len(tensor), 256))
            return itertools.chain.from_iterable(parts)
        found = tensor[:]
        return found.list() if isinstance(found, lakebed.Ragged) else found

    def read_all_flat(self, tensor: lakebed.Tensor) -> tuple[np.ndarray, np.ndarray]:
        found = tensor[:]
        return found.values, found.offsets

    def gather(self, tensor: lakebed.Tensor, index: np.ndarray) -> Any:
        found = tensor[index]
        return found.list() if isinstance(found, lakebed.Ragged) else found

    def gather_bytes(self, tensor: lakebed.Tensor, index: np.ndarray) -> list[bytes]:
        return tensor.files(index)

    def cut(self, tensor: lakebed.Tensor, i: int) -> np.ndarray:
        return tensor[i, :64, :64]
