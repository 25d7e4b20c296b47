// One training: how far it is, its charts, and what came of it.

import { explained, loaded } from "/static/api.js";
import { make, twice } from "/static/dom.js";
import { Charts } from "/static/admin/charts.js";
import { button, table } from "/static/admin/parts.js";
import { call } from "/static/admin/service.js";
import { statusTag, targetsOf, titleOf } from "/static/admin/training_words.js";
import { nameOf } from "/static/photos/names.js";
import { duration, number, percent, say } from "/static/texts.js";

const RECENT = 12;

export class TrainingView {
  /** versions: the active one, as far as this page knows, and the names of all when it was opened. */
  constructor(training, { unfolded, versions, trouble, announce }) {
    Object.assign(this, { training, versions, trouble, announce, points: [], seen: -1, status: "", drawn: -1 });
    this.gone = this.#made() && !versions.names.has(training.perturbation);
    this.heading = make("h3", { tabIndex: -1 }, titleOf(training));
    this.tag = make("span", {});
    this.tools = make("div", { className: "actions" });
    this.state = make("p", { className: "soft" });
    this.bar = make("progress", { max: 1, ariaLabel: say("train.progress") });
    this.result = make("div", {});
    this.chartPlace = make("div", {});
    this.charts = null;
    const curves = make("details", { open: unfolded }, make("summary", {}, say("train.curves")), this.chartPlace);
    curves.addEventListener("toggle", () => this.#draw().catch((problem) => trouble(problem.message)));
    this.curves = curves;
    const head = make("div", { className: "bar" }, this.heading, this.tag, this.tools);
    this.element = make("section", { className: "sheet panel-like" }, head, this.state, this.bar, this.result, curves);
  }

  async update(training) {
    this.training = training;
    if (training.revision === this.drawn) return;
    const running = training.status === "running";
    this.bar.hidden = !running;
    this.bar.value = training.steps ? training.step / training.steps : 0;
    await this.#draw();
    this.state.textContent = this.#line();
    this.drawn = training.revision; // what failed until here is tried again
    if (training.status === this.status && training.cancelling === this.cancelling) return;
    this.cancelling = training.cancelling;
    if (this.status && training.ended_at) this.announce(`${titleOf(training)}: ${say(`status.${training.status}`)}`);
    this.status = training.status;
    this.tag.replaceChildren(statusTag(training));
    this.tools.replaceChildren(...this.#tools());
    this.result.replaceChildren(...this.#result());
  }

  #line() {
    const { training } = this;
    if (training.status === "queued") return say("train.queued", { targets: targetsOf(training) });
    if (training.status === "running") {
      const left = this.#left();
      return [say("train.at", { step: training.step, steps: training.steps }), stageOf(training.stage), left && say("train.left", { time: duration(left) })].filter(Boolean).join(" · ");
    }
    if (!training.started_at) return say("train.never", { targets: targetsOf(training) });
    const took = (Date.parse(training.ended_at) - Date.parse(training.started_at)) / 1000;
    return say("train.took", { time: duration(took), targets: targetsOf(training) });
  }

  /** Seconds left, by the last steps. Steps against one generator alone say nothing about those against all. */
  #left() {
    if (isAlone(this.training)) return 0;
    const last = this.points.slice(-RECENT).filter((point) => !isAlone(point));
    if (last.length < 2) return 0;
    const took = (Date.parse(last.at(-1).at) - Date.parse(last[0].at)) / 1000;
    const pace = took / (last.at(-1).step - last[0].step);
    return pace * (this.training.steps - this.training.step);
  }

  async #draw() {
    const { training } = this;
    if (training.status !== "queued" && (!training.ended_at || this.seen < training.step || this.status !== training.status)) {
      const { points } = await call(`/trainings/${training.id}/curve?after=${this.seen}`);
      // after a crash it goes on from an earlier step
      if (points.length) this.points = [...this.points.filter((one) => one.step < points[0].step), ...points];
      this.seen = this.points.at(-1)?.step ?? -1;
    }
    this.curves.hidden = !this.points.length;
    if (!this.points.length || !this.curves.open) return;
    if (!this.charts) {
      this.charts = new Charts(training.request.targets ?? []);
      this.chartPlace.replaceChildren(this.charts.element);
    }
    await this.charts.show(this.points);
  }

  #tools() {
    const { training } = this;
    if (!training.ended_at && training.cancelling) return [];
    if (!training.ended_at) return [twice(button("train.stop", () => {}), say("train.stop.sure"), () => this.#stop())];
    if (!this.#made() || this.gone) return [];
    const tools = [button("pictures.show", (event) => this.#pictures(event.currentTarget))];
    if (!this.#activated()) tools.unshift(button(training.status === "rejected" ? "train.activate.anyway" : "train.approve", (event) => this.#activate(event.currentTarget), { quiet: false }));
    return tools;
  }

  /** Whether it made a version that was kept. One that stopped late names a version that was not. */
  #made() {
    return ["succeeded", "rejected"].includes(this.training.status) && Boolean(this.training.perturbation);
  }

  /** Whether its result is active, or became active by itself. */
  #activated() {
    const { status, request, perturbation } = this.training;
    return perturbation === this.versions.active || (status === "succeeded" && request.activate);
  }

  async #stop() {
    try {
      await call(`/trainings/${this.training.id}`, { method: "DELETE" });
    } catch (problem) {
      if (problem.status !== 409) this.trouble(problem.message); // else it has just ended by itself
    }
  }

  async #activate(pressed) {
    pressed.disabled = true;
    try {
      await call(`/perturbations/${this.training.perturbation}/activate`, { method: "POST" });
      this.versions.active = this.training.perturbation;
      this.tools.replaceChildren(...this.#tools());
      this.result.replaceChildren(...this.#result());
      this.heading.focus(); // the button is gone
      this.announce(say("train.activated"));
    } catch (problem) {
      pressed.disabled = false;
      this.trouble(problem.message);
    }
  }

  async #pictures(pressed) {
    try {
      const { toggle } = await loaded(import("/static/admin/pictures.js"));
      await toggle(pressed, this.element, this.training.perturbation, this.trouble);
    } catch (problem) {
      this.trouble(problem.message);
    }
  }

  #result() {
    const { error, comparison, status, request, perturbation } = this.training;
    const parts = [];
    if (error) parts.push(make("p", { className: "wrong" }, explained(error)));
    if (this.gone) parts.push(make("p", {}, say("train.gone")));
    else if (this.#made() && perturbation === this.versions.active) parts.push(make("p", {}, say("train.activated")));
    else if (status === "succeeded") parts.push(make("p", {}, request.activate ? say("train.is.active") : this.#waits()));
    if (comparison?.worst) parts.push(comparisonTable(comparison));
    return parts;
  }

  #waits() {
    const { comparison } = this.training;
    if (!comparison) return say("train.waits.first");
    if (comparison.active === this.versions.active) return say("train.waits");
    return say("train.waits.other", { version: comparison.active });
  }
}

const isAlone = ({ stage }) => stage?.startsWith("alone-");

function stageOf(stage) {
  if (!stage) return "";
  const [kind, rest] = [stage.split("-")[0], stage.slice(stage.indexOf("-") + 1)];
  return say(`stage.${kind}`, { name: nameOf(rest.replace(/-[^-]*$/, "")) });
}

/** The result beside the version that was active, on faces it was not trained on. */
function comparisonTable({ architectures, quality, active }) {
  const effect = (value) => number(value, { minimumFractionDigits: 4, maximumFractionDigits: 4 });
  const rows = Object.entries(architectures).map(([name, { active: old, candidate, resists }]) => [
    nameOf(name) + (resists ? ` ${say("compare.resists")}` : ""),
    effect(old.l2_mask),
    make("span", { className: candidate.l2_mask >= old.l2_mask ? "better" : "worse" }, effect(candidate.l2_mask)),
    percent(candidate.success_rate),
    candidate.twin ? percent(candidate.twin.success_rate) : "–",
  ]);
  const heads = ["generator", "active", "candidate", "fails", "twin"].map((key) => say(`compare.${key}`));
  const name = say("compare.title", { version: active });
  return make("div", {}, make("h4", {}, name), table(name, heads, rows), make("p", { className: "soft" }, say("compare.ssim", { before: effect(quality.active.ssim), after: effect(quality.candidate.ssim) })));
}
