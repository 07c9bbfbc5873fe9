// The answer as files. JSON is there already; the server makes the others from the same recording.

import { announce, byId, element } from "./dom.js";
import { ProblemError } from "./server.js";
import { adviceFor } from "./problem.js";
import { send } from "./upload.js";

const FORMATS = [
  { text: "JSON", ending: "json", accept: "application/json" },
  { text: "CSV", ending: "csv", accept: "text/csv" },
  { text: "PNG", ending: "png", accept: "image/png" },
  { text: "FHIR", ending: "fhir.json", accept: "application/fhir+json" },
];

/** Buttons for all formats of one answer. */
export function downloadButtons(call, file, text) {
  const note = element("p", { class: "quiet", role: "status" });
  const buttons = FORMATS.map((format) => element("button", {
    type: "button", "data-format": format.text.toLowerCase(),
    onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      note.textContent = format.text === "JSON" ? "" : `Making ${format.text} …`;
      try {
        const blob = format.text === "JSON" ? new Blob([text], { type: format.accept })
          : (await send({ ...call, file, accept: format.accept })).blob;
        save(blob, `${file.name.replace(/\.[^.]*$/, "")}.${format.ending}`);
        note.textContent = "";
        announce(`${format.text} saved.`);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        note.textContent = `${format.text}: ${error.problem.detail || error.problem.title} ${error.status === 406 ? "" : adviceFor(error)}`;
      } finally {
        button.disabled = false;
        button.focus({ preventScroll: true });
      }
    },
  }, format.text));
  return element("div", { class: "downloads" }, element("h3", {}, "Download"), element("div", { class: "buttons" }, buttons), note,
    element("p", { class: "quiet" }, "For CSV, PNG and FHIR the recording is sent once more."));
}

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  byId("announcer").after(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
