// What samples mean (chapter 8): does a tensor fit its htype, does an item keep its rules.
import {LakebedError} from "./errors.js";
import {text} from "./bytes.js";
import {parse, plain} from "./json.js";

const INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];
const FLOATS = ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"];
const WIDE = ["float32", "float64"], REALS = [...FLOATS, ...INTS], PIXELS = ["uint8", "uint16"], BYTES = ["uint8"];
const n = null, flat = [n], plane = [n, n], solid = [n, n, n], more = [n, n, n, n];

// Tests of attributes: (value, all attributes).
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const distinct = (v) => Array.isArray(v) && v.every((x) => typeof x === "string") && new Set(v).size === v.length;
const pairs = (v, {keypoints}) => Array.isArray(v) && v.every((p) => Array.isArray(p) && p.length === 2
  && p.every((i) => Number.isInteger(i) && i >= 0 && i < (keypoints?.length ?? Infinity)));
const choices = (rules) => (v) => isObject(v)
  && Object.entries(v).every(([k, x]) => Object.hasOwn(rules, k) && rules[k].includes(x));
const NAMED = {class_names: distinct}, POINTS = {keypoints: distinct, connections: pairs};
const BOX = {coords: choices({type: ["pixel", "fractional"], mode: ["LTRB", "LTWH", "CCWH"]})};
const BOX3D = {coords: choices({mode: ["center", "vertex"]})};
const JSON_SCHEMA = {schema: (v) => typeof v === "boolean" || isObject(v)};

// Rules of items: (item, attributes) -> [clause, code] when it is broken; no code stands for E_SAMPLE_HTYPE.
const SHAPE = "E_SAMPLE_SHAPE", TEXT = "E_VALUE_TEXT";
const finite = (item) => item.numbers().every((x) => typeof x === "bigint" || Number.isFinite(x)) || ["finite"];
const range = (item, {class_names: names}) =>
  !names?.length || item.numbers().every((x) => x >= 0 && x < names.length) || ["range"];
const visible = (v) => [0, 1, 2].includes(Number(v)) || ["visibility"];
const first = (...rules) => (item, given) => rules.map((rule) => rule(item, given)).find((r) => Array.isArray(r));
const each = (item, test) => item.numbers().map(test).find((r) => Array.isArray(r));
const utf8 = (clause) => ({bytes}) => text(bytes) !== null || [clause, TEXT];
function value(bytes) {
  try {
    return [parse(bytes, null, false)];
  } catch (e) {
    if (e instanceof LakebedError) return null;
    throw e;
  }
}
const json = ({bytes}) => Boolean(value(bytes)) || ["value", TEXT];

function box(item, {coords}) {
  const v = item.numbers(), {type = "pixel", mode = "LTWH"} = coords ?? {};
  if (type === "fractional" && v.some((x) => x < 0 || x > 1)) return ["fractional"];
  // The third and fourth number of a box: its far corner, or its size.
  return v.every((x, i) => i % 4 < 2 || x >= (mode === "LTRB" ? v[i - 2] : 0)) || ["size"];
}
function box3d(item, {coords}) {
  const corners = item.shape.length === 3;
  if (coords?.mode && (coords.mode === "vertex") !== corners) return ["coords"];
  return corners || item.numbers().every((x, i) => i % 9 < 3 || i % 9 > 5 || x >= 0) || ["size"];
}
function keypoints(item, {keypoints: names}) {
  if (names && item.shape[1] !== names.length) return ["axes", SHAPE];
  return each(item, (x, i) => i % 3 < 2 || visible(x));
}
function coco(item, {keypoints: names}) {
  const [rows, objects] = item.shape;
  if (rows % 3 || (names && rows !== 3 * names.length)) return ["axes", SHAPE];
  return each(item, (x, i) => Math.floor(i / objects) % 3 < 2 || visible(x));
}
const SECRET = new RegExp("signature|token|secret|password|passwd|passphrase|credential|authorization|apikey|accesskey|" +
  "(?<![a-z0-9])(?:sig|key|auth|jwt|sas|pwd|pass)(?![a-z0-9])");
function memberName(piece) {
  const name = piece.slice(0, piece.indexOf("="));
  return name.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))).toLowerCase();
}
function link({bytes}) {
  const [v] = value(bytes) ?? [], members = isObject(v) ? Object.entries(v) : [];
  const known = members.every(([k, x]) => ["url", "credentials"].includes(k) && typeof x === "string");
  if (!known || typeof v?.url !== "string") return ["value", TEXT];
  const {url, credentials = "x"} = v, m = /^(?:https?|s3|gs|az):\/\/([^/?#]+)([^?#]*)(.*)$/i.exec(url);
  if (!m || url.length > 2048 || /[^\x21-\x7e]/.test(url)) return ["url"];
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(credentials)) return ["credentials"];
  const [, host, path, rest] = m, pieces = path.split("/").flatMap((segment) => segment.split(";").slice(1));
  const names = [...pieces, ...rest.split(/[?#&;/]/)].filter((piece) => piece.includes("=")).map(memberName);
  return host.includes("@") || names.some((name) => SECRET.test(name)) ? ["secret"] : undefined;
}

// A row: dtypes, shapes, and what is rarer: `free`, lossy codecs may be used; `single`, parts of items can be judged.
const of = (dtypes, shapes, rest = {}) => ({dtypes, shapes, attributes: {}, ...rest});
const free = {free: true};
const HTYPES = {
  image: of(PIXELS, [solid, plane], {free: true, rule: ({shape: [, , c = 1]}) => (c >= 1 && c <= 4) || ["channels"]}),
  "image.rgb": of(PIXELS, [[n, n, 3]], free), "image.gray": of(PIXELS, [plane, [n, n, 1]], free),
  class_label: of(INTS, [[], flat], {attributes: NAMED, rule: range, single: true}),
  segment_mask: of(INTS.slice(4), [plane, solid], {attributes: NAMED, rule: range, single: true}),
  instance_label: of(INTS, [plane, solid, flat]), binary_mask: of(["bool"], [plane, solid]),
  bbox: of(REALS, [[n, 4]], {attributes: BOX, rule: first(finite, box)}),
  "bbox.3d": of(REALS, [[n, 9], [n, 8, 3]], {attributes: BOX3D, rule: first(finite, box3d)}),
  keypoints: of(["float32", "int32"], [[n, n, 3]], {attributes: POINTS, rule: first(finite, keypoints)}),
  keypoints_coco: of(["int16", "int32", "int64", ...WIDE], [plane], {attributes: POINTS, rule: coco}),
  point: of(REALS, [[n, 2], [n, 3]], {rule: finite}), intrinsics: of(REALS, [[n, 3, 3]], {rule: finite}),
  polygon: of(REALS, [[n, 2], [n, 3]], {sequence: true, rule: first(({shape}) => shape[0] > 0 || ["points"], finite)}),
  embedding: of(FLOATS, [flat], free), text: of(BYTES, [flat], {rule: utf8("utf8")}),
  json: of(BYTES, [flat], {attributes: JSON_SCHEMA, rule: json}), list: of(BYTES, [flat], {sequence: true, rule: json}),
  tag: of(BYTES, [flat], {sequence: true, rule: utf8("value")}), video: of(BYTES, [[n, n, n, 3]], free),
  audio: of(["uint8", "int16", "int32", ...WIDE], [plane], free),
  dicom: of(INTS.filter((d) => !d.endsWith("64")), [plane, solid, more], free),
  nifti: of([...INTS, ...WIDE, "complex64", "complex128"], [solid, more], free),
  point_cloud: of(WIDE, [[n, 3]], free), mesh: of(WIDE, [[n, 3], [n, 3, 3]], free),
};
for (const h of Object.keys(HTYPES).filter((k) => HTYPES[k].free && k !== "embedding" || k.endsWith("_mask"))) {
  HTYPES[`link[${h}]`] = of(BYTES, [flat], {rule: link, clause: "link"});
}
const rowOf = (htype) => (Object.hasOwn(HTYPES, htype) ? HTYPES[htype] : null);
export const isKnown = (htype) => htype === "generic" || rowOf(htype) !== null;
export const isExact = (htype) => rowOf(htype) !== null && !rowOf(htype).free;
const clauseOf = (htype, rule) => `htype.${rowOf(htype).clause ?? htype.replace(".", "_")}.${rule}`;

// dtype, shape, sequence and attributes against the row [htype.fits].
export function fits({name, htype, dtype, shape, sequence, attributes}, object, report) {
  const row = rowOf(htype), given = plain(attributes);
  if (!row) return;
  const rule = (ok, clause, detail) => ok || report("E_TENSOR_FIELD", clause, `tensor ${name}: ${detail}`, object);
  const fit = (s) => s.length === shape.length && s.every((d, a) => d === null || d === shape[a]);
  rule(row.dtypes.includes(dtype), "htype.fits", `${htype} of dtype ${dtype}`);
  rule(row.shapes.some(fit), "htype.fits", `${htype} of shape [${shape}]`);
  rule(!row.sequence || sequence, "htype.sequence", `${htype} is no sequence`);
  for (const [key, test] of Object.entries(row.attributes)) {
    const clause = key === "schema" ? "htype.attributes" : clauseOf(htype, key === "coords" ? key : "names");
    rule(!(key in given) || test(given[key], given), clause, `attribute ${key}`);
  }
}

// Tells report(code, clause, detail) of what an item breaks. `part`: a tile, of which only single elements are judged.
export function judgeItem(tensor, item, report, part = false) {
  const {htype} = tensor, row = rowOf(htype);
  if (!row?.rule || (part && !row.single)) return;
  const broken = row.rule(item, (tensor.given ??= plain(tensor.attributes)));
  if (!Array.isArray(broken)) return;
  const [rule, code = "E_SAMPLE_HTYPE"] = broken;
  report(code, clauseOf(htype, rule), `[${item.shape}] breaks a rule of ${htype}`);
}
