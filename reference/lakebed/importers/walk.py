"""Floor 7. The files below a folder in one fixed order, and what is left out on the way.

Order: by folder, names compared by code point, files and folders mixed. Hidden entries (a name that begins with a
dot) are counted and passed by. Links to files inside the folder are read; links to folders, links that lead out, and
what is no file (pipes, sockets, devices) are never opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import LakebedError, error


@dataclass(frozen=True, slots=True)
class Found:
    """One entry: its path below the root, with ``/``; why it is left out (None: it is to be read)."""

    path: str
    place: str
    problem: LakebedError | None = None


@dataclass(slots=True)
class Walk:
    """Iterate once; ``hidden`` counts what was passed by."""

    root: Path
    hidden: int = 0

    def __iter__(self) -> Iterator[Found]:
        """Errors: E_ARGUMENT when the root is no folder."""
        if not self.root.is_dir():
            raise error("E_ARGUMENT", "media.append", f"{shown(str(self.root))} is no folder")
        return self._folder(str(self.root), "")

    def classes(self) -> list[str]:
        """Names of the folders right below the root, sorted; hidden ones, links and what is no text are left out."""
        with os.scandir(self.root) as entries:
            names = [e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
        return sorted(name for name in names if not any("\ud800" <= letter <= "\udfff" for letter in name))

    def _folder(self, folder: str, prefix: str) -> Iterator[Found]:
        try:
            with os.scandir(folder) as entries:
                rows = sorted(entries, key=lambda entry: entry.name)
        except OSError as cause:
            yield Found(prefix.rstrip("/") or ".", folder, _unreadable(cause))
            return
        for entry in rows:
            path = prefix + entry.name
            if entry.name.startswith("."):
                self.hidden += 1
            elif entry.is_dir(follow_symlinks=False):
                yield from self._folder(entry.path, path + "/")
            else:
                yield Found(path, entry.path, self._problem(entry))

    def _problem(self, entry: os.DirEntry[str]) -> LakebedError | None:
        try:
            if entry.is_symlink():
                target = Path(os.path.realpath(entry.path))
                if not target.is_relative_to(os.path.realpath(self.root)):
                    return _refused("a link that leads out of the folder")
                if target.is_dir():
                    return _refused("a link to a folder")
            if not stat.S_ISREG(entry.stat().st_mode):
                return _refused("neither a file nor a folder")
        except OSError as cause:  # a link into nothing, or in a circle
            return _unreadable(cause)
        return None


def shown(path: str) -> str:
    """A path for people: bytes that are no text, and control characters, are escaped."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _refused(detail: str) -> LakebedError:
    return error("E_SAMPLE_FILE", "media.append", detail)


def _unreadable(cause: OSError) -> LakebedError:
    return error("E_SAMPLE_FILE", "media.append", f"cannot be read: {cause.strerror or cause}")
