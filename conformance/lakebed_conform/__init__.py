"""lakebed-conform: does an implementation read, write and refuse Lakebed datasets as the spec says?

The suite imports nothing of any implementation. Case bytes are laid by :mod:`lakebed_conform.pen` and
:mod:`lakebed_conform.builders` from the tables of the spec; implementations take part as *ports*, child processes
that speak :mod:`lakebed_conform.protocol`.
"""

from __future__ import annotations

__version__ = "1.0.0.dev0"


class SuiteError(Exception):
    """The suite's own trouble (a damaged case, a bad baseline, an unknown port): never a port's fault. Exit 2."""
