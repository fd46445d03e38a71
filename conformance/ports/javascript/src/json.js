// A JSON reader that sees what JSON.parse hides: members named twice, `1.0` against `1`, integers beyond 2^53,
// unpaired surrogates. Objects have no prototype, so a member `__proto__` is a member like any other.
import {LakebedError} from "./errors.js";
import {text as decode, utf8} from "./bytes.js";

// A number written with fraction or exponent. It keeps its text, so that a writer gives it back unchanged.
export class Real {
  constructor(text) {
    this.text = text;
  }
  valueOf() {
    return Number(this.text);
  }
  toJSON() {
    return Number(this.text);
  }
}

export const number = (v) => (v instanceof Real ? Number(v.text) : v);

// The value with ordinary numbers in place of Real.
export function plain(v) {
  if (v instanceof Real) return Number(v.text);
  if (Array.isArray(v)) return v.map(plain);
  if (v === null || typeof v !== "object") return v;
  const out = Object.create(null);
  for (const k of Object.keys(v)) out[k] = plain(v[k]);
  return out;
}

export function stringify(v) {
  if (v instanceof Real) return v.text;
  if (Array.isArray(v)) return `[${v.map(stringify).join(",")}]`;
  if (v === null || typeof v !== "object") return JSON.stringify(v);
  return `{${Object.keys(v).map((k) => `${JSON.stringify(k)}:${stringify(v[k])}`).join(",")}}`;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const ESCAPES = {'"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t"};
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

// `documents` false: a JSON value of htype json, of 512 levels and any number [htype.json.value].
export function parse(bytes, object = null, documents = true) {
  const s = decode(bytes);
  const bad = (code, clause, detail, at) => {
    const offset = at === undefined ? null : utf8(s.slice(0, at)).length;
    throw documents ? new LakebedError(code, clause, detail, object, offset)
      : new LakebedError("E_VALUE_TEXT", "htype.json.value", detail, object, offset);
  };
  if (s === null) bad("E_JSON_SYNTAX", "json.syntax", "not UTF-8");
  const most = documents ? 32 : 512;
  let i = 0;
  const blank = () => {
    for (let c = s.charCodeAt(i); c === 32 || c === 10 || c === 13 || c === 9; c = s.charCodeAt(++i));
  };
  const syntax = () => bad("E_JSON_SYNTAX", "json.syntax", i < s.length ? `unexpected ${JSON.stringify(s[i])}` : "ends too early", i);

  function string() {
    const start = ++i;
    let from = i, out = "";
    for (;; i++) {
      const c = s.charCodeAt(i);
      if (c === 34) break;
      if (!(c >= 32)) syntax();
      if (c !== 92) continue;
      out += s.slice(from, i++);
      if (s[i] === "u") {
        const digits = s.slice(i + 1, i + 5);
        if (!/^[0-9a-fA-F]{4}$/.test(digits)) syntax();
        out += String.fromCharCode(parseInt(digits, 16));
        i += 4;
      } else if (Object.hasOwn(ESCAPES, s[i] ?? "")) out += ESCAPES[s[i]];
      else syntax();
      from = i + 1;
    }
    out += s.slice(from, i++);
    if (documents && LONE.test(out)) bad("E_JSON_SYNTAX", "json.surrogate", "an unpaired surrogate", start);
    return out;
  }

  function value(depth) {
    blank();
    const c = s[i];
    if (c === '"') return string();
    if (c === "{" || c === "[") {
      if (depth > most) bad("E_JSON_LIMIT", "json.depth", `nested deeper than ${most}`, i);
      return c === "{" ? members(depth) : elements(depth);
    }
    for (const [word, v] of [["true", true], ["false", false], ["null", null]]) {
      if (s.startsWith(word, i)) return (i += word.length), v;
    }
    NUMBER.lastIndex = i;
    const found = NUMBER.exec(s);
    if (!found) syntax();
    const at = i;
    i += found[0].length;
    const n = Number(found[0]);
    if (found[1] || found[2]) {
      if (documents && !Number.isFinite(n)) bad("E_JSON_LIMIT", "json.floats", `${found[0].slice(0, 40)} is not finite`, at);
      return new Real(found[0]);
    }
    if (documents && !Number.isSafeInteger(n)) bad("E_JSON_LIMIT", "json.integers", `${found[0].slice(0, 40)} is beyond 2^53-1`, at);
    return n + 0;
  }

  // The entries of an object or array up to its closing bracket.
  function entries(close, each) {
    i++;
    blank();
    for (let first = true; s[i] !== close; first = false) {
      if (!first && s[i++] !== ",") i--, syntax();
      blank();
      each();
      blank();
    }
    i++;
  }

  function members(depth) {
    const out = Object.create(null);
    entries("}", () => {
      if (s[i] !== '"') syntax();
      const at = i, key = string();
      if (key in out) bad("E_JSON_DUPLICATE", "json.duplicate", `member ${JSON.stringify(key)} stands twice`, at);
      blank();
      if (s[i++] !== ":") i--, syntax();
      out[key] = value(depth + 1);
    });
    return out;
  }

  function elements(depth) {
    const out = [];
    entries("]", () => out.push(value(depth + 1)));
    return out;
  }

  const out = value(1);
  blank();
  if (i < s.length) syntax();
  return out;
}
