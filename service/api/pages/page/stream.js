// Puts the events of an analysis together: what is known so far while it goes on, and the whole answer at its end.

import { ProblemError } from "./server.js";

/**
 * What is known before the answer. Arrays grow in place, so that who draws them needs no new ones.
 * @typedef {{kind: "voice" | "face", channel: string | null, labels: string[] | null, isFinal: boolean, timeline: object}} Partial
 */

export class Stream {
  /** @param {{onProgress: (share: number) => void, onPartial: (partial: Partial) => void}} listeners */
  constructor(listeners) {
    this.listeners = listeners;
    this.partial = null;
    this.whole = null;
    this.problem = null;
  }

  /** The next event; names that are not known are left for later services. */
  take(name, data) {
    if (name === "progress") this.listeners.onProgress(data.progress);
    else if (name === "window") this.#window(data);
    else if (name === "affect") this.#rows(data);
    else if (name === "result") this.whole = data;
    else if (name === "problem") this.problem = data;
  }

  /** The whole answer and its text. Throws ProblemError where the work failed on its way. */
  end() {
    if (this.problem) throw new ProblemError(this.problem.status ?? 500, { detail: "", ...this.problem }, this.problem.retry_after_s ?? null);
    if (!this.whole) throw new ProblemError(0, { title: "The answer broke off.", detail: "The connection ended before the last window.", code: "" });
    return { answer: this.whole, text: JSON.stringify(this.whole) };
  }

  /** One window of a voice. Channels come one after the other; each begins anew. */
  #window({ channel, start_s: start, end_s: end, probabilities, ...values }) {
    if (this.partial?.kind !== "voice" || this.partial.channel !== channel) {
      const timeline = { start_s: [], end_s: [], probabilities: {}, arousal: [], valence: [], dominance: [], speech: [], confidence: [], plausible: [] };
      this.partial = { kind: "voice", channel, labels: null, isFinal: true, timeline };
    }
    const { partial } = this;
    const { timeline } = partial;
    if (probabilities && !partial.labels) { // windows without speech may come before the first that names the classes
      partial.labels = Object.keys(probabilities);
      for (const label of partial.labels) timeline.probabilities[label] = timeline.start_s.map(() => null);
    }
    timeline.start_s.push(start);
    timeline.end_s.push(end);
    for (const label of partial.labels ?? []) timeline.probabilities[label].push(probabilities?.[label] ?? null);
    for (const name of ["arousal", "valence", "dominance", "speech", "confidence", "plausible"]) timeline[name].push(values[name] ?? null);
    this.listeners.onPartial(partial);
  }

  /** Some steps of a face. */
  #rows({ face, final, ...columns }) {
    const key = `face ${face}`;
    if (this.partial?.channel !== key) {
      const timeline = { time_s: [], arousal: [], valence: [], arousal_uncertainty: [], valence_uncertainty: [], face_confidence: [] };
      this.partial = { kind: "face", channel: key, labels: null, isFinal: final, timeline };
    }
    for (const [name, values] of Object.entries(this.partial.timeline)) values.push(...(columns[name] ?? []));
    this.listeners.onPartial(this.partial);
  }
}
