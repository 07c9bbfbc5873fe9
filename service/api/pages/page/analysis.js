// One analysis: which call, sent how, and its answer, at once or window by window.

import { eventReader } from "./events.js";
import { ProblemError } from "./server.js";
import { Stream } from "./stream.js";
import { mediaTypeOf, send } from "./upload.js";

const EVENTS_FIRST = "text/event-stream, application/json;q=0.9";
const JSON_ONLY = "application/json";

/** What an answer about a face is asked for beyond arousal and valence. */
export const PARTS = ["action_units", "attribution", "audio", "boxes"];

/** What an answer about a voice is asked for beyond windows, by the names of the parameters. */
export const SOUND_PARTS = ["segments", "voice_activity", "speakers"];

/** What a file is judged as: 'voice', 'face' or 'table'. */
export function kindOf(file, wanted, hasFaces) {
  const type = mediaTypeOf(file);
  if (type === "text/csv") return "table";
  if (wanted !== "auto") return wanted;
  return hasFaces && type.startsWith("video/") ? "face" : "voice";
}

/** What to judge a file as after all, when it has no pictures, or nothing but pictures, whatever its name says; or null. */
export function otherKind(code, hasFaces) {
  if (code === "no_video_stream") return "voice";
  return code === "no_audio_stream" && hasFaces ? "face" : null;
}

/** Path and parameters of the call for a kind. */
export function callOf(kind, choices) {
  if (kind === "voice") return { path: "v1/audio/emotion", query: { timeline: "true", segments: "true", voice_activity: "true", ...choices.voice } };
  if (kind === "face") return { path: "v1/video/affect", query: { include: (choices.face.expression_model ? [...PARTS, "expression"] : PARTS).join(","), ...choices.face } };
  return { path: "v1/action-units/affect", query: { include: "action_units,attribution", ...choices.table } };
}

/** Path of the job that does the work of a call, or null where there is none. */
export function jobPathOf(kind) {
  return { voice: "v1/jobs/audio-emotion", face: "v1/jobs/video-affect" }[kind] ?? null;
}

/**
 * Run an analysis. Where the server offers events, windows are told as they come; otherwise it answers JSON.
 * @param {{path: string, query: Record<string, string>}} call
 * @param {File} file
 * @param {{onUpload: (share: number) => void, onProgress: (share: number) => void, onPartial: (partial: import("./stream.js").Partial) => void}} listeners
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
