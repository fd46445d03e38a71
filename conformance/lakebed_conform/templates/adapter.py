"""A Lakebed port in Python: answers one JSON line per request. Replace `mylib` by your implementation."""

import json
import sys

HELLO = {
    "protocol": 1,
    "name": "mylib",
    "version": "0",
    "language": "python",
    "formats": ["1.0"],
    "roles": ["reader"],
    "features": [],
}


def opened(q):
    import mylib  # your implementation

    return mylib.open(q["root"], q.get("branch", "main"), q.get("number"), q.get("tag"))


def put(q, data):
    with open(q["out"], "wb") as out:
        out.write(data)


def read(q):
    tensor = opened(q)[q["tensor"]]
    rows = range(len(tensor))
    if "list" in q:
        rows = [int(i) for i in q["list"]]
    if "first" in q:
        rows = range(int(q["first"]), int(q["first"]) + int(q["count"]))
    samples = [tensor[i] for i in rows]  # an array, None (missing), or a list of arrays (sequence)
    items = [a for s in samples if s is not None for a in (s if tensor.sequence else [s])]
    put(q, b"".join(a.tobytes() for a in items))
    shapes = [s if s is None else [list(a.shape) for a in s] if tensor.sequence else list(s.shape) for s in samples]
    return {"dtype": str(tensor.dtype), "sequence": tensor.sequence, "shapes": shapes}


def read_file(q):
    """The stored file of one sample, as it was given."""
    put(q, opened(q)[q["tensor"]].file(int(q["sample"]), int(q.get("item", 0))))
    return {}


def inspect(q):
    """The commit's metadata: schemas/metadata.json says what it holds."""
    put(q, json.dumps(opened(q).metadata()).encode())
    return {}


OPS = {"hello": lambda q: HELLO, "read": read, "read_file": read_file, "inspect": inspect}

for line in sys.stdin:
    q = json.loads(line)
    try:
        reply = {"ok": True, **OPS[q["op"]](q)} if q["op"] in OPS else {"skip": q["op"]}
    except Exception as e:  # map your errors to the spec's codes here; E_ANY counts for safety only
        reply = {"ok": False, "error": {"code": getattr(e, "code", "E_ANY"), "detail": str(e)}}
    print(json.dumps({"id": q["id"], **reply}), flush=True)
