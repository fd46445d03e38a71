"""Floor 1. Names and keys: what may stand where in the tree, as regular expressions [tree.name] [tensor.name]."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import error

REF = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
TENSOR = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT_KEY = re.compile(r"commits/([a-z0-9][a-z0-9._-]{0,63})/([0-9]{10})\.json")
CHUNK_KEY = re.compile(r"chunks/([0-9a-f]{2})/(\1[0-9a-f]{62})\.chunk")
MANIFEST_KEY = re.compile(r"manifests/([0-9a-f]{2})/(\1[0-9a-f]{62})\.json")
TAG_KEY = re.compile(r"tags/([a-z0-9][a-z0-9._-]{0,63})\.json")
MAX_NUMBER = 9_999_999_999
MAX_TENSOR_NAME = 255


def chunk_key(name: str) -> str:
    """[tree.chunk]"""
    return f"chunks/{name[:2]}/{name}.chunk"


def manifest_key(name: str) -> str:
    """[tree.manifest]"""
    return f"manifests/{name[:2]}/{name}.json"


def commit_key(branch: str, number: int) -> str:
    """[tree.number]"""
    return f"commits/{branch}/{number:010d}.json"


def hint_key(branch: str) -> str:
    return f"commits/{branch}/latest.json"


def tag_key(name: str) -> str:
    return f"tags/{name}.json"


def check_ref(name: str, what: str) -> str:
    """A branch's or tag's name [tree.name]. Errors: E_NAME."""
    if not isinstance(name, str) or not REF.fullmatch(name):
        raise error("E_NAME", "tree.name", f"{name!r} cannot be a {what}'s name: [a-z0-9][a-z0-9._-]*, no final dot")
    return name


def is_tensor(name: str) -> bool:
    return len(name) <= MAX_TENSOR_NAME and TENSOR.fullmatch(name) is not None


def check_tensor(name: str, others: Iterable[str]) -> str:
    """A new tensor's name [tensor.name]. Errors: E_NAME."""
    if not isinstance(name, str) or not is_tensor(name):
        raise error("E_NAME", "tensor.name", f"{name!r} cannot be a tensor's name: letters, digits, . _ - and / groups")
    for other in others:
        if clash(name, other):
            raise error("E_NAME", "tensor.name", f"{name!r} and {other!r}: one would be the other's group")
    return name


def clash(a: str, b: str) -> bool:
    """Whether one name is a group prefix of the other."""
    return a.startswith(b + "/") or b.startswith(a + "/")
