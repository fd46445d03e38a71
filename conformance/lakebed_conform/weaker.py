"""Three weaker suites, so that what bit-exact cases with error codes buy can be told in numbers.

``exit``: every case, but only accepted or refused counts; a crash is a refusal, whatever the reason.
``picture``: one picture written and read back by the same program, compared by value.
``allclose``: arrays of every common dtype written and read back, compared with a tolerance.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.photo import photo
from lakebed_conform.cases import Case
from lakebed_conform.ports import Exchange, Port
from lakebed_conform.run import not_applicable, request_of
from lakebed_conform.tolerance import array_of

WEAKER = ("exit", "picture", "allclose")
SECONDS = 10.0


def weaker(
    port: Port, hello: dict[str, Any] | None, format: str, tasks: list[tuple[Case, str]], place: Path
) -> tuple[dict[str, bool], str]:
    """Which of them notices that something is wrong with ``port``, and the task by which the first did ("" none)."""
    if not hello:
        return dict.fromkeys(WEAKER, True), "hello"
    by = _exit(port, hello, format, tasks, place)
    told = {
        "exit": bool(by),
        "picture": _round_trip(port, place, {"x": [photo(40, 60)]}, [[{"name": "png"}]], exact=True),
        "allclose": _round_trip(port, place, _arrays(), [[{"name": "lz4"}]], exact=False),
    }
    return told, by


def _exit(port: Port, hello: dict[str, Any], format: str, tasks: list[tuple[Case, str]], place: Path) -> str:
    for case, role in tasks:
        if not_applicable(hello, format, case, role):
            continue
        for ask in (a for a in case.asks if a.role == role):
            out = place / "exit" / "out"
            shutil.rmtree(out.parent, ignore_errors=True)
            out.parent.mkdir()
            exchange = port.ask(request_of(case, ask, out), min(case.seconds, SECONDS))
            if _accepted(exchange, ask.op) != (ask.error is None):
                return f"{case.id} {role}"
    return ""


def _accepted(exchange: Exchange, op: str) -> bool:
    reply = exchange.reply if exchange.status == "ok" else None
    if not reply or not reply.get("ok"):
        return False
    return op != "check" or not any(not f.get("note") for f in reply["findings"])


def _arrays() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(7)
    return {
        "f": [rng.random((4, 5)).astype("<f4") for _ in range(20)],
        "d": [rng.random(7) for _ in range(20)],
        "i": [rng.integers(0, 1000, (3,), dtype="<i4") for _ in range(20)],
        "u": [rng.integers(0, 255, (6, 6), dtype=np.uint8) for _ in range(20)],
    }


def _round_trip(port: Port, place: Path, columns: dict[str, list[np.ndarray]], codecs: list, *, exact: bool) -> bool:
    """True when what comes back is not what went in."""
    root, script = place / "trip", place / "script"
    for folder in (root, script):
        shutil.rmtree(folder, ignore_errors=True)
    script.mkdir()
    steps = [s.create()]
    for name, values in columns.items():
        first = values[0]
        htype = "image" if first.ndim == 3 else "generic"
        steps.append(s.tensor(name, dtype=first.dtype.name, shape=list(first.shape), htype=htype, codecs=codecs))
    steps += [s.extend(**columns), s.commit()]
    (script / "script.json").write_text(json.dumps({"script": 1, "steps": _stowed(steps, script)}))
    wrote = port.ask({"op": "write", "root": str(root), "script": str(script / "script.json")}, SECONDS)
    if not (wrote.reply or {}).get("ok"):
        return True
    return any(not _same(port, root, place / "back", name, values, exact) for name, values in columns.items())


def _stowed(value: Any, folder: Path) -> Any:
    if isinstance(value, bytes):
        name = f"{len(list(folder.iterdir()))}.raw"
        (folder / name).write_bytes(value)
        return name
    if isinstance(value, dict):
        return {k: _stowed(v, folder) for k, v in value.items()}
    return [_stowed(v, folder) for v in value] if isinstance(value, list) else value


def _same(port: Port, root: Path, out: Path, name: str, values: list[np.ndarray], exact: bool) -> bool:
    out.unlink(missing_ok=True)
    got = port.ask({"op": "read", "root": str(root), "tensor": name, "out": str(out)}, SECONDS)
    if not (got.reply or {}).get("ok") or not out.is_file():
        return False
    want = np.concatenate([v.ravel() for v in values])
    back = array_of(out.read_bytes(), got.reply["dtype"])
    if back.size != want.size:
        return False
    return bool((back == want).all()) if exact else bool(np.allclose(back, want))
