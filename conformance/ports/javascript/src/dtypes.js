// Elements: little-endian bytes to numbers and back. int64 and uint64 are BigInt, complex numbers two floats each.
import {words} from "./bytes.js";

// Decodes small floats of e exponent and m mantissa bits; `finite`: no infinities, one NaN (float8_e4m3fn).
const small = (e, m, finite = false) => (bits) => {
  const bias = 2 ** (e - 1) - 1, top = 2 ** e - 1;
  const sign = bits >>> (e + m) ? -1 : 1, exponent = (bits >>> m) & top, mantissa = bits & (2 ** m - 1);
  if (exponent === top && (finite ? mantissa === 2 ** m - 1 : mantissa)) return NaN;
  if (exponent === top && !finite) return sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - bias) * (1 + mantissa / 2 ** m) : 2 ** (1 - bias) * (mantissa / 2 ** m));
};

// The bits of the binary16 nearest to v, rounded once from binary64.
export function half(v) {
  const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0, a = Math.abs(v);
  if (Number.isNaN(v)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, (new Uint32Array(Float64Array.of(a).buffer)[1] >>> 20) - 1023);
  // Adding 2^52 leaves no bit for a fraction: the sum is rounded to nearest, ties to even.
  return sign | ((exponent + 14) * 1024 + (a / 2 ** (exponent - 10) + 2 ** 52 - 2 ** 52));
}

const type = (Words, kind, more = {}) => ({Words, kind, size: Words.BYTES_PER_ELEMENT, ...more});
export const DTYPES = {
  bool: type(Uint8Array, "bool"),
  int8: type(Int8Array, "int"), int16: type(Int16Array, "int"), int32: type(Int32Array, "int"),
  int64: type(BigInt64Array, "big"),
  uint8: type(Uint8Array, "int"), uint16: type(Uint16Array, "int"), uint32: type(Uint32Array, "int"),
  uint64: type(BigUint64Array, "big"),
  float16: type(Uint16Array, "float", {decode: small(5, 10), encode: half}),
  float32: type(Float32Array, "float"), float64: type(Float64Array, "float"),
  bfloat16: type(Uint16Array, "float", {decode: small(8, 7)}),
  float8_e4m3fn: type(Uint8Array, "float", {decode: small(4, 3, true)}),
  float8_e5m2: type(Uint8Array, "float", {decode: small(5, 2)}),
  complex64: type(Float32Array, "complex", {size: 8}), complex128: type(Float64Array, "complex", {size: 16}),
};
export const dtypeOf = (name) => (Object.hasOwn(DTYPES, name) ? DTYPES[name] : null);

// The elements of an item as numbers: an array of Number or BigInt (complex: real, imaginary, real, …).
export function numbers(dtype, bytes) {
  const {Words, decode = (v) => v} = DTYPES[dtype];
  return Array.from(words(bytes, Words), (v) => decode(v));
}

// The same values in another dtype, or null when one of them would change [dtype.convert].
export function convert(from, to, bytes) {
  const a = DTYPES[from], b = DTYPES[to];
  if (from === to) return bytes;
  if ([a, b].some((t) => t.kind === "bool" || t.kind === "complex") || (b.decode && !b.encode)) return null;
  const given = numbers(from, bytes), whole = b.kind !== "float";
  if (whole && given.some((v) => typeof v === "number" && (!Number.isInteger(v) || Object.is(v, -0)))) return null;
  const make = b.kind === "big" ? BigInt : b.encode ?? Number;
  const out = new Uint8Array(b.Words.from(given, (v) => make(whole ? v : Number(v))).buffer), back = numbers(to, out);
  return given.every((v, i) => (typeof v === typeof back[i] ? Object.is(v, back[i]) : v == back[i])) ? out : null;
}
