// Curves over the time of a recording.

import { choice, figure } from "./figure.js";
import { drawArea, drawBands, drawKnown, drawLines, drawOutline, drawSegments, drawStacked } from "./layers.js";
import { clock, nearest, percent, signed } from "./numbers.js";
import { moment, Plot } from "./plot.js";

export const UNKNOWN = "unknown";
export const SILENCE = "nobody speaks";
const PEAK_ROWS = 100;
const BAND_NOTE = "Pale: where 95 % of refits of the model would put the curve. How people would rate the face differs by far more.";

/**
 * One curve.
 * @typedef {{label: string, colourName: string, values: (number | null)[], halves?: (number | null)[] | null}} Series `halves` of intervals around the values
 */

/** The outline of the sound; what lies behind it is where nobody speaks. */
export function outlineChart({ outline, duration, playhead }) {
  const read = (time) => {
    const index = Math.min(Math.floor((time / outline.duration) * outline.low.length), outline.low.length - 1);
    const peak = Math.max(Math.abs(outline.low[index] ?? 0), Math.abs(outline.high[index] ?? 0));
    return { title: moment(time), lines: [{ name: "Peak", value: percent(peak) }] };
  };
  const loudest = Math.max(...outline.high, ...outline.low.map((value) => -value), 0.05);
  const plot = new Plot({
    label: "Sound, position", height: 64, x: { start: 0, end: duration },
    y: { low: -loudest, high: loudest, format: () => "" }, step: stepOf(duration), playhead, read,
    draw: (context, frame) => drawOutline(context, frame, outline),
  });
  return { plot, node: figure({ title: "Sound", unit: "amplitude", plot, table: peakTable(outline) }) };
}

/** Loudest sample of each of some parts of equal length. */
function peakTable({ low, high, duration }) {
  const perPart = Math.ceil(high.length / PEAK_ROWS);
  const parts = Array.from({ length: Math.ceil(high.length / perPart) }, (_, part) => part * perPart);
  const peak = (first) => Math.max(...high.slice(first, first + perPart), ...low.slice(first, first + perPart).map((value) => -value));
  return () => ({
    heads: ["From", "Peak"],
    rows: parts.map((first) => [clock((first / high.length) * duration, 1), percent(Math.max(0, peak(first)))]),
  });
}

/** Probabilities of the classes: stacked, or as lines. */
export function probabilityChart({ title, note, moments, series, duration, playhead }) {
  const read = readerOf(moments, series, percent, { sorted: true });
  const styles = { stacked: drawStacked, lines: drawLines };
  let style = "stacked";
  const plot = new Plot({
    label: `${title}, position`, height: 190, x: { start: 0, end: duration },
    y: { low: 0, high: 1, format: percent }, step: stepOf(duration), playhead, read,
    draw: (context, frame) => {
      if (series.length) drawKnown(context, frame, moments, series[0].values, () => styles[style](context, frame, moments, series));
    },
  });
  const styleChoice = choice(`Style of ${title}`, [{ value: "stacked", text: "Stacked" }, { value: "lines", text: "Lines" }],
    style, (value) => { style = value; plot.update({}); });
  return {
    plot,
    node: figure({ title, unit: "probability", note, legend: [...series, ...gapLegend(series, moments)], controls: [styleChoice], plot, table: tableOf(moments, series, (value) => value.toFixed(3)) }),
  };
}

/** Utterances as blocks: nothing is claimed between them. */
export function segmentChart({ segments, series, duration, playhead }) {
  const { start_s: start, end_s: end, emotion, confidence, speech_level_db: level } = segments;
  const span = (row) => `${clock(start[row], 1)}–${clock(end[row], 1)}`;
  const read = (time) => {
    const row = start.findIndex((from, index) => from <= time && time <= end[index]);
    if (row < 0) return { title: moment(time), lines: [{ name: SILENCE, value: "" }] };
    const lines = series.map(({ label, colourName, values }) => ({ name: label, colour: colourName, known: values[row] ?? 0, value: values[row] === null ? UNKNOWN : percent(values[row]) }));
    lines.sort((one, other) => other.known - one.known);
    return { title: span(row), lines: [...lines, { name: "Evidence", value: percent(confidence[row]) }] };
  };
  const plot = new Plot({
    label: "Utterances, position", height: 120, x: { start: 0, end: duration }, y: { low: 0, high: 1, format: percent },
    step: stepOf(duration), playhead, read,
    draw: (context, frame) => drawSegments(context, frame, { start, end, confidence }, series),
  });
  const table = () => ({
    heads: ["Utterance", "Emotion", ...series.map(({ label }) => label), "Level, dB", "Evidence"],
    rows: start.map((_, row) => [span(row), emotion[row] ?? UNKNOWN, ...series.map(({ values }) => (values[row] === null ? UNKNOWN : values[row].toFixed(3))),
      level[row] === null ? UNKNOWN : signed(level[row], 1), percent(confidence[row])]),
  });
  const legend = [...series, { label: "Nobody speaks", colourName: "unknown" }];
  const note = "One block for each utterance. Pale blocks hold little speech.";
  return { plot, node: figure({ title: "Utterances", unit: "probability", note, legend, plot, table }) };
}

/** Who speaks when: one block for each turn. @param {{start_s: number[], end_s: number[], speaker: string[]}} turns */
export function turnChart({ turns, series, duration, playhead }) {
  const { start_s: start, end_s: end, speaker } = turns;
  const span = (row) => `${clock(start[row], 1)}–${clock(end[row], 1)}`;
  const read = (time) => {
    const row = start.findIndex((from, index) => from <= time && time <= end[index]);
    return row < 0 ? { title: moment(time), lines: [{ name: SILENCE, value: "" }] }
      : { title: span(row), lines: [{ name: `Speaker ${speaker[row]}`, colour: series.find(({ label }) => label === `Speaker ${speaker[row]}`).colourName, value: "" }] };
  };
  const plot = new Plot({
    label: "Speakers, position", height: 52, x: { start: 0, end: duration }, y: { low: 0, high: 1, format: () => "" }, step: stepOf(duration), playhead, read,
    draw: (context, frame) => drawSegments(context, frame, { start, end, confidence: start.map(() => 1) }, series),
  });
  const table = () => ({ heads: ["Turn", "Speaker"], rows: start.map((_, row) => [span(row), speaker[row]]) });
  return { plot, node: figure({ title: "Speakers", unit: "turns", legend: [...series, { label: "Nobody speaks", colourName: "unknown" }], plot, table }) };
}

/** Lines between −1 and 1. */
export function affectChart({ title, note, moments, series, duration, playhead }) {
  return lineChart({ title, note, unit: "−1 to +1", moments, series, duration, playhead, low: -1, high: 1, height: 150, format: signed, axis: (value) => signed(value, 1) });
}

/** One share between 0 and 1 as an area. */
export function shareChart({ title, moments, series, duration, playhead }) {
  return lineChart({ title, unit: "share", moments, series: [series], duration, playhead, low: 0, high: 1, height: 52, format: percent, isArea: true });
}

function lineChart({ title, note, unit, moments, series, duration, playhead, low, high, height, format, axis = format, isArea = false }) {
  const plot = new Plot({
    label: `${title}, position`, height, x: { start: 0, end: duration }, y: { low, high, format: axis },
    step: stepOf(duration), playhead, read: readerOf(moments, series, format),
    draw: (context, frame) => {
      if (!series.length) return;
      drawKnown(context, frame, moments, series[0].values, () => {
        if (isArea) drawArea(context, frame, moments, series[0]);
        else {
          drawBands(context, frame, moments, series);
          drawLines(context, frame, moments, series);
        }
      });
    },
  });
  const hasBand = series.some(({ halves }) => halves?.some((half) => half !== null));
  const legend = [...(series.length > 1 ? series : []), ...gapLegend(series, moments)];
  return { plot, node: figure({ title, unit, note: hasBand ? BAND_NOTE : note, legend, plot, table: tableOf(moments, series, (value) => value.toFixed(3)) }) };
}

/** What the grey means, where there is any. */
function gapLegend(series, { spoken }) {
  if (spoken) return [{ label: "Nobody speaks", colourName: "unknown" }];
  return series[0]?.values.some((value) => value === null) ? [{ label: "Not known", colourName: "unknown" }] : [];
}

function readerOf(moments, series, format, { sorted = false } = {}) {
  return (time) => {
    const index = nearest(moments.centre, time);
    if (isSilent(moments, time)) return { title: moment(time), lines: [{ name: SILENCE, value: "" }] };
    const lines = series.map(({ label, colourName, values, halves }) => ({
      name: label, colour: colourName, known: values[index] ?? null,
      value: (values[index] ?? null) === null ? UNKNOWN : format(values[index]) + ((halves?.[index] ?? null) === null ? "" : ` ± ${halves[index].toFixed(2)}`),
    }));
    if (sorted) lines.sort((one, other) => (other.known ?? 0) - (one.known ?? 0));
    return { title: moment(time), lines };
  };
}

/** Reads the table of some series. */
export function tableOf(moments, series, format) {
  return () => ({
    heads: ["Time", ...series.map(({ label }) => label)],
    rows: moments.centre.map((time, index) => [clock(time, 1), ...series.map(({ values }) =>
      (isSilent(moments, time) ? SILENCE : (values[index] ?? null) === null ? UNKNOWN : format(values[index])))]),
  });
}

/** Whether it is known that nobody speaks at a time. */
export function isSilent({ spoken }, time) {
  return Boolean(spoken) && !spoken.some(([start, end]) => start <= time && time <= end);
}

/** Seconds that an arrow key moves: a fiftieth of the recording, at least a tenth of a second. */
export function stepOf(duration) {
  return Math.max(0.1, Math.round(duration * 2) / 100);
}
