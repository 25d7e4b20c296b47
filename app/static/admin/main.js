// The page of administrators: sign in, then one place at a time.

import { explainBy, loaded } from "/static/api.js";
import { $, announce, make } from "/static/dom.js";
import { closePictures } from "/static/admin/parts.js";
import { call, forget, use } from "/static/admin/service.js";
import { load, say } from "/static/texts.js";

const PLACES = {
  trainings: () => import("/static/admin/trainings.js"),
  versions: () => import("/static/admin/versions.js"),
  generators: () => import("/static/admin/generators.js"),
  faces: () => import("/static/admin/datasets.js"),
  health: () => import("/static/admin/health.js"),
};

await load("photos", "admin");
explainBy("problem.admin");

const AGAIN_MS = 5000;
/** What no header of a request can carry, such as typographic quotes. */
const UNSENDABLE = /[^\x20-\xff]/;

let leave = () => {};
let turn = 0;

async function signIn(event) {
  event.preventDefault();
  const button = event.submitter ?? $("sign-in").querySelector("button");
  const mine = ++turn;
  const key = $("key").value.trim();
  $("sign-error").textContent = UNSENDABLE.test(key) ? say("sign.wrong") : "";
  if ($("sign-error").textContent) return;
  button.disabled = true;
  use(key, () => {});
  try {
    await call("/perturbations");
    if (mine !== turn) return;
    use(key, expired);
    $("key").value = "";
    show(true);
    await go();
  } catch (problem) {
    if (mine !== turn) return;
    forget();
    $("sign-error").textContent = problem.status === 401 ? say("sign.wrong") : problem.message;
    $("key").focus();
  } finally {
    button.disabled = false;
  }
}

/** The key was replaced while the page was open. */
function expired(problem) {
  signOut();
  $("sign-error").textContent = problem.message;
}

function show(signedIn) {
  $("sign-in").hidden = signedIn;
  $("signed-in").hidden = !signedIn;
  $("sign-out").hidden = !signedIn;
  $("trouble").hidden = true;
}

/** Leave the place that is shown; whatever is still on its way comes too late. Returns the turn of the next one. */
function left() {
  leave();
  leave = () => {};
  closePictures($("place"));
  turn += 1;
  return turn;
}

function signOut() {
  forget();
  left();
  $("key").value = "";
  $("place").replaceChildren();
  show(false);
  $("key").focus();
}

/** Say something that went wrong; empty takes it back. Returns what takes back this alone. */
function trouble(text) {
  const said = make("p", {}, text);
  $("trouble").hidden = !text;
  $("trouble").replaceChildren(said);
  return () => said.isConnected && trouble("");
}

/** Show the place that the address names. again: it could not be shown before. */
async function go({ again = false } = {}) {
  if ($("signed-in").hidden) return;
  const asked = location.hash.slice(1);
  const name = Object.hasOwn(PLACES, asked) ? asked : "trainings";
  const mine = left();
  if (!again) {
    trouble("");
    $("place").replaceChildren();
  }
  for (const link of $("places").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // what goes wrong in a place that was left is of no interest in the next
  const told = (text) => (mine === turn ? trouble(text) : () => {});
  try {
    const { enter } = await loaded(PLACES[name]());
    if (mine !== turn) return;
    const here = make("div", {}); // one that is left before it is complete goes on writing out of sight
    $("place").replaceChildren(here);
    const ending = await enter(here, { trouble: told, announce });
    if (again) told("");
    if (mine === turn) leave = ending ?? (() => {});
    else ending?.();
  } catch (problem) {
    if (!again) told(problem.message);
    setTimeout(() => mine === turn && go({ again: true }), AGAIN_MS);
  }
}

$("sign-in").addEventListener("submit", signIn);
$("sign-out").addEventListener("click", signOut);
addEventListener("hashchange", () => go());
// browsers may keep a page that was left, with everything in its memory
addEventListener("pagehide", signOut);
document.documentElement.dataset.ready = "yes";
