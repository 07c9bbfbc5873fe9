// One recording of several: how far it is, and what came of it.

import { adviceFor } from "./advice.js";
import { briefOf, emotionInWords } from "./brief.js";
import { element } from "./dom.js";
import { bytes, duration, percent, signed } from "./numbers.js";
import { capital, flagInShort } from "./words.js";

const SHOWN_FLAGS = 3;
/** States in the order in which they are sorted. */
const STATES = ["done", "failed", "stopped", "working", "job", "waiting"];

export class BatchRow {
  /** @param {File} file @param {{onOpen: (row: BatchRow) => void, onPick: () => void, onRetry: (row: BatchRow) => void}} actions */
  constructor(file, actions) {
    Object.assign(this, { file, actions, state: "waiting", kind: null, answer: null, text: "", call: null, jobId: null, brief: null, problem: null });
    this.#pick = element("input", { type: "checkbox", disabled: true, "aria-label": `Compare ${file.name}`, onchange: () => actions.onPick() });
    this.#open = element("button", { type: "button", class: "name-button", disabled: true, "aria-label": `${file.name}: open the result`, onclick: () => actions.onOpen(this) }, file.name);
    this.#facts = element("span", { class: "quiet" }, bytes(file.size));
    this.#cells = Object.fromEntries(COLUMNS.map(({ key, head }) => [key, element("td", { role: "cell", "data-label": head })]));
    this.#retry = element("button", { type: "button", class: "plain", "data-action": "retry", "aria-label": `Try again: ${file.name}`, onclick: () => actions.onRetry(this) }, "Try again");
    this.node = element("tr", { role: "row" }, element("th", { role: "rowheader", scope: "row" }, this.#open, " ", this.#facts), ...Object.values(this.#cells),
      element("td", { role: "cell", class: "pick", "data-label": "Compare" }, this.#pick));
    this.#show("Waiting");
  }

  #pick;
  #open;
  #facts;
  #cells;
  #retry;

  /** Whether it is ticked, to be compared. */
  get isPicked() { return this.#pick.checked; }

  /** Forget what came of it. */
  reset() {
    Object.assign(this, { state: "waiting", answer: null, brief: null, problem: null, jobId: null, text: "", asJob: false, isOther: false, isLost: false });
    this.#pick.checked = false;
    this.#show("Waiting");
  }

  /** It is under way. @param {string} words */
  working(words, state = "working") {
    this.state = state;
    this.#show(words);
  }

  /** The service judges it as a job. */
  jobChanged({ state, progress }) {
    this.working(state === "queued" ? "Job: waiting for its turn" : `Job: analysing ${percent(progress)}`, "job");
  }

  /** It has an answer. @param {{kind: string, answer: object, text: string, call: object | null, jobId: string | null}} outcome */
  done(outcome) {
    Object.assign(this, outcome, { state: "done", brief: briefOf(outcome.kind, outcome.answer), problem: null });
    this.#show(outcome.jobId ? "Done, as a job" : "Done");
  }

  /** It has none. @param {object} problem its document */
  failed(problem, status) {
    Object.assign(this, { state: "failed", problem });
    this.#show(`${problem.title} ${adviceFor(problem.code, status)}`);
  }

  /** It was not analysed to its end. */
  stopped() {
    this.state = "stopped";
    this.#show("Stopped");
  }

  /** Go to its button. */
  focus() { this.#open.focus(); }

  #show(words) {
    const { brief } = this;
    this.node.dataset.state = this.state;
    this.#pick.disabled = this.#open.disabled = !brief;
    if (!brief) this.#pick.checked = false;
    this.#facts.textContent = [brief ? `${capital(this.kind === "table" ? "table" : brief.judged)} · ` : "", bytes(this.file.size)].join("");
    const hadFocus = this.node.contains(document.activeElement);
    const mayRetry = ["failed", "stopped"].includes(this.state);
    this.#cells.status.replaceChildren(element("span", {}, words), ...(mayRetry ? [this.#retry] : []));
    for (const { key, read } of COLUMNS.slice(1)) this.#cells[key].replaceChildren(element("span", {}, brief ? read(brief) : "–"));
    if (hadFocus && !this.node.contains(document.activeElement) && !this.#open.disabled) this.#open.focus();
  }
}

/** Columns between the name and the tick; a row without a rank comes last. */
export const COLUMNS = [
  { key: "status", head: "Status", rank: ({ state }) => STATES.indexOf(state) },
  { key: "length", head: "Length", read: ({ durationS }) => duration(durationS), rank: ({ brief }) => brief?.durationS ?? null },
  { key: "emotion", head: "Leading emotion", read: (brief) => capital(emotionInWords(brief)), rank: ({ brief }) => (brief?.emotion ? emotionInWords(brief) : null) },
  { key: "plausible", head: "Plausible", read: ({ plausible }) => plausible?.join(", ") || "–", rank: ({ brief }) => brief?.plausible?.join(", ") || null },
  { key: "arousal", head: "Arousal, mean", read: ({ arousal }) => (arousal === null ? "unknown" : signed(arousal)), rank: ({ brief }) => brief?.arousal ?? null },
  { key: "valence", head: "Valence, mean", read: ({ valence }) => (valence === null ? "unknown" : signed(valence)), rank: ({ brief }) => brief?.valence ?? null },
  { key: "flags", head: "Please note", read: ({ flags }) => flagsInShort(flags), rank: ({ brief }) => brief?.flags.length ?? null },
];

function flagsInShort(flags) {
  const words = flags.slice(0, SHOWN_FLAGS).map((flag) => capital(flagInShort(flag)));
  return [...words, flags.length > SHOWN_FLAGS ? `${flags.length - SHOWN_FLAGS} more` : ""].filter(Boolean).join(", ") || "–";
}
