"""Floor 7. What the tools report: findings, each with its code, clause, object and offset [safety.check]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import LakebedError

NOTE = "-"
"""The code of a note that no rule of the error registry stands behind."""

Progress = Callable[[str, int, int], Any]
"""Called with (what, done, total) while a long task runs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``object`` is a store key, ``offset`` a byte in it; ``level`` is "error" or "note"."""

    code: str
    clause: str
    object: str
    offset: int | None
    detail: str
    level: str = "error"

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.level} {self.code} [{self.clause}] {self.object}{place}: {self.detail}"


@dataclass(slots=True)
class Findings:
    """Collects findings, each once, in the order in which they were met."""

    _all: dict[Finding, None] = field(default_factory=dict)
    faults: int = 0

    def add(self, code: str, clause: str, object: str, detail: str, offset: int | None = None) -> None:
        """A fault."""
        self.faults += 1
        self._all[Finding(code, clause, object, offset, detail)] = None

    def note(self, code: str, clause: str, object: str, detail: str, offset: int | None = None) -> None:
        """Worth knowing, and no fault."""
        self._all[Finding(code, clause, object, offset, detail, "note")] = None

    def caught(self, cause: LakebedError, object: str, offset: int | None = None, *, note: bool = False) -> None:
        """An error that a reader would have raised; ``object`` and ``offset`` where it does not say."""
        at = offset if cause.offset is None else cause.offset
        (self.note if note else self.add)(cause.code, cause.clause, cause.object or object, cause.detail, at)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self._all if finding.level == "error"]

    @property
    def notes(self) -> list[Finding]:
        return [finding for finding in self._all if finding.level == "note"]
