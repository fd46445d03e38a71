import {test} from "node:test";
import assert from "node:assert/strict";
import {existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync} from "node:fs";
import {createServer} from "node:http";
import {spawn} from "node:child_process";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {FetchStore, Writer, check, open} from "../src/index.js";
import {MemoryStore} from "./memory.js";
import {FolderStore} from "../src/folder.js";
import {seal} from "../src/document.js";
import {concat, crc32, sha256, view} from "../src/bytes.js";
import {END, HEAD, makeIndex} from "../src/chunk.js";
import {Column, pack} from "../src/columns.js";

const CASES = fileURLToPath(new URL("../../../cases/1.0/", import.meta.url));
const item = (dtype, shape, data) => ({dtype, shape, bytes: new Uint8Array(data.buffer)});
const int = (n) => item("int32", [], Int32Array.of(n));
const refuses = (code, task) => assert.rejects(task, (e) => e.code === code || assert.fail(`${e.stack} instead of ${code}`));
const values = async (dataset, name = "x") => (await dataset.tensor(name).read([...Array(dataset.length).keys()])).map((s) => s && s.numbers()[0]);

// The smallest dataset, laid by hand: two bytes in one raw unit.
async function tiny() {
  const index = [0x85, 0xa5, ...Buffer.from("dtype"), 0xa5, ...Buffer.from("uint8"), 0xa7, ...Buffer.from("samples"), 2, 0xa5, ...Buffer.from("shape"), 0x90, 0xa4,
    ...Buffer.from("unit"), 2, 0xa3, ...Buffer.from("crc"), 0xce, 0xb6, 0xcc, 0x42, 0x92];
  const n = index.length, bytes = new Uint8Array(64 + 2 + n + 40), d = view(bytes);
  bytes.set([0x89, 0x4c, 0x42, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a]);
  bytes.set([1, 2, ...index], 64);
  d.setUint32(66 + n, 2, true), d.setUint32(74 + n, n, true), d.setUint16(78 + n, 1, true);
  d.setUint32(94 + n, crc32(bytes.subarray(66, 94 + n)), true);
  bytes.set([0x8a, 0x4c, 0x42, 0x4b, 0x45, 0x4e, 0x44, 0x0a], 98 + n);
  const name = await sha256(bytes), tensor = {htype: "generic", dtype: "uint8", shape: [], chunks: {name: [name], payload: 2, index: n}, slices: {chunk: [0, null, 0], first: [1, 0, 0], count: [1, 1, 2]}};
  const doc = {lakebed: "1.0", requires: {read: [], write: []}, branch: "main", number: 1, id: "0".repeat(32), parent: null, time: "2026-01-01T00:00:00Z", length: 4, tensors: {x: tensor}};
  return {doc, chunk: `chunks/${name.slice(0, 2)}/${name}.chunk`, store: new MemoryStore(new Map([["commits/main/0000000001.json", seal(doc)], [`chunks/${name.slice(0, 2)}/${name}.chunk`, bytes]]))};
}

test("a dataset laid by hand is read and found faultless", async () => {
  const {store} = await tiny();
  assert.deepEqual(await values(await open(store)), [2, null, 1, 2]);
  assert.deepEqual(await check(store), []);
});

test("every flipped bit of a chunk is found, and no wrong value returned [safety.crc]", async () => {
  const {store, chunk} = await tiny(), bytes = store.objects.get(chunk);
  for (let bit = 0; bit < 8 * bytes.length; bit += 3) {
    const bad = bytes.slice();
    bad[bit >> 3] ^= 1 << (bit & 7);
    store.objects.set(chunk, bad);
    const read = await open(store).then(values).catch((e) => e.code);
    assert.ok(bit < 512 ? String(read) === "2,,1,2" : typeof read === "string", `bit ${bit}: ${read}`);
    assert.ok((await check(store)).some((f) => !f.note), `bit ${bit}`);
  }
});

test("of units without decoder the checksums are held, however many they are, and one note tells of them", async () => {
  const pipeline = [new Map([["name", "zstd"]])], n = 300, of = (v) => new Column(n, v), crcs = Array.from({length: n}, (_, i) => crc32(Uint8Array.of(i & 255)));
  const index = pack(makeIndex({tensor: "", row: 0, dtype: "uint8", samples: n, missing: of(0), shape: [], tile: null, unit: of(1), pipelines: [pipeline], codec: of(0), stored: of(1), crc: of(crcs)}));
  const trailer = new Uint8Array(40), d = view(trailer);
  d.setUint32(0, n, true), d.setUint32(8, index.length, true), d.setUint16(12, 1, true), trailer.set(END, 32);
  d.setUint32(28, crc32(trailer.subarray(0, 28), crc32(index)), true);
  const bytes = concat([HEAD, Uint8Array.from({length: n}, (_, i) => i), index, trailer]), {doc, store} = await tiny();
  const put = async (damaged) => {
    const name = await sha256(damaged), x = {...doc.tensors.x, chunks: {name: [name], payload: n, index: index.length}, slices: {chunk: 0, first: 0, count: [n]}};
    store.objects = new Map([["commits/main/0000000001.json", seal({...doc, length: n, tensors: {x}})], [`chunks/${name.slice(0, 2)}/${name}.chunk`, damaged]]);
    return (await check(store)).map((f) => f.code);
  };
  assert.deepEqual(await put(bytes), ["E_CODEC_UNSUPPORTED"]);
  bytes[64 + 250] ^= 1;
  assert.deepEqual(await put(bytes), ["E_CODEC_UNSUPPORTED", "E_UNIT_CRC"]);
});

test("members of a commit: each refusal by its code", async () => {
  const {doc, store} = await tiny(), t = doc.tensors.x;
  const put = (change) => store.objects.set("commits/main/0000000001.json", seal({...doc, ...change}));
  const tensor = (change) => ({tensors: {x: {...t, ...change}}});
  for (const [code, change] of [["E_COMMIT_PLACE", {number: 2, parent: {branch: "main", number: 1, sha256: "0".repeat(64)}}], ["E_COMMIT_FIELD", {time: "2026-13-01T00:00:00Z"}],
    ["E_COMMIT_FIELD", {length: true}], ["E_COMMIT_FIELD", {parent: {branch: "main", number: 1, sha256: "0".repeat(64)}}], ["E_REQUIRES_READ", {requires: {read: ["x"], write: []}}],
    ["E_COMMIT_FIELD", {requires: {read: []}}], ["E_LENGTH", {length: 5}], ["E_TENSOR_FIELD", {tensors: {"../x": t}}], ["E_TENSOR_FIELD", {tensors: {x: t, "x/y": t}}],
    ["E_TENSOR_FIELD", tensor({fidelity: {max_abs_error: 0}})], ["E_TENSOR_FIELD", tensor({shape: [-1]})], ["E_TABLE_COLUMNS", tensor({slices: {...t.slices, step: 1}})],
    ["E_TABLE_COLUMNS", tensor({slices: {...t.slices, first: [0]}})], ["E_SLICE", tensor({slices: {...t.slices, first: [1, 1, 0]}})], ["E_SLICE", tensor({slices: {...t.slices, chunk: 1}})],
    ["E_SLICE", tensor({slices: {...t.slices, count: [1, 0, 3]}})], ["E_TENSOR_FIELD", tensor({chunks: {...t.chunks, index: 0}})], ["E_JSON_LIMIT", {unknown: 2 ** 53}]]) {
    put(change);
    await refuses(code, () => open(store));
    assert.ok((await check(store)).some((f) => f.code === code && !f.note), code);
  }
  put({x: 1, requires: {read: [], write: ["statistics"]}});
  assert.equal((await open(store)).length, 4);
  await refuses("E_REQUIRES_WRITE", () => Writer.open(store));
  put(tensor({dtype: "float7"}));
  await refuses("E_DTYPE_UNSUPPORTED", async () => (await open(store)).tensor("x"));
  put(tensor({slices: {chunk: 0, first: 1, count: [4]}}));
  await refuses("E_SLICE_RANGE", async () => values(await open(store)));
});

test("what is written is read: rows, tiles, sequences, filters, and two writers at once", async () => {
  const root = mkdtempSync(join(tmpdir(), "lakebed-")), store = new FolderStore(root);
  try {
    const w = await Writer.create(store);
    w.createTensor("x", {dtype: "int32", shape: []});
    w.createTensor("a/t", {dtype: "uint16", shape: [null, 9], codecs: [[{name: "lz4", level: 0}]], tile: [4, 4], fidelity: {max_abs_error: 0.5}});
    w.createTensor("s", {dtype: "float32", shape: [null, 2], htype: "polygon", sequence: true});
    const tile = (n) => item("uint16", [n, 9], new Uint16Array(9 * n).map((_, i) => i >> 3));
    for (let i = 0; i < 20; i++) await w.append({x: int(i), "a/t": i % 5 ? tile(i) : null, s: i % 3 ? [item("float32", [i, 2], new Float32Array(2 * i))] : []});
    await refuses("E_SAMPLE_SHAPE", () => w.append({x: item("int32", [1], Int32Array.of(1))}));
    await refuses("E_SAMPLE_DTYPE", () => w.append({x: item("float64", [], Float64Array.of(0.5))}));
    await refuses("E_SAMPLE_HTYPE", () => w.append({x: int(1), s: [item("float32", [0, 2], new Float32Array(0))]}));
    await w.append({x: item("float64", [], Float64Array.of(20))});
    await w.commit({time: "2026-01-01T00:00:00Z", message: "one"});
    await w.append({x: int(21)});
    assert.equal((await w.commit({time: "2025-01-01T00:00:00Z"})).time, "2026-01-01T00:00:00Z");
    const [a, b, c] = [await Writer.open(store), await Writer.open(store), await Writer.open(store)];
    await a.append({x: int(100)});
    await b.append({x: int(200)});
    c.createTensor("new", {dtype: "int8", shape: []});
    await a.commit({time: "2026-02-01T00:00:00Z"});
    await b.commit();
    await refuses("E_CONFLICT", () => c.commit());
    assert.deepEqual(await values(await open(store)), [...Array(22).keys(), 100, 200]);
    assert.equal((await open(store, {time: "2026-01-15T00:00:00Z"})).number, 2);
    assert.equal((await open(store, {number: 1})).length, 21);
    const t = (await open(store)).tensor("a/t"), [whole] = await t.read([19]), [part] = await t.read([19], [[3, 17], [2, 9]]);
    assert.deepEqual(part.numbers(), Array.from({length: 14 * 7}, (_, i) => (9 * (3 + Math.floor(i / 7)) + 2 + (i % 7)) >> 3));
    assert.deepEqual(whole.shape, [19, 9]);
    await refuses("E_SAMPLE_RANGE", () => t.read([19], [[3, 20], null]));
    assert.deepEqual((await check(store)).filter((f) => !f.note), []);
    rmSync(join(root, "commits/main/latest.json"));
    rmSync(join(root, "commits/main/0000000001.json"));
    assert.equal((await open(store)).number, 4);
    for (const [code, what] of [["E_COMMIT_ABSENT", {number: 1}], ["E_TAG_ABSENT", {tag: "v2"}], ["E_BRANCH_ABSENT", {branch: "other"}], ["E_NAME", {branch: "../main"}]]) {
      await refuses(code, () => open(store, what));
    }
    assert.equal(readdirSync(join(root, "commits/main")).filter((n) => n.startsWith(".")).length, 0);
  } finally {
    rmSync(root, {recursive: true});
  }
});

test("the suite's cases: what is valid is faultless, what is invalid is found", {skip: !existsSync(CASES) && "the cases are not here"}, async () => {
  let n = 0;
  for (const group of ["hostile", "table", "tile", "canonical", "seek"]) {
    for (const name of readdirSync(join(CASES, group))) {
      const folder = join(CASES, group, name), store = new FolderStore(join(folder, "dataset")), found = join(folder, "case.json");
      if (!existsSync(found)) continue;
      const {asks, features} = JSON.parse(readFileSync(found));
      const decoded = ["lz4", "deflate", "shuffle", "bitshuffle", "delta", "narrow", "quantize"];
      // Seek entries are judged without the sound itself, but for whether they tell the truth of it.
      const without = group === "seek" && !name.startsWith("untrue");
      if (!without && features.some((f) => f.startsWith("codec.") && !decoded.includes(f.slice(6)))) continue;
      for (const ask of asks.filter((a) => a.op === "check")) {
        const codes = (await check(store)).filter((f) => !f.note).map((f) => f.code);
        if (ask.want) assert.deepEqual(codes, [], `${group}/${name}`);
        else assert.ok(codes.some((c) => [ask.error, ...(ask.also ?? [])].includes(c)), `${group}/${name}: ${codes} instead of ${ask.error}`);
        n++;
      }
    }
  }
  assert.ok(n > 20);
});

test("over HTTP: ranges, and a server that ignores them is refused [store.http]", async () => {
  const {store} = await tiny();
  let ranges = true;
  const server = createServer((q, r) => {
    const bytes = store.objects.get(q.url.slice(6)), range = /bytes=(\d+)-(\d+)/.exec(q.headers.range ?? "");
    if (!bytes) return r.writeHead(404).end();
    if (!range || !ranges) return r.end(q.method === "HEAD" ? undefined : bytes);
    r.writeHead(206, {"content-range": `bytes ${range[1]}-${range[2]}/${bytes.length}`});
    return r.end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    const remote = new FetchStore(`http://127.0.0.1:${server.address().port}/data`);
    assert.deepEqual(await values(await open(remote)), [2, null, 1, 2]);
    ranges = false;
    await refuses("E_STORE", async () => values(await open(remote)));
    await refuses("E_BRANCH_ABSENT", () => open(remote, {branch: "b"}));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("the adapter answers in order, one line each", async () => {
  const port = spawn(process.execPath, [fileURLToPath(new URL("../src/port.js", import.meta.url))], {stdio: ["pipe", "pipe", "inherit"]});
  port.stdin.end('{"id":1,"op":"hello","protocol":1}\n{"id":2,"op":"inspect","root":"/nowhere","out":"/dev/null"}\n{"id":3,"op":"dance"}\n');
  const lines = (await port.stdout.toArray()).join("").trim().split("\n").map((l) => JSON.parse(l));
  assert.deepEqual(lines.map((l) => l.id), [1, 2, 3]);
  assert.equal(lines[0].protocol, 1);
  assert.equal(lines[1].error.code, "E_DATASET_ABSENT");
  assert.equal(lines[2].skip, "dance");
});

test("the core imports nothing of Node", () => {
  const src = fileURLToPath(new URL("../src/", import.meta.url));
  for (const name of readdirSync(src).filter((n) => !["folder.js", "port.js"].includes(n))) {
    assert.ok(statSync(join(src, name)).size > 0 && !/node:|require\(|\bBuffer|process\./.test(readFileSync(join(src, name), "utf8")), name);
  }
});
