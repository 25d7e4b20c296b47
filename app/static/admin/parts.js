// What the places of the administration have in common.

import { announce, make } from "/static/dom.js";
import { percent, say } from "/static/texts.js";

export const sheet = (...children) => make("section", { className: "sheet" }, ...children);

export const tag = (text, kind = "") => make("span", { className: `tag ${kind && `tag-${kind}`}` }, text);

/** A double click is one press: nobody means to roll back twice. */
export function button(key, act, { quiet = true, small = true } = {}) {
  const element = make("button", { type: "button", className: [quiet && "quiet", small && "small"].filter(Boolean).join(" ") }, say(key));
  element.addEventListener("click", (event) => event.detail < 2 && act(event));
  return element;
}

/** A table with a name for those who cannot see it; cells are texts or elements. */
export function table(name, heads, rows) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((cell) => make("td", {}, cell))));
  const whole = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  return make("div", { className: "scrolls", tabIndex: 0, role: "group", ariaLabel: name }, whole);
}

/** The pictures of a version that are open in `place`. */
export const picturesOf = (place, version) => [...place.querySelectorAll(".pictures")].find((panel) => panel.dataset.version === version);

/** Close all pictures in `place`: the service erases the photos they were made of. */
export function closePictures(place) {
  for (const panel of place.querySelectorAll(".pictures")) panel.close();
}

let fields = 0;

/** A field with its label and a hint. */
export function field(key, control) {
  control.id = `field-${++fields}`;
  const hint = make("small", { id: `${control.id}-hint` }, say(`${key}.hint`));
  control.setAttribute("aria-describedby", hint.id);
  return make("div", {}, make("label", { htmlFor: control.id }, say(key)), control, hint);
}

export function select(name, options, chosen) {
  return make("select", { name }, ...options.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
}

/**
 * Does some work, says that it is done, and shows what is there then. A failure is told, until something is done again;
 * what another window has deleted is taken off the list.
 */
export function doing({ trouble, show }) {
  return async (work, said) => {
    try {
      await work();
      trouble("");
      announce(said);
      await show();
    } catch (problem) {
      trouble(problem.status === 404 ? say("trouble.deleted") : problem.message);
      if (problem.status === 404) await show().catch(() => {}); // the failure is told already
    }
  };
}

/** Send a file when `form` is submitted. send: gets told how far it is; said: what is told of the answer. */
export function sending(form, { go, state, send, said, show, trouble }) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble("");
    state.textContent = "";
    const empty = form.querySelector("[type=file]").files[0].size === 0;
    if (empty) return trouble(say("refused.empty"));
    go.disabled = true;
    try {
      const made = await send((part) => (state.textContent = part < 1 ? say("state.uploading", { share: percent(part) }) : say("state.checking")));
      state.textContent = said(made);
      form.reset();
      await show();
    } catch (problem) {
      state.textContent = "";
      trouble(problem.message);
    }
    go.disabled = false;
  });
  return sheet(form);
}

/** Do `work` now and again, until the returned function is called. A failure is told until it works again. */
export function repeatedly(work, ms, trouble) {
  let on = true;
  let timer = 0;
  let takeBack = () => {};
  const round = async () => {
    try {
      await work();
      takeBack();
    } catch (problem) {
      if (on) takeBack = trouble(problem.message);
    }
    if (on) timer = setTimeout(round, ms);
  };
  round();
  return () => {
    on = false;
    clearTimeout(timer);
  };
}
