// A writer of rows [algo.commit.base]: new datasets, new tensors, rows at the end. What is to be written is held in
// memory until the commit; a commit is one exclusive create, put behind another's when both only appended.
import {fail} from "./errors.js";
import {equal, hex, sha256, utf8} from "./bytes.js";
import * as document from "./document.js";
import {parse, stringify} from "./json.js";
import {CODECS, judgePipelines} from "./codecs.js";
import {Item, head, newest, readCommit, readManifest} from "./dataset.js";
import {convert, dtypeOf} from "./dtypes.js";
import {fits, isExact, isKnown, judgeItem} from "./htypes.js";
import {Builder, codecMap, encodes} from "./build.js";

const {commitKey, instant} = document;
const KIND = ["htype", "dtype", "shape", "sequence", "fidelity"], MEMBERS = [...KIND, "attributes", "write"];
// What a caller gives becomes what a document would hold: no prototypes, 0.5 a Real.
const given = (v) => parse(utf8(stringify(v)));
const argument = (ok, clause, detail) => ok || fail("E_ARGUMENT", clause, detail);
const refused = (code, clause, detail) => argument(false, clause, detail);

// Neighbours that continue each other become one [slice.merge].
function merge(slices) {
  const out = [];
  for (const {chunk, first, count} of slices) {
    const last = out.at(-1), same = last && last.chunk?.name === chunk?.name;
    if (same && (!chunk || last.first + last.count === first)) last.count += count;
    else out.push({chunk, first, count});
  }
  return out;
}

function tables(slices) {
  const chunks = [...new Map(slices.filter((s) => s.chunk).map(({chunk}) => [chunk.name, chunk])).values()];
  const place = new Map(chunks.map((c, i) => [c.name, i]));
  const column = (rows, of) => {
    const values = rows.map(of);
    return values.length && values.every((v) => v === values[0]) ? values[0] : values;
  };
  const chunk = column(slices, (s) => (s.chunk ? place.get(s.chunk.name) : null));
  const first = column(slices, (s) => s.first);
  const payload = column(chunks, (c) => c.payload), index = column(chunks, (c) => c.index);
  const name = chunks.map((c) => c.name), count = slices.map((s) => s.count);
  return {chunks: {name, payload, index}, slices: {chunk, first, count}};
}

export class Writer {
  #fresh = new Map(); // chunks that no commit names yet
  constructor(store, branch, base) {
    if (!store.create) fail("E_READ_ONLY", "store.read_only", "this store takes no writes");
    Object.assign(this, {store, branch});
    this.#load(base);
  }
  static async create(store, {branch = "main"} = {}) {
    const top = await newest(store, document.name(branch));
    if (top) fail("E_DATASET_EXISTS", "algo.create", `branch ${branch} has a commit`);
    return new Writer(store, branch, null);
  }
  static async open(store, {branch = "main"} = {}) {
    return new Writer(store, branch, await readCommit(store, branch, await head(store, branch)));
  }
  #load(base) {
    const needs = base?.doc.requires.write ?? [];
    if (needs.length) fail("E_REQUIRES_WRITE", "commit.requires.write", `writing needs ${needs}`, base.key);
    if (base?.closed) fail("E_BRANCH_CLOSED", "algo.commit.base", `branch ${base.branch} is closed`, base.key);
    // `appends`: nothing but rows were added since the base.
    Object.assign(this, {base, appends: base !== null, length: base?.length ?? 0, tensors: new Map()});
    for (const [name, t] of base?.tensors ?? []) {
      this.tensors.set(name, {...t, slices: t.own.slices(), added: [], builder: null});
    }
  }
  // Forgets what is not committed.
  discard() {
    this.#fresh.clear();
    this.#load(this.base);
  }
  createTensor(name, about) {
    const {htype = "generic", dtype, shape, sequence = false, fidelity = "exact", attributes = {}, ...write} = about;
    const under = (a, b) => a.startsWith(`${b}/`), names = [...this.tensors.keys()];
    if (this.tensors.has(name)) fail("E_TENSOR_EXISTS", "algo.edit.tensor_new", `there is a tensor ${name}`);
    if (!document.isTensorName(name) || names.some((k) => under(k, name) || under(name, k))) {
      fail("E_NAME", "tensor.name", `${JSON.stringify(name)} is no tensor name, or lies beneath or above another`);
    }
    const added = this.length ? [{chunk: null, first: 0, count: this.length}] : [];
    const state = {doc: {}, refs: [], slices: [], added, builder: null};
    const t = {name, ...given({htype, dtype, shape, sequence, fidelity, attributes, write}), ...state};
    const bad = MEMBERS.find((key) => !document.TENSOR[key](t[key]));
    argument(!bad, `tensor.${bad}`, `${bad} is ${stringify(t[bad])}`);
    if (!dtypeOf(dtype)) fail("E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
    argument(isKnown(htype), "htype.unknown", `htype ${htype}`);
    fits(t, null, refused);
    document.advice(t.write, shape.length, null, refused);
    this.#codecs(t, t.write.codecs ?? []);
    this.tensors.set(name, t);
    this.appends = false;
  }
  #codecs({htype, dtype, fidelity}, pipelines) {
    const codecs = pipelines.flat(), [bound] = Object.keys(typeof fidelity === "object" ? fidelity : {});
    const kept = !isExact(htype) || fidelity === "exact";
    if (!kept) fail("E_FIDELITY_LABEL", "htype.lossless", `${htype} takes no fidelity but exact`);
    judgePipelines(pipelines.map((p) => p.map(codecMap)), dtype, null, true);
    for (const {name, ...params} of codecs) {
      const has = (k) => Object.hasOwn(CODECS[name].params, k);
      const known = Object.hasOwn(CODECS, name) && Object.keys(params).every(has);
      argument(known, "codec.registry", `codec ${name} with ${Object.keys(params)} is not known`);
    }
    const takes = bound === "psnr_db" ? ["uint8", "uint16"].includes(dtype) : !bound || dtype !== "bool";
    argument(takes, `fidelity.${bound}`, `${bound} for ${dtype}`);
    if (!pipelines.every(encodes)) fail("E_CODEC_UNSUPPORTED", "codec.encode", "this port writes raw and lz4");
  }
  // A value ({dtype, shape, bytes}, in a sequence a list of them, or null) as a sample of the tensor.
  #sample(t, value) {
    if (value === null || value === undefined) return null;
    const rule = (ok, code, clause, detail) => ok || fail(code, clause, `tensor ${t.name}: ${detail}`);
    rule(t.sequence === Array.isArray(value), "E_SAMPLE_SHAPE", "sample.sequence", "a list, or none");
    rule(isKnown(t.htype), "E_ARGUMENT", "htype.unknown", `htype ${t.htype}`);
    return [value].flat().map(({dtype, shape, bytes}) => {
      const type = dtypeOf(dtype), fits = (d, a) => d === null || d === shape[a];
      rule(type, "E_DTYPE_UNSUPPORTED", "dtype.table", `dtype ${dtype}`);
      const fit = shape.length === t.shape.length && t.shape.every(fits);
      rule(fit, "E_SAMPLE_SHAPE", "sample.shape", `[${shape}] for [${t.shape}]`);
      const whole = shape.reduce((n, d) => n * d, type.size) === bytes.length;
      rule(whole, "E_ARGUMENT", "unit.decoded", `${bytes.length} bytes for [${shape}] of ${dtype}`);
      rule(dtype !== "bool" || bytes.every((b) => b < 2), "E_VALUE_BOOL", "value.bool", "a boolean is neither 0 nor 1");
      const converted = convert(dtype, t.dtype, bytes);
      rule(converted, "E_SAMPLE_DTYPE", "dtype.convert", `${dtype} does not fit ${t.dtype}`);
      const item = new Item(t.dtype, [...shape], converted.slice());
      judgeItem(t, item, (code, ...what) => rule(false, code === "E_VALUE_TEXT" ? "E_SAMPLE_HTYPE" : code, ...what));
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
      const value = ({name}) => (Object.hasOwn(values, name) ? values[name] : null);
      return [...this.tensors.values()].map((t) => [t, this.#sample(t, value(t))]);
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
    const {bytes, ...row} = (await t.builder?.finish()) ?? {};
    if (bytes) this.#fresh.set(document.chunkKey(row.name), bytes);
    Object.assign(t.builder?.chunk ?? {}, row);
    t.builder = null;
  }
  async #document({time = new Date().toISOString(), author = "", message = ""}) {
    argument(instant(time) !== null, "commit.time", `${time} is no time`);
    const {base, branch, length} = this, tensors = Object.create(null);
    for (const [name, t] of this.tensors) {
      const members = Object.fromEntries(MEMBERS.map((key) => [key, t[key]]));
      tensors[name] = {...t.doc, ...members, ...tables(merge([...t.slices, ...t.added]))};
    }
    const {closed: _, tensors: __, ...kept} = base?.doc ?? {};
    return document.seal({
      ...kept, lakebed: "1.0", requires: {read: [], write: []}, branch, number: (base?.number ?? 0) + 1,
      id: hex(crypto.getRandomValues(new Uint8Array(16))),
      parent: base && {branch, number: base.number, sha256: await sha256(base.bytes)},
      time: base && instant(base.time) > instant(time) ? base.time : time, author, message, length,
      attributes: base?.attributes ?? {}, tensors,
    });
  }
  async commit(options = {}) {
    for (const t of this.tensors.values()) await this.#close(t);
    for (;;) {
      const {store, branch, base} = this, number = (base?.number ?? 0) + 1, key = commitKey(branch, number);
      const bytes = await this.#document(options), done = document.commit(bytes, key, {branch, number});
      for (const [k, b] of this.#fresh) await store.put(k, b);
      // Was it made? Bytes that are there already may be ours, of a reply that was lost [algo.commit.exists].
      const unclear = (e) => (e.code === "E_COMMIT_UNKNOWN" ? e : Promise.reject(e));
      const made = await store.create(key, bytes).catch(unclear);
      const there = made === true ? bytes : await store.get(key, document.DOCUMENT);
      if (!there) throw made;
      if (equal(there, bytes)) {
        await store.put(document.hintKey(branch), bytes).catch(() => {});
        this.#fresh.clear();
        this.#load(done);
        return done;
      }
      if (!base) fail("E_DATASET_EXISTS", "algo.create", "another writer created the dataset", key);
      await this.#rebase();
    }
  }
  // Puts our new rows behind what another writer committed first [algo.rebase.append].
  async #rebase() {
    const {tensors: ours, base, length, store, branch} = this, theirs = await Writer.open(store, {branch});
    const names = (m) => stringify([...m.keys()].sort()), kind = (t) => stringify(KIND.map((key) => t[key]));
    // The slices of the base's rows, manifests dissolved, as text.
    const rows = async (t) => {
      const parts = [...(await Promise.all(t.refs.map((ref) => readManifest(store, ref)))), t.own];
      let left = base.length;
      const slices = parts.flatMap((part) => part.slices());
      for (const s of slices) (s.count = Math.min(s.count, left)), (left -= s.count);
      return stringify(merge(slices.filter((s) => s.count)).map((s) => [s.chunk?.name ?? null, s.first, s.count]));
    };
    const conflict = (what) => fail("E_CONFLICT", "algo.rebase.conflict", `another commit came first: ${what}`);
    if (!this.appends || names(ours) !== names(theirs.tensors)) conflict("tensors");
    for (const [name, t] of ours) {
      const other = theirs.tensors.get(name);
      if (kind(t) !== kind(other) || (await rows(t)) !== (await rows(other))) conflict(name);
    }
    this.#load(theirs.base);
    for (const [name, t] of this.tensors) t.added = ours.get(name).added;
    this.length += length - base.length;
  }
}
