// Opening a dataset [algo.open], finding the newest commit [algo.newest], reading samples [algo.read_one].
import {LakebedError, fail} from "./errors.js";
import {allocate, sha256} from "./bytes.js";
import {DOCUMENT, chunkKey, commit as judgeCommit, commitKey, hintKey, instant, isName, manifest as judgeManifest, manifestKey, name, tag as judgeTag, tagKey} from "./document.js";
import {plain} from "./json.js";
import {MAX, last} from "./columns.js";
import {MIB, openChunk, product} from "./chunk.js";
import {CODECS, decode, isMedia} from "./codecs.js";
import {DTYPES, dtypeOf, numbers} from "./dtypes.js";
import {judgeFile} from "./media.js";

const COMMITS = /^commits\/([^/]+)\/(\d{10})\.json$/;

// The commit documents that a store lists: [{branch, number, key}] in order, or null where it cannot list.
export async function listCommits(store, branch = null) {
  const keys = await store.list(branch === null ? "commits/" : `commits/${name(branch)}/`);
  const found = keys?.map((key) => COMMITS.exec(key)).filter((m) => m && isName(m[1]) && Number(m[2]) >= 1);
  return found?.map((m) => ({branch: m[1], number: Number(m[2]), key: m[0]})).sort((a, b) => (a.key < b.key ? -1 : 1)) ?? null;
}

export async function readCommit(store, branch, number) {
  const key = commitKey(branch, number), bytes = await store.get(key, DOCUMENT);
  return bytes ? judgeCommit(bytes, key, {branch, number}) : fail("E_COMMIT_ABSENT", "algo.open.3", `no commit ${number} of ${branch}`, key);
}

async function hint(store, branch) {
  try {
    const key = hintKey(branch), bytes = await store.get(key, DOCUMENT);
    const found = bytes && judgeCommit(bytes, key);
    return found?.branch === branch ? found.number : 0;
  } catch (e) {
    if (e instanceof LakebedError && e.code !== "E_STORE") return 0;
    throw e;
  }
}

// The number of the newest commit, by listing or by search from the hint [algo.newest]; 0 when the branch has none.
export async function newest(store, branch) {
  const listed = await listCommits(store, branch);
  if (listed) return listed.at(-1)?.number ?? 0;
  const has = (n) => n <= 9999999999 && store.exists(commitKey(branch, n));
  const known = await hint(store, branch), there = await has(known || 1);
  if (!there && !known) return 0;
  let lo = known || 1, step = 1;
  for (; await has(lo + step); step *= 2) lo += step;
  for (let hi = lo + step; hi - lo > 1; ) {
    const mid = Math.floor((lo + hi) / 2);
    if (await has(mid)) lo = mid;
    else hi = mid;
  }
  return there || lo > known ? lo : 0;
}

// The number of the newest commit, which must be there.
export async function head(store, branch) {
  const top = await newest(store, branch);
  if (top) return top;
  const any = await listCommits(store);
  if (any && !any.length) fail("E_DATASET_ABSENT", "tree.absent", "no commit of any branch");
  return fail("E_BRANCH_ABSENT", "algo.open.2", `branch ${branch} has no commit`);
}

// What to open: {branch, number, tag, time}, at most one of the last three.
export async function open(store, {branch, number, tag, time} = {}) {
  if ([number, tag, time].filter((x) => x !== undefined).length > 1 || (tag !== undefined && branch !== undefined)) {
    fail("E_ARGUMENT", "algo.open", "at most one of number, tag and time; a tag names its own branch");
  }
  if (tag !== undefined) return new Dataset(store, await openTag(store, tag));
  name((branch ??= "main"));
  if (number !== undefined) {
    if (!Number.isInteger(number) || number < 1 || number > 9999999999) fail("E_COMMIT_ABSENT", "algo.open.3", `there is no number ${number}`);
    return new Dataset(store, await readCommit(store, branch, number));
  }
  const top = await head(store, branch);
  return new Dataset(store, time === undefined ? await readCommit(store, branch, top) : await openTime(store, branch, time, top));
}

async function openTag(store, tag) {
  const key = tagKey(tag), bytes = await store.get(key, DOCUMENT);
  if (!bytes) fail("E_TAG_ABSENT", "algo.open.4", `no tag ${tag}`, key);
  const {branch, number, sha256: due} = judgeTag(bytes, tag), object = commitKey(branch, number);
  const target = await store.get(object, DOCUMENT);
  if (!target) fail("E_TAG_TARGET", "tag.target", `commit ${number} of ${branch} is not there`, key);
  const hash = await sha256(target);
  if (hash !== null && hash !== due) fail("E_TAG_TARGET", "tag.target", `commit ${number} of ${branch} is another than was tagged`, key);
  return judgeCommit(target, object, {branch, number});
}

async function openTime(store, branch, time, top) {
  const t = instant(time) ?? fail("E_ARGUMENT", "algo.open.5", `${time} is no time`);
  let lo = 1, hi = top;
  while (lo < hi) {
    const mid = Math.floor((lo + hi) / 2);
    if (await store.exists(commitKey(branch, mid))) hi = mid;
    else lo = mid + 1;
  }
  let best = null;
  for (hi = top; lo <= hi; ) {
    const mid = Math.floor((lo + hi) / 2), c = await readCommit(store, branch, mid);
    if (instant(c.time) <= t) (best = c), (lo = mid + 1);
    else hi = mid - 1;
  }
  return best ?? fail("E_COMMIT_ABSENT", "algo.open.5", `branch ${branch} has no commit as old as ${time}`);
}

// Rows of a slice outside its chunk, or a chunk of another tensor's kind [chunk.tensor.dtype].
export function judgeUse(index, tensor, slice) {
  const bad = (clause, detail) => fail("E_CHUNK_TENSOR", clause, `tensor ${tensor.name}: ${detail}`, index.object);
  if (index.dtype !== tensor.dtype) bad("chunk.tensor.dtype", `dtype ${index.dtype}, not ${tensor.dtype}`);
  if (index.rank !== tensor.shape.length) bad("chunk.tensor.rank", `rank ${index.rank}, not ${tensor.shape.length}`);
  if ((index.items !== null) !== tensor.sequence) bad("chunk.tensor.sequence", "items does not go with sequence");
  if (slice.first + slice.count > index.samples) {
    fail("E_SLICE_RANGE", "table.slice.range", `tensor ${tensor.name}: ${slice.first} + ${slice.count} of ${index.samples} samples`, index.object);
  }
}

export function judgeDims(index, tensor, i) {
  tensor.shape.forEach((d, a) => {
    const n = index.shape[a].at(i);
    if (d !== null && d !== n) fail("E_CHUNK_TENSOR", "chunk.tensor.dims", `tensor ${tensor.name}: axis ${a} of item ${i} is ${n}, not ${d}`, index.object);
  });
}

// The decoded bytes of unit u, or of a raw unit those from `from`; every bool judged.
export function decodeUnit(index, u, bytes, from = 0) {
  const pipeline = index.pipeline(u), where = {object: index.object, offset: 64 + index.unitStart(u)};
  const out = pipeline.length ? decode(pipeline, bytes, index.unitDecoded(u), where) : bytes;
  const odd = index.dtype === "bool" ? out.findIndex((b) => b > 1) : -1;
  if (odd >= 0) fail("E_VALUE_BOOL", "value.bool", `element ${from + odd} of unit ${u} is ${out[odd]}`, index.object, pipeline.length ? where.offset : where.offset + from + odd);
  return out;
}

// Copies the box `from`..`from + shape` of an array of `whole` into the box at `to` of one of `room`; bytes, C order.
export function copyBox(source, whole, from, target, room, to, shape, itemsize) {
  const rank = shape.length, at = new Array(rank).fill(0);
  if (shape.includes(0)) return;
  const run = rank ? shape[rank - 1] * itemsize : itemsize;
  const place = (dims, base) => dims.reduce((n, d, a) => n * d + base[a] + at[a], 0) * itemsize;
  for (;;) {
    const s = place(whole, from);
    target.set(source.subarray(s, s + run), place(room, to));
    let a = rank - 2;
    for (; a >= 0 && ++at[a] === shape[a]; a--) at[a] = 0;
    if (a < 0) return;
  }
}

// One array: dtype, shape, and its bytes, little-endian in C order, its own copy.
export class Item {
  constructor(dtype, shape, bytes) {
    Object.assign(this, {dtype, shape, bytes});
  }
  numbers() {
    return numbers(this.dtype, this.bytes);
  }
}

export class Dataset {
  #chunks = new Map();
  #manifests = new Map();
  constructor(store, commit) {
    Object.assign(this, {store, commit, branch: commit.branch, number: commit.number, length: commit.length, attributes: plain(commit.attributes)});
  }
  get names() {
    return [...this.commit.tensors.keys()].sort();
  }
  tensor(name) {
    const t = this.commit.tensors.get(name) ?? fail("E_TENSOR_ABSENT", "model.tensor", `no tensor ${name}`, this.commit.key);
    if (!dtypeOf(t.dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.unknown", `tensor ${name} has dtype ${t.dtype}`, this.commit.key);
    return new Tensor(this, t);
  }
  #once(map, key, make) {
    if (!map.has(key)) map.set(key, make());
    return map.get(key);
  }
  manifest(ref) {
    return this.#once(this.#manifests, ref.sha256 + ref.samples, async () => {
      const key = manifestKey(ref.sha256), bytes = (await this.store.get(key, DOCUMENT)) ?? fail("E_OBJECT_MISSING", "tree.needed", "the manifest is not in the store", key);
      return judgeManifest(bytes, ref, await sha256(bytes));
    });
  }
  // The index of the chunk of a table's row.
  index(row) {
    return this.#once(this.#chunks, `${row.name} ${row.payload} ${row.index}`, async () => {
      const object = chunkKey(row.name);
      if (64 + row.payload + row.index + 40 > MAX) fail("E_TRUNCATED", "chunk.open.range", "no object is that long", object);
      return openChunk(await this.store.range(object, 64 + row.payload, row.index + 40), row, object);
    });
  }
}

export class Tensor {
  constructor(dataset, t) {
    Object.assign(this, {dataset, info: t, name: t.name, dtype: t.dtype, shape: t.shape, htype: t.htype, sequence: t.sequence,
      fidelity: plain(t.fidelity), attributes: plain(t.attributes), length: dataset.length});
  }
  // All tables of the tensor in order: [{start, samples, table()}].
  #parts() {
    let start = 0;
    return [...this.info.refs, null].map((ref) => {
      const samples = ref ? ref.samples : this.info.own.samples;
      const part = {start, samples, table: () => (ref ? this.dataset.manifest(ref) : this.info.own)};
      start += samples;
      return part;
    });
  }
  // Samples `rows`, in that order: null for a missing one, an Item, or in a sequence a list of Items.
  async read(rows) {
    return this.#read(rows, (index, i) => ({index, i, shape: index.itemShape(i), from: new Array(index.rank).fill(0)}));
  }
  // The box start..stop of one sample's item; of a tiled or raw item only what meets it is fetched.
  async region(row, start, stop, item = 0) {
    const [sample] = await this.#read([row], (index, i, j) => {
      const s = index.itemShape(i);
      if (j !== item) return null;
      if (start.length !== s.length || stop.length !== s.length || start.some((x, a) => !(0 <= x && x <= stop[a] && stop[a] <= s[a]))) {
        fail("E_SAMPLE_RANGE", "model.sample", `[${start}] to [${stop}] of an item of shape [${s}]`);
      }
      return {index, i, from: start, shape: stop.map((x, a) => x - start[a])};
    });
    return this.sequence ? sample?.[item] ?? fail("E_SAMPLE_RANGE", "model.sample", `no item ${item}`) : sample;
  }
  // The stored file of one item: {format, bytes} [media.verbatim].
  async file(row, item = 0) {
    const absent = () => fail("E_FILE_ABSENT", "media.verbatim", `row ${row} of ${this.name} was not stored as a file`);
    const [place] = await this.#locate([row]);
    if (!place.chunk) return absent();
    const index = await this.#open(place), items = index.itemsOf(place.sample);
    if (!items || item >= items[1] || index.tile) return absent();
    const u = index.unitOf(items[0] + item), [codec, ...more] = index.pipeline(u), format = codec?.get("name");
    if (codec && (!Object.hasOwn(CODECS, format) || format === "jxl_jpeg")) fail("E_CODEC_UNSUPPORTED", "codec.unknown", `codec ${format} is not in this port`, index.object);
    if (!codec || more.length || CODECS[format].kind !== "media") return absent();
    const bytes = await this.#fetch(index, u, u);
    index.verify(u, bytes);
    return {format, bytes};
  }
  async #locate(rows) {
    const parts = this.#parts(), starts = parts.map((p) => p.start), out = [];
    const tables = new Map();
    for (const row of rows) {
      if (!Number.isSafeInteger(row) || row < 0 || row >= this.length) fail("E_SAMPLE_RANGE", "algo.read.1", `row ${row} of ${this.length} in ${this.name}`);
      const part = parts[last(starts, row, parts.length)];
      if (!tables.has(part)) tables.set(part, await part.table());
      const slice = tables.get(part).find(row - part.start);
      out.push({...slice, sample: slice.first + (row - part.start - slice.start)});
    }
    return out;
  }
  async #open(place) {
    const index = await this.dataset.index(place.chunk);
    judgeUse(index, this, place);
    return index;
  }
  async #fetch(index, first, end) {
    const start = index.unitStart(first), length = index.unitStart(end) + index.unitStored(end) - start;
    return length ? this.dataset.store.range(index.object, 64 + start, length) : new Uint8Array(0);
  }
  async #read(rows, choose) {
    const places = await this.#locate(rows), chunks = new Map(), out = new Array(rows.length).fill(null);
    places.forEach((p, j) => {
      if (!p.chunk) return;
      if (!chunks.has(p.chunk.name)) chunks.set(p.chunk.name, []);
      chunks.get(p.chunk.name).push(j);
    });
    for (const wanted of chunks.values()) {
      const units = new Map();
      for (const j of wanted) {
        const index = await this.#open(places[j]), items = index.itemsOf(places[j].sample);
        if (!items) continue;
        const list = Array.from({length: items[1]}, (_, n) => {
          judgeDims(index, this, items[0] + n);
          const want = choose(index, items[0] + n, n);
          if (want) this.#want(index, want, units);
          return want;
        });
        out[j] = this.sequence ? list : list[0];
      }
      if (units.size) await this.#units(units);
    }
    const finish = (want) => want && new Item(this.dtype, want.shape, want.bytes ?? new Uint8Array(product(want.shape, DTYPES[this.dtype].size)));
    return out.map((sample) => (Array.isArray(sample) ? sample.map(finish) : finish(sample)));
  }
  // Enters the units that a wanted box meets.
  #want(index, want, units) {
    const enter = (u, box) => {
      if (!units.has(u)) units.set(u, []);
      units.get(u).push({...box, want});
    };
    const {i, from, shape} = want, whole = index.itemShape(i);
    if (shape.includes(0)) return;
    if (!index.tile) {
      const u = index.unitOf(i), base = index.bytesBefore(i) - index.bytesBefore(index.unitItems(u)[0]);
      return enter(u, {base, whole, start: new Array(index.rank).fill(0)});
    }
    const grid = index.grid(i), lo = from.map((x, a) => Math.floor(x / index.tile[a])), hi = from.map((x, a) => Math.ceil((x + shape[a]) / index.tile[a]));
    for (const g = [...lo]; ; ) {
      const number = g.reduce((n, x, a) => n * grid[a] + x, 0), box = index.tileBox(i, number);
      enter(index.tilesBefore(i) + number, {base: 0, whole: box.shape, start: box.start});
      let a = g.length - 1;
      for (; a >= 0 && ++g[a] === hi[a]; a--) g[a] = lo[a];
      if (a < 0) return;
    }
  }
  // Fetches, verifies and decodes each unit once and cuts the wanted boxes out [algo.many.group] [algo.many.coalesce].
  async #units(units) {
    const order = [...units.keys()].sort((a, b) => a - b), {index} = units.get(order[0])[0].want;
    for (let at = 0; at < order.length; ) {
      let end = at;
      const start = index.unitStart(order[at]), stop = (n) => index.unitStart(order[n]) + index.unitStored(order[n]);
      if (!index.pipeline(order[at]).length && index.unitStored(order[at]) > MIB) {
        await this.#raw(index, order[at], units.get(order[at++]));
        continue;
      }
      while (end + 1 < order.length && index.unitStart(order[end + 1]) - stop(end) <= 65536 && stop(end + 1) - start <= 8 * MIB) end++;
      const bytes = await this.#fetch(index, order[at], order[end]);
      for (; at <= end; at++) {
        const u = order[at], from = index.unitStart(u) - start, stored = bytes.subarray(from, from + index.unitStored(u));
        index.verify(u, stored);
        this.#media(index, u, stored);
        const decoded = decodeUnit(index, u, stored);
        for (const box of units.get(u)) this.#cut(index, box, decoded.subarray(box.base));
      }
    }
  }
  #media(index, u, stored) {
    const p = index.pipeline(u);
    if (!isMedia(p)) return;
    judgeFile(p[0].get("name"), stored, index.unitShape(u), index.dtype, index.object, 64 + index.unitStart(u));
  }
  // Of a long raw unit only the MiBs that the boxes meet.
  async #raw(index, u, boxes) {
    for (const box of boxes) {
      const {want, start, whole, base} = box, size = index.itemsize;
      const edge = (last) => whole.reduce((n, d, a) => n * d + Math.min(Math.max(want.from[a] - start[a], 0) + (last ? Math.min(want.shape[a], d) - 1 : 0), d - 1), 0);
      const from = Math.floor((base + edge(false) * size) / MIB) * MIB;
      const end = Math.min(Math.ceil((base + edge(true) * size + size) / MIB) * MIB, index.unitStored(u));
      const bytes = await this.dataset.store.range(index.object, 64 + index.unitStart(u) + from, end - from);
      index.verify(u, bytes, from);
      const padded = decodeUnit(index, u, bytes, from);
      this.#cut(index, box, padded, base - from);
    }
  }
  // Copies what a unit's box and a wanted box share. `shift`: where in `bytes` the unit's item begins, may be negative.
  #cut(index, {want, start, whole}, bytes, shift = 0) {
    const low = want.from.map((x, a) => Math.max(x, start[a])), high = want.from.map((x, a) => Math.min(x + want.shape[a], start[a] + whole[a]));
    want.bytes ??= allocate(product(want.shape, index.itemsize, index.object));
    const inside = low.map((x, a) => x - start[a]);
    const source = {subarray: (s, e) => bytes.subarray(s + shift, e + shift)};
    copyBox(source, whole, inside, want.bytes, want.shape, low.map((x, a) => x - want.from[a]), low.map((x, a) => high[a] - x), index.itemsize);
  }
}
