// Versions of the perturbation: which is active, how two compare, activate one, roll back.

import { loaded } from "/static/api.js";
import { make, twice } from "/static/dom.js";
import { button, doing, picturesOf, sheet, table, tag } from "/static/admin/parts.js";
import { call } from "/static/admin/service.js";
import { nameOf } from "/static/photos/names.js";
import { moment, number, percent, say, translated } from "/static/texts.js";

export async function enter(place, { trouble }) {
  const act = doing({ trouble, show });
  const chosen = new Set();
  const list = make("div", {});
  const compared = make("div", {});
  const back = button("versions.back", () => act(() => call("/perturbations/rollback", { method: "POST" }), say("versions.rolled.back")), { small: false });
  place.append(make("div", { className: "bar" }, make("h2", {}, say("place.versions")), make("div", { className: "actions" }, back)), make("p", { className: "soft" }, say("versions.lead")), list, compared);

  async function show() {
    const { perturbations, history } = await call("/perturbations");
    back.disabled = new Set(history.map((one) => one.version)).size < 2;
    const rows = perturbations.map((version) => row(version));
    const heads = ["name", "made", "fail", "twins", "ssim", "compare", "act"].map((key) => say(`versions.${key}`));
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset : {};
    list.replaceChildren(sheet(table(say("place.versions"), heads, rows)), historyOf(history));
    if (focused.version) controlOf(focused)?.focus();
    for (const panel of compared.querySelectorAll(".pictures")) if (!perturbations.some(({ version }) => version === panel.dataset.version)) panel.close();
    compare(perturbations);
  }

  /** The same control as before in a new list, or one beside it. */
  function controlOf({ version, does }) {
    const beside = [...list.querySelectorAll("[data-version]")].filter((one) => one.dataset.version === version);
    return beside.find((one) => one.dataset.does === does) ?? beside[0];
  }

  function row(version) {
    const { architectures = {} } = version.effect ?? {};
    const all = Object.values(architectures);
    const twins = all.map((one) => one.twin).filter(Boolean);
    const name = make("span", {}, version.version, ...(version.active ? [" ", tag(say("versions.active"), "good")] : []));
    return [name, say(`origin.${version.origin}`, { at: moment(version.created_at) }), share(all), share(twins), digits(version.quality?.ssim), tick(version), tools(version)];
  }

  function tick({ version }) {
    const box = make("input", { type: "checkbox", data: { version, does: "compare" }, checked: chosen.has(version), ariaLabel: say("versions.compare.with", { version }) });
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(version);
      else chosen.delete(version);
      if (chosen.size > 2) chosen.delete([...chosen][0]);
      show().catch((problem) => trouble(problem.message));
    });
    return box;
  }

  function tools(version) {
    const items = [];
    const pictures = button("pictures.show", showPictures);
    pictures.ariaExpanded = String(Boolean(picturesOf(compared, version.version)));
    if (!version.active) items.push(button("versions.activate", () => act(() => call(`/perturbations/${version.version}/activate`, { method: "POST" }), say("versions.activated"))));
    items.push(pictures);
    if (!version.active && version.origin !== "shipped") {
      const erase = make("button", { type: "button", className: "quiet small" }, say("action.delete"));
      items.push(twice(erase, say("action.delete.sure"), () => act(() => call(`/perturbations/${version.version}`, { method: "DELETE" }), say("versions.deleted"))));
    }
    for (const item of items) Object.assign(item.dataset, { version: version.version, does: item.textContent });
    return make("div", { className: "actions" }, ...items);
  }

  async function showPictures({ currentTarget: pressed }) {
    try {
      const { toggle } = await loaded(import("/static/admin/pictures.js"));
      await toggle(pressed, compared, pressed.dataset.version, trouble);
    } catch (problem) {
      trouble(problem.message);
    }
  }

  function compare(all) {
    compared.querySelector(".comparison")?.remove();
    const two = all.filter(({ version }) => chosen.has(version));
    if (two.length === 2) compared.prepend(comparison(two[1], two[0]));
  }

  await show();
}

const digits = (value) => (value === undefined || value === null ? "–" : number(value, { minimumFractionDigits: 3, maximumFractionDigits: 3 }));
const fine = (value) => (value === undefined || value === null ? "–" : number(value, { minimumFractionDigits: 4, maximumFractionDigits: 4 }));
const part = (value) => (value === undefined || value === null ? "–" : percent(value));

/** How many of some generators fail on most faces. */
function share(all) {
  if (!all.length) return "–";
  return say("versions.of", { count: all.filter((one) => one.success_rate > 0.5).length, all: all.length });
}

function reasonOf({ reason }) {
  const [kind, id] = reason.split(" ");
  return kind === "training" ? say("reason.training", { id }) : translated(reason);
}

function historyOf(history) {
  const rows = history.toReversed().slice(0, 20).map((one) => [moment(one.at), one.version, reasonOf(one)]);
  const heads = ["at", "name", "reason"].map((key) => say(`versions.${key}`));
  return make("details", {}, make("summary", {}, say("versions.history")), table(say("versions.history"), heads, rows));
}

const again = (name) => make("span", { className: "again" }, nameOf(name));

/** Two versions side by side: effect, twins, JPEG and what is seen. */
function comparison(one, other) {
  const names = [...new Set([one, other].flatMap(({ effect }) => Object.keys(effect?.architectures ?? {})))];
  const of = ({ effect }, name) => effect?.architectures?.[name];
  const jpeg = ({ after_jpeg: after }, name) => after?.architectures?.[name];
  const crops = ({ in_other_crops: there }, name) => there?.architectures?.[name];
  const pairs = (get) => [get(one), get(other)];
  const rows = names.flatMap((name) => [
    [nameOf(name), say("compare.effect"), ...pairs((version) => fine(of(version, name)?.l2_mask))],
    [again(name), say("compare.fails"), ...pairs((version) => part(of(version, name)?.success_rate))],
    [again(name), say("compare.twin"), ...pairs((version) => part(of(version, name)?.twin?.success_rate))],
    [again(name), say("compare.crops"), ...pairs((version) => part(crops(version, name)?.success_rate))],
    [again(name), say("compare.jpeg"), ...pairs((version) => part(jpeg(version, name)?.success_rate))],
  ]);
  rows.push([say("compare.all"), "SSIM", ...pairs(({ quality }) => digits(quality?.ssim))], [make("span", { className: "again" }, say("compare.all")), "PSNR", ...pairs(({ quality }) => (quality?.psnr ? `${number(quality.psnr, { maximumFractionDigits: 1 })} dB` : "–"))]);
  const title = say("compare.two", { one: one.version, other: other.version });
  const whole = sheet(make("h3", {}, title), make("p", { className: "soft" }, say("compare.explained")), table(title, [say("compare.generator"), say("compare.figure"), one.version, other.version], rows));
  whole.classList.add("comparison");
  return whole;
}
