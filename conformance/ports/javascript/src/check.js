// The checker [safety.check]: every object of every commit; every finding with code, clause, object and offset.
import {LakebedError} from "./errors.js";
import {equal, sha256} from "./bytes.js";
import {DOCUMENT, advice, chunkKey, commit as judgeCommit, instant, isName, manifest as judgeManifest, manifestKey, tag as judgeTag, commitKey} from "./document.js";
import {number} from "./json.js";
import {HEAD, canonical, openChunk} from "./chunk.js";
import {Item, decodeUnit, judgeDims, judgeUse, listCommits, newest} from "./dataset.js";
import {dtypeOf} from "./dtypes.js";
import {isMedia} from "./codecs.js";
import {isLossy, judgeFile} from "./media.js";
import {fits, isExact, judgeItem} from "./htypes.js";

const FOREIGN = /^(commits\/[^/]+\/(\d{10}|latest)\.json|tags\/[^/]+\.json|chunks\/([0-9a-f]{2})\/\3[0-9a-f]{62}\.chunk|manifests\/([0-9a-f]{2})\/\4[0-9a-f]{62}\.json)$/;

export async function check(store) {
  const findings = [], commits = new Map(), chunks = new Map(), manifests = new Map();
  const told = new Set();
  const report = (e, note = false) => {
    if (!(e instanceof LakebedError)) throw e;
    const {code, clause, object, offset, detail} = e, id = [code, clause, object, offset, detail].join("\n");
    if (!told.has(id)) findings.push({code, clause, object, offset, detail, ...(note ? {note} : {})});
    told.add(id);
  };
  const fault = (code, clause, detail, object, offset) => report(new LakebedError(code, clause, detail, object, offset));
  const note = (code, clause, detail, object) => report(new LakebedError(code, clause, detail, object), true);
  const attempt = async (task, asNote = false) => {
    try {
      return await task();
    } catch (e) {
      return report(e, asNote), null;
    }
  };
  const keys = (await store.list("")) ?? [];
  for (const key of keys) {
    const [kind, folder] = key.split("/");
    if (kind === "commits" && isName(folder) && key === commitKey(folder, 0)) fault("E_COMMIT_PLACE", "tree.number", "numbers run from 1", key);
    const known = FOREIGN.test(key) && (kind !== "commits" || isName(folder)) && (kind !== "tags" || isName(folder.slice(0, -5)));
    if (!key.split("/").at(-1).startsWith(".") && !known) note("FOREIGN", "tree.foreign", "no object of the dataset", key);
  }
  const found = (await listCommits(store)) ?? [];
  if (!found.length) fault("E_DATASET_ABSENT", "tree.absent", "no commit of any branch", null);

  for (const {branch, number: n, key} of found) {
    await attempt(async () => {
      const bytes = await store.get(key, DOCUMENT), c = judgeCommit(bytes, key, {branch, number: n}, report);
      commits.set(key, {...c, hash: await sha256(bytes)});
    });
  }
  for (const [key, c] of commits) {
    const parent = c.parent ? commits.get(commitKey(c.parent.branch, c.parent.number)) : null;
    if (parent) {
      if (parent.hash !== c.parent.sha256) fault("E_COMMIT_PARENT", "commit.parent.hash", `the parent hashes to ${parent.hash}`, key);
      if (parent.closed === true && c.number !== 1) fault("E_COMMIT_PARENT", "commit.parent.hash", "the parent is closed", key);
      if (parent.branch === c.branch && instant(c.time) < instant(parent.time)) fault("E_COMMIT_PARENT", "commit.time.order", `${c.time} is before ${parent.time}`, key);
    }
    for (const t of c.tensors.values()) await tensor(t, key);
  }
  for (const branch of new Set(found.map((c) => c.branch))) await hintOf(branch);
  for (const key of keys.filter((k) => /^tags\/[^/.][^/]*\.json$/.test(k) && isName(k.slice(5, -5)))) {
    await attempt(async () => {
      const t = judgeTag(await store.get(key, DOCUMENT), key.slice(5, -5));
      const bytes = await store.get(commitKey(t.branch, t.number), DOCUMENT);
      if (!bytes || (await sha256(bytes)) !== t.sha256) fault("E_TAG_TARGET", "tag.target", "the commit is not the one that was tagged", key);
    });
  }
  for (const [name, uses] of chunks) await chunk(name, uses);
  return findings;

  async function hintOf(branch) {
    const key = `commits/${branch}/latest.json`, bytes = await attempt(() => store.get(key, DOCUMENT), true);
    if (!bytes) return;
    const h = await attempt(() => judgeCommit(bytes, key), true);
    const of = h && commits.get(commitKey(branch, h.number));
    if (h && (!of || !equal(of.bytes, bytes))) note("HINT", "hint.copy", "the hint is a copy of no commit of its branch", key);
    else if (h && h.number !== (await newest(store, branch))) note("HINT", "hint.checker", `the hint names ${h.number}`, key);
  }

  async function tensor(t, key) {
    if (!t.sound) return undefined;
    if (!dtypeOf(t.dtype)) return fault("E_DTYPE_UNSUPPORTED", "dtype.table", `tensor ${t.name} has dtype ${t.dtype}`, key);
    // Pipelines are judged by all [codec.pipeline]; other advice binds writers only.
    const told = (e) => report(new LakebedError(e.code, e.clause, `tensor ${t.name}: ${e.detail}`, key), e.clause !== "write.codecs");
    fits(t, key, (e) => ((t.misfit = true), report(e)));
    advice(t.write, t.shape.length, key, told);
    const tables = [[t.own, key]];
    for (const ref of t.refs) {
      const id = `${ref.sha256} ${ref.bytes} ${ref.samples}`, object = manifestKey(ref.sha256);
      if (!manifests.has(id)) {
        manifests.set(id, await attempt(async () => {
          const bytes = await store.get(object, DOCUMENT);
          if (!bytes) return fault("E_OBJECT_MISSING", "tree.needed", `tensor ${t.name} of ${key} needs it`, object);
          return judgeManifest(bytes, ref, await sha256(bytes), report);
        }));
      }
      tables.push([manifests.get(id), object]);
    }
    for (const [table, object] of tables) {
      if (!table) continue;
      const used = table.used();
      for (let i = 0; i < table.chunks; i++) if (!used.has(i)) note("E_SLICE", "tensor.chunks.used", `tensor ${t.name}: chunk ${i} is used by no slice`, object);
      for (let i = 0; i < table.chunks; i++) use(table.row(i), t);
      for (let i = 0; i < table.rows; i++) {
        const s = table.slice(i);
        if (s.chunk) use(s.chunk, t).slices.set(`${s.first} ${s.count}`, s);
      }
    }
    return undefined;
  }

  // Uses of a chunk: per row of a table that says the same, per tensor with the same rules, its slices.
  function use(row, t) {
    const id = JSON.stringify([row.payload, row.index, t.name, t.dtype, t.shape, t.sequence, t.htype, t.fidelity, t.attributes]);
    if (!chunks.has(row.name)) chunks.set(row.name, new Map());
    const uses = chunks.get(row.name);
    if (!uses.has(id)) uses.set(id, {row, t, slices: new Map()});
    return uses.get(id);
  }

  async function chunk(name, uses) {
    const object = chunkKey(name), rows = new Map([...uses.values()].map((u) => [`${u.row.payload} ${u.row.index}`, u.row]));
    const bytes = await attempt(() => store.get(object, 2 ** 40));
    if (!bytes) return fault("E_OBJECT_MISSING", "tree.needed", "the object is not in the store", object);
    const hash = await sha256(bytes);
    if (hash !== null && hash !== name) fault("E_CHUNK_HASH", "chunk.hash", `the bytes hash to ${hash}`, object);
    if (bytes.length >= 8 && !equal(bytes.subarray(0, 8), HEAD.subarray(0, 8))) fault("E_CHUNK_HEAD", "chunk.head.magic", "the head has another magic", object, 0);
    const odd = bytes.subarray(8, 64).findIndex((b) => b);
    if (odd >= 0) fault("E_CHUNK_HEAD", "chunk.head.zero", "the head is not zero", object, 8 + odd);
    for (const row of rows.values()) {
      const size = 64 + row.payload + row.index + 40;
      if (bytes.length < size) {
        fault("E_TRUNCATED", "chunk.open.range", `${bytes.length} bytes, ${size} by the table`, object);
        continue;
      }
      if (bytes.length > size) fault("E_CHUNK_SIZE", "chunk.size", `${bytes.length} bytes, ${size} by the table`, object);
      const index = await attempt(() => openChunk(bytes.subarray(64 + row.payload, size), row, object,
        (at) => fault("E_INDEX_CANONICAL", "index.shortest", "a header is not the shortest", object, at)));
      if (!index) continue;
      canonical(index, (clause, detail) => fault("E_INDEX_CANONICAL", clause, detail, object, 64 + row.payload));
      const good = units(index, bytes);
      for (const u of uses.values()) if (u.row.payload === row.payload && u.row.index === row.index) await samples(index, bytes, u, good);
    }
    return undefined;
  }

  // Every unit of a chunk: checksums, decoding. Returns which can be believed.
  function units(index, bytes) {
    const good = new Set();
    // Units without bytes may be 2^26: one stands for all. A chunk of nothing but faults is listed to the hundredth.
    const alike = index.P === 0 && index.bytesBefore(index.I) === 0 && index.codec.constant !== null && index.crc.every((c) => c === 0);
    for (let u = 0, at = 64, faults = 0; u < index.U && faults < 100; u++) {
      const stored = bytes.subarray(at, (at += index.unitStored(u)));
      try {
        index.verify(u, stored);
        const p = index.pipeline(u);
        if (isMedia(p)) judgeFile(p[0].get("name"), stored, index.unitShape(u), index.dtype, index.object, at - stored.length);
        decodeUnit(index, u, stored);
        if (alike) return {has: () => true};
        good.add(u);
      } catch (e) {
        faults++;
        report(e, e.code === "E_CODEC_UNSUPPORTED");
      }
    }
    return good;
  }

  // What slices of one tensor use: ranges, shapes, fidelity, values.
  async function samples(index, bytes, {t, slices}, good) {
    for (const s of slices.values()) if (!(await attempt(() => (judgeUse(index, t, s), true)))) return;
    const marks = [...slices.values()].map((s) => [s.first, s.first + s.count]).sort((a, b) => a[0] - b[0]);
    const pipelines = new Set(), lossy = isExact(t.htype), seen = {unit: -1, bytes: null};
    const alike = index.uniform && index.codec.constant !== null && (index.each === 0 || (t.htype === "generic" && !isMedia(index.pipelines[index.codec.constant])));
    let from = 0;
    for (const [first, end] of marks) {
      for (let s = Math.max(first, from); s < end; s++) {
        const items = index.itemsOf(s);
        for (let i = items?.[0] ?? 0; items && i < items[0] + items[1]; i++) {
          if (!(await attempt(() => (judgeDims(index, t, i), true)))) return;
          item(i);
          if (alike) return;
        }
      }
      from = Math.max(from, end);
    }

    function item(i) {
      const empty = index.itemShape(i).includes(0), tiles = index.tile ? [index.tilesBefore(i), empty ? index.tilesBefore(i) : index.tilesBefore(i + 1)] : null;
      const [first, end] = tiles ?? [index.unitOf(i), index.unitOf(i) + 1];
      for (let u = first; u < end; u++) {
        const p = index.codec.at(u), where = 64 + index.unitStart(u), stored = () => bytes.subarray(where, where + index.unitStored(u));
        if (!pipelines.has(p)) pipelines.add(p), faithful(index.pipelines[p], where);
        if (lossy && isMedia(index.pipelines[p]) && isLossy(index.pipelines[p][0].get("name"), stored())) {
          fault("E_FIDELITY_BROKEN", "htype.lossless.stored", `tensor ${t.name}: a lossy file in ${t.htype}`, index.object, where);
        }
        if (!good.has(u) || t.misfit || isMedia(index.pipelines[p])) continue;
        if (seen.unit !== u) (seen.unit = u), (seen.bytes = decodeUnit(index, u, stored()));
        // [htype.link.secret] binds writers only.
        const tell = (code, clause, detail) => clause !== "htype.link.secret" && fault(code, clause, `tensor ${t.name}, item ${i}: ${detail}`, index.object, where);
        if (tiles) judgeItem(t, new Item(index.dtype, index.unitShape(u), seen.bytes), tell, true);
        else {
          const base = index.bytesBefore(i) - index.bytesBefore(index.unitItems(u)[0]);
          judgeItem(t, new Item(index.dtype, index.itemShape(i), seen.bytes.slice(base, base + index.itemBytes(i))), tell);
        }
      }
    }

    function faithful(pipeline, where) {
      const broken = (clause, detail) => fault("E_FIDELITY_BROKEN", clause, `tensor ${t.name}: ${detail}`, index.object, where);
      const quantize = pipeline.find((c) => c.get("name") === "quantize"), [first] = pipeline, name = first?.get("name");
      if (quantize && lossy) broken("htype.lossless.stored", `quantize in ${t.htype}`);
      if (t.fidelity === "exact") {
        const inexact = first?.size > 1 && (["jpeg", "gif"].includes(name) || (name === "webp" && first.get("lossless") !== true));
        if (quantize || inexact) broken("fidelity.stored", `${name} in an exact tensor`);
      } else if (quantize && typeof t.fidelity === "object") {
        for (const key of ["max_abs_error", "max_rel_error"]) {
          const stated = quantize.get(key)?.value ?? quantize.get(key);
          if (key in t.fidelity && stated > number(t.fidelity[key])) broken("fidelity.stored", `${key} ${stated} where ${number(t.fidelity[key])} is promised`);
        }
      }
    }
  }
}
