// The JSON documents of chapter 4, judged. `report` hears of every broken rule of the members; the default throws.
import {LakebedError, fail, raise} from "./errors.js";
import {crc32, utf8} from "./bytes.js";
import {Real, number, parse, stringify} from "./json.js";
import {MAX, last} from "./columns.js";

export const DOCUMENT = 67108864; // bytes of a document at most
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):([0-5]\d)(\.\d{1,6})?Z$/;

const isInt = (v, lo = 0, hi = MAX) => typeof v === "number" && v >= lo && v <= hi;
const isText = (v) => typeof v === "string";
const isHash = (v) => isText(v) && /^[0-9a-f]{64}$/.test(v);
const isNumber = (v) => isInt(v, 1, 9999999999);
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v) && !(v instanceof Real);
const exactly = (v, ...keys) => isObject(v) && Object.keys(v).length === keys.length && keys.every((k) => k in v);

export const isName = (v) => isText(v) && NAME.test(v) && !v.endsWith(".");
export const isTensorName = (v) => v.length <= 255 && v.split("/").every((s) => SEGMENT.test(s));

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
  const t = isText(v) && TIME.exec(v);
  if (!t) return null;
  const [y, mo, d, h, mi] = t.slice(1, 6).map(Number);
  const days = [31, y % 4 === 0 && (y % 100 !== 0 || y % 400 === 0) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  if (y < 1 || mo < 1 || mo > 12 || d < 1 || d > days[mo - 1] || h > 23 || mi > 59) return null;
  return `${v.slice(0, 19)}.${(t[7] ?? ".").slice(1).padEnd(6, "0")}`;
}

// The outer rules of 4.1, in their order; then the version.
export function outer(bytes, object) {
  if (bytes.length > DOCUMENT) fail("E_JSON_LIMIT", "json.size", `${bytes.length} bytes`, object);
  const at = bytes.length - 20, end = /^,"crc32":"([0-9a-f]{8})"\}$/.exec(String.fromCharCode(...bytes.subarray(Math.max(0, at))));
  if (!end) fail("E_JSON_CRC", "json.crc", "the document does not end in its checksum", object, Math.max(0, at));
  const crc = crc32(bytes.subarray(0, at)).toString(16).padStart(8, "0");
  if (crc !== end[1]) fail("E_JSON_CRC", "json.crc", `the checksum is ${end[1]}, the bytes give ${crc}`, object, at);
  const doc = parse(bytes, object);
  if (!isObject(doc)) fail("E_JSON_SYNTAX", "json.object", "not an object", object);
  const v = isText(doc.lakebed) && /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/.exec(doc.lakebed);
  if (!v) fail("E_VERSION", "json.version", `version ${stringify(doc.lakebed ?? null)}; known is 1.x`, object);
  if (v[1] !== "1") fail("E_VERSION", "version.major", `version ${doc.lakebed}; known is 1.x`, object);
  return doc;
}

// The bytes of a document of these members [json.crc].
export function seal(doc) {
  const {crc32: _, ...rest} = doc;
  const body = stringify(rest).slice(0, -1);
  return utf8(`${body},"crc32":"${crc32(utf8(body)).toString(16).padStart(8, "0")}"}`);
}

function members(doc, rows, code, prefix, object, report) {
  for (const [key, test, fallback] of rows) {
    const v = key in doc ? doc[key] : fallback;
    if (v === undefined || !test(v)) {
      const shown = v === undefined ? "absent" : stringify(v).slice(0, 80);
      report(new LakebedError(code, `${prefix}.${key}`, `member ${key} is ${shown}`, object));
    }
  }
}

const isFeatures = (v) => Array.isArray(v) && v.every((x) => isText(x) && /^[a-z0-9._-]+$/.test(x)) && new Set(v).size === v.length;
const isParent = (v) => v === null || (exactly(v, "branch", "number", "sha256") && isName(v.branch) && isNumber(v.number) && isHash(v.sha256));
const COMMIT = [
  ["branch", isName], ["number", isNumber], ["id", (v) => isText(v) && /^[0-9a-f]{32}$/.test(v)],
  ["closed", (v) => typeof v === "boolean", false], ["parent", isParent], ["time", (v) => instant(v) !== null],
  ["author", isText, ""], ["message", isText, ""], ["length", (v) => isInt(v)], ["attributes", isObject, {}], ["tensors", isObject],
];
const isFidelity = (v) => {
  if (v === "exact" || v === "lossy") return true;
  const key = ["max_abs_error", "max_rel_error", "psnr_db"].find((k) => exactly(v, k));
  const x = key && number(v[key]);
  return typeof x === "number" && x > 0 && (key !== "max_rel_error" || x < 1);
};
const isRef = (v) => exactly(v, "sha256", "bytes", "samples") && isHash(v.sha256) && isInt(v.bytes, 1, DOCUMENT) && isInt(v.samples, 1);
export const TENSOR = [
  ["htype", (v) => isText(v) && /^[a-z0-9_.[\]]{1,64}$/.test(v)], ["dtype", (v) => isText(v) && /^[a-z0-9_]{1,32}$/.test(v)],
  ["shape", (v) => Array.isArray(v) && v.length <= 32 && v.every((d) => d === null || isInt(d))],
  ["sequence", (v) => typeof v === "boolean", false], ["fidelity", isFidelity, "exact"], ["attributes", isObject, {}],
  ["write", isObject, {}], ["manifests", (v) => Array.isArray(v) && v.every(isRef), []],
];
const isParam = (v) => typeof v === "boolean" || typeof v === "number" || v instanceof Real || isText(v);
const isPipeline = (v) => Array.isArray(v) && v.length <= 8 && v.every((c) => isObject(c) && isText(c.name) && Object.values(c).every(isParam));
const one = (v, ...keys) => keys.some((k) => exactly(v, k) && isInt(v[k], 1));
export const WRITE = [
  ["codecs", (v) => Array.isArray(v) && v.length > 0 && v.every(isPipeline), [[]]],
  ["unit", (v) => one(v, "items", "bytes"), {items: 1}], ["chunk", (v) => one(v, "bytes"), {bytes: 1}],
];

// The two tables of a tensor or manifest [table.chunk.name] and what follows; null when they cannot be used.
function tables(holder, object, label, report) {
  let good = true;
  const bad = (code, clause, detail) => ((good = false), report(new LakebedError(code, clause, `${label}: ${detail}`, object)));
  const {chunks, slices} = holder;
  if (holder.htype && (chunks === undefined || slices === undefined)) {
    return bad("E_TENSOR_FIELD", "tensor.members", "chunks or slices is absent"), null;
  }
  if (!exactly(chunks ?? null, "name", "payload", "index")) bad("E_TABLE_COLUMNS", "json.columns_closed", "chunks has not its three columns");
  if (!exactly(slices ?? null, "chunk", "first", "count")) bad("E_TABLE_COLUMNS", "json.columns_closed", "slices has not its three columns");
  if (!good) return null;
  if (!Array.isArray(chunks.name) || !Array.isArray(slices.count)) return bad("E_TABLE_COLUMNS", "json.column", "name and count are arrays"), null;
  const column = (v, n, test, code, clause) => {
    if (Array.isArray(v) ? v.length !== n : !(isInt(v, -MAX) || (v === null && clause === "table.slice.chunk"))) {
      bad("E_TABLE_COLUMNS", "json.column", `a column is neither a number nor has ${n} entries [${clause}]`);
    } else if (n && !(Array.isArray(v) ? v.every(test) : test(v, null))) bad(code, clause, "an entry is out of range");
    return Array.isArray(v) ? (i) => v[i] : () => v;
  };
  const n = chunks.name.length, rows = slices.count.length;
  if (!chunks.name.every(isHash) || new Set(chunks.name).size !== n) bad("E_TENSOR_FIELD", "table.chunk.name", "a name is no hash or stands twice");
  const payload = column(chunks.payload, n, (v) => isInt(v), "E_TENSOR_FIELD", "table.chunk.payload");
  const index = column(chunks.index, n, (v) => isInt(v, 1, 8388608), "E_TENSOR_FIELD", "table.chunk.index");
  const chunk = column(slices.chunk, rows, (v) => v === null || isInt(v, 0, n - 1), "E_SLICE", "table.slice.chunk");
  const first = column(slices.first, rows, (v) => isInt(v), "E_SLICE", "table.slice.first");
  if (!slices.count.every((v) => isInt(v, 1))) bad("E_SLICE", "table.slice.count", "a count is below 1");
  const starts = new Float64Array(rows + 1);
  for (let i = 0; good && i < rows; i++) {
    starts[i + 1] = starts[i] + slices.count[i];
    if (starts[i + 1] > MAX || first(i) + slices.count[i] > MAX) bad("E_JSON_LIMIT", "model.integers", "a sum passes 2^53-1");
    else if (chunk(i) === null && first(i) !== 0) bad("E_SLICE", "table.slice.first", "first is not 0 in a run of missing samples");
  }
  if (!good) return null;
  const row = (i) => ({name: chunks.name[i], payload: payload(i), index: index(i)});
  const slice = (i) => ({chunk: chunk(i) === null ? null : row(chunk(i)), first: first(i), count: slices.count[i], start: starts[i]});
  return {
    samples: starts[rows], rows, chunks: n, row, slice,
    used: () => new Set(Array.from({length: rows}, (_, i) => chunk(i))),
    find: (r) => slice(last(starts, r, rows)),
  };
}

// A commit, as [commit.requires.checks] and [algo.open.6] order: version, requires, members, place.
export function commit(bytes, object, place = null, report = raise) {
  const doc = outer(bytes, object);
  const bad = (code, clause, detail) => report(new LakebedError(code, clause, detail, object));
  const needs = doc.requires;
  if (!exactly(needs ?? null, "read", "write") || !isFeatures(needs.read) || !isFeatures(needs.write)) {
    fail("E_COMMIT_FIELD", "commit.requires", "requires is not two lists of names", object);
  }
  if (needs.read.length) fail("E_REQUIRES_READ", "commit.requires.read", `reading needs ${needs.read.join(", ")}`, object);
  const tensors = new Map();
  members(doc, COMMIT, "E_COMMIT_FIELD", "commit", object, report);
  const {branch, number: n, parent} = doc;
  const placed = isName(branch) && isNumber(n);
  if (place && placed && (place.branch !== branch || place.number !== n)) bad("E_COMMIT_PLACE", "commit.place", `the document says ${branch} ${n}`);
  if (placed && isParent(parent) && (n === 1 ? parent?.branch === branch : parent?.branch !== branch || parent?.number !== n - 1)) {
    bad("E_COMMIT_FIELD", "commit.parent", "parent is not the commit before");
  }
  for (const key of isObject(doc.tensors) ? Object.keys(doc.tensors) : []) {
    const t = doc.tensors[key];
    let sound = true;
    const told = (e) => ((sound = false), report(new LakebedError(e.code, e.clause, `tensor ${key}: ${e.detail}`, object)));
    if (!isTensorName(key)) bad("E_TENSOR_FIELD", "tensor.name", `${JSON.stringify(key.slice(0, 80))} is no tensor name`);
    const above = isTensorName(key) && key.split("/").slice(0, -1).map((_, i, all) => all.slice(0, i + 1).join("/")).find((k) => k in doc.tensors);
    if (above) bad("E_TENSOR_FIELD", "tensor.name", `${key} lies beneath ${above}`);
    if (!isObject(t)) {
      bad("E_TENSOR_FIELD", "tensor.members", `tensor ${key} is no object`);
      continue;
    }
    members(t, TENSOR, "E_TENSOR_FIELD", "tensor", object, told);
    const own = tables(t, object, `tensor ${key}`, report);
    const refs = t.manifests ?? [];
    tensors.set(key, {
      name: key, htype: t.htype, dtype: t.dtype, shape: t.shape, sequence: t.sequence ?? false, fidelity: t.fidelity ?? "exact",
      attributes: t.attributes ?? {}, write: t.write ?? {}, refs, own, doc: t, sound,
    });
    if (!own || !isInt(doc.length) || !Array.isArray(refs) || !refs.every(isRef)) continue;
    const sum = refs.reduce((a, r) => a + r.samples, own.samples);
    if (sum > MAX) bad("E_JSON_LIMIT", "model.integers", `tensor ${key}: the sum of samples passes 2^53-1`);
    else if (sum !== doc.length) bad("E_LENGTH", "tensor.length", `tensor ${key} has ${sum} samples, the commit ${stringify(doc.length)}`);
  }
  return {
    doc, bytes, key: object, branch, number: n, length: doc.length, time: doc.time, closed: doc.closed ?? false, parent: isParent(parent) ? parent : null,
    author: doc.author ?? "", message: doc.message ?? "", attributes: doc.attributes ?? {}, tensors,
  };
}

export function manifest(bytes, ref, hash, report = raise) {
  const object = manifestKey(ref.sha256);
  const bad = (clause, detail) => fail("E_MANIFEST", clause, detail, object);
  if (bytes.length !== ref.bytes) bad("manifest.hash", `${bytes.length} bytes, the commit says ${ref.bytes}`);
  if (hash !== null && hash !== ref.sha256) bad("manifest.hash", `the bytes hash to ${hash}`);
  const doc = outer(bytes, object);
  const own = tables(doc, object, "manifest", report);
  if (!isInt(doc.samples, 1) || doc.samples !== ref.samples || (own && own.samples !== doc.samples)) {
    bad("manifest.samples", `samples ${stringify(doc.samples ?? null)}, the commit says ${ref.samples}, the slices ${own?.samples}`);
  }
  return own;
}

export function tag(bytes, name, report = raise) {
  const object = tagKey(name), doc = outer(bytes, object);
  members(doc, [["tag", (v) => v === name], ["branch", isName], ["number", isNumber], ["sha256", isHash], ["time", (v) => instant(v) !== null]],
    "E_TAG", "tag", object, report);
  return doc;
}

// What a checker or writer also holds against `write` [write.codecs] [write.unit_advice] [write.tile_advice].
export function advice(write, rank, object, report) {
  const clauses = {"write.codecs": "write.codecs", "write.unit": "write.unit_advice", "write.chunk": "write.tile_advice", "write.tile": "write.tile_advice"};
  const rows = [...WRITE, ["tile", (v) => Array.isArray(v) && v.length === rank && rank > 0 && v.every((t) => isInt(t, 1)), Array(rank || 1).fill(1)]];
  members(write, rows.filter(([k]) => k in write), "E_TENSOR_FIELD", "write", object,
    (e) => report(new LakebedError(e.code, clauses[e.clause], e.detail, object)));
}
