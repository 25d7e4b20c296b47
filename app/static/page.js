// The page on which people protect photos: puts its parts together. It talks to this host alone.

import { asked } from "/static/api.js";
import { $, announce } from "/static/dom.js";
import { kept, watchKept } from "/static/photos/kept.js";
import { List } from "/static/photos/list.js";
import { Photo } from "/static/photos/photo.js";
import { Queue } from "/static/photos/queue.js";
import { listen } from "/static/photos/sources.js";
import { Health } from "/static/photos/health.js";
import { duration, load, say } from "/static/texts.js";

const A_DAY = 86_400;
/** With more photos than this, the advice of each is folded away: it is much the same. */
const FEW = 2;
const A_MINUTE_MS = 60_000;

await load("photos");

const limits = {};
const health = new Health($("trouble"));
const queue = new Queue({
  limits,
  away: (now) => health.away(now),
  tell: (photo) => {
    list.update(photo);
    health.watch(list.photos);
    if (photo.replaces && photo.self && !photo.erased) replaced(photo);
  },
});
const list = new List({ erase, again, protectAgain, check, trouble: (text) => health.say(text) });

async function erase(photo) {
  if (photo.erased) return;
  health.hush();
  try {
    await queue.erase(photo);
    list.remove(photo);
    announce(photo.self ? say("said.erased", { name: photo.name }) : say("said.removed", { name: photo.name }));
  } catch (problem) {
    health.say(problem.message);
  }
}

/** Ask the service whether it still has a photo that nothing more happens to. */
function check(photo) {
  if (photo.self && photo.ended && photo.phase !== "gone" && !photo.erased) queue.follow(photo);
}

function again(photo) {
  photo.again = false;
  queue.add(photo);
}

/** Protect a photo once more, with other options. The first copy is erased once the second is accepted. */
function protectAgain(photo, options) {
  if (list.photos.some((one) => one.replaces === photo && !one.ended)) return; // pressed twice
  const second = new Photo({ name: photo.name, file: photo.file, order: Date.now() });
  second.options = { ...photo.options, ...options };
  second.replaces = photo;
  list.add(second);
  queue.add(second);
  list.cards.get(second).heading.focus();
}

function replaced(photo) {
  const first = photo.replaces;
  photo.replaces = null;
  if (list.cards.has(first)) erase(first);
}

function take(files) {
  const now = Date.now();
  const photos = files.map((file, at) => new Photo({ name: file.name || say("photo.unnamed"), file, order: now - at / 1000 }));
  const brief = photos.length + list.photos.length > FEW;
  // the first chosen stands first, above those of before
  for (const photo of photos.toReversed()) list.add(photo, { brief });
  for (const photo of photos) queue.add(photo);
  if (photos.length) announce(say("said.taken", { count: photos.length }));
}

const before = kept();
for (const one of before) {
  const photo = new Photo(one);
  list.add(photo, { first: false, brief: before.length > FEW });
  queue.follow(photo);
}
listen(take);
watchKept(() => {
  const known = new Set(kept().map(({ self }) => self));
  for (const photo of list.photos) if (!known.has(photo.self)) check(photo); // erased in another window, perhaps
});
setInterval(() => {
  for (const photo of list.photos) {
    if (Date.parse(photo.expires) < Date.now()) check(photo);
    else list.update(photo); // it says how long the copy is kept
  }
}, A_MINUTE_MS);
addEventListener("beforeunload", (event) => {
  if (list.photos.some((photo) => ["waiting", "uploading"].includes(photo.phase))) event.preventDefault();
});
if (matchMedia("(pointer: coarse)").matches) $("camera-label").hidden = false;
if (new URLSearchParams(location.search).has("shared")) health.say(say("trouble.shared"));
document.documentElement.dataset.ready = "yes";

try {
  Object.assign(limits, await asked("/v1/limits"));
} catch {
  // the service says it of each photo
}
$("kept-for").textContent = say("data.kept", { time: duration(limits.retention_seconds ?? A_DAY) });
