// Copies leave the page: as one archive, or to another application.

import { ask, loaded } from "/static/api.js";
import { say } from "/static/texts.js";

/** The protected copy of a photo, under its new name. */
async function copyOf(photo) {
  const blob = await (await ask(photo.report.links.image)).blob();
  return new File([blob], photo.copyName, { type: blob.type });
}

/** Whether this browser can hand pictures to other applications. */
export function canShare() {
  const trial = new File([new Uint8Array(1)], "a.jpg", { type: "image/jpeg" });
  return Boolean(navigator.canShare?.({ files: [trial] }));
}

const fetched = new Map(); // by address

/**
 * Hand copies to another application. A browser allows that for a few seconds after a tap. Where fetching them takes
 * longer, they are kept for the next tap.
 */
export async function share(photos) {
  const addresses = photos.map((photo) => photo.report.links.image);
  const files = await Promise.all(photos.map((photo, k) => fetched.get(addresses[k]) ?? copyOf(photo)));
  try {
    await navigator.share({ files });
  } catch (problem) {
    if (problem.name !== "NotAllowedError") throw problem;
    addresses.forEach((address, k) => fetched.set(address, files[k]));
    throw new Error(say("trouble.share"));
  }
  addresses.forEach((address) => fetched.delete(address));
}

export async function saveOne(photo) {
  save(await copyOf(photo), photo.copyName);
}

/** Save all copies as one archive. missing: called with a photo that has no copy any more; the others are saved. */
export async function saveAll(photos, name, missing) {
  const { archive } = await loaded(import("/static/photos/zip.js"));
  const files = [];
  for (const photo of photos) {
    try {
      files.push(await copyOf(photo));
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      missing(photo);
    }
  }
  if (files.length) save(await archive(files), name);
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
