// The ways in: choose files, or drop some anywhere on the page.

import { byId } from "./dom.js";
import { bytes, duration } from "./numbers.js";

/** Call `onFiles` with what is chosen or dropped at once. @param {(files: File[]) => void} onFiles */
export function startIntake(onFiles) {
  const input = byId("file");
  input.addEventListener("change", () => {
    if (input.files.length) onFiles([...input.files]);
    input.value = ""; // the same file can be chosen again
  });
  let depth = 0; // dragenter and dragleave come for every node under the pointer
  const mark = (isOver) => document.body.classList.toggle("dropping", isOver);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (hasFiles(event)) { depth += 1; mark(true); } });
  addEventListener("dragleave", (event) => { if (hasFiles(event)) { depth = Math.max(0, depth - 1); mark(depth > 0); } });
  addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    mark(false);
    if (event.dataTransfer.files.length) onFiles([...event.dataTransfer.files]);
  });
}

/** Say how much one recording may hold, as a job where the service takes any. */
export function showLimits({ limits, jobs }) {
  const { max_body_bytes: most, max_duration_s: longest } = jobs ?? limits;
  byId("limits").textContent = `Up to ${bytes(most)} and ${duration(longest)}.`;
}
