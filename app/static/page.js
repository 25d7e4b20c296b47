// The page on which people protect photos: puts its parts together. It talks to this host alone.

import { asked } from "/static/api.js";
import { $, announce } from "/static/dom.js";
import { kept } from "/static/photos/kept.js";
import { List } from "/static/photos/list.js";
import { Photo } from "/static/photos/photo.js";
import { Queue } from "/static/photos/queue.js";
import { listen } from "/static/photos/sources.js";
import { Health } from "/static/photos/health.js";
import { duration, load, say } from "/static/texts.js";

const A_DAY = 86_400;

await load("photos");

const limits = {};
const health = new Health($("trouble"));
const queue = new Queue({
  limits,
  away: (now) => health.away(now),
  tell: (photo) => {
    if (photo.erased) return;
    list.update(photo);
    health.watch(list.photos);
  },
});
const list = new List({ erase, again, protectAgain, trouble: (text) => health.say(text) });

async function erase(photo) {
  try {
    await queue.erase(photo);
    list.remove(photo);
    announce(say("said.erased", { name: photo.name }));
  } catch (problem) {
    health.say(problem.message);
  }
}

function again(photo) {
  photo.again = false;
  queue.add(photo);
}

/** Protect a photo once more, with other options. The first copy is erased once the second is accepted. */
function protectAgain(photo, options) {
  const second = new Photo({ name: photo.name, file: photo.file });
  second.options = { ...photo.options, ...options };
  list.add(second);
  queue.add(second);
  erase(photo);
  list.cards.get(second).heading.focus();
}

function take(files) {
  const photos = files.map((file) => new Photo({ name: file.name || say("photo.unnamed"), file }));
  // the first chosen stands first, above those of before
  for (const photo of photos.toReversed()) list.add(photo);
  for (const photo of photos) queue.add(photo);
  if (photos.length) announce(say("said.taken", { count: photos.length }));
}

for (const one of kept()) {
  const photo = new Photo(one);
  list.add(photo, { first: false });
  queue.follow(photo);
}
listen(take);
if (matchMedia("(pointer: coarse)").matches) $("camera-label").hidden = false;
if (new URLSearchParams(location.search).has("shared")) health.say(say("trouble.shared"));
document.documentElement.dataset.ready = "yes";

try {
  Object.assign(limits, await asked("/v1/limits"));
} catch {
  // the service says it of each photo
}
$("kept-for").textContent = say("data.kept", { time: duration(limits.retention_seconds ?? A_DAY) });
