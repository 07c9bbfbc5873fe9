// An error as people need it: what happened, what to do, and what to quote when asking for help.

import { adviceFor, mayBeRepeated } from "./advice.js";
import { patientButton } from "./countdown.js";
import { byId, element } from "./dom.js";

let endCountdown = () => {};

/**
 * Show an error until it is tried again: an answer to the last try would wipe out a key that is being typed.
 * @param {import("./server.js").ProblemError} error
 * @param {object} actions
 * @param {(key: string | null) => void} actions.onRetry it is to be tried again, with the key that was entered, if one was
 * @param {(() => void) | null} [actions.onJob] it is to be tried as a job
 */
export function showProblem(error, { onRetry, onJob = null }) {
  const { title, detail, code, errors = [] } = error.problem;
  const retry = (key) => { hideProblem(); onRetry(key); };
  const asJob = onJob && (() => { hideProblem(); onJob(); });
  endCountdown();
  const panel = byId("problem");
  const repeated = !detail || detail === title;
  panel.replaceChildren(
    element("h2", {}, title),
    ...(repeated ? [] : [element("p", {}, detail)]),
    ...(errors.length > 1 ? [element("ul", {}, errors.map((one) => element("li", {}, element("code", {}, one.pointer), ` ${one.detail}`)))] : []),
    element("p", {}, element("strong", {}, "What to do: "), onJob ? "Send it as a job, which may be larger and take longer." : adviceFor(code, error.status)),
    ...(error.status === 401 ? [keyForm(retry)] : [buttons(error, retry, asJob)]),
    facts(error),
  );
  panel.hidden = false;
}

/** Take the error away. */
export function hideProblem() {
  endCountdown();
  byId("problem").hidden = true;
}

function buttons(error, onRetry, onJob) {
  const retry = mayBeRepeated(error.status) ? patientButton("Try again", error.retryAfterS, () => onRetry(null)) : null;
  endCountdown = retry?.close ?? (() => {});
  return element("div", { class: "buttons" },
    onJob ? element("button", { type: "button", class: "primary", id: "as-job", onclick: onJob }, "Send as a job") : null, retry?.node);
}

function facts({ status, problem: { code, request_id: requestId } }) {
  const known = [
    code ? ["Code", element("code", {}, code)] : null,
    status ? ["Status", String(status)] : null,
    requestId ? ["Request id", element("code", {}, requestId)] : null,
  ].filter(Boolean);
  return element("dl", { class: "facts" }, known.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function keyForm(onRetry) {
  const input = element("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-hint" });
  return element("form", {
    class: "key-form",
    onsubmit: (event) => { event.preventDefault(); onRetry(input.value); },
  }, element("label", { for: "key" }, "API key"), input, element("button", { type: "submit", class: "primary" }, "Use key"),
  element("p", { class: "quiet", id: "key-hint" }, "Kept in memory until this page is closed, and sent to this service alone."));
}
