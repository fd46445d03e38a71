"""Floor 8. What all commands share: where output goes, JSON, errors in plain words, progress, opening a place."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..dataset import Dataset
from ..doors import open as open_dataset
from ..errors import CODES, LakebedError
from ..stores import Store
from ..stores import store as open_store

FINE, FOUND, FAILED = 0, 1, 2
WIDE = 140  # columns of a pipe or a file, which have no width of their own
_Command = TypeVar("_Command", bound=Callable[..., Any])


def out() -> Console:
    """Results. Made anew each time, so that whoever replaced sys.stdout is heard; plain when it is no terminal."""
    return _console(sys.stdout)


def err() -> Console:
    """Errors and progress."""
    return _console(sys.stderr)


def _console(file: Any) -> Console:
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(file=file, width=width, highlight=False, soft_wrap=False, emoji=False)


def plain(value: Any) -> str:
    """Text from a dataset or a path, for a terminal: nothing in it can move the cursor or colour anything."""
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(value: Any, style: str = "") -> Text:
    """``plain`` text that rich takes as it stands."""
    return Text(plain(value), style)


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """An empty table; the columns named in ``right`` are numbers."""
    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in columns:
        fold: Any = {"justify": "right", "no_wrap": True} if name in right else {"overflow": "fold"}
        made.add_column(name, **fold)
    return made


def size(count: int) -> str:
    """Bytes for people: 999 B, 1.5 kB, 23 MB."""
    if count < 1000:
        return f"{count} B"
    value, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}" if value < 10 else f"{value:.0f} {units[0]}"


def shape(sides: Sequence[int | None]) -> str:
    """``? × ? × 3``; a free axis is ``?``."""
    return " × ".join("?" if side is None else str(side) for side in sides) or "scalar"


# --- JSON ------------------------------------------------------------------------------------------------------------


def emit(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (tuple, set, frozenset)) else str(value)


# --- errors ----------------------------------------------------------------------------------------------------------


def facts(problem: LakebedError) -> dict[str, Any]:
    """An error as a map for machines."""
    return {
        "code": problem.code,
        "clause": problem.clause,
        "message": problem.detail,
        "object": problem.object,
        "offset": problem.offset,
        "next": CODES[problem.code].next,
    }


def show_error(problem: LakebedError) -> None:
    """What happened, where, which rule, what to do next: four lines at most, no traceback."""
    console = err()
    console.print(Text.assemble(("error ", "bold red"), (problem.code, "bold"), "  ", plain(problem.detail)))
    if problem.object is not None:
        at = "" if problem.offset is None else f" at byte {problem.offset}"
        console.print(Text.assemble(("  where   ", "dim"), plain(problem.object) + at))
    console.print(Text.assemble(("  clause  ", "dim"), problem.clause))
    console.print(Text.assemble(("  next    ", "dim"), _next(problem)))


def _next(problem: LakebedError) -> str:
    return "See --help." if problem.code == "E_ARGUMENT" else CODES[problem.code].next


# --- options ---------------------------------------------------------------------------------------------------------


def json_option(command: _Command) -> _Command:
    """``--json``: machines read the result; its members are only added to, never renamed."""
    return click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for machines.")(command)


def store_options(command: _Command) -> _Command:
    """``--option key=value``: what the store takes besides its URL."""
    text = "Of the store: key=value; the value may be JSON. Repeat it."
    return click.option("-o", "--option", "options", multiple=True, metavar="KEY=VALUE", help=text)(command)


def at_options(command: _Command) -> _Command:
    """Which commit is meant."""
    for flag, kind, text in (
        ("--time", str, "The newest commit not after this time (2026-01-31T12:00:00Z)."),
        ("--tag", str, "The commit of this tag."),
        ("--number", int, "The commit of this number."),
        ("--branch", str, "The branch; main if not given."),
    ):
        command = click.option(flag, type=kind, help=text)(command)
    return store_options(command)


def parsed(options: Sequence[str]) -> dict[str, Any] | None:
    """``key=value`` words as a map."""
    found: dict[str, Any] = {}
    for word in options:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{word!r} is not KEY=VALUE", param_hint="--option")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found or None


def opened(place: str, at: Mapping[str, Any], mode: str = "r") -> Dataset:
    """The dataset at ``place``, at the commit that the options of :func:`at_options` name."""
    where = {key: at[key] for key in ("branch", "number", "tag", "time") if at.get(key) is not None}
    return open_dataset(place, mode, options=parsed(at.get("options", ())), **where)


def stored(place: str, options: Sequence[str], *, writable: bool = False) -> Store:
    """The store at ``place``."""
    return open_store(place, writable=writable, options=parsed(options))


# --- progress --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar on stderr while something long runs, gone afterwards; nothing when stderr is no terminal.

    Gives a function (done, what=None, total=None).
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = err()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)

        def tell(done: int, what: str | None = None, total: int | None = None) -> None:
            said = title if what is None else f"{title}  {plain(what)[-48:]}".replace("[", "\\[")
            bar.update(task, completed=done, description=said, total=total)  # None leaves the total as it is

        yield tell
