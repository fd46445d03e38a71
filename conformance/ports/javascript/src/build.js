// Fills one chunk with samples [write.unit] and makes its bytes.
import {concat, crc32, sha256, view} from "./bytes.js";
import {Column, pack} from "./columns.js";
import {END, HEAD, MIB, makeIndex, product, spans, tileBox, tileGrid} from "./chunk.js";
import {copyBox} from "./dataset.js";
import {codecMap, encodeUnit} from "./encode.js";
import {DTYPES} from "./dtypes.js";

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
