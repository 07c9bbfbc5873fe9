// The frame around a plot: heading, legend, controls, plot, table.

import { element, swatch } from "./dom.js";
import { foldedTable } from "./table.js";

/**
 * @param {object} parts
 * @param {string} parts.title
 * @param {string} [parts.unit] what the values are and in which unit
 * @param {string} [parts.note] one line on how to read it
 * @param {Node} [parts.scale] which colour means what
 * @param {{colourName: string, label: string}[]} [parts.legend]
 * @param {Node[]} [parts.controls]
 * @param {import("./plot.js").Plot} parts.plot
 * @param {() => {heads: string[], rows: string[][]}} [parts.table]
 */
export function figure({ title, unit, note, scale, legend = [], controls = [], plot, table }) {
  const heading = element("div", { class: "figure-head" }, element("h3", {}, title), unit ? element("span", { class: "quiet" }, unit) : null,
    legend.length ? element("ul", { class: "legend", "aria-label": `Colours of ${title}` },
      legend.map((series) => element("li", {}, swatch(series.colourName, series), series.label))) : null,
    controls.length ? element("div", { class: "figure-controls" }, controls) : null);
  return element("figure", {}, element("figcaption", {}, heading, note || scale ? element("div", { class: "figure-note" }, note ? element("p", { class: "quiet" }, note) : null, scale) : null),
    plot.node, table ? foldedTable(title, table) : null);
}

/** A row of buttons of which one is pressed. */
export function choice(label, options, chosen, onChoose) {
  const buttons = options.map(({ value, text }) => element("button", {
    type: "button", "aria-pressed": String(value === chosen), "data-value": value,
    onclick: () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other.dataset.value === value));
      onChoose(value);
    },
  }, text));
  return element("div", { class: "choice", role: "group", "aria-label": label }, buttons);
}

/** A bar of colours, from the least value to the greatest. @param {string[]} names of style variables */
export function scaleBar(names, low, high) {
  const bar = element("i", {});
  bar.style.setProperty("background", `linear-gradient(to right, ${names.map((name) => `var(--${name})`).join(", ")})`);
  return element("span", { class: "scale-bar", role: "img", "aria-label": `Colours from ${low} to ${high}` }, element("span", {}, low), bar, element("span", {}, high));
}
