"""What the declared fidelity and the htype allow in a chunk [chunk.tensor.fidelity]."""

from __future__ import annotations

from typing import Any

from lakebed_conform.checker.chunk import Chunk, kind_of, stored_unit
from lakebed_conform.checker.commit import Tensor
from lakebed_conform.checker.finding import need
from lakebed_conform.checker.htypes import LABELS


def encoded_with_loss(codec: dict[str, Any]) -> bool:
    """Did encoding an array with ``codec`` lose anything? A media codec without parameters is a given file."""
    if codec["name"] == "webp":
        return len(codec) > 1 and codec.get("lossless") is not True
    return codec["name"] == "quantize" or (codec["name"] == "jpeg" and len(codec) > 1)


def given_with_loss(codec: dict[str, Any], file: bytes) -> bool:
    """Is a media unit of a format that loses, whoever encoded it? [codec.webp.given]"""
    if codec["name"] == "webp":
        return b"VP8L" not in file[12:64]
    return codec["name"] == "jpeg"


def fidelity_kept(chunk: Chunk, tensor: Tensor) -> None:
    """E_FIDELITY_BROKEN as in [fidelity.stored] and [htype.lossless], for the pipelines that units use."""
    index = chunk.index
    exact = tensor.fidelity == "exact"
    bounds = tensor.fidelity if isinstance(tensor.fidelity, dict) else {}
    used = {index.codec.at(u): u for u in range(index.unit_count)} if any(index.codecs) else {}
    for which, unit in used.items():
        for codec in index.codecs[which]:
            said = f"{tensor.name}: {codec['name']} in a tensor of "
            if tensor.htype in LABELS:
                file = stored_unit(chunk, unit) if kind_of(chunk, unit) == "media" else b""
                good = not encoded_with_loss(codec) and not (file and given_with_loss(codec, file))
                need(good, "E_FIDELITY_BROKEN", "htype.lossless.stored", said + f"htype {tensor.htype}")
            good = not (exact and encoded_with_loss(codec))
            need(good, "E_FIDELITY_BROKEN", "fidelity.stored", said + "fidelity exact")
            good = all(codec.get(measure, 0) <= bound for measure, bound in bounds.items())
            need(good, "E_FIDELITY_BROKEN", "fidelity.stored", said + f"fidelity {bounds}")
