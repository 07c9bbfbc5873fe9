// The answer in short: the emotion, its rivals, arousal and valence, flags in words, the models behind it.

import { classColour } from "./colours.js";
import { element, swatch } from "./dom.js";
import { modelLink } from "./models.js";
import { clock, duration, percent, signed } from "./numbers.js";
import { capital, flagInWords } from "./words.js";

const CLEAR_SHARE = 0.5;
const MOST_NAMED = 3; // of plausible emotions
const MOST_TIMES = 4; // of one flag

/** Of a voice, or of the sound track of a video. */
export function voiceSummary({ labels, probabilities, emotion, arousal, valence, dominance, segments, plausible }, lead = "Sounds most like") {
  if (!probabilities) return element("div", { class: "verdict" }, element("p", { class: "big" }, "Nothing to judge"));
  const order = labels.map((_, index) => index).sort((one, other) => probabilities[other] - probabilities[one]);
  const classes = emotion ? headline(emotion, probabilities[labels.indexOf(emotion)], lead, plausible ?? []) : []; // a model of dimensions has none
  return element("div", { class: "verdict" }, ...classes, evidence(segments),
    emotion ? element("ul", { class: "bars", "aria-label": "Probabilities" }, order.map((index) => bar(capital(labels[index]), probabilities[index], classColour(index)))) : null,
    arousal === null && valence === null ? null : element("div", { class: "scales" },
      affectScale("Arousal", "calm", "excited", arousal, "arousal"), affectScale("Valence", "negative", "positive", valence, "valence"),
      dominance === undefined ? null : affectScale("Dominance", "submissive", "dominant", dominance, "dominance")));
}

/** Whether a class leads clearly enough to be named alone. */
export function standsOut(share, plausible) {
  return plausible?.length ? plausible.length <= MOST_NAMED : share >= CLEAR_SHARE;
}

/** The emotion in large letters, unless it is the least of evils: whoever glances at the page reads nothing else. */
function headline(emotion, share, lead, plausible) {
  if (plausible.length > MOST_NAMED) return [element("p", { class: "big" }, "No class stands out"),
    element("p", { class: "quiet" }, `${plausible.length} emotions are plausible. ${lead} ${emotion}, but only ${percent(share)}: read the curve over time.`)];
  if (plausible.length > 1) return [element("p", { class: "quiet" }, lead), element("p", { class: "big" }, capital(plausible.join(" or "))),
    element("p", { class: "quiet" }, `Most likely ${emotion} (${percent(share)}), but each of these may be right.`)];
  if (share >= CLEAR_SHARE) return [element("p", { class: "quiet" }, lead), element("p", { class: "big" }, capital(emotion), element("span", {}, percent(share)))];
  return [element("p", { class: "big" }, "No class stands out"),
    element("p", { class: "quiet" }, `${lead} ${emotion}, but only ${percent(share)}: read the curve over time.`)];
}

/** How much voice the answer is made of. */
function evidence(segments) {
  const count = segments?.start_s.length;
  if (!count) return null;
  const spokenS = segments.start_s.reduce((sum, start, row) => sum + (segments.end_s[row] - start) * segments.speech[row], 0);
  return element("p", { class: "quiet" }, `From ${duration(spokenS)} of speech in ${count === 1 ? "one utterance" : `${count} utterances`}.`);
}

/** Of each voice, where they were told apart. */
export function speakerList(speakers, series) {
  if (!speakers?.length) return null;
  const words = ({ emotion, plausible }) => (emotion === null ? "too little alone to judge" : plausible?.length > MOST_NAMED ? "no class stands out" : (plausible ?? [emotion]).join(" or "));
  return element("dl", { class: "facts speakers", "aria-label": "Speakers" }, speakers.map((one, index) =>
    element("div", {}, element("dt", {}, swatch(series[index].colourName), ` ${series[index].label}`), element("dd", {}, `${duration(one.speech_s)}: ${words(one)}`))));
}

/** Of a face over the whole recording. */
export function faceSummary({ summary }) {
  const { arousal, valence } = summary;
  return element("div", { class: "verdict" }, element("p", { class: "quiet" }, "The face, on average"),
    arousal || valence
      ? element("div", { class: "scales" }, affectScale("Arousal", "calm", "excited", arousal?.mean ?? null, "arousal", arousal),
        affectScale("Valence", "negative", "positive", valence?.mean ?? null, "valence", valence))
      : element("p", { class: "big" }, "No face found"));
}

/** What has to be known beside the numbers. */
export function flagList(flags, spans = []) {
  const when = (flag) => spans.filter((span) => span.flag === flag).map(({ start_s: start, end_s: end }) => `${clock(start, 1)}–${clock(end, 1)}`);
  const text = (times) => (times.length > MOST_TIMES ? `${times.slice(0, MOST_TIMES).join(", ")} and ${times.length - MOST_TIMES} more` : times.join(", "));
  return flags.length ? element("ul", { class: "flags", "aria-label": "Please note" }, flags.map((flag) =>
    element("li", {}, flagInWords(flag), when(flag).length ? element("span", { class: "quiet" }, ` ${text(when(flag))}`) : null))) : null;
}

/** Length, format, models and, of a face in a video, what was subtracted. */
export function factList(media, models, trained, neutral) {
  const format = [media.container, media.codec].filter(Boolean).join(" · ");
  const size = media.width ? `${media.width} × ${media.height}, ${Number(media.frame_rate_hz?.toFixed(2))} fps` : null;
  const sound = media.sample_rate_hz ? `${media.sample_rate_hz / 1000} kHz, ${media.channels === 1 ? "mono" : `${media.channels} channels`}` : null;
  const rows = [["Recording", contentOf(media)], ["Length", duration(media.duration_s)], ["Format", [format, size, sound].filter(Boolean).join(", ")],
    ...models.map(({ role, model }) => [role, modelNode(model)]), trained === "prior" ? ["Trained", "documented prior"] : null, neutral ? ["Resting face", restInWords(neutral)] : null];
  return element("dl", { class: "facts" }, rows.filter((row) => row?.[1]).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function restInWords({ source, start_s: start, end_s: end, frames }) {
  if (source === "none") return "not known: levels are absolute";
  return `${source === "stretch" ? "median" : source} of ${frames} frames${end === null ? "" : `, ${clock(start, 1)}–${clock(end, 1)}`}`;
}

function modelNode(model) {
  return element("span", {}, modelLink(model), ` · ${model.licence}`);
}

/** What is in the file, whatever its name says; empty where the service does not tell. */
function contentOf({ container, tracks = [] }) {
  if (container === "csv") return "table of action units";
  const has = (kind) => tracks.some((track) => track.kind === kind);
  if (has("sound") && has("picture")) return "sound and pictures";
  return has("sound") ? "sound only" : has("picture") ? "pictures only, no sound" : "";
}

function bar(label, share, colourName) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  fill.style.background = `var(--${colourName})`;
  return element("li", {}, element("span", { class: "name" }, swatch(colourName), label),
    element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "value" }, percent(share)));
}

function affectScale(name, lowWord, highWord, value, colourName, range = null) {
  const track = element("span", { class: "track", "aria-hidden": "true" }, element("i", { class: "middle" }));
  if (range) {
    const band = element("i", { class: "band" });
    band.style.left = place(range.min);
    band.style.width = `${(50 * (range.max - range.min)).toFixed(1)}%`;
    band.style.background = `var(--${colourName})`;
    track.append(band);
  }
  if (value !== null) {
    const dot = element("i", { class: "dot" });
    dot.style.left = place(value);
    dot.style.background = `var(--${colourName})`;
    track.append(dot);
  }
  const spread = range ? `${signed(range.min)} to ${signed(range.max)}` : "";
  return element("div", { class: "scale" }, element("span", { class: "name" }, name), element("span", { class: "value" }, value === null ? "unknown" : signed(value)),
    track, element("span", { class: "ends", "aria-hidden": "true" }, element("span", {}, lowWord), element("span", {}, spread), element("span", {}, highWord)),
    spread ? element("span", { class: "unseen" }, `between ${spread}`) : null);
}

function place(value) {
  return `${(50 + 50 * value).toFixed(1)}%`;
}
