// Arousal over valence as a path that plays with the sound: where it is now, and where it was in the last seconds.

import { isSilent, SILENCE, stepOf, tableOf, UNKNOWN } from "./chart.js";
import { colour } from "./colours.js";
import { element, swatch } from "./dom.js";
import { figure } from "./figure.js";
import { nearest, signed } from "./numbers.js";
import { moment, movedBy } from "./plot.js";
import { Surface } from "./surface.js";

const TRAIL_S = 6; // what is seen of the past
const TRAIL_STEP_S = 0.1; // each is a shade paler than the next
const MOST_PX = 340;
const LEFT_PX = 64;
const BELOW_PX = 40;
const AROUND_PX = 8;
const NEAR_PX = 28; // how far a click may be from the path
const MOST_POINTS = 1500; // of the faint whole
const FONT = "12px system-ui, sans-serif";

/**
 * @param {object} parts
 * @param {import("./layers.js").Moments} parts.moments
 * @param {import("./chart.js").Series[]} parts.series arousal and valence
 */
export function circumplexChart({ title, moments, series, duration, playhead }) {
  const plot = new Circumplex({ label: `${title}, position`, moments, series, x: { start: 0, end: duration }, playhead });
  const note = "Up: more excited. Right: more positive. The dot is now, its trail the last seconds, the ring the mean, the pale line the whole.";
  return { plot, node: figure({ title, unit: "−1 to +1", note, plot, table: tableOf(moments, series, (value) => value.toFixed(3)) }) };
}

/** Values between two moments lie on the line between them; where one is unknown the nearest counts. */
function valueAt({ centre }, values, time) {
  const index = nearest(centre, time);
  if (index < 0) return null;
  const other = centre[index] <= time ? index + 1 : index - 1;
  const [here, there] = [values[index] ?? null, values[other] ?? null];
  if (here === null || there === null) return here;
  return here + ((time - centre[index]) / (centre[other] - centre[index])) * (there - here);
}

class Circumplex {
  #words;
  #strokes = [];
  #known = "";
  #place = null;
  #ended = new AbortController();

  constructor(options) {
    this.options = options;
    this.surface = new Surface((width) => this.#side(width) + AROUND_PX + BELOW_PX, (context, width) => this.#draw(context, width));
    this.#words = element("div", { class: "circumplex-words", "aria-hidden": "true" });
    this.node = element("div", { class: "circumplex" }, this.surface.node, this.#words);
    const roles = { role: "slider", tabindex: "0", "aria-label": options.label, "aria-valuemin": 0 };
    for (const [name, value] of Object.entries(roles)) this.surface.node.setAttribute(name, value);
    this.#listen();
    this.#say();
  }

  /** Change some of the options and draw anew. */
  update(options) {
    Object.assign(this.options, options);
    this.#say();
    this.surface.request();
  }

  /** Stop listening. */
  close() {
    this.#ended.abort();
    this.surface.close();
  }

  #listen() {
    const { signal } = this.#ended;
    const { playhead } = this.options;
    const { node } = this.surface;
    playhead.addEventListener("time", () => { this.#say(); this.surface.request(); }, { signal });
    node.addEventListener("click", (event) => this.#click(event.offsetX, event.offsetY));
    node.addEventListener("keydown", (event) => {
      const { x } = this.options;
      const time = event.key === " " ? playhead.time : movedBy(event.key, playhead.time, stepOf(x.end), x);
      if (time === null) return;
      event.preventDefault();
      if (event.key === " ") playhead.toggle();
      else playhead.seek(time);
    });
  }

  /** Arousal and valence at a time, or null where nobody speaks or nothing is known. */
  #at(time) {
    const { moments, series: [arousal, valence] } = this.options;
    if (isSilent(moments, time)) return null;
    const [up, right] = [arousal, valence].map(({ values }) => valueAt(moments, values, time));
    return up === null || right === null ? null : { time, up, right };
  }

  #say() {
    const { x, moments, playhead, series } = this.options;
    const time = Math.min(playhead.time, x.end);
    const point = this.#at(time);
    const lines = point ? [[series[0], point.up], [series[1], point.right]].map(([{ label, colourName }, value]) => ({ label, colourName, text: signed(value) })) : [];
    const absent = isSilent(moments, time) ? SILENCE : UNKNOWN;
    const { node } = this.surface;
    node.setAttribute("aria-valuemax", x.end);
    node.setAttribute("aria-valuenow", time.toFixed(2));
    node.setAttribute("aria-valuetext", `${moment(time)}: ${lines.map(({ label, text }) => `${label} ${text}`).join(", ") || absent}`);
    this.#words.replaceChildren(element("strong", {}, moment(time)), ...(lines.length
      ? lines.map(({ label, colourName, text }) => element("div", {}, swatch(colourName), label, element("b", {}, text))) : [element("div", { class: "quiet" }, absent)]));
  }

  /** The path in pieces without gaps; made anew when there is more of it. */
  #path() {
    const { moments, series } = this.options;
    const { centre, edges, spoken } = moments;
    const known = `${centre.length} ${edges[edges.length - 1]} ${spoken?.length}`;
    if (known === this.#known) return this.#strokes;
    this.#known = known;
    this.#strokes = [];
    for (const [start, end] of spoken ?? [[edges[0], edges[edges.length - 1]]]) {
      let stroke = [];
      for (const time of [start, ...centre.filter((one) => start < one && one < end), end]) {
        const point = centre.length && series[0].values.length ? this.#at(time) : null;
        if (point) stroke.push(point);
        else if (stroke.length) { this.#strokes.push(stroke); stroke = []; }
      }
      if (stroke.length) this.#strokes.push(stroke);
    }
    return this.#strokes;
  }

  #side(width) { return Math.max(80, Math.min(MOST_PX, width - LEFT_PX - AROUND_PX)); }

  #draw(context, width) {
    const side = this.#side(width);
    const place = { side, x: (value) => LEFT_PX + ((value + 1) / 2) * side, y: (value) => AROUND_PX + ((1 - value) / 2) * side };
    this.#place = place;
    context.font = FONT;
    drawAxes(context, place);
    const strokes = this.#path();
    const points = strokes.flat();
    if (!points.length) return;
    context.save();
    context.beginPath();
    context.rect(LEFT_PX - 8, 0, side + 16, side + 16);
    context.clip();
    context.lineJoin = context.lineCap = "round";
    drawWhole(context, place, strokes, Math.ceil(points.length / MOST_POINTS));
    drawMean(context, place, points);
    const now = this.options.playhead.time;
    this.#drawTrail(context, place, strokes, now);
    const here = this.#at(Math.min(now, this.options.x.end));
    if (here) drawDot(context, place, here);
    context.restore();
  }

  #drawTrail(context, place, strokes, now) {
    context.lineWidth = 3;
    for (const stroke of strokes) {
      const last = stroke[stroke.length - 1].time;
      if (stroke[0].time >= now || last < now - TRAIL_S) continue;
      const [from, to] = [Math.max(stroke[0].time, now - TRAIL_S), Math.min(last, now)];
      const steps = Array.from({ length: Math.floor((to - from) / TRAIL_STEP_S) }, (_, step) => from + step * TRAIL_STEP_S);
      const trail = [...steps, to].map((time) => this.#at(time)).filter(Boolean);
      trail.slice(1).forEach((point, index) => {
        context.strokeStyle = colour("accent", Math.max(0, 1 - (now - point.time) / TRAIL_S) ** 1.5);
        context.beginPath();
        context.moveTo(place.x(trail[index].right), place.y(trail[index].up));
        context.lineTo(place.x(point.right), place.y(point.up));
        context.stroke();
      });
    }
  }

  #click(left, top) {
    if (!this.#place) return;
    const away = ({ up, right }) => Math.hypot(this.#place.x(right) - left, this.#place.y(up) - top);
    const [first] = this.#path().flat().map((point) => ({ point, px: away(point) })).sort((one, other) => one.px - other.px);
    if (first && first.px <= NEAR_PX) this.options.playhead.seek(first.point.time);
  }
}

function drawAxes(context, { side, x, y }) {
  context.fillStyle = colour("panel");
  context.fillRect(x(-1), y(1), side, side);
  for (const value of [-0.5, 0, 0.5]) {
    context.fillStyle = colour(value === 0 ? "rule-strong" : "rule");
    context.fillRect(Math.round(x(value)), y(1), 1, side);
    context.fillRect(x(-1), Math.round(y(value)), side, 1);
  }
  context.fillStyle = colour("quiet");
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const [value, text] of [[1, "+1"], [0, "0"], [-1, "−1"]]) {
    context.fillText(text, x(-1) - 6, Math.min(Math.max(y(value), y(1) + 6), y(-1) - 6));
    context.textAlign = value === 0 ? "center" : value > 0 ? "right" : "left";
    context.fillText(text, x(value), y(-1) + 12);
    context.textAlign = "right";
  }
  context.fillText("excited", x(-1) - 6, y(1) + 24);
  context.fillText("calm", x(-1) - 6, y(-1) - 24);
  context.fillText("positive", x(1), y(-1) + 30);
  context.textAlign = "left";
  context.fillText("negative", x(-1), y(-1) + 30);
}

function drawWhole(context, { x, y }, strokes, every) {
  context.strokeStyle = colour("quiet", 0.4);
  context.lineWidth = 1.25;
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach((point, index) => { if (index % every === 0 || index === stroke.length - 1) context.lineTo(x(point.right), y(point.up)); });
    context.stroke();
  }
}

function drawMean(context, { x, y }, points) {
  const mean = (name) => points.reduce((sum, point) => sum + point[name], 0) / points.length;
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x(mean("right")), y(mean("up")), 6, 0, 2 * Math.PI);
  context.stroke();
}

function drawDot(context, { x, y }, { up, right }) {
  context.fillStyle = colour("accent");
  context.strokeStyle = colour("card");
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x(right), y(up), 7, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}
