// The live view: microphone or camera judged while they run. Nothing of them is stored; the answers are, in this tab.

import { announce, byId } from "./dom.js";
import { downloads } from "./downloads.js";
import { LiveSocket } from "./live_socket.js";
import { Camera, Microphone } from "./live_source.js";
import { clock, signed } from "./numbers.js";
import { readChoices } from "./options.js";
import { hideProblem, showProblem } from "./problem.js";
import { REFUSALS, tell } from "./record.js";
import { stepsAsCsv, windowsAsCsv } from "./row_files.js";
import { ProblemError, useKey } from "./server.js";
import { Stream } from "./stream.js";
import { capital } from "./words.js";

const MOST_NAMED = 3;
const QUIETEST_DB = -60;
const MOST_BEHIND_S = 5;
const PROVISIONAL = "Watching. Values are provisional: nothing looks ahead.";
const KINDS = { voice: { name: "Live voice", button: "live-voice" }, face: { name: "Live face", button: "live-face" } };

/** Bring the live buttons to life. @param {import("./desk.js").Desk} desk where the curves grow */
export function startLive(desk) {
  let session = null;
  const begin = async (kind) => {
    if (session) return;
    session = "opening";
    session = await LiveSession.open(kind, desk, () => { session = null; }, () => begin(kind));
  };
  for (const [kind, { button }] of Object.entries(KINDS)) {
    byId(button).hidden = !navigator.mediaDevices || !window.AudioWorkletNode;
    byId(button).addEventListener("click", () => begin(kind));
  }
  byId("live-stop").addEventListener("click", () => session?.stop());
  byId("live-discard").addEventListener("click", () => session?.discard());
}

class LiveSession {
  /** Null where the browser gives no device. @param {() => void} onEnd @param {() => void} again */
  static async open(kind, desk, onEnd, again) {
    hideProblem();
    byId("record-note").hidden = true;
    const preview = byId("live-preview");
    try {
      const source = await (kind === "voice" ? Microphone.open() : Camera.open(preview));
      return new LiveSession(kind, source, desk, onEnd, again);
    } catch (error) {
      if (error instanceof ProblemError) { showProblem(error, { onRetry: again }); return null; }
      tell(REFUSALS[error.name] ?? "The live view could not begin.");
      byId(KINDS[kind].button).focus();
      return null;
    }
  }

  #segments = [];
  #created = null;

  constructor(kind, source, desk, onEnd, again) {
    Object.assign(this, { kind, source, onEnd, again, latestS: 0, isLost: false });
    this.view = desk.growing(KINDS[kind].name);
    this.stream = new Stream({ onProgress: () => {}, onPartial: (partial) => this.view.update(partial) });
    this.#show();
    this.socket = new LiveSocket(source, choicesOf(kind), {
      onCreated: (message) => this.#begin(message), onAnswer: (message) => this.#take(message),
      onLost: () => this.#lost(),
      onBack: () => { this.isLost = false; announce("The connection is back."); },
      onClosed: (message) => this.#closed(message), onFailed: (error) => this.#failed(error),
    });
  }

  /** Have the rest judged, and show the result. */
  stop() {
    this.source.stop();
    if (!this.#created) { this.discard(); return; }
    this.socket.end();
    this.#say("Stopped. The last seconds are being judged.");
    byId("live-stop").disabled = true;
  }

  /** Forget all of it. */
  discard() {
    this.source.stop();
    this.socket.discard();
    this.#hide();
    this.view.end();
    announce("Discarded.");
    byId(KINDS[this.kind].button).focus();
  }

  #show() {
    byId("intake").hidden = true;
    byId("live").hidden = false;
    byId("live-heading").textContent = KINDS[this.kind].name;
    byId("live-preview").hidden = this.kind === "voice";
    byId("live-meter").hidden = this.kind !== "voice";
    byId("live-time").textContent = clock(0);
    byId("live-now").textContent = "";
    byId("live-stop").disabled = false;
    byId("live-stop").focus();
    this.#say("Opening the connection …");
  }

  #hide() {
    byId("live").hidden = true;
    byId("intake").hidden = false;
    this.onEnd();
  }

  #say(text) { if (byId("live-words").textContent !== text) byId("live-words").textContent = text; }

  #begin(message) {
    this.#created = message;
    this.#say(this.kind === "voice" ? `Listening. The first answer comes after ${message.window_s} s.` : PROVISIONAL);
    const beganMs = performance.now();
    this.source.start((piece, level) => {
      if (!this.view.isCurrent()) { this.discard(); return; }
      this.socket.send(piece);
      const seconds = (performance.now() - beganMs) / 1000;
      byId("live-time").textContent = clock(seconds);
      if (!this.isLost) this.#tellLag(seconds - this.latestS - (message.window_s ?? 0));
      if (level !== null) byId("live-level").style.transform = `scaleX(${Math.min(1, Math.max(0, 1 - (20 * Math.log10(level + 1e-6)) / QUIETEST_DB)).toFixed(3)})`;
    });
  }

  #lost() {
    this.isLost = true;
    this.#say(`The connection is lost; trying again. ${this.kind === "voice" ? "What is heard meanwhile waits in this tab." : "What is seen meanwhile is left out."}`);
  }

  #tellLag(seconds) {
    const doing = this.kind === "voice" ? "Listening." : PROVISIONAL;
    if (seconds > MOST_BEHIND_S) this.#say(`The service is more than ${MOST_BEHIND_S} s behind: it is busy, or the connection is slow.`);
    else if (this.latestS) this.#say(doing);
  }

  #take({ type, index, ...values }) {
    if (type === "segment") { this.#segments.push(values); return; }
    this.stream.take(type, type === "window" ? { channel: "mix", ...values } : { face: 0, final: true, ...values });
    this.latestS = (values.end_s ?? values.time_s?.[values.time_s.length - 1]) ?? this.latestS;
    byId("live-now").textContent = type === "window" ? voiceNow(values) : faceNow(values);
  }

  #closed({ answer = null, duration_s: durationS, reason }) {
    this.source.stop();
    const { partial } = this.stream;
    this.#hide();
    if (!partial) { this.view.end(); tell("Nothing was judged: it was too short."); return; }
    const whole = this.kind === "voice" ? this.#voiceAnswer(answer, durationS) : this.#faceAnswer(durationS);
    if (this.kind === "voice" && !answer) { this.view.keep(this.#buttons(whole)); tell(`The service ended the session (${reason}). The curves show what had come.`); return; }
    this.view.finish({ kind: this.kind, answer: whole, buttons: this.#buttons(whole) });
  }

  #failed(error) {
    this.source.stop();
    this.#hide();
    if (this.stream.partial) this.view.keep(this.#buttons(this.kind === "voice" ? this.#voiceAnswer(null, null) : this.#faceAnswer(null)));
    else this.view.end();
    showProblem(error, { onRetry: (key) => { if (key !== null) useKey(key); this.again(); } });
  }

  #buttons(answer) {
    const csv = this.kind === "voice" ? windowsAsCsv : stepsAsCsv;
    return downloads("live", JSON.stringify(answer), {}, async () => new Blob([csv(answer)], { type: "text/csv" }), "Made in this tab: neither sound nor pictures were kept.", ["json", "csv"]);
  }

  /** As an upload of the same sound would be answered. */
  #voiceAnswer(answer, durationS) {
    const { model, labels } = this.#created;
    const { timeline } = this.stream.partial;
    const media = { duration_s: durationS ?? timeline.end_s[timeline.end_s.length - 1], container: "live", codec: "pcm_s16le", sample_rate_hz: this.source.config.sample_rate_hz, channels: 1 };
    const known = { ...timeline, probabilities: Object.fromEntries(labels.map((label) => [label, timeline.probabilities[label] ?? timeline.start_s.map(() => null)])) };
    if (known.dominance.every((value) => value === null)) delete known.dominance; // of a model that does not tell it
    return { media, model, labels, flags: [], flag_spans: [], ...answer, timeline: known, segments: answer?.segments ?? columnsOf(this.#segments, labels) };
  }

  #faceAnswer(durationS) {
    const { models, trained } = this.#created;
    const { timeline } = this.stream.partial;
    const media = { duration_s: durationS ?? timeline.time_s[timeline.time_s.length - 1], container: "live", codec: "mjpeg", ...this.source.size };
    media.frame_rate_hz = this.socket.count / media.duration_s;
    const flags = timeline.arousal.some((value) => value !== null) ? [] : ["no_face"];
    return { media, models, trained, timeline, summary: { arousal: spread(timeline.arousal), valence: spread(timeline.valence) }, flags, provisional: true };
  }
}

/** What is chosen under Options, as far as streams take it. */
function choicesOf(kind) {
  const { voice, face } = readChoices();
  if (kind === "face") return { ...(face.neutral ? { neutral: face.neutral } : {}), ...(/^\d+$/.test(face.face ?? "") ? { face: Number(face.face) } : {}) };
  const { channel, window_s: windowS, hop_s: hopS, ...others } = voice;
  return { ...others, ...(windowS ? { window_s: Number(windowS) } : {}), ...(hopS ? { hop_s: Number(hopS) } : {}) };
}

function voiceNow({ emotion, plausible, arousal, valence }) {
  if (emotion === null && arousal === null) return "Nobody speaks";
  const named = plausible?.length ? (plausible.length > MOST_NAMED ? "no class stands out" : plausible.join(" or ")) : emotion;
  return [named ? capital(named) : null, ...affectWords(arousal, valence)].filter(Boolean).join(" · ");
}

function faceNow({ arousal, valence }) {
  const last = arousal.length - 1;
  return affectWords(arousal[last], valence[last]).join(" · ") || "No face";
}

function affectWords(arousal, valence) {
  return [["arousal", arousal], ["valence", valence]].filter(([, value]) => (value ?? null) !== null).map(([name, value]) => `${name} ${signed(value)}`);
}

/** Rows of utterances as the columns of an answer. */
function columnsOf(rows, labels) {
  const column = (name) => rows.map((row) => row[name] ?? null);
  const names = ["start_s", "end_s", "emotion", "arousal", "valence", "speech", "speech_level_db", "confidence", "plausible"];
  return { ...Object.fromEntries(names.map((name) => [name, column(name)])), probabilities: Object.fromEntries(labels.map((label) => [label, rows.map(({ probabilities }) => probabilities?.[label] ?? null)])) };
}

function spread(values) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return null;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length);
  return { mean, std: deviation, min: Math.min(...known), max: Math.max(...known) };
}
