// The table of several recordings and what can be done with all of them.

import { COLUMNS } from "./batch_row.js";
import { byId, element } from "./dom.js";
import { save } from "./downloads.js";
import { rowsAsCsv, rowsAsJson } from "./row_files.js";
import { SortHeads } from "./sort_heads.js";

const ENDED = ["done", "failed", "stopped"];

export class BatchTable {
  #rows = [];
  #isRunning = false;
  #body = element("tbody", { role: "rowgroup" });
  #actions;
  #heads;

  /** @param {{onStop: () => void, onGoOn: () => void, onClear: () => void, onCompare: (rows: object[]) => void}} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#heads = new SortHeads([{ head: "Recording", rank: ({ file }) => file.name }, ...COLUMNS, { head: "Compare" }], () => this.#arrange());
    byId("batch-table").replaceChildren(element("table", { role: "table", "aria-labelledby": "batch-heading" },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, this.#heads.nodes)), this.#body));
    const on = (id, action) => byId(id).addEventListener("click", action);
    on("batch-stop", actions.onStop);
    on("batch-go-on", actions.onGoOn);
    on("batch-clear", actions.onClear);
    on("batch-compare", () => this.#compare());
    on("batch-csv", () => save(new Blob([rowsAsCsv(this.#rows)], { type: "text/csv" }), "recordings.csv"));
    on("batch-json", () => save(new Blob([rowsAsJson(this.#rows)], { type: "application/json" }), "recordings.json"));
  }

  /** How it stands, in words. */
  get words() {
    const count = (state) => this.#rows.filter((row) => row.state === state).length;
    const parts = [["done", "done"], ["failed", "failed"], ["stopped", "not analysed"], ["job", "under way as jobs"]].map(([state, text]) => [count(state), text]);
    const told = parts.filter(([number]) => number).map(([number, text]) => `${number} ${text}`);
    return `${this.#rows.length} recordings: ${told.join(", ") || "none done yet"}.`;
  }

  /** Show these rows; those that were there stay as they are. */
  show(rows) {
    this.#rows = rows;
    byId("batch").hidden = !rows.length;
    this.update({});
  }

  /** Say something about the list. */
  tell(text) {
    byId("batch-note").textContent = text;
    byId("batch-note").hidden = !text;
  }

  /** The rows or what runs have changed. */
  update({ isRunning = this.#isRunning }) {
    this.#isRunning = isRunning;
    const isEnded = ({ state }) => ENDED.includes(state);
    const place = this.#rows.findIndex((row) => !isEnded(row));
    const current = this.#rows[place];
    byId("batch-words").textContent = isRunning && current ? `Recording ${place + 1} of ${this.#rows.length}: ${current.file.name}` : this.words;
    byId("batch-progress").value = this.#rows.length ? this.#rows.filter(isEnded).length / this.#rows.length : 0;
    byId("batch-progress").hidden = byId("batch-stop").hidden = !isRunning;
    byId("batch-go-on").hidden = isRunning || !this.#rows.some(({ state }) => state === "stopped");
    for (const id of ["batch-csv", "batch-json"]) byId(id).disabled = !this.#rows.some(({ brief }) => brief);
    this.#arrange();
    this.picked();
  }

  /** Which rows are ticked has changed. */
  picked() {
    const { length } = this.#picked();
    const button = byId("batch-compare");
    if (length === 2) button.removeAttribute("aria-disabled");
    else button.setAttribute("aria-disabled", "true");
    byId("batch-pick").textContent = length === 2 ? "" : length > 2 ? `${length} recordings are ticked: untick all but two to compare them.` : "Tick two recordings to compare them.";
  }

  /** Nothing is left. */
  clear() {
    for (const { node } of this.#rows) node.remove();
    this.tell("");
    this.show([]);
    byId("main").focus({ preventScroll: true });
  }

  /** Put the rows in order; the focus stays where it is. */
  #arrange() {
    const nodes = this.#heads.sorted(this.#rows).map(({ node }) => node);
    if (nodes.length === this.#body.children.length && nodes.every((node, place) => node === this.#body.children[place])) return;
    const focused = document.activeElement;
    this.#body.append(...nodes);
    if (focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  #picked() { return this.#rows.filter(({ isPicked }) => isPicked); }

  #compare() {
    const rows = this.#picked();
    if (rows.length === 2) this.#actions.onCompare(rows);
  }
}
