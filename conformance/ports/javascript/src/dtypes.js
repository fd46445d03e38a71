// Elements: little-endian bytes to numbers and back. int64 and uint64 are BigInt, complex numbers two floats each.
import {view} from "./bytes.js";

// Elements that a DataView knows: `name` as in getInt32.
const known = (bits, name, kind, make) => ({size: bits / 8, kind, get: (d, i) => d[`get${name}${bits}`](i, true), set: (d, i, v) => d[`set${name}${bits}`](i, make(v), true)});
const whole = (bits, name) => (bits < 64 ? known(bits, name, "int", Number) : known(bits, `Big${name}`, "big", BigInt));
const ints = (bits) => whole(bits, "Int"), uints = (bits) => whole(bits, "Uint"), floats = (bits) => known(bits, "Float", "float", Number);

// A small float of e exponent and m mantissa bits; `finite`: no infinities, one NaN (float8_e4m3fn).
function small(e, m, finite = false) {
  const bias = 2 ** (e - 1) - 1, top = 2 ** e - 1, size = e + m > 7 ? 2 : 1;
  const get = (d, i) => {
    const bits = size === 2 ? d.getUint16(i, true) : d.getUint8(i);
    const sign = bits >>> (e + m) ? -1 : 1, exponent = (bits >>> m) & top, mantissa = bits & (2 ** m - 1);
    if (finite ? exponent === top && mantissa === 2 ** m - 1 : exponent === top && mantissa) return NaN;
    if (exponent === top && !finite) return sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - bias) * (1 + mantissa / 2 ** m) : 2 ** (1 - bias) * (mantissa / 2 ** m));
  };
  return {size, kind: "float", get, set: size === 2 && m === 10 ? (d, i, v) => d.setUint16(i, half(Number(v)), true) : null};
}

// The bits of the binary16 nearest to v, ties to even, rounded once from binary64.
export function half(v) {
  const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0, a = Math.abs(v);
  if (Number.isNaN(v)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(a || 2 ** -14)));
  for (const e of [exponent, exponent + 1, exponent - 1]) {
    const unit = 2 ** (Math.max(-14, e) - 10), q = a / unit;
    if (q >= 2048 || (q < 1024 && e > -14)) continue;
    const floor = Math.floor(q), rest = q - floor;
    const n = floor + (rest > 0.5 || (rest === 0.5 && floor % 2) ? 1 : 0);
    return sign | ((Math.max(-14, e) + 14) * 1024 + n);
  }
  return sign;
}

export const DTYPES = {
  bool: {...uints(8), kind: "bool"}, int8: ints(8), int16: ints(16), int32: ints(32), int64: ints(64),
  uint8: uints(8), uint16: uints(16), uint32: uints(32), uint64: uints(64),
  float16: small(5, 10), float32: floats(32), float64: floats(64), bfloat16: small(8, 7),
  float8_e4m3fn: small(4, 3, true), float8_e5m2: small(5, 2),
  complex64: {size: 8, kind: "complex", part: floats(32)}, complex128: {size: 16, kind: "complex", part: floats(64)},
};
export const dtypeOf = (name) => (Object.hasOwn(DTYPES, name) ? DTYPES[name] : null);

// The elements of an item as numbers: an array of Number or BigInt (complex: real, imaginary, real, …).
export function numbers(dtype, bytes) {
  const t = DTYPES[dtype].part ?? DTYPES[dtype], d = view(bytes), out = new Array(bytes.length / t.size);
  for (let i = 0; i < out.length; i++) out[i] = t.get(d, i * t.size);
  return out;
}

// The same values in another dtype, or null when one of them would change [dtype.convert].
export function convert(from, to, bytes) {
  const a = DTYPES[from], b = DTYPES[to];
  if (from === to) return bytes;
  if (!a.get || !b.set || a.kind === "bool" || b.kind === "bool") return null;
  const given = numbers(from, bytes), out = new Uint8Array(given.length * b.size), d = view(out);
  for (let i = 0; i < given.length; i++) {
    const v = given[i];
    if (b.kind !== "float" && typeof v === "number" && (!Number.isInteger(v) || Object.is(v, -0))) return null;
    b.set(d, i * b.size, v);
    const back = b.get(d, i * b.size);
    if (typeof v === typeof back ? !Object.is(v, back) : v != back) return null;
  }
  return out;
}
