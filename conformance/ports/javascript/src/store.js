// Where objects come from. A store has get(key, limit) -> bytes or null, range(key, start, length) -> bytes,
// exists(key), list(prefix) -> keys or null where it cannot; a writer's store also put and create.
import {LakebedError, fail} from "./errors.js";
import {concat} from "./bytes.js";

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
  // The reply, or null where there is no such object. `take` reads it; what fails is the store's failure.
  async #fetch(key, init, take = (reply) => reply) {
    try {
      const reply = await fetch(this.root + guard(key), init);
      if (reply.status === 404) return null;
      if (reply.status === 416) short(key, `the object ends before ${init.headers.Range}`);
      return reply.ok ? await take(reply) : fail("E_STORE", "store.failure", `HTTP ${reply.status}`, key);
    } catch (e) {
      if (e instanceof LakebedError) throw e;
      return fail("E_STORE", "store.failure", `fetch failed: ${e.message}`, key);
    }
  }
  async get(key, limit) {
    return this.#fetch(key, {}, async ({body}) => {
      const reader = body.getReader(), parts = [];
      for (let n = 0; ; ) {
        const {done, value} = await reader.read();
        if (done) return concat(parts);
        if ((n += value.length) > limit) await reader.cancel(), long(key, limit);
        parts.push(value);
      }
    });
  }
  async range(key, start, length) {
    const headers = {Range: `bytes=${start}-${start + length - 1}`};
    const bytes = await this.#fetch(key, {headers}, async (reply) => {
      const range = reply.headers.get("content-range"), right = range?.startsWith(`bytes ${start}-`);
      if (reply.status === 206 && right) return new Uint8Array(await reply.arrayBuffer());
      await reply.body?.cancel();
      return fail("E_STORE", "store.http", `a range was answered by ${reply.status} ${range}`, key);
    }) ?? missing(key);
    return bytes.length === length ? bytes : short(key, `${bytes.length} bytes came of ${length} from ${start}`);
  }
  async exists(key) {
    return (await this.#fetch(key, {method: "HEAD"})) !== null;
  }
  async list() {
    return null;
  }
}
