// The JSON documents of chapter 4, judged. `report` hears of every broken rule of the members; by default it throws.
import {fail} from "./errors.js";
import {crc32, utf8} from "./bytes.js";
import {Real, parse, stringify} from "./json.js";
import {MAX, last} from "./columns.js";

export const DOCUMENT = 67108864; // bytes of a document at most

// Rules are tests of a value; `or` gives one a default for an absent member.
const int = (lo = 0, hi = MAX) => (v) => typeof v === "number" && v >= lo && v <= hi;
const like = (pattern) => (v) => typeof v === "string" && pattern.test(v);
const list = (test, lo = 0, hi = Infinity) => (v) =>
  Array.isArray(v) && v.length >= lo && v.length <= hi && v.every((x) => test(x));
const either = (...tests) => (v) => tests.some((test) => test(v));
const isObject = (v) => Boolean(v) && typeof v === "object" && !Array.isArray(v) && !(v instanceof Real);
const exactly = (rules) => (v) => isObject(v) && Object.keys(v).length === Object.keys(rules).length
  && Object.entries(rules).every(([key, test]) => key in v && test(v[key]));
const or = (test, fallback) => Object.assign((v) => test(v), {fallback});
const isText = like(/^/), isNull = (v) => v === null, isBool = (v) => typeof v === "boolean";
const isHash = like(/^[0-9a-f]{64}$/), isNumber = int(1, 9999999999);
const isPositive = (below) => (v) => (typeof v === "number" || v instanceof Real) && v > 0 && v < below;

export const isName = (v) => isText(v) && /^[a-z0-9][a-z0-9._-]{0,63}$/.test(v) && !v.endsWith(".");
export const isTensorName = (v) => v.length <= 255 && v.split("/").every(like(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/));

export function name(v) {
  return isName(v) ? v : fail("E_NAME", "tree.name", `${JSON.stringify(v)} is no branch or tag name`);
}

export const chunkKey = (hash) => `chunks/${hash.slice(0, 2)}/${hash}.chunk`;
export const manifestKey = (hash) => `manifests/${hash.slice(0, 2)}/${hash}.json`;
export const commitKey = (branch, n) => `commits/${name(branch)}/${String(n).padStart(10, "0")}.json`;
export const hintKey = (branch) => `commits/${name(branch)}/latest.json`;
export const tagKey = (tag) => `tags/${name(tag)}.json`;

// A time as text that compares like its instant, or null when it is no [commit.time].
export function instant(v) {
  const t = isText(v) && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/.exec(v);
  const date = t && new Date(`${t[1]}Z`);
  // A day that is not in the calendar becomes another one.
  if (!t || Number.isNaN(date.getTime()) || !date.toISOString().startsWith(t[1]) || t[1] < "0001") return null;
  return `${t[1]}.${(t[2] ?? "").padEnd(6, "0")}`;
}
const isTime = (v) => instant(v) !== null;

const isFeatures = (v) => list(like(/^[a-z0-9._-]+$/))(v) && new Set(v).size === v.length;
const REQUIRES = exactly({read: isFeatures, write: isFeatures});
const COMMIT = {
  branch: isName, number: isNumber, id: like(/^[0-9a-f]{32}$/), closed: or(isBool, false),
  parent: either(isNull, exactly({branch: isName, number: isNumber, sha256: isHash})), time: isTime,
  author: or(isText, ""), message: or(isText, ""), length: int(), attributes: or(isObject, {}), tensors: isObject,
};
export const TENSOR = {
  htype: like(/^[a-z0-9_.[\]]{1,64}$/), dtype: like(/^[a-z0-9_]{1,32}$/), shape: list(either(isNull, int()), 0, 32),
  sequence: or(isBool, false), attributes: or(isObject, {}), write: or(isObject, {}),
  fidelity: or(either(like(/^(exact|lossy)$/), exactly({max_abs_error: isPositive(Infinity)}),
    exactly({max_rel_error: isPositive(1)}), exactly({psnr_db: isPositive(Infinity)})), "exact"),
  manifests: or(list(exactly({sha256: isHash, bytes: int(1, DOCUMENT), samples: int(1)})), []),
};
const TAG = {branch: isName, number: isNumber, sha256: isHash, time: isTime};
const isParam = either(isBool, isText, int(-MAX), (v) => v instanceof Real);
const isCodec = (c) => isObject(c) && isText(c.name) && Object.values(c).every(isParam);
const ADVICE = {
  codecs: list(list(isCodec, 0, 8), 1), unit: either(exactly({items: int(1)}), exactly({bytes: int(1)})),
  chunk: exactly({bytes: int(1)}), tile: list(int(1), 1),
};
// Columns: the first must be an array, whose length is the number of rows. `n`: rows of the chunk table.
const TABLES = {
  chunks: ["E_TENSOR_FIELD", "chunk", {name: isHash, payload: int(), index: int(1, 8388608)}],
  slices: ["E_SLICE", "slice", {count: int(1), chunk: (v, n) => isNull(v) || int(0, n - 1)(v), first: int()}],
};

// The outer rules of 4.1, in their order; then the version.
export function outer(bytes, object) {
  const at = Math.max(0, bytes.length - 20);
  if (bytes.length > DOCUMENT) fail("E_JSON_LIMIT", "json.size", `${bytes.length} bytes`, object);
  const end = /^,"crc32":"([0-9a-f]{8})"\}$/.exec(String.fromCharCode(...bytes.subarray(at)));
  const crc = crc32(bytes.subarray(0, at)).toString(16).padStart(8, "0");
  if (end?.[1] !== crc) fail("E_JSON_CRC", "json.crc", `the document does not end in its checksum ${crc}`, object, at);
  const doc = parse(bytes, object);
  if (!isObject(doc)) fail("E_JSON_SYNTAX", "json.object", "not an object", object);
  const v = isText(doc.lakebed) && /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/.exec(doc.lakebed);
  if (v?.[1] === "1") return doc;
  const shown = `version ${stringify(doc.lakebed ?? null)}; known is 1.x`;
  return fail("E_VERSION", v ? "version.major" : "json.version", shown, object);
}

// The bytes of a document of these members [json.crc].
export function seal({crc32: _, ...members}) {
  const body = stringify(members).slice(0, -1);
  return utf8(`${body},"crc32":"${crc32(utf8(body)).toString(16).padStart(8, "0")}"}`);
}

// The members that `rules` name, with their defaults; one that breaks its rule is reported and left out.
function members(doc, rules, code, prefix, object, report) {
  const out = {};
  for (const [key, test] of Object.entries(rules)) {
    const v = key in doc ? doc[key] : test.fallback;
    if (v !== undefined && test(v)) out[key] = v;
    else report(code, `${prefix}.${key}`, `member ${key} is ${stringify(v ?? null).slice(0, 80)}`, object);
  }
  return out;
}

// The two tables of a tensor or manifest: what is in a row, and where; null when they cannot be used.
function tables(holder, object, label, report) {
  const columns = {}, rows = {};
  let good = true;
  const bad = (code, clause, detail) => {
    good = false;
    report(code, clause, `${label}: ${detail}`, object);
  };
  for (const [table, [code, prefix, rules]] of Object.entries(TABLES)) {
    const given = holder[table], keys = Object.keys(rules);
    const closed = isObject(given) && Object.keys(given).length === keys.length && keys.every((k) => k in given);
    if (!closed) bad("E_TABLE_COLUMNS", "json.columns_closed", `${table} has not the columns ${keys}`);
    else if (!Array.isArray(given[keys[0]])) bad("E_TABLE_COLUMNS", "json.column", `${table}.${keys[0]} is no array`);
    else rows[table] = given[keys[0]].length;
    for (const [key, test] of table in rows ? Object.entries(rules) : []) {
      const v = given[key], n = rows.chunks ?? MAX, each = Array.isArray(v), odd = `an entry of ${table}.${key}`;
      const form = each ? v.length === rows[table] : int(-MAX)(v) || (key === "chunk" && isNull(v));
      if (!form) bad("E_TABLE_COLUMNS", "json.column", `${table}.${key} is no column of ${rows[table]}`);
      else if (rows[table] && ![v].flat().every((x) => test(x, n))) bad(code, `table.${prefix}.${key}`, odd);
      columns[key] = each ? (i) => v[i] : () => v;
    }
  }
  const twice = rows.chunks && new Set(holder.chunks.name).size < rows.chunks;
  if (twice) bad("E_TENSOR_FIELD", "table.chunk.name", "a name stands twice");
  if (!good) return null;
  const {name, payload, index, chunk, first, count} = columns, starts = new Float64Array(rows.slices + 1);
  for (let i = 0; good && i < rows.slices; i++) {
    starts[i + 1] = starts[i] + count(i);
    const most = Math.max(starts[i + 1], first(i) + count(i));
    if (most > MAX) bad("E_JSON_LIMIT", "model.integers", "a sum passes 2^53-1");
    else if (chunk(i) === null && first(i)) bad("E_SLICE", "table.slice.first", "first is not 0 among missing samples");
  }
  if (!good) return null;
  const row = (i) => ({name: name(i), payload: payload(i), index: index(i)});
  const slice = (i) => {
    const from = chunk(i);
    return {chunk: from === null ? null : row(from), first: first(i), count: count(i), start: starts[i]};
  };
  const all = (n, each) => Array.from({length: n}, (_, i) => each(i));
  return {
    samples: starts[rows.slices], chunks: () => all(rows.chunks, row), slices: () => all(rows.slices, slice),
    find: (r) => slice(last(starts, r, rows.slices)),
  };
}

// A commit, as [commit.requires.checks] and [algo.open.6] order: version, requires, members, place.
export function commit(bytes, object, place = null, report = fail) {
  const doc = outer(bytes, object), needs = doc.requires;
  const bad = (code, clause, detail) => report(code, clause, detail, object);
  if (!REQUIRES(needs)) fail("E_COMMIT_FIELD", "commit.requires", "requires is not two lists of names", object);
  if (needs.read.length) fail("E_REQUIRES_READ", "commit.requires.read", `reading needs ${needs.read}`, object);
  const c = members(doc, COMMIT, "E_COMMIT_FIELD", "commit", object, report), {branch, number, parent} = c;
  if (branch && number) {
    const before = number === 1 ? parent?.branch !== branch : parent?.branch === branch && parent.number === number - 1;
    const there = !place || (place.branch === branch && place.number === number);
    if (!there) bad("E_COMMIT_PLACE", "commit.place", `the document says ${branch} ${number}`);
    if (parent !== undefined && !before) bad("E_COMMIT_FIELD", "commit.parent", "parent is not the commit before");
  }
  const tensors = new Map();
  for (const [key, t] of Object.entries(c.tensors ?? {})) {
    const shown = key.slice(0, 80), count = Object.keys(TENSOR).length;
    const under = () => [...key.matchAll(/\//g)].some((m) => key.slice(0, m.index) in c.tensors);
    if (!isTensorName(key)) bad("E_TENSOR_FIELD", "tensor.name", `${shown} is no tensor name`);
    else if (under()) bad("E_TENSOR_FIELD", "tensor.name", `${shown} lies beneath another`);
    if (!isObject(t) || !("chunks" in t && "slices" in t)) {
      bad("E_TENSOR_FIELD", "tensor.members", `tensor ${shown} is no object with two tables`);
      continue;
    }
    const told = (code, clause, detail) => bad(code, clause, `tensor ${shown}: ${detail}`);
    const known = members(t, TENSOR, "E_TENSOR_FIELD", "tensor", object, told), refs = known.manifests;
    const sound = Object.keys(known).length === count, own = tables(t, object, `tensor ${shown}`, report);
    tensors.set(key, {...known, name: key, refs, own, doc: t, sound});
    if (!own || !refs || c.length === undefined) continue;
    const sum = refs.reduce((a, r) => a + r.samples, own.samples);
    if (sum > MAX) bad("E_JSON_LIMIT", "model.integers", `tensor ${shown}: a sum passes 2^53-1`);
    else if (sum !== c.length) bad("E_LENGTH", "tensor.length", `tensor ${shown} has ${sum} samples, not ${c.length}`);
  }
  return {...c, doc, bytes, key: object, tensors};
}

export function manifest(bytes, ref, hash, report = fail) {
  const object = manifestKey(ref.sha256), bad = (clause, detail) => fail("E_MANIFEST", clause, detail, object);
  if (bytes.length !== ref.bytes) bad("manifest.hash", `${bytes.length} bytes, the commit says ${ref.bytes}`);
  if (hash !== null && hash !== ref.sha256) bad("manifest.hash", `the bytes hash to ${hash}`);
  const doc = outer(bytes, object), own = tables(doc, object, "manifest", report);
  const samples = own ? own.samples : ref.samples;
  if (doc.samples !== ref.samples || samples !== ref.samples) bad("manifest.samples", `the commit says ${ref.samples}`);
  return own;
}

export function tag(bytes, wanted) {
  const object = tagKey(wanted);
  return members(outer(bytes, object), {tag: (v) => v === wanted, ...TAG}, "E_TAG", "tag", object, fail);
}

// What a checker or writer also holds against `write` [write.codecs] [write.unit_advice] [write.tile_advice].
export function advice(write, rank, object, report) {
  const given = Object.fromEntries(Object.entries(ADVICE).filter(([key]) => key in write));
  const clauses = {"write.codecs": "write.codecs", "write.unit": "write.unit_advice"};
  const told = (code, clause, detail) => report(code, clauses[clause] ?? "write.tile_advice", detail, object);
  const {tile} = members(write, given, "E_TENSOR_FIELD", "write", object, told);
  if (tile && tile.length !== rank) told("E_TENSOR_FIELD", "write.tile", `tile [${tile}] of rank ${rank}`);
}
