// Queues, workers and failures, as they are now.

import { make } from "/static/dom.js";
import { repeatedly, sheet, table, tag } from "/static/admin/parts.js";
import { call } from "/static/admin/service.js";
import { duration, known, number, say, translated } from "/static/texts.js";

const LOOK_MS = 2000;

/** Work is short: half a second is not none. */
const seconds = (mean) => (mean < 10 ? number(mean, { style: "unit", unit: "second", unitDisplay: "long", maximumFractionDigits: 1 }) : duration(mean));

const called = (kind, name) => (known(`${kind}.${name}`) ? say(`${kind}.${name}`) : name.replaceAll("-", " "));

export async function enter(place, { trouble }) {
  const whole = make("div", { className: "sheets" });
  place.append(make("h2", {}, say("place.health")), whole);
  let shown = "";

  async function show() {
    const status = await call("/status");
    const now = JSON.stringify(status);
    if (now === shown) return;
    shown = now;
    const focused = whole.contains(document.activeElement) ? [...whole.querySelectorAll("[tabindex]")].indexOf(document.activeElement) : -1;
    whole.replaceChildren(summary(status), queues(status), stages(status), failures(status));
    if (focused >= 0) whole.querySelectorAll("[tabindex]")[focused]?.focus();
  }

  return repeatedly(show, LOOK_MS, trouble);
}

function summary({ down, degraded, photos_open: open }) {
  const wrong = [...down, ...degraded];
  const state = wrong.length ? tag(say(down.length ? "health.down" : "health.degraded"), down.length ? "bad" : "warn") : tag(say("health.good"), "good");
  return sheet(make("p", {}, state, ` ${say("health.open", { count: open })}`), ...wrong.map((text) => make("p", { className: "wrong" }, translated(text))));
}

function queues({ queues: all }) {
  const rows = all.map((one) => [
    called("queue", one.queue),
    number(one.waiting),
    one.waiting ? duration(one.oldest_seconds) : "–",
    one.workers ? say("health.workers", { count: one.workers, hosts: one.hosts.join(", ") }) : say("health.none"),
    stateOf(one),
  ]);
  const heads = ["queue", "waiting", "oldest", "who", "state"].map((key) => say(`health.${key}`));
  return sheet(make("h3", {}, say("health.queues")), table(say("health.queues"), heads, rows));
}

function stateOf({ stuck, workers }) {
  if (stuck) return tag(say("health.stuck"), "bad");
  return workers ? tag(say("health.runs"), "good") : tag(say("health.missing"), "bad");
}

function stages({ stages: all }) {
  if (!all.length) return "";
  const rows = all.map((one) => [called("work", one.stage), number(one.done), seconds(one.mean_seconds)]);
  return sheet(make("h3", {}, say("health.stages")), table(say("health.stages"), ["stage", "done", "mean"].map((key) => say(`health.${key}`)), rows));
}

function failures({ failures: all }) {
  if (!all.length) return sheet(make("h3", {}, say("health.failures")), make("p", {}, say("health.no.failures")));
  const rows = all.map((one) => [called("work", one.stage), called("problem", one.problem), number(one.count)]);
  return sheet(make("h3", {}, say("health.failures")), table(say("health.failures"), ["stage", "problem", "count"].map((key) => say(`health.${key}`)), rows));
}
