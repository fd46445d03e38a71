"""Lakebed: versioned tensor datasets that are never silently wrong.

    with lakebed.create("pets.lakebed") as ds:
        ds.create_tensor("images", htype="image", sample_compression="jpeg")
        ds.create_tensor("labels", htype="class_label", class_names=["cat", "dog"])
        ds.append({"images": lakebed.read("cat.jpg"), "labels": "cat"})

    ds = lakebed.open("pets.lakebed")
    ds.images[0], ds.labels[:10], ds.images.file(0)

The format is specified in ``spec/``; every error names the clause it enforces.
"""

from .advise import Advice, recommend
from .dataset import Dataset
from .doors import create, create_branch, open
from .errors import (
    ConflictError,
    FidelityError,
    FormatError,
    InputError,
    LakebedError,
    NotFoundError,
    StoreError,
    UnsupportedError,
)
from .fetch import LinkPolicy, fetch
from .files import EncodedFile, read
from .links import Link
from .loaders import loader
from .ragged import Ragged
from .tensor import Tensor

__version__ = "0.1.0"

Dataset.loader = loader  # type: ignore[attr-defined]  # loaders stand above datasets; here the two meet

__all__ = [
    "create",
    "open",
    "create_branch",
    "read",
    "loader",
    "Dataset",
    "Tensor",
    "Ragged",
    "EncodedFile",
    "Link",
    "LinkPolicy",
    "fetch",
    "recommend",
    "Advice",
    "LakebedError",
    "FormatError",
    "UnsupportedError",
    "NotFoundError",
    "ConflictError",
    "FidelityError",
    "InputError",
    "StoreError",
]
