// Opening a dataset [algo.open], finding the newest commit [algo.newest], reading samples [algo.read_one].
import {LakebedError, fail} from "./errors.js";
import {allocate, sha256} from "./bytes.js";
import * as document from "./document.js";
import {plain} from "./json.js";
import {MAX, last} from "./columns.js";
import {MIB, openChunk, product} from "./chunk.js";
import {codecOf, decode} from "./codecs.js";
import {dtypeOf, numbers} from "./dtypes.js";

const {DOCUMENT, commitKey, instant, name} = document;

// The commit documents that a store lists: [{branch, number, key}] in order, or null where it cannot list.
export async function listCommits(store, branch = null) {
  const keys = await store.list(branch === null ? "commits/" : `commits/${name(branch)}/`);
  const found = keys?.map((key) => /^commits\/([^/]+)\/(\d{10})\.json$/.exec(key)) ?? null;
  return found?.filter((m) => m && document.isName(m[1]) && Number(m[2]) >= 1)
    .map((m) => ({branch: m[1], number: Number(m[2]), key: m[0]})).sort((a, b) => (a.key < b.key ? -1 : 1)) ?? null;
}

export async function readCommit(store, branch, number) {
  const key = commitKey(branch, number), bytes = await store.get(key, DOCUMENT);
  if (!bytes) fail("E_COMMIT_ABSENT", "algo.open.3", `no commit ${number} of ${branch}`, key);
  return document.commit(bytes, key, {branch, number});
}

async function hint(store, branch) {
  try {
    const key = document.hintKey(branch), bytes = await store.get(key, DOCUMENT);
    const found = bytes && document.commit(bytes, key);
    return found?.branch === branch ? found.number : 0;
  } catch (e) {
    if (e instanceof LakebedError && e.code !== "E_STORE") return 0;
    throw e;
  }
}

// The largest number from lo on and below hi for which the test holds, as it does for lo and does not for hi.
async function bisect(lo, hi, holds) {
  while (hi - lo > 1) {
    const mid = Math.floor((lo + hi) / 2);
    if (await holds(mid)) lo = mid;
    else hi = mid;
  }
  return lo;
}

// The number of the newest commit, by listing or by search from the hint [algo.newest]; 0 when the branch has none.
export async function newest(store, branch) {
  const listed = await listCommits(store, branch);
  if (listed) return listed.at(-1)?.number ?? 0;
  const has = async (n) => n <= 9999999999 && store.exists(commitKey(branch, n));
  const known = await hint(store, branch), there = await has(known || 1);
  if (!there && !known) return 0;
  let lo = known || 1, step = 1;
  for (; await has(lo + step); step *= 2) lo += step;
  const top = await bisect(lo, lo + step, has);
  return there || top > known ? top : 0;
}

// The number of the newest commit, which must be there.
export async function head(store, branch) {
  const top = await newest(store, branch);
  if (top) return top;
  if ((await listCommits(store))?.length === 0) fail("E_DATASET_ABSENT", "tree.absent", "no commit of any branch");
  return fail("E_BRANCH_ABSENT", "algo.open.2", `branch ${branch} has no commit`);
}

// What to open: {branch, number, tag, time}, at most one of the last three.
export async function open(store, {branch, number, tag, time} = {}) {
  if ([number, tag, time].filter((x) => x !== undefined).length > 1 || (tag !== undefined && branch !== undefined)) {
    fail("E_ARGUMENT", "algo.open", "at most one of number, tag and time; a tag names its own branch");
  }
  if (tag !== undefined) return new Dataset(store, await openTag(store, tag));
  name((branch ??= "main"));
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 9999999999)) {
    fail("E_COMMIT_ABSENT", "algo.open.3", `there is no number ${number}`);
  }
  if (time !== undefined) number = await atTime(store, branch, time);
  return new Dataset(store, await readCommit(store, branch, number ?? (await head(store, branch))));
}

async function openTag(store, tag) {
  const key = document.tagKey(tag), bytes = await store.get(key, DOCUMENT);
  if (!bytes) fail("E_TAG_ABSENT", "algo.open.4", `no tag ${tag}`, key);
  const {branch, number, sha256: due} = document.tag(bytes, tag), object = commitKey(branch, number);
  const target = await store.get(object, DOCUMENT), hash = target && (await sha256(target));
  if (!target || (hash ?? due) !== due) fail("E_TAG_TARGET", "tag.target", `not commit ${number} of ${branch}`, key);
  return document.commit(target, object, {branch, number});
}

// The number of the newest commit that is not after the time.
async function atTime(store, branch, time) {
  const t = instant(time) ?? fail("E_ARGUMENT", "algo.open.5", `${time} is no time`), top = await head(store, branch);
  const expired = await bisect(0, top, async (n) => !(await store.exists(commitKey(branch, n))));
  const before = async (n) => instant((await readCommit(store, branch, n)).time) <= t;
  const number = await bisect(expired, top + 1, before);
  return number > expired ? number : fail("E_COMMIT_ABSENT", "algo.open.5", `${branch} has none as old as ${time}`);
}

// A chunk of another tensor's kind [chunk.tensor.dtype], or rows of a slice outside it.
export function judgeUse(index, tensor, slice) {
  const rule = (ok, clause, detail, code = "E_CHUNK_TENSOR") =>
    ok || fail(code, clause, `tensor ${tensor.name}: ${detail}`, index.object);
  rule(index.dtype === tensor.dtype, "chunk.tensor.dtype", `dtype ${index.dtype}, not ${tensor.dtype}`);
  rule(index.rank === tensor.shape.length, "chunk.tensor.rank", `rank ${index.rank}, not ${tensor.shape.length}`);
  rule((index.items !== null) === tensor.sequence, "chunk.tensor.sequence", "items does not go with sequence");
  const end = slice.first + slice.count;
  rule(end <= index.samples, "table.slice.range", `sample ${end} of ${index.samples} is asked for`, "E_SLICE_RANGE");
}

export function judgeDims(index, tensor, i) {
  const shape = index.itemShape(i);
  if (tensor.shape.every((d, a) => d === null || d === shape[a])) return;
  const detail = `tensor ${tensor.name}: item ${i} is [${shape}], not [${tensor.shape}]`;
  fail("E_CHUNK_TENSOR", "chunk.tensor.dims", detail, index.object);
}

// The decoded bytes of unit u; every bool judged.
export async function decodeUnit(index, u, bytes) {
  const pipeline = index.pipeline(u), offset = 64 + index.unitStart(u), {object} = index;
  const out = pipeline.length ? await decode(pipeline, bytes, index.unitDecoded(u), {object, offset}) : bytes;
  const odd = index.dtype === "bool" ? out.findIndex((b) => b > 1) : -1;
  if (odd >= 0) fail("E_VALUE_BOOL", "value.bool", `element ${odd} of unit ${u} is ${out[odd]}`, object, offset);
  return out;
}

// Copies the box of `shape` at `from` of an array of `whole` to `to` in one of `room`; elements of `size` bytes.
export function copyBox(source, whole, from, target, room, to, shape, size) {
  const rows = (a, s, t) => {
    const [x, y] = [s * whole[a] + from[a], t * room[a] + to[a]];
    if (a < shape.length - 1) for (let i = 0; i < shape[a]; i++) rows(a + 1, x + i, y + i);
    else target.set(source.subarray(x * size, (x + shape[a]) * size), y * size);
  };
  rows(0, 0, 0);
}

// One array: dtype, shape, and its bytes, little-endian in C order, its own copy.
export class Item {
  constructor(dtype, shape, bytes = null) {
    Object.assign(this, {dtype, shape, bytes});
  }
  numbers() {
    return numbers(this.dtype, this.bytes);
  }
}

export class Dataset {
  #opened = new Map();
  constructor(store, commit) {
    const {branch, number, length, attributes} = commit;
    Object.assign(this, {store, commit, branch, number, length, attributes: plain(attributes)});
  }
  get names() {
    return [...this.commit.tensors.keys()].sort();
  }
  tensor(name) {
    const {key, tensors} = this.commit, t = tensors.get(name);
    if (!t) fail("E_TENSOR_ABSENT", "model.tensor", `no tensor ${name}`, key);
    if (!dtypeOf(t.dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.unknown", `tensor ${name} has dtype ${t.dtype}`, key);
    return new Tensor(this, t);
  }
  #once(key, make) {
    if (!this.#opened.has(key)) this.#opened.set(key, make());
    return this.#opened.get(key);
  }
  manifest(ref) {
    return this.#once(`${ref.sha256} ${ref.samples}`, async () => readManifest(this.store, ref));
  }
  // The index of the chunk of a table's row.
  index(row) {
    return this.#once(`${row.name} ${row.payload} ${row.index}`, async () => {
      const object = document.chunkKey(row.name), start = 64 + row.payload, length = row.index + 40;
      if (start + length > MAX) fail("E_TRUNCATED", "chunk.open.range", "no object is that long", object);
      return openChunk(await this.store.range(object, start, length), row, object);
    });
  }
}

export async function readManifest(store, ref, report) {
  const key = document.manifestKey(ref.sha256), bytes = await store.get(key, DOCUMENT);
  if (!bytes) fail("E_OBJECT_MISSING", "tree.needed", "the manifest is not in the store", key);
  return document.manifest(bytes, ref, await sha256(bytes), report);
}

export class Tensor {
  constructor(dataset, t) {
    const fidelity = plain(t.fidelity), attributes = plain(t.attributes);
    Object.assign(this, t, {dataset, length: dataset.length, fidelity, attributes});
  }
  // Samples `rows`, in that order: null for a missing one, an Item, or in a sequence a list of Items. Of each item all,
  // or the `region`, per axis [start, stop] or null: of a tiled item only the tiles that it meets are fetched.
  async read(rows, region = null) {
    const out = [], wanted = new Map(); // per chunk, per unit: what of it is wanted
    for (const row of rows) {
      const place = await this.#locate(row), index = await this.#open(place);
      const items = index && index.itemsOf(place.sample);
      if (index && !wanted.has(index)) wanted.set(index, new Map());
      const want = (_, n) => this.#want(index, items[0] + n, region, wanted.get(index));
      const sample = items && Array.from({length: items[1]}, want);
      out.push(sample && !this.sequence ? sample[0] : sample);
    }
    for (const [index, units] of wanted) await this.#units(index, units);
    for (const item of out.flat()) if (item) item.bytes ??= new Uint8Array(0);
    return out;
  }
  // The stored file of one item: {format, bytes} [media.verbatim].
  async file(row, item = 0) {
    const place = await this.#locate(row), index = await this.#open(place), items = index?.itemsOf(place.sample);
    const absent = () => fail("E_FILE_ABSENT", "media.verbatim", `row ${row} of ${this.name} was not stored as a file`);
    if (!items || item >= items[1] || index.tile) absent();
    const [u] = index.unitsOf(items[0] + item), [codec, ...more] = index.pipeline(u), format = codec?.get("name");
    const kind = !codec ? "raw" : format === "jxl_jpeg" ? null : codecOf(codec)?.kind;
    if (!kind) fail("E_CODEC_UNSUPPORTED", "codec.unknown", `no codec ${format}`, index.object);
    if (kind !== "media" || more.length) absent();
    const bytes = await this.#bytes(index, index.unitStart(u), index.unitStored(u));
    index.verify(u, bytes);
    return {format, bytes};
  }
  // The slice of a row, and which sample of its chunk the row is.
  async #locate(row) {
    const {refs, own} = this, starts = [0];
    if (!Number.isSafeInteger(row) || row < 0 || row >= this.length) {
      fail("E_SAMPLE_RANGE", "algo.read.1", `row ${row} of ${this.length} in ${this.name}`);
    }
    for (const ref of refs) starts.push(starts.at(-1) + ref.samples);
    const part = last(starts, row, starts.length), r = row - starts[part];
    const slice = (part < refs.length ? await this.dataset.manifest(refs[part]) : own).find(r);
    return {...slice, sample: slice.first + r - slice.start};
  }
  async #open(place) {
    const index = place.chunk && (await this.dataset.index(place.chunk));
    if (index) judgeUse(index, this, place);
    return index;
  }
  async #bytes(index, start, length) {
    return length ? this.dataset.store.range(index.object, 64 + start, length) : new Uint8Array(0);
  }
  // The item that is to be filled, entered for the units that its box meets.
  #want(index, i, region, units) {
    judgeDims(index, this, i);
    const whole = index.itemShape(i), {tile} = index, box = whole.map((d, a) => region?.[a] ?? [0, d]);
    const inside = box.every(([lo, hi], a) => lo >= 0 && lo <= hi && hi <= whole[a]);
    if (!inside || (region && region.length !== whole.length)) {
      fail("E_SAMPLE_RANGE", "model.sample", `[${region}] of an item of shape [${whole}]`);
    }
    const item = new Item(this.dtype, box.map(([lo, hi]) => hi - lo)), [first] = index.unitsOf(i);
    if (item.shape.includes(0)) return item;
    // Where the box begins, unless it is a whole item in one unit; and the numbers of the tiles that it meets.
    const from = tile || item.shape.some((d, a) => d !== whole[a]) ? box.map(([lo]) => lo) : null;
    let numbers = [0];
    for (const [a, [lo, hi]] of tile ? box.entries() : []) {
      const low = Math.floor(lo / tile[a]), length = Math.ceil(hi / tile[a]) - low;
      const grid = Math.ceil(whole[a] / tile[a]);
      numbers = numbers.flatMap((n) => Array.from({length}, (_, g) => n * grid + low + g));
    }
    for (const n of numbers) {
      if (!units.has(first + n)) units.set(first + n, []);
      units.get(first + n).push({item, i, from});
    }
    return item;
  }
  // Fetches each unit once, near ones together [algo.many.coalesce], verifies and decodes it, cuts out what is wanted.
  async #units(index, units) {
    const order = [...units.keys()].sort((a, b) => a - b);
    const start = (n) => index.unitStart(order[n]), end = (n) => start(n) + index.unitStored(order[n]);
    for (let at = 0, next; at < order.length; at = next) {
      next = at + 1;
      while (next < order.length && start(next) - end(next - 1) <= 65536 && end(next) - start(at) <= 8 * MIB) next++;
      const base = start(at), bytes = await this.#bytes(index, base, end(next - 1) - base);
      for (let n = at; n < next; n++) {
        const u = order[n], stored = bytes.subarray(start(n) - base, end(n) - base);
        index.verify(u, stored);
        const decoded = await decodeUnit(index, u, stored);
        for (const piece of units.get(u)) this.#cut(index, u, decoded, piece);
      }
    }
  }
  // Copies what a unit and a wanted box share.
  #cut(index, u, decoded, {item, i, from}) {
    const bytes = decoded.subarray(index.offsetIn(u, i)), size = index.itemsize, {object} = index;
    if (!from) return void (item.bytes = bytes.slice(0, product(item.shape, size, object)));
    const {start, shape} = index.tile ? index.tileBox(u) : {start: from.map(() => 0), shape: index.itemShape(i)};
    const low = from.map((x, a) => Math.max(x, start[a]));
    const common = low.map((x, a) => Math.min(from[a] + item.shape[a], start[a] + shape[a]) - x);
    item.bytes ??= allocate(product(item.shape, size, object));
    const inUnit = low.map((x, a) => x - start[a]), inItem = low.map((x, a) => x - from[a]);
    return copyBox(bytes, shape, inUnit, item.bytes, item.shape, inItem, common, size);
  }
}
