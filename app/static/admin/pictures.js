// Pictures of what generators make of the faces that ship, before and after a version: made by the service as for anybody.

import { ask, asked, pause, send } from "/static/api.js";
import { make } from "/static/dom.js";
import { picturesOf } from "/static/admin/parts.js";
import { fill } from "/static/photos/generators.js";
import { say } from "/static/texts.js";

const FACES = [1, 2, 3];
const LOOK_MS = 500;

/** Show the pictures of a version at the end of `place`, or take them away again. */
export async function toggle(pressed, place, version, trouble) {
  if (!place.isConnected) return;
  const known = picturesOf(place, version);
  pressed.ariaExpanded = String(!known);
  if (known) return known.close();
  const panel = make("section", { className: "panel pictures", ariaLabel: say("pictures.title", { version }), data: { version } });
  place.append(panel);
  const made = [];
  let wanted = true;
  panel.close = () => {
    wanted = false;
    panel.remove();
    made.forEach(erase);
  };
  const state = make("p", { role: "status" }, say("pictures.making"));
  panel.append(make("h3", {}, say("pictures.title", { version })), state);
  try {
    for (const face of FACES) {
      const report = await tried(face, version, made, () => wanted);
      if (!wanted) return;
      const part = make("section", { ariaLabel: say("pictures.face", { number: face }) });
      panel.append(make("h4", {}, say("pictures.face", { number: face })), part);
      fill(part, { report }, { explained: face === 1 });
    }
    state.remove();
  } catch (problem) {
    state.remove();
    if (wanted) trouble(problem.message);
  }
}

/** Erase a photo that was made, also while the page is being left. */
const erase = (self) => ask(self, { method: "DELETE", keepalive: true }).catch(() => {});

async function tried(face, version, made, wanted) {
  const picture = await (await ask(`/static/admin/faces/face-${face}.webp`)).blob();
  const form = new FormData();
  form.append("perturbation", version);
  form.append("image", picture, "face.webp");
  let report = await send("/v1/protections", form);
  made.push(report.links.self);
  if (!wanted()) erase(report.links.self); // closed while it was sent
  while (report.status !== "failed" && report.scores_status === "pending") {
    await pause(LOOK_MS);
    if (!wanted()) break; // erased meanwhile
    report = await asked(report.links.self);
  }
  return report;
}
