// Trainings: start one, watch it, see what came of it.

import { make } from "/static/dom.js";
import { button, repeatedly, sheet } from "/static/admin/parts.js";
import { call } from "/static/admin/service.js";
import { TrainingView } from "/static/admin/training_view.js";
import { trainingForm } from "/static/admin/training_form.js";
import { say } from "/static/texts.js";

const LOOK_MS = 1500;

export async function enter(place, { trouble, announce }) {
  const views = new Map();
  const { active, perturbations } = await call("/perturbations");
  const versions = { active, names: new Set(perturbations.map(({ version }) => version)) };
  const top = make("div", {});
  const list = make("div", { className: "sheets" });
  const begin = button("train.new", open, { quiet: false, small: false });
  place.append(make("div", { className: "bar" }, make("h2", {}, say("place.trainings")), make("div", { className: "actions" }, begin)), top, list);

  async function open() {
    if (top.childElementCount || begin.disabled) return;
    begin.disabled = true;
    try {
      top.append(await trainingForm(started, trouble));
      top.querySelector("input:checked").focus();
      trouble("");
    } catch (problem) {
      trouble(problem.message);
    }
    begin.disabled = false;
  }

  async function started(training) {
    trouble("");
    announce(say("train.started"));
    await look();
    views.get(training.id)?.heading.focus();
  }

  async function look() {
    const { trainings } = await call("/trainings");
    if (!trainings.length && !list.childElementCount) list.append(sheet(make("p", {}, say("train.none"))));
    const shown = trainings.toReversed().map((training) => viewOf(training, !training.ended_at || training === trainings[0]).update(training));
    await Promise.all(shown);
  }

  function viewOf(training, unfolded) {
    const found = views.get(training.id);
    if (found) return found;
    if (!views.size) list.replaceChildren();
    const view = new TrainingView(training, { unfolded, versions, trouble, announce });
    views.set(training.id, view);
    list.prepend(view.element);
    return view;
  }

  return repeatedly(look, LOOK_MS, trouble);
}
