// Pipelines and the decoders of array codecs of chapter 7, each with a hard limit.
import {fail} from "./errors.js";
import {allocate, view} from "./bytes.js";
import {Tagged} from "./columns.js";
import {DTYPES, half} from "./dtypes.js";
import {inflate} from "./inflate.js";

const LEVEL = (lo, hi) => ({level: {type: "integer", min: lo, max: hi}});
const SIZE = {size: {type: "integer", choices: [1, 2, 4, 8], required: true}};
const BYTES = {size: {type: "integer", min: 1, max: 255, required: true}};
const media = (params) => ({kind: "media", params});
// name -> kind, and parameters in the order of chapter 7.
export const CODECS = {
  lz4: {kind: "bytes", params: LEVEL(0, 12), ratio: 255}, zstd: {kind: "bytes", params: LEVEL(1, 22), ratio: 32768},
  deflate: {kind: "bytes", params: LEVEL(0, 9), ratio: 1032},
  shuffle: {kind: "filter", params: BYTES}, bitshuffle: {kind: "filter", params: BYTES},
  delta: {kind: "filter", params: {...SIZE, stride: {type: "integer", min: 1, max: 2 ** 32}}},
  narrow: {kind: "filter", params: {...SIZE, width: SIZE.size, signed: {type: "boolean"}}},
  quantize: {kind: "filter", params: {dtype: {type: "string", choices: ["float16", "float32", "float64"], required: true},
    max_abs_error: {type: "number", min: 5e-324, max: 1e308}, max_rel_error: {type: "number", min: 1e-15, max: 0.999}}},
  png: media(LEVEL(0, 9)), gif: media({}), bmp: media({bits: {type: "integer", choices: [1, 8, 24]}}),
  jpeg: media({quality: {type: "integer", min: 1, max: 100}, subsampling: {type: "string", choices: ["4:4:4", "4:2:2", "4:2:0"]}}),
  webp: media({lossless: {type: "boolean"}, quality: {type: "integer", min: 0, max: 100}}),
  tiff: media({compression: {type: "string", choices: ["none", "deflate", "lzw"]}}),
};
// Media codecs of which this port knows only that a unit holds a file; jxl_jpeg alone holds another than was given.
for (const name of ("dcm jpeg2000 avif jxl jxl_jpeg qoi hdr ppm sgi ico im xbm msp pcx dib tga mp4 mkv webm avi wav flac ogg opus nii nii.gz "
  + "las laz ply stl mp3").split(" ")) CODECS[name] = media({});
const row = (codec) => (Object.hasOwn(CODECS, codec.get("name")) ? CODECS[codec.get("name")] : null);
const param = (v) => (v instanceof Tagged ? v.value : v);

export const isMedia = (pipeline) => pipeline.some((c) => row(c)?.kind === "media");
export const inOrder = (pipeline) => pipeline.every((c) => {
  const keys = [...c.keys()], known = Object.keys(row(c)?.params ?? {});
  const places = keys.slice(1).map((k) => known.indexOf(k)).filter((i) => i >= 0);
  return keys[0] === "name" && places.every((p, i) => !i || p > places[i - 1]);
});

// A tensor's or chunk's pipelines: form [codec.pipeline], chain [codec.chain], parameters [codec.params].
export function judgePipelines(pipelines, dtype, object, input = false) {
  const form = (detail) => fail(input ? "E_ARGUMENT" : "E_INDEX_FIELD", "codec.pipeline", detail, object);
  const wrong = (clause, detail) => fail(input ? "E_ARGUMENT" : "E_INDEX_CODEC", clause, detail, object);
  const TYPES = {
    integer: (v) => typeof v === "number" || (v instanceof Tagged && v.kind === "int"), boolean: (v) => typeof v === "boolean",
    string: (v) => typeof v === "string", number: (v) => typeof v === "number" || v instanceof Tagged,
  };
  for (const p of pipelines) {
    if (!Array.isArray(p) || p.length > 8) form("a pipeline is no array of at most 8 codecs");
    for (const c of p) {
      if (!(c instanceof Map) || typeof c.get("name") !== "string") form("a codec is no map with a name");
      if (![...c.values()].every((v) => TYPES.boolean(v) || TYPES.string(v) || TYPES.number(v))) form("a parameter is of no known type");
    }
    const known = p.filter(row), kinds = known.map((c) => row(c).kind), names = known.map((c) => c.get("name"));
    if (kinds.includes("media") && known.length > 1) wrong("codec.chain", "a media codec does not stand alone");
    if (kinds.slice(0, -1).includes("bytes")) wrong("codec.chain", "a byte codec is not the last");
    if (names.lastIndexOf("quantize") > 0) wrong("codec.chain", "quantize does not stand first");
    if (names.includes("quantize") && names.includes("narrow")) wrong("codec.chain", "narrow stands beside quantize");
    for (const c of known) {
      const codec = c.get("name");
      for (const [key, rule] of Object.entries(row(c).params)) {
        const v = c.get(key), x = param(v);
        if (v === undefined) {
          if (rule.required) wrong("codec.params", `${codec} has no ${key}`);
        } else if (!TYPES[rule.type](v) || x < rule.min || x > rule.max || (rule.choices && !rule.choices.includes(x))) {
          wrong("codec.params", `${codec}: ${key} is ${x}`);
        }
      }
      if (codec !== "quantize") continue;
      if (c.has("max_abs_error") === c.has("max_rel_error")) wrong("codec.quantize.bound", "not exactly one bound");
      if (c.get("dtype") !== dtype) wrong("codec.quantize.place", `quantize of ${c.get("dtype")} for ${dtype}`);
    }
  }
}

export const lsb = (bytes, at, n) => {
  let v = 0;
  for (let j = n - 1; j >= 0; j--) v = v * 256 + bytes[at + j];
  return v;
};

function lz4(bytes, out, bad) {
  let i = 0, n = 0, start = -Infinity, end = -Infinity; // of the last match
  if (!out.length && (bytes.length !== 1 || bytes[0])) bad("no bytes are the block 00");
  const length = (v) => {
    if (v < 15) return v;
    for (let b = 255; b === 255; v += b) if ((b = bytes[i++]) === undefined) bad("a length ends too early");
    return v;
  };
  for (;;) {
    if (i >= bytes.length) bad("the block ends without its last sequence");
    const token = bytes[i++], literals = length(token >> 4);
    if (i + literals > bytes.length) bad("literals end too early");
    if (n + literals > out.length) bad(`more than ${out.length} bytes`);
    out.set(bytes.subarray(i, i + literals), n);
    (i += literals), (n += literals);
    if (i === bytes.length) {
      if (n - start < 12 || n - end < 5) bad("the last match lies too close to the end");
      return n;
    }
    const back = bytes[i] | (bytes[i + 1] << 8);
    if (i + 2 > bytes.length || back === 0 || back > n) bad(`an offset of ${back} at ${n}`);
    i += 2;
    const match = length(token & 15) + 4;
    if (n + match > out.length) bad(`more than ${out.length} bytes`);
    start = n;
    for (let j = 0; j < match; j++, n++) out[n] = out[n - back];
    end = n;
  }
}

const DECODE = {
  shuffle(x, {size}) {
    const n = Math.floor(x.length / size), out = allocate(x.length);
    for (let b = 0; b < size; b++) for (let i = 0; i < n; i++) out[i * size + b] = x[b * n + i];
    out.set(x.subarray(n * size), n * size);
    return out;
  },
  bitshuffle(x, {size}) {
    const n = Math.floor(x.length / size), m = n - (n % 8), eighth = m / 8, out = allocate(x.length);
    for (let r = 0; r < 8 * size; r++) {
      const b = r >> 3, bit = 1 << (r & 7);
      for (let j = 0; j < eighth; j++) {
        const v = x[r * eighth + j];
        for (let i = 0; v >> i; i++) if ((v >> i) & 1) out[(8 * j + i) * size + b] |= bit;
      }
    }
    out.set(x.subarray(m * size), m * size);
    return out;
  },
  delta(x, {size, stride = 1}) {
    const out = x.slice(), n = Math.floor(x.length / size);
    for (let i = stride; i < n; i++) {
      for (let b = 0, carry = 0; b < size; b++) {
        const sum = out[i * size + b] + out[(i - stride) * size + b] + carry;
        out[i * size + b] = sum;
        carry = sum >> 8;
      }
    }
    return out;
  },
  narrow(x, {size, width, signed = false}, length, bad) {
    const n = Math.floor(length / size), out = allocate(length), d = view(x), name = `${signed ? "i" : "ui"}nt`;
    if (x.length !== 16 + n * width + (length % size)) bad("codec.narrow.length", `${x.length} bytes for ${n} elements`);
    if (x[0] !== size || x[1] !== width || x[2] !== Number(signed) || x.subarray(3, 8).some((b) => b)) bad("codec.narrow.head", "the head is not the pipeline's");
    const minimum = signed ? d.getBigInt64(8, true) : d.getBigUint64(8, true);
    const lo = signed ? -(1n << BigInt(8 * size - 1)) : 0n, hi = lo + (1n << BigInt(8 * size)) - 1n;
    if (minimum < lo || minimum > hi || (n === 0 && minimum !== 0n)) bad("codec.narrow.minimum", `${minimum} is no minimum of ${n} ${name}${8 * size}`);
    const o = view(out), width8 = width === 8, small = size < 8 && width < 8;
    for (let i = 0; i < n; i++) {
      if (small) {
        const v = lsb(x, 16 + i * width, width) + Number(minimum);
        if (v > Number(hi)) bad("codec.narrow.range", `element ${i} is ${v}`);
        for (let b = 0, u = v < 0 ? v + 2 ** (8 * size) : v; b < size; b++, u = Math.floor(u / 256)) out[i * size + b] = u % 256;
      } else {
        const v = (width8 ? d.getBigUint64(16 + i * 8, true) : BigInt(lsb(x, 16 + i * width, width))) + minimum;
        if (v > hi) bad("codec.narrow.range", `element ${i} is ${v}`);
        const u = BigInt.asUintN(8 * size, v);
        if (size === 8) o.setBigUint64(i * 8, u, true);
        else for (let b = 0; b < size; b++) out[i * size + b] = Number((u >> BigInt(8 * b)) & 255n);
      }
    }
    out.set(x.subarray(16 + n * width), n * size);
    return out;
  },
  quantize(x, {dtype, max_abs_error}, length, bad) {
    const b = DTYPES[dtype].size, n = length / b, linear = max_abs_error !== undefined;
    const head = (ok, clause, detail) => ok || bad(`codec.quantize.${clause}`, detail);
    head(x.length >= 32, "head", `${x.length} bytes`);
    const d = view(x), width = x[1], drop = x[2], e = d.getUint32(4, true), lo = d.getFloat64(8, true), step = d.getFloat64(16, true);
    head(x[0] === (linear ? 1 : 2), "mode", `mode ${x[0]}`);
    head([1, 2, 4].includes(width), "width", `width ${width}`);
    head(linear ? drop === 0 : drop >= 8 * b - 8 * width && drop <= {2: 10, 4: 23, 8: 52}[b], "drop", `drop ${drop}`);
    head(x[3] === 0, "zero", "byte 3 is not 0");
    head(e <= n, "exceptions", `${e} exceptions of ${n}`);
    if (linear) {
      head(Number.isFinite(lo), "lo", `lo ${lo}`);
      let s = step;
      head(Number.isFinite(step) && step > 0, "step", `step ${step}`);
      while (s >= 2 ** 20) s /= 2;
      while (s < 2 ** 19) s *= 2;
      head(Number.isInteger(s), "step", `step ${step} has more than 20 significant bits`);
    } else {
      head(d.getBigUint64(8, true) === 0n, "lo", "lo is not 0"), head(d.getBigUint64(16, true) === 0n, "step", "step is not 0");
    }
    head(x.subarray(24, 32).every((v) => v === 0), "pad", "bytes 24 to 31 are not 0");
    head(x.length === 32 + n * width + e * b, "length", `${x.length} bytes for ${n} codes of ${width} and ${e} exceptions`);
    const out = allocate(length), o = view(out), special = linear ? 0 : 2 ** (8 * width) - 1;
    let raw = 32 + n * width;
    for (let i = 0; i < n; i++) {
      const c = lsb(x, 32 + i * width, width);
      if (c === special) {
        head(raw < x.length, "exceptions", `more than ${e} exceptions`);
        out.set(x.subarray(raw, (raw += b)), i * b);
      } else if (linear) {
        const v = lo + (c - 1) * step;
        if (b === 8) o.setFloat64(i * 8, v, true);
        else if (b === 4) o.setFloat32(i * 4, v, true);
        else o.setUint16(i * 2, half(v), true);
      } else {
        head(c < 2 ** (8 * b - drop), "code", `code ${c}`);
        for (let j = 0, u = BigInt(c) << BigInt(drop); j < b; j++, u >>= 8n) out[i * b + j] = Number(u & 255n);
      }
    }
    head(raw === x.length, "exceptions", `fewer than ${e} exceptions`);
    return out;
  },
};
const DECODERS = {lz4, deflate: inflate};

// The decoded bytes of a unit of `length` decoded bytes [codec.length]. `where` is {object, offset} for errors.
export function decode(pipeline, bytes, length, where) {
  const bad = (clause, detail) => fail("E_CODEC_DATA", clause, detail, where.object, where.offset);
  const cannot = (clause, detail) => fail("E_CODEC_UNSUPPORTED", clause, detail, where.object, where.offset);
  const steps = pipeline.map((c) => {
    const codec = c.get("name"), known = row(c);
    if (!known || known.kind === "media" || (known.kind === "bytes" && !DECODERS[codec])) cannot("codec.unknown", `codec ${codec} is not in this port`);
    const params = {};
    for (const [k, v] of c) {
      if (k !== "name" && !Object.hasOwn(known.params, k)) cannot("codec.params.unknown", `${codec} with parameter ${k}`);
      params[k] = param(v);
    }
    return {codec, known, params};
  });
  // Lengths in encode order: what each step takes, and of a quantized stream the least and most it can have.
  let least = length, most = length;
  for (const s of steps) {
    s.length = least === most ? least : null;
    if (s.codec === "quantize") {
      const n = length / DTYPES[s.params.dtype].size;
      (least = 32 + n), (most = 32 + n * (4 + DTYPES[s.params.dtype].size));
    } else if (s.codec === "narrow") {
      least = most = 16 + Math.floor(least / s.params.size) * s.params.width + (least % s.params.size);
    }
  }
  let x = bytes;
  for (const {codec, known, params, length: due} of steps.reverse()) {
    if (known.kind === "bytes") {
      if (codec === "lz4" && most > 2113929216 && least === most) bad("codec.lz4.limit", `a decoded length of ${most}`);
      if (least > known.ratio * bytes.length) bad("codec.plausible", `${bytes.length} bytes cannot give ${least}`);
      const out = allocate(Math.min(most, known.ratio * bytes.length)), tell = (detail) => bad(CLAUSE[codec], detail);
      const n = DECODERS[codec](bytes, out, tell);
      if (n < least) bad("codec.whole", `${n} bytes, ${least} are due`);
      x = out.subarray(0, n);
      continue;
    }
    if (x === bytes && (x.length < least || x.length > most)) bad("codec.length", `${x.length} bytes, ${least} are due`);
    x = DECODE[codec](x, params, due ?? x.length, bad);
  }
  return x.length === length ? x : bad("codec.length", `${x.length} bytes, ${length} are due`);
}
const CLAUSE = {lz4: "codec.lz4.block", deflate: "codec.deflate.stream"};
