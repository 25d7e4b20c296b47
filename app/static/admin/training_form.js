// The form that starts a training: every choice explained, every default sensible, and how long it will take.

import { make } from "/static/dom.js";
import { button, field, select, sheet } from "/static/admin/parts.js";
import { call } from "/static/admin/service.js";
import { nameOf } from "/static/photos/names.js";
import { known, say, span } from "/static/texts.js";

const PAUSE_MS = 250;

/** The form. started: called with a training that was started. */
export async function trainingForm(started, trouble) {
  const [choices, { datasets }, { perturbations }] = await Promise.all([call("/choices"), call("/datasets"), call("/perturbations")]);
  const { defaults } = choices;
  const form = make("form", {});
  const estimate = make("p", { className: "estimate", role: "status" });

  const presets = Object.keys(choices.presets).map((name) => choice("radio", "preset", name, explained("preset", name), name === defaults.preset));
  const targets = choices.targets.map((name) => choice("checkbox", "targets", name, nameOf(name), true));
  const advanced = make(
    "details",
    {},
    make("summary", {}, say("train.advanced")),
    make(
      "div",
      { className: "fields" },
      field("train.weighting", select("weighting", choices.weightings.map((name) => [name, explained("weighting", name)]), defaults.weighting)),
      field("train.warm", select("warm_start", [["", say("train.warm.none")], ["active", say("train.warm.active")], ...perturbations.map(({ version }) => [version, version])], "")),
      field("train.epsilon", make("input", { name: "epsilon", type: "number", min: 0.004, max: 0.5, step: "any", value: defaults.epsilon, required: true })),
      field("train.steps", make("input", { name: "steps", type: "number", min: 1, max: 100000, step: 1 })),
      field("train.seed", make("input", { name: "seed", type: "number", min: 0, max: 2 ** 31 - 1, step: 1, value: defaults.seed, required: true })),
    ),
  );
  const go = make("button", {}, say("train.start"));
  form.append(
    make("fieldset", {}, make("legend", {}, say("train.preset")), ...presets),
    make("fieldset", {}, make("legend", {}, say("train.targets")), ...targets),
    make("div", { className: "fields" }, field("train.faces", select("dataset", datasets.map((one) => [one.name, say("train.faces.of", { name: one.shipped ? say("faces.shipped") : one.name, count: one.faces })]), "synthetic"))),
    choice("checkbox", "activate", "yes", say("train.activate"), false),
    advanced,
    estimate,
    make("div", { className: "actions" }, go, button("train.cancel.form", () => whole.replaceWith(), { small: false })),
  );
  const whole = sheet(make("h2", {}, say("train.title")), make("p", { className: "soft" }, say("train.lead")), form);

  const boxes = targets.map((label) => label.querySelector("input"));
  let timer = 0;
  let turn = 0;
  const count = () => {
    clearTimeout(timer);
    const mine = ++turn; // an answer that comes late is of an earlier choice
    boxes[0]?.setCustomValidity(boxes.some((box) => box.checked) ? "" : say("train.targets.none"));
    timer = setTimeout(() => tell(estimate, form, () => mine === turn), PAUSE_MS);
  };
  form.addEventListener("input", count);
  // a browser cannot point at a field that is folded away
  form.addEventListener("invalid", () => (advanced.open ||= Boolean(advanced.querySelector(":invalid"))), true);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      const training = await call("/trainings", { method: "POST", json: wanted(form) });
      whole.remove();
      await started(training);
    } catch (problem) {
      trouble(problem.message);
      go.disabled = false;
    }
  });
  await tell(estimate, form, () => true);
  return whole;
}

function choice(type, name, value, text, checked) {
  return make("label", { className: "choice" }, make("input", { type, name, value, checked }), make("span", {}, text));
}

/** A name of the service, with what it means where that is known. */
function explained(kind, name) {
  const key = `${kind}.${name}`;
  return known(key) ? say(key) : name;
}

/** What was chosen, as the service takes it. */
function wanted(form) {
  const data = new FormData(form);
  return {
    preset: data.get("preset"),
    targets: data.getAll("targets"),
    dataset: data.get("dataset"),
    weighting: data.get("weighting"),
    warm_start: data.get("warm_start") || null,
    epsilon: Number(data.get("epsilon")),
    steps: Number(data.get("steps")) || null,
    seed: Number(data.get("seed")),
    activate: data.has("activate"),
  };
}

/** Say how long it takes, or what is wrong with a choice, in the browser's words. */
async function tell(place, form, isLatest) {
  const wrong = form.querySelector("input:invalid");
  if (wrong) {
    const [label] = wrong.type === "number" ? wrong.labels : [];
    place.textContent = [label?.textContent, wrong.validationMessage].filter(Boolean).join(": ");
    return;
  }
  try {
    const { steps, least, most, measured, alone } = await call("/trainings/estimate", { method: "POST", json: wanted(form) });
    if (!isLatest()) return;
    const parts = [say(measured ? "estimate.measured" : "estimate.guess", { time: span(least, most), steps })];
    if (alone.length) parts.push(say("estimate.alone", { count: alone.length, names: alone.map(nameOf).join(", ") }));
    place.textContent = parts.join(" ");
  } catch (problem) {
    if (isLatest()) place.textContent = problem.message;
  }
}
