"""Floor 7. Fetching what links name, only as far as the caller's policy allows [htype.link.fetch].

    policy = lakebed.LinkPolicy(allow=["https://images.example.org/cats/"])
    for found in lakebed.fetch(ds.photos[:100], policy):
        if isinstance(found, lakebed.LakebedError): ...
        else: found.array()

Without a policy nothing is ever fetched. Redirects are followed only where the policy allows their goal too.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from .errors import LakebedError, error
from .files import EncodedFile, read
from .links import Link, fault

_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """``allow``: prefixes of addresses, each with scheme, host and a path that ends in "/". ``bytes`` and ``seconds``
    bound one file. ``credentials``: for each name the HTTP headers to send, to allowed addresses only.
    """

    allow: Iterable[str] = ()
    bytes: int = 64 << 20
    seconds: float = 30.0
    credentials: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def refused(self, url: str) -> str | None:
        """Why ``url`` is not fetched; None when it may be."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            return f"{parts.scheme}:// is not fetched here; fetch it with its own client"
        if ".." in unquote(parts.path).split("/") or "\\" in unquote(parts.path):
            return "its path goes upwards"
        for prefix in self.allow:
            allowed = urlsplit(prefix)
            here = (parts.scheme, (parts.hostname or "").lower(), parts.port) == (
                allowed.scheme, (allowed.hostname or "").lower(), allowed.port)  # fmt: skip
            if here and allowed.path.endswith("/") and parts.path.startswith(allowed.path):
                return None
        return "no prefix of the policy allows it"


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, policy: LinkPolicy) -> None:
        self._policy = policy

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        reason = self._policy.refused(newurl)
        if reason is not None:
            raise _refused(newurl, reason)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(url: str, reason: str) -> LakebedError:
    return error("E_ARGUMENT", "htype.link.fetch", f"{url} is not fetched: {reason}", object=url)


def fetch(links: Iterable[Link | None], policy: LinkPolicy) -> Iterator[EncodedFile | LakebedError | None]:
    """One answer for each link, in order: its file, the error that it alone met, or None for a missing sample."""
    for link in links:
        try:
            yield None if link is None else fetch_one(link, policy)
        except LakebedError as problem:
            yield problem


def fetch_one(link: Link, policy: LinkPolicy) -> EncodedFile:
    """Its file. Errors: E_ARGUMENT (not allowed), E_STORE (cannot be had), E_SAMPLE_LIMIT, E_SAMPLE_FILE."""
    wrong = fault(link)
    reason = wrong[1] if wrong is not None else policy.refused(link.url)
    if reason is not None:
        raise _refused(link.url, reason)
    headers: Mapping[str, str] = {}
    if link.credentials is not None:
        if link.credentials not in policy.credentials:
            raise _refused(link.url, f"the policy has no credentials named {link.credentials!r}")
        headers = policy.credentials[link.credentials]
    return read(_body(link.url, headers, policy))


def _body(url: str, headers: Mapping[str, str], policy: LinkPolicy) -> bytes:
    until = time.monotonic() + policy.seconds
    request = urllib.request.Request(url, headers={"User-Agent": "lakebed", "Accept-Encoding": "identity"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    opener = urllib.request.build_opener(_Redirects(policy), urllib.request.ProxyHandler({}))
    pieces: list[bytes] = []
    size = 0
    try:
        with opener.open(request, timeout=policy.seconds) as answer:
            while piece := answer.read1(_PIECE):
                pieces.append(piece)
                size += len(piece)
                if size > policy.bytes:
                    detail = f"{url} has more than {policy.bytes} bytes"
                    raise error("E_SAMPLE_LIMIT", "htype.link.fetch", detail, object=url)
                if time.monotonic() > until:
                    detail = f"{url} takes longer than {policy.seconds:g} seconds"
                    raise error("E_STORE", "htype.link.fetch", detail, object=url)
    except LakebedError:
        raise
    except (urllib.error.URLError, OSError, ValueError) as problem:
        raise error("E_STORE", "htype.link.fetch", f"{url} cannot be had: {problem}", object=url) from problem
    return b"".join(pieces)
