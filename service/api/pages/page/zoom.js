// How much of a long recording the curves show at once.

import { element } from "./dom.js";
import { choice } from "./figure.js";
import { duration as inWords } from "./numbers.js";

const SPANS_S = [600, 120, 30];
const LEAST_GAIN = 1.5;

/** Buttons for the whole and for parts of it, or null where the recording is too short for any. */
export function zoomChoice(playhead, duration) {
  const spans = SPANS_S.filter((span) => duration >= LEAST_GAIN * span);
  if (!spans.length) return null;
  const options = [{ value: "whole", text: "Whole" }, ...spans.map((span) => ({ value: String(span), text: inWords(span) }))];
  return element("div", { class: "zoom" }, element("span", { class: "quiet" }, "Show"),
    choice("Time shown", options, playhead.span === null ? "whole" : String(playhead.span),
      (value) => playhead.zoom(value === "whole" ? null : Number(value))));
}
