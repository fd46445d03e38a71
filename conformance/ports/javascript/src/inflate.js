// Decoders of byte codecs: the whole input, at most `most` bytes of output. bad(clause, detail) throws.
import {allocate, concat} from "./bytes.js";

// One LZ4 block [codec.lz4.block].
export function lz4(bytes, most, bad) {
  const out = allocate(most), wrong = (detail) => bad("lz4.block", detail);
  let i = 0, n = 0, start = -Infinity, end = -Infinity; // of the last match
  if (!most && (bytes.length !== 1 || bytes[0])) wrong("no bytes are the block 00");
  const length = (v) => {
    if (v < 15) return v;
    for (let b = 255; b === 255; v += b) if ((b = bytes[i++]) === undefined) wrong("a length ends too early");
    return v;
  };
  for (;;) {
    if (i >= bytes.length) wrong("the block ends without its last sequence");
    const token = bytes[i++], literals = length(token >> 4);
    if (i + literals > bytes.length) wrong("literals end too early");
    if (n + literals > most) wrong(`more than ${most} bytes`);
    out.set(bytes.subarray(i, i + literals), n);
    (i += literals), (n += literals);
    if (i === bytes.length) {
      if (n - start < 12 || n - end < 5) wrong("the last match lies too close to the end");
      return out.subarray(0, n);
    }
    const back = bytes[i] | (bytes[i + 1] << 8);
    if (i + 2 > bytes.length || back === 0 || back > n) wrong(`an offset of ${back} at ${n}`);
    i += 2;
    const match = length(token & 15) + 4;
    if (n + match > most) wrong(`more than ${most} bytes`);
    start = n;
    for (let j = 0; j < match; j++, n++) out[n] = out[n - back];
    end = n;
  }
}

// What the platform makes of a zlib stream: its bytes; null when it is broken or cut short; never more than `most`.
async function stream(bytes, most, bad) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader(), parts = [];
  for (let n = 0; ; ) {
    const {done, value} = await reader.read().catch(() => ({done: true, value: null}));
    if (done) return value === null ? null : concat(parts);
    parts.push(value);
    if ((n += value.length) <= most) continue;
    await reader.cancel().catch(() => {});
    bad("deflate.stream", `more than ${most} bytes`);
  }
}

// One zlib stream [codec.deflate.stream]. Some platforms pass over bytes that follow it: then it is whole without them.
export async function inflate(bytes, most, bad) {
  const out = (await stream(bytes, most, bad)) ?? bad("deflate.stream", "the stream is damaged or cut short");
  if (await stream(bytes.subarray(0, -1), most, bad)) bad("trailing", "bytes follow the stream");
  return out;
}
