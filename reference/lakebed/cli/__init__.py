"""Floor 8. The command ``lakebed``: every tool, for people at a terminal and, with ``--json``, for machines.

Exit codes: 0 fine; 1 something was found or refused (findings, refused files); 2 an error or wrong usage.
Results go to stdout, errors and progress to stderr. Needs the extra ``lakebed[cli]``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from ..extras import installed


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; gives the exit code."""
    lacking = [name for name in ("click", "rich") if not installed(name)]
    if lacking:
        line = f"lakebed: {' and '.join(lacking)} not installed; pip install 'lakebed[cli]' brings the commands"
        print(line, file=sys.stderr)
        return 2
    return import_module(".commands", __package__).run(sys.argv[1:] if arguments is None else list(arguments))
