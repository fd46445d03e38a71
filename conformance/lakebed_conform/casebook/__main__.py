"""``python -m lakebed_conform.casebook [GLOB...]``: lay the cases; ``--freeze`` records digests of all cases.

A frozen case is never laid again: its bytes are what they are.
"""

from __future__ import annotations

import json
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from lakebed_conform import SuiteError
from lakebed_conform.casebook.book import Book, all_entries, pretty
from lakebed_conform.cases import cases_folder, digest, load_cases


def lay(root: Path, globs: tuple[str, ...] = ()) -> int:
    """Lay every case that matches; gives how many were laid."""
    laid = 0
    for entry in all_entries():
        folder = root / entry.format / entry.id
        if (globs and not any(fnmatchcase(entry.id, g) for g in globs)) or entry.id in frozen(root, entry.format):
            continue
        files = Book(entry).lay()
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        laid += 1
    return laid


def frozen(root: Path, format: str) -> dict[str, str]:
    path = root / format / "frozen.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def freeze(root: Path, format: str) -> int:
    known = frozen(root, format)
    for case in load_cases(format, root):
        known.setdefault(case.id, digest(case))
    (root / format / "frozen.json").write_bytes(pretty(known))
    return len(known)


def main() -> None:
    words = sys.argv[1:]
    try:
        root = cases_folder()
        if words[:1] == ["--freeze"]:
            print(f"{freeze(root, words[1])} cases are frozen")
        else:
            print(f"{lay(root, tuple(words))} cases laid in {root}")
    except SuiteError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()
