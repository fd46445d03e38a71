// Fills one chunk with samples [write.unit] and makes its bytes; the encoder of lz4.
import {concat, crc32, equal, sha256, view} from "./bytes.js";
import {decode, ordered} from "./codecs.js";
import {Column, pack, tagged} from "./columns.js";
import {END, HEAD, MIB, makeIndex, product, spans, tileBox, tileGrid} from "./chunk.js";
import {copyBox} from "./dataset.js";
import {DTYPES} from "./dtypes.js";
import {Real} from "./json.js";

// A codec as it stands in an index: parameters in the order of chapter 7, numbers with a fraction as floats.
export function codecMap(c) {
  const typed = (v) => (v instanceof Real ? tagged("float", Number(v)) : v);
  return ordered(new Map(Object.entries(c).map(([k, v]) => [k, typed(v)])));
}

// One LZ4 block: greedy, with the ends that its format asks for: 5 last literals, no match in the last 12 bytes.
export function lz4Encode(bytes) {
  const out = [], table = new Int32Array(1 << 14).fill(-1), end = bytes.length, d = view(bytes);
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
    const word = d.getUint32(i, true), slot = Math.imul(word, 2654435761) >>> 18, at = table[slot];
    table[slot] = i;
    if (at < 0 || i - at > 65535 || d.getUint32(at, true) !== word) continue;
    let n = 4;
    while (i + n < end - 5 && bytes[at + n] === bytes[i + n]) n++;
    sequence(i, n, i - at);
    i = anchor - 1;
  }
  sequence(end, 0, 0);
  return Uint8Array.from(out);
}

// Of pipelines, those this port can write: raw and lz4.
export const encodes = (pipeline) => pipeline.length === 0 || (pipeline.length === 1 && pipeline[0].name === "lz4");

// A unit's stored form: of the first pipeline, raw where that is no smaller [write.unit.raw].
export async function encodeUnit([pipeline], decoded) {
  const stored = pipeline.length && decoded.length <= 0x7e000000 ? lz4Encode(decoded) : decoded;
  if (stored.length >= decoded.length) return {stored: decoded, pipeline: []};
  const back = await decode(pipeline, stored, decoded.length);
  if (!equal(back, decoded)) throw new Error("the encoder does not fit its decoder");
  return {stored, pipeline};
}

export class Builder {
  constructor(tensor, row) {
    const {unit = {}, codecs = [[]], tile = null, chunk = {}} = tensor.write, free = tensor.shape.includes(null);
    const size = DTYPES[tensor.dtype].size, goal = unit.bytes ?? 65536;
    const fixed = free ? 65536 : Math.max(1, Math.floor(goal / (product(tensor.shape, size) || 1)));
    const limit = chunk.bytes ?? 268435456, pipelines = codecs.map((p) => p.map(codecMap));
    Object.assign(this, {tensor, row, tile, size, limit, pipelines});
    // A unit closes with so many items, or where an axis is free with so many bytes.
    Object.assign(this, {most: unit.items ?? fixed, goal: free && !unit.items ? goal : Infinity});
    Object.assign(this, {chunk: {}, units: [], samples: [], shapes: [], bytes: 0, open: [], openBytes: 0});
  }
  get full() {
    return this.bytes >= this.limit || this.samples.length >= 1 << 20;
  }
  // A sample: null when missing, or its items.
  add(items) {
    this.samples.push(items);
    for (const {shape, bytes} of items ?? []) {
      this.shapes.push(shape);
      this.bytes += bytes.length;
      const grid = this.tile && tileGrid(shape, this.tile).reduce((a, b) => a * b, shape.includes(0) ? 0 : 1);
      for (let g = 0; g < grid; g++) this.units.push({decoded: this.#cut(shape, bytes, g), items: 1});
      if (this.tile) continue;
      this.open.push(bytes);
      this.openBytes += bytes.length;
      if (this.open.length >= this.most || this.openBytes >= this.goal) this.#close();
    }
  }
  #close() {
    if (this.open.length) this.units.push({decoded: concat(this.open), items: this.open.length});
    Object.assign(this, {open: [], openBytes: 0});
  }
  #cut(whole, bytes, g) {
    const {start, shape} = tileBox(whole, this.tile, g), out = new Uint8Array(product(shape, this.size));
    copyBox(bytes, whole, start, out, shape, start.map(() => 0), shape, this.size);
    return out;
  }
  // {name, payload, index, bytes} of the finished chunk.
  async finish() {
    this.#close();
    const {tensor, row, samples, shapes, tile} = this, units = [], of = (values) => new Column(values.length, values);
    for (const {decoded, items} of this.units) units.push({items, ...(await encodeUnit(this.pipelines, decoded))});
    const crcs = ({stored}) => Array.from({length: spans(stored.length)},
      (_, j) => crc32(stored.subarray(j * MIB, (j + 1) * MIB)));
    const index = pack(makeIndex({
      tensor: tensor.name, row, dtype: tensor.dtype, samples: samples.length, tile,
      items: tensor.sequence && of(samples.map((s) => s?.length ?? 0)), missing: of(samples.map((s) => (s ? 0 : 1))),
      shape: tensor.shape.map((_, a) => of(shapes.map((s) => s[a]))),
      unit: of(units.map((u) => u.items)), pipelines: units.map((u) => u.pipeline), codec: of([...units.keys()]),
      stored: of(units.map((u) => u.stored.length)), crc: of(units.flatMap(crcs)),
    }));
    const payload = concat(units.map((u) => u.stored)), trailer = new Uint8Array(40), d = view(trailer);
    d.setBigUint64(0, BigInt(payload.length), true);
    d.setUint32(8, index.length, true);
    d.setUint16(12, 1, true);
    d.setUint32(28, crc32(trailer.subarray(0, 28), crc32(index)), true);
    trailer.set(END, 32);
    const bytes = concat([HEAD, payload, index, trailer]);
    return {name: await sha256(bytes), payload: payload.length, index: index.length, bytes};
  }
}
