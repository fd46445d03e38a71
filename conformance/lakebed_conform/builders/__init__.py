"""Builders: chunks, documents and whole dataset trees, laid by hand from the byte tables of the spec.

Every field can be overridden by name, so that a case breaks exactly one thing and everything derived from it
(lengths, checksums, content names, parents) is laid to agree with the broken value.
"""

from __future__ import annotations

from lakebed_conform.builders.chunk import DROP, Chunk, Laid, lay_chunk
from lakebed_conform.builders.columns import column, wide
from lakebed_conform.builders.dataset import Dataset, Fault
from lakebed_conform.builders.values import Value, one, pack

__all__ = ["DROP", "Chunk", "Dataset", "Fault", "Laid", "Value", "column", "lay_chunk", "one", "pack", "wide"]
