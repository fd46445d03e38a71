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


def read(q):
    import mylib  # your implementation

    tensor = mylib.open(q["root"])[q["tensor"]]
    rows = (
        [int(i) for i in q["list"]]
        if "list" in q
        else range(int(q.get("first", 0)), len(tensor))[: int(q.get("count", 1 << 53))]
    )
    arrays = [tensor[i] for i in rows]
    with open(q["out"], "wb") as out:
        out.writelines(a.tobytes() for a in arrays if a is not None)
    return {"dtype": str(tensor.dtype), "shapes": [None if a is None else list(a.shape) for a in arrays]}


for line in sys.stdin:
    q = json.loads(line)
    try:
        if q["op"] == "hello":
            reply = {"ok": True, **HELLO}
        elif q["op"] == "read":
            reply = {"ok": True, **read(q)}
        else:
            reply = {"skip": q["op"]}
    except Exception as e:  # map your errors to the spec's codes here; E_ANY counts for safety only
        reply = {"ok": False, "error": {"code": getattr(e, "code", "E_ANY"), "detail": str(e)}}
    print(json.dumps({"id": q["id"], **reply}), flush=True)
