// Heads of a table's columns that sort its rows: upward, downward, then as they came.

import { announce, element } from "./dom.js";

const ORDERS = { none: "ascending", ascending: "descending", descending: "none" };
const compareTexts = new Intl.Collator("en", { numeric: true }).compare;

export class SortHeads {
  #column = null;
  #order = "none";
  #onChange;

  /**
   * @param {{head: string, rank?: (row: object) => (number | string | null)}[]} columns those without `rank` do not sort
   * @param {() => void} onChange the order is another one
   */
  constructor(columns, onChange) {
    this.#onChange = onChange;
    this.nodes = columns.map((column) => {
      const button = column.rank && element("button", { type: "button", class: "sort-button", onclick: () => this.#turn(column) }, column.head);
      column.node = element("th", { role: "columnheader", scope: "col", "aria-sort": button && "none" }, button ?? column.head);
      return column.node;
    });
  }

  /** The rows in order: equal ones stay as they came, and what is unknown comes last both ways. @template T @param {T[]} rows @returns {T[]} */
  sorted(rows) {
    if (!this.#column) return rows;
    const { rank } = this.#column;
    const sign = this.#order === "ascending" ? 1 : -1;
    const ranked = rows.map((row) => ({ row, value: rank(row) }));
    ranked.sort(({ value: one }, { value: other }) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (typeof one === "string" ? compareTexts(one, other) : one - other);
    });
    return ranked.map(({ row }) => row);
  }

  #turn(column) {
    this.#order = ORDERS[column === this.#column ? this.#order : "none"];
    this.#column?.node.setAttribute("aria-sort", "none");
    column.node.setAttribute("aria-sort", this.#order);
    this.#column = this.#order === "none" ? null : column;
    this.#onChange();
    announce(this.#column ? `Sorted by ${column.head}, ${this.#order}.` : "In the order in which they came.");
  }
}
