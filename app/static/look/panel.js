// Look closely: the photo and its copy over each other at any zoom, where they differ, and which faces were found.

import { make } from "/static/dom.js";
import { Boxes } from "/static/look/boxes.js";
import { Stage } from "/static/look/stage.js";
import { strengths } from "/static/look/strength.js";
import { load, percent, say } from "/static/texts.js";

const ZOOMS = [0, 1, 2, 4]; // 0 fits the whole picture

export async function fill(panel, photo, { actions }) {
  await load("look");
  const stage = new Stage(photo);
  const boxes = new Boxes(photo, stage, () => (again.hidden = false));
  const chosen = Boolean(photo.file) && "strength" in photo.report; // what the service can be told
  const again = make("button", { type: "button", hidden: true }, say("look.again"));
  const choice = chosen ? strengths(photo, stage, boxes, () => (again.hidden = false)) : null;
  again.addEventListener("click", () => actions.protectAgain(photo, { ...boxes.field(), ...choice.field() }));
  panel.append(
    ...(photo.file ? [] : [make("p", { className: "soft" }, say("look.copy.only"))]),
    make("div", { className: "tools" }, zoom(stage), ...(photo.file ? [difference(stage)] : []), shown(boxes)),
    stage.element,
    stage.divider,
    make("p", { className: "soft" }, say(photo.file ? "look.explained" : "look.explained.copy")),
    ...(chosen ? [boxes.tools, choice.element, again] : []),
  );
  stage.fit();
}

function zoom(stage) {
  const buttons = ZOOMS.map((factor) => {
    const button = make("button", { type: "button", className: "quiet small", ariaPressed: String(!factor) }, factor ? percent(factor) : say("look.fit"));
    button.addEventListener("click", () => {
      for (const other of buttons) other.ariaPressed = String(other === button);
      stage.zoom(factor);
    });
    return button;
  });
  return make("div", { className: "joined", role: "group", ariaLabel: say("look.zoom") }, ...buttons);
}

function toggle(text, pressed, act) {
  const button = make("button", { type: "button", className: "quiet small", ariaPressed: String(pressed) }, text);
  button.addEventListener("click", () => {
    const now = button.ariaPressed !== "true";
    button.ariaPressed = String(now);
    act(now);
  });
  return button;
}

const difference = (stage) => toggle(say("look.difference"), false, (now) => stage.differ(now));
const shown = (boxes) => toggle(say("look.faces"), true, (now) => boxes.show(now));
