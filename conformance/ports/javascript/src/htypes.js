// What samples mean (chapter 8): does a tensor fit its htype, does an item keep its rules.
import {LakebedError} from "./errors.js";
import {text} from "./bytes.js";
import {parse, plain} from "./json.js";

const INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];
const FLOATS = ["float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"];
const PIXELS = ["uint8", "uint16"], UINTS = INTS.slice(4), n = null;
const of = (dtypes, shapes, more = {}) => ({dtypes, shapes, exact: true, ...more});
const HTYPES = {
  image: of(PIXELS, [[n, n, n], [n, n]], {exact: false}), "image.rgb": of(PIXELS, [[n, n, 3]], {exact: false}),
  "image.gray": of(PIXELS, [[n, n], [n, n, 1]], {exact: false}), class_label: of(INTS, [[], [n]]), bbox: of([...FLOATS, ...INTS], [[n, 4]]),
  binary_mask: of(["bool"], [[n, n], [n, n, n]]), segment_mask: of(UINTS, [[n, n], [n, n, n]]), keypoints: of(["float32", "int32"], [[n, n, 3]]),
  point: of([...FLOATS, ...INTS], [[n, 2], [n, 3]]), polygon: of([...FLOATS, ...INTS], [[n, 2], [n, 3]], {sequence: true}),
  embedding: of(FLOATS, [[n]], {exact: false}), text: of(["uint8"], [[n]]), json: of(["uint8"], [[n]]),
  list: of(["uint8"], [[n]], {sequence: true}), tag: of(["uint8"], [[n]], {sequence: true}),
};
const row = (htype) => (Object.hasOwn(HTYPES, htype) ? HTYPES[htype] : null);
export const isKnown = (htype) => htype === "generic" || row(htype) !== null;
export const isExact = (htype) => row(htype)?.exact ?? false;

const distinct = (v) => Array.isArray(v) && v.every((x) => typeof x === "string") && new Set(v).size === v.length;
const isPairs = (v, k) => Array.isArray(v) && v.every((p) => Array.isArray(p) && p.length === 2 && p.every((i) => Number.isInteger(i) && i >= 0 && i < k));

// dtype, shape, sequence and attributes against the row [htype.fits].
export function fits(tensor, object, report) {
  const {htype, dtype, shape, sequence} = tensor, known = row(htype), a = plain(tensor.attributes);
  const bad = (clause, detail) => report(new LakebedError("E_TENSOR_FIELD", clause, `tensor ${tensor.name}: ${detail}`, object));
  if (!known) return;
  if (!known.dtypes.includes(dtype)) bad("htype.fits", `${htype} of dtype ${dtype}`);
  const fit = (s) => s.length === shape.length && s.every((d, i) => d === null || d === shape[i]);
  if (!known.shapes.some(fit)) bad("htype.fits", `${htype} of shape [${shape}]`);
  if (known.sequence && !sequence) bad("htype.sequence", `${htype} is no sequence`);
  if (["class_label", "segment_mask"].includes(htype) && "class_names" in a && !distinct(a.class_names)) bad(`htype.${htype}.names`, "class_names");
  if (htype === "bbox" && "coords" in a) {
    const {type = "pixel", mode = "LTWH"} = a.coords ?? {};
    if (a.coords === null || typeof a.coords !== "object" || Array.isArray(a.coords) || !["pixel", "fractional"].includes(type) || !["LTRB", "LTWH", "CCWH"].includes(mode)) {
      bad("htype.bbox.coords", "coords");
    }
  }
  if (htype !== "keypoints") return;
  if ("keypoints" in a && !distinct(a.keypoints)) bad("htype.keypoints.names", "keypoints");
  if ("connections" in a && !isPairs(a.connections, Array.isArray(a.keypoints) ? a.keypoints.length : Infinity)) bad("htype.keypoints.names", "connections");
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
      if (bytes[0] === 0xef && bytes[1] === 0xbb) bad(clause, "a byte order mark", "E_VALUE_TEXT");
      parse(bytes, null, false);
    } catch (e) {
      if (!(e instanceof LakebedError)) throw e;
      bad(clause, e.detail, "E_VALUE_TEXT");
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
    point: () => finite(item.numbers(), "point.finite"),
    polygon: () => (shape[0] ? finite(item.numbers(), "polygon.finite") : bad("polygon.points", "a polygon without points")),
    text: () => strings("text.utf8"), tag: () => strings("tag.value"), json: () => value("json.value"), list: () => value("list.value"),
  };
  return Object.hasOwn(RULES, htype) ? RULES[htype]() : undefined;
}
