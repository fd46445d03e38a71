// Columns [column.form] and the closed subset of MessagePack in which a chunk's index is written.
import {LakebedError, fail} from "./errors.js";
import {concat, text, utf8, view} from "./bytes.js";

export const MAX = Number.MAX_SAFE_INTEGER;

export class Ext {
  constructor(width, bytes, offset) {
    Object.assign(this, {width, bytes, offset});
  }
}

// An integer in a signed form, or a float: known keys that want a uint refuse it [index.types].
export class Tagged {
  constructor(kind, value) {
    Object.assign(this, {kind, value});
  }
}

// n entries: `constant`, or `values` copied out of the index, whose bytes need not be aligned [column.unaligned].
export class Column {
  constructor(value, n, what, object) {
    this.n = n;
    this.constant = typeof value === "number" ? value : null;
    if (this.constant !== null) return;
    if (!(value instanceof Ext)) fail("E_INDEX_FIELD", "column.form", `${what} is no column`, object);
    const {width: w, bytes: b, offset} = value;
    if (b.length % w) fail("E_INDEX_COLUMN", "column.ext", `${what}: ${b.length} bytes of width ${w}`, object, offset);
    if (n === null) this.n = n = b.length / w;
    if (b.length !== n * w) fail("E_INDEX_COLUMN", "column.length", `${what} has ${b.length} bytes, not ${n} of ${w}`, object, offset);
    const d = view(b);
    this.width = w;
    this.values = new {1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: Float64Array}[w](n);
    for (let i = 0; i < n; i++) {
      if (w === 1) this.values[i] = b[i];
      else if (w === 2) this.values[i] = d.getUint16(2 * i, true);
      else if (w === 4) this.values[i] = d.getUint32(4 * i, true);
      else if (d.getUint32(8 * i + 4, true) > 0x1fffff) {
        fail("E_INDEX_LIMIT", "column.values", `${what}: entry ${i} is beyond 2^53-1`, object, offset);
      } else this.values[i] = d.getUint32(8 * i + 4, true) * 2 ** 32 + d.getUint32(8 * i, true);
    }
    this.what = what;
    this.object = object;
  }
  at(i) {
    return this.constant ?? this.values[i];
  }
  #sums() {
    if (this.prefix) return this.prefix;
    this.prefix = new Float64Array(this.n + 1);
    for (let i = 0; i < this.n; i++) {
      const sum = this.prefix[i] + this.values[i];
      if (sum > MAX) fail("E_INDEX_LIMIT", "column.sum", `${this.what}: the sum passes 2^53-1`, this.object);
      this.prefix[i + 1] = sum;
    }
    return this.prefix;
  }
  sumTo(i) {
    if (this.constant === null) return this.#sums()[i];
    if (this.constant * i > MAX) fail("E_INDEX_LIMIT", "column.sum", "the sum passes 2^53-1", this.object);
    return this.constant * i;
  }
  // The largest i < n with sumTo(i) <= x.
  find(x) {
    return this.constant !== null ? Math.floor(x / this.constant) : last(this.#sums(), x, this.n);
  }
  every(test) {
    return this.n === 0 || (this.constant !== null ? test(this.constant) : this.values.every(test));
  }
}

// The largest i < n with sums[i] <= x.
export function last(sums, x, n) {
  let lo = 0, hi = n;
  while (hi - lo > 1) {
    const mid = (lo + hi) >>> 1;
    if (sums[mid] <= x) lo = mid;
    else hi = mid;
  }
  return lo;
}

// Headers: what follows, the bytes of its number, and the least number that needs this header.
const HEADERS = new Map(Object.entries({uint: [[0xcc, 1, 0x80], [0xcd, 2, 0x100], [0xce, 4, 0x10000], [0xcf, 8, 2 ** 32]],
  map: [[0xde, 2, 16], [0xdf, 4, 0x10000]], array: [[0xdc, 2, 16], [0xdd, 4, 0x10000]], string: [[0xd9, 1, 32], [0xda, 2, 0x100], [0xdb, 4, 0x10000]],
  ext: [[0xc7, 1, 0], [0xc8, 2, 0x100], [0xc9, 4, 0x10000]]}).flatMap(([kind, rows]) => rows.map(([byte, width, least]) => [byte, {kind, width, least}])));

// The value in `bytes`, which lie at `base` of `object`. `odd(offset)` hears of headers that are not the shortest.
export function unpack(bytes, object = null, base = 0, odd = () => {}) {
  const d = view(bytes);
  let i = 0;
  const bad = (clause, detail, at = i) => {
    throw new LakebedError(clause === "index.integers" || clause === "index.finite" ? "E_INDEX_LIMIT" : "E_INDEX_SYNTAX",
      clause, detail, object, base + at);
  };
  const uint = (n) => {
    if (i + n > bytes.length) bad("index.end", "the index ends inside a value");
    const at = i;
    i += n;
    if (n < 8) return n === 1 ? d.getUint8(at) : n === 2 ? d.getUint16(at) : d.getUint32(at);
    if (d.getUint32(at) > 0x1fffff) bad("index.integers", "an integer is beyond 2^53-1", at);
    return d.getUint32(at) * 2 ** 32 + d.getUint32(at + 4);
  };
  const take = (n) => {
    if (n > bytes.length - i) bad("index.counts", `${n} bytes are said to follow, ${bytes.length - i} do`);
    return bytes.subarray(i, (i += n));
  };
  const string = (n) => {
    const at = i;
    return text(take(n)) ?? bad("index.utf8", "a string is not UTF-8", at);
  };
  const ext = (n) => {
    const at = i - 1, width = uint(1);
    if (![1, 2, 4, 8].includes(width)) bad("index.ext", `an ext of type ${width}`, at);
    return new Ext(width, take(n), base + i - n);
  };
  const many = (n, each, depth) => {
    if (depth > 8) bad("index.depth", "nested deeper than 8");
    if (n > 4096) bad("index.entries", `${n} entries`);
    if (n * each > bytes.length - i) bad("index.counts", `${n} entries cannot lie in ${bytes.length - i} bytes`);
  };
  const array = (n, depth) => {
    many(n, 1, depth);
    return Array.from({length: n}, () => value(depth + 1));
  };
  const map = (n, depth) => {
    many(n, 2, depth);
    const out = new Map();
    while (n--) {
      const at = i, key = value(depth + 1);
      if (typeof key !== "string") bad("index.keys", "a key is not a string", at);
      if (out.has(key)) bad("index.duplicate", `key ${JSON.stringify(key)} stands twice`, at);
      out.set(key, value(depth + 1));
    }
    return out;
  };
  const READ = {uint: (n) => n, map, array, string, ext};

  function value(depth) {
    const at = i, b = uint(1), header = HEADERS.get(b);
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 15, depth);
    if (b < 0xa0) return array(b & 15, depth);
    if (b < 0xc0) return string(b & 31);
    if (b >= 0xe0) return new Tagged("int", b - 256);
    if (b >= 0xd4 && b <= 0xd8) return ext(1 << (b - 0xd4));
    if (header) {
      const n = uint(header.width);
      if (n < header.least || (header.kind === "ext" && [1, 2, 4, 8, 16].includes(n))) odd(base + at);
      return READ[header.kind](n, depth);
    }
    switch (b) {
      case 0xc2: case 0xc3: return b === 0xc3;
      case 0xcb: {
        take(8);
        const v = d.getFloat64(at + 1);
        return Number.isFinite(v) ? new Tagged("float", v) : bad("index.finite", "a float is not finite", at);
      }
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
        const w = b - 0xd0;
        take(1 << w);
        const v = [() => d.getInt8(at + 1), () => d.getInt16(at + 1), () => d.getInt32(at + 1), () => Number(d.getBigInt64(at + 1))][w]();
        if (!Number.isSafeInteger(v)) bad("index.integers", "an integer is beyond 2^53-1", at);
        if (v >= [-32, -0x80, -0x8000, -(2 ** 31)][w]) odd(base + at);
        return new Tagged("int", v);
      }
      default: return bad("index.types", `byte ${b.toString(16)} begins no value of the subset`, at);
    }
  }

  const out = value(1);
  if (!(out instanceof Map)) bad("index.map", "the outer value is no map", 0);
  if (i < bytes.length) bad("index.end", `${bytes.length - i} bytes follow the map`);
  return out;
}

const big = (n, v) => Uint8Array.from({length: n}, (_, i) => Math.floor(v / 2 ** (8 * (n - 1 - i))) % 256);
// The shortest header: number n up to `most` in the byte `small`.
function headed(kind, n, small = 0, most = -1) {
  if (n <= most) return [small | n];
  const [byte, {width}] = [...HEADERS].find(([, h]) => h.kind === kind && n < 256 ** h.width);
  return [byte, ...big(width, n)];
}

// The canonical MessagePack of a value [index.shortest].
export function pack(v) {
  if (v instanceof Tagged) {
    if (v.kind !== "float") return fail("E_ARGUMENT", "index.shortest", "negative integers are not written by this port");
    const out = new Uint8Array(9);
    out[0] = 0xcb;
    view(out).setFloat64(1, v.value);
    return out;
  }
  if (v === true || v === false) return Uint8Array.of(v ? 0xc3 : 0xc2);
  if (typeof v === "number") return Uint8Array.from(headed("uint", v, 0, 127));
  if (typeof v === "string") return concat([headed("string", utf8(v).length, 0xa0, 31), utf8(v)]);
  if (Array.isArray(v)) return concat([headed("array", v.length, 0x90, 15), ...v.map(pack)]);
  if (v instanceof Map) return concat([headed("map", v.size, 0x80, 15), ...[...v].flatMap(([k, x]) => [pack(k), pack(x)])]);
  const n = v.bytes.length, short = [1, 2, 4, 8, 16].indexOf(n);
  return concat([short >= 0 ? [0xd4 + short] : headed("ext", n), [v.width], v.bytes]);
}

// The canonical column of `entries` [column.canonical]: a number or an Ext. `always`: an ext even when all are equal.
export function column(entries, always = false) {
  const top = entries.reduce((a, b) => Math.max(a, b), 0);
  if (!always && entries.every((x) => x === entries[0])) return entries[0] ?? 0;
  const w = top < 256 ? 1 : top < 65536 ? 2 : top < 2 ** 32 ? 4 : 8;
  const bytes = new Uint8Array(entries.length * w);
  entries.forEach((x, i) => {
    for (let j = 0; j < w; j++, x = Math.floor(x / 256)) bytes[i * w + j] = x % 256;
  });
  return new Ext(w, bytes, null);
}
