"""Faults while a port writes: no room, sudden death, torn objects, another writer, strange folders. Only the old or the
new version may be seen, what was reported as written is there, and the next writer can go on.

Needs Linux for some: what cannot be tried here is said and counts as untried, never as passed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from lakebed_conform.faults import alone, folders, net, together, traced
from lakebed_conform.faults.ground import Found
from lakebed_conform.ports import PortSpec

Trial = Callable[[PortSpec, Path, bool], Iterator[Found]]

#: by the names that untraced.json and results use
TRIALS: dict[str, Trial] = {
    "two_writers": together.two_writers, "slow_links": together.slow_links, "two_creators": together.two_creators,
    "appended_meanwhile": together.appended_meanwhile, "updated_by_both": together.updated_by_both,
    "deleted_meanwhile": together.deleted_meanwhile, "closed_meanwhile": together.closed_meanwhile,
    "sealed_meanwhile": together.sealed_meanwhile, "torn": alone.torn, "order": traced.order,
    "denied": traced.denied,
    "killed": alone.killed, "file_size": alone.file_size, "full_device": alone.full_device, "links": folders.links,
    "pipes": folders.pipes, "long_documents": folders.long_documents,
    "http": net.http, "http_written": net.http_written, "addresses": net.addresses, "secrets": net.secrets,
}  # fmt: skip


def faults(spec: PortSpec, *, quick: bool = False, first: str = "", only: Collection[str] = ()) -> Iterator[Found]:
    """All trials (or those in ``only``), the one named ``first`` before the others; ``quick`` repeats less."""
    names = sorted(only or TRIALS, key=lambda name: name != first)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="lakebed-faults-") as scratch:
            for found in TRIALS[name](spec, Path(scratch), quick):
                yield Found(found.scenario, found.ok, found.detail, name)


__all__ = ["TRIALS", "Found", "Trial", "faults"]
