// An answer in one line: what a list of recordings and a comparison tell of each.

import { percent } from "./numbers.js";
import { standsOut } from "./summary.js";

/**
 * @typedef {object} Brief
 * @property {"voice" | "face"} judged what arousal and valence are of
 * @property {number} durationS
 * @property {string[]} labels of the voice's model; empty where no voice was judged
 * @property {Record<string, number> | null} byLabel probability of each label
 * @property {string | null} emotion the most probable label
 * @property {string[] | null} plausible null where the model does not tell
 * @property {number | null} arousal mean
 * @property {number | null} valence mean
 * @property {number | null} dominance mean, of models that have it
 * @property {string[]} flags
 * @property {object | null} voiceModel
 * @property {object | null} faceModel
 * @property {object[]} segments utterances, of each channel that was judged by itself
 */

/** @returns {Brief} of an answer about a voice, a face or a table of one */
export function briefOf(kind, answer) {
  const voice = kind === "voice" ? answer : answer.audio ?? null;
  const affect = kind === "voice" ? answer : { arousal: answer.summary.arousal?.mean ?? null, valence: answer.summary.valence?.mean ?? null };
  const labels = voice?.probabilities?.length ? voice.labels : [];
  return {
    judged: kind === "voice" ? "voice" : "face", durationS: answer.media.duration_s, labels,
    byLabel: labels.length ? Object.fromEntries(labels.map((label, index) => [label, voice.probabilities[index]])) : null,
    emotion: voice?.emotion ?? null, plausible: voice?.plausible ?? null, arousal: affect.arousal ?? null, valence: affect.valence ?? null,
    dominance: (kind === "voice" ? voice.dominance : null) ?? null,
    flags: [...new Set([...answer.flags, ...(voice?.flags ?? [])])].filter((flag) => answer.media.container !== "csv" || flag !== "no_audio"),
    voiceModel: voice?.model ?? null, faceModel: kind === "voice" ? null : answer.models.affect ?? null,
    segments: (voice?.channels ?? [voice]).map((one) => one?.segments).filter(Boolean),
  };
}

/** The leading emotion in words, or why there is none. */
export function emotionInWords({ emotion, byLabel, flags, labels, judged, plausible }) {
  if (emotion === null) {
    if (flags.some((flag) => ["no_speech", "silent"].includes(flag))) return "nobody speaks";
    return judged === "face" && !labels.length ? "no voice judged" : "not judged";
  }
  const share = byLabel?.[emotion];
  return `${emotion}, ${percent(share).replace(" ", "\u00a0")}${standsOut(share, plausible) ? "" : ": does not stand out"}`;
}
