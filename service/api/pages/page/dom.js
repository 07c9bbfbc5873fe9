// Building and finding nodes. Text is always set as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** The one node with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** A node with attributes (those that are null or false are left out) and children. */
export function element(tag, attributes = {}, ...children) {
  const node = tag === "svg" || tag === "path" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A square of a series' colour, or a piece of its line, to stand before its name. The colour is the name of a style variable. */
export function swatch(colourName, { isLine = false, dash } = {}) {
  const node = element("span", { class: isLine ? `swatch line${dash ? " dashed" : ""}` : "swatch", "aria-hidden": "true" });
  node.style.setProperty("--colour", `var(--${colourName})`);
  return node;
}

/** Say something to screen readers, once, without moving the focus. */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}
