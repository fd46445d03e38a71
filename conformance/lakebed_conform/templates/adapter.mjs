// A Lakebed port in JavaScript (Node 20): answers one JSON line per request. Replace ./mylib.mjs by your implementation.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const HELLO = { protocol: 1, name: "mylib", version: "0", language: "javascript", formats: ["1.0"], roles: ["reader"],
  features: [] };

async function opened({ root, branch = "main", number, tag }) {
  const { open } = await import("./mylib.mjs");
  return open(root, { branch, number: number && Number(number), tag });
}

async function read(q) {
  const tensor = await (await opened(q)).tensor(q.tensor);
  const first = Number(q.first ?? 0), count = Number(q.count ?? tensor.length - first);
  const rows = q.list ? q.list.map(Number) : Array.from({ length: count }, (_, i) => first + i);
  const samples = await Promise.all(rows.map((i) => tensor.read(i))); // {shape, bytes}, null (missing), or a list of them
  const items = samples.filter(Boolean).flat();
  writeFileSync(q.out, Buffer.concat(items.map((item) => item.bytes)));
  const shapes = samples.map((s) => (Array.isArray(s) ? s.map((item) => item.shape) : s && s.shape));
  return { dtype: tensor.dtype, sequence: tensor.sequence ?? false, shapes };
}

async function readFile(q) { // the stored file of one sample, as it was given
  writeFileSync(q.out, await (await (await opened(q)).tensor(q.tensor)).file(Number(q.sample), Number(q.item ?? 0)));
  return {};
}

async function inspect(q) { // schemas/metadata.json says what it holds
  writeFileSync(q.out, JSON.stringify(await (await opened(q)).metadata()));
  return {};
}

const OPS = { hello: () => HELLO, read, read_file: readFile, inspect };

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let reply;
  try {
    reply = OPS[q.op] ? { ok: true, ...(await OPS[q.op](q)) } : { skip: q.op };
  } catch (e) { // map your errors to the spec's codes here; E_ANY counts for safety only
    reply = { ok: false, error: { code: e.lakebed ?? "E_ANY", detail: String(e.message) } };
  }
  process.stdout.write(JSON.stringify({ id: q.id, ...reply }) + "\n");
}
