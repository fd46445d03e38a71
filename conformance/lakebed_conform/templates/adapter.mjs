// A Lakebed port in JavaScript (Node 20): answers one JSON line per request. Replace ./mylib.mjs by your implementation.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const HELLO = { protocol: 1, name: "mylib", version: "0", language: "javascript", formats: ["1.0"], roles: ["reader"],
  features: [] };

async function read(q) {
  const { open } = await import("./mylib.mjs");
  const tensor = await (await open(q.root)).tensor(q.tensor);
  const rows = q.list ? q.list.map(Number)
    : Array.from({ length: Number(q.count ?? tensor.length - Number(q.first ?? 0)) }, (_, i) => Number(q.first ?? 0) + i);
  const samples = await Promise.all(rows.map((i) => tensor.read(i))); // {shape, bytes} or null
  writeFileSync(q.out, Buffer.concat(samples.filter(Boolean).map((s) => s.bytes)));
  return { dtype: tensor.dtype, shapes: samples.map((s) => s && s.shape) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let reply;
  try {
    if (q.op === "hello") reply = { ok: true, ...HELLO };
    else if (q.op === "read") reply = { ok: true, ...(await read(q)) };
    else reply = { skip: q.op };
  } catch (e) { // map your errors to the spec's codes here; E_ANY counts for safety only
    reply = { ok: false, error: { code: e.lakebed ?? "E_ANY", detail: String(e.message) } };
  }
  process.stdout.write(JSON.stringify({ id: q.id, ...reply }) + "\n");
}
