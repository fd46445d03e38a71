// A dataset in a folder, for Node: reading, and the durable writes and exclusive create of chapter 3.
import {constants, link, lstat, mkdir, open, readdir, rename, stat as fstat, unlink} from "node:fs/promises";
import {randomBytes} from "node:crypto";
import {dirname, join, relative} from "node:path";
import {LakebedError, fail} from "./errors.js";
import {guard, missing} from "./store.js";

const absent = (e) => e.code === "ENOENT" || e.code === "ENOTDIR";
const refuse = (e, key) => {
  throw e instanceof LakebedError ? e : new LakebedError("E_STORE", "store.failure", String(e.message), key);
};

export class FolderStore {
  constructor(root) {
    this.root = root;
  }
  // `length` bytes from `start`, or all of them up to `limit`; null when there is no such file.
  async #read(key, start, length, limit) {
    let file;
    try {
      file = await open(join(this.root, guard(key)), constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = await file.stat();
      if (!stat.isFile()) fail("E_STORE", "store.local.file", "not a regular file", key);
      if ((length ??= stat.size) > limit) fail("E_JSON_LIMIT", "store.get.limit", `${length} bytes, at most ${limit} are taken`, key);
      if (start + length > stat.size) fail("E_TRUNCATED", "store.ranges.short", `${start + length} bytes are needed, the object has ${stat.size}`, key);
      const out = new Uint8Array(length);
      for (let at = 0, n; at < length; at += n) {
        n = (await file.read(out, at, Math.min(length - at, 1 << 30), start + at)).bytesRead;
        if (!n) fail("E_TRUNCATED", "store.ranges.short", `${at} bytes came of ${length} from ${start}`, key);
      }
      return out;
    } catch (e) {
      if (absent(e)) return null;
      return refuse(e, key);
    } finally {
      await file?.close();
    }
  }
  async get(key, limit) {
    return this.#read(key, 0, null, limit);
  }
  async range(key, start, length) {
    return (await this.#read(key, start, length, Infinity)) ?? missing(key);
  }
  async exists(key) {
    return (await this.#read(key, 0, 0, Infinity)) !== null;
  }
  // Keys of everything under `prefix`, a folder; names that are no key of a dataset too.
  async list(prefix = "") {
    try {
      const entries = await readdir(join(this.root, prefix), {recursive: true, withFileTypes: true});
      return entries.filter((e) => !e.isDirectory()).map((e) => relative(this.root, join(e.parentPath, e.name))).sort();
    } catch (e) {
      return absent(e) ? [] : refuse(e, prefix);
    }
  }
  async #folder(path) {
    const stat = await (path === this.root ? fstat(path) : lstat(path)).catch(() => null);
    if (stat?.isSymbolicLink()) fail("E_STORE", "store.local.link", `${path} is a symbolic link`);
    if (stat) return;
    if (path !== this.root) await this.#folder(dirname(path));
    await mkdir(path, {recursive: path === this.root});
    await this.#sync(dirname(path));
  }
  async #sync(path) {
    const d = await open(path, "r");
    await d.sync().finally(() => d.close());
  }
  async #temporary(key, bytes, finish) {
    const path = join(this.root, guard(key)), folder = dirname(path);
    try {
      await this.#folder(folder);
      const temporary = join(folder, `.tmp-${randomBytes(12).toString("hex")}`);
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      return await finish(temporary, path).finally(() => this.#sync(folder));
    } catch (e) {
      return refuse(e, key);
    }
  }
  // Durable; replaces [store.durable].
  async put(key, bytes) {
    await this.#temporary(key, bytes, rename);
  }
  // Exclusive [store.exclusive.posix]: false when the key exists already.
  async create(key, bytes) {
    return this.#temporary(key, bytes, async (temporary, path) => {
      try {
        await link(temporary, path);
        return true;
      } catch (e) {
        if (e.code === "EEXIST") return false;
        return fail("E_STORE_EXCLUSIVE", "store.exclusive.posix", `link failed: ${e.message}`, key);
      } finally {
        await unlink(temporary);
      }
    });
  }
}
