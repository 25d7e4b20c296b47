// Small pictures of photos, made by a worker: a photo of 48 megapixels would stop the page for half a second.

let worker = null;
const waiting = new Map();

/** A small picture of `file`; `null` if this browser cannot read it. */
export function thumbnail(file) {
  if (!worker) {
    worker = new Worker("/static/photos/shrink.js");
    worker.addEventListener("message", ({ data: { number, blob } }) => {
      waiting.get(number)?.(blob);
      waiting.delete(number);
    });
  }
  const number = (thumbnail.count = (thumbnail.count ?? 0) + 1);
  return new Promise((done) => {
    waiting.set(number, done);
    worker.postMessage({ number, file });
  });
}
