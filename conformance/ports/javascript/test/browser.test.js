// The port as a browser sees it: a page imports src as it lies there, opens a dataset over HTTP and shows its values.
import {test} from "node:test";
import assert from "node:assert/strict";
import {existsSync, mkdtempSync, readFileSync, rmSync} from "node:fs";
import {createServer} from "node:http";
import {execFile} from "node:child_process";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {open} from "../src/index.js";
import {FolderStore} from "../src/folder.js";
import {inflate} from "../src/inflate.js";

const SRC = fileURLToPath(new URL("../src/", import.meta.url)), DATA = fileURLToPath(new URL("../../../../spec/1.0/examples/boxes/", import.meta.url));
const browser = (process.env.PATH ?? "").split(":").flatMap((p) => ["chromium", "chromium-browser", "google-chrome"].map((n) => join(p, n))).find((p) => existsSync(p));
const why = !browser ? "NOT RUN: no chromium on PATH, so the port was not tried in a browser" : !existsSync(DATA) && "NOT RUN: the example dataset is not here";
if (why) console.error(why);

const plain = (key, v) => (typeof v === "bigint" ? String(v) : v);
const values = async (dataset) => {
  const out = {};
  for (const name of dataset.names) out[name] = (await dataset.tensor(name).read([...Array(dataset.length).keys()])).map((s) => s && [s].flat().map((x) => [x.shape, x.numbers()]));
  return out;
};
// What the platform's inflate makes of a good stream, of one cut short, with a byte behind, with another checksum, too long.
const streams = async (inflate) => {
  const good = Uint8Array.of(0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x06, 0x00, 0x02, 0x4d, 0x01, 0x27);
  const told = (bytes, most = 3) => inflate(bytes, most, () => { throw new Error("refused"); }).then(String, (e) => e.message);
  return [await told(good), await told(good.subarray(0, -1)), await told(new Uint8Array([...good, 0])), await told(good.map((b, i) => b ^ (i === 10))), await told(good, 2)];
};
const PAGE = `<!doctype html><title>boxes</title><pre id="out">nothing yet</pre><img src="/hold"><script type="module">
import {FetchStore, open} from "/src/index.js";
import {inflate} from "/src/inflate.js";
const out = document.getElementById("out");
try {
  const dataset = await open(new FetchStore(new URL("/data/", location)));
  out.textContent = JSON.stringify([await (${values})(dataset), await (${streams})(inflate)], ${plain});
} catch (e) {
  out.textContent = "refused: " + e.stack;
}
await fetch("/done");
</script>`;

// The page has loaded, and is dumped, when its picture has come: not before its script is done.
let held = null, done = false;
function serve(q, r) {
  if (q.url === "/hold" && !done) return void (held = r);
  if (q.url === "/hold") return r.writeHead(404).end();
  if (q.url === "/done") return (done = true), held?.writeHead(404).end(), r.end();
  const [, kind, rest] = /^\/(src|data)?\/?(.*)$/.exec(q.url), path = join(kind === "src" ? SRC : DATA, rest);
  if (!kind) return r.writeHead(200, {"content-type": "text/html"}).end(rest ? "" : PAGE);
  if (rest.includes("..") || !existsSync(path)) return r.writeHead(404).end();
  const bytes = readFileSync(path), range = /^bytes=(\d+)-(\d+)$/.exec(q.headers.range ?? "");
  const type = kind === "src" ? "text/javascript" : "application/octet-stream";
  if (!range) return r.writeHead(200, {"content-type": type, "content-length": bytes.length}).end(q.method === "HEAD" ? undefined : bytes);
  r.writeHead(206, {"content-type": type, "content-range": `bytes ${range[1]}-${range[2]}/${bytes.length}`});
  return r.end(bytes.subarray(Number(range[1]), Number(range[2]) + 1));
}

test("a browser reads a dataset over HTTP as Node reads it from its folder", {skip: why, timeout: 30000}, async () => {
  const profile = mkdtempSync(join(tmpdir(), "lakebed-browser-")), server = createServer(serve);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-sync", `--user-data-dir=${profile}`, "--dump-dom", `http://127.0.0.1:${server.address().port}/`];
    const {stdout} = await promisify(execFile)(browser, flags, {timeout: 25000, maxBuffer: 1 << 24});
    const shown = /<pre id="out">(.*?)<\/pre>/s.exec(stdout)?.[1].replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
    const due = JSON.stringify([await values(await open(new FolderStore(DATA))), ["97,98,99", ...Array(4).fill("refused")]], plain);
    assert.deepEqual(await streams(inflate), JSON.parse(due)[1]);
    assert.equal(shown, due);
    assert.match(shown, /"boxes":\[\[\[\[1,4\],\[1,2,30,40\]\]\],null,/);
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(profile, {recursive: true, force: true, maxRetries: 5});
  }
});
