// The figures behind the verdict, for those who want them.

import { make } from "/static/dom.js";
import { nameOf } from "/static/photos/names.js";
import { megabytes, number, percent, say } from "/static/texts.js";

const fixed = (value, digits) => (value === null || value === undefined ? "–" : number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits }));

export function fill(panel, photo) {
  const { report } = photo;
  panel.append(make("p", { className: "soft" }, say("figures.explained")), table(report), facts(report));
}

function table({ scores }) {
  const after = scores.some((score) => score.after_messenger);
  const heads = ["generator", "effect", "fails", "twin.effect", "twin.fails", ...(after ? ["after.effect", "after.fails"] : [])];
  const head = make("tr", {}, ...heads.map((key) => make("th", { scope: "col" }, say(`figures.${key}`))));
  const body = scores.map((score) => {
    const parts = [score, score.twin, ...(after ? [score.after_messenger] : [])];
    const cells = parts.flatMap((part) => [fixed(part?.l2_mask, 4), answer(part)]);
    return make("tr", {}, make("th", { scope: "row" }, nameOf(score.architecture)), ...cells.map((text) => make("td", {}, text)));
  });
  const whole = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  const frame = make("div", { className: "scrolls", tabIndex: 0, role: "group", ariaLabel: say("figures.table") }, whole);
  return frame;
}

function answer(part) {
  if (!part || part.interrupted === null) return "–";
  return part.interrupted ? say("yes") : say("no");
}

function facts({ quality, coverage, perturbation, copy_bytes: bytes, source, summary }) {
  const rows = {
    "figures.max": say("figures.steps", { count: quality.max_abs_diff }),
    "figures.ssim": fixed(quality.ssim, 4),
    "figures.psnr": quality.psnr === null ? "–" : `${fixed(quality.psnr, 1)} dB`,
    "figures.coverage": percent(coverage),
    "figures.size": `${source.width} × ${source.height}, ${megabytes(bytes ?? source.bytes)}`,
    "figures.balance": fixed(summary?.balance, 3),
    "figures.version": perturbation.version,
  };
  const pairs = Object.entries(rows).flatMap(([key, value]) => [make("dt", {}, say(key)), make("dd", {}, value)]);
  return make("dl", { className: "facts" }, ...pairs);
}
