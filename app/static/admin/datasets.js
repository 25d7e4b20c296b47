// Faces to train on: the archive that ships, and those that were uploaded.

import { make, twice } from "/static/dom.js";
import { doing, field, sending, sheet, table } from "/static/admin/parts.js";
import { call, upload } from "/static/admin/service.js";
import { megabytes, moment, number, say } from "/static/texts.js";

export async function enter(place, { trouble }) {
  const act = doing({ trouble, show });
  const list = make("div", {});
  place.append(make("h2", {}, say("place.faces")), make("p", { className: "soft" }, say("faces.lead")), list, uploadForm());

  async function show() {
    const { datasets } = await call("/datasets");
    const rows = datasets.map((one) => [one.shipped ? say("faces.shipped") : one.name, number(one.faces), number(one.ignored), megabytes(one.bytes), one.created_at ? moment(one.created_at) : "–", one.shipped ? "" : erase(one)]);
    const heads = ["name", "count", "ignored", "size", "added.at", "act"].map((key) => say(`faces.${key}`));
    list.replaceChildren(sheet(table(say("place.faces"), heads, rows)));
  }

  function erase({ name }) {
    const pressed = make("button", { type: "button", className: "quiet small" }, say("action.delete"));
    return twice(pressed, say("action.delete.sure"), () => act(() => call(`/datasets/${name}`, { method: "DELETE" }), say("faces.deleted", { name })));
  }

  function uploadForm() {
    const file = make("input", { type: "file", name: "file", accept: ".zip,application/zip", required: true });
    const name = make("input", { name: "name", type: "text", pattern: "[a-z0-9][a-z0-9\\-]*", maxLength: 63 });
    const go = make("button", {}, say("action.upload"));
    const state = make("p", { role: "status" });
    const form = make("form", {}, make("h3", {}, say("faces.upload")), make("div", { className: "fields" }, field("faces.file", file), field("faces.called", name)), make("div", { className: "actions" }, go), state);
    const send = (tell) => {
      const sent = new FormData();
      if (name.value) sent.append("name", name.value);
      sent.append("file", file.files[0]);
      return upload("/datasets", sent, tell);
    };
    const said = (made) => say("faces.added", { name: made.name, count: made.faces });
    return sending(form, { go, state, send, said, show, trouble });
  }

  await show();
}
