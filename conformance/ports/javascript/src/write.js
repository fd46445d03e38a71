// A writer [algo.commit.base]: create, append, edits by slices, branches and tags. What is to be written is held in
// memory until the commit; a commit is one exclusive create, rebased when only appends meet.
import {fail} from "./errors.js";
import {hex, sha256, utf8} from "./bytes.js";
import {TENSOR, advice, chunkKey, commit as judgeCommit, commitKey, hintKey, instant, isName, isTensorName, manifest as judgeManifest, manifestKey, name as goodName, seal, tagKey} from "./document.js";
import {number, parse, stringify} from "./json.js";
import {CODECS, judgePipelines} from "./codecs.js";
import {codecMap, encodes} from "./encode.js";
import {Item, head, newest, readCommit} from "./dataset.js";
import {convert, dtypeOf} from "./dtypes.js";
import {fits, isExact, isKnown, judgeItem} from "./htypes.js";
import {Builder} from "./build.js";

const DOCUMENT = 67108864;
// What a caller gives becomes what a document would hold: no prototypes, 0.5 a Real.
const given = (v) => parse(utf8(stringify(v)));
const strip = (doc, ...keys) => Object.fromEntries(Object.entries(doc).filter(([k]) => !keys.includes(k)));

// Neighbours that continue each other become one [slice.merge].
function merge(slices) {
  const out = [];
  for (const s of slices) {
    const last = out.at(-1), same = last && (last.chunk === s.chunk || (s.chunk?.name && last.chunk?.name === s.chunk.name));
    if (same && (s.chunk === null || last.first + last.count === s.first)) last.count += s.count;
    else out.push({...s});
  }
  return out;
}
// Slices of the rows first..end of a list.
function cut(slices, first, end) {
  const out = [];
  let at = 0;
  for (const s of slices) {
    const lo = Math.max(first, at), hi = Math.min(end, at + s.count);
    if (lo < hi) out.push({chunk: s.chunk, first: s.chunk ? s.first + lo - at : 0, count: hi - lo});
    at += s.count;
  }
  return out;
}
const total = (slices) => slices.reduce((n, s) => n + s.count, 0);
const sameList = (a, b) => stringify(merge(a).map((s) => [s.chunk?.name ?? null, s.first, s.count])) === stringify(merge(b).map((s) => [s.chunk?.name ?? null, s.first, s.count]));
const column = (values) => (values.length && values.every((v) => v === values[0]) ? values[0] : values);

function tables(slices) {
  const rows = new Map();
  for (const s of slices) if (s.chunk && !rows.has(s.chunk.name)) rows.set(s.chunk.name, s.chunk);
  const names = [...rows.keys()], chunks = [...rows.values()], place = new Map(names.map((n, i) => [n, i]));
  return {
    chunks: {name: names, payload: column(chunks.map((c) => c.payload)), index: column(chunks.map((c) => c.index))},
    slices: {chunk: column(slices.map((s) => (s.chunk ? place.get(s.chunk.name) : null))), first: column(slices.map((s) => s.first)), count: slices.map((s) => s.count)},
  };
}

export class Writer {
  #fresh = new Map();
  constructor(store, branch, base) {
    if (!store.create) fail("E_READ_ONLY", "store.read_only", "this store takes no writes");
    Object.assign(this, {store, branch, attributes: {}, length: 0, tensors: new Map()});
    this.#load(base);
  }
  static async create(store, {branch = "main"} = {}) {
    goodName(branch);
    if (await newest(store, branch)) fail("E_DATASET_EXISTS", "algo.create", `branch ${branch} has a commit`);
    return new Writer(store, branch, null);
  }
  static async open(store, {branch = "main"} = {}) {
    return new Writer(store, branch, await readCommit(store, branch, await head(store, branch))).#whole();
  }
  #load(base) {
    if (base) {
      const {read, write} = base.doc.requires;
      if (read.length || write.length) fail("E_REQUIRES_WRITE", "commit.requires.write", `writing needs ${[...read, ...write].join(", ")}`, base.key);
      if (base.closed) fail("E_BRANCH_CLOSED", "algo.commit.base", `branch ${base.branch} is closed`, base.key);
    }
    this.base = base;
    this.appends = base !== null; // nothing but rows were added since the base
    this.length = base?.length ?? 0;
    this.attributes = base?.attributes ?? {};
    this.tensors = new Map([...(base?.tensors ?? [])].map(([name, t]) => [name, {
      name, htype: t.htype, dtype: t.dtype, shape: t.shape, sequence: t.sequence, fidelity: t.fidelity, attributes: t.attributes, write: t.write,
      doc: t.doc, refs: t.refs, sealed: null, slices: Array.from({length: t.own.rows}, (_, i) => t.own.slice(i)).map(({chunk, first, count}) => ({chunk, first, count})), builder: null,
    }]));
  }
  // Reads the manifests of all tensors, so that edits need not wait.
  async #whole() {
    for (const t of this.tensors.values()) {
      t.sealed = [];
      for (const ref of t.refs) {
        const key = manifestKey(ref.sha256), bytes = (await this.store.get(key, DOCUMENT)) ?? fail("E_OBJECT_MISSING", "tree.needed", "the manifest is absent", key);
        const m = judgeManifest(bytes, ref, await sha256(bytes));
        for (let i = 0; i < m.rows; i++) t.sealed.push((({chunk, first, count}) => ({chunk, first, count}))(m.slice(i)));
      }
      t.start = [...t.sealed, ...t.slices];
    }
    return this;
  }
  tensor(name) {
    return this.tensors.get(name) ?? fail("E_TENSOR_ABSENT", "model.tensor", `no tensor ${name}`);
  }
  #free(name) {
    if (!isTensorName(name)) fail("E_NAME", "tensor.name", `${JSON.stringify(name)} is no tensor name`);
    if (this.tensors.has(name)) fail("E_TENSOR_EXISTS", "algo.edit.tensor_new", `there is a tensor ${name}`);
    if ([...this.tensors.keys()].some((k) => k.startsWith(`${name}/`) || name.startsWith(`${k}/`))) fail("E_NAME", "tensor.name", `${name} and another tensor lie beneath each other`);
  }
  createTensor(name, {htype = "generic", dtype, shape, sequence = false, fidelity = "exact", attributes = {}, ...write}) {
    const argument = (e) => fail("E_ARGUMENT", e.clause, e.detail);
    this.#free(name);
    const t = {name, ...given({htype, dtype, shape, sequence, fidelity, attributes, write}), doc: {}, refs: [], sealed: [], builder: null};
    for (const [key, test] of TENSOR) if (key in t && !test(t[key])) fail("E_ARGUMENT", `tensor.${key}`, `${key} is ${stringify(t[key])}`);
    if (!dtypeOf(dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
    if (!isKnown(htype)) fail("E_ARGUMENT", "htype.unknown", `htype ${htype}`);
    fits(t, null, argument);
    advice(t.write, shape.length, null, argument);
    const codecs = t.write.codecs ?? [[]], maps = codecs.map((p) => p.map(codecMap)), names = codecs.flat().map((c) => c.name);
    if (isExact(htype) && (t.fidelity !== "exact" || names.some((n) => n === "jpeg" || n === "quantize" || n === "webp"))) {
      fail("E_FIDELITY_LABEL", "htype.lossless", `${htype} takes no lossy codec and no fidelity but exact`);
    }
    judgePipelines(maps, dtype, null, true);
    const [bound] = typeof t.fidelity === "object" ? Object.keys(t.fidelity) : [], argumentOf = (clause, detail) => fail("E_ARGUMENT", clause, detail);
    if (bound && (bound === "psnr_db" ? !["uint8", "uint16"].includes(dtype) : dtype === "bool")) argumentOf(`fidelity.${bound}`, `${bound} for ${dtype}`);
    const unknown = codecs.flat().find((c) => !Object.hasOwn(CODECS, c.name) || Object.keys(c).some((k) => k !== "name" && !(k in CODECS[c.name].params)));
    if (unknown) argumentOf("codec.registry", `codec ${stringify(unknown)} is not known`);
    if (names.includes("narrow") && !["int", "big"].includes(dtypeOf(dtype).kind)) argumentOf("codec.takes", `narrow of ${dtype}`);
    for (const c of codecs.flat().filter((q) => q.name === "quantize")) {
      const held = t.fidelity === "lossy" || (["max_abs_error", "max_rel_error"].includes(bound) && bound in c && number(c[bound]) <= number(t.fidelity[bound]));
      if (!held) fail("E_FIDELITY", "fidelity.declared", "quantize needs a declared bound that its own keeps");
    }
    const absent = names.find((n) => !encodes(n));
    if (absent) fail("E_CODEC_UNSUPPORTED", "codec.encode", `this port does not write ${absent}`);
    this.tensors.set(name, {...t, slices: this.length ? [{chunk: null, first: 0, count: this.length}] : []});
    this.appends = false;
  }
  deleteTensor(name) {
    this.tensor(name);
    this.tensors.delete(name);
    this.appends = false;
  }
  renameTensor(name, to) {
    const t = this.tensor(name);
    this.tensors.delete(name);
    try {
      this.#free(to);
    } catch (e) {
      this.tensors.set(name, t);
      throw e;
    }
    this.tensors.set(to, Object.assign(t, {name: to}));
    this.appends = false;
  }
  // Merges into the attributes of the dataset or of a tensor; null removes.
  setAttributes(attributes, tensor = null) {
    const of = tensor === null ? this : this.tensor(tensor), all = Object.assign(Object.create(null), of.attributes, given(attributes));
    for (const k of Object.keys(all)) if (all[k] === null) delete all[k];
    if (tensor !== null) fits({...of, attributes: all}, null, (e) => fail("E_ARGUMENT", e.clause, e.detail));
    of.attributes = all;
    this.appends = false;
  }
  // Forgets what is not committed.
  async discard() {
    this.#fresh.clear();
    this.#load(this.base);
    return this.#whole();
  }
  // The state of an older commit, as the content of the next one [algo.revert].
  async revert(commit) {
    const base = this.base ?? fail("E_COMMIT_ABSENT", "algo.revert", "nothing is committed yet");
    this.#fresh.clear();
    this.#load({...commit, closed: false});
    this.base = base;
    this.appends = false;
    await this.#whole();
    const names = new Set([...this.tensors.values()].flatMap((t) => t.start.flatMap((s) => s.chunk?.name ?? [])));
    for (const n of names) if (!(await this.store.exists(chunkKey(n)))) fail("E_OBJECT_MISSING", "algo.revert", "a chunk of that commit is not in the store", chunkKey(n));
  }
  // A value ({dtype, shape, bytes}, in a sequence a list of them, or null) as a sample of the tensor.
  #sample(t, value) {
    if (value === null || value === undefined) return null;
    if (t.sequence !== Array.isArray(value)) fail("E_SAMPLE_SHAPE", "sample.sequence", `tensor ${t.name}: ${t.sequence ? "not a" : "a"} list`);
    if (!isKnown(t.htype)) fail("E_ARGUMENT", "htype.unknown", `tensor ${t.name} has htype ${t.htype}`);
    return (t.sequence ? value : [value]).map(({dtype, shape, bytes}) => {
      if (!dtypeOf(dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
      if (shape.length !== t.shape.length || t.shape.some((d, a) => d !== null && d !== shape[a])) fail("E_SAMPLE_SHAPE", "sample.shape", `tensor ${t.name}: [${shape}] for [${t.shape}]`);
      if (shape.reduce((n, d) => n * d, dtypeOf(dtype).size) !== bytes.length) fail("E_ARGUMENT", "unit.decoded", `${bytes.length} bytes for [${shape}] of ${dtype}`);
      if (dtype === "bool" && bytes.some((b) => b > 1)) fail("E_VALUE_BOOL", "value.bool", `tensor ${t.name}: a boolean is neither 0 nor 1`);
      const item = new Item(t.dtype, [...shape], convert(dtype, t.dtype, bytes)?.slice() ?? fail("E_SAMPLE_DTYPE", "dtype.convert", `tensor ${t.name}: ${dtype} does not fit ${t.dtype}`));
      judgeItem(t, item, (code, clause, detail) => fail(code === "E_VALUE_TEXT" ? "E_SAMPLE_HTYPE" : code, clause, `tensor ${t.name}: ${detail}`));
      return item;
    });
  }
  #row(values) {
    for (const name of Object.keys(values)) this.tensor(name);
    return [...this.tensors.values()].map((t) => [t, this.#sample(t, Object.hasOwn(values, t.name) ? values[t.name] : null)]);
  }
  async append(values) {
    return this.extend([values]);
  }
  // Many rows; all of them or, when one is refused, none [sample.atomic].
  async extend(rows) {
    const judged = rows.map((values) => this.#row(values));
    for (const row of judged) {
      for (const [t, sample] of row) t.slices.push(this.#place(t, sample, this.length));
      this.length++;
      for (const [t] of row) if (t.builder?.full) await this.#close(t);
    }
  }
  // The slice of one more sample. A tensor's new samples, rows added and rows replaced, go into one open chunk, whose
  // name its slices learn when it is closed.
  #place(t, sample, row) {
    if (sample === null && !t.builder) return {chunk: null, first: 0, count: 1};
    t.builder ??= Object.assign(new Builder(t, row), {chunk: {}});
    t.builder.add(sample);
    return {chunk: t.builder.chunk, first: t.builder.samples.length - 1, count: 1};
  }
  async #close(t) {
    const b = t.builder;
    t.builder = null;
    if (!b || !t.slices.some((s) => s.chunk === b.chunk)) return;
    const {bytes, ...row} = await b.finish();
    this.#fresh.set(chunkKey(row.name), bytes);
    Object.assign(b.chunk, row);
  }
  async #settle() {
    for (const t of this.tensors.values()) await this.#close(t);
  }
  #known(row, end = this.length) {
    return Number.isSafeInteger(row) && row >= 0 && row < end ? row : fail("E_SAMPLE_RANGE", "model.sample", `row ${row} of ${this.length}`);
  }
  // All slices of a tensor, its manifests dissolved [algo.edit.manifests].
  #open(t) {
    t.slices = [...(t.refs.length ? t.sealed : []), ...t.slices];
    t.refs = [];
    this.appends = false;
    return t.slices;
  }
  #between(row, skip, judged) {
    for (const [t, sample] of judged) {
      const all = this.#open(t);
      t.slices = [...cut(all, 0, row), this.#place(t, sample, row), ...cut(all, row + skip, Infinity)];
    }
  }
  async update(row, values) {
    this.#known(row);
    this.#between(row, 1, this.#row(values).filter(([t]) => Object.hasOwn(values, t.name)));
  }
  async insert(row, values) {
    this.#known(row, this.length + 1);
    this.#between(row, 0, this.#row(values));
    this.length++;
  }
  async delete(rows) {
    for (const row of [...new Set(rows.map((r) => this.#known(r)))].sort((a, b) => b - a)) {
      for (const t of this.tensors.values()) {
        const all = this.#open(t);
        t.slices = [...cut(all, 0, row), ...cut(all, row + 1, Infinity)];
      }
      this.length--;
    }
  }
  async #document(branch, number, parent, {time, author = "", message = "", closed = false, id}) {
    const now = time ?? new Date().toISOString(), old = parent && parent.branch === branch ? parent.time : null;
    if (instant(now) === null) fail("E_ARGUMENT", "commit.time", `${now} is no time`);
    const doc = {
      lakebed: "1.0", requires: {read: [], write: []}, branch, number, id: id ?? hex(crypto.getRandomValues(new Uint8Array(16))), ...(closed ? {closed} : {}),
      parent: parent && {branch: parent.branch, number: parent.number, sha256: await sha256(parent.bytes)},
      time: old && instant(old) > instant(now) ? old : now, author, message, length: this.length, attributes: this.attributes,
    };
    const made = [...this.tensors.values()].map((t) => [t, Object.assign(strip(t.doc, "chunks", "slices", "manifests"), {
      htype: t.htype, dtype: t.dtype, shape: t.shape, sequence: t.sequence, fidelity: t.fidelity, attributes: t.attributes, write: t.write,
    }, tables((t.slices = merge(t.slices))))]);
    // Seal the longest tables until the rest is half [manifest.seal].
    const sizes = made.map(([t, d]) => ({t, d, size: stringify([d.chunks, d.slices]).length})).sort((a, b) => b.size - a.size);
    const whole = sizes.reduce((n, s) => n + s.size, 0);
    for (let sum = whole; whole > 524288 && sum > 262144; ) {
      const {t, d, size} = sizes.shift();
      sum -= size;
      const bytes = seal({lakebed: "1.0", samples: total(t.slices), chunks: d.chunks, slices: d.slices}), hash = await sha256(bytes);
      this.#fresh.set(manifestKey(hash), bytes);
      t.refs = [...t.refs, {sha256: hash, bytes: bytes.length, samples: total(t.slices)}];
      t.sealed = [...(t.sealed ?? []), ...t.slices];
      t.slices = [];
      Object.assign(d, tables([]));
    }
    const tensors = Object.create(null);
    for (const [t, d] of made) tensors[t.name] = t.refs.length ? {...strip(d, "chunks", "slices"), manifests: t.refs, chunks: d.chunks, slices: d.slices} : d;
    return seal({...doc, ...strip(parent?.doc ?? {}, ...Object.keys(doc), "closed", "tensors", "crc32"), tensors});
  }
  // Creates `key`; true when its bytes are ours, be it by a lost reply [algo.commit.exists].
  async #create(key, bytes) {
    if (await this.store.create(key, bytes)) return true;
    const there = await this.store.get(key, DOCUMENT);
    return there !== null && there.length === bytes.length && there.every((b, i) => b === bytes[i]);
  }
  async commit(options = {}) {
    await this.#settle();
    for (;;) {
      const number = (this.base?.number ?? 0) + 1, key = commitKey(this.branch, number), bytes = await this.#document(this.branch, number, this.base, options);
      judgeCommit(bytes, key, {branch: this.branch, number});
      for (const [k, b] of this.#fresh) await this.store.put(k, b);
      if (await this.#create(key, bytes)) {
        this.#fresh.clear();
        await this.store.put(hintKey(this.branch), bytes).catch(() => {});
        const done = judgeCommit(bytes, key);
        if (!done.closed) this.#load(done), await this.#whole();
        return done;
      }
      if (!this.base) fail("E_DATASET_EXISTS", "algo.create", "another writer created the dataset", key);
      await this.#rebase();
    }
  }
  // Puts our new rows behind what another writer committed first [algo.rebase.append].
  async #rebase() {
    const conflict = (what) => fail("E_CONFLICT", "algo.rebase.conflict", `another commit came first: ${what}`);
    if (!this.appends) conflict("more than rows was changed here");
    const ours = this.tensors, before = this.base.length, theirs = await Writer.open(this.store, {branch: this.branch});
    const kind = (t) => stringify([t.htype, t.dtype, t.shape, t.sequence, t.fidelity]);
    if (stringify([...ours.keys()].sort()) !== stringify([...theirs.tensors.keys()].sort())) conflict("tensors");
    const added = [...ours].map(([name, t]) => {
      const other = theirs.tensors.get(name);
      if (kind(t) !== kind(other) || !sameList(t.start, cut(other.start, 0, before))) conflict(name);
      return cut([...(t.refs.length ? t.sealed : []), ...t.slices], before, Infinity);
    });
    const rows = this.length - before, names = [...ours.keys()];
    this.#load(theirs.base);
    await this.#whole();
    names.forEach((name, i) => this.tensors.get(name).slices.push(...added[i]));
    this.length += rows;
  }
  // A branch that starts at this writer's base [algo.branch].
  async branchOff(name, options = {}) {
    if (!isName(name)) goodName(name);
    if (!this.base) fail("E_COMMIT_ABSENT", "algo.branch", "nothing is committed yet");
    const other = new Writer(this.store, name, this.base), bytes = await other.#document(name, 1, this.base, options);
    if (!(await this.#create(commitKey(name, 1), bytes))) fail("E_BRANCH_EXISTS", "algo.branch", `branch ${name} is there`);
    await this.store.put(hintKey(name), bytes).catch(() => {});
  }
  async tag(name, {time = new Date().toISOString()} = {}) {
    const key = tagKey(name), base = this.base ?? fail("E_COMMIT_ABSENT", "algo.tag", "nothing is committed yet");
    const bytes = seal({lakebed: "1.0", tag: name, branch: base.branch, number: base.number, sha256: await sha256(base.bytes), time});
    if (!(await this.#create(key, bytes))) fail("E_TAG_EXISTS", "algo.tag", `tag ${name} is there`, key);
  }
  async close(options = {}) {
    return this.commit({...options, closed: true});
  }
}

