// A ZIP archive of files that are compressed already: they are stored as they are (APPNOTE 6.3.10, method 0).

import { unreachable } from "/static/api.js";

const FLAG_UTF8 = 0x0800;

/** The archive, as a blob. Check sums are made in a worker: pictures are large. */
export async function archive(files) {
  const sums = await checkSums(files);
  const parts = [];
  const entries = [];
  let offset = 0;
  const names = distinct(files.map((file) => file.name));
  files.forEach((file, at) => {
    const entry = { name: new TextEncoder().encode(names[at]), sum: sums[at], size: file.size, offset };
    const head = header(entry, false);
    parts.push(head, file);
    entries.push(entry);
    offset += head.length + file.size;
  });
  const directory = entries.map((entry) => header(entry, true));
  const size = directory.reduce((sum, one) => sum + one.length, 0);
  return new Blob([...parts, ...directory, ending(entries.length, size, offset)], { type: "application/zip" });
}

function checkSums(files) {
  const worker = new Worker("/static/photos/checksum.js");
  return new Promise((done, fail) => {
    worker.addEventListener("message", ({ data }) => done(data));
    worker.addEventListener("error", () => fail(unreachable()));
    worker.postMessage(files);
  }).finally(() => worker.terminate());
}

/** Names, the later of equal ones numbered. Some file systems tell neither cases nor compositions of letters apart. */
function distinct(names) {
  const seen = new Set();
  const folded = (name) => name.normalize("NFC").toLowerCase();
  return names.map((name) => {
    let free = name;
    for (let number = 2; seen.has(folded(free)); number++) free = name.replace(/(\.[^.]*)?$/, ` (${number})$1`);
    seen.add(folded(free));
    return free;
  });
}

/** The header of an entry: before its file, or in the directory at the end. */
function header({ name, sum, size, offset }, inDirectory) {
  const fields = [[4, inDirectory ? 0x02014b50 : 0x04034b50]];
  if (inDirectory) fields.push([2, 20]);
  fields.push([2, 20], [2, FLAG_UTF8], [2, 0], [2, 0], [2, 0x21], [4, sum], [4, size], [4, size], [2, name.length], [2, 0]);
  if (inDirectory) fields.push([2, 0], [2, 0], [2, 0], [4, 0], [4, offset]);
  return written(fields, name);
}

const ending = (count, size, offset) =>
  written([[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]]);

function written(fields, rest = new Uint8Array()) {
  const length = fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const data = new Uint8Array(length + rest.length);
  const view = new DataView(data.buffer);
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  data.set(rest, at);
  return data;
}
