// Recording with microphone or camera, in the browser, with the level in sight.

import { announce, byId } from "./dom.js";
import { clock } from "./numbers.js";

const SOUND_TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const VIDEO_TYPES = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"];
/** Why a browser gives no microphone or camera, by the name of its error. */
export const REFUSALS = {
  NotAllowedError: "The browser was not allowed to record. Permit it in the address bar and try again.",
  NotFoundError: "There is no microphone or camera.",
  NotReadableError: "Another program holds the microphone or camera.",
};

/** Bring both record buttons to life; `onFile` gets what was recorded. */
export function startRecorder(onFile) {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    for (const id of ["record-voice", "record-video"]) byId(id).hidden = true;
    byId("no-recording").hidden = false;
    return;
  }
  let take = null;
  const begin = async (hasVideo) => {
    if (take) return;
    try {
      take = await Take.begin(hasVideo);
    } catch (error) {
      tell(REFUSALS[error.name] ?? "Recording failed.");
      return;
    }
    const { file, isKept } = await take.ended;
    take = null;
    if (isKept && file.size) onFile(file);
    else if (isKept) tell("Nothing was recorded. Wait until the clock runs.");
    if (!isKept || !file.size) byId(hasVideo ? "record-video" : "record-voice").focus();
  };
  byId("record-voice").addEventListener("click", () => begin(false));
  byId("record-video").addEventListener("click", () => begin(true));
  byId("record-stop").addEventListener("click", () => take?.stop(true));
  byId("record-discard").addEventListener("click", () => take?.stop(false));
}

/** Say why nothing is recorded. */
export function tell(text) {
  const note = byId("record-note");
  note.textContent = text;
  note.hidden = false;
  announce(note.textContent);
}

/** One recording from its beginning to its end. */
class Take {
  static async begin(hasVideo) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: hasVideo ? { facingMode: "user" } : false });
    return new Take(stream, hasVideo);
  }

  constructor(stream, hasVideo) {
    const type = (hasVideo ? VIDEO_TYPES : SOUND_TYPES).find((one) => MediaRecorder.isTypeSupported(one));
    const pieces = [];
    this.stream = stream;
    this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    this.isKept = false;
    this.beganMs = null; // cameras and encoders may take a second until something is kept
    this.recorder.addEventListener("start", () => { this.beganMs = performance.now(); });
    this.recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
    this.ended = new Promise((resolve) => {
      this.recorder.addEventListener("stop", () => {
        this.#close();
        const plain = (this.recorder.mimeType || type).split(";")[0];
        const file = new File(pieces, `recording.${plain.split("/")[1]}`, { type: plain });
        resolve({ file, isKept: this.isKept });
      });
    });
    this.recorder.start(1000);
    this.#show(hasVideo);
  }

  /** End it, to use it or not. */
  stop(isKept) {
    this.isKept = isKept;
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  #show(hasVideo) {
    byId("record-note").hidden = true;
    byId("record-time").textContent = "0:00";
    byId("recorder").hidden = false;
    byId("intake").hidden = true;
    const preview = byId("preview");
    preview.hidden = !hasVideo;
    if (hasVideo) preview.srcObject = this.stream;
    byId("record-stop").focus();
    announce("Recording.");
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(this.stream).connect(analyser);
    this.#follow(analyser, new Float32Array(analyser.fftSize));
  }

  #follow(analyser, samples) {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const share = Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60)); // −60 dB … 0 dB
    byId("level-bar").style.transform = `scaleX(${share.toFixed(3)})`;
    const text = clock(this.beganMs === null ? 0 : (performance.now() - this.beganMs) / 1000);
    if (byId("record-time").textContent !== text) byId("record-time").textContent = text;
    this.frame = requestAnimationFrame(() => this.#follow(analyser, samples));
  }

  #close() {
    cancelAnimationFrame(this.frame);
    this.context.close();
    for (const track of this.stream.getTracks()) track.stop();
    byId("preview").srcObject = null;
    byId("recorder").hidden = true;
    byId("intake").hidden = false;
  }
}
