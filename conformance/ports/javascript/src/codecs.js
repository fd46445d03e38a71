// Pipelines and the decoders of array codecs of chapter 7, each with a hard limit.
import {fail} from "./errors.js";
import {WORDS, allocate, view, words} from "./bytes.js";
import {DTYPES} from "./dtypes.js";
import {inflate, lz4} from "./inflate.js";

// Rules of parameters, held against the value as it stands in an index.
const plain = (v) => (v?.kind ? v.value : v);
const within = (v, lo, hi) => typeof plain(v) === "number" && plain(v) >= lo && plain(v) <= hi;
const number = (lo, hi) => (v) => within(v, lo, hi);
const int = (lo, hi) => (v) => within(v, lo, hi) && v.kind !== "float";
const one = (...choices) => (v) => choices.includes(v);
const WIDTH = one(1, 2, 4, 8), FLAG = one(true, false), LEVEL = (lo, hi) => ({level: int(lo, hi)});
// Per codec: kind, parameters in the order of chapter 7, those without default, and how to decode.
const byte = (params, ratio, decode) => ({kind: "bytes", params, ratio, decode});
const filter = (params, needs, decode) => ({kind: "filter", params, needs, decode});
const media = (params = {}) => ({kind: "media", params});

export const CODECS = {
  lz4: byte(LEVEL(0, 12), 255, lz4), zstd: byte(LEVEL(1, 22), 32768), deflate: byte(LEVEL(0, 9), 1032, inflate),
  shuffle: filter({size: int(1, 255)}, ["size"], (x, {size}) => {
    const n = Math.floor(x.length / size), out = x.slice();
    for (let b = 0; b < size; b++) for (let i = 0; i < n; i++) out[i * size + b] = x[b * n + i];
    return out;
  }),
  bitshuffle: filter({size: int(1, 255)}, ["size"], (x, {size}) => {
    const eighth = Math.floor(x.length / size / 8), out = x.slice().fill(0, 0, 8 * eighth * size);
    for (let r = 0; r < 8 * size; r++) {
      for (let j = 0; j < eighth; j++) {
        for (let i = 0, v = x[r * eighth + j]; v; i++, v >>= 1) {
          if (v & 1) out[(8 * j + i) * size + (r >> 3)] |= 1 << (r & 7);
        }
      }
    }
    return out;
  }),
  delta: filter({size: WIDTH, stride: int(1, 2 ** 32)}, ["size"], (x, {size, stride = 1}) => {
    const v = words(x, WORDS[size]), out = x.slice();
    for (let i = stride; i < v.length; i++) v[i] += v[i - stride];
    out.set(new Uint8Array(v.buffer));
    return out;
  }),
  narrow: filter({size: WIDTH, width: WIDTH, signed: FLAG}, ["size", "width"], narrow),
  quantize: filter({dtype: one("float16", "float32", "float64"), max_abs_error: number(5e-324, 1e308),
    max_rel_error: number(1e-15, 0.999)}, ["dtype"], quantize),
  // Of media codecs this port knows only that a unit holds a file; jxl_jpeg alone holds another than was given.
  png: media(LEVEL(0, 9)), bmp: media({bits: one(1, 8, 24)}), tiff: media({compression: one("none", "deflate", "lzw")}),
  jpeg: media({quality: int(1, 100), subsampling: one("4:4:4", "4:2:2", "4:2:0")}),
  webp: media({lossless: FLAG, quality: int(0, 100)}),
};
for (const name of ("gif dcm jpeg2000 avif jxl jxl_jpeg qoi hdr ppm sgi ico im xbm msp pcx dib tga mp4 mkv webm avi "
  + "wav flac ogg opus nii nii.gz las laz ply stl mp3").split(" ")) CODECS[name] = media();
export const codecOf = (c) => (Object.hasOwn(CODECS, c.get("name")) ? CODECS[c.get("name")] : null);
export const isMedia = (pipeline) => pipeline.some((c) => codecOf(c)?.kind === "media");

// A codec with its name first and its parameters in the order of chapter 7 [codec.params.order]; unknown ones stay.
export function ordered(c) {
  const params = Object.keys(codecOf(c)?.params ?? {}), known = params.filter((k) => c.has(k)).values();
  const keys = [...c.keys()].filter((k) => k !== "name").map((k) => (params.includes(k) ? known.next().value : k));
  return new Map(["name", ...keys].map((k) => [k, c.get(k)]));
}

// A tensor's or chunk's pipelines: form [codec.pipeline], chain [codec.chain], parameters [codec.params].
export function judgePipelines(pipelines, dtype, object, input = false) {
  const form = (ok, detail) => ok || fail(input ? "E_ARGUMENT" : "E_INDEX_FIELD", "codec.pipeline", detail, object);
  const rule = (ok, clause, detail) => ok || fail(input ? "E_ARGUMENT" : "E_INDEX_CODEC", clause, detail, object);
  const isParam = (v) => ["boolean", "string", "number"].includes(typeof v) || v.kind === "int" || v.kind === "float";
  for (const p of pipelines) {
    form(Array.isArray(p) && p.length <= 8, "a pipeline is no array of at most 8 codecs");
    form(p.every((c) => c instanceof Map && typeof c.get("name") === "string"), "a codec is no map with a name");
    form(p.every((c) => [...c.values()].every(isParam)), "a parameter is of no known type");
    const known = p.filter(codecOf), kinds = known.map((c) => codecOf(c).kind), names = known.map((c) => c.get("name"));
    rule(known.length < 2 || !kinds.includes("media"), "codec.chain", "a media codec does not stand alone");
    rule(!kinds.slice(0, -1).includes("bytes"), "codec.chain", "a byte codec is not the last");
    const clash = names.includes("quantize") && names.includes("narrow");
    rule(names.lastIndexOf("quantize") <= 0 && !clash, "codec.chain", "quantize stands first and without narrow");
    for (const c of known) {
      const {params, needs = []} = codecOf(c), codec = c.get("name");
      for (const [key, test] of Object.entries(params)) {
        const ok = c.has(key) ? test(c.get(key)) : !needs.includes(key);
        rule(ok, "codec.params", `${codec}: ${key} is ${plain(c.get(key))}`);
      }
      if (codec !== "quantize") continue;
      rule(c.has("max_abs_error") !== c.has("max_rel_error"), "codec.quantize.bound", "not exactly one bound");
      rule(c.get("dtype") === dtype, "codec.quantize.place", `quantize of ${c.get("dtype")} for ${dtype}`);
    }
  }
}

function narrow(x, {size, width, signed = false}, length, bad) {
  const n = Math.floor(length / size), d = view(x), head = [size, width, Number(signed), 0, 0, 0, 0, 0];
  if (x.length !== 16 + n * width + (length % size)) bad("narrow.length", `${x.length} bytes for ${n} elements`);
  if (head.some((b, i) => b !== x[i])) bad("narrow.head", "the head is not the pipeline's");
  const least = signed ? d.getBigInt64(8, true) : d.getBigUint64(8, true);
  const lo = signed ? -(1n << BigInt(8 * size - 1)) : 0n, hi = lo + (1n << BigInt(8 * size)) - 1n;
  if (least < lo || least > hi || (!n && least)) bad("narrow.minimum", `${least} is no minimum of ${n} elements`);
  // Sums of up to 32 bits are exact as Number; wider ones are BigInt.
  const exact = size < 8 && width < 8 ? Number : BigInt, out = allocate(length), result = new WORDS[size](n);
  words(x.subarray(16), WORDS[width], n).forEach((c, i) => {
    const v = exact(c) + exact(least);
    if (v > hi) bad("narrow.range", `element ${i} is ${v}`);
    result[i] = size < 8 ? Number(v) : v;
  });
  out.set(new Uint8Array(result.buffer));
  out.set(x.subarray(16 + n * width), n * size);
  return out;
}

// At most 20 significant bits?
function isShort(step) {
  while (step >= 2 ** 20) step /= 2;
  while (step < 2 ** 19) step *= 2;
  return Number.isInteger(step);
}

function quantize(x, {dtype, max_abs_error}, length, bad) {
  const {Words, size: b, encode = (v) => v} = DTYPES[dtype], n = length / b, linear = max_abs_error !== undefined;
  if (x.length < 32) bad("quantize.head", `${x.length} bytes`);
  const d = view(x), [mode, width, drop] = x, e = d.getUint32(4, true), lo = d.getFloat64(8, true);
  const step = d.getFloat64(16, true), zero = (from, to) => x.subarray(from, to).every((v) => v === 0);
  const HEAD = {
    mode: mode === (linear ? 1 : 2), width: [1, 2, 4].includes(width), zero: zero(3, 4), exceptions: e <= n,
    drop: linear ? drop === 0 : drop >= 8 * (b - width) && drop <= {2: 10, 4: 23, 8: 52}[b],
    lo: linear ? Number.isFinite(lo) : zero(8, 16), pad: zero(24, 32),
    step: linear ? Number.isFinite(step) && step > 0 && isShort(step) : zero(16, 24),
    length: x.length === 32 + n * width + e * b,
  };
  for (const [key, ok] of Object.entries(HEAD)) if (!ok) bad(`quantize.${key}`, `the head [${x.subarray(0, 32)}]`);
  const codes = words(x.subarray(32), WORDS[width], n), special = linear ? 0 : 2 ** (8 * width) - 1;
  const out = allocate(length), values = new (linear ? Words : WORDS[b])(out.buffer);
  const whole = b === 8 ? BigInt : Number, unit = whole(2 ** drop);
  let raw = 32 + n * width;
  codes.forEach((c, i) => {
    if (c === special && raw < x.length) out.set(x.subarray(raw, (raw += b)), i * b);
    else if (c === special) bad("quantize.exceptions", `more than ${e} exceptions`);
    else if (linear) values[i] = encode(lo + (c - 1) * step);
    else if (c >= 2 ** (8 * b - drop)) bad("quantize.code", `code ${c}`);
    else values[i] = whole(c) * unit;
  });
  if (raw < x.length) bad("quantize.exceptions", `fewer than ${e} exceptions`);
  return out;
}

// Refuses a pipeline that this port cannot decode [codec.unknown] [codec.params.unknown].
export function judgeKnown(pipeline, {object, offset}) {
  const rule = (ok, clause, detail) => ok || fail("E_CODEC_UNSUPPORTED", `codec.${clause}`, detail, object, offset);
  for (const c of pipeline) {
    const codec = codecOf(c), name = c.get("name");
    rule(codec?.decode, "unknown", `codec ${name} is not in this port`);
    const odd = [...c.keys()].find((k) => k !== "name" && !Object.hasOwn(codec.params, k));
    rule(odd === undefined, "params.unknown", `${name} with parameter ${odd}`);
  }
}

// The decoded bytes of a unit of `length` decoded bytes [codec.length]. `where` is {object, offset} for errors.
export async function decode(pipeline, bytes, length, where = {}) {
  const bad = (clause, detail) => fail("E_CODEC_DATA", `codec.${clause}`, detail, where.object, where.offset);
  judgeKnown(pipeline, where);
  // In encode order: what each step takes; after `quantize`, the least and most that it can be.
  let least = length, most = length;
  const steps = pipeline.map((c) => {
    const codec = codecOf(c), params = Object.fromEntries([...c].map(([k, v]) => [k, plain(v)]));
    const {name, size, dtype} = params;
    const step = {name, codec, params, least, most};
    if (name === "narrow") least = most = 16 + Math.floor(least / size) * params.width + (least % size);
    if (name === "quantize") {
      const b = DTYPES[dtype].size;
      least = 32 + length / b, most = 32 + (length / b) * (4 + b);
    }
    return step;
  });
  let x = bytes;
  const whole = !pipeline.length || steps.at(-1).codec.kind === "bytes";
  if (!whole && (x.length < least || x.length > most)) bad("length", `${x.length} bytes, ${least} are due`);
  for (const {name, codec, params, ...due} of steps.reverse()) {
    if (codec.kind === "filter") {
      x = codec.decode(x, params, due.least === due.most ? due.least : x.length, bad);
      continue;
    }
    if (name === "lz4" && due.least > 0x7e000000) bad("lz4.limit", `a decoded length of ${due.least}`);
    if (due.least > codec.ratio * x.length) bad("plausible", `${x.length} bytes cannot give ${due.least}`);
    x = await codec.decode(x, Math.min(due.most, codec.ratio * x.length), bad);
    if (x.length < due.least) bad("whole", `${x.length} bytes, ${due.least} are due`);
  }
  return x.length === length ? x : bad("length", `${x.length} bytes, ${length} are due`);
}
