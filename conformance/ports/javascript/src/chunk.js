// A chunk's trailer and index (chapter 5), judged in the order of the spec; then where items, units and tiles lie.
import {fail} from "./errors.js";
import {crc32, equal, hex, view} from "./bytes.js";
import {Column, MAX, column, pack, unpack} from "./columns.js";
import {dtypeOf} from "./dtypes.js";
import {isMedia, judgePipelines, ordered} from "./codecs.js";

export const MIB = 1048576;
export const END = Uint8Array.of(0x8a, 0x4c, 0x42, 0x4b, 0x45, 0x4e, 0x44, 0x0a);
export const HEAD = Uint8Array.of(0x89, 0x4c, 0x42, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a, ...new Array(56).fill(0));
const MANY = 67108864;

// n * product of dims, refusing what passes 2^53-1; 0 when an axis is 0.
export function product(dims, n, object = null) {
  const out = dims.includes(0) ? 0 : dims.reduce((a, d) => a * d, n);
  return out <= MAX ? out : fail("E_INDEX_LIMIT", "chunk.index.limit", "a product of a shape passes 2^53-1", object);
}
export const tileGrid = (shape, tile) => shape.map((d, a) => Math.ceil(d / tile[a]));
// Where tile `g` of an item lies in it: {start, shape} per axis.
export function tileBox(shape, tile, g) {
  const grid = tileGrid(shape, tile), start = [];
  for (let a = shape.length - 1; a >= 0; a--) (start[a] = (g % grid[a]) * tile[a]), (g = Math.floor(g / grid[a]));
  return {start, shape: start.map((x, a) => Math.min(tile[a], shape[a] - x))};
}
// Entries of `crc` for so many stored bytes [unit.crc_entries].
export const spans = (stored) => Math.max(1, Math.ceil(stored / MIB));

// `bytes` are the index and the trailer of the chunk `row` names [algo.open_chunk].
export function openChunk(bytes, {payload: P, index: N}, object) {
  const trailer = bytes.subarray(N), d = view(trailer), features = d.getUint32(16, true), major = d.getUint16(12, true);
  const end = 64 + P + N, rule = (ok, code, clause, at, detail) =>
    ok || fail(code, `chunk.open.${clause}`, detail, object, end + at);
  rule(equal(trailer.subarray(32), END), "E_CHUNK_MAGIC", "magic", 32, "the last eight bytes are not the end magic");
  rule(d.getBigUint64(0, true) === BigInt(P), "E_CHUNK_SIZE", "size", 0, `the table says a payload of ${P} bytes`);
  rule(d.getUint32(8, true) === N, "E_CHUNK_SIZE", "size", 8, `the table says an index of ${N} bytes`);
  const whole = crc32(bytes.subarray(0, N + 28)) === d.getUint32(28, true);
  rule(whole, "E_CHUNK_CRC", "crc", 28, "index and trailer are not what was written");
  rule(d.getBigUint64(20, true) === 0n, "E_CHUNK_RESERVED", "zero", 20, "reserved bytes are not zero");
  rule(major === 1, "E_CHUNK_VERSION", "major", 12, `layout ${major}; known is 1`);
  const bits = [...Array(32).keys()].filter((i) => (features >>> i) & 1);
  rule(!features, "E_CHUNK_FEATURE", "features", 16, `feature bits ${bits} are not known`);
  return new Index(unpack(bytes.subarray(0, N), object, 64 + P), P, object, d.getUint16(14, true));
}

// The keys in their order: type; the value of an absent one, null where that differs from any value.
const isUint = (v) => typeof v === "number", isText = (v) => typeof v === "string";
const isColumn = (v) => isUint(v) || v.kind === "ext", list = (test) => (v) => Array.isArray(v) && v.every(test);
const KEYS = {
  tensor: [isText, ""], row: [isUint, 0], dtype: [isText], samples: [isUint], items: [isColumn, null],
  missing: [isColumn, 0], shape: [list(isColumn)], tile: [list(isUint), null], unit: [isColumn, 1],
  codecs: [(v) => Array.isArray(v) && v.length > 0, [[]]], codec: [isColumn, 0], stored: [isColumn, null],
  crc: [isColumn], seek: [() => true, null],
};
// Columns without values of their own; and how many of n entries must be looked at, for one may stand for all.
const alike = (...columns) => columns.every((c) => !c?.values);
const differing = (n, ...columns) => (alike(...columns) ? Math.min(n, 1) : n);

export class Index {
  constructor(map, P, object, minor) {
    const rule = (ok, code, clause, detail) => ok || fail(code, `chunk.index.${clause}`, detail, object, 64 + P);
    const keys = {};
    for (const [key, [test, absent]] of Object.entries(KEYS)) {
      rule(map.has(key) || absent !== undefined, "E_INDEX_FIELD", "required", `key ${key} is absent`);
      rule(!map.has(key) || test(map.get(key)), "E_INDEX_FIELD", key, `key ${key} has a wrong type`);
      keys[key] = map.has(key) ? map.get(key) : absent;
    }
    const {dtype, samples: S, tile, codecs} = keys, rank = keys.shape.length;
    const read = (key, n) => (keys[key] === null ? null : Column.read(keys[key], n, key, object));
    Object.assign(this, {map, P, object, minor, dtype, samples: S, rank, tile, pipelines: codecs});
    rule(S >= 1 && S <= MANY, "E_INDEX_LIMIT", "samples", `${S} samples`);
    rule(rank <= 32, "E_INDEX_LIMIT", "limit", `rank ${rank}`);
    this.itemsize = (dtypeOf(dtype) ?? fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`, object)).size;
    const missing = (this.missing = read("missing", S)), items = (this.items = read("items", S));
    rule(missing.every((m) => m <= 1), "E_INDEX_MISSING", "missing_value", "an entry of missing is neither 0 nor 1");
    for (let s = 0; items && s < differing(S, items, missing); s++) {
      rule(!missing.at(s) || !items.at(s), "E_INDEX_MISSING", "missing_value", "a missing sample has items");
    }
    const I = (this.I = items ? items.sum : S - missing.sum);
    rule(I <= MANY, "E_INDEX_LIMIT", "limit", `${I} items`);
    this.shape = keys.shape.map((c, a) => Column.read(c, I, `shape ${a}`, object));
    this.bytes = this.#perItem((shape) => product(shape, this.itemsize, object));
    rule(this.bytes.sum <= MAX, "E_INDEX_LIMIT", "limit", "the items pass 2^53-1 bytes");
    if (tile) this.#tiles(rule);
    else this.#units(keys.unit, rule);
    judgePipelines(codecs, dtype, object);
    this.codec = read("codec", this.U);
    rule(this.codec.every((p) => p < codecs.length), "E_INDEX_CODEC", "codec_range", "an entry names no pipeline");
    const media = codecs.map(isMedia), n = tile ? 0 : differing(this.U, this.codec, this.unit);
    for (let u = 0; media.includes(true) && u < n; u++) {
      if (!media[this.codec.at(u)] || this.unit.at(u) === 1) continue;
      fail("E_INDEX_UNIT", "unit.media", "a unit with a media codec holds not exactly one item", object, 64 + P);
    }
    this.stored = read("stored", this.U);
    this.#stored(rule);
    this.spans = this.#spans();
    this.crc = read("crc", this.spans.sum);
    rule(this.crc.every((x) => x < 2 ** 32), "E_INDEX_LIMIT", "crc", "an entry of crc is above 2^32-1");
  }
  #perItem(of) {
    const {I, shape, object} = this;
    if (alike(...shape)) return new Column(I, of(shape.map((c) => c.constant)), {object});
    return new Column(I, Float64Array.from({length: I}, (_, i) => of(this.itemShape(i))), {object});
  }
  #tiles(rule) {
    const {tile, rank, map} = this, fit = rank && tile.length === rank && tile.every((t) => t >= 1);
    rule(fit, "E_INDEX_TILE", "tile_fit", `tile [${tile}] of rank ${rank}`);
    rule(!map.has("unit"), "E_INDEX_TILE", "tile_fit", "unit stands beside tile");
    const count = (shape) => tileGrid(shape, tile).reduce((a, g) => Math.min(a * g, MAX), 1);
    this.tiles = this.#perItem((shape) => (shape.includes(0) ? 0 : count(shape)));
    this.U = this.tiles.sum;
    rule(this.U <= MANY, "E_INDEX_LIMIT", "tile_count", `${this.U} tiles`);
    this.tileBytes = tile.reduce((a, t) => a * t, this.itemsize);
    const few = this.tileBytes <= MIB || this.U <= 65536;
    rule(few, "E_INDEX_LIMIT", "tile_large", `${this.U} tiles of ${this.tileBytes} bytes`);
  }
  #units(k, rule) {
    const {I, bytes, object} = this;
    rule(k !== 0, "E_INDEX_UNIT", "unit_sum", "unit is 0");
    if (typeof k === "number") this.unit = new Column(Math.ceil(I / k), k, {total: I, object});
    else this.unit = Column.read(k, null, "unit", object);
    const {unit} = this, U = (this.U = unit.n), sum = (u) => bytes.sumTo(unit.sumTo(u));
    rule(U <= MANY, "E_INDEX_LIMIT", "limit", `${U} units`);
    rule(unit.every((n) => n >= 1) && unit.sum === I, "E_INDEX_UNIT", "unit_sum", `units do not add up to ${I} items`);
    if (alike(unit, bytes)) this.decoded = new Column(U, unit.constant * bytes.constant, {total: bytes.sum});
    else this.decoded = new Column(U, Float64Array.from({length: U}, (_, u) => sum(u + 1) - sum(u)));
  }
  #stored(rule) {
    const {U, I, P, codec, stored, tiles} = this, raw = this.pipelines.map((p) => p.length === 0);
    if (!stored) {
      rule(codec.every((p) => raw[p]), "E_INDEX_FIELD", "stored_needed", "stored is absent and some unit is not raw");
      rule(this.bytes.sum === P, "E_INDEX_STORED", "stored_sum", `units of ${this.bytes.sum} bytes, a payload of ${P}`);
      return;
    }
    rule(stored.sum === P, "E_INDEX_STORED", "stored_sum", `stored lengths sum to ${stored.sum}, the payload has ${P}`);
    if (!codec.values && !raw[codec.constant]) return;
    // All raw and of one length: as the sum is right, it is enough that the first unit of an item is, its longest.
    const one = alike(codec, stored), n = !one ? U : tiles ? differing(I, tiles) : differing(U, this.decoded);
    if (one) rule(this.bytes.sum === P, "E_INDEX_STORED", "stored_raw", "raw units are not as long as their items");
    for (let j = 0; j < n; j++) {
      const u = one && tiles ? tiles.sumTo(j) : j;
      if ((one && tiles && !tiles.at(j)) || !raw[codec.at(u)] || stored.at(u) === this.unitDecoded(u)) continue;
      rule(false, "E_INDEX_STORED", "stored_raw", `raw unit ${u} is not stored in its decoded length`);
    }
  }
  // The number of entries in `crc` for each unit.
  #spans() {
    const {U, stored, decoded} = this, lengths = stored ?? decoded;
    if (lengths ? lengths.values?.every((n) => n <= MIB) : this.tileBytes <= MIB) return new Column(U, 1);
    const of = (u) => spans(this.unitStored(u));
    if (!lengths || lengths.values) return new Column(U, Float64Array.from({length: U}, (_, u) => of(u)));
    const each = spans(lengths.constant);
    return new Column(U, each, {total: U && each * (U - 1) + of(U - 1)});
  }

  // [first item, number of items] of a sample, or null when it is missing.
  itemsOf(s) {
    if (this.missing.at(s)) return null;
    return this.items ? [this.items.sumTo(s), this.items.at(s)] : [s - this.missing.sumTo(s), 1];
  }
  itemShape(i) {
    return this.shape.map((c) => c.at(i));
  }
  // [first unit, number of units] that hold item i; every tile has bytes, and so at least one that is stored.
  unitsOf(i) {
    if (!this.tile) return [this.unit.find(i), 1];
    const n = this.tiles.at(i), detail = `${n} tiles in a payload of ${this.P} bytes`;
    return n <= this.P ? [this.tiles.sumTo(i), n] : fail("E_CODEC_DATA", "codec.plausible", detail, this.object, 64);
  }
  // Where item i begins in the decoded bytes of unit u.
  offsetIn(u, i) {
    return this.tile ? 0 : this.bytes.sumTo(i) - this.bytes.sumTo(this.unit.sumTo(u));
  }
  tileBox(u) {
    const i = this.tiles.find(u);
    return {item: i, ...tileBox(this.itemShape(i), this.tile, u - this.tiles.sumTo(i))};
  }
  unitDecoded(u) {
    return this.tile ? product(this.tileBox(u).shape, this.itemsize, this.object) : this.decoded.at(u);
  }
  unitStored(u) {
    return this.stored ? this.stored.at(u) : this.unitDecoded(u);
  }
  unitStart(u) {
    if (this.stored || !this.tile) return (this.stored ?? this.decoded).sumTo(u);
    // Tiles before this one in C order: on each axis a box of full rows, then of full columns of its row …
    const {item, start, shape} = this.tileBox(u), whole = this.itemShape(item);
    const before = start.map((x, a) => product([...shape.slice(0, a), x, ...whole.slice(a + 1)], this.itemsize));
    return before.reduce((a, b) => a + b, this.bytes.sumTo(item));
  }
  pipeline(u) {
    return this.pipelines[this.codec.at(u)];
  }
  // Holds the stored bytes of unit u against its checksums [unit.crc].
  verify(u, bytes) {
    const first = this.spans.sumTo(u);
    for (let j = 0; j < spans(bytes.length); j++) {
      if (crc32(bytes.subarray(j * MIB, (j + 1) * MIB)) === this.crc.at(first + j)) continue;
      const offset = 64 + this.unitStart(u) + j * MIB;
      fail("E_UNIT_CRC", "unit.crc", `unit ${u} is not what was written`, this.object, offset);
    }
  }
  // The index in its one encoding [index.canonical], with its seek entries in theirs.
  canonical(seek) {
    const due = makeIndex({tensor: "", row: 0, ...Object.fromEntries(this.map), ...this, seek});
    return pack(this.minor ? withUnknown(this.map, due, KEYS) : due);
  }
}

// `due` with the unknown keys of a map of a later minor in their places.
export function withUnknown(map, due, known) {
  const rest = [...due], entries = [...map].map((entry) => (Object.hasOwn(known, entry[0]) ? rest.shift() : entry));
  return new Map([...entries.filter(Boolean), ...rest]);
}

// The map of an index in canonical form, of columns (`pipelines`: what `codec` names).
export function makeIndex(parts) {
  const {tensor, row, dtype, samples, items, missing, shape, tile, unit, pipelines, codec, stored, crc} = parts;
  const map = new Map(), set = (key, value, absent) => value === absent || map.set(key, value);
  set("tensor", tensor, ""), set("row", row, 0), set("dtype", dtype), set("samples", samples);
  if (items) set("items", column(items));
  set("missing", column(missing), 0), set("shape", shape.map((c) => column(c)));
  if (tile) set("tile", tile);
  else {
    const k = unit.n ? unit.at(0) : 1, regular = (n, u) => n === k || (n < k && u === unit.n - 1);
    set("unit", unit.values?.every(regular) ?? true ? k : column(unit, true), 1);
  }
  // Pipelines in the order in which units first use them, each once.
  const texts = pipelines.map((p) => hex(pack(p))), first = new Map();
  const places = Array.from(codec.values ?? Array(Math.min(codec.n, 1)).fill(codec.constant), (p) => {
    if (!first.has(texts[p])) first.set(texts[p], {place: first.size, pipeline: pipelines[p].map(ordered)});
    return first.get(texts[p]).place;
  });
  const used = [...first.values()].map((f) => f.pipeline), coded = used.some((p) => p.length);
  if (coded) set("codecs", used), set("codec", column(places), 0), set("stored", column(stored));
  set("crc", column(crc)), set("seek", parts.seek);
  return map;
}
