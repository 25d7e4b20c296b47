// The upload page: send a photo, follow its report, show what came of it. It talks to this host alone.

const $ = (id) => document.getElementById(id);
const NAMES = {
  stargan: "StarGAN",
  attentiongan: "AttentionGAN",
  attgan: "AttGAN",
  hisd: "HiSD",
  faceswap: "Face swap",
  latent_diffusion: "Latent diffusion",
  cyclegan: "CycleGAN",
  relighting: "Relighting",
};
let current = null;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
  $("message").hidden = !text;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The service cannot be reached. Is it still running?");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail || "Something went wrong. Try again later.");
}

const hasCopy = (report) => report.status !== "queued" && report.status !== "running";
const hasEnded = (report) => report.status === "failed" || (hasCopy(report) && report.scores_status !== "pending");

// Every report until `enough` says so of one: as the service tells them, or, where that does not work, by asking again.
async function follow(links, enough, tell) {
  const told = await new Promise((done, fail) => {
    if (!window.EventSource) return done(false);
    const source = new EventSource(links.events);
    const end = (complete) => {
      source.close();
      done(complete);
    };
    source.addEventListener("report", ({ data }) => {
      const report = JSON.parse(data);
      tell(report);
      if (enough(report)) end(true);
    });
    source.addEventListener("deleted", () => {
      source.close();
      fail(new Error("This photo was erased from the service."));
    });
    source.addEventListener("error", () => end(false));
  });
  while (!told) {
    const report = await (await ask(links.self)).json();
    tell(report);
    if (enough(report)) return;
    await pause(700);
  }
}

function show(image, url) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.src = url;
}

const isCurrent = (mine) => current === mine;

async function protect(file) {
  $("drop").classList.add("busy");
  $("result").hidden = true;
  say("Protecting your photo…");
  const mine = (current = {});
  try {
    const form = new FormData();
    form.append("image", file);
    const accepted = await ask("/v1/protections", { method: "POST", body: form, headers: { Prefer: "wait=20" } });
    let report = await accepted.json();
    mine.self = report.links.self;
    if (!hasCopy(report)) await follow(report.links, (now) => hasCopy(now) || !isCurrent(mine), (now) => (report = now));
    if (!isCurrent(mine)) return;
    if (report.status === "failed") throw new Error(report.error.detail);
    const copy = await (await ask(report.links.image)).blob();
    show($("before"), URL.createObjectURL(file));
    show($("after"), URL.createObjectURL(copy));
    $("download").href = $("after").src;
    $("download").download = `protected.${copy.type.replace("image/", "").replace("jpeg", "jpg")}`;
    present(report);
    say("");
    $("result").hidden = false;
    if (!hasEnded(report)) {
      await follow(
        report.links,
        (now) => hasEnded(now) || !isCurrent(mine),
        (now) => isCurrent(mine) && present(now),
      );
    }
  } catch (error) {
    if (current === mine) say(error.message, true);
  } finally {
    if (current === mine) $("drop").classList.remove("busy");
  }
}

function present(report) {
  const { quality, notes, scores, scores_status: state } = report;
  $("quality").textContent = `· at most ${quality.max_abs_diff} of 255 steps different`;
  $("faces").textContent = notes.join(" ");
  const left = report.faces_not_scored;
  if (left) $("faces").textContent += ` ${left} of the faces, those found with the least confidence, were not scored.`;
  $("scoring").hidden = state !== "pending";
  $("scores").hidden = state !== "done";
  if (state === "failed") $("faces").textContent += " The photo could not be scored. It is still protected.";
  $("scores").tBodies[0].replaceChildren(...scores.map(row));
  $("gallery").hidden = report.links.previews.length === 0;
  $("generators").replaceChildren(...scores.map((score, index) => generator(score, report.links.previews, index === 0)));
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const nameOf = (architecture) => NAMES[architecture] ?? architecture;

function outcome(score) {
  if (score.interrupted === null) return "changes nothing here";
  if (!score.interrupted) return "still works";
  return score.twin?.interrupted === false ? "fails, but its twin still works" : "fails";
}

// One generator's pairs of pictures. Closed ones load nothing until they are opened.
function generator(score, previews, open) {
  const mine = previews.filter((links) => links.architecture === score.architecture);
  const verdicts = Object.fromEntries(score.edits.map((edit) => [edit.edit, edit.interrupted]));
  const title = make("summary", {}, `${nameOf(score.architecture)} `, make("span", {}, `· ${outcome(score)}`));
  const pairs = make("div", { className: "edits" }, ...mine.map((links) => twosome(links, verdicts[links.edit])));
  return make("details", { open, hidden: mine.length === 0 }, title, pairs);
}

function twosome(links, interrupted) {
  const edit = links.edit.replaceAll(/[_-]/g, " ");
  const verdict = interrupted === null ? "changes nothing" : interrupted ? "disturbed" : "not stopped";
  const picture = (src, given, words) =>
    make(
      "figure",
      {},
      make("img", { loading: "lazy", alt: `“${edit}” by ${nameOf(links.architecture)}, made from ${given}`, src }),
      make("small", {}, words),
    );
  const result = make("strong", { className: interrupted === null ? "" : interrupted ? "good" : "bad" }, verdict);
  return make(
    "figure",
    { className: "twosome" },
    make("figcaption", {}, `“${edit}”: `, result),
    picture(links.original, "your photo", "from your photo"),
    picture(links.protected, "the protected copy", "from the protected copy"),
  );
}

function row(score) {
  const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const onlyTheOne = score.interrupted && score.twin?.interrupted === false;
  const texts = [nameOf(score.architecture), number(score.l2_mask), number(score.twin?.l2_mask), outcome(score)];
  const cells = texts.map((text) => make("td", {}, text));
  cells[0].title = score.paradigm;
  if (score.interrupted !== null) cells[3].className = score.interrupted && !onlyTheOne ? "good" : "bad";
  return make("tr", {}, ...cells);
}

$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) protect(file);
  $("file").value = "";
});
$("drop").addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) protect(file);
});
$("erase").addEventListener("click", async () => {
  try {
    if (current?.self) await ask(current.self, { method: "DELETE" });
    current = null;
    $("result").hidden = true;
    $("generators").replaceChildren();
    say("Photo, copy and report are erased from the service.");
  } catch (error) {
    say(error.message, true);
  }
});
