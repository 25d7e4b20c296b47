// What each generator makes of the photo and of its copy, and where the two differ.

import { make } from "/static/dom.js";
import { nameOf } from "/static/photos/names.js";
import { known, say } from "/static/texts.js";

export function fill(panel, photo, { explained = true } = {}) {
  const { scores, links } = photo.report;
  if (explained) panel.append(make("p", { className: "soft" }, say("generators.explained")));
  if (!links.previews.length) return panel.append(make("p", {}, say("generators.none")));
  scores.forEach((score, at) => {
    const mine = links.previews.filter((one) => one.architecture === score.architecture);
    if (mine.length) panel.append(generator(score, mine, at === 0));
  });
}

/** One generator's pictures. Closed ones load nothing until they are opened. */
function generator(score, previews, open) {
  const title = make("summary", {}, make("strong", {}, nameOf(score.architecture)), ` · ${say(outcome(score, score.twin))}`);
  const verdicts = Object.fromEntries(score.edits.map((edit) => [edit.edit, edit]));
  const pairs = previews.map((links) => triple(links, verdicts[links.edit], score.twin));
  return make("details", { open }, title, make("div", { className: "edits" }, ...pairs));
}

/** How a generator did. Its independent twin has the last word: a forger's network is none that Poise trained on. */
function outcome({ interrupted }, twin) {
  if (interrupted === null || interrupted === undefined) return "outcome.nothing";
  if (!interrupted) return "outcome.works";
  return twin?.interrupted === false ? "outcome.twin.works" : "outcome.fails";
}

function triple(links, edit, twin) {
  const name = editName(links.edit);
  const words = { edit: name, generator: nameOf(links.architecture) };
  const photo = picture(links.original, say("generators.alt.photo", words));
  const copy = picture(links.protected, say("generators.alt.copy", words));
  const difference = make("div", { className: "difference", role: "img", ariaLabel: say("generators.alt.difference", words) });
  difference.append(picture(links.original, ""), picture(links.protected, ""));
  const row = make(
    "div",
    { className: "triple" },
    captioned(photo, say("generators.from.photo")),
    captioned(copy, say("generators.from.copy")),
    captioned(difference, say("generators.difference")),
  );
  return make("figure", {}, make("figcaption", {}, make("strong", {}, name), ` · ${say(outcome(edit ?? {}, twin))}`), row);
}

const picture = (src, alt) => make("img", { src, alt, loading: "lazy", decoding: "async" });

const captioned = (element, text) => make("div", {}, element, make("small", {}, text));

function editName(edit) {
  const key = `edit.${edit}`;
  return known(key) ? say(key) : edit.replaceAll(/[_-]/g, " ");
}
