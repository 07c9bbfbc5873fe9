// The answer as files. JSON is there already; the server makes the others.

import { adviceFor } from "./advice.js";
import { announce, byId, element } from "./dom.js";
import { ProblemError } from "./server.js";

const FORMATS = [
  { text: "JSON", ending: "json", accept: "application/json" },
  { text: "CSV", ending: "csv", accept: "text/csv" },
  { text: "PNG", ending: "png", accept: "image/png" },
  { text: "FHIR", ending: "fhir.json", accept: "application/fhir+json" },
];

/**
 * Buttons for all formats of one answer.
 * @param {string} name of the recording
 * @param {string} text of the answer in JSON
 * @param {(accept: string) => Promise<Blob>} fetchAs asks for another format
 * @param {string} hint what that takes
 */
export function downloads(name, text, fetchAs, hint) {
  const note = element("p", { class: "quiet", role: "status" });
  const buttons = FORMATS.map((format) => element("button", {
    type: "button", "data-format": format.text.toLowerCase(),
    onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      note.textContent = format.text === "JSON" ? "" : `Making ${format.text} …`;
      try {
        const blob = format.text === "JSON" ? new Blob([text], { type: format.accept }) : await fetchAs(format.accept);
        save(blob, `${name.replace(/\.[^.]*$/, "")}.${format.ending}`);
        note.textContent = "";
        announce(`${format.text} saved.`);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        const { title, detail, code } = error.problem;
        note.textContent = `${format.text}: ${detail || title} ${adviceFor(code, error.status)}`;
      } finally {
        button.disabled = false;
        button.focus({ preventScroll: true });
      }
    },
  }, format.text));
  return element("div", { class: "downloads" }, element("h3", {}, "Download"), element("div", { class: "buttons" }, buttons),
    element("p", { class: "quiet" }, hint), note);
}

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  byId("announcer").after(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
