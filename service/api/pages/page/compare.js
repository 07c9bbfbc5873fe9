// Two recordings beside one another.

import { emotionInWords } from "./brief.js";
import { classColour } from "./colours.js";
import { element, swatch } from "./dom.js";
import { duration, percent, signed } from "./numbers.js";
import { Playhead } from "./playhead.js";
import { trustInWords } from "./trust.js";
import { pathChart } from "./views.js";
import { capital, flagInShort } from "./words.js";

const LETTERS = ["A", "B"];
const UNKNOWN = "unknown";
const NOT_JUDGED = "Too little to judge";

/** @param {import("./batch_row.js").BatchRow[]} rows two with answers @param {import("./service.js").Service} service @returns {import("./views.js").View} */
export function comparison(rows, service) {
  const briefs = rows.map(({ brief }) => brief);
  const names = rows.map(({ file }) => file.name);
  const labels = [...new Set(briefs.flatMap((brief) => brief.labels))];
  const spoken = briefs.map(speakingTime);
  const paths = rows.map((row, index) => pathChart(row, `${LETTERS[index]}, arousal over valence`, new Playhead())).filter(Boolean);
  const charts = [caution(briefs, service), versus("In short", "Value", names, shortLines(briefs, spoken)),
    labels.length ? versus("Probabilities", "Emotion", names, shareLines(labels, briefs.map(({ byLabel }) => byLabel))) : null,
    paths.length ? element("div", { class: "pair" }, paths.map(({ node }) => node)) : null,
    spoken.some((time) => time.seconds > 0) ? versus("Share of speaking time, by leading emotion", "Emotion", names, shareLines([...labels, NOT_JUDGED], spoken.map(({ shares }) => shares))) : null];
  return { summary: [], charts: charts.filter(Boolean), plots: paths.map(({ plot }) => plot) };
}

/** What the difference of two answers is not, with what was measured of the models. */
function caution(briefs, service) {
  const models = ["voiceModel", "faceModel"].map((part) => briefs.map((brief) => brief[part]).filter(Boolean));
  const cards = [...new Set(models.flat().map((model) => service.cardOf(model)))];
  const differ = models.some(([one, other]) => one && other && one.sha256 !== other.sha256);
  const sentences = ["A difference between two people, microphones or rooms is not a difference of mood: each moves these numbers by itself.", ...cards.map(trustInWords),
    differ ? "They were judged by different models, whose numbers cannot be compared." : null,
    briefs[0].judged === briefs[1].judged ? null : "Arousal and valence are those of a voice on one side and of a face on the other: they are not the same thing.", common(briefs)];
  return element("div", { class: "notice" }, element("h3", {}, "Before you compare"), sentences.filter(Boolean).map((text) => element("p", {}, text)));
}

function common([one, other]) {
  if (!one.plausible || !other.plausible) return null;
  const both = one.plausible.filter((label) => other.plausible.includes(label));
  return both.length ? `Plausible in both: ${both.join(", ")}. These answers do not tell the two apart.` : "No emotion is plausible in both.";
}

function shortLines(briefs, spoken) {
  const known = (value) => (value === null ? UNKNOWN : signed(value));
  return [["Judged", ({ judged }) => capital(judged)], ["Length", ({ durationS }) => duration(durationS)],
    ["Speech", (_, index) => (spoken[index].seconds ? duration(spoken[index].seconds) : UNKNOWN)],
    ["Leading emotion", (brief) => capital(emotionInWords(brief))], ["Plausible", ({ plausible }) => plausible?.join(", ") || UNKNOWN],
    ["Arousal, mean", ({ arousal }) => known(arousal)], ["Valence, mean", ({ valence }) => known(valence)],
    briefs.some(({ dominance }) => dominance !== null) ? ["Dominance, mean", ({ dominance }) => known(dominance)] : null, ["Please note", ({ flags }) => flags.map((flag) => capital(flagInShort(flag))).join(", ") || "–"],
  ].filter(Boolean).map(([name, read]) => ({ head: name, cells: briefs.map((brief, index) => [read(brief, index)]) }));
}

function shareLines(labels, shares) {
  return labels.map((label, index) => {
    const colourName = label === NOT_JUDGED ? "unknown" : classColour(index);
    return { head: [swatch(colourName), capital(label)], cells: shares.map((byLabel) => bar(byLabel?.[label] ?? null, colourName)) };
  });
}

function bar(share, colourName) {
  if (share === null) return [UNKNOWN];
  const fill = element("span", { class: "fill" });
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  fill.style.background = `var(--${colourName})`;
  return [element("span", { class: "share" }, element("span", { class: "track", "aria-hidden": "true" }, fill), element("span", { class: "value" }, percent(share)))];
}

/** Seconds of voice, and how they are shared by the leading emotions of the utterances. */
function speakingTime({ segments, labels }) {
  const seconds = Object.fromEntries([...labels, NOT_JUDGED].map((label) => [label, 0]));
  for (const { start_s: start, end_s: end, speech, emotion } of segments) {
    emotion.forEach((label, row) => { seconds[label ?? NOT_JUDGED] += (end[row] - start[row]) * speech[row]; });
  }
  const whole = Object.values(seconds).reduce((sum, one) => sum + one, 0);
  return { seconds: whole, shares: whole ? Object.fromEntries(Object.entries(seconds).map(([label, one]) => [label, one / whole])) : null };
}

/** A table of both; its cells name their recording by a letter where columns have no room. */
function versus(title, first, names, lines) {
  const heads = names.map((name, index) => element("th", { role: "columnheader", scope: "col" }, element("b", {}, LETTERS[index]), ` ${name}`));
  const body = lines.map(({ head, cells }) => element("tr", { role: "row" }, element("th", { role: "rowheader", scope: "row" }, head),
    cells.map((cell, index) => element("td", { role: "cell", "data-label": LETTERS[index] }, cell))));
  return element("figure", { class: "versus" }, element("figcaption", {}, element("h3", {}, title),
    element("p", { class: "quiet versus-names" }, names.map((name, index) => `${LETTERS[index]}: ${name}`).join(" · "))),
  element("table", { role: "table", "aria-label": title }, element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, element("th", { role: "columnheader", scope: "col" }, first), heads)),
    element("tbody", { role: "rowgroup" }, body)));
}
