// The numbers behind a plot as a table, for readers who do not see it. Rows are made when it is opened.

import { element } from "./dom.js";

const MOST_ROWS = 600;

/**
 * A folded table.
 * @param {string} caption
 * @param {() => {heads: string[], rows: string[][]}} read
 */
export function foldedTable(caption, read) {
  const body = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption });
  const fold = element("details", { class: "numbers" }, element("summary", {}, "Numbers",
    element("span", { class: "unseen" }, ` of ${caption}`)), body);
  fold.addEventListener("toggle", () => {
    if (fold.open) body.replaceChildren(...tableOf(caption, read()));
    else body.replaceChildren();
  });
  return fold;
}

function tableOf(caption, { heads, rows }) {
  const every = Math.ceil(rows.length / MOST_ROWS);
  const shown = every > 1 ? rows.filter((_, index) => index % every === 0) : rows;
  const note = every > 1 ? element("p", { class: "quiet" }, `Every ${every}th of ${rows.length} rows; the CSV file has all.`) : null;
  const table = element("table", {}, element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, heads.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, shown.map(([first, ...rest]) =>
      element("tr", {}, element("th", { scope: "row" }, first), rest.map((text) => element("td", {}, text))))));
  return [note, table].filter(Boolean);
}
