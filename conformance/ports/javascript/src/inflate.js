// zlib streams (RFC 1950, 1951): the whole input, exactly the length due, never a byte more.
const BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

// A canonical Huffman code as counts per length and symbols in order.
function huffman(lengths, bad) {
  const counts = new Uint16Array(16), offsets = new Uint16Array(17), symbols = new Uint16Array(lengths.length);
  for (const n of lengths) counts[n]++;
  let left = 1;
  for (let n = 1; n < 16; n++) if ((left = left * 2 - counts[n]) < 0) bad("a code has too many words");
  const used = lengths.length - counts[0];
  if (left > 0 && !(used <= 1 && counts[1] === used)) bad("a code is incomplete");
  counts[0] = 0;
  for (let n = 1; n < 16; n++) offsets[n + 1] = offsets[n] + counts[n];
  lengths.forEach((n, s) => n && (symbols[offsets[n]++] = s));
  return {counts, symbols};
}

// Decoded bytes: as many as fit `out`; returns their number. bad(detail) must throw.
export function inflate(bytes, out, bad) {
  let at = 2, bits = 0, held = 0, n = 0;
  if (bytes.length < 6 || (bytes[0] & 15) !== 8 || bytes[0] >> 4 > 7 || (bytes[0] * 256 + bytes[1]) % 31) bad("not a zlib stream");
  if (bytes[1] & 32) bad("a preset dictionary is needed");
  const take = (count) => {
    while (held < count) {
      if (at >= bytes.length) bad("the stream ends too early");
      bits |= bytes[at++] << held;
      held += 8;
    }
    const v = bits & ((1 << count) - 1);
    bits >>>= count;
    held -= count;
    return v;
  };
  const symbol = ({counts, symbols}) => {
    let code = 0, first = 0, index = 0;
    for (let len = 1; len < 16; len++) {
      code |= take(1);
      const c = counts[len];
      if (code - c < first) return symbols[index + code - first];
      index += c;
      first = (first + c) << 1;
      code <<= 1;
    }
    return bad("a word is in no code");
  };
  const fixed = [huffman([...Array(144).fill(8), ...Array(112).fill(9), ...Array(24).fill(7), ...Array(8).fill(8)], bad),
    {counts: Uint16Array.from({length: 16}, (_, i) => (i === 5 ? 30 : 0)), symbols: Uint16Array.from({length: 30}, (_, i) => i)}];
  const dynamic = () => {
    const literals = take(5) + 257, distances = take(5) + 1, codes = take(4) + 4, lengths = new Array(19).fill(0), all = [];
    if (literals > 286 || distances > 30) bad("too many symbols");
    for (let i = 0; i < codes; i++) lengths[ORDER[i]] = take(3);
    const code = huffman(lengths, bad);
    while (all.length < literals + distances) {
      const s = symbol(code);
      if (s < 16) all.push(s);
      else if (s === 16 && !all.length) bad("nothing to repeat");
      else all.push(...Array(s === 16 ? 3 + take(2) : s === 17 ? 3 + take(3) : 11 + take(7)).fill(s === 16 ? all.at(-1) : 0));
    }
    if (all.length > literals + distances || !all[256]) bad("code lengths are wrong");
    return [huffman(all.slice(0, literals), bad), huffman(all.slice(literals), bad)];
  };
  for (let final = 0; !final; ) {
    final = take(1);
    const kind = take(2);
    if (kind === 3) bad("a block of no kind");
    if (kind === 0) {
      bits = held = 0;
      const size = bytes[at] | (bytes[at + 1] << 8);
      if (at + 4 > bytes.length || size !== (~(bytes[at + 2] | (bytes[at + 3] << 8)) & 0xffff)) bad("a stored block's length is wrong");
      if ((at += 4) + size > bytes.length) bad("the stream ends too early");
      if (n + size > out.length) bad(`more than ${out.length} bytes`);
      out.set(bytes.subarray(at, at + size), n);
      (at += size), (n += size);
      continue;
    }
    const [literal, distance] = kind === 1 ? fixed : dynamic();
    for (let s = symbol(literal); s !== 256; s = symbol(literal)) {
      if (s < 256) {
        if (n === out.length) bad(`more than ${out.length} bytes`);
        out[n++] = s;
        continue;
      }
      if (s > 285) bad("a length of no kind");
      const length = BASE[s - 257] + take(EXTRA[s - 257]), d = symbol(distance);
      if (d > 29) bad("a distance of no kind");
      const more = d < 2 ? 0 : (d >> 1) - 1, back = d < 2 ? d + 1 : ((2 + (d & 1)) << more) + 1 + take(more);
      if (back > n) bad("a distance before the start");
      if (n + length > out.length) bad(`more than ${out.length} bytes`);
      for (let i = 0; i < length; i++, n++) out[n] = out[n - back];
    }
  }
  let a = 1, b = 0;
  for (let i = 0; i < n; ) {
    for (const end = Math.min(i + 3800, n); i < end; i++) (a += out[i]), (b += a);
    (a %= 65521), (b %= 65521);
  }
  if (bytes.length - at !== 4) bad(`${bytes.length - at} bytes after the last block, not the 4 of the checksum`);
  if (((bytes[at] << 8) | bytes[at + 1]) !== b || ((bytes[at + 2] << 8) | bytes[at + 3]) !== a) bad("the Adler-32 is wrong");
  return n;
}
