"""Cases on disk: a folder each, with case.json, dataset/, raw expected values and, when invalid, repair.json."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lakebed_conform import SuiteError
from lakebed_conform.protocol import ROLE, wrong


@dataclass(frozen=True)
class Ask:
    """One request of a case: the members beside op, root and out, and what must come back."""

    op: str
    with_: dict[str, Any]
    want: dict[str, Any] | None
    error: str | None
    also: tuple[str, ...]

    @property
    def role(self) -> str:
        return ROLE[self.op]


@dataclass(frozen=True)
class Case:
    id: str
    folder: Path
    format: str
    title: str
    effect: str
    clauses: tuple[str, ...]
    level: str
    kind: str
    features: tuple[str, ...]
    asks: tuple[Ask, ...]
    seconds: float
    memory: int | None
    fault: dict[str, Any] | None = field(default=None)
    origin: str = "hand"

    @property
    def area(self) -> str:
        return self.id.split("/")[0]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(a.role for a in self.asks))

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    def raw(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


SECONDS = 10.0


def cases_folder() -> Path:
    """Where the cases lie: LAKEBED_CONFORM_CASES, inside the installed package, or beside it in a checkout."""
    places = [Path(__file__).parent / "cases", Path(__file__).parents[1] / "cases"]
    if said := os.environ.get("LAKEBED_CONFORM_CASES"):
        places = [Path(said)]
    for place in places:
        if place.is_dir():
            return place
    raise SuiteError(f"no cases at {places[-1]}; set LAKEBED_CONFORM_CASES")


def load_case(folder: Path, id: str, format: str) -> Case:
    """One case; a damaged one raises SuiteError."""
    path = folder / "case.json"
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise SuiteError(f"damaged case {path}: {e}") from None
    if problem := wrong("case", said):
        raise SuiteError(f"damaged case {path}: {problem}")
    if (said["id"], said["format"]) != (id, format):
        raise SuiteError(f"damaged case {path}: it says {said['format']} {said['id']}")
    asks = tuple(
        Ask(a["op"], a.get("with", {}), a.get("want"), a.get("error"), tuple(a.get("also", ()))) for a in said["asks"]
    )
    case = Case(
        id, folder, format, said["title"], said["effect"], tuple(said["clauses"]), said["level"], said["kind"],
        tuple(said["features"]), asks, said["limits"].get("seconds", SECONDS), said["limits"].get("memory"),
        said.get("fault"), said["origin"],
    )  # fmt: skip
    _files_there(case)
    return case


def _files_there(case: Case) -> None:
    for ask in case.asks:
        names = [ask.with_.get("script")]
        want = ask.want or {}
        for part in [want, *want.get("tensors", {}).values(), *want.get("files", ())]:
            names += [part.get("raw"), part.get("json"), part.get("file")]
        for name in filter(None, names):
            if not (case.folder / name).is_file():
                raise SuiteError(f"damaged case {case.folder}: {name} is absent")


def load_cases(format: str, root: Path | None = None) -> list[Case]:
    """Every case of a format version, by id. Raises SuiteError for a damaged one or when there is none."""
    root = (root or cases_folder()) / format
    folders = sorted(p.parent for p in root.glob("*/*/case.json"))
    if not folders:
        raise SuiteError(f"no cases of format {format} in {root.parent}")
    cases = [load_case(f, f.relative_to(root).as_posix(), format) for f in folders]
    frozen = root / "frozen.json"
    known = json.loads(frozen.read_text()) if frozen.is_file() else {}
    gone = sorted(set(known) - {c.id for c in cases})
    if gone:
        raise SuiteError(f"released cases are absent: {', '.join(gone[:5])}")
    return cases


def digest(case: Case) -> str:
    """SHA-256 over the names and bytes of a case's files: what freezing fixes."""
    total = hashlib.sha256()
    for path in sorted(p for p in case.folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        total.update(f"{path.relative_to(case.folder).as_posix()}\0{len(data)}\0".encode() + data)
    return total.hexdigest()


def select(
    cases: list[Case], *, level: str | None = None, role: str | None = None, feature: str | None = None,
    kind: str | None = None, only: tuple[str, ...] = (), clause: str | None = None,
) -> list[tuple[Case, str]]:  # fmt: skip
    """(case, role) pairs that match every filter given; ``only`` are globs over ids."""
    picked = []
    for case in cases:
        if (level and case.level != level) or (kind and case.kind != kind):
            continue
        if feature and feature not in case.features:
            continue
        if clause and not any(fnmatchcase(c, clause) for c in case.clauses):
            continue
        if only and not any(fnmatchcase(case.id, glob) for glob in only):
            continue
        picked += [(case, r) for r in case.roles if role in (None, r)]
    return picked


def dataset_tree(case: Case) -> dict[str, bytes]:
    root = case.dataset
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def repaired_tree(case: Case) -> dict[str, bytes]:
    """The valid twin: the dataset with ``repair.json`` applied."""
    tree = dataset_tree(case)
    repair = json.loads((case.folder / "repair.json").read_text())
    for key in repair["delete"]:
        del tree[key]
    return tree | {key: base64.b64decode(data) for key, data in repair["put"].items()}
