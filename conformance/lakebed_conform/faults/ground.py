"""What every trial stands on: a dataset of two rows, a script that appends, and what is seen afterwards."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.builders import one
from lakebed_conform.casebook import steps as s
from lakebed_conform.checker import Broken, check_tree, folder_tree, open_state
from lakebed_conform.ports import Exchange, Port, PortSpec

SECONDS = 30.0
ROW = 20_000


@dataclass(frozen=True)
class Found:
    """One scenario of a trial. ``ok`` None: could not be tried here."""

    scenario: str
    ok: bool | None
    detail: str = ""
    trial: str = ""


def old_rows() -> list[np.ndarray]:
    return [np.full(ROW, i, "u1") for i in range(2)]


def new_rows(who: int = 0) -> list[np.ndarray]:
    """Three rows that no other writer writes, large enough to be written in pieces."""
    rng = np.random.default_rng(100 + who)
    return [rng.integers(0, 256, ROW, dtype=np.uint8) for _ in range(3)]


def start(root: Path) -> None:
    """A dataset of two rows, laid by hand."""
    dataset = one(old_rows(), shape=[ROW], k=3)
    dataset.hint("main", 1)
    for key, data in dataset.tree(False).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def script(folder: Path, name: str, steps: list[dict[str, Any]]) -> Path:
    """A script with its raw files in ``folder``."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)

    def stow(value: Any) -> Any:
        if isinstance(value, bytes):
            path = place / f"{len(list(place.iterdir()))}.raw"
            path.write_bytes(value)
            return path.name
        if isinstance(value, dict):
            return {k: stow(v) for k, v in value.items()}
        return [stow(v) for v in value] if isinstance(value, list) else value

    (place / "script.json").write_text(json.dumps({"script": 1, "steps": stow(steps)}))
    return place / "script.json"


def append_of(rows: list[np.ndarray]) -> list[dict[str, Any]]:
    return [s.open_(), *[s.append(x=r) for r in rows], s.commit("more")]


def write(port: Port, root: Path, steps: Path) -> Exchange:
    return port.ask({"op": "write", "root": str(root), "script": str(steps)}, SECONDS)


def told(exchange: Exchange) -> bool:
    """Was success reported?"""
    return bool((exchange.reply or {}).get("ok"))


def state_of(root: Path, versions: dict[str, list[np.ndarray]]) -> tuple[str, str]:
    """Which of ``versions`` is seen, and what is wrong when it is none."""
    tree = folder_tree(root)
    try:
        if faults := [f for f in check_tree(tree) if not f.note]:
            return "", f"the dataset is invalid: {faults[0]}"
        samples = open_state(tree).read("x")
    except Broken as e:
        return "", f"the dataset cannot be read: {e.finding('')}"
    found = [None if v is None else v.data for v in samples.values]
    for name, rows in versions.items():
        if found == [r.tobytes() for r in rows]:
            return name, ""
    return "", f"{len(found)} rows that are none of {', '.join(versions)}"


def after(scenario: str, root: Path, exchange: Exchange, spec: PortSpec, scratch: Path) -> Found:
    """After a fault: old or new, new when success was told, and the next writer writes."""
    versions = {"old": old_rows(), "new": old_rows() + new_rows()}
    seen, wrong = state_of(root, versions)
    if wrong:
        return Found(scenario, False, wrong)
    if told(exchange) and seen != "new":
        return Found(scenario, False, "success was told, and the rows are not there")
    last = [np.full(ROW, 77, "u1")]
    with Port(spec) as port:
        next_ = write(port, root, script(scratch, "after", append_of(last)))
    if not told(next_):
        return Found(scenario, False, f"the next writer is stuck: {next_.detail or next_.reply}")
    _, wrong = state_of(root, {"after": versions[seen] + last})
    return Found(scenario, not wrong, wrong or f"{seen} version seen")


def fresh(scratch: Path) -> Path:
    root = scratch / "root"
    shutil.rmtree(root, ignore_errors=True)
    start(root)
    return root


def skipped(*exchanges: Exchange) -> bool:
    """Does the port not have a step of the script?"""
    return any("skip" in (e.reply or {}) for e in exchanges)
