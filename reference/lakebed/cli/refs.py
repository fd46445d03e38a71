"""Floor 8. Commands that give commits names: branch, tag."""

from __future__ import annotations

import time
from typing import Any

import click
from rich.text import Text

from ..dataset import Dataset
from ..doors import create_branch
from ..history import resolve
from ..names import check_ref
from ..publish import create_tag, delete_tag
from .shell import FINE, at_options, emit, json_option, out, parsed, stored


@click.command(name="branch")
@click.argument("place")
@click.argument("name")
@at_options
@json_option
def branch_command(place: str, name: str, options: Any, as_json: bool, **at: Any) -> int:
    """Begin the branch NAME at a commit.

    That is the newest of main, unless told another.

    A closed branch can be gone on from in this way.
    """
    where = {key: value for key, value in at.items() if value is not None}
    made: Dataset = create_branch(place, name, options=parsed(options), **where)
    info = made.commit_info
    parent = None if info is None else info.parent
    if as_json:
        start = None if parent is None else {"branch": parent.branch, "number": parent.number}
        emit({"branch": name, "number": made.number, "from": start})
    else:
        said = "" if parent is None else f", from {parent.branch} {parent.number}"
        out().print(Text.assemble(("branch  ", "green"), f"{name}{said}"))
    return FINE


@click.command(name="tag")
@click.argument("place")
@click.argument("name")
@click.option("--delete", is_flag=True, help="Forget the tag; its commit stays.")
@at_options
@json_option
def tag_command(place: str, name: str, delete: bool, options: Any, as_json: bool, **at: Any) -> int:
    """Give a commit a name that never moves.

    That commit is the newest of main, unless told another.
    """
    store = stored(place, options, writable=True)
    if delete:
        delete_tag(store, name)
        emit({"deleted": name}) if as_json else out().print(Text.assemble(("deleted  ", "yellow"), name))
        return FINE
    check_ref(name, "tag")
    made = create_tag(store, name, resolve(store, **at), clock=time.time)
    if as_json:
        emit({"tag": name, "branch": made.target.branch, "number": made.target.number})
    else:
        out().print(Text.assemble(("tag  ", "green"), f"{name}, {made.target.branch} {made.target.number}"))
    return FINE
