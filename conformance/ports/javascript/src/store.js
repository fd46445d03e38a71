// Where objects come from. A store has get(key, limit) -> bytes or null, range(key, start, length) -> bytes,
// exists(key), list(prefix) -> keys or null where it cannot; a writer's store also put and create.
import {fail} from "./errors.js";

// [store.key]
export function guard(key) {
  if (/[\\\0]/.test(key) || key.split("/").some((s) => s === "" || s === "." || s === "..")) {
    fail("E_ARGUMENT", "store.key", `${JSON.stringify(key)} is no key of a dataset`);
  }
  return key;
}

export const missing = (key) => fail("E_OBJECT_MISSING", "tree.needed", "the object is not in the store", key);
export const short = (key, detail) => fail("E_TRUNCATED", "store.ranges.short", detail, key);
export const long = (key, limit) => fail("E_JSON_LIMIT", "store.get.limit", `longer than ${limit} bytes`, key);

// An HTTP root, in the browser or anywhere with fetch.
export class FetchStore {
  constructor(root) {
    this.root = String(root).replace(/\/?$/, "/");
  }
  // The reply, or null where there is no such object.
  async #fetch(key, init = {}) {
    const failed = (e) => fail("E_STORE", "store.failure", `fetch failed: ${e.message}`, key);
    const reply = await fetch(this.root + guard(key), init).catch(failed);
    if (reply.status === 404) return null;
    return reply.ok ? reply : fail("E_STORE", "store.failure", `HTTP ${reply.status}`, key);
  }
  async get(key, limit) {
    const reader = (await this.#fetch(key))?.body.getReader(), parts = [];
    if (!reader) return null;
    for (let n = 0; ; ) {
      const {done, value} = await reader.read();
      if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
      if ((n += value.length) > limit) await reader.cancel(), long(key, limit);
      parts.push(value);
    }
  }
  async range(key, start, length) {
    const reply = (await this.#fetch(key, {headers: {Range: `bytes=${start}-${start + length - 1}`}})) ?? missing(key);
    const range = reply.headers.get("content-range");
    if (reply.status !== 206 || !range?.startsWith(`bytes ${start}-`)) {
      await reply.body?.cancel();
      fail("E_STORE", "store.http", `a range was answered by ${reply.status} ${range}`, key);
    }
    const bytes = new Uint8Array(await reply.arrayBuffer());
    return bytes.length === length ? bytes : short(key, `${bytes.length} bytes came of ${length} from ${start}`);
  }
  async exists(key) {
    return (await this.#fetch(key, {method: "HEAD"})) !== null;
  }
  async list() {
    return null;
  }
}
