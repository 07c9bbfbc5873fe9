// One live session with the service, over as many connections as it takes: one that breaks is taken up again.

import { ProblemError, protocols, readJson, streamAddress } from "./server.js";

const RETRY_MS = 1000;
const MOST_UNSENT_BYTES = 4e6; // what one connection may have waiting; pictures and sound of a minute or so
const SKIP_BYTES = 1e6; // pictures are skipped while the connection has more to send
const ANSWERS = new Set(["window", "segment", "affect"]);
const NORMAL = 1000;

/** Tells `onCreated`, `onAnswer`, `onLost`, `onBack`, and at the end one of `onClosed` (the last message) and `onFailed` (a ProblemError). */
export class LiveSocket {
  #source;
  #listeners;
  #socket = null;
  #session = null; // id and how long it can be taken up again
  #received = 0;
  #count = 0; // samples or pictures given so far
  #kept = []; // pieces that may have to be sent again
  #lostMs = null;
  #isEnding = false;
  #isOver = false;

  /** @param {import("./live_source.js").Microphone | import("./live_source.js").Camera} source @param {object} choices further members of the first message */
  constructor(source, choices, listeners) {
    this.#source = source;
    this.#listeners = listeners;
    this.#connect({ type: "config", ...source.config, ...choices });
  }

  /** Samples or pictures given so far. */
  get count() { return this.#count; }

  /** Send a piece, or keep it until the connection is back. */
  send(piece) {
    if (this.#isOver || this.#isEnding) return;
    if (this.#source.maySkip && !(this.#isReady && this.#socket.bufferedAmount < SKIP_BYTES)) return;
    const count = this.#source.count(piece);
    this.#kept.push({ first: this.#count, count, piece, atMs: performance.now() });
    this.#count += count;
    const oldestMs = performance.now() - 2000 * (this.#session?.resumeS ?? 30);
    while (this.#kept[0].atMs < oldestMs) this.#kept.shift();
    if (this.#isReady && this.#socket.bufferedAmount < MOST_UNSENT_BYTES) this.#socket.send(piece);
    else if (this.#isReady) this.#socket.close(4000); // too slow: what is kept is sent on the next connection
  }

  /** Nothing follows; the last message comes when the rest is judged. */
  end() {
    this.#isEnding = true;
    if (this.#isReady) this.#socket.send('{"type":"end"}');
  }

  /** Have the service forget the session. */
  discard() {
    this.#isOver = true;
    this.#kept = [];
    this.#socket.close(NORMAL);
  }

  get #isReady() { return this.#socket.readyState === WebSocket.OPEN && this.#session !== null && this.#lostMs === null; }

  #connect(first) {
    const socket = new WebSocket(streamAddress(this.#source.path), protocols());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify(first));
    socket.onmessage = ({ data }) => { if (this.#socket === socket && !this.#isOver) this.#take(JSON.parse(data)); };
    socket.onclose = () => { if (this.#socket === socket && !this.#isOver) this.#lost(); };
    this.#socket = socket;
  }

  #take(message) {
    const { type } = message;
    if (type === "session.created") {
      this.#session = { id: message.id, resumeS: message.limits.resume_s };
      this.#sendFrom(0);
      this.#listeners.onCreated(message);
    } else if (type === "session.resumed") {
      this.#lostMs = null;
      this.#sendFrom(message.received_samples ?? message.received_frames);
      this.#listeners.onBack();
    } else if (ANSWERS.has(type)) {
      this.#received += 1;
      this.#listeners.onAnswer(message);
    } else if (type === "session.closed") {
      this.#over(() => this.#listeners.onClosed(message));
    } else if (type === "error") {
      this.#over(() => this.#listeners.onFailed(new ProblemError(statusOf(message), message, message.retry_after_s ?? null)));
    }
  }

  #sendFrom(place) {
    if (this.#kept.length && this.#kept[0].first > place) {
      this.#over(() => this.#listeners.onFailed(problem("The connection was lost.", "It was away for too long. The curves show what had come.")));
      return;
    }
    for (const { first, count, piece } of this.#kept) {
      if (first + count > place) this.#socket.send(first < place ? this.#source.rest(piece, place - first) : piece);
    }
    if (this.#isEnding) this.#socket.send('{"type":"end"}');
  }

  async #lost() {
    if (!this.#session) { this.#over(() => {}); this.#listeners.onFailed(await whyNot()); return; }
    this.#lostMs ??= performance.now();
    if (performance.now() - this.#lostMs > 1000 * this.#session.resumeS) {
      this.#over(() => this.#listeners.onFailed(problem("The connection was lost.", "It could not be taken up again in time. The curves show what had come.")));
      return;
    }
    this.#listeners.onLost();
    setTimeout(() => { if (!this.#isOver) this.#connect({ type: "resume", id: this.#session.id, received: this.#received }); }, RETRY_MS);
  }

  #over(tell) {
    this.#isOver = true;
    this.#kept = [];
    tell();
  }
}

/** A browser does not say why a stream was refused: an ordinary call meets the same refusal, or shows that only streams are. */
async function whyNot() {
  try {
    await readJson("v1/limits");
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
  return problem("The live connection could not be opened.", "The service answers, but no WebSocket came about: a proxy in between may not pass them.");
}

function problem(title, detail) {
  return new ProblemError(0, { title, detail, code: "" });
}

/** Messages carry codes, not statuses; only that a key is needed matters here. */
function statusOf({ code }) {
  return code === "unauthenticated" ? 401 : 503;
}
