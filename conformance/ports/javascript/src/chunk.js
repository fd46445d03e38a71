// A chunk's trailer and index (chapter 5), judged in the order of the spec; then where items, units and tiles lie.
import {fail} from "./errors.js";
import {crc32, equal, view} from "./bytes.js";
import {Column, Ext, MAX, last, unpack} from "./columns.js";
import {dtypeOf} from "./dtypes.js";
import {inOrder, isMedia, judgePipelines} from "./codecs.js";

export const MIB = 1048576;
export const END = Uint8Array.of(0x8a, 0x4c, 0x42, 0x4b, 0x45, 0x4e, 0x44, 0x0a);
export const HEAD = Uint8Array.of(0x89, 0x4c, 0x42, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a, ...new Array(56).fill(0));
const MANY = 67108864;

// n * product of dims, refusing what passes 2^53-1; 0 when an axis is 0.
export function product(dims, n, object) {
  if (dims.includes(0)) return 0;
  for (const d of dims) if ((n *= d) > MAX) fail("E_INDEX_LIMIT", "chunk.index.limit", "a product of a shape passes 2^53-1", object);
  return n;
}
export const tileGrid = (shape, tile) => shape.map((d, a) => Math.ceil(d / tile[a]));
// Where tile `g` of an item lies in it: {start, shape} per axis.
export function tileBox(shape, tile, g) {
  const grid = tileGrid(shape, tile), start = [];
  for (let a = shape.length - 1; a >= 0; a--) (start[a] = (g % grid[a]) * tile[a]), (g = Math.floor(g / grid[a]));
  return {start, shape: start.map((x, a) => Math.min(tile[a], shape[a] - x))};
}
const spans = (stored) => Math.max(1, Math.ceil(stored / MIB));

// `bytes` are the index and the trailer of the chunk `row` names [algo.open_chunk].
export function openChunk(bytes, row, object, odd) {
  const {payload: P, index: N} = row, at = 64 + P + N, trailer = bytes.subarray(N), d = view(trailer);
  if (!equal(trailer.subarray(32), END)) fail("E_CHUNK_MAGIC", "chunk.open.magic", "the last eight bytes are not the end magic", object, at + 32);
  const p = d.getUint32(4, true) * 2 ** 32 + d.getUint32(0, true), n = d.getUint32(8, true);
  if (p !== P) fail("E_CHUNK_SIZE", "chunk.open.size", `the payload is ${p} bytes in the trailer, ${P} in the table`, object, at);
  if (n !== N) fail("E_CHUNK_SIZE", "chunk.open.size", `the index is ${n} bytes in the trailer, ${N} in the table`, object, at + 8);
  if (crc32(bytes.subarray(0, N + 28)) !== d.getUint32(28, true)) fail("E_CHUNK_CRC", "chunk.open.crc", "index and trailer are not what was written", object, at + 28);
  if (trailer.subarray(20, 28).some((b) => b)) fail("E_CHUNK_RESERVED", "chunk.open.zero", "reserved bytes are not zero", object, at + 20);
  if (d.getUint16(12, true) !== 1) fail("E_CHUNK_VERSION", "chunk.open.major", `layout ${d.getUint16(12, true)}; known is 1`, object, at + 12);
  const features = d.getUint32(16, true);
  if (features) {
    const bits = Array.from({length: 32}, (_, i) => i).filter((i) => (features >>> i) & 1);
    fail("E_CHUNK_FEATURE", "chunk.open.features", `feature bits ${bits.join(", ")} are not known`, object, at + 16);
  }
  const long = [], map = unpack(bytes.subarray(0, N), object, 64 + P, (offset) => long.push(offset));
  if (odd) long.forEach(odd);
  return new Index(map, P, object, d.getUint16(14, true));
}

export class Index {
  constructor(map, P, object, minor) {
    Object.assign(this, {map, P, object, minor});
    const bad = (code, clause, detail) => fail(code, `chunk.index.${clause}`, detail, object, 64 + P);
    const field = (key, test, fallback) => {
      const v = map.has(key) ? map.get(key) : fallback;
      if (v === undefined) bad("E_INDEX_FIELD", "required", `key ${key} is absent`);
      return test(v) ? v : bad("E_INDEX_FIELD", key, `key ${key} has a wrong type`);
    };
    const isUint = (v) => typeof v === "number", isText = (v) => typeof v === "string";
    const isColumn = (v) => isUint(v) || v instanceof Ext, isArray = (v) => Array.isArray(v);
    // Types of all keys.
    field("tensor", isText, "");
    field("row", isUint, 0);
    this.dtype = field("dtype", isText);
    const S = (this.samples = field("samples", isUint));
    const raw = {items: field("items", isColumn, 0), missing: field("missing", isColumn, 0), shape: field("shape", isArray), unit: field("unit", isColumn, 1),
      codec: field("codec", isColumn, 0), stored: field("stored", isColumn, 0), crc: field("crc", isColumn)};
    if (!raw.shape.every(isColumn)) bad("E_INDEX_FIELD", "shape", "an axis is no column");
    const tile = map.has("tile") ? field("tile", (v) => isArray(v) && v.every(isUint)) : null;
    this.pipelines = field("codecs", (v) => isArray(v) && v.length > 0, [[]]);
    // Limits, dtype.
    if (S < 1 || S > MANY) bad("E_INDEX_LIMIT", "samples", `${S} samples`);
    if (raw.shape.length > 32) bad("E_INDEX_LIMIT", "limit", `rank ${raw.shape.length}`);
    const type = dtypeOf(this.dtype) ?? fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${this.dtype}`, object);
    this.itemsize = type.size;
    // missing and items.
    this.missing = new Column(raw.missing, S, "missing", object);
    if (!this.missing.every((m) => m <= 1)) bad("E_INDEX_MISSING", "missing_value", "an entry of missing is neither 0 nor 1");
    this.items = map.has("items") ? new Column(raw.items, S, "items", object) : null;
    if (this.items && !this.missing.every((m) => m === 0) && !this.items.every((n) => n === 0)) {
      for (let s = 0; s < S; s++) if (this.missing.at(s) && this.items.at(s)) bad("E_INDEX_MISSING", "missing_value", `missing sample ${s} has items`);
    }
    const I = (this.I = this.items ? this.items.sumTo(S) : S - this.missing.sumTo(S));
    if (I > MANY) bad("E_INDEX_LIMIT", "limit", `${I} items`);
    // shape.
    this.shape = raw.shape.map((c, a) => new Column(c, I, `shape ${a}`, object));
    this.rank = this.shape.length;
    this.uniform = this.shape.every((c) => c.constant !== null);
    this.each = this.uniform ? product(this.shape.map((c) => c.constant), this.itemsize, object) : null;
    this.sums = this.uniform ? null : new Float64Array(I + 1);
    for (let i = 0; this.sums && i < I; i++) this.sums[i + 1] = this.#limited(this.sums[i] + product(this.itemShape(i), this.itemsize, object));
    if (this.uniform) this.#limited(this.each * I);
    this.#units(tile, raw.unit, bad);
    judgePipelines(this.pipelines, this.dtype, object);
    this.codec = new Column(raw.codec, this.U, "codec", object);
    if (!this.codec.every((p) => p < this.pipelines.length)) bad("E_INDEX_CODEC", "codec_range", "an entry of codec names no pipeline");
    this.#media();
    this.#stored(raw.stored, bad);
    this.#checksums(raw.crc, bad);
  }
  #limited(n) {
    return n > MAX ? fail("E_INDEX_LIMIT", "chunk.index.limit", "a sum of lengths passes 2^53-1", this.object) : n;
  }
  #units(tile, unit, bad) {
    this.tile = tile;
    if (tile) {
      if (tile.length !== this.rank || !this.rank || tile.some((t) => t < 1)) bad("E_INDEX_TILE", "tile_fit", `tile ${tile} of rank ${this.rank}`);
      if (this.map.has("unit")) bad("E_INDEX_TILE", "tile_fit", "unit stands beside tile");
      const of = (i) => this.grid(i).reduce((a, g) => (g ? Math.min(a * g, MAX) : 0), this.itemShape(i).includes(0) ? 0 : 1);
      this.tilesEach = this.uniform && this.I ? of(0) : this.uniform ? 0 : null;
      this.tileSums = this.uniform ? null : new Float64Array(this.I + 1);
      for (let i = 0; this.tileSums && i < this.I && this.tileSums[i] <= MANY; i++) this.tileSums[i + 1] = this.tileSums[i] + of(i);
      this.U = this.uniform ? this.tilesEach * this.I : this.tileSums.reduce((a, b) => Math.max(a, b), 0);
      if (this.U > MANY) bad("E_INDEX_LIMIT", "tile_count", `${this.U} tiles`);
      this.tileBytes = tile.reduce((a, t) => a * t, this.itemsize);
      if (this.tileBytes > MIB && this.U > 65536) bad("E_INDEX_LIMIT", "tile_large", `${this.U} tiles of ${this.tileBytes} bytes`);
      return;
    }
    if (typeof unit === "number") {
      if (unit < 1) bad("E_INDEX_UNIT", "unit_sum", "unit is 0");
      this.k = unit;
      this.U = Math.ceil(this.I / unit);
    } else {
      this.unit = new Column(unit, null, "unit", this.object);
      this.U = this.unit.n;
      if (this.U > MANY) bad("E_INDEX_LIMIT", "limit", `${this.U} units`);
      if (!this.unit.every((n) => n >= 1) || this.unit.sumTo(this.U) !== this.I) bad("E_INDEX_UNIT", "unit_sum", `units do not add up to ${this.I} items`);
    }
  }
  #media() {
    const wrong = () => fail("E_INDEX_UNIT", "unit.media", "a unit with a media codec holds not exactly one item", this.object);
    if (this.tile || !this.U || !this.pipelines.some(isMedia)) return;
    if (this.codec.constant !== null && (!isMedia(this.pipelines[this.codec.constant]) || this.k === 1)) return;
    if (this.codec.constant !== null && this.k && this.U > 1) wrong();
    for (let u = 0; u < this.U; u++) if (isMedia(this.pipelines[this.codec.at(u)]) && this.unitItems(u)[1] !== 1) wrong();
  }
  #stored(stored, bad) {
    const {U, codec, P} = this, isRaw = (p) => this.pipelines[p].length === 0;
    const broken = (u) => bad("E_INDEX_STORED", "stored_raw", `raw unit ${u} is not stored in its decoded length`);
    this.stored = null;
    if (!this.map.has("stored")) {
      if (!codec.every(isRaw)) bad("E_INDEX_FIELD", "stored_needed", "stored is absent and some unit is not raw");
      if (this.bytesBefore(this.I) !== P) bad("E_INDEX_STORED", "stored_sum", `units of ${this.bytesBefore(this.I)} bytes in a payload of ${P}`);
      return;
    }
    const c = new Column(stored, U, "stored", this.object);
    if (codec.constant === null || (isRaw(codec.constant) && c.constant === null)) {
      for (let u = 0; u < U; u++) if (isRaw(codec.at(u)) && c.at(u) !== this.unitDecoded(u)) broken(u);
    } else if (U && isRaw(codec.constant)) {
      // All raw, one stored length for all: tell by items, not by units, which may be 2^26.
      const items = this.uniform ? Math.min(this.I, 1) : this.I;
      for (let i = 0; this.tile && i < items; i++) {
        const s = this.itemShape(i);
        if (s.includes(0)) continue;
        if (s.some((n, a) => n > this.tile[a] && n % this.tile[a])) broken(0);
        if (product(s.map((n, a) => Math.min(n, this.tile[a])), this.itemsize) !== c.constant) broken(0);
      }
      if (!this.tile && this.k && this.uniform) {
        if (this.unitDecoded(0) !== c.constant || this.unitDecoded(U - 1) !== c.constant) broken(0);
      } else if (!this.tile) for (let u = 0; u < U; u++) if (this.unitDecoded(u) !== c.constant) broken(u);
    }
    if (c.sumTo(U) !== P) bad("E_INDEX_STORED", "stored_sum", `stored lengths sum to ${c.sumTo(U)}, the payload has ${P}`);
    this.stored = c;
  }
  #checksums(crc, bad) {
    const {U, stored} = this;
    const table = () => {
      const out = new Float64Array(U + 1);
      for (let u = 0; u < U; u++) out[u + 1] = out[u] + spans(this.unitStored(u));
      return (u) => out[u];
    };
    let C;
    if (!U) C = 0;
    else if (stored?.constant != null) this.crcStart = (u) => u * spans(stored.constant);
    else if (stored ? stored.every((n) => n <= MIB) : this.tile && this.tileBytes <= MIB) this.crcStart = (u) => u;
    else if (!stored && !this.tile && this.k && this.uniform) {
      const full = spans(this.unitDecoded(0));
      C = (U - 1) * full + spans(this.unitDecoded(U - 1));
      this.crcStart = (u) => u * full;
    } else this.crcStart = table();
    this.crc = new Column(crc, (C ??= this.crcStart(U)), "crc", this.object);
    if (!this.crc.every((x) => x < 2 ** 32)) bad("E_INDEX_LIMIT", "crc", "an entry of crc is above 2^32-1");
  }

  // [first item, number of items] of a sample, or null when it is missing.
  itemsOf(s) {
    if (this.missing.at(s)) return null;
    return this.items ? [this.items.sumTo(s), this.items.at(s)] : [s - this.missing.sumTo(s), 1];
  }
  itemShape(i) {
    return this.shape.map((c) => c.at(i));
  }
  bytesBefore(i) {
    return this.uniform ? this.each * i : this.sums[i];
  }
  itemBytes(i) {
    return this.bytesBefore(i + 1) - this.bytesBefore(i);
  }
  unitItems(u) {
    if (this.unit) return [this.unit.sumTo(u), this.unit.at(u)];
    return [u * this.k, Math.min(this.k, this.I - u * this.k)];
  }
  unitOf(i) {
    return this.unit ? this.unit.find(i) : Math.floor(i / this.k);
  }
  grid(i) {
    return tileGrid(this.itemShape(i), this.tile);
  }
  tilesBefore(i) {
    return this.uniform ? this.tilesEach * i : this.tileSums[i];
  }
  tileBox(i, g) {
    return tileBox(this.itemShape(i), this.tile, g);
  }
  #tileOf(u) {
    let i = this.uniform ? Math.floor(u / this.tilesEach) : last(this.tileSums, u, this.I);
    return [i, u - this.tilesBefore(i)];
  }
  // The shape that a media file of this unit must have.
  unitShape(u) {
    return this.tile ? this.tileBox(...this.#tileOf(u)).shape : this.itemShape(this.unitItems(u)[0]);
  }
  unitDecoded(u) {
    if (this.tile) return product(this.tileBox(...this.#tileOf(u)).shape, this.itemsize, this.object);
    const [i, n] = this.unitItems(u);
    return this.bytesBefore(i + n) - this.bytesBefore(i);
  }
  unitStored(u) {
    return this.stored ? this.stored.at(u) : this.unitDecoded(u);
  }
  unitStart(u) {
    if (this.stored) return this.stored.sumTo(u);
    if (!this.tile) return this.bytesBefore(this.unitItems(u)[0]);
    // Tiles before this one in C order: on each axis a box of full rows, then of full columns of its row …
    const [i, g] = this.#tileOf(u), {start, shape} = this.tileBox(i, g), s = this.itemShape(i);
    let n = 0;
    for (let a = 0; a < this.rank; a++) n += product([...shape.slice(0, a), start[a], ...s.slice(a + 1)], this.itemsize, this.object);
    return this.bytesBefore(i) + n;
  }
  pipeline(u) {
    return this.pipelines[this.codec.at(u)];
  }
  // `bytes` are those of unit u from `from`, a multiple of a MiB; the entries that cover them hold [unit.crc].
  verify(u, bytes, from = 0) {
    const first = this.crcStart(u) + from / MIB;
    for (let j = 0, at = 0; at < bytes.length || (!j && !from && !bytes.length); j++, at += MIB) {
      if (crc32(bytes.subarray(at, at + MIB)) !== this.crc.at(first + j)) {
        fail("E_UNIT_CRC", "unit.crc", `unit ${u} is not what was written`, this.object, 64 + this.unitStart(u) + from + at);
      }
    }
  }
}

// Tells of every rule of 6.3 that the index breaks: report(clause, detail).
export function canonical(index, report) {
  const {map, U, pipelines} = index;
  const KEYS = ["tensor", "row", "dtype", "samples", "items", "missing", "shape", "tile", "unit", "codecs", "codec", "stored", "crc"];
  const keys = [...map.keys()], known = keys.filter((k) => KEYS.includes(k));
  if (known.some((k, i) => KEYS.indexOf(k) < KEYS.indexOf(known[i - 1]))) report("index.order", `keys in the order ${keys.join(", ")}`);
  if (!index.minor && known.length < keys.length) report("index.present", `unknown keys ${keys.filter((k) => !KEYS.includes(k)).join(", ")}`);
  const narrowest = (e) => {
    const c = new Column(e, null, "", index.object), top = c.values.reduce((a, b) => Math.max(a, b), 0);
    return e.width === (top < 256 ? 1 : top < 65536 ? 2 : top < 2 ** 32 ? 4 : 8);
  };
  const tight = (e, key) => {
    if (!(e instanceof Ext)) return;
    const c = new Column(e, null, "", index.object);
    if (c.values.every((x) => x === c.values[0]) || !narrowest(e)) report("column.canonical", `column ${key} has a shorter form`);
  };
  for (const key of ["items", "missing", "codec", "stored", "crc"]) tight(map.get(key), key);
  index.shape.forEach((_, a) => tight(map.get("shape")[a], `shape ${a}`));
  const empty = (c, n, key) => n === 0 && c?.constant && report("column.canonical", `column ${key} without entries is not 0`);
  index.shape.forEach((c, a) => empty(c, index.I, `shape ${a}`));
  empty(index.codec, U, "codec"), empty(index.stored, U, "stored"), empty(index.crc, U, "crc");
  for (const [key, value] of [["tensor", ""], ["row", 0], ["missing", 0], ["codec", 0]]) {
    if (map.get(key) === value) report("index.present", `key ${key} states its default`);
  }
  if (map.has("codecs") && pipelines.length === 1 && !pipelines[0].length) report("index.present", "key codecs states its default");
  if (map.has("stored") && index.codec.every((p) => !pipelines[p].length)) report("index.present", "stored is there and all units are raw");
  // Units.
  if (!index.tile) {
    const k = U ? index.unitItems(0)[1] : 1;
    const regular = index.k !== undefined || (index.unit.values.subarray(0, -1).every((n) => n === k) && (!U || index.unit.at(U - 1) <= k));
    if (index.unit && (regular || !narrowest(map.get("unit")))) report("chunk.index.unit_form", "unit has a shorter form");
    if (index.k !== undefined && map.has("unit") && (k === 1 || k !== index.k)) report("chunk.index.unit_form", `unit ${index.k} where ${k} is due`);
  }
  // Pipelines: in the order of first use, none unused, none twice.
  let next = 0;
  const seen = (p) => p < next || p === next++;
  const ordered = U === 0 ? pipelines.length === 1 && !pipelines[0].length : index.codec.every(seen) && next === pipelines.length;
  if (!pipelines.every(inOrder)) report("codec.params.order", "a codec's parameters are not in the order of chapter 7");
  const texts = pipelines.map((p) => JSON.stringify(p.map((c) => [...c])));
  if (!ordered || new Set(texts).size !== texts.length) report("chunk.index.codecs_canonical", "pipelines are not in the order of first use, each once");
}
