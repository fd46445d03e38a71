// Every refusal is one of these: its code from the registry, the clause that was broken, the object's key and, where
// there is one, the offset of the byte.
export class LakebedError extends Error {
  constructor(code, clause, detail, object = null, offset = null) {
    super(`${code} [${clause}] ${detail}${object === null ? "" : ` (${object} at ${offset})`}`);
    Object.assign(this, {name: "LakebedError", code, clause, detail, object, offset});
  }
}

// The default way to tell of a broken rule; a checker passes its own, which collects.
export function fail(code, clause, detail, object = null, offset = null) {
  throw new LakebedError(code, clause, detail, object, offset);
}
