// The encoders of array codecs, for the writer. Each gives bytes, or null when the unit does not fit it.
import {allocate, equal, view} from "./bytes.js";
import {Tagged} from "./columns.js";
import {CODECS, decode, lsb} from "./codecs.js";
import {DTYPES, half} from "./dtypes.js";
import {Real} from "./json.js";

// A codec as it stands in an index: parameters in the order of chapter 7, numbers with a fraction as floats.
export const codecMap = (c) => new Map(["name", ...Object.keys(CODECS[c.name]?.params ?? {}), ...Object.keys(c)].filter((k) => k in c)
  .map((k) => [k, c[k] instanceof Real ? new Tagged("float", Number(c[k])) : c[k]]));

// One LZ4 block: greedy, with the ends that the block format asks for (5 last literals, 12 bytes after the last match's start).
export function lz4Encode(bytes) {
  const out = [], table = new Int32Array(1 << 14).fill(-1), end = bytes.length;
  let anchor = 0;
  const extra = (v) => {
    for (v -= 15; v >= 0; v -= 255) out.push(Math.min(v, 255));
  };
  const sequence = (to, match, back) => {
    const literals = to - anchor;
    out.push((Math.min(literals, 15) << 4) | (match ? Math.min(match - 4, 15) : 0));
    extra(literals);
    for (let j = anchor; j < to; j++) out.push(bytes[j]);
    if (!match) return;
    out.push(back & 255, back >> 8);
    extra(match - 4);
    anchor = to + match;
  };
  for (let i = 0; i + 12 < end; i++) {
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24), slot = Math.imul(word, 2654435761) >>> 18;
    const at = table[slot];
    table[slot] = i;
    if (at < 0 || i - at > 65535 || lsb(bytes, at, 4) !== word >>> 0) continue;
    let n = 4;
    while (i + n < end - 5 && bytes[at + n] === bytes[i + n]) n++;
    sequence(i, n, i - at);
    i = anchor - 1;
  }
  sequence(end, 0, 0);
  return Uint8Array.from(out);
}

async function deflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function narrow(x, {size, width, signed = false}) {
  const n = Math.floor(x.length / size), v = new Array(n), bits = BigInt(8 * size);
  for (let i = 0; i < n; i++) {
    let u = 0n;
    for (let b = size - 1; b >= 0; b--) u = (u << 8n) | BigInt(x[i * size + b]);
    v[i] = signed ? BigInt.asIntN(Number(bits), u) : u;
  }
  const least = v.reduce((a, b) => (b < a ? b : a), v[0] ?? 0n), out = allocate(16 + n * width + (x.length % size));
  out.set([size, width, Number(signed)]);
  view(out).setBigUint64(8, BigInt.asUintN(64, least), true);
  for (let i = 0; i < n; i++) {
    let d = v[i] - least;
    for (let b = 0; b < width; b++, d >>= 8n) out[16 + i * width + b] = Number(d & 255n);
    if (d) return null;
  }
  out.set(x.subarray(n * size), 16 + n * width);
  return out;
}

// |a - b| <= e, without rounding in favour of yes.
function within(a, b, e) {
  const s = a - b, t = s - a, rest = a - (s - t) + (-b - t);
  return Math.abs(s) < e || (Math.abs(s) === e && rest === 0);
}

// The largest number of 20 significant bits that is at most v.
function twenty(v) {
  let s = Math.min(v, 2 ** 990), scale = 1;
  while (s >= 2 ** 20) (s /= 2), (scale *= 2);
  while (s < 2 ** 19 && scale > 2 ** -1074) (s *= 2), (scale /= 2);
  return Math.floor(s) * scale;
}

function quantize(x, params) {
  const {dtype, max_abs_error: bound} = params, type = DTYPES[dtype], b = type.size, n = x.length / b, d = view(x);
  const round = {2: (v) => type.get(view(Uint8Array.of(half(v) & 255, half(v) >> 8)), 0), 4: Math.fround, 8: (v) => v}[b];
  const put = (mode, width, drop, lo, step, codes, special) => {
    const raw = codes.flatMap((c, i) => (c === special ? [...x.subarray(i * b, i * b + b)] : [])), out = allocate(32 + n * width + raw.length), o = view(out);
    out.set([mode, width, drop, 0]);
    o.setUint32(4, raw.length / b, true), o.setFloat64(8, lo, true), o.setFloat64(16, step, true);
    codes.forEach((c, i) => {
      for (let j = 0; j < width; j++, c = Math.floor(c / 256)) out[32 + i * width + j] = c % 256;
    });
    out.set(raw, 32 + n * width);
    return out.length < x.length ? out : null;
  };
  const v = Array.from({length: n}, (_, i) => type.get(d, i * b)), finite = v.filter(Number.isFinite);
  if (bound !== undefined) {
    const lo = finite.reduce((a, c) => Math.min(a, c), finite[0] ?? 0), top = finite.reduce((a, c) => Math.max(a, c), lo), step = twenty(2 * bound) || 2 ** -1074;
    const most = Math.round((top - lo) / step) + 1, width = [1, 2, 4].find((w) => most < 256 ** w);
    if (!width) return null;
    const codes = v.map((a) => {
      const c = Math.round((a - lo) / step) + 1;
      return c >= 1 && c < 256 ** width && within(round(lo + (c - 1) * step), a, bound) ? c : 0;
    });
    return put(1, width, 0, lo, step, codes, 0);
  }
  const mantissa = {2: 10, 4: 23, 8: 52}[b], drop = Math.min(mantissa, Math.max(0, Math.floor(Math.log2(params.max_rel_error)) + 1 + mantissa));
  const width = [1, 2, 4].find((w) => drop >= 8 * b - 8 * w);
  if (!width) return null;
  const special = 256 ** width - 1, unit = 1n << BigInt(drop);
  const codes = v.map((a, i) => {
    const bits = [...x.subarray(i * b, i * b + b)].reduceRight((m, byte) => (m << 8n) | BigInt(byte), 0n), rest = bits % unit;
    let c = bits / unit;
    if (2n * rest > unit || (2n * rest === unit && c & 1n)) c++;
    if (!Number.isFinite(a) || Number(c) >= Math.min(special, 2 ** (8 * b - drop))) return special;
    const back = view(new Uint8Array(8));
    back.setBigUint64(0, c * unit, true);
    const y = type.get(back, 0);
    return y === a || Math.abs(y - a) < params.max_rel_error * Math.abs(a) * (1 - 2 ** -50) ? Number(c) : special;
  });
  return put(2, width, drop, 0, 0, codes, special);
}

const ENCODE = {
  lz4: lz4Encode, deflate, narrow, quantize,
  shuffle(x, {size}) {
    const n = Math.floor(x.length / size), out = x.slice();
    for (let b = 0; b < size; b++) for (let i = 0; i < n; i++) out[b * n + i] = x[i * size + b];
    return out;
  },
  bitshuffle(x, {size}) {
    const n = Math.floor(x.length / size), m = n - (n % 8), out = x.slice();
    out.fill(0, 0, m * size);
    for (let i = 0; i < m; i++) {
      for (let r = 0; r < 8 * size; r++) out[r * (m / 8) + (i >> 3)] |= ((x[i * size + (r >> 3)] >> (r & 7)) & 1) << (i & 7);
    }
    return out;
  },
  delta(x, {size, stride = 1}) {
    const out = x.slice(), n = Math.floor(x.length / size);
    for (let i = stride; i < n; i++) {
      for (let b = 0, borrow = 0; b < size; b++) {
        const diff = x[i * size + b] - x[(i - stride) * size + b] - borrow;
        out[i * size + b] = diff;
        borrow = diff < 0 ? 1 : 0;
      }
    }
    return out;
  },
};

export const encodes = (name) => Object.hasOwn(ENCODE, name);

// A unit's stored form [write.unit.raw]: the first pipeline that takes it, raw where that is no smaller.
export async function encodeUnit(pipelines, decoded) {
  for (const pipeline of decoded.length ? pipelines : []) {
    let x = decoded;
    for (const c of pipeline) {
      const params = Object.fromEntries([...c].map(([k, v]) => [k, v instanceof Tagged ? v.value : v]));
      if (x) x = await ENCODE[params.name](x, params);
    }
    if (!x) continue;
    if (x.length >= decoded.length || !pipeline.length) break;
    const exact = pipeline[0].get("name") !== "quantize", back = decode(pipeline, x, decoded.length, {object: null, offset: null});
    if (exact && !equal(back, decoded)) throw new Error("an encoder does not fit its decoder");
    return {stored: x, pipeline};
  }
  return {stored: decoded, pipeline: []};
}
