// The upload page: send a photo, follow its report, show what came of it. It talks to this host alone.

const $ = (id) => document.getElementById(id);
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

function show(image, url) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
  image.src = url;
}

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
    while (report.status === "queued" || report.status === "running") {
      await pause(400);
      report = await (await ask(mine.self)).json();
    }
    if (report.status === "failed") throw new Error(report.error.detail);
    if (current !== mine) return;
    const copy = await (await ask(report.links.image)).blob();
    show($("before"), URL.createObjectURL(file));
    show($("after"), URL.createObjectURL(copy));
    $("download").href = $("after").src;
    $("download").download = `protected.${copy.type.replace("image/", "").replace("jpeg", "jpg")}`;
    present(report);
    say("");
    $("result").hidden = false;
    while (report.scores_status === "pending" && current === mine) {
      await pause(500);
      report = await (await ask(mine.self)).json();
      if (current === mine) present(report);
    }
  } catch (error) {
    if (current === mine) say(error.message, true);
  } finally {
    if (current === mine) $("drop").classList.remove("busy");
  }
}

function present(report) {
  const { quality, faces, scores, scores_status: state } = report;
  $("quality").textContent = `· at most ${quality.max_abs_diff} of 255 steps different`;
  const count = faces.length;
  $("faces").textContent = count
    ? `${count} ${count === 1 ? "face was" : "faces were"} found and protected.`
    : "No face was found, so the whole picture was protected.";
  $("scoring").hidden = state !== "pending";
  $("scores").hidden = state !== "done";
  if (state === "failed") $("faces").textContent += " The generators could not be tried on it; it is protected all the same.";
  $("scores").tBodies[0].replaceChildren(...scores.map(row));
}

function row(score) {
  const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const onlyTheOne = score.interrupted && score.twin?.interrupted === false;
  const outcome =
    score.interrupted === null
      ? "changes nothing here"
      : onlyTheOne
        ? "fails, but its twin still works"
        : score.interrupted
          ? "fails"
          : "still works";
  const cells = [score.architecture, number(score.l2_mask), number(score.twin?.l2_mask), outcome].map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text;
    return cell;
  });
  cells[0].title = score.paradigm;
  if (score.interrupted !== null) cells[3].className = score.interrupted && !onlyTheOne ? "good" : "bad";
  const line = document.createElement("tr");
  line.append(...cells);
  return line;
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
    say("Photo, copy and report are erased from the service.");
  } catch (error) {
    say(error.message, true);
  }
});
