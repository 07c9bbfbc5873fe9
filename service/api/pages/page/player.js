// The recording itself, played from where it is: an object address of the browser, nothing is sent for it.

import { byId, element } from "./dom.js";
import { kindOf } from "./analysis.js";
import { mediaTypeOf } from "./upload.js";

const LONGEST_WAIT_MS = 1500;

let objectUrl = null;

/** Show a player for the file, which leads the playhead; none where there is no file, it is no recording or cannot be played. */
export function showPlayer(file, playhead) {
  const place = byId("player");
  if (objectUrl) URL.revokeObjectURL(objectUrl);
  objectUrl = null;
  playhead.attach(null);
  place.replaceChildren();
  if (!file || kindOf(file, "auto", false) === "table") return;
  objectUrl = URL.createObjectURL(file);
  const isVideo = mediaTypeOf(file).startsWith("video/");
  const media = element(isVideo ? "video" : "audio", { controls: true, preload: "auto", playsinline: true, "aria-label": "Your recording" });
  media.addEventListener("error", () => {
    playhead.attach(null);
    media.replaceWith(element("p", { class: "quiet" }, "This browser cannot play the recording. The analysis does not need it to."));
  });
  if (isVideo) media.addEventListener("loadedmetadata", () => {
    if (!media.videoWidth) media.after(element("p", { class: "quiet" }, "This browser shows no picture of it. The analysis does not need it to."));
  });
  media.src = objectUrl;
  place.append(media);
  playhead.attach(media);
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
