// The answer as files. JSON is there already; the server makes the others.

import { adviceFor } from "./advice.js";
import { SOUND_PARTS } from "./analysis.js";
import { announce, byId, element } from "./dom.js";
import { ProblemError } from "./server.js";

// Parts of an answer that each form has room for, as service/api/answers.py says.
const PLOTTED = ["segments", "voice_activity", "action_units", "attribution", "audio", "expression"];
const CARRIED = {
  csv: ["segments", "speakers", "action_units", "audio", "boxes", "expression"],
  png: PLOTTED,
  svg: PLOTTED,
  pdf: PLOTTED,
  "fhir.json": ["action_units", "audio", "expression"],
};
const FORMATS = [
  { text: "JSON", ending: "json", accept: "application/json" },
  { text: "CSV", ending: "csv", accept: "text/csv" },
  { text: "PNG", ending: "png", accept: "image/png" },
  { text: "SVG", ending: "svg", accept: "image/svg+xml" },
  { text: "PDF", ending: "pdf", accept: "application/pdf" },
  { text: "FHIR", ending: "fhir.json", accept: "application/fhir+json" },
];

/**
 * Buttons for all formats of one answer.
 * @param {string} name of the recording
 * @param {string} text of the answer in JSON
 * @param {Record<string, string>} query of the analysis; each format is asked for with what it has room for
 * @param {(accept: string, query: Record<string, string>) => Promise<Blob>} fetchAs asks for another format
 * @param {string} hint what that takes
 * @param {string[]} [endings] of the formats that can be had
 */
export function downloads(name, text, query, fetchAs, hint, endings = FORMATS.map(({ ending }) => ending)) {
  const note = element("p", { class: "quiet", role: "status" });
  const buttons = FORMATS.filter(({ ending }) => endings.includes(ending)).map((format) => element("button", {
    type: "button", "data-format": format.text.toLowerCase(),
    onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      note.textContent = format.text === "JSON" ? "" : `Making ${format.text} …`;
      try {
        const blob = format.text === "JSON" ? new Blob([text], { type: format.accept }) : await fetchAs(format.accept, queryFor(format, query));
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

function queryFor({ ending }, { include, ...query }) {
  if (ending === "fhir.json" && query.face === "all") delete query.face; // FHIR tells of the largest
  for (const part of SOUND_PARTS) if (!CARRIED[ending].includes(part)) delete query[part];
  if (!include) return query;
  return { ...query, include: include.split(",").filter((part) => CARRIED[ending].includes(part)).join(",") };
}

/** Have the browser save a file. */
export function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  byId("announcer").after(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
