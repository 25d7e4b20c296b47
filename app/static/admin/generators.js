// Generators: those that ship, and checkpoints that were uploaded, tried, and can be enabled or disabled.

import { explained } from "/static/api.js";
import { make, twice } from "/static/dom.js";
import { button, doing, field, repeatedly, sending, sheet, table, tag } from "/static/admin/parts.js";
import { call, upload } from "/static/admin/service.js";
import { nameOf } from "/static/photos/names.js";
import { megabytes, number, say } from "/static/texts.js";

const LOOK_MS = 2000;
const KINDS = { enabled: "good", disabled: "", checking: "warn", refused: "bad" };

export async function enter(place, { trouble }) {
  const act = doing({ trouble, show });
  const list = make("div", {});
  let shown = "";
  place.append(make("h2", {}, say("place.generators")), make("p", { className: "soft" }, say("generators.lead")), list, uploadForm());

  async function show() {
    const { shipped, architectures } = await call("/architectures");
    const now = JSON.stringify([shipped, architectures]);
    if (now === shown) return;
    shown = now;
    const heads = ["name", "state", "fits", "edits", "cost", "licence", "act"].map((key) => say(`generator.${key}`));
    const rows = [...shipped.map((name) => [nameOf(name), tag(say("generator.ships"), "good"), "–", "–", "–", "–", ""]), ...architectures.map(row)];
    list.replaceChildren(sheet(table(say("place.generators"), heads, rows)));
  }

  function row(one) {
    const name = one.twin ? say("generator.twin.of", { name: one.name }) : one.name;
    const state = make("div", {}, tag(say(`generator.${one.status}`), KINDS[one.status]), one.error ? make("div", {}, explained(one.error)) : null);
    const fits = [one.architecture && nameOf(one.architecture), one.image_size && `${one.image_size} × ${one.image_size}`].filter(Boolean).join(", ") || "–";
    const cost = one.seconds === null ? megabytes(one.bytes) : say("generator.costs", { seconds: number(one.seconds, { maximumFractionDigits: 1 }), megabytes: one.megabytes });
    return [name, state, fits, one.edits?.join(", ") || "–", cost, one.licence || "–", tools(one)];
  }

  function tools(one) {
    const key = one.twin ? `${one.name}-twin` : one.name;
    const items = [];
    if (one.status === "enabled") items.push(button("generator.disable", () => act(() => call(`/architectures/${key}`, { method: "PATCH", json: { enabled: false } }), say("generator.is.disabled"))));
    if (one.status === "disabled") items.push(button("generator.enable", () => act(() => call(`/architectures/${key}`, { method: "PATCH", json: { enabled: true } }), say("generator.is.enabled"))));
    const erase = make("button", { type: "button", className: "quiet small" }, say("action.delete"));
    items.push(twice(erase, say("action.delete.sure"), () => act(() => call(`/architectures/${key}`, { method: "DELETE" }), say("generator.is.deleted"))));
    return make("div", { className: "actions" }, ...items);
  }

  function uploadForm() {
    const file = make("input", { type: "file", name: "file", required: true });
    const text = (name, more = {}) => make("input", { name, type: "text", ...more });
    const fields = [
      field("generator.file", file),
      field("generator.called", text("name", { required: true, pattern: "[a-z][a-z0-9_]*", maxLength: 40 })),
      field("generator.size", make("input", { name: "image_size", type: "number", min: 8, max: 4096 })),
      field("generator.its.edits", text("edits")),
      field("generator.its.licence", text("licence", { maxLength: 200 })),
    ];
    const twin = make("label", { className: "choice" }, make("input", { type: "checkbox", name: "twin", value: "true" }), make("span", {}, say("generator.is.twin")));
    const go = make("button", {}, say("action.upload"));
    const state = make("p", { role: "status" });
    const form = make("form", {}, make("h3", {}, say("generator.upload")), make("div", { className: "fields" }, ...fields), twin, make("div", { className: "actions" }, go), state);
    const send = (tell) => upload("/architectures", inOrder(form), tell);
    return sending(form, { go, state, send, said: () => say("generator.added"), show, trouble });
  }

  return repeatedly(show, LOOK_MS, trouble);
}

/** The fields before the file: it may be large, and is judged by them. */
function inOrder(form) {
  const sent = new FormData();
  const given = new FormData(form);
  for (const [name, value] of given) if (name !== "file" && value) sent.append(name, value);
  sent.append("file", given.get("file"));
  return sent;
}
