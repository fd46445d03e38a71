"""Floor 2. The one in-memory model of a dataset, whatever format version it came from. Frozen values, no behaviour
that needs bytes or a store; format modules turn bytes into these and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .codecs import Pipeline
from .columns import Column
from .slices import SliceTable

MAX_RANK = 32


@dataclass(frozen=True, slots=True)
class ChunkIndex:
    """What a chunk says of itself [chunk.index]. Columns are integers or arrays; ``items`` only in sequences.

    ``seek``: the maps as they stand there, judged by who uses one [seek.advice].
    """

    dtype: str
    samples: int
    shape: tuple[Column, ...]
    crc: Column
    tensor: str = ""
    row: int = 0
    items: Column | None = None
    missing: Column = 0
    tile: tuple[int, ...] | None = None
    unit: Column = 1
    codecs: tuple[Pipeline, ...] = ((),)
    codec: Column = 0
    stored: Column | None = None
    seek: Any = ()


@dataclass(frozen=True, slots=True)
class ManifestRef:
    """A sealed run of slices: SHA-256 of the document, its length in bytes, its samples [manifest.ref]."""

    sha256: str
    bytes: int
    samples: int


@dataclass(frozen=True, slots=True)
class TensorState:
    """One tensor in one commit [tensor.members]. ``own`` are the slices that stand in the commit itself."""

    htype: str
    dtype: str
    shape: tuple[int | None, ...]
    own: SliceTable
    sequence: bool = False
    fidelity: Any = "exact"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    write: Mapping[str, Any] = field(default_factory=dict)
    manifests: tuple[ManifestRef, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitRef:
    """Names one commit and proves its bytes [commit.parent]."""

    branch: str
    number: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Commit:
    """The whole state of a dataset at one moment [commit]."""

    branch: str
    number: int
    id: str
    time: str
    length: int
    tensors: Mapping[str, TensorState]
    parent: CommitRef | None = None
    closed: bool = False
    author: str = ""
    message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    requires_read: tuple[str, ...] = ()
    requires_write: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1.0"


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for one commit that never moves [tag]."""

    name: str
    target: CommitRef
    time: str
