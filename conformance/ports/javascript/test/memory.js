// A store in memory: objects that tests lay and break.
import {fail} from "../src/errors.js";
import {guard, long, missing, short} from "../src/store.js";

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
    if (start + length > b.length) short(key, `${b.length} bytes are there, ${start + length} are needed`);
    return b.slice(start, start + length);
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
