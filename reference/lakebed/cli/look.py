"""Floor 8. Commands that only look: info, log, diff, cat, codecs."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.text import Text

from .. import codecs, htypes
from ..codecs.registry import REFUSED
from ..dataset import Dataset
from ..errors import LakebedError, error
from ..extras import installed
from ..model import Commit, Tag
from ..tensor import Tensor
from .shell import at_options, cell, emit, json_option, opened, out, plain, shape, size, store_options, table

SOME = 6  # codecs of one tensor that are named in a table
AGREES = {
    "E": "every port decodes the same array",
    "A": "8-bit values within 4, 0.5 on average; lossless ones the same",
    "B": "38 dB or more, 2.5 on average",
    "S": "as many samples, each within 2^-14",
    "S2": "each sample within 2^-4 after the first 8,000",
}
"""What ports owe each other's decode of files [media.tolerance], [audio.tolerance]."""
SHOWN = 8  # values of an array that are printed, and (start, stop) ranges of a diff


@click.command()
@click.argument("place")
@at_options
@json_option
def info(place: str, as_json: bool, **at: Any) -> None:
    """Tensors, rows, commit, branches, tags."""
    ds = opened(place, at)
    commit = ds.commit_info
    assert commit is not None
    branches, tags = _listed(ds)
    if as_json:
        emit(
            {
                "url": ds.url,
                "format": commit.version,
                **_commit(commit),
                "attributes": dict(ds.attributes),
                "branches": branches,
                "tags": None if tags is None else {name: _target(tag) for name, tag in tags.items()},
                "tensors": {name: _tensor(tensor) for name, tensor in ds.tensors.items()},
            }
        )
        return
    console = out()
    console.print(cell(ds.url, "bold"))
    console.print(_line("commit", f"{commit.branch} {commit.number}, {commit.time}{_said(commit)}"))
    console.print(_line("holds", f"{len(ds):,} rows, {len(ds.tensors)} tensors; format {commit.version}"))
    if branches is not None and tags is not None:
        console.print(_line("branches", ", ".join(branches)))
        if tags:
            said = (f"{name} ({tag.target.branch} {tag.target.number})" for name, tag in tags.items())
            console.print(_line("tags", ", ".join(said)))
    if ds.attributes:
        console.print(_line("attributes", ", ".join(f"{key}={value!r}" for key, value in ds.attributes.items())))
    rows = table("tensor", "htype", "dtype", "shape", "stored", "codec", "fidelity", right=("stored",))
    for name, tensor in ds.tensors.items():
        kind = f"sequence[{tensor.htype}]" if tensor.sequence else tensor.htype
        form = cell(shape(tensor.shape))
        held, dtype = size(tensor.nbytes), tensor._state.dtype
        rows.add_row(cell(name, "bold"), cell(kind), dtype, form, held, cell(_codecs(tensor)), cell(_fidelity(tensor)))
    console.print(rows)


@click.command()
@click.argument("place")
@click.option("-n", "count", type=click.IntRange(1), help="At most so many commits.")
@at_options
@json_option
def log(place: str, count: int | None, as_json: bool, **at: Any) -> None:
    """The commits behind one, newest first."""
    ds = opened(place, at)
    _, tags = _listed(ds)
    named: dict[tuple[str, int], list[str]] = {}
    for name, tag in (tags or {}).items():
        named.setdefault((tag.target.branch, tag.target.number), []).append(name)
    commits: list[Commit] = []
    for commit in ds.log():
        if count is not None and len(commits) == count:
            break
        commits.append(commit)
    if as_json:
        emit([{**_commit(c), "tags": named.get((c.branch, c.number), [])} for c in commits])
        return
    rows = table("commit", "time", "rows", "message", "author", "tags", right=("rows",))
    for c in commits:
        place_of = Text.assemble((plain(c.branch), "dim"), f" {c.number}", (" closed" if c.closed else "", "red"))
        tagged = cell(", ".join(named.get((c.branch, c.number), [])), "yellow")
        rows.add_row(place_of, c.time[:19].replace("T", " "), f"{c.length:,}", cell(c.message), cell(c.author), tagged)
    out().print(rows)


@click.command()
@click.argument("place")
@click.argument("start", metavar="FROM", required=False)
@click.argument("end", metavar="TO", required=False)
@click.option("--branch", help="The branch of commits given by number; main if not given.")
@store_options
@json_option
def diff(place: str, start: str | None, end: str | None, branch: str | None, options: Any, as_json: bool) -> None:
    """What changed between two commits.

    FROM and TO are numbers or tags; without them: what the newest commit changed.
    """
    ds = opened(place, {"branch": branch, "options": options, **_where(end)})
    if start is None and ds.number < 2:
        raise error("E_COMMIT_ABSENT", "commit.parent", f"commit {ds.number} has none before it on its branch")
    since: int | str = ds.number - 1 if start is None else (int(start) if start.isdecimal() else start)
    changes = ds.diff(since)
    if as_json:
        members = ("state", "added", "updated", "deleted", "metadata")
        tensors = {name: {member: getattr(c, member) for member in members} for name, c in changes.items()}
        emit({"from": since, "to": {"branch": ds.branch, "number": ds.number}, "tensors": tensors})
        return
    if not changes:
        out().print("no tensor changed")
        return
    rows = table("tensor", "", "added", "updated", "deleted", "declaration", title=f"from {since} to {ds.number}")
    for name, change in changes.items():
        ranges = [cell(_ranges(r), s) for r, s in ((change.added, "green"), (change.updated, "yellow"))]
        gone = cell(_ranges(change.deleted), "red")
        state = "" if change.state == "changed" else change.state
        rows.add_row(cell(name, "bold"), state, *ranges, gone, ", ".join(change.metadata))
    out().print(rows)


@click.command(context_settings={"ignore_unknown_options": True})  # row -1 is the last one, not an option
@click.argument("place")
@click.argument("tensor")
@click.argument("row", type=int)
@click.option("--out", "target", metavar="FILE", help="Write it: a file's own bytes, text as UTF-8, arrays as .npy.")
@at_options
@json_option
def cat(place: str, tensor: str, row: int, target: str | None, as_json: bool, **at: Any) -> None:
    """One sample: its shape, dtype and values.

    With --out FILE its bytes instead, the file's own if it was stored as one; - is stdout.
    """
    ds = opened(place, at)
    chosen = ds[tensor]
    if target is not None:
        _write(target, _bytes(chosen, row))
        return
    value = chosen[row]
    form = _format(chosen, row)
    if as_json:
        found = _sample(chosen, value)
        emit({"tensor": tensor, "row": row, "htype": chosen.htype, "stored": form, **found})
        return
    console = out()
    console.print(Text.assemble((plain(tensor), "bold"), f" row {row}  ", (chosen.htype, "dim")))
    if form is not None:
        console.print(_line("stored as", f"{form['format']}, {form['bytes']:,} bytes"))
    if value is None:
        console.print(_line("value", "missing"))
    for item in value if isinstance(value, list) and chosen.sequence else [] if value is None else [value]:
        _print_value(console, chosen, item)


@click.command(name="codecs")
@click.argument("name", required=False)
@json_option
def codecs_command(name: str | None, as_json: bool) -> None:
    """Every codec, or all about one.

    What it takes, how far ports agree on it, whether it can be used here; and what is never stored, with the reason.
    """
    if name is not None:
        _one_codec(name.lower(), as_json)
        return
    if as_json:
        emit([*map(_codec, codecs.CODECS.values()), *map(_refused, REFUSED)])
        return
    rows = table("codec", "kind", "exact", "takes", "agrees", "here")
    for row in codecs.CODECS.values():
        here = cell("yes", "green") if _usable(row) else cell(f"lakebed[{row.extra}]", "yellow")
        named = cell(", ".join((row.name, *row.aliases)), "bold")
        rows.add_row(named, row.kind, row.exact, cell(_takes(row)), row.tolerance, here)
    for refused in REFUSED:
        rows.add_row(cell(refused, "bold"), "refused", "", cell(REFUSED[refused]), "", cell("never", "red"))
    out().print(rows)
    out().print(cell("agrees: class of agreement between ports; lakebed codecs NAME says it in words", "dim"))


def _one_codec(name: str, as_json: bool) -> None:
    found = _refused(name) if name in REFUSED else _codec(codecs.codec(name))
    if as_json:
        emit(found)
        return
    out().print(cell(found["name"], "bold"))
    if name in REFUSED:
        out().print(_line("refused", found["refused"]))
        return
    row = codecs.CODECS[found["name"]]
    exact = f"when {row.conditions}" if row.exact == "conditions" else row.exact
    here = "yes" if _usable(row) else f"pip install 'lakebed[{row.extra}]'"
    aliases = [("also", ", ".join(row.aliases))] if row.aliases else []
    parameters = ", ".join(param.name for param in row.params) or "none"
    for what, text in (
        *aliases, ("about", row.about), ("kind", row.kind), ("exact", exact), ("takes", _takes(row)),
        ("agrees", f"{row.tolerance}: {AGREES[row.tolerance]}"), ("parameters", parameters), ("here", here),
    ):  # fmt: skip
        out().print(_line(what, text))


def _takes(row: codecs.Codec) -> str:
    """Arrays that it encodes, in words."""
    if row.kind == "media" and row.write is None:
        return "its files only"
    return row.holds or (row.conditions if row.exact == "always" else "") or "all"


def _usable(row: codecs.Codec) -> bool:
    return row.extra is None or installed(row.library)


def _refused(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "refused", "refused": REFUSED[name], "installed": False}


def _codec(row: codecs.Codec) -> dict[str, Any]:
    return {
        "name": row.name,
        "aliases": list(row.aliases),
        "kind": row.kind,
        "medium": row.medium if row.kind == "media" else None,
        "exact": row.exact,
        "conditions": row.conditions or None,
        "takes": _takes(row),
        "tolerance": row.tolerance,
        "about": row.about,
        "parameters": [param.name for param in row.params],
        "library": row.library,
        "extra": row.extra,
        "installed": _usable(row),
    }


# --- what is said of things ------------------------------------------------------------------------------------------


def _line(name: str, text: str) -> Text:
    return Text.assemble((f"  {name:<11}", "dim"), plain(text))


def _said(commit: Commit) -> str:
    return (f", by {commit.author}" if commit.author else "") + (f": {commit.message}" if commit.message else "")


def _listed(ds: Dataset) -> tuple[list[str] | None, dict[str, Tag] | None]:
    """Branches and tags; None where the store cannot list."""
    try:
        return ds.branches(), ds.tags()
    except LakebedError as cause:
        if cause.code != "E_STORE":
            raise
        return None, None


def _commit(commit: Commit) -> dict[str, Any]:
    parent = commit.parent
    return {
        "branch": commit.branch,
        "number": commit.number,
        "id": commit.id,
        "time": commit.time,
        "author": commit.author,
        "message": commit.message,
        "closed": commit.closed,
        "length": commit.length,
        "parent": None if parent is None else {"branch": parent.branch, "number": parent.number},
    }


def _target(tag: Tag) -> dict[str, Any]:
    return {"branch": tag.target.branch, "number": tag.target.number, "time": tag.time}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {
        "htype": tensor.htype,
        "dtype": tensor._state.dtype,
        "shape": list(tensor.shape),
        "sequence": tensor.sequence,
        "fidelity": tensor.fidelity,
        "codecs": tensor.compression,
        "attributes": dict(tensor.attributes),
        "length": len(tensor),
        "bytes": tensor.nbytes,
    }


def _codecs(tensor: Tensor) -> str:
    pipelines = ["+".join(step["name"] for step in pipeline) or "raw" for pipeline in tensor.compression]
    more = f", … ({len(pipelines)})" if len(pipelines) > SOME else ""
    return ", ".join(pipelines[: SOME if more else None]) + more


def _fidelity(tensor: Tensor) -> str:
    kept = tensor.fidelity
    return kept if isinstance(kept, str) else ", ".join(f"{key} {value:g}" for key, value in kept.items())


def _where(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    return {"number": int(text)} if text.isdecimal() else {"tag": text}


def _ranges(ranges: list[tuple[int, int]]) -> str:
    """``7 rows: 0-4, 9``"""
    if not ranges:
        return ""
    rows = sum(stop - start for start, stop in ranges)
    said = [str(a) if b == a + 1 else f"{a}-{b - 1}" for a, b in ranges[:SHOWN]]
    return f"{rows:,} {'row' if rows == 1 else 'rows'}: {', '.join(said)}{' …' if len(ranges) > SHOWN else ''}"


def _format(tensor: Tensor, row: int) -> dict[str, Any] | None:
    try:
        name, data = tensor.file_format(row)
    except LakebedError as cause:
        if cause.code != "E_FILE_ABSENT":
            raise
        return None
    return {"format": name, "bytes": len(data)}


def _sample(tensor: Tensor, value: Any) -> dict[str, Any]:
    if value is None:
        return {"missing": True}
    if htypes.is_python(tensor.htype):
        return {"missing": False, "value": value}
    if tensor.sequence:
        return {"missing": False, "items": [_array(item) for item in value]}
    return {"missing": False, **_array(value)}


def _array(array: np.ndarray) -> dict[str, Any]:
    """Shape, dtype, the least, the greatest and the mean value; all values when there are few."""
    array = np.asarray(array)
    found: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.size and array.dtype.kind not in "c":
        with np.errstate(all="ignore"):
            values = array.astype(np.float64)
            low, high, mean = (float(f(values)) for f in (np.min, np.max, np.mean))
        found |= {name: v if np.isfinite(v) else str(v) for name, v in (("min", low), ("max", high), ("mean", mean))}
    if array.size <= SHOWN * SHOWN and array.dtype.kind in "biuf" and bool(np.isfinite(array.astype(np.float64)).all()):
        found["values"] = array.tolist()
    return found


def _print_value(console: Any, tensor: Tensor, item: Any) -> None:
    if htypes.is_python(tensor.htype):
        console.print(_line("value", item if isinstance(item, str) else repr(item)))
        return
    found = _array(item)
    console.print(_line("array", f"{shape(found['shape'])}  {found['dtype']}"))
    if "mean" in found and np.size(item) > 1:
        least, most, mean = (f if isinstance(f, str) else f"{f:g}" for f in (found["min"], found["max"], found["mean"]))
        console.print(_line("values", f"{least} to {most}, mean {mean}"))
    if "values" in found:
        names = tensor.class_names
        ids = np.atleast_1d(item).ravel().tolist() if names and tensor.htype == "class_label" else []
        called = ", ".join(names[i] for i in ids if 0 <= i < len(names)) if names else ""
        text = np.array2string(np.asarray(item), separator=", ", prefix=" " * 13)
        console.print(Text.assemble(("             " if np.size(item) > 1 else "  value      ", "dim"), text), end="")
        console.print(Text(f"  {plain(called)}" if called else "", "green"))


# --- bytes -----------------------------------------------------------------------------------------------------------


def _bytes(tensor: Tensor, row: int) -> bytes:
    """The file as it is stored; else text, or an array in NumPy's format."""
    try:
        return tensor.file(row)
    except LakebedError as cause:
        if cause.code != "E_FILE_ABSENT":
            raise
    value = tensor[row]
    if isinstance(value, str):
        return value.encode("utf-8")
    if not isinstance(value, np.ndarray | np.generic):
        what = "missing" if value is None else f"a {type(value).__name__}"
        detail = f"sample {row} is {what}: no file and no array"
        raise error("E_FILE_ABSENT", "media.verbatim", detail, object=tensor.name)
    held = io.BytesIO()
    np.lib.format.write_array(held, np.asarray(value), allow_pickle=False)
    return held.getvalue()


def _write(target: str, data: bytes) -> None:
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    Path(target).write_bytes(data)
    out().print(_line("wrote", f"{len(data):,} bytes to {target}"))
