import {test} from "node:test";
import assert from "node:assert/strict";
import {deflateSync} from "node:zlib";
import {crc32} from "../src/bytes.js";
import {Column, column, ext, pack, tagged, unpack} from "../src/columns.js";
import {decode, judgePipelines} from "../src/codecs.js";
import {codecMap, encodeUnit, lz4Encode} from "../src/build.js";
import {Index, makeIndex} from "../src/chunk.js";
import {half, numbers} from "../src/dtypes.js";
import {parse, plain, stringify} from "../src/json.js";
import {instant, outer, seal} from "../src/document.js";

const bytes = (text) => Uint8Array.from(text.split(" ").filter(Boolean).map((x) => parseInt(x, 16)));
const pipe = (...codecs) => codecs.map((c) => new Map(Object.entries(c)));
const refuses = (code, task) => assert.throws(task, (e) => e.code === code || assert.fail(`${e.code ?? e} instead of ${code}`));
const rejects = (code, task) => assert.rejects(task, (e) => e.code === code || assert.fail(`${e.stack} instead of ${code}`));
const undo = async (codec, stored, length) => [...(await decode(pipe(codec), stored, length))];

test("CRC-32 has its check value [column.crc32]", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assert.equal(crc32(new Uint8Array(0)), 0);
});

test("MessagePack: what is outside the subset is refused [index.types]", () => {
  assert.deepEqual([...unpack(bytes("82 a1 61 cd 01 00 a1 62 d5 02 07 00")).keys()], ["a", "b"]);
  for (const bad of ["81 a1 61 c0", "81 a1 61 c4 01 00", "81 a1 61 ca 00 00 00 00", "81 a1 61 d4 03 00", "81 01 01", "82 a1 61 01 a1 61 01",
    "81 a1 ff 01", "91 01", "80 00", "81 a1 61", "df ff ff ff ff", "81 a1 61 dd 00 00 10 01", "81 a1 61 c9 ff ff ff ff 01"]) {
    refuses("E_INDEX_SYNTAX", () => unpack(bytes(bad)));
  }
  refuses("E_INDEX_LIMIT", () => unpack(bytes("81 a1 61 cf 00 20 00 00 00 00 00 00")));
  refuses("E_INDEX_LIMIT", () => unpack(bytes("81 a1 61 cb 7f f0 00 00 00 00 00 00")));
  assert.equal(unpack(bytes("81 a1 61 cf 00 1f ff ff ff ff ff ff")).get("a"), Number.MAX_SAFE_INTEGER);
  assert.equal(unpack(bytes("81 a9 5f 5f 70 72 6f 74 6f 5f 5f 07")).get("__proto__"), 7);
});

test("MessagePack: eight levels and no more [index.depth]", () => {
  unpack(bytes("81 a1 61 91 91 91 91 91 91 91 01"));
  refuses("E_INDEX_SYNTAX", () => unpack(bytes("81 a1 61 91 91 91 91 91 91 91 91 01")));
});

test("MessagePack: what is packed has the shortest headers [index.shortest]", () => {
  for (const text of ["81 a1 61 7f", "81 a1 61 cc 80", "81 a1 61 cd 01 00", "81 a1 61 ce 00 01 00 00", "81 a1 61 cf 00 00 00 01 00 00 00 00", "81 a1 61 e0", "81 a1 61 d0 df",
    "81 a1 61 d1 ff 7f", "81 a1 61 d2 ff ff 7f ff", "81 a1 61 d3 ff ff ff ff 7f ff ff ff", "81 a1 61 c7 03 01 00 01 02", "81 a1 61 d5 02 07 00", "81 a1 61 92 c2 c3",
    "81 a1 61 cb 3f e0 00 00 00 00 00 00", "82 a2 c3 a9 01 a1 62 80"]) {
    assert.deepEqual(pack(unpack(bytes(text))), bytes(text), text);
  }
  for (const long of ["81 a1 61 cc 7f", "81 a1 61 d0 05", "81 d9 01 61 01", "81 a1 61 c7 02 01 00 01", "de 00 01 a1 61 01", "81 a1 61 d1 ff df", "81 a1 61 dc 00 01 07"]) {
    assert.ok(pack(unpack(bytes(long))).length < bytes(long).length, long);
  }
});

test("an index has one form: defaults left out, pipelines in the order of use, the narrowest columns [index.canonical]", () => {
  const of = (...v) => new Column(v.length, v), lz4 = pipe({name: "lz4"}), raw = [];
  const index = (more) => makeIndex({tensor: "", row: 0, dtype: "int8", samples: 3, items: null, missing: of(0, 0, 0), shape: [of(4, 4, 4)], tile: null,
    unit: of(1, 1, 1), pipelines: [lz4, raw], codec: of(1, 1, 1), stored: of(4, 4, 4), crc: of(1, 2, 300), ...more});
  assert.deepEqual([...index().keys()], ["dtype", "samples", "shape", "crc"]);
  assert.deepEqual([index().get("shape"), index().get("crc").width], [[4], 2]);
  const mixed = index({codec: of(1, 0, 1), unit: of(2, 1)});
  assert.deepEqual([...mixed.keys()], ["dtype", "samples", "shape", "unit", "codecs", "codec", "stored", "crc"]);
  assert.deepEqual([mixed.get("codecs"), [...mixed.get("codec").bytes], mixed.get("unit")], [[raw, lz4], [0, 1, 0], 2]);
  assert.equal(index({unit: of(1, 2)}).get("unit").kind, "ext");
  assert.equal(index({unit: new Column(2, 2, {total: 3})}).get("unit"), 2);
  const late = pipe({level: 3, name: "lz4"});
  assert.deepEqual([...index({pipelines: [late], codec: new Column(3, 0)}).get("codecs")[0][0].keys()], ["name", "level"]);
});

test("more tiles than stored bytes are refused before a list of them is made [codec.plausible]", () => {
  const index = (stored) => new Index(new Map([["dtype", "uint8"], ["samples", 1], ["shape", [8192, 8192]], ["tile", [1, 1]], ["codecs", [pipe({name: "lz4"})]], ["stored", stored], ["crc", 0]]), stored * 2 ** 26, null, 0);
  refuses("E_CODEC_DATA", () => index(0).unitsOf(0));
  assert.deepEqual(index(1).unitsOf(0), [0, 2 ** 26]);
});

test("columns: at, sums, find, and refusals [column.values]", () => {
  const c = Column.read(ext(2, bytes("ff 03 00 00 01 05 00").subarray(1), 0), 3, "c", null);
  assert.deepEqual([c.at(0), c.at(1), c.at(2), c.sumTo(0), c.sumTo(3), c.find(2), c.find(3), c.find(259)], [3, 256, 5, 0, 264, 0, 1, 2]);
  const same = Column.read(7, 2 ** 26, "c", null), capped = new Column(3, 4, {total: 9});
  assert.deepEqual([same.at(9), same.sumTo(2 ** 26), same.find(20)], [7, 7 * 2 ** 26, 2]);
  assert.deepEqual([capped.at(1), capped.at(2), capped.sum, capped.find(8)], [4, 1, 9, 2]);
  refuses("E_INDEX_COLUMN", () => Column.read(ext(2, new Uint8Array(5), 0), 2, "c", null));
  refuses("E_INDEX_COLUMN", () => Column.read(ext(1, new Uint8Array(5), 0), 4, "c", null));
  refuses("E_INDEX_LIMIT", () => Column.read(ext(8, bytes("0 0 0 0 0 0 20 0"), 0), 1, "c", null));
  refuses("E_INDEX_LIMIT", () => Column.read(ext(8, bytes("0 0 0 0 0 0 1f 0 0 0 0 0 0 0 1f 0"), 0), 2, "c", null).sumTo(2));
  refuses("E_INDEX_FIELD", () => Column.read("x", 1, "c", null));
  assert.deepEqual([column([]), column([4, 4]), column([1, 300]).width, [...column([1, 300]).bytes]], [0, 4, 2, [1, 0, 0x2c, 1]]);
});

test("JSON: what JSON.parse hides is seen", () => {
  const read = (text, documents) => parse(new TextEncoder().encode(text), null, documents);
  const proto = read('{"__proto__":{"x":1},"a":[1.0,1e2,-0]}');
  assert.equal(Object.getPrototypeOf(proto), null);
  assert.deepEqual(Object.keys(proto), ["__proto__", "a"]);
  assert.equal(typeof proto.a[0], "object");
  assert.equal(stringify(proto), '{"__proto__":{"x":1},"a":[1.0,1e2,0]}');
  assert.deepEqual(plain(proto.a), [1, 100, 0]);
  refuses("E_JSON_DUPLICATE", () => read('{"a":{"b":1,"\\u0062":2}}'));
  refuses("E_JSON_LIMIT", () => read("[9007199254740992]"));
  refuses("E_JSON_LIMIT", () => read("[1e999]"));
  refuses("E_JSON_LIMIT", () => read("[".repeat(33) + "]".repeat(33)));
  read("[".repeat(32) + "]".repeat(32));
  for (const bad of ["[01]", "[1.]", "[.5]", "[+1]", "[NaN]", "[1,]", "{,}", "[1]x", "'a'", '"\\x"', '"\t"', '"\\ud800"', '"\\udc00\\ud800"', "[tru]", "", "\ufeff[]"]) {
    refuses("E_JSON_SYNTAX", () => read(bad));
  }
  refuses("E_JSON_SYNTAX", () => parse(bytes("22 ff 22")));
  assert.equal(read('"\\ud83d\\ude00"'), "😀");
  assert.equal(read("[".repeat(512) + "]".repeat(512), false).length, 1);
  refuses("E_VALUE_TEXT", () => read("[".repeat(513) + "]".repeat(513), false));
});

test("documents end in their checksum [json.crc]", () => {
  const good = seal({lakebed: "1.7", x: 1});
  assert.equal(outer(good, null).x, 1);
  const flipped = good.slice();
  flipped[13] ^= 1;
  refuses("E_JSON_CRC", () => outer(flipped, null));
  refuses("E_JSON_CRC", () => outer(new TextEncoder().encode(new TextDecoder().decode(good) + "\n"), null));
  refuses("E_JSON_CRC", () => outer(new Uint8Array(3), null));
  for (const v of ["2.0", "1", "01.0", "1.0 ", 1, null]) refuses("E_VERSION", () => outer(seal({lakebed: v}), null));
});

test("times are real dates and compare as instants [commit.time]", () => {
  for (const bad of ["2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567Z", "2026-01-01 00:00:00Z", 5]) {
    assert.equal(instant(bad), null, String(bad));
  }
  assert.ok(instant("2024-02-29T12:00:00.5Z") > instant("2024-02-29T12:00:00Z"));
  assert.equal(instant("2024-02-29T12:00:00.50Z"), instant("2024-02-29T12:00:00.5Z"));
});

test("lz4: hand-laid blocks, and every way to be wrong [codec.lz4.block]", async () => {
  // One literal, a match of 7 from 1 back, five literals: the closest to its end that a match may lie.
  assert.deepEqual(await undo({name: "lz4"}, bytes("13 61 01 00 50 62 63 64 65 66"), 13), [..."aaaaaaaabcdef"].map((c) => c.charCodeAt(0)));
  assert.deepEqual(await undo({name: "lz4"}, bytes("1f 61"), 1), [0x61]);
  assert.deepEqual(await undo({name: "lz4"}, bytes("00"), 0), []);
  for (const [block, length] of [["13 61 01 00 50 62 63 64 65 66", 12], ["13 61 01 00 50 62 63 64 65 66", 14], ["13 61 01 00 50 62 63 64 65", 13], ["13 61 00 00 50 62 63 64 65 66", 13],
    ["13 61 02 00 50 62 63 64 65 66", 13], ["12 61 01 00 50 62 63 64 65 66", 12], ["1f 61 01 00 00 40 62 63 64 65", 24], ["12 61 01 00", 7], ["12 61 01", 7], ["f0 ff", 300],
    ["", 0], ["01", 0], ["10 61 00", 1]]) {
    await rejects("E_CODEC_DATA", () => undo({name: "lz4"}, bytes(block), length));
  }
  await rejects("E_CODEC_DATA", () => undo({name: "lz4"}, bytes("1f 61 01 00 ff"), 2 ** 40));
  // Matches from 65,535 back and none from 65,536, which an offset cannot say.
  for (const far of [65534, 65535, 65536, 65537]) {
    let seed = 1;
    const data = new Uint8Array(far + 40).map(() => (seed = (seed * 48271) % 2147483647) & 255);
    data.set(data.subarray(0, 20), far);
    assert.deepEqual(await decode(pipe({name: "lz4"}), lz4Encode(data), data.length, {}), data);
  }
  for (const n of [0, 1, 12, 13, 70000]) {
    const data = new Uint8Array(n).map((_, i) => (i * i >> 9) & 15);
    assert.deepEqual(await undo({name: "lz4"}, lz4Encode(data), n), [...data]);
  }
});

test("deflate: the platform's streams, and damage [codec.deflate.stream]", async () => {
  const data = new Uint8Array(200000).map((_, i) => (i * i >> 7) & 255);
  for (const [level, strategy] of [[0, 0], [1, 0], [9, 0], [6, 4]]) {
    const stored = new Uint8Array(deflateSync(data, {level, strategy}));
    assert.deepEqual(Buffer.compare(await decode(pipe({name: "deflate"}), stored, data.length), data), 0);
    await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, stored, data.length - 1));
    await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, stored, data.length + 1));
    await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, stored.subarray(0, -1), data.length));
    await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, new Uint8Array([...stored, 0]), data.length));
    const adler = stored.slice();
    adler[adler.length - 1] ^= 1;
    await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, adler, data.length));
  }
  await rejects("E_CODEC_DATA", () => undo({name: "deflate"}, bytes("78 bb 00 00 00 01 03 00 00 00 00 01"), 0));
});

test("filters: the examples of the spec and elements left over", async () => {
  assert.deepEqual(await undo({name: "shuffle", size: 2}, bytes("01 03 02 04 05"), 5), [1, 2, 3, 4, 5]);
  assert.deepEqual(await undo({name: "delta", size: 1}, bytes("05 02 ff"), 3), [5, 7, 6]);
  assert.deepEqual(await undo({name: "delta", size: 2, stride: 2}, bytes("ff 00 01 00 02 ff 00 01 09"), 9), [255, 0, 1, 0, 1, 0, 1, 1, 9]);
  assert.deepEqual(await undo({name: "bitshuffle", size: 1}, bytes("01 01 01 01 01 01 01 01 07"), 9), [255, 0, 0, 0, 0, 0, 0, 0, 7]);
  assert.deepEqual(await undo({name: "narrow", size: 2, width: 1, signed: true}, bytes("02 01 01 0 0 0 0 0 fe ff ff ff ff ff ff ff 00 05 2a"), 5), [0xfe, 0xff, 3, 0, 42]);
  await rejects("E_CODEC_DATA", () => undo({name: "narrow", size: 1, width: 1}, bytes("01 01 00 0 0 0 0 0 fe 0 0 0 0 0 0 0 02"), 1));
  await rejects("E_CODEC_DATA", () => undo({name: "narrow", size: 1, width: 1}, bytes("01 01 00 0 0 0 0 1 fe 0 0 0 0 0 0 0 01"), 1));
  await rejects("E_CODEC_DATA", () => undo({name: "shuffle", size: 2}, bytes("01 03 02"), 4));
});

test("quantize: both modes to the bit, heads that lie", async () => {
  const linear = bytes("01 01 00 00 01 00 00 00  00 00 00 00 00 00 f0 3f  00 00 00 00 00 00 e0 3f  0 0 0 0 0 0 0 0  03 00 01  01 00 c0 7f");
  assert.deepEqual(await undo({name: "quantize", dtype: "float32", max_abs_error: tagged("float", 0.25)}, linear, 12), [...bytes("00 00 00 40 01 00 c0 7f 00 00 80 3f")]);
  const mantissa = bytes("02 01 08 00 01 00 00 00  0 0 0 0 0 0 0 0  0 0 0 0 0 0 0 0  0 0 0 0 0 0 0 0  3c ff  01 7e");
  assert.deepEqual(await undo({name: "quantize", dtype: "float16", max_rel_error: tagged("float", 0.2)}, mantissa, 4), [0, 0x3c, 1, 0x7e]);
  for (const [at, value] of [[0, 2], [1, 3], [2, 1], [3, 1], [4, 9], [15, 0x7f], [16, 1], [23, 0xbf], [31, 1], [33, 5]]) {
    const bad = linear.slice();
    bad[at] = value;
    if (at === 15) bad[14] = 0xf0;
    await rejects("E_CODEC_DATA", () => undo({name: "quantize", dtype: "float32", max_abs_error: 1}, bad, 12));
  }
});

test("binary16 is rounded once, ties to even", () => {
  for (const [v, bits] of [[0, 0], [-0, 0x8000], [1, 0x3c00], [65504, 0x7bff], [65519.99, 0x7bff], [65520, 0x7c00], [2 ** -24, 1], [2 ** -25, 0], [2 ** -25 * 1.0001, 1],
    [2 ** -14, 0x400], [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [2047.5, 0x6800], [-1.5, 0xbe00], [NaN, 0x7e00]]) {
    assert.equal(half(v), bits, String(v));
  }
  assert.deepEqual(numbers("float16", bytes("00 3c 01 00 00 fc")), [1, 2 ** -24, -Infinity]);
  assert.deepEqual(numbers("float8_e4m3fn", bytes("7e 7f 38 01")), [448, NaN, 1, 2 ** -9]);
  assert.deepEqual(numbers("float8_e5m2", bytes("7b 7c fe")), [57344, Infinity, NaN]);
  assert.deepEqual(numbers("bfloat16", bytes("80 3f")), [1]);
});

test("pipelines: chains and parameters [codec.chain] [codec.params]", async () => {
  const judge = (...p) => judgePipelines([pipe(...p)], "float32", null);
  judge({name: "shuffle", size: 4}, {name: "new"}, {name: "lz4", level: 12});
  judge({name: "jpeg", quality: 5, other: "x"});
  for (const bad of [[{name: "lz4"}, {name: "shuffle", size: 4}], [{name: "lz4"}, {name: "deflate"}], [{name: "png"}, {name: "lz4"}], [{name: "shuffle"}], [{name: "shuffle", size: 0}],
    [{name: "shuffle", size: tagged("float", 4)}], [{name: "delta", size: 3}], [{name: "lz4", level: 13}], [{name: "quantize", dtype: "float64", max_abs_error: 1}],
    [{name: "quantize", dtype: "float32"}], [{name: "shuffle", size: 4}, {name: "quantize", dtype: "float32", max_abs_error: 1}]]) {
    refuses("E_INDEX_CODEC", () => judge(...bad));
  }
  refuses("E_INDEX_FIELD", () => judgePipelines([pipe(...Array(9).fill({name: "shuffle", size: 1}))], "float32", null));
  refuses("E_INDEX_FIELD", () => judge({name: 5}));
  await rejects("E_CODEC_UNSUPPORTED", () => undo({name: "zstd"}, new Uint8Array(4), 4));
  await rejects("E_CODEC_UNSUPPORTED", () => undo({name: "toString"}, new Uint8Array(4), 4));
  await rejects("E_CODEC_UNSUPPORTED", () => undo({name: "lz4", dictionary: 1}, new Uint8Array(4), 4));
});

test("the writer's units: lz4, raw where nothing is gained [write.unit.raw]", async () => {
  const ramp = new Uint8Array(Int32Array.from({length: 300}, (_, i) => i >> 3).buffer), lz4 = [codecMap({level: 0, name: "lz4"})];
  const {stored, pipeline} = await encodeUnit([lz4], ramp);
  assert.ok(stored.length < ramp.length);
  assert.deepEqual([...pipeline[0].keys()], ["name", "level"]);
  assert.deepEqual(await decode(pipeline, stored, ramp.length), ramp);
  for (const [pipelines, unit] of [[[[]], ramp], [[lz4], ramp.subarray(0, 9)], [[lz4], new Uint8Array(0)]]) {
    assert.deepEqual(await encodeUnit(pipelines, unit), {stored: unit, pipeline: []});
  }
});
