// Texts live in tables, one file for each language and page. The browser's languages choose among them.

const KNOWN = ["en", "de"];

const base = (tag) => tag.slice(0, 2).toLowerCase();

/** Whether `Intl` takes it; some browsers name languages such as `en-US@posix`. */
function isLocale(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

/** The first language of the browser that there is a table for, with its region: it decides how numbers look. */
const locale = navigator.languages.find((tag) => KNOWN.includes(base(tag)) && isLocale(tag)) ?? "en";
export const language = base(locale);

const plurals = new Intl.PluralRules(locale);
const table = {};

/** Add a table, such as `photos`. Everything said before is a mistake. */
export async function load(...names) {
  const answers = names.map((name) => fetch(`/static/texts/${name}.${language}.json`).then((answer) => answer.json()));
  const tables = await Promise.all(answers);
  const sentences = Object.assign({}, ...[table, ...tables].map((one) => one.sentences));
  Object.assign(table, ...tables, { sentences });
  document.documentElement.lang = language;
  translate(document);
}

/** Whether there is a text of that name. */
export const known = (key) => key in table;

/** The text of `key`, with `{names}` filled in. `count` chooses between its forms, where it has several. */
export function say(key, values = {}) {
  const found = table[key] ?? key;
  const text = typeof found === "string" ? found : (found[plurals.select(values.count)] ?? found.other);
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? written(values[name]) : all));
}

const written = (value) => (typeof value === "number" ? number(value) : value);

export const number = (value, options = {}) => new Intl.NumberFormat(locale, options).format(value);

export const percent = (part) => number(part, { style: "percent", maximumFractionDigits: 0 });

export const megabytes = (bytes) =>
  number(bytes / 1e6, { style: "unit", unit: "megabyte", maximumFractionDigits: bytes < 1e7 ? 1 : 0 });

export const moment = (date) =>
  new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(date));

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

const unitOf = (seconds) => UNITS.find(([, size]) => seconds >= size * 1.5 || size === 1);

/** A length of time in its largest unit, such as “2 hours”. */
export function duration(seconds) {
  const [unit, size] = unitOf(seconds);
  return number(Math.round(seconds / size), { style: "unit", unit, unitDisplay: "long" });
}

/** Between two lengths of time, such as “2–6 minutes”. */
export function span(least, most) {
  const [unit, size] = unitOf(most);
  const low = Math.max(1, Math.round(least / size));
  const high = Math.round(most / size);
  if (low >= high) return duration(most);
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).formatRange(low, high);
}

/** Fill in every element that names a text in its document. */
function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.ariaLabel = say(element.dataset.label);
}

/** A sentence of the service in the reader's language. Numbers in it are kept; one that is not in the table stays. */
export function translated(sentence) {
  const numbers = sentence.match(/\d+/g) ?? [];
  const pattern = sentence.replace(/\d+/g, "#");
  const found = table.sentences?.[pattern];
  return found ? found.replace(/#/g, () => numbers.shift() ?? "#") : sentence;
}
