// A dataset in a folder, for Node: reading, and the durable writes and exclusive create of chapter 3.
import {constants, link, lstat, mkdir, open, readdir, rename, stat as fstat, unlink} from "node:fs/promises";
import {randomBytes} from "node:crypto";
import {dirname, join} from "node:path";
import {LakebedError, fail} from "./errors.js";
import {guard, missing} from "./store.js";

const absent = (e) => e.code === "ENOENT" || e.code === "ENOTDIR";

export class FolderStore {
  constructor(root) {
    this.root = root;
  }
  async #with(key, task) {
    let file;
    try {
      file = await open(join(this.root, guard(key)), constants.O_RDONLY | constants.O_NONBLOCK);
      const {size, ...stat} = await file.stat().then((s) => ({size: s.size, regular: s.isFile()}));
      if (!stat.regular) fail("E_STORE", "store.local.file", "not a regular file", key);
      return await task(file, size);
    } catch (e) {
      if (e instanceof LakebedError) throw e;
      if (absent(e)) return undefined;
      return fail("E_STORE", "store.failure", String(e.message), key);
    } finally {
      await file?.close();
    }
  }
  async #bytes(file, start, length, key) {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const {bytesRead} = await file.read(out, at, Math.min(length - at, 1 << 30), start + at);
      if (!bytesRead) fail("E_TRUNCATED", "store.ranges.short", `${at} bytes came of ${length} from ${start}`, key);
      at += bytesRead;
    }
    return out;
  }
  async get(key, limit) {
    const out = await this.#with(key, (file, size) => {
      if (size > limit) fail("E_JSON_LIMIT", "store.get.limit", `${size} bytes, at most ${limit} are taken`, key);
      return this.#bytes(file, 0, size, key);
    });
    return out ?? null;
  }
  async range(key, start, length) {
    const out = await this.#with(key, (file, size) => {
      if (start + length > size) fail("E_TRUNCATED", "store.ranges.short", `${start + length} bytes are needed, the object has ${size}`, key);
      return this.#bytes(file, start, length, key);
    });
    return out ?? missing(key);
  }
  async exists(key) {
    return (await this.#with(key, () => true)) ?? false;
  }
  // Keys of everything under `prefix`, a folder; names that are no key of a dataset too.
  async list(prefix = "") {
    const out = [];
    const walk = async (folder) => {
      let entries = [];
      try {
        entries = await readdir(join(this.root, folder), {withFileTypes: true});
      } catch (e) {
        if (!absent(e)) fail("E_STORE", "store.failure", String(e.message), folder);
      }
      for (const e of entries) {
        const key = folder ? `${folder}/${e.name}` : e.name;
        if (e.isDirectory()) await walk(key);
        else out.push(key);
      }
    };
    await walk(prefix.replace(/\/$/, ""));
    return out.sort();
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
      if (e instanceof LakebedError) throw e;
      return fail("E_STORE", "store.failure", String(e.message), key);
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
