"""What the checker says: one broken rule with its code, clause, object and offset."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """``note`` marks what a checker lists but no reader may refuse."""

    code: str
    clause: str
    object: str
    offset: int | None = None
    detail: str = ""
    note: bool = False

    def as_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v not in (None, "", False)}

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.code} [{self.clause}] {self.object}{place}: {self.detail}"


class Broken(Exception):
    """Raised where a rule is broken; the walker of the tree adds the object's key."""

    def __init__(self, code: str, clause: str, detail: str, offset: int | None = None, object: str = "") -> None:
        super().__init__(detail)
        self.code, self.clause, self.detail, self.offset, self.object = code, clause, detail, offset, object

    def finding(self, object: str) -> Finding:
        return Finding(self.code, self.clause, self.object or object, self.offset, self.detail)


def need(holds: bool, code: str, clause: str, detail: str, offset: int | None = None) -> None:
    if not holds:
        raise Broken(code, clause, detail, offset)
