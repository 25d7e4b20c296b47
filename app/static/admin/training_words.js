// What trainings are called on the page.

import { tag } from "/static/admin/parts.js";
import { nameOf } from "/static/photos/names.js";
import { known, moment, say } from "/static/texts.js";

const KINDS = { succeeded: "good", rejected: "warn", failed: "bad", cancelled: "", running: "", queued: "" };

function presetOf({ preset }) {
  const key = `preset.name.${preset}`;
  return known(key) ? say(key) : preset;
}

/** What a training is, in a line. */
export function titleOf({ request, created_at: at }) {
  return say("train.line", { preset: presetOf(request), count: request.targets?.length ?? 0, at: moment(at) });
}

export const statusTag = ({ status, cancelling }) => tag(say(cancelling && status === "running" ? "status.cancelling" : `status.${status}`), KINDS[status]);

export const targetsOf = ({ request }) => (request.targets ?? []).map(nameOf).join(", ");
