// How far an answer can be trusted, by what was measured of its model: figures of its card in sentences.

import { percent } from "./numbers.js";

const RECALL = "unweighted_average_recall";
const ERROR = "root_mean_square_error";

/** How often the model is right where it was measured, or null where its card tells nothing. */
export function trustInWords(card) {
  if (!card) return null;
  const of = (metric) => card.measurements.filter((one) => one.metric === metric);
  return recallInWords(card, of(RECALL)) ?? errorInWords(card, of(ERROR));
}

function recallInWords({ title }, measured) {
  if (!measured.length) return null;
  const unseen = measured.filter((one) => one.seen_corpus === false);
  const told = unseen.length ? unseen : measured;
  const where = unseen.length ? "corpora that it never heard" : "people that it never heard, in corpora that it learnt from";
  const share = span(told.map(({ value }) => value), percent);
  return `“${title}” names the right emotion in ${share} of recordings of ${where} (${told.length} ${told.length === 1 ? "test" : "tests"}, every emotion counting the same).`;
}

function errorInWords({ title }, measured) {
  if (!measured.length) return null;
  const error = span(measured.map(({ value }) => value), (value) => value.toFixed(2));
  return `“${title}” misses what people say of one clip by ${error} on the scale from −1 to +1.`;
}

/** Such as '40 to 67 %'. */
function span(values, format) {
  const [low, high] = [Math.min(...values), Math.max(...values)].map(format);
  return low === high ? low : `${low.replace(" %", "")} to ${high}`;
}
