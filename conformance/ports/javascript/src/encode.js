// The encoder of lz4, and how a writer stores a unit.
import {equal, view} from "./bytes.js";
import {Tagged} from "./columns.js";
import {decode, ordered} from "./codecs.js";
import {Real} from "./json.js";

// A codec as it stands in an index: parameters in the order of chapter 7, numbers with a fraction as floats.
export function codecMap(c) {
  const typed = (v) => (v instanceof Real ? new Tagged("float", Number(v)) : v), {name, ...params} = c;
  return ordered(new Map(Object.entries({name, ...params}).map(([k, v]) => [k, typed(v)])));
}

// One LZ4 block: greedy, with the ends that its format asks for: 5 last literals, no match in the last 12 bytes.
export function lz4Encode(bytes) {
  const out = [], table = new Int32Array(1 << 14).fill(-1), end = bytes.length, d = view(bytes);
  let anchor = 0;
  const extra = (v) => {
    for (v -= 15; v >= 0; v -= 255) out.push(Math.min(v, 255));
  };
  const sequence = (to, match, back) => {
    const literals = to - anchor;
    out.push((Math.min(literals, 15) << 4) | (match ? Math.min(match - 4, 15) : 0));
    extra(literals);
    for (let j = anchor; j < to; j++) out.push(bytes[j]);
    if (!match) return;
    out.push(back & 255, back >> 8);
    extra(match - 4);
    anchor = to + match;
  };
  for (let i = 0; i + 12 < end; i++) {
    const word = d.getUint32(i, true), slot = Math.imul(word, 2654435761) >>> 18, at = table[slot];
    table[slot] = i;
    if (at < 0 || i - at > 65535 || d.getUint32(at, true) !== word) continue;
    let n = 4;
    while (i + n < end - 5 && bytes[at + n] === bytes[i + n]) n++;
    sequence(i, n, i - at);
    i = anchor - 1;
  }
  sequence(end, 0, 0);
  return Uint8Array.from(out);
}

// Of pipelines, those this port can write: raw and lz4.
export const encodes = (pipeline) => pipeline.length === 0 || (pipeline.length === 1 && pipeline[0].name === "lz4");

// A unit's stored form: of the first pipeline, raw where that is no smaller [write.unit.raw].
export async function encodeUnit([pipeline], decoded) {
  const stored = pipeline.length && decoded.length <= 0x7e000000 ? lz4Encode(decoded) : decoded;
  if (stored.length >= decoded.length) return {stored: decoded, pipeline: []};
  const back = await decode(pipeline, stored, decoded.length);
  if (!equal(back, decoded)) throw new Error("the encoder does not fit its decoder");
  return {stored, pipeline};
}
