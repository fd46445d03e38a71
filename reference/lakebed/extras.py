"""Floor 1. The one place where optional libraries are imported [codec.extra].

``optional("zstandard", "zstd")`` gives the module, or the error that names the extra to install.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from .errors import error


def optional(module: str, extra: str) -> ModuleType:
    """Import ``module``; absent: E_EXTRA_MISSING that names ``lakebed[extra]``."""
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise error(
            "E_EXTRA_MISSING", "codec.extra", f"{module} is not installed; pip install 'lakebed[{extra}]' brings it"
        ) from problem


def installed(module: str) -> bool:
    """Is ``module`` there? (Found, not imported.)"""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
