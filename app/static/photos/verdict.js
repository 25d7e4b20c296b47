// What the scores of a photo come to, in one sentence. It promises no more than was measured.
//
// Only independent generators count: twins, which no perturbation was trained on. A generator is *interrupted*, or
// “fails”, if every edit it makes is, on every face that was scored: that is what the report says, and the one sense in
// which the page uses the word.

import { say } from "/static/texts.js";

/** How many of the independent generators fail on the copy: `{failed, tested}`. */
export function independent(scores) {
  const judged = scores.map((score) => score.twin).filter((twin) => twin && twin.interrupted !== null);
  return { failed: judged.filter((twin) => twin.interrupted).length, tested: judged.length };
}

/** The same for the generators the perturbation was trained on. */
function trainedOn(scores) {
  const judged = scores.filter((score) => score.interrupted !== null);
  return { failed: judged.filter((score) => score.interrupted).length, tested: judged.length };
}

/** After a messenger, where that was measured. */
function afterMessenger(scores) {
  const judged = scores.map((score) => score.after_messenger).filter((one) => one && one.interrupted !== null);
  return judged.length ? { failed: judged.filter((one) => one.interrupted).length, tested: judged.length } : null;
}

/**
 * `{kind, line, means, advice}` of a report: kind names the mark, line is the sentence, means says what follows from it,
 * advice is what to do. `null` while there is nothing to say.
 */
export function verdict(report) {
  const { status, faces, regions, scores, scores_status: state } = report;
  if (status === "failed" || status === "queued" || status === "running") return null;
  if (!faces.length) return { kind: "nobody", line: say("verdict.nobody"), means: say("means.nobody"), advice: [] };
  if (state === "pending") return null;
  if (regions.length && regions.every((region) => region.already_protected))
    return { kind: "unknown", line: say("verdict.already"), means: say("means.already"), advice: advice(report, null) };
  if (state !== "done") return { kind: "unknown", line: say("verdict.untested"), means: say("means.untested"), advice: advice(report, null) };
  const found = independent(scores);
  if (!found.tested) return { kind: "unknown", line: say("verdict.unchanged"), means: say("means.unchanged"), advice: [] };
  return { ...judged(found, trainedOn(scores)), advice: advice(report, found) };
}

function judged({ failed, tested }, known) {
  const counts = { count: tested, failed, works: tested - failed, tested };
  if (failed === tested) return { kind: "holds", line: say("verdict.holds", counts), means: say("means.holds") };
  if (failed) return { kind: "partly", line: say("verdict.partly", counts), means: say("means.partly") };
  const means = say("means.unsafe") + (known.failed ? ` ${say("means.trained", { ...known, count: known.failed })}` : "");
  return { kind: "unsafe", line: say("verdict.unsafe", counts), means };
}

function advice({ scores }, found) {
  const messenger = afterMessenger(scores);
  return [
    found && !found.failed ? say("advice.private") : null,
    say(found && !found.failed ? "advice.copy.all.the.same" : "advice.copy"),
    messenger ? say("advice.messenger.measured", { ...messenger, count: messenger.failed }) : say("advice.messenger"),
    say("advice.others"),
  ].filter(Boolean);
}
