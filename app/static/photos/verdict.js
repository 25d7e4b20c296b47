// What the scores of a photo come to, in one sentence. It promises no more than was measured.
//
// Only independent generators count: those that this perturbation was not trained on, and for each of the others its
// twin, which no perturbation is trained on. A generator is *interrupted*, or “fails”, if every edit it makes is, on the
// face it is interrupted least on: that is what the report says, and the one sense in which the page uses the word.

import { say } from "/static/texts.js";

/** How many fail, of those that change anything: `{failed, tested}`. */
function counted(results) {
  const judged = results.filter((one) => one && one.interrupted !== null);
  return { failed: judged.filter((one) => one.interrupted).length, tested: judged.length };
}

/** Whether the perturbation was trained on a generator. An old report does not say so: then on all of them. */
function isTrained({ perturbation }, { architecture }) {
  const names = perturbation?.trained_on ?? [];
  return !names.length || names.includes(architecture);
}

/** The independent generators. */
const independent = (report) => counted(report.scores.map((score) => (isTrained(report, score) ? score.twin : score)));

const trained = (report) => report.scores.filter((score) => isTrained(report, score));

/** The generators the perturbation was trained on. */
const trainedOn = (report) => counted(trained(report));

/** The same after a messenger, where that was measured. */
function afterMessenger(report) {
  const found = counted(trained(report).map((score) => score.after_messenger));
  return found.tested ? found : null;
}

/**
 * `{kind, line, means, advice}` of a report: kind names the mark, line is the sentence, means says what follows from it,
 * advice is what to do. `null` while there is nothing to say.
 */
export function verdict(report) {
  const { status, faces, regions, scores_status: state } = report;
  if (status === "failed" || status === "queued" || status === "running") return null;
  if (!faces.length) return { kind: "nobody", line: say("verdict.nobody"), means: say("means.nobody"), advice: [] };
  if (state === "pending") return null;
  if (regions.length && regions.every((region) => region.already_protected))
    return { kind: "unknown", line: say("verdict.already"), means: say("means.already"), advice: advice(report, null) };
  if (state !== "done") return { kind: "unknown", line: say("verdict.untested"), means: say("means.untested"), advice: advice(report, null) };
  const found = independent(report);
  if (!found.tested) return { kind: "unknown", line: say("verdict.unchanged"), means: say("means.unchanged"), advice: [] };
  return { ...judged(found, trainedOn(report)), advice: advice(report, found) };
}

function judged({ failed, tested }, known) {
  const counts = { count: tested, failed, works: tested - failed, tested };
  if (failed === tested) return { kind: "holds", line: say("verdict.holds", counts), means: say("means.holds") };
  if (failed) return { kind: "partly", line: say("verdict.partly", counts), means: say("means.partly") };
  const means = say("means.unsafe") + (known.failed ? ` ${say("means.trained", { ...known, count: known.failed })}` : "");
  return { kind: "unsafe", line: say("verdict.unsafe", counts), means };
}

function advice(report, found) {
  return [
    found && !found.failed ? say("advice.private") : null,
    say(found && !found.failed ? "advice.copy.all.the.same" : "advice.copy"),
    messenger(report),
    say("advice.others"),
  ].filter(Boolean);
}

/** What a messenger leaves of it. Each generator tried one face behind it: the one that it fails least on. */
function messenger(report) {
  const found = afterMessenger(report);
  if (!found) return say("advice.messenger");
  const counts = { ...found, count: found.failed };
  const several = report.faces.length - report.faces_not_scored > 1;
  return several ? say("advice.messenger.weakest", counts) : say("advice.messenger.measured", counts);
}
