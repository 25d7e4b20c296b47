// How strong the pattern is. A choice is shown at once on the picture; the verdict follows when it is protected again.

import { Problem, ask, asked, explained, pause, send } from "/static/api.js";
import { make } from "/static/dom.js";
import { say } from "/static/texts.js";

const STRENGTHS = ["subtle", "standard", "strong"];
const LOOK_MS = 300;

export function strengths(photo, stage, boxes, changed) {
  const now = photo.report.strength ?? "standard";
  let chosen = now;
  let turn = 0;
  const state = make("p", { className: "soft", role: "status" });
  const choices = STRENGTHS.map((name) => {
    const input = make("input", { type: "radio", name: `${photo.key}-strength`, value: name, checked: name === now });
    input.addEventListener("change", () => pick(name));
    return make("label", {}, input, make("span", {}, make("strong", {}, say(`strength.${name}`)), ` ${say(`strength.${name}.means`)}`));
  });

  async function pick(name) {
    chosen = name;
    changed();
    const mine = ++turn;
    state.textContent = say("strength.making");
    try {
      const copy = await tried(photo, { strength: name, ...boxes.field() }, () => mine === turn);
      if (mine !== turn || !copy) return;
      stage.show(copy);
      state.textContent = say("strength.shown");
    } catch (problem) {
      if (mine === turn) state.textContent = problem.message;
    }
  }

  const element = make("fieldset", { className: "strength" }, make("legend", {}, say("strength.title")), ...choices, state);
  return { element, field: () => (chosen === now && !photo.options.strength ? {} : { strength: chosen }) };
}

/** A copy of that strength: the service keeps nothing of it. */
async function tried(photo, options, wanted) {
  await pause(LOOK_MS);
  if (!wanted()) return null; // another one was chosen meanwhile
  const form = new FormData();
  for (const [name, value] of Object.entries({ ...photo.options, ...options, scores: "false" })) form.append(name, value);
  form.append("image", photo.file, photo.name);
  let report = await send("/v1/protections", form);
  const { self } = report.links;
  try {
    while (!report.links.image && wanted()) {
      if (report.status === "failed") throw new Problem({ status: 422, ...report.error, detail: explained(report.error) });
      await pause(LOOK_MS);
      report = await asked(self);
    }
    return wanted() ? await (await ask(report.links.image)).blob() : null;
  } finally {
    await ask(self, { method: "DELETE" }).catch(() => {});
  }
}
