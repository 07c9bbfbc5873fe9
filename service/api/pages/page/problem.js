// An error as people need it: what happened, what to do, and what to quote when asking for help.

import { byId, element } from "./dom.js";
import { address } from "./server.js";

const BY_CODE = {
  answer_too_large: "Choose a longer hop under Options.",
  codec_unsupported: "Convert the recording to wav, flac, mp3, opus or H.264 and try again.",
  container_unsupported: "Send a sound or video file: wav, flac, ogg, mp3, m4a, webm or mp4.",
  columns_missing: "Export the table with OpenFace 2 again, with action units.",
  frame_too_large: "Make the video smaller, 1080p say, and try again.",
  media_empty: "The file has no content. Record again or choose another.",
  media_too_long: "Cut the recording into shorter parts.",
  media_too_short: "Record at least a second of speech.",
  media_truncated: "The file is incomplete: copy or download it again.",
  model_not_found: "Choose another model under Options.",
  timestamps_invalid: "Enter the camera's frames a second under Options, then try again.",
  no_audio_stream: "There is no sound in this file. For a video, choose 'Face' under Options.",
  no_video_stream: "There are no pictures in this file. Choose 'Voice' under Options.",
};
const BY_STATUS = {
  0: "Check the connection and whether the service runs, then try again.",
  401: "Enter an API key below.",
  403: "Ask whoever runs this service for a key that may analyse.",
  408: "The connection is slow. Try again, or send a smaller file.",
  413: "Send a smaller or shorter file.",
  415: "Send a sound or video file: wav, flac, ogg, mp3, m4a, webm or mp4.",
  422: "Check the recording and the options, then try again.",
  429: "Wait a little and try again.",
  503: "The service is busy or starting. Wait a little and try again.",
  504: "The work took too long. Send a shorter recording.",
};
const HOPELESS = new Set([413, 415]); // the same file will not fare better
const OTHERWISE = "Try again. If it happens again, tell whoever runs this service, with the request id.";

/** What to do about an error. */
export function adviceFor(error) {
  const advice = BY_CODE[error.problem.code] ?? BY_STATUS[error.status] ?? OTHERWISE;
  return error.retryAfterS ? `${advice} The service asks for ${error.retryAfterS} s.` : advice;
}

/** Show an error; `onRetry` is called when it is to be tried again, with the key that was entered, if one was. */
export function showProblem(error, onRetry) {
  const { title, detail, code, request_id: requestId, errors = [] } = error.problem;
  const panel = byId("problem");
  const repeated = !detail || detail === title;
  const facts = [
    code ? ["Code", element("a", { href: address(`v1/problems/${code}`) }, element("code", {}, code))] : null,
    requestId ? ["Request id", element("code", {}, requestId)] : null,
    error.status ? ["Status", String(error.status)] : null,
  ].filter(Boolean);
  panel.replaceChildren(
    element("h2", {}, title),
    ...(repeated ? [] : [element("p", {}, detail)]),
    ...(errors.length > 1 ? [element("ul", {}, errors.map((one) => element("li", {}, element("code", {}, one.pointer), ` ${one.detail}`)))] : []),
    element("p", {}, element("strong", {}, "What to do: "), adviceFor(error)),
    ...(error.status === 401 ? [keyForm(onRetry)]
      : HOPELESS.has(error.status) ? [] : [element("button", { type: "button", id: "retry", onclick: () => onRetry(null) }, "Try again")]),
    element("dl", { class: "facts" }, facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
  );
  panel.hidden = false;
}

/** Take the error away. */
export function hideProblem() {
  byId("problem").hidden = true;
}

function keyForm(onRetry) {
  const input = element("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-hint" });
  return element("form", {
    class: "key-form",
    onsubmit: (event) => { event.preventDefault(); onRetry(input.value); },
  }, element("label", { for: "key" }, "API key"), input, element("button", { type: "submit", class: "primary" }, "Use key"),
  element("p", { class: "quiet", id: "key-hint" }, "Kept in memory until this page is closed, and sent to this service alone."));
}
