// The photo and its copy over each other. A divider shows the one left of it and the other right of it.

import { make, showFile } from "/static/dom.js";
import { say } from "/static/texts.js";

const MOST_OF_WINDOW = 0.7;

export class Stage {
  constructor({ file, report, name }) {
    const { width, height } = report.source;
    Object.assign(this, { width, height, factor: 0 });
    this.first = report.faces[0] ?? { x: 0, y: 0, width, height };
    this.after = make("img", { className: "after", alt: say("look.alt.copy", { name }), src: report.links.image, decoding: "async" });
    this.before = file && make("img", { className: "before", alt: say("look.alt.photo", { name }), decoding: "async" });
    this.line = make("div", { className: "line-between", hidden: !file });
    this.canvas = make("div", { className: "canvas" }, this.before, this.after, this.line);
    this.element = make("div", { className: "stage", tabIndex: 0, role: "region", ariaLabel: say("look.stage") }, this.canvas);
    this.divider = make("input", { type: "range", min: 0, max: 1000, value: 500, className: "divider", ariaLabel: say("look.divider"), hidden: !file });
    this.divider.addEventListener("input", () => this.#divide());
    this.element.addEventListener("scroll", () => this.#divide());
    this.before?.addEventListener("error", () => this.#withoutPhoto());
    if (file) showFile(this.before, file);
    drags(this.line, (event) => this.#dragTo(event.clientX));
    new ResizeObserver(() => this.#size()).observe(this.element);
  }

  /** Show another copy. */
  show(blob) {
    showFile(this.after, blob);
  }

  fit() {
    this.zoom(0);
  }

  /** factor: device pixels for a pixel of the photo; 0 fits the whole picture. */
  zoom(factor) {
    this.factor = factor;
    this.#size();
    if (!factor) return;
    const { x, y, width, height } = this.first;
    this.element.scrollLeft = (x + width / 2) * this.scale - this.element.clientWidth / 2;
    this.element.scrollTop = (y + height / 2) * this.scale - this.element.clientHeight / 2;
  }

  /** Whether to show where the two differ, ten times as strong. */
  differ(now) {
    this.canvas.classList.toggle("differs", now);
    this.divider.hidden = this.line.hidden = now || !this.before;
  }

  /** Where in the photo a place of the window is. */
  place({ clientX, clientY }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return { x: (clientX - left) / this.scale, y: (clientY - top) / this.scale };
  }

  /** The middle of what is seen, in the photo. */
  get middle() {
    const { left, top } = this.element.getBoundingClientRect();
    return this.place({ clientX: left + this.element.clientWidth / 2, clientY: top + this.element.clientHeight / 2 });
  }

  /** This browser cannot show the photo, as with HEIC: the copy is all there is to see. */
  #withoutPhoto() {
    this.before.remove();
    this.before = null;
    this.divider.hidden = this.line.hidden = true;
  }

  #size() {
    const fits = Math.min(this.element.clientWidth / this.width, (MOST_OF_WINDOW * innerHeight) / this.height);
    this.scale = this.factor ? this.factor / devicePixelRatio : fits;
    this.canvas.style.width = `${this.width * this.scale}px`;
    this.canvas.style.height = `${this.height * this.scale}px`;
    this.canvas.classList.toggle("large", this.factor >= 2);
    this.#divide();
  }

  #divide() {
    const seen = Math.min(this.element.clientWidth, this.width * this.scale);
    const at = this.element.scrollLeft + (seen * this.divider.value) / 1000;
    this.canvas.style.setProperty("--at", `${at}px`);
  }

  #dragTo(clientX) {
    const { left } = this.element.getBoundingClientRect();
    const offset = this.canvas.getBoundingClientRect().left - left + this.element.scrollLeft;
    const seen = Math.min(this.element.clientWidth, this.width * this.scale);
    this.divider.value = (1000 * (clientX - left - offset)) / seen;
    this.#divide();
  }
}

/** Call `move` while `element` is dragged, with a finger or a mouse. */
export function drags(element, move, end = () => {}) {
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
    const leave = () => {
      element.removeEventListener("pointermove", move);
      end();
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", leave, { once: true });
    element.addEventListener("pointercancel", leave, { once: true });
  });
}
