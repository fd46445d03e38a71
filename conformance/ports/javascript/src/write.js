// A writer of rows [algo.commit.base]: new datasets, new tensors, rows at the end. What is to be written is held in memory
// until the commit; a commit is one exclusive create, put behind another's when both only appended.
import {fail} from "./errors.js";
import {equal, hex, sha256, utf8} from "./bytes.js";
import {DOCUMENT, TENSOR, advice, chunkKey, commit as judgeCommit, commitKey, hintKey, instant, isTensorName, manifest as judgeManifest, manifestKey, name as goodName, seal} from "./document.js";
import {number, parse, stringify} from "./json.js";
import {CODECS, judgePipelines} from "./codecs.js";
import {codecMap, encodes} from "./encode.js";
import {Item, head, newest, readCommit} from "./dataset.js";
import {convert, dtypeOf} from "./dtypes.js";
import {fits, isExact, isKnown, judgeItem} from "./htypes.js";
import {Builder} from "./build.js";

// What a caller gives becomes what a document would hold: no prototypes, 0.5 a Real.
const given = (v) => parse(utf8(stringify(v)));
const argument = (clause, detail) => fail("E_ARGUMENT", clause, detail);
const KIND = ["htype", "dtype", "shape", "sequence", "fidelity", "attributes", "write"];
const rowsOf = (table) => Array.from({length: table.rows}, (_, i) => table.slice(i));

// Neighbours that continue each other become one [slice.merge].
function merge(slices) {
  const out = [];
  for (const {chunk, first, count} of slices) {
    const last = out.at(-1);
    if (last && last.chunk?.name === chunk?.name && (!chunk || last.first + last.count === first)) last.count += count;
    else out.push({chunk, first, count});
  }
  return out;
}
const plainly = (slices) => stringify(merge(slices).map((s) => [s.chunk?.name ?? null, s.first, s.count]));
const column = (values) => (values.length && values.every((v) => v === values[0]) ? values[0] : values);

function tables(slices) {
  const rows = new Map(slices.filter((s) => s.chunk).map((s) => [s.chunk.name, s.chunk])), names = [...rows.keys()], place = new Map(names.map((n, i) => [n, i]));
  return {
    chunks: {name: names, payload: column(names.map((n) => rows.get(n).payload)), index: column(names.map((n) => rows.get(n).index))},
    slices: {chunk: column(slices.map((s) => (s.chunk ? place.get(s.chunk.name) : null))), first: column(slices.map((s) => s.first)), count: slices.map((s) => s.count)},
  };
}

export class Writer {
  #fresh = new Map(); // chunks that no commit names yet
  constructor(store, branch, base) {
    if (!store.create) fail("E_READ_ONLY", "store.read_only", "this store takes no writes");
    Object.assign(this, {store, branch});
    this.#load(base);
  }
  static async create(store, {branch = "main"} = {}) {
    goodName(branch);
    if (await newest(store, branch)) fail("E_DATASET_EXISTS", "algo.create", `branch ${branch} has a commit`);
    return new Writer(store, branch, null);
  }
  static async open(store, {branch = "main"} = {}) {
    return new Writer(store, branch, await readCommit(store, branch, await head(store, branch)));
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
    this.tensors = new Map([...(base?.tensors ?? [])].map(([name, t]) => [name, {...t, slices: rowsOf(t.own), added: [], builder: null}]));
  }
  // Forgets what is not committed.
  discard() {
    this.#fresh.clear();
    this.#load(this.base);
  }
  createTensor(name, {htype = "generic", dtype, shape, sequence = false, fidelity = "exact", attributes = {}, ...write}) {
    if (!isTensorName(name)) fail("E_NAME", "tensor.name", `${JSON.stringify(name)} is no tensor name`);
    if (this.tensors.has(name)) fail("E_TENSOR_EXISTS", "algo.edit.tensor_new", `there is a tensor ${name}`);
    if ([...this.tensors.keys()].some((k) => k.startsWith(`${name}/`) || name.startsWith(`${k}/`))) fail("E_NAME", "tensor.name", `${name} and another tensor lie beneath each other`);
    const t = {name, ...given({htype, dtype, shape, sequence, fidelity, attributes, write}), doc: {}, refs: [], slices: [], builder: null};
    for (const [key, test] of TENSOR) if (key in t && !test(t[key])) argument(`tensor.${key}`, `${key} is ${stringify(t[key])}`);
    if (!dtypeOf(dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
    if (!isKnown(htype)) argument("htype.unknown", `htype ${htype}`);
    fits(t, null, (e) => argument(e.clause, e.detail));
    advice(t.write, shape.length, null, (e) => argument(e.clause, e.detail));
    this.#codecs(t, t.write.codecs ?? [[]]);
    this.tensors.set(name, {...t, added: this.length ? [{chunk: null, first: 0, count: this.length}] : []});
    this.appends = false;
  }
  #codecs({htype, dtype, fidelity}, pipelines) {
    const all = pipelines.flat(), names = all.map((c) => c.name), [bound] = typeof fidelity === "object" ? Object.keys(fidelity) : [];
    if (isExact(htype) && (fidelity !== "exact" || names.some((n) => ["jpeg", "quantize", "webp"].includes(n)))) {
      fail("E_FIDELITY_LABEL", "htype.lossless", `${htype} takes no lossy codec and no fidelity but exact`);
    }
    judgePipelines(pipelines.map((p) => p.map(codecMap)), dtype, null, true);
    if (bound && (bound === "psnr_db" ? !["uint8", "uint16"].includes(dtype) : dtype === "bool")) argument(`fidelity.${bound}`, `${bound} for ${dtype}`);
    const unknown = all.find((c) => !Object.hasOwn(CODECS, c.name) || Object.keys(c).some((k) => k !== "name" && !(k in CODECS[c.name].params)));
    if (unknown) argument("codec.registry", `codec ${stringify(unknown)} is not known`);
    if (names.includes("narrow") && !["int", "big"].includes(dtypeOf(dtype).kind)) argument("codec.takes", `narrow of ${dtype}`);
    for (const c of all.filter((q) => q.name === "quantize")) {
      const held = fidelity === "lossy" || (["max_abs_error", "max_rel_error"].includes(bound) && bound in c && number(c[bound]) <= number(fidelity[bound]));
      if (!held) fail("E_FIDELITY", "fidelity.declared", "quantize needs a declared bound that its own keeps");
    }
    const absent = names.find((n) => !encodes(n));
    if (absent) fail("E_CODEC_UNSUPPORTED", "codec.encode", `this port does not write ${absent}`);
  }
  // A value ({dtype, shape, bytes}, in a sequence a list of them, or null) as a sample of the tensor.
  #sample(t, value) {
    if (value === null || value === undefined) return null;
    const bad = (code, clause, detail) => fail(code, clause, `tensor ${t.name}: ${detail}`);
    if (t.sequence !== Array.isArray(value)) bad("E_SAMPLE_SHAPE", "sample.sequence", `${t.sequence ? "not a" : "a"} list`);
    if (!isKnown(t.htype)) bad("E_ARGUMENT", "htype.unknown", `htype ${t.htype}`);
    return [value].flat().map(({dtype, shape, bytes}) => {
      if (!dtypeOf(dtype)) bad("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
      if (shape.length !== t.shape.length || t.shape.some((d, a) => d !== null && d !== shape[a])) bad("E_SAMPLE_SHAPE", "sample.shape", `[${shape}] for [${t.shape}]`);
      if (shape.reduce((n, d) => n * d, dtypeOf(dtype).size) !== bytes.length) bad("E_ARGUMENT", "unit.decoded", `${bytes.length} bytes for [${shape}] of ${dtype}`);
      if (dtype === "bool" && bytes.some((b) => b > 1)) bad("E_VALUE_BOOL", "value.bool", "a boolean is neither 0 nor 1");
      const item = new Item(t.dtype, [...shape], convert(dtype, t.dtype, bytes)?.slice() ?? bad("E_SAMPLE_DTYPE", "dtype.convert", `${dtype} does not fit ${t.dtype}`));
      judgeItem(t, item, (code, clause, detail) => bad(code === "E_VALUE_TEXT" ? "E_SAMPLE_HTYPE" : code, clause, detail));
      return item;
    });
  }
  async append(values) {
    return this.extend([values]);
  }
  // Many rows; all of them or, when one is refused, none [sample.atomic].
  async extend(rows) {
    const judged = rows.map((values) => {
      const odd = Object.keys(values).find((name) => !this.tensors.has(name));
      if (odd !== undefined) fail("E_TENSOR_ABSENT", "model.tensor", `no tensor ${odd}`);
      return [...this.tensors.values()].map((t) => [t, this.#sample(t, Object.hasOwn(values, t.name) ? values[t.name] : null)]);
    });
    for (const row of judged) {
      for (const [t, sample] of row) {
        if (sample || t.builder) (t.builder ??= new Builder(t, this.length)).add(sample);
        t.added.push({chunk: t.builder?.chunk ?? null, first: t.builder ? t.builder.samples.length - 1 : 0, count: 1});
        if (t.builder?.full) await this.#close(t);
      }
      this.length++;
    }
  }
  // Finishes a tensor's open chunk, whose slices learn its name.
  async #close(t) {
    if (!t.builder) return;
    const {bytes, ...row} = await t.builder.finish();
    this.#fresh.set(chunkKey(row.name), bytes);
    Object.assign(t.builder.chunk, row);
    t.builder = null;
  }
  async #document({time = new Date().toISOString(), author = "", message = ""}) {
    if (instant(time) === null) argument("commit.time", `${time} is no time`);
    const {base, branch, length} = this, tensors = Object.create(null);
    for (const [name, t] of this.tensors) {
      const {chunks, slices, manifests, ...rest} = t.doc;
      for (const key of KIND) rest[key] = t[key];
      tensors[name] = {...rest, ...(t.refs.length ? {manifests: t.refs} : {}), ...tables(merge([...t.slices, ...t.added]))};
    }
    const doc = {
      lakebed: "1.0", requires: {read: [], write: []}, branch, number: (base?.number ?? 0) + 1, id: hex(crypto.getRandomValues(new Uint8Array(16))),
      parent: base && {branch, number: base.number, sha256: await sha256(base.bytes)},
      time: base && instant(base.time) > instant(time) ? base.time : time, author, message, length, attributes: base?.attributes ?? {},
    };
    const unknown = Object.entries(base?.doc ?? {}).filter(([k]) => !(k in doc) && !["closed", "tensors", "crc32"].includes(k));
    return seal({...doc, ...Object.fromEntries(unknown), tensors});
  }
  async commit(options = {}) {
    for (const t of this.tensors.values()) await this.#close(t);
    for (;;) {
      const number = (this.base?.number ?? 0) + 1, key = commitKey(this.branch, number), bytes = await this.#document(options), done = judgeCommit(bytes, key, {branch: this.branch, number});
      for (const [k, b] of this.#fresh) await this.store.put(k, b);
      // Bytes that are there already are ours: a reply was lost [algo.commit.exists].
      if ((await this.store.create(key, bytes)) || equal((await this.store.get(key, DOCUMENT)) ?? [], bytes)) {
        await this.store.put(hintKey(this.branch), bytes).catch(() => {});
        this.#fresh.clear();
        this.#load(done);
        return done;
      }
      if (!this.base) fail("E_DATASET_EXISTS", "algo.create", "another writer created the dataset", key);
      await this.#rebase();
    }
  }
  // All slices of a commit's tensor, its manifests dissolved.
  async #whole(t) {
    const out = [];
    for (const ref of t.refs) {
      const key = manifestKey(ref.sha256), bytes = (await this.store.get(key, DOCUMENT)) ?? fail("E_OBJECT_MISSING", "tree.needed", "the manifest is absent", key);
      out.push(...rowsOf(judgeManifest(bytes, ref, await sha256(bytes))));
    }
    return [...out, ...rowsOf(t.own)];
  }
  // Puts our new rows behind what another writer committed first [algo.rebase.append].
  async #rebase() {
    const conflict = (what) => fail("E_CONFLICT", "algo.rebase.conflict", `another commit came first: ${what}`);
    const ours = this.tensors, {base, length} = this, {tensors, base: theirs} = await Writer.open(this.store, {branch: this.branch});
    const names = (m) => stringify([...m.keys()].sort()), kind = (t) => stringify(KIND.slice(0, 5).map((k) => t[k]));
    if (!this.appends || names(ours) !== names(tensors)) conflict("tensors");
    for (const [name, t] of ours) {
      const other = tensors.get(name), before = await this.#whole(t), after = await this.#whole(other);
      let left = base.length;
      const start = after.flatMap((s) => (left > 0 ? [{...s, count: Math.min(s.count, left), left: (left -= s.count)}] : []));
      if (kind(t) !== kind(other) || plainly(before) !== plainly(start)) conflict(name);
    }
    this.#load(theirs);
    for (const [name, t] of this.tensors) t.added = ours.get(name).added;
    this.length += length - base.length;
  }
}
