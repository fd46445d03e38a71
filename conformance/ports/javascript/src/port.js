// The adapter of protocol 1: one JSON request per line, one reply per line; array bytes in files.
import {closeSync, openSync, readFileSync, writeFileSync, writeSync} from "node:fs";
import {createInterface} from "node:readline";
import {dirname, join} from "node:path";
import {LakebedError, fail} from "./errors.js";
import {FolderStore} from "./folder.js";
import {open} from "./dataset.js";
import {check} from "./check.js";
import {dtypeOf} from "./dtypes.js";
import {encodes} from "./encode.js";
import {Writer} from "./write.js";
import {stringify} from "./json.js";

const HELLO = {
  protocol: 1, name: "lakebed-js", version: "1.0.0", language: "javascript", formats: ["1.0"], roles: ["reader", "writer", "checker"],
  features: ["codec.lz4", "codec.deflate", "codec.shuffle", "codec.bitshuffle", "codec.delta", "codec.narrow", "codec.quantize", "dtype.float16", "dtype.bfloat16",
    "dtype.float8_e4m3fn", "dtype.float8_e5m2", "dtype.complex64", "dtype.complex128", "dtype.int64", "dtype.uint64", "reader.sha256", "write.refused"],
};
const at = ({root, branch, number, tag}) => open(new FolderStore(root), {branch, number: number === undefined ? undefined : Number(number), tag});

async function read(q) {
  const t = (await at(q)).tensor(q.tensor), first = Number(q.first ?? 0), count = Number(q.count ?? t.length - first);
  const rows = q.list ? q.list.map(Number) : null, shapes = [], file = openSync(q.out, "w");
  if (!rows && first + count > t.length) fail("E_SAMPLE_RANGE", "algo.read.1", `rows ${first} to ${first + count} of ${t.length}`);
  try {
    for (let i = 0, n = rows?.length ?? count; i < n; i += 4096) {
      const samples = await t.read(rows ? rows.slice(i, i + 4096) : Array.from({length: Math.min(4096, n - i)}, (_, j) => first + i + j));
      for (const s of samples) {
        for (const item of s === null ? [] : [s].flat()) writeSync(file, item.bytes);
        shapes.push(s === null ? null : Array.isArray(s) ? s.map((x) => x.shape) : s.shape);
      }
    }
  } finally {
    closeSync(file);
  }
  return {dtype: t.dtype, sequence: t.sequence, shapes};
}

async function inspect(q) {
  const {commit: c} = await at(q), tensors = Object.create(null);
  for (const [name, t] of c.tensors) tensors[name] = {htype: t.htype, dtype: t.dtype, shape: t.shape, sequence: t.sequence, fidelity: t.fidelity, attributes: t.attributes};
  writeFileSync(q.out, stringify({lakebed: c.doc.lakebed, branch: c.branch, number: c.number, closed: c.closed, time: c.time, author: c.author,
    message: c.message, length: c.length, attributes: c.attributes, tensors}));
  return {};
}

async function readFile(q) {
  const {format, bytes} = await (await at(q)).tensor(q.tensor).file(Number(q.sample), Number(q.item ?? 0));
  writeFileSync(q.out, bytes);
  return {format};
}

class Skip extends Error {}
class Refused extends Error {}

async function write(q) {
  const {steps} = JSON.parse(readFileSync(q.script, "utf8")), store = new FolderStore(q.root), here = dirname(q.script);
  let w = null;
  const value = (v) => {
    if (v === null) return null;
    if (v.file !== undefined) throw new Skip("files are not written by this port");
    if (v.items) return v.items.map(value);
    const from = Number(v.offset ?? 0), whole = new Uint8Array(readFileSync(join(here, v.raw)));
    const size = v.shape.reduce((n, d) => n * d, dtypeOf(v.dtype)?.size ?? 1);
    return {dtype: v.dtype, shape: v.shape, bytes: whole.subarray(from, from + size)};
  };
  const values = (s) => Object.fromEntries(Object.entries(s.values ?? {}).map(([k, v]) => [k, value(v)]));
  const DO = {
    create: async (s) => (w = await Writer.create(store, s)), open: async (s) => (w = await Writer.open(store, s)), discard: () => w.discard(), commit: (s) => w.commit(s),
    create_tensor({do: _, name, ...s}) {
      const names = (s.codecs ?? []).flat().map((c) => c.name);
      try {
        w.createTensor(name, s);
      } catch (e) {
        if (e.code === "E_CODEC_UNSUPPORTED") throw new Skip(`codec.${names.find((n) => !encodes(n))} is not written by this port`);
        throw e;
      }
    },
    append: (s) => w.append(values(s)),
    extend(s) {
      const lists = Object.entries(s.values).map(([k, list]) => [k, list.map(value)]), n = lists[0]?.[1].length ?? 0;
      if (lists.some(([, l]) => l.length !== n)) fail("E_ARGUMENT", "algo.edit.lengths", "tensors are given different numbers of rows");
      return w.extend(Array.from({length: n}, (_, i) => Object.fromEntries(lists.map(([k, l]) => [k, l[i]]))));
    },
  };
  for (const [n, step] of steps.entries()) {
    if (!DO[step.do]) throw new Skip(`write.${step.do}`);
    const {refused, ...given} = step;
    try {
      await DO[step.do](given);
      if (refused) fail("E_ANY", "sample.atomic", `the step was to be refused with ${refused}`);
    } catch (e) {
      if (refused && e.code === refused) continue;
      throw e instanceof LakebedError ? Object.assign(new Refused(e.message), {cause: e, step: n}) : e;
    }
  }
  return {};
}

const OPS = {hello: () => HELLO, read, read_file: readFile, inspect, write, check: async (q) => ({findings: await check(new FolderStore(q.root))})};

async function answer(q) {
  try {
    if (!Object.hasOwn(OPS, q.op)) return {skip: q.op};
    return {ok: true, ...(await OPS[q.op](q))};
  } catch (thrown) {
    if (thrown instanceof Skip) return {skip: thrown.message};
    const e = thrown instanceof Refused ? thrown.cause : thrown;
    if (!(e instanceof LakebedError)) throw thrown;
    const {code, clause, object, offset, detail} = e;
    return {ok: false, error: {code, clause, object, offset, detail}, ...(thrown.step === undefined ? {} : {step: thrown.step})};
  }
}

for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
  if (!line.trim()) continue;
  const q = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({id: q.id, ...(await answer(q))})}\n`);
}
