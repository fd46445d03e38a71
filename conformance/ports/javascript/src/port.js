// The adapter of protocol 1: one JSON request per line, one reply per line; array bytes in files.
import {closeSync, openSync, readFileSync, writeFileSync, writeSync} from "node:fs";
import {createInterface} from "node:readline";
import {dirname, join} from "node:path";
import {LakebedError, fail} from "./errors.js";
import {FolderStore} from "./folder.js";
import {FetchStore} from "./store.js";
import {open} from "./dataset.js";
import {check} from "./check.js";
import {dtypeOf} from "./dtypes.js";
import {Writer} from "./write.js";
import {stringify} from "./json.js";

const prefixed = (prefix, names) => names.split(" ").map((name) => prefix + name);
const HELLO = {
  protocol: 1, name: "lakebed-js", version: "1.0.0", language: "javascript", formats: ["1.0"],
  roles: ["reader", "writer", "checker"],
  features: [
    ...prefixed("codec.", "lz4 deflate shuffle bitshuffle delta narrow quantize"),
    ...prefixed("dtype.", "float16 bfloat16 float8_e4m3fn float8_e5m2 complex64 complex128 int64 uint64"),
    "reader.sha256", "read.region", "read.at_time", "store.http", "write.refused",
  ],
};
const optional = (v) => (v === undefined ? v : Number(v));
const storeOf = (root) => (/^https?:/.test(root) ? new FetchStore(root) : new FolderStore(root));
const at = ({root, branch, number, tag, at_time: time}) =>
  open(storeOf(root), {branch, number: optional(number), tag, time});

async function read(q) {
  const t = (await at(q)).tensor(q.tensor), first = Number(q.first ?? 0), count = Number(q.count ?? t.length - first);
  const rows = q.list?.map(Number) ?? null, shapes = [], file = openSync(q.out, "w");
  if (!rows && first + count > t.length) fail("E_SAMPLE_RANGE", "algo.read.1", `rows ${first} to ${first + count}`);
  try {
    for (let i = 0, n = rows?.length ?? count; i < n; i += 4096) {
      const some = Array.from({length: Math.min(4096, n - i)}, (_, j) => (rows ? rows[i + j] : first + i + j));
      for (const s of await t.read(some, q.region ?? null)) {
        for (const item of s === null ? [] : [s].flat()) writeSync(file, item.bytes);
        shapes.push(Array.isArray(s) ? s.map((x) => x.shape) : s && s.shape);
      }
    }
  } finally {
    closeSync(file);
  }
  return {dtype: t.dtype, sequence: t.sequence, shapes};
}

async function inspect(q) {
  const pick = (from, ...keys) => Object.fromEntries(keys.map((k) => [k, from[k]])), tensors = Object.create(null);
  const {commit: c} = await at(q);
  const members = ["htype", "dtype", "shape", "sequence", "fidelity", "attributes"];
  for (const [name, t] of c.tensors) tensors[name] = pick(t, ...members);
  const own = pick(c, "branch", "number", "closed", "time", "author", "message", "length", "attributes");
  writeFileSync(q.out, stringify({lakebed: c.doc.lakebed, ...own, tensors}));
  return {};
}

async function readFile(q) {
  const {format, bytes} = await (await at(q)).tensor(q.tensor).file(Number(q.sample), Number(q.item ?? 0));
  writeFileSync(q.out, bytes);
  return {format};
}

class Skip extends Error {}

async function write(q) {
  const {steps} = JSON.parse(readFileSync(q.script, "utf8")), store = storeOf(q.root), here = dirname(q.script);
  let w = null;
  const value = (v) => {
    if (v === null) return null;
    if (v.file !== undefined) throw new Skip("files are not written by this port");
    if (v.items) return v.items.map(value);
    const from = Number(v.offset ?? 0), size = v.shape.reduce((n, d) => n * d, dtypeOf(v.dtype)?.size ?? 1);
    const bytes = new Uint8Array(readFileSync(join(here, v.raw))).subarray(from, from + size);
    return {dtype: v.dtype, shape: v.shape, bytes};
  };
  const DO = {
    create: async (s) => (w = await Writer.create(store, s)), open: async (s) => (w = await Writer.open(store, s)),
    discard: () => w.discard(), commit: (s) => w.commit(s),
    create_tensor({do: _, name, ...s}) {
      try {
        w.createTensor(name, s);
      } catch (e) {
        throw e.code === "E_CODEC_UNSUPPORTED" ? new Skip(e.message) : e;
      }
    },
    append: ({values = {}}) => w.append(Object.fromEntries(Object.entries(values).map(([k, v]) => [k, value(v)]))),
    extend({values}) {
      const lists = Object.entries(values).map(([k, list]) => [k, list.map(value)]), n = lists[0]?.[1].length ?? 0;
      const even = lists.every(([, list]) => list.length === n);
      if (!even) fail("E_ARGUMENT", "algo.edit.lengths", "tensors are given different numbers of rows");
      return w.extend(Array.from({length: n}, (_, i) => Object.fromEntries(lists.map(([k, l]) => [k, l[i]]))));
    },
  };
  for (const [n, {refused, ...step}] of steps.entries()) {
    if (!DO[step.do]) throw new Skip(`write.${step.do}`);
    try {
      await DO[step.do](step);
      if (refused) fail("E_ANY", "sample.atomic", `the step was to be refused with ${refused}`);
    } catch (e) {
      if (refused && e.code === refused) continue;
      throw e instanceof LakebedError ? Object.assign(e, {step: n}) : e;
    }
  }
  return {};
}

const OPS = {
  hello: () => HELLO, read, read_file: readFile, inspect, write,
  check: async (q) => ({findings: await check(storeOf(q.root))}),
};

async function answer(q) {
  try {
    return Object.hasOwn(OPS, q.op) ? {ok: true, ...(await OPS[q.op](q))} : {skip: q.op};
  } catch (e) {
    if (e instanceof Skip) return {skip: e.message};
    if (!(e instanceof LakebedError)) throw e;
    const {code, clause, object, offset, detail, step} = e;
    return {ok: false, error: {code, clause, object, offset, detail}, step};
  }
}

for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
  if (!line.trim()) continue;
  const q = JSON.parse(line);
  process.stdout.write(`${JSON.stringify({id: q.id, ...(await answer(q))})}\n`);
}
