// Axes, cursor, hover readout, pointer and keyboard of every plot; what is drawn inside comes from layers.

import { element, swatch } from "./dom.js";
import { colour } from "./colours.js";
import { clock, timeTicks, valueTicks } from "./numbers.js";
import { Surface } from "./surface.js";

const FONT = "12px system-ui, sans-serif";
const BELOW_PX = 22;
const ABOVE_PX = 6;
const RIGHT_PX = 10;
const NARROW_PX = 480;
const LEFT_PX = 52;
const HOUR_S = 3600;

/**
 * What a plot needs to know.
 * @typedef {object} PlotOptions
 * @property {string} label what screen readers call it
 * @property {number} height of the inner area, in CSS pixels
 * @property {{start: number, end: number, title?: string}} x seconds
 * @property {{low: number, high: number, format: (value: number) => string} | {rows: string[], narrow?: string[], widest?: number}} y
 * @property {(context: CanvasRenderingContext2D, frame: Frame) => void} draw
 * @property {(x: number, row: number) => {title: string, lines: {colour?: string, name: string, value: string}[]}} read
 * @property {number} step seconds that an arrow key moves
 * @property {import("./playhead.js").Playhead} [playhead] shared position; without one the plot has a cursor of its own
 */

/** Where things are: pixels of the inner area and the way from values to pixels. */
class Frame {
  constructor(left, top, width, height, x, y) {
    Object.assign(this, { left, top, width, height });
    this.start = x.start;
    this.end = Math.max(x.end, x.start + 1e-6);
    this.rows = y.rows?.length ?? 0;
    this.low = this.rows ? 0 : y.low;
    this.high = this.rows ? this.rows : y.high;
  }

  x(value) { return this.left + ((value - this.start) / (this.end - this.start)) * this.width; }

  y(value) { return this.top + (1 - (value - this.low) / (this.high - this.low)) * this.height; }

  time(px) {
    const share = Math.min(Math.max((px - this.left) / this.width, 0), 1);
    return this.start + share * (this.end - this.start);
  }

  row(px) {
    if (!this.rows) return 0;
    return Math.min(Math.max(Math.floor(((px - this.top) / this.height) * this.rows), 0), this.rows - 1);
  }
}

export class Plot {
  /** @param {PlotOptions} options */
  constructor(options) {
    this.options = options;
    this.surface = new Surface(() => this.options.height + ABOVE_PX + this.#below(), (context, width) => this.#draw(context, width));
    this.node = this.surface.node;
    this.#cursor = element("div", { class: "cursor", hidden: true });
    this.#hover = element("div", { class: "cursor hover", hidden: true });
    this.#readout = element("div", { class: "readout", hidden: true, "aria-hidden": "true" });
    this.node.append(this.#hover, this.#cursor, this.#readout);
    this.#own = { time: options.x.start, row: 0 };
    this.#prepare();
    this.#listen();
  }

  #cursor;
  #hover;
  #readout;
  #own;
  #frame = null;
  #isHovered = false;
  #ended = new AbortController();

  /** Change some of the options and draw anew. */
  update(options) {
    Object.assign(this.options, options);
    this.#prepare();
    this.surface.request();
  }

  /** Stop listening. */
  close() {
    this.#ended.abort();
    this.surface.close();
  }

  #below() { return this.options.x.title ? BELOW_PX + 16 : BELOW_PX; }

  #prepare() {
    const { label, x } = this.options;
    const roles = { role: "slider", tabindex: "0", "aria-label": label, "aria-valuemin": x.start, "aria-valuemax": x.end };
    for (const [name, value] of Object.entries(roles)) this.node.setAttribute(name, value);
    this.#say();
  }

  /** The part that is shown. */
  get #shown() { return this.options.playhead?.view(this.options.x.end) ?? this.options.x; }

  get #time() { return this.options.playhead ? this.options.playhead.time : this.#own.time; }

  #say() {
    const time = Math.min(Math.max(this.#time, this.options.x.start), this.options.x.end);
    const { title, lines } = this.options.read(time, this.#own.row);
    this.node.setAttribute("aria-valuenow", time.toFixed(2));
    this.node.setAttribute("aria-valuetext", `${title}: ${lines.map((line) => `${line.name} ${line.value}`).join(", ")}`);
  }

  #listen() {
    const signal = this.#ended.signal;
    const { playhead } = this.options;
    const on = (name, listener) => this.node.addEventListener(name, listener, { signal });
    on("pointermove", (event) => this.#point(event));
    on("pointerleave", () => this.#leave());
    on("pointerdown", (event) => {
      this.#point(event);
      if (event.button !== 0) return;
      this.#go(this.#frame.time(event.offsetX), this.#frame.row(event.offsetY));
      if (event.pointerType === "mouse") this.node.setPointerCapture(event.pointerId);
    });
    on("focus", () => { this.#say(); if (this.node.matches(":focus-visible")) this.#showReadout(this.#time, this.#own.row); });
    on("blur", () => this.#leave());
    on("keydown", (event) => this.#key(event));
    playhead?.addEventListener("time", () => this.#place(), { signal });
    playhead?.addEventListener("hover", () => this.#place(), { signal });
    playhead?.addEventListener("view", () => this.surface.request(), { signal });
  }

  #point(event) {
    if (!this.#frame) return;
    this.#isHovered = true;
    const time = this.#frame.time(event.offsetX);
    const row = this.#frame.row(event.offsetY);
    if (event.buttons & 1 && event.pointerType === "mouse") this.#go(time, row);
    this.options.playhead?.point(time);
    this.#showReadout(time, row, event.offsetY);
  }

  #leave() {
    this.#isHovered = false;
    this.#readout.hidden = true;
    this.options.playhead?.point(null);
  }

  #go(time, row) {
    this.#own = { time, row, isChosen: true };
    this.options.playhead?.seek(time);
    this.#say();
    this.#place();
  }

  #key(event) {
    const { x, y, playhead } = this.options;
    const step = (this.options.step * (this.#shown.end - this.#shown.start)) / (x.end - x.start);
    const rows = y.rows?.length ?? 0;
    let { row } = this.#own;
    const moved = movedBy(event.key, this.#time, step, x);
    const time = moved ?? this.#time;
    if (rows && event.key === "ArrowUp") row -= 1;
    else if (rows && event.key === "ArrowDown") row += 1;
    else if (event.key === " " && playhead) playhead.toggle();
    else if (event.key === "Escape") this.#readout.hidden = true;
    else if (moved === null) return;
    event.preventDefault();
    if (event.key === " " || event.key === "Escape") return;
    this.#go(time, Math.min(Math.max(row, 0), Math.max(rows - 1, 0)));
    this.#showReadout(this.#time, this.#own.row);
  }

  #place() {
    if (!this.#frame) return;
    const { playhead } = this.options;
    this.#line(this.#cursor, playhead ? playhead.time : this.#own.time);
    if (!playhead && this.#frame.rows) this.#cell();
    this.#line(this.#hover, playhead ? playhead.hover : null);
    if (!this.#isHovered && !this.#readout.hidden && playhead) this.#showReadout(playhead.time, this.#own.row);
  }

  #line(node, time) {
    const frame = this.#frame;
    node.hidden = time === null || time < frame.start || time > frame.end;
    if (node.hidden) return;
    node.style.transform = `translateX(${frame.x(time)}px)`;
    node.style.top = `${frame.top}px`;
    node.style.height = `${frame.height}px`;
  }

  /** Where there is no common position, the cursor marks one cell, once one was chosen. */
  #cell() {
    const { top, height, rows } = this.#frame;
    this.#cursor.hidden ||= !this.#own.isChosen;
    this.#cursor.style.top = `${top + (this.#own.row / rows) * height}px`;
    this.#cursor.style.height = `${height / rows}px`;
  }

  #showReadout(time, row, atPx = null) {
    const frame = this.#frame;
    if (!frame) return;
    const { title, lines } = this.options.read(time, row);
    this.#readout.replaceChildren(element("strong", {}, title), ...lines.map((line) =>
      element("div", {}, line.colour ? swatch(line.colour) : null, element("span", {}, line.name), element("b", {}, line.value))));
    this.#readout.hidden = false;
    const px = frame.x(time);
    const width = this.#readout.offsetWidth;
    const left = px + width + 18 < this.surface.width ? px + 14 : Math.max(0, px - width - 14);
    const rowPx = frame.rows ? frame.top + ((row + 0.5) / frame.rows) * frame.height : frame.top + 4;
    const top = Math.min((frame.rows ? atPx ?? rowPx : rowPx), Math.max(0, this.surface.height - this.#readout.offsetHeight));
    this.#readout.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  #draw(context, width) {
    const { x, y, height, draw } = this.options;
    context.font = FONT;
    const left = y.rows ? this.#gutter(context, width) : LEFT_PX;
    const frame = new Frame(left, ABOVE_PX, width - left - RIGHT_PX, height, this.#shown, y);
    this.#frame = frame;
    context.fillStyle = colour("panel");
    context.fillRect(frame.left, frame.top, frame.width, frame.height);
    if (!frame.rows) this.#grid(context, frame);
    context.save();
    context.beginPath();
    context.rect(frame.left, frame.top, frame.width, frame.height);
    context.clip();
    draw(context, frame);
    context.restore();
    this.#axes(context, frame);
    this.#place();
  }

  #gutter(context, width) {
    const { widest } = this.options.y;
    if (!widest) return LEFT_PX;
    const needed = Math.max(...this.#rowLabels(width).map((text) => context.measureText(text).width)) + 12;
    return Math.min(needed, widest, width * 0.42);
  }

  #rowLabels(width) {
    const { rows, narrow } = this.options.y;
    return width < NARROW_PX && narrow ? narrow : rows;
  }

  #grid(context, frame) {
    const { y } = this.options;
    context.strokeStyle = colour("rule");
    context.lineWidth = 1;
    for (const tick of valueTicks(y.low, y.high, frame.height, 42, y.format)) {
      const at = Math.round(frame.y(tick.at)) + 0.5;
      context.globalAlpha = tick.at === 0 ? 1 : 0.55;
      context.beginPath();
      context.moveTo(frame.left, at);
      context.lineTo(frame.left + frame.width, at);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  #axes(context, frame) {
    const { x, y } = this.options;
    context.fillStyle = colour("quiet");
    context.strokeStyle = colour("rule-strong");
    context.textBaseline = "middle";
    context.textAlign = "right";
    const marks = y.rows
      ? this.#rowLabels(this.surface.width).map((text, row) => ({ px: frame.top + ((row + 0.5) / frame.rows) * frame.height, text }))
      : valueTicks(y.low, y.high, frame.height, 42, y.format).map((tick) => ({ px: frame.y(tick.at), text: tick.text }));
    for (const { px, text } of marks) context.fillText(fitted(context, text, frame.left - 8), frame.left - 7, px);
    const bottom = frame.top + frame.height;
    context.textBaseline = "top";
    const unit = x.ticks ? "" : frame.end < HOUR_S ? "min:s" : "h:min:s";
    context.textAlign = "left";
    context.fillText(unit, 0, bottom + 7);
    const free = context.measureText(unit).width + 8; // a first label makes way for the unit
    context.textAlign = "center";
    for (const tick of x.ticks?.(frame.width) ?? timeTicks(frame.start, frame.end, frame.width)) {
      const px = Math.round(frame.x(tick.at)) + 0.5;
      context.beginPath();
      context.moveTo(px, bottom);
      context.lineTo(px, bottom + 4);
      context.stroke();
      const half = context.measureText(tick.text).width / 2;
      const centre = Math.max(free + half, Math.min(px, frame.left + frame.width + RIGHT_PX - half));
      context.fillText(tick.text, centre, bottom + 7);
    }
    if (x.title) context.fillText(x.title, frame.left + frame.width / 2, bottom + 23);
  }
}

function fitted(context, text, widthPx) {
  if (context.measureText(text).width <= widthPx) return text;
  let short = text;
  while (short.length > 1 && context.measureText(`${short}…`).width > widthPx) short = short.slice(0, -1);
  return `${short}…`;
}

/** Where a key leads from a time, or null for keys that do not lead along. @param {{start: number, end: number}} bounds */
export function movedBy(key, time, step, { start, end }) {
  const moves = { ArrowLeft: time - step, ArrowRight: time + step, PageUp: time - 10 * step, PageDown: time + 10 * step, Home: start, End: end };
  return key in moves ? Math.min(Math.max(moves[key], start), end) : null;
}

/** Title of a readout at a moment of the recording. */
export function moment(time) {
  return clock(time, 1);
}
