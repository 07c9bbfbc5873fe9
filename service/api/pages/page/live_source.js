// Where live media come from: the microphone as pieces of sound, the camera as pictures. Nothing of them is kept here.

import { ProblemError } from "./server.js";

const RATE_HZ = 16000; // what speech models hear; the service resamples other rates
const PICTURES_PER_S = 10;
const LONGEST_SIDE_PX = 640;
const JPEG_QUALITY = 0.85;

/** The microphone. Throws what the browser throws where it may not or cannot listen. */
export class Microphone {
  path = "v1/stream/audio";

  static async open() {
    const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    try {
      return await Microphone.#listen(media);
    } catch (error) {
      for (const track of media.getTracks()) track.stop();
      throw error;
    }
  }

  static async #listen(media) {
    let context = new AudioContext({ sampleRate: RATE_HZ });
    let source;
    try {
      source = context.createMediaStreamSource(media);
    } catch { // some browsers connect microphones at their own rate alone
      await context.close();
      context = new AudioContext();
      source = context.createMediaStreamSource(media);
    }
    await context.audioWorklet.addModule(new URL("page/pcm.js", document.baseURI).href).catch(() => { throw unloaded(); });
    const node = new AudioWorkletNode(context, "pcm");
    source.connect(node);
    await context.resume();
    return new Microphone(media, context, node);
  }

  constructor(media, context, node) { Object.assign(this, { media, context, node }); }

  get config() { return { sample_rate_hz: this.context.sampleRate, segments: true }; }

  /** @param {(piece: ArrayBuffer, level: number) => void} onPiece is told the RMS too, 0…1 */
  start(onPiece) {
    this.node.port.onmessage = ({ data }) => onPiece(data, rms(new Int16Array(data)));
  }

  /** Samples of a piece; the rest of it behind some of them. */
  count(piece) { return piece.byteLength / 2; }

  rest(piece, from) { return piece.slice(2 * from); }

  stop() {
    this.node.port.onmessage = null;
    for (const track of this.media.getTracks()) track.stop();
    if (this.context.state !== "closed") this.context.close();
  }
}

/** What to throw when a part of the page itself is refused: the browser's password no longer holds, say. */
function unloaded() {
  return new ProblemError(404, { title: "The live view could not be loaded.", detail: "The service refused a file of this page, or cannot be reached.", code: "" });
}

/** The camera: a picture is skipped while the one before is still being made. */
export class Camera {
  path = "v1/stream/video";
  config = { causal: true };
  maySkip = true; // every picture has its own time

  /** @param {HTMLVideoElement} preview shows what it sees */
  static async open(preview) {
    const media = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: LONGEST_SIDE_PX } });
    preview.srcObject = media;
    await preview.play();
    return new Camera(media, preview);
  }

  constructor(media, preview) { Object.assign(this, { media, preview, timer: 0 }); }

  start(onPiece) {
    const { videoWidth: width, videoHeight: height } = this.preview;
    const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.round(scale * width), Math.round(scale * height));
    this.size = { width: canvas.width, height: canvas.height };
    const context = canvas.getContext("2d");
    const beganMs = performance.now();
    let isBusy = false;
    this.timer = setInterval(async () => {
      if (isBusy) return;
      isBusy = true;
      const seconds = (performance.now() - beganMs) / 1000;
      context.drawImage(this.preview, 0, 0, canvas.width, canvas.height);
      const picture = await canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
      const piece = new Uint8Array(8 + picture.size);
      new DataView(piece.buffer).setFloat64(0, seconds, true);
      piece.set(new Uint8Array(await picture.arrayBuffer()), 8);
      isBusy = false;
      if (this.timer) onPiece(piece.buffer, null);
    }, 1000 / PICTURES_PER_S);
  }

  count() { return 1; }

  rest(piece) { return piece; }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    for (const track of this.media.getTracks()) track.stop();
    this.preview.srcObject = null;
  }
}

function rms(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length) / 32768;
}
