// The checker [safety.check]: every object of every commit; every finding with code, clause, object and offset.
import {LakebedError, fail} from "./errors.js";
import {equal, sha256} from "./bytes.js";
import * as document from "./document.js";
import {HEAD, openChunk} from "./chunk.js";
import {Item, decodeUnit, judgeDims, judgeUse, listCommits, newest, readManifest} from "./dataset.js";
import {dtypeOf} from "./dtypes.js";
import {judgeKnown} from "./codecs.js";
import {judgeSeek} from "./seek.js";
import {fits, isExact, judgeItem} from "./htypes.js";

const {DOCUMENT, commitKey, instant, isName} = document;
const HASHED = /^(chunks|manifests)\/([0-9a-f]{2})\/\2[0-9a-f]{62}\.(chunk|json)$/, TAG = /^tags\/([^/]+)\.json$/;
const COMMIT = /^commits\/([^/]+)\/(\d{10}|latest)\.json$/;
const isKey = (key) => isName((COMMIT.exec(key) ?? TAG.exec(key))?.[1])
  || (HASHED.test(key) && key.startsWith("chunks/") === key.endsWith(".chunk"));

// What is found, each thing once; told as faults or as notes.
class Findings {
  list = new Map();
  tell = (note, code, clause, detail, object = null, offset = null) => {
    const key = [code, clause, object, offset, detail].join("\n");
    if (!this.list.has(key)) this.list.set(key, {code, clause, object, offset, detail, ...(note ? {note} : {})});
  };
  fault = (...what) => this.tell(false, ...what);
  note = (...what) => this.tell(true, ...what);
  // What the task gives, or null when it was refused.
  async attempt(task, note = false) {
    try {
      return await task();
    } catch (e) {
      if (!(e instanceof LakebedError)) throw e;
      this.tell(note, e.code, e.clause, e.detail, e.object, e.offset);
      return null;
    }
  }
}

export async function check(store) {
  const found = new Findings(), [commits, hashes, chunks, manifests] = Array.from({length: 4}, () => new Map());
  const keys = ((await store.list("")) ?? []).filter((key) => !key.split("/").at(-1).startsWith("."));
  for (const key of keys) {
    if (!isKey(key)) found.note("FOREIGN", "tree.foreign", "no object of the dataset", key);
    else if (key.endsWith("/0000000000.json")) found.fault("E_COMMIT_PLACE", "tree.number", "numbers run from 1", key);
  }
  const listed = (await listCommits(store)) ?? [];
  if (!listed.length) found.fault("E_DATASET_ABSENT", "tree.absent", "no commit of any branch", null);
  for (const [i, {key, ...place}] of listed.entries()) {
    const before = listed[i - 1], hole = before?.branch === place.branch && before.number < place.number - 1;
    if (hole) found.fault("E_COMMIT_ABSENT", "algo.expire.prefix", `the commits after ${before.number} are gone`, key);
    await found.attempt(async () => {
      const bytes = await store.get(key, DOCUMENT);
      hashes.set(key, await sha256(bytes));
      commits.set(key, document.commit(bytes, key, place, found.fault));
    });
  }
  for (const [key, c] of commits) {
    const above = c.parent && commitKey(c.parent.branch, c.parent.number);
    if (commits.has(above)) judgeParent(c, commits.get(above), hashes.get(above), found);
    for (const t of c.tensors.values()) await collect(t, key);
  }
  for (const branch of new Set(listed.map((c) => c.branch))) await judgeHint(store, branch, commits, found);
  for (const [, name] of keys.map((k) => TAG.exec(k)).filter((m) => isName(m?.[1]))) {
    await found.attempt(async () => {
      const key = document.tagKey(name), t = document.tag(await store.get(key, DOCUMENT), name);
      const same = hashes.get(commitKey(t.branch, t.number)) === t.sha256;
      if (!same) fail("E_TAG_TARGET", "tag.target", "the commit is not the one that was tagged", key);
    });
  }
  for (const [name, uses] of chunks) await checkChunk(store, document.chunkKey(name), [...uses.values()], name, found);
  return [...found.list.values()];

  // Judges a tensor and its tables; what they use of chunks is kept for later.
  async function collect(t, key) {
    if (!t.sound) return;
    if (!dtypeOf(t.dtype)) return void found.fault("E_DTYPE_UNSUPPORTED", "dtype.table", `${t.name}: ${t.dtype}`, key);
    fits(t, key, (...what) => ((t.misfit = true), found.fault(...what)));
    // Pipelines are judged by all [codec.pipeline]; other advice binds writers only.
    document.advice(t.write, t.shape.length, key, (...what) => found.tell(what[1] !== "write.codecs", ...what));
    const tables = [[t.own, key]];
    for (const ref of t.refs) {
      const id = `${ref.sha256} ${ref.bytes} ${ref.samples}`;
      if (!manifests.has(id)) manifests.set(id, await found.attempt(() => readManifest(store, ref, found.fault)));
      tables.push([manifests.get(id), document.manifestKey(ref.sha256)]);
    }
    for (const [table, object] of tables.filter(([table]) => table)) {
      const slices = table.slices().filter((s) => s.chunk), used = new Set(slices.map((s) => s.chunk.name));
      for (const s of slices) use(s.chunk, t).slices.set(`${s.first} ${s.count}`, s);
      for (const row of table.chunks()) {
        const detail = `tensor ${t.name}: no slice uses ${use(row, t).row.name}`;
        if (!used.has(row.name)) found.note("E_SLICE", "tensor.chunks.used", detail, object);
      }
    }
  }
  // Uses of a chunk: per row of a table that says the same, per tensor with the same rules, its slices.
  function use(row, t) {
    const {name, dtype, shape, sequence, htype, fidelity, attributes} = t;
    const id = JSON.stringify([row.payload, row.index, name, dtype, shape, sequence, htype, fidelity, attributes]);
    if (!chunks.has(row.name)) chunks.set(row.name, new Map());
    const uses = chunks.get(row.name);
    if (!uses.has(id)) uses.set(id, {row, t, slices: new Map()});
    return uses.get(id);
  }
}

function judgeParent(c, parent, hash, found) {
  const rule = (ok, clause, detail) => ok || found.fault("E_COMMIT_PARENT", clause, detail, c.key);
  rule(hash === c.parent.sha256, "commit.parent.hash", `the parent hashes to ${hash}`);
  rule(!parent.closed || c.number === 1, "commit.parent.hash", "the parent is closed");
  const order = parent.branch !== c.branch || !parent.time || !c.time || instant(c.time) >= instant(parent.time);
  rule(order, "commit.time.order", `${c.time} is before ${parent.time}`);
}

async function judgeHint(store, branch, commits, found) {
  const key = document.hintKey(branch), bytes = await found.attempt(() => store.get(key, DOCUMENT), true);
  const hint = bytes && (await found.attempt(() => document.commit(bytes, key), true));
  if (!hint) return;
  const copied = commits.get(commitKey(branch, hint.number)), stale = hint.number !== (await newest(store, branch));
  if (!copied || !equal(copied.bytes, bytes)) found.note("HINT", "hint.copy", "a copy of no commit of its branch", key);
  else if (stale) found.note("HINT", "hint.checker", `the hint names ${hint.number}`, key);
}

async function checkChunk(store, object, uses, name, found) {
  const missing = () => fail("E_OBJECT_MISSING", "tree.needed", "the object is not in the store", object);
  const bytes = await found.attempt(async () => (await store.get(object, 2 ** 40)) ?? missing());
  if (!bytes) return;
  const hash = await sha256(bytes), odd = bytes.subarray(0, 64).findIndex((b, i) => b !== HEAD[i]);
  if ((hash ?? name) !== name) found.fault("E_CHUNK_HASH", "chunk.hash", `the bytes hash to ${hash}`, object);
  const part = `chunk.head.${odd < 8 ? "magic" : "zero"}`;
  if (odd >= 0) found.fault("E_CHUNK_HEAD", part, `byte ${odd} of the head is ${bytes[odd]}`, object, odd);
  for (const row of new Map(uses.map((u) => [`${u.row.payload} ${u.row.index}`, u.row])).values()) {
    const at = 64 + row.payload, size = at + row.index + 40, differs = `${bytes.length} bytes, ${size} by the table`;
    if (bytes.length > size) found.fault("E_CHUNK_SIZE", "chunk.size", differs, object);
    const index = await found.attempt(() => {
      if (bytes.length < size) fail("E_TRUNCATED", "chunk.open.range", differs, object);
      return openChunk(bytes.subarray(at, size), row, object);
    });
    if (!index) continue;
    const seek = index.map.get("seek"), judged = seek && (await found.attempt(() => judgeSeek(index)));
    const due = index.canonical(judged ?? seek), place = due.findIndex((b, i) => b !== bytes[at + i]);
    const same = place < 0 && due.length === row.index, rule = "index.canonical";
    if (!same) found.fault("E_INDEX_CANONICAL", rule, "another encoding is due", object, at + Math.max(0, place));
    const good = await checkUnits(index, bytes, found);
    for (const u of uses.filter((u) => u.row.payload === row.payload && u.row.index === row.index)) {
      await found.attempt(() => checkUse(index, bytes, u, good, found));
    }
  }
}

// Every unit of a chunk: checksums, decoding. Tells which can be believed.
async function checkUnits(index, bytes, found) {
  const {object, pipelines} = index, bad = new Set(), known = [];
  for (const p of pipelines) known.push(await found.attempt(() => (judgeKnown(p, {object}), true), true));
  // Units without bytes may be 2^26: one stands for all. A chunk of nothing but faults is listed to the hundredth.
  const empty = index.P === 0 && index.bytes.sum === 0 && !index.codec.values && index.crc.every((c) => c === 0);
  let u = 0;
  for (let at = 64; u < (empty ? Math.min(index.U, 1) : index.U) && bad.size < 100; u++) {
    const stored = bytes.subarray(at, (at += index.unitStored(u)));
    const decode = () => !known[index.codec.at(u)] || decodeUnit(index, u, stored);
    if (!(await found.attempt(() => (index.verify(u, stored), decode())))) bad.add(u);
  }
  return (unit) => known[index.codec.at(unit)] && !bad.has(unit) && (unit < u || empty);
}

// What slices of one tensor use: ranges, shapes, fidelity, values. Ends at the first sample that is not the tensor's.
async function checkUse(index, bytes, {t, slices}, good, found) {
  const {object} = index, pipelines = new Set(), label = isExact(t.htype), seen = {unit: -1, bytes: null};
  for (const s of slices.values()) judgeUse(index, t, s);
  // Items that differ in nothing and have no values to judge: one stands for all.
  const same = index.bytes.constant !== null && !index.codec.values && (!index.bytes.constant || t.htype === "generic");
  let from = 0;
  for (const {first, count} of [...slices.values()].sort((a, b) => a.first - b.first)) {
    for (let s = Math.max(first, from); s < first + count; s++) {
      const [i, n] = index.itemsOf(s) ?? [0, 0];
      for (let k = i; k < i + n; k++) {
        judgeDims(index, t, k);
        await item(k);
        if (same) return;
      }
    }
    from = Math.max(from, first + count);
  }

  async function item(i) {
    const [first, n] = index.unitsOf(i);
    for (let u = first; u < first + n; u++) {
      const p = index.codec.at(u), offset = 64 + index.unitStart(u), pipeline = index.pipeline(u);
      const stored = bytes.subarray(offset, offset + index.unitStored(u));
      const broken = (...what) => found.fault("E_FIDELITY_BROKEN", ...what, object, offset);
      if (!pipelines.has(p)) judgeFidelity(t, pipeline, label, broken);
      pipelines.add(p);
      if (label && isLossyFile(pipeline, stored)) broken("htype.lossless.stored", `a lossy file in ${t.htype}`);
      if (!good(u) || t.misfit) continue;
      if (seen.unit !== u) Object.assign(seen, {unit: u, bytes: await decodeUnit(index, u, stored)});
      // [htype.link.secret] binds writers only.
      const tell = (code, clause, detail) => clause !== "htype.link.secret"
        && found.fault(code, clause, `tensor ${t.name}, item ${i}: ${detail}`, object, offset);
      const part = index.tile && index.tileBox(u).shape, at = index.offsetIn(u, i);
      const value = part ? seen.bytes : seen.bytes.subarray(at, at + index.bytes.at(i));
      judgeItem(t, new Item(index.dtype, part ?? index.itemShape(i), value), tell, part !== null);
    }
  }
}

// Lossy files among labels: jpeg; a webp without VP8L.
function isLossyFile([codec], stored) {
  const format = codec?.get("name"), kind = String.fromCharCode(...stored.subarray(12, 16));
  return format === "jpeg" || (format === "webp" && kind !== "VP8L");
}

function judgeFidelity(t, pipeline, label, broken) {
  const [codec] = pipeline, name = codec?.get("name"), isQuantize = name === "quantize";
  if (isQuantize && label) broken("htype.lossless.stored", `quantize in ${t.htype}`);
  const lossy = ["jpeg", "gif"].includes(name) || (name === "webp" && codec.get("lossless") !== true);
  const encoded = lossy && codec.size > 1; // a file as given has no parameters [fidelity.encoded]
  if (t.fidelity === "exact" && (isQuantize || encoded)) broken("fidelity.stored", `${name} in an exact tensor`);
  for (const key of isQuantize ? ["max_abs_error", "max_rel_error"] : []) {
    const stated = codec.get(key)?.value ?? codec.get(key), promised = Number(t.fidelity[key] ?? Infinity);
    if (stated > promised) broken("fidelity.stored", `${key} ${stated} where ${promised} is promised`);
  }
}
