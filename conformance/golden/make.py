"""Makes the golden files: one script, so that anyone can see how each came to be.

``python make.py`` writes ``files/``, ``expected/`` and ``MANIFEST.json``. The committed files are the truth: another
version of an encoder makes other bytes, and so other golden files, under new names; what the manifest knows is left
alone. Needs the libraries that it imports (``pip install av imagecodecs laspy lazrs numpy openexr pillow pydicom qoi
simplejpeg soundfile``) and the picture of the suite; never the implementation that the files will judge.

What is due of a file is known from elsewhere than the reference's decoder: the array that went in, where the format
is lossless; else the decode of another library, or formulas applied to the planes of another decoder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE))

import pictures  # noqa: E402
import scans  # noqa: E402
import sounds  # noqa: E402
import videos  # noqa: E402


def version(library: str) -> str:
    return importlib.metadata.version(library)


def row(made: dict[str, Any]) -> dict[str, Any]:
    """Write the file and the array that it must be; gives its line of the manifest."""
    data, array = made.pop("data"), made.pop("array")
    path = HERE / "files" / made["file"]
    path.write_bytes(data)
    expected = HERE / "expected" / f"{made['name']}.npz"
    np.savez_compressed(expected, array=array)
    libraries = {name: version(name) for name in made.pop("libraries")}
    said = {
        **made, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "dtype": array.dtype.name,
        "shape": list(array.shape), "expected": expected.name, "versions": libraries, "licence": "CC0-1.0",
    }  # fmt: skip
    if given := made.get("given"):
        (HERE / "files" / given[0]).write_bytes(given[1])
        said["given"] = given[0]
    return said


def main() -> None:
    made = [*pictures.files(), *sounds.files(), *videos.files(), *scans.files()]
    manifest = HERE / "MANIFEST.json"
    known = {r["name"]: r for r in json.loads(manifest.read_text())} if manifest.is_file() else {}
    rows = [known.get(m["name"]) or row(m) for m in sorted(made, key=lambda m: m["name"])]
    manifest.write_text(json.dumps(rows, indent=1) + "\n")
    total = sum(p.stat().st_size for p in (HERE / "files").iterdir())
    print(f"{len(rows)} files, {total} bytes")


if __name__ == "__main__":
    main()
