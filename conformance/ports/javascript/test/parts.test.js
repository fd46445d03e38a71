import {test} from "node:test";
import assert from "node:assert/strict";
import {deflateSync} from "node:zlib";
import {crc32} from "../src/bytes.js";
import {Column, Ext, Tagged, column, pack, unpack} from "../src/columns.js";
import {decode, judgePipelines} from "../src/codecs.js";
import {codecMap, encodeUnit, lz4Encode} from "../src/encode.js";
import {half, numbers} from "../src/dtypes.js";
import {parse, plain, stringify} from "../src/json.js";
import {instant, outer, seal} from "../src/document.js";

const bytes = (text) => Uint8Array.from(text.split(" ").filter(Boolean).map((x) => parseInt(x, 16)));
const pipe = (...codecs) => codecs.map((c) => new Map(Object.entries(c)));
const refuses = (code, task) => assert.throws(task, (e) => e.code === code || assert.fail(`${e.code ?? e} instead of ${code}`));
const undo = (codec, stored, length) => [...decode(pipe(codec), stored, length, {object: null, offset: 0})];

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

test("MessagePack: long headers are heard of, canonical ones written [index.shortest]", () => {
  for (const [text, odd] of [["81 a1 61 cc 7f", 1], ["81 a1 61 cc 80", 0], ["81 a1 61 d0 05", 1], ["81 a1 61 d0 df", 0], ["81 d9 01 61 01", 1], ["81 a1 61 c7 02 01 00 01", 1],
    ["81 a1 61 c7 03 01 00 01 02", 0], ["de 00 01 a1 61 01", 1]]) {
    const heard = [];
    unpack(bytes(text), null, 0, (at) => heard.push(at));
    assert.equal(heard.length, odd, text);
  }
  const map = new Map([["a", [0, 127, 128, 256, 65536, 2 ** 40]], ["é", new Ext(2, new Uint8Array(6), null)], ["f", new Tagged("float", 0.5)], ["b", true]]);
  const packed = pack(map), heard = [];
  assert.deepEqual(pack(unpack(packed, null, 0, (at) => heard.push(at))), packed);
  assert.deepEqual(heard, []);
});

test("columns: at, sums, find, and refusals [column.values]", () => {
  const c = new Column(new Ext(2, bytes("ff 03 00 00 01 05 00").subarray(1), 0), 3, "c", null);
  assert.deepEqual([c.at(0), c.at(1), c.at(2), c.sumTo(0), c.sumTo(3), c.find(2), c.find(3), c.find(259)], [3, 256, 5, 0, 264, 0, 1, 2]);
  const same = new Column(7, 2 ** 26, "c", null);
  assert.deepEqual([same.at(9), same.sumTo(2 ** 26), same.find(20)], [7, 7 * 2 ** 26, 2]);
  refuses("E_INDEX_COLUMN", () => new Column(new Ext(2, new Uint8Array(5), 0), 2, "c", null));
  refuses("E_INDEX_COLUMN", () => new Column(new Ext(1, new Uint8Array(5), 0), 4, "c", null));
  refuses("E_INDEX_LIMIT", () => new Column(new Ext(8, bytes("0 0 0 0 0 0 20 0"), 0), 1, "c", null));
  refuses("E_INDEX_LIMIT", () => new Column(new Ext(8, bytes("0 0 0 0 0 0 1f 0 0 0 0 0 0 0 1f 0"), 0), 2, "c", null).sumTo(2));
  refuses("E_INDEX_FIELD", () => new Column("x", 1, "c", null));
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

test("lz4: hand-laid blocks, and every way to be wrong [codec.lz4.block]", () => {
  // One literal, a match of 7 from 1 back, five literals: the closest to its end that a match may lie.
  assert.deepEqual(undo({name: "lz4"}, bytes("13 61 01 00 50 62 63 64 65 66"), 13), [..."aaaaaaaabcdef"].map((c) => c.charCodeAt(0)));
  assert.deepEqual(undo({name: "lz4"}, bytes("1f 61"), 1), [0x61]);
  assert.deepEqual(undo({name: "lz4"}, bytes("00"), 0), []);
  for (const [block, length] of [["13 61 01 00 50 62 63 64 65 66", 12], ["13 61 01 00 50 62 63 64 65 66", 14], ["13 61 01 00 50 62 63 64 65", 13], ["13 61 00 00 50 62 63 64 65 66", 13],
    ["13 61 02 00 50 62 63 64 65 66", 13], ["12 61 01 00 50 62 63 64 65 66", 12], ["1f 61 01 00 00 40 62 63 64 65", 24], ["12 61 01 00", 7], ["12 61 01", 7], ["f0 ff", 300],
    ["", 0], ["01", 0], ["10 61 00", 1]]) {
    refuses("E_CODEC_DATA", () => undo({name: "lz4"}, bytes(block), length));
  }
  refuses("E_CODEC_DATA", () => undo({name: "lz4"}, bytes("1f 61 01 00 ff"), 2 ** 40));
  // Matches from 65,535 back and none from 65,536, which an offset cannot say.
  for (const far of [65534, 65535, 65536, 65537]) {
    let seed = 1;
    const data = new Uint8Array(far + 40).map(() => (seed = (seed * 48271) % 2147483647) & 255);
    data.set(data.subarray(0, 20), far);
    assert.deepEqual(decode(pipe({name: "lz4"}), lz4Encode(data), data.length, {}), data);
  }
  for (const n of [0, 1, 12, 13, 70000]) {
    const data = new Uint8Array(n).map((_, i) => (i * i >> 9) & 15);
    assert.deepEqual(undo({name: "lz4"}, lz4Encode(data), n), [...data]);
  }
});

test("deflate: the platform's streams, and damage [codec.deflate.stream]", () => {
  const data = new Uint8Array(200000).map((_, i) => (i * i >> 7) & 255);
  for (const [level, strategy] of [[0, 0], [1, 0], [9, 0], [6, 4]]) {
    const stored = new Uint8Array(deflateSync(data, {level, strategy}));
    assert.deepEqual(Buffer.compare(decode(pipe({name: "deflate"}), stored, data.length, {}), data), 0);
    refuses("E_CODEC_DATA", () => undo({name: "deflate"}, stored, data.length - 1));
    refuses("E_CODEC_DATA", () => undo({name: "deflate"}, stored, data.length + 1));
    refuses("E_CODEC_DATA", () => undo({name: "deflate"}, stored.subarray(0, -1), data.length));
    refuses("E_CODEC_DATA", () => undo({name: "deflate"}, new Uint8Array([...stored, 0]), data.length));
    const adler = stored.slice();
    adler[adler.length - 1] ^= 1;
    refuses("E_CODEC_DATA", () => undo({name: "deflate"}, adler, data.length));
  }
  refuses("E_CODEC_DATA", () => undo({name: "deflate"}, bytes("78 bb 00 00 00 01 03 00 00 00 00 01"), 0));
});

test("filters: the examples of the spec and elements left over", () => {
  assert.deepEqual(undo({name: "shuffle", size: 2}, bytes("01 03 02 04 05"), 5), [1, 2, 3, 4, 5]);
  assert.deepEqual(undo({name: "delta", size: 1}, bytes("05 02 ff"), 3), [5, 7, 6]);
  assert.deepEqual(undo({name: "delta", size: 2, stride: 2}, bytes("ff 00 01 00 02 ff 00 01 09"), 9), [255, 0, 1, 0, 1, 0, 1, 1, 9]);
  assert.deepEqual(undo({name: "bitshuffle", size: 1}, bytes("01 01 01 01 01 01 01 01 07"), 9), [255, 0, 0, 0, 0, 0, 0, 0, 7]);
  assert.deepEqual(undo({name: "narrow", size: 2, width: 1, signed: true}, bytes("02 01 01 0 0 0 0 0 fe ff ff ff ff ff ff ff 00 05 2a"), 5), [0xfe, 0xff, 3, 0, 42]);
  refuses("E_CODEC_DATA", () => undo({name: "narrow", size: 1, width: 1}, bytes("01 01 00 0 0 0 0 0 fe 0 0 0 0 0 0 0 02"), 1));
  refuses("E_CODEC_DATA", () => undo({name: "narrow", size: 1, width: 1}, bytes("01 01 00 0 0 0 0 1 fe 0 0 0 0 0 0 0 01"), 1));
  refuses("E_CODEC_DATA", () => undo({name: "shuffle", size: 2}, bytes("01 03 02"), 4));
});

test("quantize: both modes to the bit, heads that lie", () => {
  const linear = bytes("01 01 00 00 01 00 00 00  00 00 00 00 00 00 f0 3f  00 00 00 00 00 00 e0 3f  0 0 0 0 0 0 0 0  03 00 01  01 00 c0 7f");
  assert.deepEqual(undo({name: "quantize", dtype: "float32", max_abs_error: new Tagged("float", 0.25)}, linear, 12), [...bytes("00 00 00 40 01 00 c0 7f 00 00 80 3f")]);
  const mantissa = bytes("02 01 08 00 01 00 00 00  0 0 0 0 0 0 0 0  0 0 0 0 0 0 0 0  0 0 0 0 0 0 0 0  3c ff  01 7e");
  assert.deepEqual(undo({name: "quantize", dtype: "float16", max_rel_error: new Tagged("float", 0.2)}, mantissa, 4), [0, 0x3c, 1, 0x7e]);
  for (const [at, value] of [[0, 2], [1, 3], [2, 1], [3, 1], [4, 9], [15, 0x7f], [16, 1], [23, 0xbf], [31, 1], [33, 5]]) {
    const bad = linear.slice();
    bad[at] = value;
    if (at === 15) bad[14] = 0xf0;
    refuses("E_CODEC_DATA", () => undo({name: "quantize", dtype: "float32", max_abs_error: 1}, bad, 12));
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

test("pipelines: chains and parameters [codec.chain] [codec.params]", () => {
  const judge = (...p) => judgePipelines([pipe(...p)], "float32", null);
  judge({name: "shuffle", size: 4}, {name: "new"}, {name: "lz4", level: 12});
  judge({name: "jpeg", quality: 5, other: "x"});
  for (const bad of [[{name: "lz4"}, {name: "shuffle", size: 4}], [{name: "lz4"}, {name: "deflate"}], [{name: "png"}, {name: "lz4"}], [{name: "shuffle"}], [{name: "shuffle", size: 0}],
    [{name: "shuffle", size: new Tagged("float", 4)}], [{name: "delta", size: 3}], [{name: "lz4", level: 13}], [{name: "quantize", dtype: "float64", max_abs_error: 1}],
    [{name: "quantize", dtype: "float32"}], [{name: "shuffle", size: 4}, {name: "quantize", dtype: "float32", max_abs_error: 1}]]) {
    refuses("E_INDEX_CODEC", () => judge(...bad));
  }
  refuses("E_INDEX_FIELD", () => judgePipelines([pipe(...Array(9).fill({name: "shuffle", size: 1}))], "float32", null));
  refuses("E_INDEX_FIELD", () => judge({name: 5}));
  refuses("E_CODEC_UNSUPPORTED", () => undo({name: "zstd"}, new Uint8Array(4), 4));
  refuses("E_CODEC_UNSUPPORTED", () => undo({name: "toString"}, new Uint8Array(4), 4));
  refuses("E_CODEC_UNSUPPORTED", () => undo({name: "lz4", dictionary: 1}, new Uint8Array(4), 4));
});

test("encoders come back through the decoders, bounds kept, raw where nothing is gained", async () => {
  const ramp = new Uint8Array(Int32Array.from({length: 300}, (_, i) => 3 * i - 400).buffer);
  for (const p of [[{name: "shuffle", size: 4}, {name: "lz4"}], [{name: "bitshuffle", size: 3}, {name: "deflate"}], [{name: "delta", size: 4, stride: 2}, {name: "lz4"}],
    [{name: "narrow", size: 4, width: 2, signed: true}], [{name: "delta", size: 4}, {name: "shuffle", size: 3}, {name: "lz4", level: 3}]]) {
    const {stored, pipeline} = await encodeUnit([p.map(codecMap)], ramp);
    assert.ok(stored.length < ramp.length, JSON.stringify(p));
    assert.deepEqual(decode(pipeline, stored, ramp.length, {}), ramp);
  }
  assert.deepEqual((await encodeUnit([[codecMap({name: "narrow", size: 4, width: 1, signed: true})]], ramp)).pipeline, []);
  const floats = Float32Array.from({length: 400}, (_, i) => (i % 50 === 7 ? NaN : Math.sin(i) * 10 ** (i % 5)));
  for (const [key, bound] of [["max_abs_error", 0.37], ["max_rel_error", 0.01]]) {
    const {stored, pipeline} = await encodeUnit([[codecMap({name: "quantize", dtype: "float32", [key]: parse(new TextEncoder().encode(String(bound)))}), codecMap({name: "lz4"})]], new Uint8Array(floats.buffer));
    assert.equal(pipeline.length, 2);
    const back = new Float32Array(decode(pipeline, stored, floats.length * 4, {}).slice().buffer);
    back.forEach((y, i) => assert.ok(Number.isNaN(floats[i]) ? Number.isNaN(y) : Math.abs(y - floats[i]) <= bound * (key === "max_rel_error" ? Math.abs(floats[i]) : 1), `${key} ${i}`));
  }
});
