// Which summary and which plots an answer gets.

import { affectChart, outlineChart, probabilityChart, shareChart } from "./chart.js";
import { classColour } from "./colours.js";
import { choice } from "./figure.js";
import { actionUnitMap, attributionMap } from "./heatmap.js";
import { momentsOfSteps, momentsOfWindows } from "./layers.js";
import { faceSummary, factList, flagList, voiceSummary } from "./summary.js";
import { capital } from "./words.js";

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
  const summary = [voiceSummary({ ...judged, labels: answer.labels }), flagList(judged.flags), downloads,
    factList(answer.media, [{ role: "Model", model: answer.model }, ...(answer.denoiser ? [{ role: ROLES.denoiser, model: answer.denoiser }] : [])])];
  const charts = [outline ? outlineChart({ outline, duration, playhead }) : null, ...voiceCharts(judged.timeline, answer.labels, duration, playhead)];
  const view = gather(summary, charts);
  if (answer.channels) {
    const channels = [{ value: "all", text: "All channels" }, ...answer.channels.map((one) => ({ value: one.channel, text: capital(one.channel) }))];
    view.charts.unshift(choice("Channel", channels, channel, onChannel));
  }
  return view;
}

/** Windows that have come so far. @returns {View} */
export function partialView(answer, outline, playhead) {
  const { timeline } = answer;
  const duration = Math.max(outline?.duration ?? 0, answer.media?.duration_s ?? 0, timeline.end_s[timeline.end_s.length - 1] ?? 0);
  const labels = answer.labels ?? Object.keys(timeline.probabilities);
  const charts = [outline ? outlineChart({ outline, duration, playhead }) : null, ...voiceCharts(timeline, labels, duration, playhead)];
  return { ...gather([], charts), duration };
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
  const summary = [faceSummary(answer), audio?.emotion ? voiceSummary(audio, "The voice sounds most like") : null, flagList(flags), downloads, factList(media, models, answer.trained)];
  const charts = [
    affectChart({ ...shared, title: "Arousal and valence of the face", series: affectSeries(timeline) }),
    shareChart({ ...shared, title: "Face confidence", series: { label: "Confidence", colourName: "confidence", values: timeline.face_confidence } }),
    answer.action_units ? actionUnitMap({ units: answer.action_units, time: timeline.time_s, duration, playhead }) : null,
    answer.attribution ? attributionMap({ attribution: answer.attribution }) : null,
    outline ? outlineChart({ outline, duration, playhead }) : null,
    timeline.speech?.some((value) => value !== null)
      ? shareChart({ ...shared, title: "Speech", series: { label: "Speech", colourName: "speech", values: timeline.speech } }) : null,
    ...(audio?.emotion && audio.timeline ? voiceCharts(audio.timeline, audio.labels, duration, playhead, false) : []),
  ];
  return gather(summary, charts);
}

function voiceCharts(timeline, labels, duration, playhead, hasSpeech = true) {
  const moments = momentsOfWindows(timeline.start_s, timeline.end_s);
  const shared = { moments, duration, playhead };
  const classes = labels.map((label, index) => ({ label: capital(label), colourName: classColour(index), values: timeline.probabilities[label] }));
  const affect = affectSeries(timeline);
  return [
    probabilityChart({ ...shared, title: "Emotion of the voice", series: classes }),
    affect.length ? affectChart({ ...shared, title: "Arousal and valence of the voice", series: affect }) : null,
    hasSpeech && timeline.speech ? shareChart({ ...shared, title: "Speech", series: { label: "Speech", colourName: "speech", values: timeline.speech } }) : null,
  ];
}

function affectSeries(timeline) {
  return [["Arousal", "arousal"], ["Valence", "valence"]].filter(([, name]) => timeline[name])
    .map(([label, name]) => ({ label, colourName: name, values: timeline[name], dash: name === "valence" ? [7, 4] : undefined }));
}

function gather(summary, charts) {
  const present = charts.filter(Boolean);
  return { summary: summary.filter(Boolean), charts: present.map((chart) => chart.node), plots: present.map((chart) => chart.plot) };
}
