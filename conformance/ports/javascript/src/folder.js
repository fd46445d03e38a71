// A dataset in a folder, for Node: reading, and the durable writes and exclusive create of chapter 3.
import {constants, link, lstat, mkdir, open, readdir, rename, stat, unlink, writeFile} from "node:fs/promises";
import {randomBytes} from "node:crypto";
import {dirname, join, relative} from "node:path";
import {LakebedError, fail} from "./errors.js";
import {guard, long, missing, short} from "./store.js";

const absent = (e) => e.code === "ENOENT" || e.code === "ENOTDIR";
const refuse = (e, key) => {
  throw e instanceof LakebedError ? e : new LakebedError("E_STORE", "store.failure", String(e.message), key);
};

export class FolderStore {
  constructor(root) {
    this.root = root;
  }
  // `length` bytes from `start`, or all of them up to `limit`; null when there is no such file.
  async #read(key, start, length, limit = Infinity) {
    let file;
    try {
      file = await open(join(this.root, guard(key)), constants.O_RDONLY | constants.O_NONBLOCK);
      const found = await file.stat(), {size} = found;
      if (!found.isFile()) fail("E_STORE", "store.local.file", "not a regular file", key);
      if ((length ??= size) > limit) long(key, limit);
      if (start + length > size) short(key, `${start + length} bytes are needed, the object has ${size}`);
      const out = new Uint8Array(length);
      for (let at = 0, n; at < length; at += n) {
        n = (await file.read(out, at, Math.min(length - at, 1 << 30), start + at)).bytesRead;
        if (!n) short(key, `${at} bytes came of ${length} from ${start}`);
      }
      return out;
    } catch (e) {
      return absent(e) ? null : refuse(e, key);
    } finally {
      await file?.close();
    }
  }
  async get(key, limit) {
    return this.#read(key, 0, null, limit);
  }
  async range(key, start, length) {
    return (await this.#read(key, start, length)) ?? missing(key);
  }
  async exists(key) {
    return (await this.#read(key, 0, 0)) !== null;
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
  // A folder and those above it, each durable in its parent.
  async #folder(path) {
    const found = await (path === this.root ? stat(path) : lstat(path)).catch(() => null);
    if (found?.isSymbolicLink()) fail("E_STORE", "store.local.link", `${path} is a symbolic link`);
    if (found) return;
    if (path !== this.root) await this.#folder(dirname(path));
    await mkdir(path, {recursive: path === this.root});
    await this.#sync(dirname(path));
  }
  async #sync(path) {
    const folder = await open(path, "r");
    await folder.sync().finally(() => folder.close());
  }
  async #write(key, bytes, finish) {
    const path = join(this.root, guard(key)), folder = dirname(path);
    const temporary = join(folder, `.tmp-${randomBytes(12).toString("hex")}`);
    try {
      await this.#folder(folder);
      await writeFile(temporary, bytes, {flag: "wx", flush: true});
      return await finish(temporary, path).finally(() => this.#sync(folder));
    } catch (e) {
      return refuse(e, key);
    }
  }
  // Durable; replaces [store.durable].
  async put(key, bytes) {
    await this.#write(key, bytes, rename);
  }
  // Exclusive [store.exclusive.posix]: false when the key exists already.
  async create(key, bytes) {
    const linked = (temporary, path) => link(temporary, path).then(() => true, (e) => {
      if (e.code === "EEXIST") return false;
      const none = ["EPERM", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EMLINK"].includes(e.code);
      if (none) fail("E_STORE_EXCLUSIVE", "store.exclusive.posix", `no link: ${e.message}`, key);
      return fail("E_COMMIT_UNKNOWN", "store.exclusive.unknown", `the link may stand: ${e.message}`, key);
    });
    return this.#write(key, bytes, (temporary, path) => linked(temporary, path).finally(() => unlink(temporary)));
  }
}
