// A JSON reader that sees what JSON.parse hides: members named twice, `1.0` against `1`, integers beyond 2^53,
// unpaired surrogates. Objects have no prototype, so a member `__proto__` is a member like any other.
import {fail} from "./errors.js";
import {text as decode, utf8} from "./bytes.js";

// A number written with fraction or exponent. It keeps its text, so that a writer gives it back unchanged.
export class Real extends Number {
  constructor(text) {
    super(text);
    this.text = text;
  }
}

// The value with ordinary numbers in place of Real.
export const plain = (v) => JSON.parse(stringify(v));

export function stringify(v) {
  if (v instanceof Real) return v.text;
  if (Array.isArray(v)) return `[${v.map(stringify).join(",")}]`;
  if (v === null || typeof v !== "object") return JSON.stringify(v);
  return `{${Object.keys(v).map((k) => `${JSON.stringify(k)}:${stringify(v[k])}`).join(",")}}`;
}

const TOKEN = /["[\]{},:]|true|false|null|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/g;
const WORDS = {true: true, false: false, null: null};
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

// `documents` false: a JSON value of htype json, of 512 levels and any number [htype.json.value].
export function parse(bytes, object = null, documents = true) {
  const s = decode(bytes), most = documents ? 32 : 512;
  let i = 0;
  const bad = (code, clause, detail, at = null) => {
    const offset = at === null ? null : utf8(s.slice(0, at)).length;
    return fail(documents ? code : "E_VALUE_TEXT", documents ? clause : "htype.json.value", detail, object, offset);
  };
  if (s === null) bad("E_JSON_SYNTAX", "json.syntax", "not UTF-8");
  try {
    JSON.parse(s);
  } catch (e) {
    bad("E_JSON_SYNTAX", "json.syntax", e.message);
  }
  // From here on s is known to be JSON: the tokens below come in the right order.
  const token = () => {
    TOKEN.lastIndex = i;
    const found = TOKEN.exec(s);
    i = TOKEN.lastIndex;
    return found;
  };
  // The string whose opening quote ends at i.
  function string() {
    const start = i - 1;
    for (let c = s.charCodeAt(i); c !== 34; c = s.charCodeAt(++i)) if (c === 92) i++;
    const raw = s.slice(start, ++i);
    if (!raw.includes("\\")) return raw.slice(1, -1);
    const out = JSON.parse(raw); // only an escape can be half a pair, for the bytes are UTF-8
    return documents && LONE.test(out) ? bad("E_JSON_SYNTAX", "json.surrogate", "an unpaired surrogate", start) : out;
  }
  function number(text, real, at) {
    const n = Number(text), shown = text.slice(0, 40);
    const limit = (clause, detail) => bad("E_JSON_LIMIT", clause, `${shown} is ${detail}`, at);
    if (documents && real && !Number.isFinite(n)) limit("json.floats", "not finite");
    if (documents && !real && !Number.isSafeInteger(n)) limit("json.integers", "beyond 2^53-1");
    return real ? new Real(text) : n + 0;
  }
  function value([text, fraction, exponent], depth) {
    const at = i - text.length;
    if (text === '"') return string();
    if (text in WORDS) return WORDS[text];
    if (text !== "{" && text !== "[") return number(text, fraction || exponent, at);
    if (depth > most) bad("E_JSON_LIMIT", "json.depth", `nested deeper than ${most}`, at);
    const out = text === "{" ? Object.create(null) : [];
    for (let next = token(); !"]}".includes(next[0]); next = token()) {
      if (next[0] === ",") next = token();
      if (text === "[") {
        out.push(value(next, depth + 1));
        continue;
      }
      const start = i - 1, key = string();
      if (key in out) bad("E_JSON_DUPLICATE", "json.duplicate", `member ${JSON.stringify(key)} stands twice`, start);
      token(); // the colon
      out[key] = value(token(), depth + 1);
    }
    return out;
  }
  return value(token(), 1);
}
