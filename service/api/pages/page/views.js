// Which summary and which plots an answer gets.

import { affectChart, outlineChart, probabilityChart, shareChart } from "./chart.js";
import { classColour } from "./colours.js";
import { element } from "./dom.js";
import { choice } from "./figure.js";
import { actionUnitMap, attributionMap } from "./heatmap.js";
import { momentsOfSteps, momentsOfWindows } from "./layers.js";
import { noticeList, otherFlags } from "./notices.js";
import { faceSummary, factList, flagList, voiceSummary } from "./summary.js";
import { capital } from "./words.js";
import { zoomChoice } from "./zoom.js";

const ROLES = { faces: "Face model", action_units: "Action units", affect: "Affect model", voice_activity: "Speech finder", denoiser: "Denoiser" };

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
  const summary = [noticeList(judged.flags), voiceSummary({ ...judged, labels: answer.labels }), flagList(otherFlags(judged.flags)),
    factList(answer.media, [{ role: "Model", model: answer.model }, ...(answer.denoiser ? [{ role: ROLES.denoiser, model: answer.denoiser }] : [])])];
  const charts = [outline ? outlineChart({ outline, duration, playhead }) : null, ...voiceCharts(judged.timeline, answer.labels, { moments: windowsOf(judged.timeline), duration, playhead })];
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
  for (const name of ["arousal", "valence", "speech"]) if (!names.includes(name)) known[name] = null;
  const shared = { moments, duration, playhead };
  const sound = outline ? outlineChart({ outline, duration, playhead }) : null;
  if (kind === "voice") {
    return gather([progressNote(["mix", null].includes(channel) ? null : `Channel: ${channel}.`)], [sound, ...voiceCharts(known, labels ?? [], shared)]);
  }
  return gather([progressNote(isFinal ? null : "Values may change until all of the video was seen.")], [faceCurves(known, shared), confidenceCurve(known, shared), sound]);
}

function progressNote(text) {
  return text ? element("p", { class: "quiet" }, text) : null;
}

/** Of a face, or of a table of its action units. @returns {View} */
export function faceView(answer, outline, playhead, downloads) {
  const { timeline, audio, media } = answer;
  const duration = Math.max(media.duration_s, timeline.time_s[timeline.time_s.length - 1] ?? 0);
  const moments = momentsOfSteps(timeline.time_s, duration);
  const shared = { moments, duration, playhead };
  const models = Object.entries(answer.models).map(([part, model]) => ({ role: ROLES[part] ?? capital(part), model }));
  if (audio?.model) models.push({ role: "Voice model", model: audio.model });
  const flags = [...new Set([...answer.flags, ...(audio?.flags ?? [])])];
  const summary = [noticeList(flags), faceSummary(answer), audio?.emotion ? voiceSummary(audio, "The voice sounds most like") : null, flagList(otherFlags(flags)), factList(media, models, answer.trained)];
  const charts = [
    faceCurves(timeline, shared),
    confidenceCurve(timeline, shared),
    answer.action_units ? actionUnitMap({ units: answer.action_units, time: timeline.time_s, duration, playhead }) : null,
    answer.attribution ? attributionMap({ attribution: answer.attribution }) : null,
    outline ? outlineChart({ outline, duration, playhead }) : null,
    timeline.speech?.some((value) => value !== null)
      ? speechCurve(timeline, shared) : null,
    ...(audio?.emotion && audio.timeline ? voiceCharts({ ...audio.timeline, speech: null }, audio.labels, { ...shared, moments: windowsOf(audio.timeline) }) : []),
  ];
  const view = gather(summary, charts);
  view.charts.unshift(...[downloads, zoomChoice(playhead, duration)].filter(Boolean));
  return view;
}

function voiceCharts(timeline, labels, shared) {
  const classes = labels.map((label, index) => ({ label: capital(label), colourName: classColour(index), values: timeline.probabilities[label] }));
  const affect = affectSeries(timeline);
  return [
    classes.length ? probabilityChart({ ...shared, title: "Emotion of the voice", series: classes }) : null,
    affect.length ? affectChart({ ...shared, title: "Arousal and valence of the voice", series: affect }) : null,
    timeline.speech ? speechCurve(timeline, shared) : null,
  ];
}

function windowsOf(timeline) {
  return momentsOfWindows(timeline.start_s, timeline.end_s);
}

function faceCurves(timeline, shared) {
  return affectChart({ ...shared, title: "Arousal and valence of the face", series: affectSeries(timeline) });
}

function confidenceCurve(timeline, shared) {
  return shareChart({ ...shared, title: "Face confidence", series: { label: "Confidence", colourName: "confidence", values: timeline.face_confidence } });
}

function speechCurve(timeline, shared) {
  return shareChart({ ...shared, title: "Speech", series: { label: "Speech", colourName: "speech", values: timeline.speech } });
}

function affectSeries(timeline) {
  return [["Arousal", "arousal"], ["Valence", "valence"]].filter(([, name]) => timeline[name])
    .map(([label, name]) => ({ label, colourName: name, values: timeline[name], isLine: true, dash: name === "valence" ? [7, 4] : undefined }));
}

function gather(summary, charts) {
  const present = charts.filter(Boolean);
  return { summary: summary.filter(Boolean), charts: present.map((chart) => chart.node), plots: present.map((chart) => chart.plot) };
}
