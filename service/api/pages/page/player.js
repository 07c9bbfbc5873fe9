// The recording itself, played from where it is: an object address of the browser, nothing is sent for it.

import { byId, element } from "./dom.js";
import { kindOf } from "./analysis.js";
import { mediaTypeOf } from "./upload.js";

let objectUrl = null;

/** Show a player for the file, which leads the playhead; none where it is no recording or cannot be played. */
export function showPlayer(file, playhead) {
  const place = byId("player");
  if (objectUrl) URL.revokeObjectURL(objectUrl);
  objectUrl = null;
  playhead.attach(null);
  place.replaceChildren();
  if (kindOf(file, "auto", false) === "table") return;
  objectUrl = URL.createObjectURL(file);
  const isVideo = mediaTypeOf(file).startsWith("video/");
  const media = element(isVideo ? "video" : "audio", { controls: true, preload: "auto", playsinline: true, "aria-label": "Your recording" });
  media.addEventListener("error", () => {
    playhead.attach(null);
    media.replaceWith(element("p", { class: "quiet" }, "This browser cannot play the recording; the curves work all the same."));
  });
  media.src = objectUrl;
  place.append(media);
  playhead.attach(media);
}
