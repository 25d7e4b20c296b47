// Charts of a training: one line for each target, told apart by its dashes as well as by its colour.

import { unreachable } from "/static/api.js";
import { make } from "/static/dom.js";
import { nameOf } from "/static/photos/names.js";
import { number, say } from "/static/texts.js";

const HEIGHT = 190;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]; // steps have no fractions
const LIGHT = ["#0e5a57", "#9a3412", "#4338a8", "#7a5600", "#9d174d", "#1d6fa5", "#3f6212", "#57534e"];
const DARK = ["#6fcdc4", "#ffb38a", "#b4acff", "#f0cf6b", "#ff9dc4", "#8ecbf2", "#b5d97a", "#d6d3d1"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [1, 4], [6, 2, 1, 2]];
const dark = matchMedia("(prefers-color-scheme: dark)");

const colour = (at) => (dark.matches ? DARK : LIGHT)[at % LIGHT.length];

/** The library, loaded when a chart is first drawn. */
let library = null;
function uplot() {
  library ??= new Promise((done, refuse) => {
    document.head.append(make("link", { rel: "stylesheet", href: "/static/vendor/uplot/uPlot.min.css" }));
    const script = make("script", { src: "/static/vendor/uplot/uPlot.iife.min.js" });
    script.addEventListener("load", () => done(globalThis.uPlot));
    script.addEventListener("error", () => {
      library = null; // the next drawing tries again
      refuse(unreachable());
    });
    document.head.append(script);
  });
  return library;
}

/** Charts of effect, weight and loss. `show` takes the points of a curve. */
export class Charts {
  constructor(targets) {
    this.targets = targets;
    this.figures = ["effect", "weights", "losses"].map((what) => new Chart(what, targets));
    const key = targets.map((name, at) => make("li", {}, sample(at), nameOf(name)));
    this.element = make("div", {}, make("div", { className: "charts" }, ...this.figures.map((one) => one.element)), make("ul", { className: "legend" }, ...key));
  }

  async show(points) {
    await uplot();
    for (const one of this.figures) one.show(points);
  }
}

class Chart {
  constructor(what, targets) {
    Object.assign(this, { what, targets, plot: null });
    this.place = make("div", { className: "chart", role: "img", ariaLabel: say(`chart.${what}`) });
    this.element = make("figure", {}, make("figcaption", {}, say(`chart.${what}`), make("small", {}, say(`chart.${what}.hint`))), this.place);
    new ResizeObserver(() => this.plot?.setSize({ width: this.place.clientWidth, height: HEIGHT })).observe(this.place);
  }

  show(points) {
    const data = [points.map((point) => point.step), ...this.targets.map((name) => points.map((point) => point[this.what][name] ?? null))];
    const last = points.at(-1);
    if (last) this.place.ariaLabel = `${say(`chart.${this.what}`)}: ${this.#words(last[this.what])}`;
    if (this.plot) return this.plot.setData(data);
    this.plot = new globalThis.uPlot(this.#options(), data, this.place);
  }

  /** The last values, for those who cannot see the lines. */
  #words(values) {
    return this.targets.filter((name) => values[name] != null).map((name) => `${nameOf(name)} ${number(values[name], { maximumSignificantDigits: 3 })}`).join(", ");
  }

  #options() {
    const style = getComputedStyle(document.documentElement);
    const axis = { stroke: style.getPropertyValue("--soft"), grid: { stroke: style.getPropertyValue("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const series = this.targets.map((name, at) => ({ label: nameOf(name), stroke: colour(at), dash: DASHES[at % DASHES.length], width: 2, spanGaps: true, points: { show: false } }));
    return {
      width: this.place.clientWidth || 300,
      height: HEIGHT,
      scales: { x: { time: false } },
      axes: [{ ...axis, incrs: WHOLE }, { ...axis, size: roomFor, values: (_, ticks) => ticks.map((tick) => number(tick, { maximumSignificantDigits: 3 })) }],
      series: [{ label: say("chart.step") }, ...series],
      cursor: { y: false },
      legend: { show: false },
    };
  }
}

/** The width of an axis with such ticks, in pixels. */
const roomFor = (_, ticks) => 14 + 7 * Math.max(6, ...(ticks ?? []).map((text) => text.length));

const SVG = "http://www.w3.org/2000/svg";

/** A piece of the line of a target. */
function sample(at) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 48 12");
  picture.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "line");
  const parts = { x1: 0, y1: 6, x2: 48, y2: 6, stroke: colour(at), "stroke-width": 3, "stroke-dasharray": DASHES[at % DASHES.length].join(" ") };
  for (const [name, value] of Object.entries(parts)) line.setAttribute(name, value);
  picture.append(line);
  return picture;
}
