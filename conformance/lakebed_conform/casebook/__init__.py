"""The casebook: cases as small functions that describe bytes. ``python -m lakebed_conform.casebook`` lays them.

How to add one stands in ``conformance/CASES.md``.
"""

from __future__ import annotations

from lakebed_conform.casebook.book import Book, all_entries, case

__all__ = ["Book", "all_entries", "case"]
