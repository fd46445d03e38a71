// What samples mean (chapter 8): does a tensor fit its htype, does an item keep its rules.
import {LakebedError} from "./errors.js";
import {text} from "./bytes.js";
import {parse, plain} from "./json.js";

const INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];
const FLOATS = ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"];
const PIXELS = ["uint8", "uint16"], REALS = [...FLOATS, ...INTS], BYTES = ["uint8"], n = null;
const of = (dtypes, shapes, more = {}) => ({dtypes, shapes, exact: true, sequence: false, ...more});
const open = {exact: false}, list = {sequence: true}, flat = [n], plane = [n, n], solid = [n, n, n];
const HTYPES = {
  image: of(PIXELS, [solid, plane], open), "image.rgb": of(PIXELS, [[n, n, 3]], open), "image.gray": of(PIXELS, [plane, [n, n, 1]], open),
  class_label: of(INTS, [[], flat]), bbox: of(REALS, [[n, 4]]), binary_mask: of(["bool"], [plane, solid]), segment_mask: of(INTS.slice(4), [plane, solid]),
  keypoints: of(["float32", "int32"], [[n, n, 3]]), point: of(REALS, [[n, 2], [n, 3]]), polygon: of(REALS, [[n, 2], [n, 3]], list),
  embedding: of(FLOATS, [flat], open), text: of(BYTES, [flat]), json: of(BYTES, [flat]), list: of(BYTES, [flat], list), tag: of(BYTES, [flat], list),
  "bbox.3d": of(REALS, [[n, 9], [n, 8, 3]]), intrinsics: of(REALS, [[n, 3, 3]]), instance_label: of(INTS, [plane, solid, flat]),
  keypoints_coco: of(["int32", "int16", "int64", "float32", "float64"], [plane]), video: of(BYTES, [[n, n, n, 3]], open),
  audio: of(["int16", "int32", "uint8", "float32", "float64"], [plane], open), dicom: of(["uint8", "int8", "uint16", "int16", "uint32", "int32"], [plane, solid, [n, n, n, n]], open),
  nifti: of([...INTS, "float32", "float64", "complex64", "complex128"], [solid, [n, n, n, n]], open),
  point_cloud: of(["float32", "float64"], [[n, 3]], open), mesh: of(["float32", "float64"], [[n, 3], [n, 3, 3]], open),
};
for (const h of ["image", "image.rgb", "image.gray", "segment_mask", "binary_mask", "video", "audio", "dicom", "nifti", "point_cloud", "mesh"]) HTYPES[`link[${h}]`] = of(BYTES, [flat]);
const row = (htype) => (Object.hasOwn(HTYPES, htype) ? HTYPES[htype] : null);
export const isKnown = (htype) => htype === "generic" || row(htype) !== null;
export const isExact = (htype) => row(htype)?.exact ?? false;

const distinct = (v) => Array.isArray(v) && v.every((x) => typeof x === "string") && new Set(v).size === v.length;
const isPairs = (v, k) => Array.isArray(v) && v.every((p) => Array.isArray(p) && p.length === 2 && p.every((i) => Number.isInteger(i) && i >= 0 && i < k));
const choices = (v, rules) => v !== null && typeof v === "object" && !Array.isArray(v) && Object.entries(v).every(([k, x]) => rules[k]?.includes(x));
const points = {keypoints: distinct, connections: (v, a) => isPairs(v, Array.isArray(a.keypoints) ? a.keypoints.length : Infinity)};
// Attributes: test(value, all attributes); the clause is that of the htype and `names`, or `coords`.
const ATTRIBUTES = {
  class_label: {class_names: distinct}, segment_mask: {class_names: distinct}, keypoints: points, keypoints_coco: points,
  json: {schema: (v) => typeof v === "boolean" || (v !== null && typeof v === "object" && !Array.isArray(v))},
  bbox: {coords: (v) => choices(v, {type: ["pixel", "fractional"], mode: ["LTRB", "LTWH", "CCWH"]})}, "bbox.3d": {coords: (v) => choices(v, {mode: ["center", "vertex"]})},
};

// dtype, shape, sequence and attributes against the row [htype.fits].
export function fits({name, htype, dtype, shape, sequence, attributes}, object, report) {
  const known = row(htype), a = plain(attributes);
  const bad = (clause, detail) => report(new LakebedError("E_TENSOR_FIELD", clause, `tensor ${name}: ${detail}`, object));
  if (!known) return;
  if (!known.dtypes.includes(dtype)) bad("htype.fits", `${htype} of dtype ${dtype}`);
  const fit = (s) => s.length === shape.length && s.every((d, i) => d === null || d === shape[i]);
  if (!known.shapes.some(fit)) bad("htype.fits", `${htype} of shape [${shape}]`);
  if (known.sequence && !sequence) bad("htype.sequence", `${htype} is no sequence`);
  for (const [key, test] of Object.entries(ATTRIBUTES[htype] ?? {})) {
    if (key in a && !test(a[key], a)) bad(key === "schema" ? "htype.attributes" : `htype.${htype.replace(".", "_")}.${key === "coords" ? key : "names"}`, key);
  }
}

// A link's URL: which rule it breaks, or null.
function oddUrl(url) {
  const m = /^(?:https?|s3|gs|az):\/\/([^/?#]+)[^?#]*(\?[^#]*)?/i.exec(url);
  if (!m || url.length > 2048 || /[^\x21-\x7e]/.test(url)) return "link.url";
  return m[1].includes("@") || /[?&][^=&]*(signature|token|key|secret|password|credential)[^=&]*=/i.test(m[2] ?? "") ? "link.secret" : null;
}

// Tells report(code, clause, detail) of what an item breaks. `part`: a tile, of which only single elements are judged.
export function judgeItem(tensor, item, report, part = false) {
  const {htype} = tensor, a = plain(tensor.attributes), {shape, bytes} = item;
  const bad = (clause, detail, code = "E_SAMPLE_HTYPE") => report(code, `htype.${clause}`, detail);
  const finite = (v, clause) => v.every(Number.isFinite) || v.every((x) => typeof x === "bigint") || bad(clause, "a number is not finite");
  const names = () => {
    if (!Array.isArray(a.class_names) || !a.class_names.length) return;
    const odd = item.numbers().find((v) => v < 0 || v >= a.class_names.length);
    if (odd !== undefined) bad(`${htype}.range`, `${odd} of ${a.class_names.length} names`);
  };
  if (["class_label", "segment_mask"].includes(htype)) return names();
  if (part) return undefined;
  const strings = (clause) => text(bytes) !== null || bad(clause, "not UTF-8", "E_VALUE_TEXT");
  const value = (clause) => {
    try {
      if (bytes[0] === 0xef && bytes[1] === 0xbb) return void bad(clause, "a byte order mark", "E_VALUE_TEXT");
      return parse(bytes, null, false);
    } catch (e) {
      if (!(e instanceof LakebedError)) throw e;
      return void bad(clause, e.detail, "E_VALUE_TEXT");
    }
  };
  const RULES = {
    image: () => shape.length === 2 || (shape[2] >= 1 && shape[2] <= 4) || bad("image.channels", `${shape[2]} channels`),
    bbox() {
      const v = item.numbers().map(Number), {type = "pixel", mode = "LTWH"} = a.coords ?? {};
      if (finite(v, "bbox.finite") !== true) return;
      if (type === "fractional" && v.some((x) => x < 0 || x > 1)) bad("bbox.fractional", "a number is outside 0 to 1");
      for (let i = 0; i < v.length; i += 4) {
        const [x, y, w, h] = v.slice(i, i + 4);
        if (mode === "LTRB" ? w < x || h < y : w < 0 || h < 0) return void bad("bbox.size", `box ${i / 4} is [${[x, y, w, h]}]`);
      }
    },
    keypoints() {
      const v = item.numbers();
      if (Array.isArray(a.keypoints) && shape[1] !== a.keypoints.length) bad("keypoints.axes", `${shape[1]} points, ${a.keypoints.length} names`, "E_SAMPLE_SHAPE");
      if (finite(v, "keypoints.finite") === true && v.some((x, i) => i % 3 === 2 && ![0, 1, 2].includes(x))) bad("keypoints.visibility", "a visibility is not 0, 1 or 2");
    },
    keypoints_coco() {
      const v = item.numbers(), [rows, objects] = shape;
      if (rows % 3 || (Array.isArray(a.keypoints) && rows !== 3 * a.keypoints.length)) return bad("keypoints_coco.axes", `${rows} rows`, "E_SAMPLE_SHAPE");
      return v.some((x, i) => Math.floor(i / objects) % 3 === 2 && ![0, 1, 2].includes(Number(x))) && bad("keypoints_coco.visibility", "a visibility is not 0, 1 or 2");
    },
    "bbox.3d"() {
      const v = item.numbers().map(Number), mode = a.coords?.mode;
      if (mode && (mode === "center") !== (shape.length === 2)) return bad("bbox_3d.coords", `mode ${mode} of items of rank ${shape.length}`);
      return finite(v, "bbox_3d.finite") === true && shape.length === 2 && v.some((x, i) => i % 9 > 2 && i % 9 < 6 && x < 0) && bad("bbox_3d.size", "a size is below 0");
    },
    intrinsics: () => finite(item.numbers(), "intrinsics.finite"),
    link() {
      const v = value("link.value");
      if (v === undefined) return undefined;
      const strings = v !== null && typeof v === "object" && !Array.isArray(v) && typeof v.url === "string" && Object.entries(v).every(([k, x]) => ["url", "credentials"].includes(k) && typeof x === "string");
      if (!strings) return bad("link.value", "no object of url and credentials", "E_VALUE_TEXT");
      if (oddUrl(v.url)) bad(oddUrl(v.url), "no address that a link may have");
      return "credentials" in v && (v.credentials.length < 1 || v.credentials.length > 64) && bad("link.credentials", "no name of 1 to 64 characters");
    },
    point: () => finite(item.numbers(), "point.finite"),
    polygon: () => (shape[0] ? finite(item.numbers(), "polygon.finite") : bad("polygon.points", "a polygon without points")),
    text: () => strings("text.utf8"), tag: () => strings("tag.value"), json: () => value("json.value"), list: () => value("list.value"),
  };
  const kind = htype.startsWith("link[") ? "link" : htype;
  return Object.hasOwn(RULES, kind) ? RULES[kind]() : undefined;
}
