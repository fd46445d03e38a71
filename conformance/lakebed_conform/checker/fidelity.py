"""What the declared fidelity and the htype allow in a chunk [chunk.tensor.fidelity]."""

from __future__ import annotations

from typing import Any

from lakebed_conform.checker.chunk import Chunk
from lakebed_conform.checker.codecs import pipeline_kind
from lakebed_conform.checker.commit import Tensor
from lakebed_conform.checker.finding import need

#: htypes whose samples are always exact.
LABELS = frozenset({
    "class_label", "bbox", "binary_mask", "segment_mask", "keypoints", "point", "polygon", "text", "json", "list",
    "tag", "bbox.3d", "intrinsics", "instance_label", "keypoints_coco",
})  # fmt: skip
#: Media codecs that lose; with a parameter that makes them exact, its name and value.
LOSSY: dict[str, tuple[str, Any] | None] = {
    "jpeg": None, "webp": ("lossless", True), "avif": None, "jpeg2000": ("reversible", True), "jxl": ("distance", 0),
    "gif": None, "mp3": None, "vorbis": None, "opus": None, "aac": None,
}  # fmt: skip


def lossy(codec: dict[str, Any]) -> bool:
    """Does encoding an array with ``codec`` lose anything?"""
    name = codec["name"]
    if name == "quantize":
        return True
    exact = LOSSY.get(name)
    return name in LOSSY and not (exact and codec.get(exact[0]) == exact[1])


def fidelity_kept(chunk: Chunk, tensor: Tensor) -> None:
    """E_FIDELITY_BROKEN for arrays encoded with loss in an exact tensor, and for any loss under a label htype."""
    label = tensor.htype in LABELS
    for pipeline in chunk.index.codecs:
        losing = any(map(lossy, pipeline))
        given = pipeline_kind(pipeline) == "media" and len(pipeline[0]) == 1
        said = f"{tensor.name}: {'/'.join(c['name'] for c in pipeline)} in a tensor of "
        good = not (label and losing)
        need(good, "E_FIDELITY_BROKEN", "htype.lossless", said + f"htype {tensor.htype}")
        good = not (losing and not given and tensor.fidelity == "exact")
        need(good, "E_FIDELITY_BROKEN", "fidelity.stored", said + "fidelity exact")
