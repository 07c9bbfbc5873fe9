// Cells in colour: action units over time, and what moved the answer over lags.

import { rgb, scale } from "./colours.js";
import { element } from "./dom.js";
import { choice, figure, scaleBar } from "./figure.js";
import { drawCells, drawUnknown, momentsOfSteps } from "./layers.js";
import { clock, nearest, signed } from "./numbers.js";
import { moment, Plot } from "./plot.js";
import { stepOf } from "./chart.js";
import { capital, featureInShort, featureInWords, unitInWords } from "./words.js";

const ROW_PX = 15;
const MOST_INTENSE = 5;
const MATTERING_SHARE = 0.8; // of all contributions: the rows that make it up are shown, the others as one
const UNITS_NOTE = "Movements of the face by the Facial Action Coding System: point at a row for its name.";
const INTENSITY = ["panel", "intensity-1", "intensity-2", "intensity-3"];
// PiYG of ColorBrewer (Brewer et al. 2003); the style sheet turns it round its middle for dark pages.
const PINK_TO_GREEN = ["piyg-0", "piyg-1", "piyg-2", "piyg-3", "piyg-4", "piyg-5", "piyg-6", "piyg-7", "piyg-8", "piyg-9", "piyg-10"];

/** Intensities of the action units, 0…5, ten times a second. */
export function actionUnitMap({ units, time, duration, playhead, title = "Action units", note = UNITS_NOTE }) {
  const names = Object.keys(units);
  const rows = Object.values(units);
  const moments = momentsOfSteps(time, duration);
  const known = names.length ? rows[0] : [];
  const strongest = Math.max(1, ...rows.map((values) => values.reduce((most, value) => Math.max(most, value ?? 0), 0)));
  const top = Math.min(MOST_INTENSE, Math.ceil(strongest));
  const text = (value) => ((value ?? null) === null ? "unknown" : value.toFixed(2));
  const plot = new Plot({
    label: `${title}, position`, height: names.length * ROW_PX, x: { start: 0, end: duration }, y: { rows: names },
    step: stepOf(duration), playhead,
    read: (at, row) => ({ title: moment(at), lines: [{ name: unitInWords(names[row]), value: text(rows[row]?.[nearest(time, at)]) }] }),
    draw: (context, frame) => {
      drawUnknown(context, frame, moments, known);
      const paint = scale(INTENSITY);
      drawCells(context, frame, moments, rows, (value) => paint(value / top));
    },
  });
  const table = () => ({
    heads: ["Time", ...names.map(unitInWords)],
    rows: time.map((at, index) => [clock(at, 1), ...rows.map((values) => text(values[index]))]),
  });
  return { plot, node: figure({ title, unit: "intensity", note, scale: scaleBar(INTENSITY, "0", String(top)), plot, table }) };
}

/** What raised and what lowered arousal or valence: when, in words, and input by input and lag by lag. */
export function attributionMap({ attribution, playhead }) {
  const { features, lags_s: lags } = attribution;
  const edges = momentsOfSteps(lags.map((lag) => lag - lags[0]), lags[lags.length - 1] - lags[0] + 1).edges.map((edge) => edge + lags[0]);
  const moments = { centre: lags, edges };
  let target = "valence";
  let isWhole = false;
  const view = () => viewOf(attribution, target, isWhole);
  let shown = view();
  const plot = new Plot({
    label: "Attribution, cell", x: { start: edges[0], end: edges[edges.length - 1], title: "seconds before (−) or after (+)", ticks: lagTicks(edges) },
    step: lags.length > 1 ? lags[1] - lags[0] : 0.1,
    ...shapeOf(shown),
    read: (lag, row) => {
      const value = shown.rows[row]?.[nearest(lags, lag)];
      return {
        title: `${signed(lag, 1)} s`,
        lines: [{ name: shown.labels[row] ?? "", value: value === undefined ? "" : precise(value) },
          { name: "All lags", value: precise(shown.sums[row] ?? 0) }],
      };
    },
    draw: (context, frame) => {
      const paint = scale(PINK_TO_GREEN);
      drawCells(context, frame, moments, shown.rows, (value) => paint(0.5 + value / (2 * shown.largest)));
      context.fillStyle = `rgb(${rgb("quiet").join(" ")} / 0.7)`;
      context.fillRect(Math.round(frame.x(0)), frame.top, 1, frame.height);
    },
  });
  const redraw = () => { shown = view(); plot.update(shapeOf(shown)); };
  const controls = [
    choice("Attribution of", [{ value: "arousal", text: "Arousal" }, { value: "valence", text: "Valence" }], target,
      (value) => { target = value; redraw(); }),
    choice("Rows of the attribution", [{ value: "few", text: "What matters" }, { value: "all", text: `All ${features.length}` }], "few",
      (value) => { isWhole = value === "all"; redraw(); }),
  ];
  const table = () => {
    const { labels, sums } = viewOf(attribution, target, true);
    return { heads: ["Input", `All lags, ${target}`], rows: [["A face at rest", precise(attribution[`${target}_baseline`])], ...labels.map((label, row) => [label, precise(sums[row])])] };
  };
  const note = `What moved the answer away from that of a face at rest (arousal ${signed(attribution.arousal_baseline)}, valence ${signed(attribution.valence_baseline)}), by input and by how long before or after.`;
  const node = figure({ title: "Why: attribution", note, scale: scaleBar(PINK_TO_GREEN, "lowered it", "raised it"), controls, plot, table });
  node.querySelector("figcaption").append(momentList(attribution.moments, playhead));
  return { plot, node };
}

/** Such as 'brows lowered, 0:12–0:15: valence −0.21'; a click goes there. */
function momentList({ target, start_s: start, end_s: end, contribution, words }, playhead) {
  const text = (row) => `${capital(words[row])}, ${clock(start[row])}–${clock(end[row])}: ${target[row]} ${signed(contribution[row])}`;
  return element("ul", { class: "moments", "aria-label": "What moved it most" }, words.map((_, row) =>
    element("li", {}, element("button", { type: "button", class: "plain", onclick: () => playhead.seek(start[row]) }, text(row)))));
}

function shapeOf(shown) {
  return { height: shown.rows.length * ROW_PX, y: { rows: shown.labels, narrow: shown.codes, widest: 210 } };
}

function viewOf(attribution, target, isWhole) {
  const sums = attribution[`${target}_by_feature`];
  const order = sums.map((_, index) => index).sort((one, other) => Math.abs(sums[other]) - Math.abs(sums[one]));
  const shown = isWhole ? order : order.slice(0, matteringCount(order.map((index) => Math.abs(sums[index]))));
  const rows = shown.map((index) => attribution[target][index]);
  const largest = Math.max(1e-9, ...rows.map((cells) => cells.reduce((most, cell) => Math.max(most, Math.abs(cell)), 0)));
  const view = { rows, largest, sums: shown.map((index) => sums[index]),
    labels: shown.map((index) => featureInWords(attribution.features[index])), codes: shown.map((index) => featureInShort(attribution.features[index])) };
  const others = order.slice(shown.length);
  if (others.length) {
    view.rows.push(attribution.lags_s.map((_, lag) => others.reduce((sum, index) => sum + attribution[target][index][lag], 0)));
    view.sums.push(others.reduce((sum, index) => sum + sums[index], 0));
    view.labels.push(`the other ${others.length}`);
    view.codes.push("others");
  }
  return view;
}

/** How many of these, which fall, make up the share that matters. */
function matteringCount(sizes) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let sum = 0;
  return 1 + sizes.findIndex((size) => { sum += size; return sum >= MATTERING_SHARE * total; });
}

function lagTicks(edges) {
  return (widthPx) => {
    const span = edges[edges.length - 1] - edges[0];
    const step = [1, 2, 5, 10].find((candidate) => span / candidate <= Math.max(2, widthPx / 50)) ?? span;
    const first = Math.ceil(edges[0] / step);
    const count = Math.floor(edges[edges.length - 1] / step) - first + 1;
    return Array.from({ length: Math.max(count, 0) }, (_, index) => (first + index) * step).map((at) => ({ at, text: at === 0 ? "0" : signed(at, 0) }));
  };
}

function precise(value) {
  return signed(value, Math.abs(value) < 0.01 ? 5 : 3);
}
