// Which summary and which plots an answer gets.

import { affectChart, outlineChart, probabilityChart, segmentChart, shareChart, turnChart } from "./chart.js";
import { circumplexChart } from "./circumplex.js";
import { classColour } from "./colours.js";
import { element } from "./dom.js";
import { choice } from "./figure.js";
import { actionUnitMap, attributionMap } from "./heatmap.js";
import { momentsOfSteps, momentsOfWindows } from "./layers.js";
import { noticeList, otherFlags } from "./notices.js";
import { faceSummary, factList, flagList, speakerList, voiceSummary } from "./summary.js";
import { capital } from "./words.js";
import { zoomChoice } from "./zoom.js";

const DASHES = { valence: [7, 4], dominance: [2, 3] };
const ROLES = { faces: "Face model", action_units: "Action units", affect: "Affect model", voice_activity: "Speech finder", expression: "Published face model", denoiser: "Denoiser", speakers: "Speaker model" };

/**
 * What belongs beside one another: `summary` and `charts` are nodes; `plots` have to be closed in the end.
 * @typedef {{summary: Node[], charts: Node[], plots: import("./plot.js").Plot[]}} View
 */

/** The sound alone, before there is an answer. @returns {View} */
export function soundView(outline, playhead) {
  return gather([], outline ? [outlineChart({ outline, duration: outline.duration, playhead })] : []);
}

/** Of a voice. @returns {View} */
export function voiceView(answer, outline, playhead, downloads, channel, onChannel) {
  const judged = answer.channels?.find((one) => one.channel === channel) ?? answer;
  const duration = answer.media.duration_s;
  const models = [["Model", answer.model], [ROLES.denoiser, answer.denoiser], [ROLES.speakers, answer.speaker_model]].filter(([, model]) => model).map(([role, model]) => ({ role, model }));
  const voices = (judged.speakers ?? []).map(({ speaker }, index) => ({ label: `Speaker ${speaker}`, colourName: classColour(80 - index), values: judged.turns.speaker.map((one) => Number(one === speaker)) }));
  const summary = [noticeList(judged.flags), voiceSummary({ ...judged, labels: answer.labels }), speakerList(judged.speakers, voices), flagList(otherFlags(judged.flags), answer.flag_spans),
    factList(answer.media, models)];
  const channels = judged === answer ? answer.channels ?? [answer] : [judged];
  const charts = [outline ? outlineChart({ outline, duration, playhead }) : null, voices.length ? turnChart({ turns: judged.turns, series: voices, duration, playhead }) : null,
    ...voiceCharts(judged, answer.labels, { moments: windowsOf(judged.timeline, channels), duration, playhead })];
  const view = gather(summary, charts);
  view.charts.unshift(...[downloads, zoomChoice(playhead, duration)].filter(Boolean));
  if (answer.channels) {
    const channels = [{ value: "all", text: "All channels" }, ...answer.channels.map((one) => ({ value: one.channel, text: capital(one.channel) }))];
    view.charts.unshift(choice("Channel", channels, channel, onChannel));
  }
  return view;
}

/**
 * What has come so far of an analysis that goes on.
 * @param {import("./stream.js").Partial} partial
 * @param {string[]} names of the series that have values
 * @returns {View}
 */
export function partialView({ kind, channel, labels, isFinal, timeline }, names, moments, outline, duration, playhead) {
  const known = { ...timeline };
  for (const name of ["arousal", "valence", "dominance", "speech"]) if (!names.includes(name)) known[name] = null;
  const shared = { moments, duration, playhead };
  const sound = outline ? outlineChart({ outline, duration, playhead }) : null;
  if (kind === "voice") {
    return gather([progressNote(["mix", null].includes(channel) ? null : `Channel: ${channel}.`)], [sound, ...voiceCharts({ timeline: known }, labels ?? [], shared)]);
  }
  const curves = [faceCurves(known, shared), pathOf("Arousal over valence of the face", affectSeries(known), shared), confidenceCurve(known, shared)];
  return gather([progressNote(isFinal ? null : "Values may change until all of the video was seen.")], [...curves, sound]);
}

function progressNote(text) {
  return text ? element("p", { class: "quiet" }, text) : null;
}

/** Of a face, or of a table of its action units. @returns {View} */
export function faceView(answer, outline, playhead, downloads, face, onFace) {
  const { audio, media, faces = [] } = answer;
  const judged = faces.find((one) => String(one.face) === face) ?? answer;
  const { timeline } = judged;
  const isFirst = judged === answer || judged === faces[0];
  const isTable = media.container === "csv";
  const duration = Math.max(media.duration_s, timeline.time_s[timeline.time_s.length - 1] ?? 0);
  const moments = momentsOfSteps(timeline.time_s, duration);
  const shared = { moments, duration, playhead };
  const models = Object.entries(answer.models).map(([part, model]) => ({ role: ROLES[part] ?? capital(part), model }));
  if (audio?.model) models.push({ role: "Voice model", model: audio.model });
  const own = isFirst ? answer.flags : [...judged.flags, ...answer.flags.filter((flag) => !["face_lost", "no_neutral", "neutral_smiles"].includes(flag))];
  const flags = [...new Set([...own, ...(audio?.flags ?? [])])].filter((flag) => !isTable || flag !== "no_audio");
  const summary = [noticeList(flags), faceSummary(judged), audio?.probabilities ? voiceSummary(audio, "The voice sounds most like") : null, flagList(otherFlags(flags), judged.flag_spans), factList(media, models, answer.trained, judged.neutral)];
  const charts = [
    faceCurves(timeline, shared),
    pathOf("Arousal over valence of the face", affectSeries(timeline), shared),
    confidenceCurve(timeline, shared),
    ...networkCharts(judged.expression, answer.models.expression?.name, timeline.time_s, shared),
    judged.action_units ? actionUnitMap({ units: judged.action_units, time: timeline.time_s, duration, playhead }) : null,
    isFirst && answer.attribution ? attributionMap({ attribution: answer.attribution, playhead }) : null,
    outline ? outlineChart({ outline, duration, playhead }) : null,
    answer.timeline.speech?.some((value) => value !== null) ? speechCurve(answer.timeline, shared) : null,
    ...(audio?.probabilities && audio.timeline ? voiceCharts({ ...audio, timeline: { ...audio.timeline, speech: null } }, audio.labels, { ...shared, moments: windowsOf(audio.timeline, [audio]) }) : []),
  ];
  const view = gather(summary, charts);
  view.charts.unshift(...[downloads, zoomChoice(playhead, duration)].filter(Boolean));
  if (faces.length > 1) view.charts.unshift(choice("Face", faces.map((one) => ({ value: String(one.face), text: `Face ${one.face}` })), face, onFace));
  return view;
}

/** What a published network saw in the face's pictures, beside our curves. */
function networkCharts(seen, name, time, { duration, playhead, moments }) {
  if (!seen) return [];
  const shared = { moments, duration, playhead };
  const note = "A network that others published reads the picture of the face; our curves come from how it moves. Where they differ, neither is known to be right.";
  const { labels, probabilities, action_units: units } = seen;
  return [
    seen.arousal || seen.valence ? affectChart({ ...shared, note, title: `Arousal and valence as ${name} sees them`, series: affectSeries(seen) }) : null,
    probabilities ? probabilityChart({ ...shared, note, title: `Expression as ${name} sees it`, series: labels.map((label, index) => ({ label: capital(label), colourName: classColour(index), values: probabilities[label] })) }) : null,
    units ? actionUnitMap({ units, time, duration, playhead, note, title: `Action units as ${name} sees them` }) : null,
  ];
}

function voiceCharts({ timeline, segments, voice_activity: activity, probabilities }, labels, shared) {
  const classesOf = (rows) => labels.map((label, index) => ({ label: capital(label), colourName: classColour(index), values: rows.probabilities[label] }));
  const isJudged = probabilities !== null; // undefined before the end
  const classes = isJudged ? classesOf(timeline) : [];
  const affect = isJudged ? affectSeries(timeline) : [];
  return [
    classes.length && segments?.start_s.length ? segmentChart({ ...shared, segments, series: classesOf(segments) }) : null,
    classes.length ? probabilityChart({ ...shared, title: "Emotion of the voice", series: classes }) : null,
    affect.length ? affectChart({ ...shared, title: `${timeline.dominance ? "Arousal, valence and dominance" : "Arousal and valence"} of the voice`, series: affect }) : null,
    pathOf("Arousal over valence of the voice", affect, shared),
    activity ? activityCurve(activity, shared) : timeline.speech ? speechCurve(timeline, shared) : null,
  ];
}

/** Windows of a timeline; nothing is claimed where none of the channels has an utterance. */
function windowsOf({ start_s: start, end_s: end, confidence }, channels) {
  const known = channels.map(({ segments }) => segments).filter(Boolean);
  const spoken = known.length ? known.flatMap((segments) => segments.start_s.map((from, row) => [from, segments.end_s[row]])) : null;
  return momentsOfWindows(start, end, confidence, spoken);
}

function faceCurves(timeline, shared) {
  return affectChart({ ...shared, title: "Arousal and valence of the face", series: affectSeries(timeline) });
}

/** Arousal over valence of a whole answer, by itself; null where both are not known. */
export function pathChart({ kind, answer: { media, timeline, channels, ...answer } }, title, playhead) {
  const duration = media.duration_s;
  const moments = kind === "voice" ? windowsOf(timeline, channels ?? [answer]) : momentsOfSteps(timeline.time_s, duration);
  playhead.setDuration(duration);
  return pathOf(title, affectSeries(timeline), { moments, duration, playhead });
}

/** Where both are known somewhere. */
function pathOf(title, series, shared) {
  const both = ["arousal", "valence"].map((name) => series.find(({ colourName }) => colourName === name));
  const isKnown = both.every((one) => one?.values.some((value) => value !== null));
  return isKnown ? circumplexChart({ ...shared, title, series: both }) : null;
}

function confidenceCurve(timeline, shared) {
  return shareChart({ ...shared, title: "Face confidence", series: { label: "Confidence", colourName: "confidence", values: timeline.face_confidence } });
}

function speechCurve(timeline, shared) {
  return shareChart({ ...shared, title: "Speech", series: { label: "Speech", colourName: "speech", values: timeline.speech } });
}

/** Speech at the steps at which it is looked for. */
function activityCurve({ start_s: start, hop_s: hop, probability }, shared) {
  const time = probability.map((_, step) => start + (step + 0.5) * hop);
  return speechCurve({ speech: probability }, { ...shared, moments: momentsOfSteps(time, shared.duration) });
}

function affectSeries(timeline) {
  const all = [["Arousal", "arousal"], ["Valence", "valence"], ["Dominance", "dominance"]].filter(([, name]) => timeline[name]);
  const told = all.filter(([, name]) => timeline[name].some((value) => value !== null)); // a model may tell one alone
  return (told.length ? told : all).map(([label, name]) => ({ label, colourName: name, values: timeline[name], halves: timeline[`${name}_uncertainty`], isLine: true, dash: DASHES[name] }));
}

function gather(summary, charts) {
  const present = charts.filter(Boolean);
  return { summary: summary.filter(Boolean), charts: present.map((chart) => chart.node), plots: present.map((chart) => chart.plot) };
}
