// Headers of media files, where they are simple: shape and dtype of PNG and JPEG, signatures of the others. No pixels.
import {fail} from "./errors.js";
import {crc32, view} from "./bytes.js";

const starts = (bytes, ...wanted) => wanted.every((b, i) => b === null || bytes[i] === b);
const SIGNATURES = {
  gif: (b) => starts(b, 0x47, 0x49, 0x46, 0x38), bmp: (b) => starts(b, 0x42, 0x4d),
  webp: (b) => starts(b, 0x52, 0x49, 0x46, 0x46, null, null, null, null, 0x57, 0x45, 0x42, 0x50),
  tiff: (b) => starts(b, 0x49, 0x49, 42, 0) || starts(b, 0x4d, 0x4d, 0, 42),
};

// Lossy files among labels [htype.lossless.stored].
export const isLossy = (format, b) => format === "jpeg" || (format === "webp" && !starts(b.subarray(12), 0x56, 0x50, 0x38, 0x4c));

function png(b, bad) {
  if (!starts(b, 0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10)) bad("not a PNG file");
  const d = view(b), seen = new Map();
  for (let at = 8; !seen.has("IEND"); ) {
    if (at + 12 > b.length) bad("the PNG file is truncated");
    const n = d.getUint32(at), kind = String.fromCharCode(...b.subarray(at + 4, at + 8));
    if (at + 12 + n > b.length) bad("the PNG file is truncated");
    if (crc32(b.subarray(at + 4, at + 8 + n)) !== d.getUint32(at + 8 + n)) bad(`the checksum of ${kind} is wrong`);
    if (!seen.size && (kind !== "IHDR" || n !== 13)) bad("IHDR does not come first");
    if (!seen.has(kind)) seen.set(kind, at + 8);
    at += 12 + n;
  }
  if (!seen.has("IDAT")) bad("the PNG file has no pixels");
  const bits = b[24], colour = b[25], channels = {0: 1, 2: 3, 3: seen.has("tRNS") ? 4 : 3, 4: 2, 6: 4}[colour] ?? bad(`colour type ${colour}`);
  return {height: d.getUint32(20), width: d.getUint32(16), channels, dtypes: bits === 16 ? ["uint16"] : bits === 1 && colour === 0 ? ["bool", "uint8"] : ["uint8"]};
}

function jpeg(b, bad) {
  if (!starts(b, 0xff, 0xd8)) bad("not a JPEG file");
  for (let at = 2; at + 9 < b.length; ) {
    if (b[at] !== 0xff) bad("a marker is missing");
    const marker = b[at + 1];
    if (marker === 0xff) at++;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      if (b[at + 4] !== 8) bad(`${b[at + 4]} bits: refused in 1.0`);
      return {height: b[at + 5] * 256 + b[at + 6], width: b[at + 7] * 256 + b[at + 8], channels: b[at + 9], dtypes: ["uint8"]};
    } else if (marker === 0xda || marker === 0xd9) break;
    else at += 2 + (b[at + 2] << 8 | b[at + 3]);
  }
  return bad("the JPEG file has no frame header");
}

// The file's header against the shape and dtype that the index records [media.header].
export function judgeFile(format, bytes, shape, dtype, object, offset) {
  const bad = (detail) => fail("E_CODEC_DATA", "media.corrupt", detail, object, offset);
  if (SIGNATURES[format]) return SIGNATURES[format](bytes) ? null : bad(`not a ${format} file`);
  if (format !== "png" && format !== "jpeg") return null;
  const h = (format === "png" ? png : jpeg)(bytes, bad);
  const due = [[h.height, h.width, h.channels], ...(h.channels === 1 ? [[h.height, h.width]] : [])];
  if (!due.some((s) => String(s) === String(shape)) || !h.dtypes.includes(dtype)) {
    fail("E_MEDIA_SHAPE", "media.header", `the file is [${due[0]}] ${h.dtypes[0]}, the index says [${shape}] ${dtype}`, object, offset);
  }
  return null;
}
