"""``python -m lakebed_conform``."""

from __future__ import annotations

from lakebed_conform.cli import entry

entry()
