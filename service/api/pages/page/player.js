// The recording itself, played from where it is: an object address of the browser, nothing is sent for it.

import { byId, element } from "./dom.js";
import { kindOf } from "./analysis.js";
import { nearest } from "./numbers.js";
import { mediaTypeOf } from "./upload.js";

const LONGEST_WAIT_MS = 1500;

let objectUrl = null;
let endFaces = () => {};

/** Show a player for the file, which leads the playhead; none where there is no file, it is no recording or cannot be played. */
export function showPlayer(file, playhead) {
  const place = byId("player");
  if (objectUrl) URL.revokeObjectURL(objectUrl);
  objectUrl = null;
  endFaces();
  playhead.attach(null);
  place.replaceChildren();
  if (!file || kindOf(file, "auto", false) === "table") return;
  objectUrl = URL.createObjectURL(file);
  const isVideo = mediaTypeOf(file).startsWith("video/");
  const media = element(isVideo ? "video" : "audio", { controls: true, preload: "auto", playsinline: true, "aria-label": "Your recording" });
  media.addEventListener("error", () => {
    playhead.attach(null);
    media.parentNode.replaceWith(element("p", { class: "quiet" }, "This browser cannot play the recording. The analysis does not need it to."));
  });
  if (isVideo) media.addEventListener("loadedmetadata", () => {
    if (!media.videoWidth) media.parentNode.after(element("p", { class: "quiet", id: "no-picture" }, "This browser shows no picture of it. The analysis does not need it to."));
  });
  media.src = objectUrl;
  place.append(element("div", { class: "stage" }, media));
  playhead.attach(media);
}

/** Say what the service found in the file, where the browser could not tell. */
export function tellContent({ tracks = [] }) {
  const note = byId("no-picture");
  if (note && tracks.length && !tracks.some((track) => track.kind === "picture")) note.textContent = "It has sound and no pictures.";
}

/**
 * Draw the box of every face over the picture, at the position of the playhead.
 * @param {{face?: number, boxes: {time_s: number[], x: (number | null)[], y: number[], width: number[], height: number[]}}[]} faces
 */
export function showFaces(faces, playhead) {
  endFaces();
  const video = document.querySelector("#player video");
  if (!video || !faces.length) return;
  const ended = new AbortController();
  const frames = faces.map(({ face }) => element("div", { class: "face-box", hidden: true }, faces.length > 1 ? element("span", {}, `Face ${face}`) : null));
  const place = () => faces.forEach(({ boxes }, index) => placeBox(frames[index], video, boxes, nearest(boxes.time_s, playhead.time)));
  const watcher = new ResizeObserver(place);
  watcher.observe(video);
  playhead.addEventListener("time", place, { signal: ended.signal });
  video.addEventListener("loadedmetadata", place, { signal: ended.signal });
  video.after(...frames);
  endFaces = () => {
    ended.abort();
    watcher.disconnect();
    for (const frame of frames) frame.remove();
  };
  place();
}

/** Shares of the picture to pixels of the element, which shows it whole, in its middle. */
function placeBox(frame, video, boxes, row) {
  frame.hidden = !video.videoWidth || (boxes.x[row] ?? null) === null;
  if (frame.hidden) return;
  const scale = Math.min(video.clientWidth / video.videoWidth, video.clientHeight / video.videoHeight);
  const [width, height] = [scale * video.videoWidth, scale * video.videoHeight];
  const [left, top] = [(video.clientWidth - width) / 2, (video.clientHeight - height) / 2];
  const sides = { left: left + boxes.x[row] * width, top: top + boxes.y[row] * height, width: boxes.width[row] * width, height: boxes.height[row] * height };
  for (const [side, px] of Object.entries(sides)) frame.style[side] = `${px.toFixed(1)}px`;
}

/** Seconds of a file, or undefined where this browser cannot tell. */
export async function durationOf(file) {
  if (kindOf(file, "auto", false) === "table") return undefined;
  const url = URL.createObjectURL(file);
  const media = element(mediaTypeOf(file).startsWith("video/") ? "video" : "audio", { preload: "metadata" });
  media.src = url;
  const seconds = await knownDuration(media);
  media.removeAttribute("src");
  URL.revokeObjectURL(url);
  return seconds;
}

/** Seconds of what a media element plays, as soon as it knows; undefined where it does not find out soon. */
export function knownDuration(media) {
  if (!media || media.error) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const tell = () => resolve(Number.isFinite(media.duration) ? media.duration : undefined);
    if (media.readyState > 0) tell();
    for (const name of ["loadedmetadata", "error"]) media.addEventListener(name, tell, { once: true });
    setTimeout(tell, LONGEST_WAIT_MS);
  });
}
