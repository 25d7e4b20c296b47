// A worker: the CRC-32 of each file it is sent.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

async function sumOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let sum = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) sum = TABLE[(sum ^ bytes[at]) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

self.addEventListener("message", async ({ data: files }) => {
  const sums = [];
  for (const file of files) sums.push(await sumOf(file));
  self.postMessage(sums);
});
