// Seek entries (5.8): this port reads nothing by them; judged for the checker, and laid in their one encoding.
import {fail} from "./errors.js";
import {Column, MAX, column} from "./columns.js";

const PLAYED = ["mp4", "mkv", "webm", "avi", "wav", "flac", "ogg", "opus", "mp3"];
const isUint = (v, low = 0, high = MAX) => typeof v === "number" && v >= low && v <= high;
const isList = (v, n, low, high) => Array.isArray(v) && v.length === n && v.every((x) => isUint(x, low, high));
const ABSENT = {unit: null, codec: null, base: null, start: 0, step: 1, trim: [0, 0], colour: [2, 0, 2, 2], rotation: 0,
  head: [], points: 0, at: 0, offset: 0, bytes: 0, before: 0};
const countsOf = (index, row, n) => ({step: n - 1, at: row.points, offset: row.points, bytes: row.points});
const lengthOf = (index, unit) => index.itemShape(index.unit.sumTo(unit))[0] ?? 1;
const filled = (row) => ({...ABSENT, ...Object.fromEntries(row)});

function judgeEntry(index, row, unit, rule) {
  const pipeline = unit < index.U ? index.pipeline(unit) : [];
  rule(pipeline.length === 1 && PLAYED.includes(pipeline[0].get("name")), "unit");
  const n = lengthOf(index, unit), L = index.unitStored(unit), time = row.start?.value ?? row.start, {head, points} = row;
  rule(/^[a-z0-9_]{1,32}$/.test(row.codec) && typeof row.codec === "string", "codec");
  rule(isList(row.base, 2, 1, 2 ** 31 - 1), "base");
  rule(typeof time === "number" && Math.abs(time) <= MAX && row.start.kind !== "float", "start");
  rule(isList(row.trim, 2, 0, MAX), "trim");
  rule(isList(row.colour, 4, 0, 255) && row.colour[1] <= 2, "colour");
  rule(isUint(row.rotation, 0, 270) && row.rotation % 90 === 0, "rotation");
  rule(Array.isArray(head) && head.length % 2 === 0 && head.length <= 32 && isList(head, head.length, 0, L), "head");
  for (let i = 0, end = 0; i < head.length; end = head[i] + head[i + 1], i += 2) {
    rule(head[i] >= end && head[i + 1] >= 1 && head[i] + head[i + 1] <= L, "head");
  }
  rule(isUint(points, 0, 65536), "points"), rule(isUint(row.before, 0, n), "before");
  const least = {step: 1, bytes: 1}, most = {at: n - 1, offset: L - 1, bytes: L}, columns = {};
  for (const [key, count] of Object.entries(countsOf(index, row, n))) {
    rule(isUint(row[key]) || row[key].bytes?.length === count * row[key].width, key);
    columns[key] = Column.read(row[key], count, key, index.object);
    rule(columns[key].every((x) => isUint(x, least[key] ?? 0, most[key] ?? MAX)), key);
  }
  const {step, at, offset, bytes} = columns, steps = step.values?.reduce((a, b) => a + b, 0) ?? step.constant * step.n;
  rule(Math.abs(time + steps) <= MAX, "step");
  for (let p = 0; p < points; p++) {
    rule(p ? at.at(p) > at.at(p - 1) : at.at(0) === 0, "at"), rule(offset.at(p) + bytes.at(p) <= L, "bytes");
  }
}

// Every rule of `seek`, of an index that is itself sound.
export function judgeSeek(index) {
  const rows = index.map.get("seek");
  const rule = (ok, clause) => ok || fail("E_INDEX_SEEK", `seek.${clause}`, `wrong ${clause}`, index.object, 64 + index.P);
  if (rows === undefined) return;
  rule(Array.isArray(rows) && rows.length > 0 && !index.tile && rows.every((r) => r instanceof Map), "entries");
  rows.forEach((r, i) => rule(isUint(r.get("unit")) && (!i || r.get("unit") > rows[i - 1].get("unit")), "entries"));
  rows.forEach((r) => judgeEntry(index, filled(r), r.get("unit"), rule));
}

// The entries in canonical form [seek.canonical]; of a broken one, as it stands.
export function layEntry(index, map) {
  const row = filled(map), counts = countsOf(index, row, lengthOf(index, row.unit)), out = new Map();
  for (const [key, absent] of Object.entries(ABSENT)) {
    const value = key in counts ? column(Column.read(row[key], counts[key], key)) : row[key];
    if (counts[key] !== 0 && JSON.stringify(value) !== JSON.stringify(absent)) out.set(key, value);
  }
  return out;
}
