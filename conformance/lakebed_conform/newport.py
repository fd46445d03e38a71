"""``new-port``: a folder with an adapter that runs as written and a port.json."""

from __future__ import annotations

import json
from pathlib import Path

from lakebed_conform import SuiteError

TEMPLATES = Path(__file__).parent / "templates"
BUILT = ["sh", "{here}/run.sh"]
#: language -> files {name in the folder: template}, command
LANGUAGES: dict[str, tuple[dict[str, str], list[str]]] = {
    "python": ({"adapter.py": "adapter.py"}, ["{python}", "{here}/adapter.py"]),
    "javascript": ({"adapter.mjs": "adapter.mjs"}, ["node", "{here}/adapter.mjs"]),
    "rust": ({"adapter.rs": "adapter.rs", "run.sh": "run.rs.sh"}, BUILT),
    "go": ({"adapter.go": "adapter.go", "run.sh": "run.go.sh"}, BUILT),
    "c": ({"adapter.c": "adapter.c", "run.sh": "run.c.sh"}, BUILT),
}


def new_port(language: str, folder: Path) -> list[Path]:
    """Write the skeleton; refuses a folder that holds anything. Gives the files made."""
    if folder.exists() and any(folder.iterdir()):
        raise SuiteError(f"{folder} is not empty")
    files, command = LANGUAGES[language]
    folder.mkdir(parents=True, exist_ok=True)
    for name, template in files.items():
        (folder / name).write_text((TEMPLATES / template).read_text())
    port = folder / "port.json"
    port.write_text(json.dumps({"name": folder.resolve().name, "command": command}, indent=1) + "\n")
    return [*(folder / name for name in files), port]
