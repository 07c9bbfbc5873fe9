// What is drawn inside a plot: lines, stacked areas, an outline, cells. Values that are null leave a gap.

import { colour } from "./colours.js";

const POINTS_PER_PX = 2;
const FAINTEST = 0.25; // opacity of a row without evidence
const LEAST_BLOCK_PX = 2;
const LEAST_SEAM_PX = 5; // where windows are narrower, seams between the areas would hide them

/**
 * Moments of a series: `centre` of what each value covers, and `edges` between neighbours (one more than values).
 * @typedef {{centre: number[], edges: number[], confidence?: number[] | null, spoken?: [number, number][] | null}} Moments
 */

/**
 * Moments of windows that may overlap; a gap between two windows is shared by both.
 * @param {number[] | null} [confidence] amount of evidence in each, 0…1
 * @param {[number, number][] | null} [spoken] when somebody speaks; null where that is not known
 */
export function momentsOfWindows(start, end, confidence = null, spoken = null) {
  const centre = start.map((value, index) => (value + end[index]) / 2);
  return { centre, edges: edgesOf(centre, start[0] ?? 0, end[end.length - 1] ?? 0), confidence, spoken };
}

/** Moments of values that stand for a point in time each. */
export function momentsOfSteps(time, duration) {
  const half = time.length > 1 ? (time[1] - time[0]) / 2 : 0;
  const last = time[time.length - 1] ?? 0;
  return { centre: time, edges: edgesOf(time, Math.max(0, (time[0] ?? 0) - half), Math.max(last, Math.min(last + half, duration))) };
}

function edgesOf(centre, first, last) {
  return [first, ...centre.slice(1).map((value, index) => (centre[index] + value) / 2), last];
}

/** Runs of neighbours that are all known, as [first, end) of indices between two. */
function runs(values, from = 0, to = values.length) {
  const found = [];
  let first = -1;
  for (let index = from; index < to; index += 1) {
    const isKnown = values[index] !== null;
    if (isKnown && first < 0) first = index;
    if (!isKnown && first >= 0) { found.push([first, index]); first = -1; }
  }
  if (first >= 0) found.push([first, to]);
  return found;
}

/** [first, end) of what the frame shows, and one more on either side, where lines come from. */
function shown(frame, { centre, edges }) {
  let from = 0;
  let to = centre.length;
  while (from < to && edges[from + 1] < frame.start) from += 1;
  while (to > from && edges[to - 1] > frame.end) to -= 1;
  return [Math.max(from - 1, 0), Math.min(to + 1, centre.length)];
}

/** Points of one run, level to its own edges; at most a few a pixel, lows and highs kept. */
function points(frame, moments, values, first, end) {
  const found = [[frame.x(moments.edges[first]), values[first]]];
  const perPoint = Math.ceil((end - first) / (frame.width * POINTS_PER_PX));
  for (let index = first; index < end; index += perPoint) {
    if (perPoint === 1) {
      found.push([frame.x(moments.centre[index]), values[index]]);
      continue;
    }
    const bucket = values.slice(index, Math.min(index + perPoint, end));
    const px = frame.x(moments.centre[index]);
    found.push([px, Math.min(...bucket)], [px, Math.max(...bucket)]);
  }
  found.push([frame.x(moments.edges[end]), values[end - 1]]);
  return found;
}

/** One line for each series. */
export function drawLines(context, frame, moments, series) {
  const part = shown(frame, moments);
  context.lineWidth = 2;
  context.lineJoin = "round";
  context.lineCap = "round";
  for (const { colourName, values, dash } of series) {
    context.strokeStyle = colour(colourName);
    context.setLineDash(dash ?? []);
    for (const [first, end] of runs(values, ...part)) {
      context.beginPath();
      for (const [px, value] of points(frame, moments, values, first, end)) context.lineTo(px, frame.y(value));
      context.stroke();
    }
  }
  context.setLineDash([]);
}

/** A pale band around each series that tells how uncertain its values are. */
export function drawBands(context, frame, moments, series) {
  const part = shown(frame, moments);
  for (const { colourName, values, halves } of series) {
    if (!halves?.length) continue;
    const edge = (sign) => values.map((value, index) => (value === null || (halves[index] ?? null) === null ? null : value + sign * halves[index]));
    const [low, high] = [edge(-1), edge(1)];
    context.fillStyle = colour(colourName, 0.2);
    for (const [first, end] of runs(low, ...part)) {
      const line = [...points(frame, moments, high, first, end), ...points(frame, moments, low, first, end).reverse()];
      context.beginPath();
      for (const [px, value] of line) context.lineTo(px, frame.y(value));
      context.fill();
    }
  }
}

/** Series on top of one another; all of them are known at the same moments. */
export function drawStacked(context, frame, moments, series) {
  if (!series.length) return;
  const [from, to] = shown(frame, moments);
  const perColumn = Math.max(1, Math.floor((to - from) / (frame.width * POINTS_PER_PX)));
  for (const [first, end] of runs(series[0].values, from, to)) {
    let below = series[0].values.map(() => 0);
    for (const { colourName, values } of series) {
      const above = values.map((value, index) => below[index] + (value ?? 0));
      context.fillStyle = colour(colourName);
      context.beginPath();
      trace(context, frame, moments, above, first, end, perColumn);
      trace(context, frame, moments, below, first, end, perColumn, true);
      context.closePath();
      context.fill();
      if (frame.width / (to - from) > LEAST_SEAM_PX) {
        context.strokeStyle = colour("panel");
        context.lineWidth = 0.75;
        context.stroke();
      }
      below = above;
    }
  }
}

function trace(context, frame, moments, values, first, end, perColumn, backwards = false) {
  const line = [[moments.edges[first], values[first]]];
  for (let index = first; index < end; index += perColumn) line.push([moments.centre[index], values[index]]);
  line.push([moments.edges[end], values[end - 1]]);
  for (const [time, value] of backwards ? line.reverse() : line) context.lineTo(frame.x(time), frame.y(value));
}

/** The area between zero and one series. */
export function drawArea(context, frame, moments, { colourName, values }) {
  for (const [first, end] of runs(values, ...shown(frame, moments))) {
    const line = points(frame, moments, values, first, end);
    context.beginPath();
    context.moveTo(line[0][0], frame.y(0));
    for (const [px, value] of line) context.lineTo(px, frame.y(value));
    context.lineTo(line[line.length - 1][0], frame.y(0));
    context.fillStyle = colour(colourName, 0.35);
    context.fill();
  }
  drawLines(context, frame, moments, [{ colourName, values }]);
}

/** Grey, wherever nothing is known. */
export function drawUnknown(context, frame, moments, values) {
  context.fillStyle = colour("unknown");
  for (const [first, end] of runs(values.map((value) => (value === null ? true : null)))) {
    const left = frame.x(moments.edges[first]);
    context.fillRect(left, frame.top, Math.max(frame.x(moments.edges[end]) - left, 0.5), frame.height);
  }
}

/** Draw what is known: grey where nobody speaks or a value is null, faded where there is little evidence. */
export function drawKnown(context, frame, moments, values, draw) {
  context.save();
  if (moments.spoken) {
    context.fillStyle = colour("unknown");
    context.fillRect(frame.left, frame.top, frame.width, frame.height);
    context.beginPath();
    for (const [start, end] of moments.spoken) context.rect(frame.x(start), frame.top, frame.x(end) - frame.x(start), frame.height);
    context.clip();
    context.fillStyle = colour("panel");
    context.fillRect(frame.left, frame.top, frame.width, frame.height);
  }
  drawUnknown(context, frame, moments, values);
  draw();
  moments.confidence?.forEach((confidence, row) => {
    if (values[row] === null) return;
    context.fillStyle = colour("panel", 1 - opacityOf(confidence));
    const left = frame.x(moments.edges[row]);
    context.fillRect(left, frame.top, frame.x(moments.edges[row + 1]) - left, frame.height);
  });
  context.restore();
}

/** How strongly a row of this much evidence is drawn. */
function opacityOf(confidence) {
  return FAINTEST + (1 - FAINTEST) * Math.min(Math.max(confidence ?? 1, 0), 1);
}

/** Utterances as blocks from their beginning to their end: the classes on top of one another, faded by evidence. */
export function drawSegments(context, frame, { start, end, confidence }, series) {
  context.fillStyle = colour("unknown");
  context.fillRect(frame.left, frame.top, frame.width, frame.height);
  start.forEach((from, row) => {
    if (end[row] < frame.start || from > frame.end) return;
    const left = frame.x(from);
    const width = Math.max(frame.x(end[row]) - left, LEAST_BLOCK_PX);
    context.fillStyle = colour("panel");
    context.fillRect(left, frame.top, width, frame.height);
    context.globalAlpha = opacityOf(confidence[row]);
    let below = 0;
    for (const { colourName, values } of series) {
      const above = below + (values[row] ?? 0);
      context.fillStyle = colour(colourName);
      context.fillRect(left, frame.y(above), width, frame.y(below) - frame.y(above));
      below = above;
    }
    context.globalAlpha = 1;
  });
}

/** Lowest and highest sample of each pixel's share of a recording. */
export function drawOutline(context, frame, outline) {
  context.fillStyle = colour("wave");
  const count = outline.low.length;
  const perPx = count / ((outline.duration / (frame.end - frame.start)) * frame.width);
  const before = (frame.start / outline.duration) * count;
  for (let px = 0; px < frame.width; px += 1) {
    const from = Math.floor(before + px * perPx);
    const to = Math.max(from + 1, Math.floor(before + (px + 1) * perPx));
    if (from >= count) break;
    let low = 1;
    let high = -1;
    for (let index = from; index < to && index < count; index += 1) {
      low = Math.min(low, outline.low[index]);
      high = Math.max(high, outline.high[index]);
    }
    const top = frame.y(high);
    context.fillRect(frame.left + px, top, 1, Math.max(frame.y(low) - top, 1));
  }
}

/**
 * Cells of rows over time.
 * @param {Moments} moments of the columns
 * @param {(number | null)[][]} rows
 * @param {(value: number) => number[]} paint from a value to red, green, blue
 */
export function drawCells(context, frame, moments, rows, paint) {
  const [from, to] = shown(frame, moments);
  if (to <= from || !rows.length) return;
  const perColumn = Math.max(1, Math.floor((to - from) / (frame.width * POINTS_PER_PX)));
  const width = Math.ceil((to - from) / perColumn);
  const image = new ImageData(width, rows.length);
  rows.forEach((values, row) => {
    for (let column = 0; column < width; column += 1) {
      const value = values[from + column * perColumn];
      if (value === null) continue;
      image.data.set([...paint(value).map(Math.round), 255], 4 * (row * width + column));
    }
  });
  const small = document.createElement("canvas");
  small.width = width;
  small.height = rows.length;
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  const left = frame.x(moments.edges[from]);
  context.drawImage(small, left, frame.top, frame.x(moments.edges[to]) - left, frame.height);
  context.fillStyle = colour("paper", 0.5);
  for (let row = 1; row < rows.length; row += 1) {
    context.fillRect(frame.left, frame.top + (row / rows.length) * frame.height - 0.5, frame.width, 1);
  }
}
