"""Floor 1. Links: a sample that says where its file is [htype.link]. Nothing is fetched here, and no secret is kept.

A link is stored as JSON: ``{"url": "https://host/a.jpg", "credentials": "name"}``; the second member names what the
reader's own policy knows, and is absent where the file is public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .errors import LakebedError, error

SCHEMES = ("https", "http", "s3", "gs", "az")
_PARTS = (
    "signature", "token", "secret", "password", "passwd", "passphrase", "credential", "authorization", "apikey",
    "accesskey",
)  # fmt: skip
_WORDS = frozenset({"sig", "key", "auth", "jwt", "sas", "pwd", "pass"})
LONGEST = 2048
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<rest>.*)")
_NAME = re.compile("[A-Za-z0-9._-]{1,64}")


class Link(NamedTuple):
    """``url`` of a file and the *name* of the credentials it needs, never the credentials."""

    url: str
    credentials: str | None = None


def fault(link: Link) -> tuple[str, str] | None:
    """(rule, reason) why a link must not be stored: no remote address, a secret in it; None when it may.

    [htype.link.url], [htype.link.secret], [htype.link.credentials]
    """
    url, name = link
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST or not url.isprintable() or " " in url:
        return "url", f"an address of 1 to {LONGEST} printable characters is needed"
    parts = _ADDRESS.match(url)
    if parts is None or parts["scheme"].lower() not in SCHEMES or not parts["host"].rpartition("@")[2].strip(":"):
        return "url", f"addresses begin with {', '.join(f'{s}://' for s in SCHEMES)}, and name no file of this machine"
    if "@" in parts["host"]:
        return "secret", "the address holds a user name or password; name credentials instead"
    for key in _members(parts["path"], parts["rest"]):
        if any(part in key for part in _PARTS) or not _WORDS.isdisjoint(re.split("[^a-z0-9]+", key)):
            return "secret", f"the address holds {key!r}, which looks like a secret; name credentials instead"
    if name is not None and (not isinstance(name, str) or _NAME.fullmatch(name) is None):
        return "credentials", "credentials are a name of 1 to 64 letters, digits, '.', '_' and '-', never the secret"
    return None


def _members(path: str, rest: str) -> list[str]:
    """Names of what an address sets, in lower case: ``;name=`` in the path, ``name=`` in the query and the fragment."""
    pieces = [piece for segment in path.split("/") for piece in segment.split(";")[1:]] + re.split("[?#&;/]", rest)
    names = [piece.partition("=")[0] for piece in pieces if "=" in piece]
    return [re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), name).lower() for name in names]


def link_bytes(value: Any, htype: str) -> np.ndarray:
    """A Link, an address, or the JSON map, as stored bytes. Errors: E_SAMPLE_HTYPE."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, str):
        link = Link(value)
    elif isinstance(value, Link):
        link = value
    elif isinstance(value, Mapping) and set(value) <= {"url", "credentials"} and "url" in value:
        link = Link(**value)
    else:
        raise error("E_SAMPLE_HTYPE", "htype.link.value", f"{htype}: a link or an address, not {type(value).__name__}")
    found = fault(link)
    if found is not None:
        raise error("E_SAMPLE_HTYPE", f"htype.link.{found[0]}", f"{htype}: {found[1]}")
    said = {"url": link.url} if link.credentials is None else {"url": link.url, "credentials": link.credentials}
    return np.frombuffer(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8"), np.uint8)


def _parsed(data: bytes) -> Link:
    try:
        value = json.loads(data.decode("utf-8"))
        if not isinstance(value, dict) or not set(value) <= {"url", "credentials"} or "url" not in value:
            raise ValueError("it has not the members url and credentials")
    except (ValueError, RecursionError) as problem:
        raise _text(str(problem)) from problem
    return Link(**value)


def _text(detail: str) -> LakebedError:
    return error("E_VALUE_TEXT", "htype.link.value", f"stored bytes are no link: {detail}")


def check_link(htype: str, attributes: Mapping[str, Any], item: np.ndarray) -> None:
    """Every rule for bytes that did not come through :func:`link_bytes`. Errors: E_SAMPLE_HTYPE."""
    try:
        found = fault(_parsed(item.tobytes()))
    except LakebedError as problem:
        raise error("E_SAMPLE_HTYPE", problem.clause, problem.detail) from problem
    if found is not None:
        raise error("E_SAMPLE_HTYPE", f"htype.link.{found[0]}", f"{htype}: {found[1]}")


def as_link(item: np.ndarray) -> Link:
    """Errors: E_VALUE_TEXT."""
    return _parsed(item.tobytes())
