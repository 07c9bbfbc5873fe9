// One job in the list: what it is, how far it is, and what can be done with it.

import { adviceFor } from "./advice.js";
import { element } from "./dom.js";
import { bytes, duration, percent } from "./numbers.js";

const KINDS = { "audio-emotion": "Voice", "video-affect": "Face" };
const LEAST_SHARE = 0.1; // before so much is done, nothing is said of the time that is left

export class JobEntry {
  /**
   * @param {object} job as the service tells it
   * @param {File | null} file null after the page was loaded anew
   * @param {{onShow: () => void, onRemove: () => void}} actions
   * @param {((entry: JobEntry) => void) | null} watcher is told of every change, and takes the answer
   */
  constructor(job, file, actions, watcher = null) {
    Object.assign(this, { job, file, actions, watcher, answer: null });
    this.follow = new AbortController();
    this.#state = element("p", { class: "quiet" });
    this.#bar = element("progress", { max: 1, value: 0, "aria-label": `Analysis of ${this.name}` });
    this.#buttons = element("div", { class: "buttons" });
    this.node = element("li", { class: "job", tabindex: "-1" },
      element("div", { class: "job-words" }, element("p", { class: "job-name" }, this.name), this.#state), this.#bar, this.#buttons);
    this.show(job);
  }

  #state;
  #bar;
  #buttons;

  get id() { return this.job.id; }

  /** The file's name where the page knows it; the service never does. */
  get name() {
    return this.file?.name ?? `${KINDS[this.job.kind] ?? this.job.kind}, ${bytes(this.job.size_bytes)}`;
  }

  /** A new state. */
  show(job) {
    const hadFocus = this.#buttons.contains(document.activeElement);
    this.job = job;
    this.node.dataset.state = job.state;
    this.#bar.hidden = !["queued", "running"].includes(job.state);
    this.#buttons.replaceChildren(...this.#controls(job.state));
    this.progress(job.progress);
    if (hadFocus) this.node.focus();
    this.watcher?.(this);
  }

  /** More of it is done. */
  progress(share) {
    this.job.progress = share;
    if (this.job.state === "queued") this.#bar.removeAttribute("value");
    else this.#bar.value = share;
    this.#state.textContent = this.#words();
    if (this.job.state === "running") this.watcher?.(this);
  }

  /** The service cannot be asked just now. */
  lost() {
    this.#state.textContent = "The service does not answer; trying again …";
  }

  #words() {
    const { state, progress, problem } = this.job;
    if (state === "queued") return "Waiting for its turn";
    if (state === "running") return [`Analysing ${percent(progress)}`, this.#timeLeft()].filter(Boolean).join(" · ");
    if (state === "succeeded") return ["Done", this.#keptUntil()].filter(Boolean).join(" · ");
    if (state === "failed") return `${problem?.title ?? "It failed."} ${adviceFor(problem?.code, 500)}`;
    if (state === "cancelled") return "Cancelled. Nothing of it is kept.";
    return "The result has been deleted.";
  }

  #timeLeft() {
    const { started_at: started, progress } = this.job;
    if (!started || progress < LEAST_SHARE) return "";
    const spentS = (Date.now() - Date.parse(started)) / 1000;
    const leftS = (spentS * (1 - progress)) / progress;
    return leftS > 0 ? `about ${duration(leftS < 90 ? Math.ceil(leftS / 5) * 5 : Math.ceil(leftS / 60) * 60)} left` : "";
  }

  #keptUntil() {
    const at = this.job.result_expires_at;
    return at ? `kept until ${new Date(at).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" })}` : "";
  }

  #controls(state) {
    const { onShow, onRemove } = this.actions;
    const button = (text, action, kind) => element("button", { type: "button", class: kind ?? null, "data-action": text.split(" ")[0].toLowerCase(), onclick: action },
      text, element("span", { class: "unseen" }, `, ${this.name}`));
    if (state === "queued" || state === "running") return [button("Cancel", onRemove)];
    if (state === "succeeded") return [button("Show result", onShow, "primary"), button("Delete result", onRemove)];
    return [button("Remove", onRemove)];
  }
}
