"""Lakebed behind the interface of the peer benchmark harness (see its README; loaded by file name).

`sample` units for compressed workloads, 64 KiB units for raw ones; `tiled` cuts images into 128x128 tiles.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from adapters.base import Base

import lakebed

VARIANTS = ("tiled",)


class Peer(Base):
    imports = ("lakebed", "lz4.block", "zstandard", "PIL.JpegImagePlugin", "urllib3")
    remote_kinds = ("jpeg", "fixed", "ragged")

    def version(self) -> str:
        return "lakebed " + lakebed.__version__

    def notes(self, spec: Any) -> str:
        return "every unit's CRC-32 is verified when first read; chunks are named by their SHA-256"

    def supports(self, spec: Any) -> bool:
        return self.variant is None or (spec.n_slice > 0 and spec.kind == "fixed")

    # --- writing

    def _create(self, spec: Any, path: str) -> lakebed.Dataset:
        ds = lakebed.create(path)
        codec = None if spec.codec == "none" else spec.codec
        if spec.kind == "jpeg":
            ds.create_tensor("x", htype="image", sample_compression="jpeg")
        elif spec.kind == "ragged":
            ds.create_tensor("x", dtype=spec.dtype, shape=(None, *spec.shape[1:]))
        else:
            tile = (128, 128) if self.variant == "tiled" else None
            ds.create_tensor("x", dtype=spec.dtype, shape=spec.shape, sample_compression=codec, tile=tile)
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
        return lakebed.open(endpoint.http)["x"]

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
