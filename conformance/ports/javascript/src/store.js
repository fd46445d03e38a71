// Where objects come from. A store has get(key, limit) -> bytes or null, range(key, start, length) -> bytes,
// exists(key), list(prefix) -> keys or null where it cannot; a writer's store also put, create and replace.
import {fail} from "./errors.js";

// [store.key]
export function guard(key) {
  if (/[\\\0]/.test(key) || key.split("/").some((s) => s === "" || s === "." || s === "..")) {
    fail("E_ARGUMENT", "store.key", `${JSON.stringify(key)} is no key of a dataset`);
  }
  return key;
}

export const missing = (key) => fail("E_OBJECT_MISSING", "tree.needed", "the object is not in the store", key);
const short = (key, got, start, length) => fail("E_TRUNCATED", "store.ranges.short", `${got} bytes came of ${length} from ${start}`, key);
const long = (key, limit) => fail("E_JSON_LIMIT", "store.get.limit", `longer than ${limit} bytes`, key);

// An HTTP root, in the browser or anywhere with fetch.
export class FetchStore {
  constructor(root) {
    this.root = String(root).replace(/\/?$/, "/");
  }
  async #fetch(key, init = {}) {
    let reply;
    try {
      reply = await fetch(this.root + guard(key), init);
    } catch (e) {
      fail("E_STORE", "store.failure", `fetch failed: ${e.message}`, key);
    }
    if (reply.ok || reply.status === 404) return reply;
    return fail("E_STORE", "store.failure", `HTTP ${reply.status}`, key);
  }
  async get(key, limit) {
    const reply = await this.#fetch(key);
    if (reply.status === 404) return null;
    if (Number(reply.headers.get("content-length") ?? 0) > limit) long(key, limit);
    const parts = [];
    let n = 0;
    for (const reader = reply.body.getReader(); ; ) {
      const {done, value} = await reader.read();
      if (done) break;
      if ((n += value.length) > limit) await reader.cancel(), long(key, limit);
      parts.push(value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }
  async range(key, start, length) {
    const reply = await this.#fetch(key, {headers: {Range: `bytes=${start}-${start + length - 1}`}});
    if (reply.status === 404) missing(key);
    if (reply.status !== 206 || !reply.headers.get("content-range")?.startsWith(`bytes ${start}-`)) {
      await reply.body?.cancel();
      fail("E_STORE", "store.http", `a range was answered by ${reply.status} ${reply.headers.get("content-range")}`, key);
    }
    const bytes = new Uint8Array(await reply.arrayBuffer());
    return bytes.length === length ? bytes : short(key, bytes.length, start, length);
  }
  async exists(key) {
    return (await this.#fetch(key, {method: "HEAD"})).status !== 404;
  }
  async list() {
    return null;
  }
}

// Objects in memory: for tests, and for a dataset that arrived as one download.
export class MemoryStore {
  constructor(objects = new Map()) {
    this.objects = objects;
  }
  async get(key, limit) {
    const b = this.objects.get(guard(key));
    return b === undefined ? null : b.length > limit ? long(key, limit) : b.slice();
  }
  async range(key, start, length) {
    const b = this.objects.get(guard(key)) ?? missing(key);
    return start + length <= b.length ? b.slice(start, start + length) : short(key, Math.max(0, b.length - start), start, length);
  }
  async exists(key) {
    return this.objects.has(guard(key));
  }
  async list(prefix) {
    return [...this.objects.keys()].filter((k) => k.startsWith(prefix));
  }
  async put(key, bytes) {
    this.objects.set(guard(key), bytes.slice());
  }
  async create(key, bytes) {
    if (this.objects.has(guard(key))) return false;
    this.objects.set(key, bytes.slice());
    return true;
  }
}
