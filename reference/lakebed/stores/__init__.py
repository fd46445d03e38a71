"""Where objects live: floor 4, the only I/O. :func:`store` picks the kind from a path or URL [store.contract]."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import error
from ..extras import optional
from .local import LocalStore
from .memory import MemoryStore, named
from .store import Entry, ObjectExists, Spool, Store, check_key

__all__ = ["Entry", "LocalStore", "MemoryStore", "ObjectExists", "Spool", "Store", "check_key", "store"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: `C:` is a drive
_HTTP_OPTIONS = {"headers", "concurrency", "timeout", "deadline", "retries", "absent"}


def store(place: str | os.PathLike[str] | Store, *, writable: bool, options: Mapping[str, Any] | None = None) -> Store:
    """The store at ``place``; nothing is read or made yet.

    ``place``: a path or `file://` URL; `memory://name`; `http(s)://` (read only); any other URL that fsspec knows
    (`s3://bucket/dataset`); or a store itself. ``options`` go to fsspec (keys, endpoint) or to
    :class:`~lakebed.stores.http.HttpStore` (headers, concurrency, timeout, deadline, retries, absent).

    E_ARGUMENT: not understood. E_EXTRA_MISSING: names the extra to install. E_READ_ONLY: HTTP cannot be written.
    """
    if isinstance(place, MemoryStore):
        return place.handle(writable=writable)
    if not isinstance(place, (str, os.PathLike)):
        return _given(place, writable)
    text = os.fspath(place)
    if "::" in text.partition("://")[0] and "://" in text:
        raise error("E_ARGUMENT", "store.contract", f"{text!r} chains file systems; their caches may answer stale")
    found = _SCHEME.match(text)
    scheme = found.group(1).lower() if found else "file"
    if scheme in ("file", "memory"):
        if options:
            raise error("E_ARGUMENT", "store.contract", f"a {scheme} store takes no options, got {sorted(options)}")
        return named(text, writable=writable) if scheme == "memory" else LocalStore(_path(text), writable=writable)
    if scheme in ("http", "https"):
        if writable:
            raise error("E_READ_ONLY", "store.http", f"{text} is plain HTTP, which is for reading only")
        if unknown := set(options or ()) - _HTTP_OPTIONS:
            raise error("E_ARGUMENT", "store.contract", f"unknown options {sorted(unknown)} of an HTTP store")
        optional("urllib3", "http")
        return import_module(".http", __package__).HttpStore(text, **(options or {}))
    if scheme in ("s3", "s3a"):
        optional("s3fs", "s3")
    optional("fsspec", "remote")
    return import_module(".remote", __package__).RemoteStore(text, writable=writable, options=options)


def _given(place: Any, writable: bool) -> Store:
    if not all(hasattr(place, name) for name in ("get", "ranges", "put_new", "list", "writable")):
        raise error("E_ARGUMENT", "store.contract", f"{type(place).__name__} is neither a path, a URL nor a store")
    if writable and not place.writable:
        raise error("E_READ_ONLY", "store.read_only", f"{place.url} was opened for reading")
    return place


def _path(text: str) -> str:
    if not text.lower().startswith("file://"):
        if not text or "\0" in text:
            raise error("E_ARGUMENT", "store.local", "the path is empty or holds a NUL")
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise error("E_ARGUMENT", "store.local", f"{text!r} names another machine; write file:///path")
    path = unquote(parts.path)
    return path[1:] if os.name == "nt" and re.match(r"/[A-Za-z]:", path) else path
