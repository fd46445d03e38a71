import {fail} from "./errors.js";

const TABLE = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// CRC-32 [column.crc32]; `before` continues an earlier result.
export function crc32(bytes, before = 0) {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

// Lower-case hexadecimal SHA-256, or null where the platform has none (a browser page without TLS).
export async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  return subtle ? hex(new Uint8Array(await subtle.digest("SHA-256", bytes))) : null;
}

export const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
export const utf8 = (text) => new TextEncoder().encode(text);
export const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

// Whole words as a typed array: a copy, for they may lie at any offset. Hosts of JavaScript are little-endian.
export const WORDS = {1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array};
export function words(bytes, Words, n = Math.floor(bytes.length / Words.BYTES_PER_ELEMENT)) {
  return new Words(bytes.slice(0, n * Words.BYTES_PER_ELEMENT).buffer);
}

// The string, or null when the bytes are not UTF-8; a byte order mark stays.
export function text(bytes) {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch {
    return null;
  }
}

export function allocate(length) {
  try {
    return new Uint8Array(length);
  } catch {
    return fail("E_SAMPLE_LIMIT", "safety.unsupported", `no array of this platform holds ${length} bytes`);
  }
}

export function concat(parts) {
  const out = allocate(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) out.set(p, at), (at += p.length);
  return out;
}
