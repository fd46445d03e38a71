// Seek entries (5.8): advice for players, of which this reader makes no use [seek.advice]; the checker judges them.
import {LakebedError, fail} from "./errors.js";
import {equal} from "./bytes.js";
import {withUnknown} from "./chunk.js";
import {Column, MAX, column, pack} from "./columns.js";

const TIMED = ["wav", "flac", "mp3", "ogg", "opus", "mp4", "mkv", "webm", "avi"]; // sound and video
// The keys in their order, and what an absent one stands for.
const DEFAULTS = {
  unit: undefined, codec: undefined, base: undefined, start: 0, step: 1, trim: [0, 0], colour: [2, 0, 2, 2],
  rotation: 0, head: [], points: 0, at: 0, offset: 0, bytes: 0, before: 0,
};
const isUint = (v, hi = MAX) => typeof v === "number" && v <= hi;
const uints = (v, n, hi) => Array.isArray(v) && v.length === (n ?? v.length) && v.every((x) => isUint(x, hi));

// The entries of an index in their canonical form [seek.canonical]; refuses what breaks a rule.
export function judgeSeek(index) {
  const {map, object, P, U, tile} = index, entries = map.get("seek"), list = Array.isArray(entries) ? entries : [];
  const bad = (clause) => fail("E_INDEX_SEEK", `seek.${clause}`, `${clause} of a seek entry is wrong`, object, 64 + P);
  const rule = (ok, clause) => ok || bad(clause);
  rule(!tile && list.length >= 1 && list.length <= 4096 && list.every((e) => e instanceof Map), "entries");
  return list.map((entry, place) => {
    const e = {...DEFAULTS, ...Object.fromEntries(entry)}, {unit: u} = e;
    rule(isUint(u) && u < U && (!place || u > list[place - 1].get("unit")), "unit");
    rule(TIMED.includes(index.pipeline(u)[0]?.get("name")), "unit");
    const L = index.unitStored(u), [n] = index.itemShape(index.unit.sumTo(u)), K = e.points;
    const start = e.start?.value ?? e.start;
    rule(typeof e.codec === "string" && /^[a-z0-9_]{1,32}$/.test(e.codec), "codec");
    rule(uints(e.base, 2, 2 ** 31 - 1) && !e.base.includes(0), "base");
    rule(isUint(e.start) || e.start?.kind === "int", "start");
    rule(uints(e.trim, 2), "trim");
    rule(uints(e.colour, 4, 255) && e.colour[1] <= 2, "colour");
    rule([0, 90, 180, 270].includes(e.rotation), "rotation");
    const ends = [0]; // of the parts before
    for (let i = 0; i < (e.head?.length ?? 0); i += 2) ends.push(e.head[i + 1] >= 1 ? e.head[i] + e.head[i + 1] : NaN);
    const apart = ends.every((end, i) => end <= L && (i === ends.length - 1 || e.head[2 * i] >= end));
    rule(uints(e.head) && e.head.length % 2 === 0 && e.head.length <= 32 && apart, "head");
    rule(isUint(K, 65536), "points");
    rule(isUint(e.before, n), "before");
    const columns = {step: Math.max(0, n - 1), at: K, offset: K, bytes: K}, of = {};
    for (const [key, length] of Object.entries(columns)) of[key] = read(e[key], length, key, object, rule);
    const {step, at, offset, bytes} = of, all = (test) => [...Array(K).keys()].every(test);
    rule(step.every((s) => s >= 1) && sumOf(step) + start <= MAX && start >= -MAX, "step");
    rule(all((k) => (k ? at.at(k) > at.at(k - 1) : at.at(k) === 0) && at.at(k) < n), "at");
    rule(all((k) => offset.at(k) < L), "offset");
    rule(all((k) => bytes.at(k) >= 1 && offset.at(k) + bytes.at(k) <= L), "bytes");
    const due = (key) => (key in of ? column(of[key]) : e[key]);
    const keys = Object.keys(DEFAULTS).filter((key) => entry.has(key) && of[key]?.n !== 0);
    const known = new Map(keys.map((key) => [key, due(key)]).filter(([key, v]) => !isDefault(key, v)));
    return index.minor ? withUnknown(entry, known, DEFAULTS) : known;
  });
}

const isDefault = (key, v) => DEFAULTS[key] !== undefined && equal(pack(v), pack(DEFAULTS[key]));
const sumOf = (c) => (c.values ? c.values.reduce((a, b) => a + b, 0) : c.constant * c.n);

function read(value, n, key, object, rule) {
  try {
    return Column.read(value, n, key, object);
  } catch (e) {
    return e instanceof LakebedError ? rule(false, key) : fail(e);
  }
}
