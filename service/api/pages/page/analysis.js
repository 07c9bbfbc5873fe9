// One analysis: which call, sent how, and its answer, at once or window by window.

import { eventReader } from "./events.js";
import { ProblemError } from "./server.js";
import { mediaTypeOf, send } from "./upload.js";

const EVENTS_FIRST = "text/event-stream, application/json;q=0.9";
const JSON_ONLY = "application/json";

/** What a file is judged as: 'voice', 'face' or 'table'. */
export function kindOf(file, wanted, hasFaces) {
  const type = mediaTypeOf(file);
  if (type === "text/csv") return "table";
  if (wanted !== "auto") return wanted;
  return hasFaces && type.startsWith("video/") ? "face" : "voice";
}

/** Path and parameters of the call for a kind. */
export function callOf(kind, choices) {
  if (kind === "voice") return { path: "v1/audio/emotion", query: { timeline: "true", ...choices.voice } };
  if (kind === "face") return { path: "v1/video/affect", query: { include: "action_units,attribution,audio", ...choices.face } };
  return { path: "v1/action-units/affect", query: { include: "action_units,attribution", ...choices.table } };
}

/**
 * Run an analysis. Where the server offers events, windows are told as they come; otherwise it answers JSON.
 * @param {{path: string, query: Record<string, string>}} call
 * @param {File} file
 * @param {{onUpload: (share: number) => void, onProgress: (share: number) => void, onPartial: (answer: object) => void}} listeners
 * @returns {Promise<{answer: object, text: string}>}
 */
export async function analyse(call, file, listeners, signal) {
  const stream = new Stream(listeners);
  const order = { ...call, file, signal, onUpload: listeners.onUpload, onPiece: eventReader((name, data) => stream.take(name, data)) };
  let received;
  try {
    received = await send({ ...order, accept: EVENTS_FIRST });
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 406) throw error;
    received = await send({ ...order, accept: JSON_ONLY });
  }
  if (received.type.startsWith("text/event-stream")) return stream.end();
  const text = await received.blob.text();
  return { answer: JSON.parse(text), text };
}

/** Puts an answer together from events: windows one by one, then the whole. */
class Stream {
  constructor(listeners) {
    this.listeners = listeners;
    this.answer = { timeline: { start_s: [], end_s: [], probabilities: {}, arousal: [], valence: [], speech: [] }, flags: [] };
    this.whole = null;
    this.problem = null;
  }

  take(name, data) {
    if (name === "problem" || name === "error" || typeof data.code === "string") this.problem = data;
    else if (typeof data.progress === "number") this.listeners.onProgress(data.progress);
    else if (data.request_id && ("probabilities" in data || data.timeline)) this.whole = data;
    else if ("start_s" in data) this.#window(data);
    else if (data.labels || data.media) Object.assign(this.answer, data, { timeline: this.answer.timeline });
  }

  end() {
    if (this.problem) throw new ProblemError(this.problem.status ?? 500, { detail: "", ...this.problem });
    if (!this.whole) throw new ProblemError(0, { title: "The answer broke off.", detail: "The connection ended before the last window.", code: "" });
    if (!this.whole.timeline) this.whole.timeline = this.answer.timeline;
    return { answer: this.whole, text: JSON.stringify(this.whole) };
  }

  #window(data) {
    const { timeline, labels = [] } = this.answer;
    const list = (value) => (Array.isArray(value) ? value : [value ?? null]);
    for (const name of ["start_s", "end_s", "arousal", "valence", "speech"]) timeline[name].push(...list(data[name]));
    const shares = Array.isArray(data.probabilities)
      ? Object.fromEntries(labels.map((label, index) => [label, data.probabilities[index]])) : data.probabilities ?? {};
    for (const label of new Set([...labels, ...Object.keys(shares)])) {
      (timeline.probabilities[label] ??= []).push(...list(shares[label]));
    }
    this.listeners.onPartial(this.answer);
  }
}
