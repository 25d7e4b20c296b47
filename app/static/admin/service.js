// The administrators' interface of the service. The key is a variable of this module and nothing else.

import { ask, Problem, send } from "/static/api.js";

let key = "";
let refused = () => {};

/** Use a key from now on. `otherwise` is called once it is not accepted any more. */
export function use(given, otherwise) {
  key = given;
  refused = otherwise;
}

export function forget() {
  key = "";
}

const signed = (headers = {}) => ({ ...headers, Authorization: `Bearer ${key}` });

/** The answer of a route of administrators, `null` where it has no body. */
export async function call(path, { method = "GET", json, headers } = {}) {
  const options = { method, headers: signed(headers) };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  const answer = await admitted(ask(`/v1/admin${path}`, options));
  return answer.status === 204 ? null : answer.json();
}

/** What was asked for, unless the key is not accepted any more. */
async function admitted(asked) {
  try {
    return await asked;
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) refused(problem);
    throw problem;
  }
}

/** Send a file in a form, telling the share that has arrived. */
export const upload = (path, form, progress) => admitted(send(`/v1/admin${path}`, form, { headers: signed(), progress }));
