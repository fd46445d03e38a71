// Fills one chunk with samples [write.unit] and makes its bytes.
import {fail} from "./errors.js";
import {concat, crc32, hex, sha256, view} from "./bytes.js";
import {column, pack} from "./columns.js";
import {copyBox} from "./dataset.js";
import {END, HEAD, MIB, tileBox, tileGrid} from "./chunk.js";
import {codecMap, encodeUnit} from "./encode.js";
import {DTYPES} from "./dtypes.js";

export class Builder {
  constructor(tensor, row) {
    const {unit = {}, codecs = [[]], tile = null, chunk = {}} = tensor.write;
    Object.assign(this, {tensor, row, tile, pipelines: codecs.map((p) => p.map(codecMap)), chunk: {}, units: [], samples: [], shapes: [], bytes: 0, limit: chunk.bytes ?? 268435456});
    const size = tensor.shape.reduce((n, d) => n * (d ?? NaN), DTYPES[tensor.dtype].size), goal = unit.bytes ?? 65536;
    this.most = unit.items ?? (Number.isNaN(size) ? 65536 : Math.max(1, Math.floor(goal / (size || 1))));
    this.goal = unit.items || !Number.isNaN(size) ? Infinity : goal;
    this.open = [];
    this.openBytes = 0;
  }
  get full() {
    return this.bytes >= this.limit || this.samples.length >= 1 << 20;
  }
  // A sample: null when missing, or its items.
  add(items) {
    this.samples.push(items);
    for (const item of items ?? []) {
      this.shapes.push(item.shape);
      this.bytes += item.bytes.length;
      if (this.tile) {
        this.#tiles(item);
        continue;
      }
      this.open.push(item.bytes);
      this.openBytes += item.bytes.length;
      if (this.open.length >= this.most || this.openBytes >= this.goal) this.#close();
    }
  }
  #close() {
    if (this.open.length) this.#unit(concat(this.open), this.open.length);
    this.open = [];
    this.openBytes = 0;
  }
  #tiles({shape, bytes}) {
    if (shape.includes(0)) return;
    const size = DTYPES[this.tensor.dtype].size, all = tileGrid(shape, this.tile).reduce((a, b) => a * b, 1);
    for (let g = 0; g < all; g++) {
      const {start, shape: part} = tileBox(shape, this.tile, g), out = new Uint8Array(part.reduce((a, b) => a * b, size));
      copyBox(bytes, shape, start, out, part, start.map(() => 0), part, size);
      this.#unit(out, 1);
    }
  }
  #unit(decoded, items) {
    if (decoded.length > 0x7e000000 && this.pipelines[0].length) fail("E_SAMPLE_LIMIT", "write.item", `${decoded.length} bytes`);
    this.units.push({decoded, items});
  }
  // {name, payload, index, bytes} of the finished chunk.
  async finish() {
    this.#close();
    const {tensor, samples, shapes} = this, index = new Map(), units = [];
    for (const {decoded, items} of this.units) units.push({items, ...(await encodeUnit(this.pipelines, decoded))});
    if (tensor.name !== "") index.set("tensor", tensor.name);
    if (this.row) index.set("row", this.row);
    index.set("dtype", tensor.dtype);
    index.set("samples", samples.length);
    if (tensor.sequence) index.set("items", column(samples.map((s) => s?.length ?? 0)));
    if (samples.includes(null)) index.set("missing", column(samples.map((s) => (s ? 0 : 1))));
    index.set("shape", tensor.shape.map((_, a) => column(shapes.map((s) => s[a]))));
    const counts = units.map((u) => u.items), [k = 1] = counts;
    if (this.tile) index.set("tile", this.tile);
    else if (!counts.slice(0, -1).every((n) => n === k) || counts.at(-1) > k) index.set("unit", column(counts, true));
    else if (k !== 1) index.set("unit", k);
    const texts = units.map((u) => hex(pack(u.pipeline))), names = [...new Set(texts)], used = names.map((n) => units[texts.indexOf(n)].pipeline);
    if (used.length > 1 || used[0]?.length) index.set("codecs", used);
    if (used.length > 1) index.set("codec", column(texts.map((t) => names.indexOf(t))));
    if (units.some((u) => u.pipeline.length)) index.set("stored", column(units.map((u) => u.stored.length)));
    index.set("crc", column(units.flatMap((u) => Array.from({length: Math.max(1, Math.ceil(u.stored.length / MIB))},
      (_, j) => crc32(u.stored.subarray(j * MIB, (j + 1) * MIB))))));
    const payload = concat(units.map((u) => u.stored)), packed = pack(index), trailer = new Uint8Array(40), d = view(trailer);
    d.setUint32(0, payload.length % 2 ** 32, true);
    d.setUint32(4, Math.floor(payload.length / 2 ** 32), true);
    d.setUint32(8, packed.length, true);
    d.setUint16(12, 1, true);
    d.setUint32(28, crc32(trailer.subarray(0, 28), crc32(packed)), true);
    trailer.set(END, 32);
    const bytes = concat([HEAD, payload, packed, trailer]);
    return {name: await sha256(bytes), payload: payload.length, index: packed.length, bytes};
  }
}
