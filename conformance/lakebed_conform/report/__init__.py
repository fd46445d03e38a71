"""Reports from results: one self-contained HTML page, JUnit XML, badge JSON."""

from __future__ import annotations

from lakebed_conform.report.html import html_page
from lakebed_conform.report.plain import badge, junit

__all__ = ["badge", "html_page", "junit"]
