"""Property-based: scripts that nobody thought of, run by one port and read by another, against a plain-list model.

Hypothesis makes and shrinks them. It is derandomised by default, so that a run can be repeated; ``--seed`` explores.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lakebed_conform import SuiteError
from lakebed_conform.casebook import steps as s
from lakebed_conform.casebook.writing_values import SPECIAL
from lakebed_conform.checker import Broken, check_tree, folder_tree, open_state
from lakebed_conform.ports import Port, PortSpec

SECONDS = 20.0
PIPELINES: list[list[dict[str, Any]]] = [
    [], [{"name": "lz4"}], [{"name": "deflate"}], [{"name": "shuffle", "size": 2}, {"name": "lz4"}],
    [{"name": "bitshuffle", "size": 4}, {"name": "deflate"}],
    [{"name": "delta", "size": 1, "stride": 3}, {"name": "lz4"}],
]  # fmt: skip


@dataclass
class Model:
    """What must be read: per tensor a plain list of samples (raw bytes and shape, None, or a list of them)."""

    rows: dict[str, list[Any]] = field(default_factory=dict)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return len(next(iter(self.rows.values()), []))


@dataclass(frozen=True)
class Find:
    """A script, shrunk, and what went wrong."""

    steps: list[dict[str, Any]]
    detail: str
    model: Model


def fuzz(
    writer: PortSpec, reader: PortSpec, *, examples: int = 100, seed: int | None = None, edits: bool = True
) -> Find | None:
    """The smallest script found that goes wrong, or None."""
    try:
        import hypothesis
        from hypothesis import HealthCheck, settings
    except ImportError:
        raise SuiteError("fuzz needs Hypothesis: pip install 'lakebed-conform[fuzz]'") from None
    last: list[Find] = []
    with tempfile.TemporaryDirectory(prefix="lakebed-fuzz-") as folder, Port(writer) as one, Port(reader) as two:
        can = set((one.hello().reply or {}).get("features", []))

        def attempt(drawn: tuple[list[dict[str, Any]], Model]) -> None:
            steps, model = drawn
            problem = trial(one, two, steps, model, Path(folder))
            if problem:
                last[:] = [Find(steps, problem, model)]
                raise AssertionError(problem)

        run: Callable[[], None] = hypothesis.given(scripts(can, edits and "write.edit" in can))(attempt)
        run = settings(
            max_examples=examples, deadline=None, database=None, derandomize=seed is None,
            suppress_health_check=list(HealthCheck), print_blob=False, report_multiple_bugs=False,
        )(run)  # fmt: skip
        if seed is not None:
            run = hypothesis.seed(seed)(run)
        try:
            run()
        except AssertionError:
            return last[0]
    return None


def trial(one: Port, two: Port, steps: list[dict[str, Any]], model: Model, folder: Path) -> str | None:
    """Write with ``one``, judge with the suite's checker and reader, read with ``two``."""
    root, place = folder / "root", folder / "script"
    for path in (root, place):
        shutil.rmtree(path, ignore_errors=True)
    place.mkdir()
    save_script(steps, place)
    wrote = one.ask({"op": "write", "root": str(root), "script": str(place / "script.json")}, SECONDS)
    if wrote.status != "ok" or not (wrote.reply or {}).get("ok"):
        return f"write: {wrote.detail or wrote.reply}"
    tree = folder_tree(root)
    if faults := [f for f in check_tree(tree) if not f.note]:
        return f"the suite's checker: {faults[0]}"
    for name, rows in model.rows.items():
        if problem := _suite(tree, name, rows) or _port(two, root, folder / "out", name, rows, model.tensors[name]):
            return f"tensor {name}: {problem}"
    return None


def _suite(tree: Any, name: str, rows: list[Any]) -> str | None:
    try:
        samples = open_state(tree).read(name)
    except Broken as e:
        return f"the suite's reader: {e.finding('')}"
    found = [
        None if v is None else [(i.data, i.shape) for i in v] if isinstance(v, list) else (v.data, v.shape)
        for v in samples.values
    ]
    return _difference(found, rows, "the suite's reader")


def _difference(found: list[Any], rows: list[Any], who: str) -> str | None:
    if len(found) != len(rows):
        return f"{who} finds {len(found)} samples, not {len(rows)}"
    at = next((n for n, (a, b) in enumerate(zip(found, rows, strict=True)) if a != b), None)
    return None if at is None else f"{who} finds another sample {at}"


def _port(port: Port, root: Path, out: Path, name: str, rows: list[Any], how: dict[str, Any]) -> str | None:
    out.unlink(missing_ok=True)
    got = port.ask({"op": "read", "root": str(root), "tensor": name, "out": str(out)}, SECONDS)
    reply = got.reply or {}
    if "skip" in reply:
        return None
    if not reply.get("ok"):
        return f"read: {got.detail or reply}"
    sequence = how.get("sequence", False)
    items = [i for r in rows if r is not None for i in (r if sequence else [r])]
    shapes = [None if r is None else [list(i[1]) for i in r] if sequence else list(r[1]) for r in rows]
    if reply["shapes"] != shapes:
        return "the reader finds other shapes"
    data = out.read_bytes() if out.exists() else b""
    return None if data == b"".join(i[0] for i in items) else "the reader finds other bytes"


def save_script(steps: list[dict[str, Any]], place: Path) -> None:
    """script.json and its raw files in ``place``."""

    def stow(value: Any) -> Any:
        if isinstance(value, bytes):
            name = f"in.{len(list(place.iterdir()))}.raw"
            (place / name).write_bytes(value)
            return name
        if isinstance(value, dict):
            return {k: stow(v) for k, v in value.items()}
        return [stow(v) for v in value] if isinstance(value, list) else value

    (place / "script.json").write_text(json.dumps({"script": 1, "steps": stow(steps)}, indent=1) + "\n")


def save_draft(found: Find, folder: Path) -> None:
    """A draft case: the script, what was wrong, and the model's values; ``new-case --from`` makes a case of it."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise SuiteError(f"{folder} is already there") from None
    save_script(found.steps, folder)
    want = {name: _draft_of(found.model.tensors[name], rows) for name, rows in found.model.rows.items()}
    said = {"draft": 1, "found": found.detail, "script": "script.json", "want": want}
    (folder / "draft.json").write_text(json.dumps(said, indent=1) + "\n")


def _draft_of(how: dict[str, Any], rows: list[Any]) -> dict[str, Any]:
    """A tensor's rows as JSON: shape and bytes in hex, null for a missing sample, a list for a sequence."""

    def item(v: Any) -> Any:
        if v is None or isinstance(v, list):
            return v if v is None else [item(i) for i in v]
        return {"shape": list(v[1]), "hex": v[0].hex()}

    return {"dtype": how["dtype"], "sequence": how.get("sequence", False), "samples": [item(r) for r in rows]}


# --- strategies


def scripts(can: set[str], edits: bool) -> Any:
    """(steps, model): one to three tensors, then batches of rows and edits, with a commit now and then."""
    from hypothesis import strategies as st

    @st.composite
    def build(draw: Any) -> tuple[list[dict[str, Any]], Model]:
        model, steps = Model(), [s.create()]
        for name in ["x", "group/y", "z"][: draw(st.integers(1, 3))]:
            how = draw(_tensor(can))
            model.tensors[name], model.rows[name] = how, []
            steps.append(s.tensor(name, **how))
        for _ in range(draw(st.integers(0, 8))):
            steps += _act(draw, model, edits)
        return [*steps, s.commit()], model

    return build()


def _tensor(can: set[str]) -> Any:
    from hypothesis import strategies as st

    dtypes = [d for d in SPECIAL if d in _BASE or f"dtype.{d}" in can]
    pipelines = [p for p in PIPELINES if all(f"codec.{c['name']}" in can for c in p)]

    @st.composite
    def build(draw: Any) -> dict[str, Any]:
        shape = draw(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=3))
        how: dict[str, Any] = {"dtype": draw(st.sampled_from(dtypes)), "shape": shape}
        if draw(st.booleans()):
            how["sequence"] = True
        if pipeline := draw(st.sampled_from(pipelines)):
            how["codecs"] = [pipeline]
        unit = draw(st.sampled_from([None, {"items": 1}, {"items": 3}, {"bytes": 10}]))
        if unit:
            how["unit"] = unit
        if shape and draw(st.integers(0, 4)) == 0:
            how["tile"] = draw(st.lists(st.integers(1, 2), min_size=len(shape), max_size=len(shape)))
        return how

    return build()


_BASE = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")


def _act(draw: Any, model: Model, edits: bool) -> list[dict[str, Any]]:
    """One thing that happens, to the script and to the model."""
    from hypothesis import strategies as st

    changes = ["insert", "update", "delete"] if edits and model.length else []
    kinds = ["append", "append", "extend", "commit", *changes]
    kind = draw(st.sampled_from(kinds))
    if kind == "commit":
        return [s.commit()]
    if kind == "delete":
        gone = draw(st.sets(st.integers(0, model.length - 1), min_size=1, max_size=model.length))
        for rows in model.rows.values():
            rows[:] = [r for n, r in enumerate(rows) if n not in gone]
        return [s.delete(*sorted(gone))]
    if kind == "extend":
        return [_extend(draw, model)]
    given = {name: draw(_sample(how)) for name, how in model.tensors.items() if draw(st.integers(0, 4))}
    if kind == "update":
        row = draw(st.integers(0, model.length - 1))
        for name, (_, value) in given.items():
            model.rows[name][row] = value
        return [{"do": "update", "row": str(row), "values": {n: v[0] for n, v in given.items()}}]
    row = model.length if kind == "append" else draw(st.integers(0, model.length))
    for name, rows in model.rows.items():
        rows.insert(row, given[name][1] if name in given else None)
    step: dict[str, Any] = {"do": kind, "values": {n: v[0] for n, v in given.items()}}
    return [step if kind == "append" else step | {"row": str(row)}]


def _extend(draw: Any, model: Model) -> dict[str, Any]:
    from hypothesis import strategies as st

    count, said = draw(st.integers(0, 4)), {}
    for name, how in model.tensors.items():
        if draw(st.integers(0, 4)):
            column = [draw(_sample(how)) for _ in range(count)]
            said[name] = [c[0] for c in column]
            model.rows[name] += [c[1] for c in column]
    for name, rows in model.rows.items():
        rows += [None] * (count if name not in said and said else 0)
    return {"do": "extend", "values": said}


def _sample(how: dict[str, Any]) -> Any:
    """(what the script says, what must be read)."""
    from hypothesis import strategies as st

    item = _item(how)
    if how.get("sequence"):
        present = st.lists(item, max_size=3).map(lambda xs: ({"items": [x[0] for x in xs]}, [x[1] for x in xs]))
    else:
        present = item
    return st.one_of(present, present, present, st.just((None, None)))


def _item(how: dict[str, Any]) -> Any:
    from hypothesis import strategies as st

    kind, words = SPECIAL[how["dtype"]]
    per = 2 if how["dtype"].startswith("complex") else 1
    top = 1 if how["dtype"] == "bool" else 2 ** (8 * np.dtype(kind).itemsize) - 1
    word = st.one_of(st.sampled_from(words), st.integers(0, top), st.just(0))

    @st.composite
    def build(draw: Any) -> tuple[dict[str, Any], tuple[bytes, tuple[int, ...]]]:
        shape = tuple(draw(st.integers(0, 4)) if axis is None else axis for axis in how["shape"])
        count = int(np.prod(shape, dtype=np.int64)) * per
        values = draw(st.lists(word, min_size=min(count, 6), max_size=min(count, 6)))
        data = np.resize(np.array(values or [0], kind), count).tobytes() if count else b""
        return {"raw": data, "dtype": how["dtype"], "shape": list(shape)}, (data, shape)

    return build()
