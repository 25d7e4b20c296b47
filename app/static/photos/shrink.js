// A worker: a small picture of each file it is sent, one after the other, or nothing if it cannot be read.

const SIDE = 192;
let last = Promise.resolve();

async function small(file) {
  try {
    const bitmap = await createImageBitmap(file, { resizeWidth: SIDE, resizeQuality: "medium" });
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
  } catch {
    return null;
  }
}

self.addEventListener("message", ({ data: { number, file } }) => {
  last = last.then(async () => self.postMessage({ number, blob: await small(file) }));
});
