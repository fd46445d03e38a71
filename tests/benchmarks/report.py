"""What every benchmark prints: when, where and with what it was run, and a table; on the screen, as JSON, as Markdown.

    options = arguments(__doc__)                # --json FILE, --markdown FILE ("-": on the screen)
    emit("floor", columns, rows, options)
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LIBRARIES = ("lakebed", "numpy", "lz4", "zstandard", "pillow", "isal", "cramjam", "simplejpeg", "pcodec")


def arguments(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="figures and circumstances; - prints them")
    parser.add_argument("--markdown", metavar="FILE", nargs="?", const="-", help="the table; - prints it")
    return parser


def circumstances() -> dict[str, Any]:
    """Date (UTC), command, machine and versions."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": "python " + " ".join([f"tests/benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "versions": versions,
    }


def emit(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], options: argparse.Namespace, **more: Any
) -> None:
    """One table of a benchmark; ``more`` goes into the JSON beside it."""
    said = circumstances()
    record = {"benchmark": name, **said, **more, "rows": [dict(zip(columns, row, strict=True)) for row in rows]}
    if options.json:
        _out(options.json, json.dumps(record, indent=1) + "\n")
    if options.markdown:
        _out(options.markdown, _markdown(name, said, columns, rows))
    if "-" not in (options.json, options.markdown):
        print(_plain(columns, rows), flush=True)


def _out(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, "utf-8")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if type(value) is int else str(value)


def _markdown(name: str, said: dict[str, Any], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numbers = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    libraries = ", ".join(f"{library} {version}" for library, version in said["versions"].items())
    lines = [
        f"## {name}",
        "",
        f"{said['date']}, `{said['command']}`, Python {said['python']}, {said['cpus']} CPUs, load {said['load']};",
        f"{libraries}.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---:" if number else "---" for number in numbers) + "|",
        *("| " + " | ".join(map(_shown, row)) + " |" for row in rows),
        "",
    ]
    return "\n".join(lines)


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    table = [list(columns), *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
