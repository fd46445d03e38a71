// Columns [column.form] and the closed subset of MessagePack in which a chunk's index is written.
import {fail} from "./errors.js";
import {WORDS, concat, text, utf8, view, words} from "./bytes.js";

export const MAX = Number.MAX_SAFE_INTEGER;

// Values that are no uint, string, bool, array or map: a column, words of `width` that begin at `offset` …
export const ext = (width, bytes, offset = null) => ({kind: "ext", width, bytes, offset});
// … an integer in a signed form ("int") or a "float", which known keys that want a uint refuse [index.types].
export const tagged = (kind, value) => ({kind, value});

// The largest i < n with sums[i] <= x.
export function last(sums, x, n) {
  let lo = 0, hi = n;
  while (hi - lo > 1) {
    const mid = Math.floor((lo + hi) / 2);
    if (sums[mid] <= x) lo = mid;
    else hi = mid;
  }
  return lo;
}

// n numbers and their sums: `values`, or one number for all that is never expanded [column.constant]; with a `total`
// the last of n equal ones is what is left.
export class Column {
  constructor(n, entries, {total = Infinity, what = "lengths", object = null} = {}) {
    const constant = typeof entries === "number";
    Object.assign(this, {n, total, what, object});
    Object.assign(this, {constant: constant ? entries : null, values: constant ? null : entries});
  }
  // A column of an index; n null: as many as there are.
  static read(value, n, what, object) {
    if (typeof value === "number") return new Column(n, value, {what, object});
    if (value.kind !== "ext") fail("E_INDEX_FIELD", "column.form", `${what} is no column`, object);
    const {width, bytes, offset} = value, there = bytes.length / width;
    const bad = (code, clause, detail) => fail(code, clause, `${what} ${detail}`, object, offset);
    if (there % 1) bad("E_INDEX_COLUMN", "column.ext", `has ${bytes.length} bytes of width ${width}`);
    if (there !== (n ?? there)) bad("E_INDEX_COLUMN", "column.length", `has ${there} entries, not ${n}`);
    let values = words(bytes, WORDS[width]);
    if (width === 8) values = Float64Array.from(values, Number);
    if (values.some((v) => v > MAX)) bad("E_INDEX_LIMIT", "column.values", "has an entry beyond 2^53-1");
    return new Column(there, values, {what, object});
  }
  #limited(sum) {
    return sum <= MAX ? sum : fail("E_INDEX_LIMIT", "column.sum", `the sum of ${this.what} passes 2^53-1`, this.object);
  }
  #prefix() {
    if (this.sums) return this.sums;
    this.sums = new Float64Array(this.n + 1);
    for (let i = 0; i < this.n; i++) this.sums[i + 1] = this.#limited(this.sums[i] + this.values[i]);
    return this.sums;
  }
  at(i) {
    return this.values ? this.values[i] : Math.min(this.constant, this.total - this.constant * i);
  }
  sumTo(i) {
    return this.values ? this.#prefix()[i] : this.#limited(Math.min(this.constant * i, this.total));
  }
  get sum() {
    return this.sumTo(this.n);
  }
  // The largest i < n with sumTo(i) <= x.
  find(x) {
    return this.values ? last(this.#prefix(), x, this.n) : Math.floor(x / this.constant);
  }
  every(test) {
    return this.values ? this.values.every(test) : this.n === 0 || test(this.constant);
  }
}

// What the first byte of a value says: its kind and the value or length itself, or the width of what follows.
const FORMS = Array.from({length: 256}, () => ({}));
for (const [kind, first, ...values] of [["uint", 0, ...Array(128).keys()], ["map", 0x80, ...Array(16).keys()],
  ["array", 0x90, ...Array(16).keys()], ["string", 0xa0, ...Array(32).keys()], ["bool", 0xc2, false, true],
  ["ext", 0xd4, 1, 2, 4, 8, 16], ["int", 0xe0, ...Array.from({length: 32}, (_, i) => i - 32)]]) {
  values.forEach((value, i) => (FORMS[first + i] = {kind, value}));
}
for (const [kind, first, ...widths] of [["ext", 0xc7, 1, 2, 4], ["float", 0xcb, 8], ["uint", 0xcc, 1, 2, 4, 8],
  ["int", 0xd0, 1, 2, 4, 8], ["string", 0xd9, 1, 2, 4], ["array", 0xdc, 2, 4], ["map", 0xde, 2, 4]]) {
  widths.forEach((width, i) => (FORMS[first + i] = {kind, width}));
}
const NAMES = {uint: "Uint", int: "Int", float: "Float"};

// The map in `bytes`, which lie at `base` of `object`.
export function unpack(bytes, object = null, base = 0) {
  const d = view(bytes);
  let i = 0;
  const bad = (clause, detail, at = i, code = "E_INDEX_SYNTAX") => fail(code, clause, detail, object, base + at);
  const take = (n, clause = "index.counts") => {
    if (n > bytes.length - i) bad(clause, `${n} bytes are said to follow, ${bytes.length - i} do`);
    return (i += n) - n;
  };
  const number = (width, kind = "uint") => {
    const big = width === 8 && kind !== "float" ? "Big" : "", at = take(width, "index.end");
    const v = Number(d[`get${big}${NAMES[kind]}${8 * width}`](at));
    if (!Number.isFinite(v)) bad("index.finite", "a float is not finite", at, "E_INDEX_LIMIT");
    if (kind !== "float" && !Number.isSafeInteger(v)) bad("index.integers", `${v}`, at, "E_INDEX_LIMIT");
    return v;
  };
  const many = (n, each, depth) => {
    if (depth > 8) bad("index.depth", "nested deeper than 8");
    if (n > 4096) bad("index.entries", `${n} entries`);
    if (n * each > bytes.length - i) bad("index.counts", `${n} entries cannot lie in ${bytes.length - i} bytes`);
  };
  const READ = {
    uint: (n) => n, bool: (v) => v, int: (n) => tagged("int", n), float: (v) => tagged("float", v),
    string: (n) => text(bytes.subarray(take(n), i)) ?? bad("index.utf8", "a string is not UTF-8", i - n),
    ext(n) {
      const width = number(1), at = take(n);
      if (!WORDS[width]) bad("index.ext", `an ext of type ${width}`, at - 1);
      return ext(width, bytes.subarray(at, i), base + at);
    },
    array(n, depth) {
      many(n, 1, depth);
      return Array.from({length: n}, () => value(depth + 1));
    },
    map(n, depth) {
      many(n, 2, depth);
      const out = new Map();
      while (n--) {
        const at = i, key = value(depth + 1);
        if (typeof key !== "string") bad("index.keys", "a key is not a string", at);
        if (out.has(key)) bad("index.duplicate", `key ${JSON.stringify(key)} stands twice`, at);
        out.set(key, value(depth + 1));
      }
      return out;
    },
  };
  function value(depth) {
    const at = take(1, "index.end"), {kind, width, value: small} = FORMS[bytes[at]];
    if (!kind) bad("index.types", `byte ${bytes[at].toString(16)} begins no value of the subset`, at);
    return READ[kind](width ? number(width, NAMES[kind] ? kind : "uint") : small, depth);
  }
  const out = value(1);
  if (!(out instanceof Map)) bad("index.map", "the outer value is no map", 0);
  if (i < bytes.length) bad("index.end", `${bytes.length - i} bytes follow the map`);
  return out;
}

// The shortest header of n of a kind.
function header(kind, n) {
  const fits = (width) => width && (n < 0 ? n >= -(256 ** width) / 2 : n < 256 ** width);
  const small = FORMS.findIndex((f) => f.kind === kind && f.value === n);
  const first = small >= 0 ? small : FORMS.findIndex((f) => f.kind === kind && fits(f.width));
  const place = (j) => BigInt(8 * (FORMS[first].width - 1 - j));
  return [first, ...Array.from({length: FORMS[first].width ?? 0}, (_, j) => Number((BigInt(n) >> place(j)) & 255n))];
}

// The canonical MessagePack of a value [index.shortest].
export function pack(v) {
  if (v.kind === "float") return concat([[0xcb], new Uint8Array(Float64Array.of(v.value).buffer).reverse()]);
  if (v.kind === "int") return Uint8Array.from(header(v.value < 0 ? "int" : "uint", v.value));
  if (typeof v === "boolean") return Uint8Array.from(header("bool", v));
  if (typeof v === "number") return Uint8Array.from(header("uint", v));
  if (typeof v === "string") return concat([header("string", utf8(v).length), utf8(v)]);
  if (Array.isArray(v)) return concat([header("array", v.length), ...v.map(pack)]);
  if (v instanceof Map) return concat([header("map", v.size), ...[...v].flat().map(pack)]);
  return concat([header("ext", v.bytes.length), [v.width], v.bytes]);
}

// The canonical form of a column or its entries [column.canonical]: a number or an ext, which `always` asks for.
export function column(entries, always = false) {
  if (entries instanceof Column) return entries.values ? column(entries.values, always) : entries.n && entries.constant;
  if (!always && entries.every((x) => x === entries[0])) return entries[0] ?? 0;
  const top = entries.reduce((a, b) => Math.max(a, b), 0), width = [1, 2, 4, 8].find((w) => top < 256 ** w);
  return ext(width, new Uint8Array(WORDS[width].from(entries, width === 8 ? BigInt : Number).buffer));
}
