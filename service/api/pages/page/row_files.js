// A list of recordings as files: a row of CSV for each, or an array of JSON with every whole answer.

const FORMULA = /^[=+\-@\t\r\n]/; // a spreadsheet would take it for a formula

/** RFC 4180, safe in a spreadsheet. @param {import("./batch_row.js").BatchRow[]} rows */
export function rowsAsCsv(rows) {
  const labels = [...new Set(rows.flatMap(({ brief }) => brief?.labels ?? []))];
  const heads = ["file", "status", "problem", "judged", "duration_s", "emotion", ...labels, "plausible", "arousal", "valence", "flags", "voice_model", "voice_model_sha256",
    "face_model", "face_model_sha256", "dominance"];
  const cells = rows.map((row) => {
    const { brief } = row;
    const begin = [row.file.name, row.state, row.problem?.code ?? ""];
    if (!brief) return [...begin, ...heads.slice(begin.length).map(() => "")];
    return [...begin, brief.judged, brief.durationS, brief.emotion, ...labels.map((label) => brief.byLabel?.[label]), brief.plausible?.join(" "), brief.arousal, brief.valence,
      brief.flags.join(" "), ...modelCells(brief.voiceModel), ...modelCells(brief.faceModel), brief.dominance];
  });
  return csvText([heads, ...cells]);
}

/** The windows of an answer about a voice, under the service's own heads. */
export function windowsAsCsv({ labels, timeline, flag_spans: spans = [] }) {
  const { start_s: start, end_s: end, probabilities, plausible } = timeline;
  const numbers = ["arousal", "valence", "speech", "confidence"];
  const told = timeline.dominance ? ["dominance"] : [];
  const leading = (row) => labels.reduce((best, label) => (best === null || probabilities[label][row] > probabilities[best][row] ? label : best), null);
  const flags = (row) => [...new Set(spans.filter((span) => span.start_s < end[row] && span.end_s > start[row]).map(({ flag }) => flag))].join(" ");
  return csvText([["channel", "start_s", "end_s", "emotion", ...labels, ...numbers, "plausible", "flags", ...told], ...start.map((from, row) => [
    "mix", from, end[row], probabilities[labels[0]]?.[row] === null ? null : leading(row), ...labels.map((label) => probabilities[label][row]),
    ...numbers.map((name) => timeline[name]?.[row]), plausible?.[row]?.join(" "), flags(row), ...told.map((name) => timeline[name][row])])]);
}

/** The rows of an answer about a face, under the service's own heads. */
export function stepsAsCsv({ timeline }) {
  const heads = ["time_s", "arousal", "valence", "face_confidence", "arousal_uncertainty", "valence_uncertainty"];
  return csvText([heads, ...timeline.time_s.map((_, row) => heads.map((name) => timeline[name]?.[row]))]);
}

function csvText(lines) {
  return lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

/** Answers as the service gave them, each behind the name of its file; problems of those that have none. */
export function rowsAsJson(rows) {
  return JSON.stringify(rows.map(({ file, answer, problem, state }) => ({ file: file.name, ...(answer ?? (problem ? { problem } : { state })) })), null, 1);
}

function modelCells(model) {
  return model ? [`${model.name} ${model.version}`, model.sha256] : ["", ""];
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
