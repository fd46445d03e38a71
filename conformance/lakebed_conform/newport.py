"""``new-port``: a folder with an adapter that runs as written and a port.json."""

from __future__ import annotations

import json
from pathlib import Path

from lakebed_conform import SuiteError

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = {
    "python": ("adapter.py", ["{python}", "{here}/adapter.py"]),
    "javascript": ("adapter.mjs", ["node", "{here}/adapter.mjs"]),
}


def new_port(language: str, folder: Path) -> list[Path]:
    """Write the skeleton; refuses a folder that holds anything."""
    if folder.exists() and any(folder.iterdir()):
        raise SuiteError(f"{folder} is not empty")
    name, command = LANGUAGES[language]
    folder.mkdir(parents=True, exist_ok=True)
    adapter, port = folder / name, folder / "port.json"
    adapter.write_text((TEMPLATES / name).read_text())
    port.write_text(json.dumps({"name": folder.resolve().name, "command": command}, indent=1) + "\n")
    return [adapter, port]
