// Talks to the service, on this host alone. Whatever goes wrong comes back as a Problem with a sentence for people.

import { known, language, say, translated } from "/static/texts.js";

/** Why a request was refused. seconds: when to try again, where the service says so. */
export class Problem extends Error {
  constructor(document, seconds = 0) {
    super(explained(document));
    this.type = document.type ?? "";
    this.status = document.status ?? 0;
    this.seconds = seconds;
  }

  /** Whether the same request may work in a moment. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

let texts = "problem";

/** Explain problems with other texts than those for people with photos. */
export const explainBy = (prefix) => (texts = prefix);

/** The sentence of a problem, in the reader's language: the service speaks English. */
export function explained({ type = "", detail = "" }) {
  if (language === "en" && detail) return detail;
  const exact = translated(detail);
  if (exact !== detail) return exact;
  const key = `${texts}.${type.replace("/problems/", "")}`;
  return known(key) ? say(key) : detail || say("problem.internal");
}

export const unreachable = () => new Problem({ type: "/problems/unreachable", detail: say("problem.unreachable") });

/** A part of the page that is loaded when it is needed. */
export const loaded = (part) => part.catch(() => {
  throw unreachable();
});

const RETRY = "Retry-After";

/** The answer of a request that went well. */
export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw unreachable();
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  throw new Problem({ status: answer.status, ...document }, Number(answer.headers.get(RETRY)) || 0);
}

export const asked = async (path, options) => (await ask(path, options)).json();

/** Send a form, telling the share that has arrived. `fetch` cannot tell it. */
export function send(path, form, { headers = {}, progress = () => {} } = {}) {
  return new Promise((done, refuse) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      const document = request.response ?? {};
      if (request.status >= 200 && request.status < 300) return done(document);
      refuse(new Problem({ status: request.status, ...document }, Number(request.getResponseHeader(RETRY)) || 0));
    });
    for (const event of ["error", "timeout"]) request.addEventListener(event, () => refuse(unreachable()));
    request.send(form);
  });
}

/** A random name, also where the page is not served securely. */
export const randomName = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
