"""Port protocol 1: the messages and their schemas. :mod:`lakebed_conform.ports` carries them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

PROTOCOL = 1
FORMATS = ("1.0",)
ROLE = {
    "read": "reader", "read_file": "reader", "inspect": "reader", "write": "writer", "check": "checker",
    "migrate": "migrator", "recover": "recoverer",
}  # fmt: skip
ROLES = ("reader", "writer", "checker", "migrator", "recoverer")
STATUSES = (
    "pass", "fail", "crash", "timeout", "memory", "protocol", "skip", "xfail", "xpass", "untestable"
)  # fmt: skip
RED = frozenset({"fail", "crash", "timeout", "memory", "protocol", "xpass", "untestable"})
LINE = 16 << 20
SCHEMAS = Path(__file__).parent / "schemas"


@functools.cache
def schema(name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{name}.json").read_text())


@functools.cache
def validator(name: str, part: str | None = None) -> jsonschema.Draft202012Validator:
    """The validator of ``schemas/<name>.json``, or of one of its ``$defs``."""
    document = schema(name)
    if part is not None:
        document = {"$ref": f"#/$defs/{part}", "$defs": document["$defs"]}
    return jsonschema.Draft202012Validator(document)


def wrong(name: str, value: Any, part: str | None = None) -> str | None:
    """What is wrong with ``value``, in one line, or None."""
    error = jsonschema.exceptions.best_match(validator(name, part).iter_errors(value))
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path))
    return f"{place + ': ' if place else ''}{error.message[:200]}"


def wrong_reply(op: str, reply: Any) -> str | None:
    """What is wrong with a reply to ``op``: its form, whichever of ok, error and skip it is."""
    if not isinstance(reply, dict):
        return "not an object"
    if "skip" in reply:
        return wrong("protocol", reply, "reply.skip")
    if reply.get("ok") is False:
        return wrong("protocol", reply, "reply.error")
    return wrong("protocol", reply, f"reply.{op}")
