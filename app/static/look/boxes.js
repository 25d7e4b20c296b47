// The faces of a photo as boxes on it: those that were found, and those that somebody marks, moves or drops.

import { announce, make } from "/static/dom.js";
import { drags } from "/static/look/stage.js";
import { say } from "/static/texts.js";

const SMALLEST = 16;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Boxes {
  /** changed: called after every change somebody makes. */
  constructor({ file, report }, stage, changed) {
    this.stage = stage;
    this.report = () => {
      this.changed = true;
      changed();
    };
    this.editable = Boolean(file) && "strength" in report;
    this.layer = make("div", { className: "boxes" });
    stage.canvas.append(this.layer);
    this.boxes = [];
    this.add = make("button", { type: "button", className: "quiet small", ariaPressed: "false" }, say("look.mark"));
    this.add.addEventListener("click", () => this.#mark());
    this.chosen = null; // the box that was selected last: pressing a button takes the keyboard away from it
    this.remove = make("button", { type: "button", className: "quiet small", disabled: true }, say("look.drop"));
    this.remove.addEventListener("click", () => {
      this.#drop(this.chosen);
      this.report();
    });
    this.tools = make("div", { className: "tools" }, this.add, this.remove, make("span", { className: "soft" }, say("look.mark.hint")));
    for (const face of report.faces) this.#put(visible(face, stage));
    stage.canvas.addEventListener("click", (event) => this.#clicked(event));
  }

  show(now) {
    this.layer.hidden = !now;
  }

  /** The form field that names them, once somebody has changed them. */
  field() {
    if (!this.changed) return {};
    return { faces: JSON.stringify(this.boxes.map(({ x, y, width, height }) => [x, y, width, height].map(Math.round))) };
  }

  /** Wait for a click on the picture; pressed with the keyboard, put a box in the middle. */
  #mark() {
    const waiting = this.add.ariaPressed === "true";
    this.add.ariaPressed = String(!waiting);
    this.stage.canvas.classList.toggle("marking", !waiting);
    if (this.add.matches(":focus-visible") && !waiting) this.#placed(this.stage.middle);
  }

  #clicked(event) {
    if (this.add.ariaPressed === "true") this.#placed(this.stage.place(event));
  }

  #placed({ x, y }) {
    this.add.ariaPressed = "false";
    this.stage.canvas.classList.remove("marking");
    const side = this.#usualSide();
    const box = this.#put({ x: x - side / 2, y: y - side / 2, width: side, height: side });
    this.#within(box);
    box.element.focus();
    announce(say("look.marked"));
    this.report();
  }

  #usualSide() {
    const sides = this.boxes.map((box) => box.width);
    const { width, height } = this.stage;
    return sides.length ? sides.reduce((a, b) => a + b) / sides.length : Math.min(width, height) / 4;
  }

  #put(box) {
    this.boxes.push(box);
    box.element = this.editable ? this.#handle(box) : make("div", { className: "box" });
    this.layer.append(box.element);
    this.#draw(box);
    this.#number();
    return box;
  }

  #handle(box) {
    const element = make("button", { type: "button", className: "box" });
    const corner = make("span", { className: "corner" });
    element.append(corner);
    const pixels = (event) => [event.movementX / this.stage.scale, event.movementY / this.stage.scale];
    drags(element, (event) => this.#change(box, ...pixels(event), 0), () => this.#ended(box));
    drags(corner, (event) => this.#change(box, 0, 0, (pixels(event)[0] + pixels(event)[1]) / 2), () => this.#ended(box));
    element.addEventListener("click", (event) => event.stopPropagation());
    element.addEventListener("pointerdown", () => element.focus());
    element.addEventListener("focus", () => this.#choose(box));
    element.addEventListener("keydown", (event) => this.#key(box, event));
    return element;
  }

  #key(box, event) {
    const step = Math.max(1, box.width / 16);
    if (event.key === "Delete" || event.key === "Backspace") this.#drop(box);
    else if (KEYS[event.key]) this.#change(box, KEYS[event.key][0] * step, KEYS[event.key][1] * step, 0);
    else if (event.key === "+" || event.key === "-") this.#change(box, 0, 0, event.key === "+" ? step : -step);
    else return;
    event.preventDefault();
    this.report();
  }

  #choose(box) {
    this.chosen?.element.classList.remove("chosen");
    this.chosen = box;
    box?.element.classList.add("chosen");
    this.remove.disabled = !box;
  }

  #drop(box) {
    this.#choose(null);
    const at = this.boxes.indexOf(box);
    this.boxes.splice(at, 1);
    box.element.remove();
    this.#number();
    (this.boxes[Math.min(at, this.boxes.length - 1)]?.element ?? this.add).focus();
    announce(say("look.dropped"));
  }

  #change(box, right, down, larger) {
    box.x += right;
    box.y += down;
    box.width = Math.max(SMALLEST, box.width + larger);
    box.height = Math.max(SMALLEST, box.height + larger);
    box.moved = true;
    this.#within(box);
  }

  #ended(box) {
    if (box.moved) this.report();
    box.moved = false;
  }

  #within(box) {
    const { width, height } = this.stage;
    box.width = Math.min(box.width, width);
    box.height = Math.min(box.height, height);
    box.x = Math.max(0, Math.min(box.x, width - box.width));
    box.y = Math.max(0, Math.min(box.y, height - box.height));
    this.#draw(box);
  }

  #draw({ element, x, y, width, height }) {
    const { stage } = this;
    const parts = { left: x / stage.width, top: y / stage.height, width: width / stage.width, height: height / stage.height };
    for (const [name, part] of Object.entries(parts)) element.style[name] = `${100 * part}%`;
  }

  #number() {
    this.boxes.forEach(({ element }, at) => (element.ariaLabel = say("look.face", { number: at + 1 })));
  }
}

/** The part of a face that lies in the photo. */
function visible({ x, y, width, height }, stage) {
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  return { x: left, y: top, width: Math.min(x + width, stage.width) - left, height: Math.min(y + height, stage.height) - top };
}
