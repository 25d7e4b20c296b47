// The card of one photo: what is happening to it, then the verdict, then what can be done with the copy.

import { loaded } from "/static/api.js";
import { announce, make, mark, showFile } from "/static/dom.js";
import { canShare, saveOne, share } from "/static/photos/save.js";
import { thumbnail } from "/static/photos/thumbnail.js";
import { verdict } from "/static/photos/verdict.js";
import { duration, percent, say, translated } from "/static/texts.js";

/** Panels that are loaded when somebody opens them. */
const PANELS = {
  look: () => import("/static/look/panel.js"),
  generators: () => import("/static/photos/generators.js"),
  figures: () => import("/static/photos/figures.js"),
};

export class Card {
  /** actions: `erase`, `again`, `check` and `protectAgain`, each called with the photo. brief: whether advice is folded away. */
  constructor(photo, actions, { brief = false } = {}) {
    this.photo = photo;
    this.actions = actions;
    this.brief = brief;
    this.shown = "";
    this.made = new Map(); // buttons by what they do
    this.picture = make("img", { className: "thumb", alt: "", hidden: true, loading: "lazy", decoding: "async" });
    this.state = make("p", { className: "state", id: `${photo.key}-state` });
    this.bar = make("progress", { max: 1, hidden: true });
    this.bar.setAttribute("aria-labelledby", this.state.id);
    this.verdict = make("div", { className: "verdict", hidden: true });
    this.buttons = make("div", { className: "actions", role: "group" });
    this.buttons.setAttribute("aria-labelledby", photo.key);
    this.panels = make("div", { className: "panels" });
    this.heading = make("h3", { id: photo.key, tabIndex: -1 }, photo.name);
    const frame = make("div", { className: "thumb-frame" }, this.picture);
    const about = make("div", { className: "about" }, this.heading, this.state, this.bar);
    const head = make("div", { className: "head" }, frame, about);
    this.element = make("li", { className: "photo" }, head, this.verdict, this.buttons, this.panels);
    this.element.setAttribute("aria-labelledby", photo.key);
    if (photo.file) thumbnail(photo.file).then((blob) => blob && this.#thumbnail(blob));
    this.update();
  }

  /** Show what is known now. */
  update() {
    const { photo } = this;
    this.element.dataset.phase = photo.phase;
    this.state.textContent = stateOf(photo);
    this.bar.hidden = photo.ended || photo.phase === "waiting";
    const share = shareOf(photo);
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    if (photo.hasCopy && !this.picture.src) Object.assign(this.picture, { src: photo.report.links.image, hidden: false });
    const now = JSON.stringify([photo.phase, photo.error, photo.report?.scores_status, photo.self]);
    if (now === this.shown) return;
    this.shown = now;
    this.#verdict();
    this.#actions();
  }

  #thumbnail(blob) {
    showFile(this.picture, blob);
    this.picture.hidden = false;
  }

  #verdict() {
    const found = this.photo.error && this.photo.ended ? this.#refusal() : this.photo.report && verdict(this.photo.report);
    this.verdict.hidden = !found;
    if (!found) return;
    this.verdict.dataset.kind = found.kind;
    const words = make("div", {}, make("p", { className: "line" }, found.line));
    if (found.means) words.append(make("p", { className: "means" }, found.means));
    if (found.advice?.length) words.append(this.#advice(found.advice));
    const notes = this.photo.report ? notesOf(this.photo.report) : [];
    if (notes.length && !this.photo.error) words.append(make("p", { className: "notes" }, notes.join(" ")));
    this.verdict.replaceChildren(mark(found.kind), words);
    if (this.photo.ended) announce(`${this.photo.name}: ${found.line}`);
  }

  #advice(sentences) {
    const list = make("ul", {}, ...sentences.map((text) => make("li", {}, text)));
    return make("details", { className: "advice", open: !this.brief }, make("summary", {}, say("advice.title")), list);
  }

  #refusal() {
    return { kind: "refused", line: this.photo.error, means: this.photo.phase === "refused" ? say("refused.others") : "" };
  }

  #actions() {
    const { photo } = this;
    const { hasCopy } = photo;
    const items = [];
    if (hasCopy && photo.phase !== "gone") {
      items.push(this.#once("save", () => this.#save()));
      if (canShare()) items.push(this.#button("action.share", () => share([photo]).catch((problem) => this.#fail(problem))));
      const tested = photo.report.scores.length && photo.report.faces.length; // without a face, it says nothing of deepfakes
      const panels = tested ? ["look", "generators", "figures"] : ["look"];
      items.push(...panels.map((name) => this.#once(`panel.${name}`, () => this.#panel(name))));
    }
    if (photo.phase === "refused" && photo.again) items.push(this.#button("action.again", () => this.actions.again(photo)));
    items.push(this.#button("action.erase", () => this.actions.erase(photo)));
    const focused = document.activeElement;
    this.buttons.replaceChildren(...items);
    if (items.includes(focused)) focused.focus();
    // a panel that stays open is left alone: somebody may be at work in it
    const offered = items.map((button) => button.dataset.panel);
    for (const panel of [...this.panels.children]) if (!offered.includes(panel.dataset.panel)) panel.remove();
  }

  /** The same button every time, so that it keeps its panel. */
  #once(key, build) {
    if (!this.made.has(key)) this.made.set(key, build());
    return this.made.get(key);
  }

  #save() {
    const link = make("a", { className: "button", href: this.photo.report.links.image, download: this.photo.copyName }, say("action.save"));
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the service gives every copy the same name
      saveOne(this.photo).catch((problem) => this.#fail(problem));
    });
    return link;
  }

  #button(key, act) {
    return this.#once(key, () => {
      const button = make("button", { type: "button", className: "quiet" }, say(key));
      button.addEventListener("click", act);
      return button;
    });
  }

  #panel(name) {
    const button = make("button", { type: "button", className: "quiet", ariaExpanded: "false", data: { panel: name } }, say(`panel.${name}`));
    let panel = null;
    button.addEventListener("click", async () => {
      const opens = button.ariaExpanded === "false";
      button.ariaExpanded = String(opens);
      panel?.remove();
      if (!opens) return;
      panel = make("section", { className: "panel", data: { panel: name }, ariaLabel: `${say(`panel.${name}`)}: ${this.photo.name}` });
      this.panels.append(panel);
      try {
        const { fill } = await loaded(PANELS[name]());
        await fill(panel, this.photo, this);
      } catch (problem) {
        panel.append(make("p", { role: "alert" }, problem.message));
      }
    });
    return button;
  }

  #fail(problem) {
    if (problem.name === "AbortError") return;
    if (problem.status === 404) return this.actions.check(this.photo); // erased elsewhere, or its time was up
    announce(problem.message);
    this.state.textContent = problem.message;
  }
}

function stateOf(photo) {
  const { phase, report, sent, error, erased } = photo;
  if (erased) return say("state.erasing");
  if (phase === "waiting") return error || say("state.waiting");
  if (phase === "uploading") return sent < 1 ? say("state.uploading", { share: percent(sent) }) : say("state.arrived");
  if (phase === "scoring") return scoringOf(report);
  if (phase === "done") return say("state.done", { left: left(photo) });
  return say(`state.${phase}`);
}

/** How much of what is going on is done; `null` where nobody knows. */
function shareOf({ phase, sent, report }) {
  if (phase === "uploading" && sent < 1) return sent;
  if (phase === "scoring" && report.scoring) return report.scoring.done / report.scoring.total;
  return null;
}

function scoringOf({ faces, scoring }) {
  if (scoring?.total) return say("state.scoring.of", scoring);
  return say("state.scoring", { count: Math.max(1, faces.length) });
}

const left = ({ expires }) => duration(Math.max(60, (Date.parse(expires) - Date.now()) / 1000));

/** What the service says about the photo, and about faces that were not scored. */
function notesOf(report) {
  const notes = report.faces.length ? report.notes.map(translated) : [];
  const rest = report.faces_not_scored;
  if (rest) notes.push(say("note.not.scored", { count: rest }));
  return notes;
}
