// What the service has and takes, as soon as it has told.

import { jobPathOf } from "./analysis.js";
import { bytes, duration } from "./numbers.js";
import { ProblemError } from "./server.js";

export class Service {
  hasFaces = true;
  limits = null; // of a request; null until they are known
  jobs = null; // limits of a job; null where none are taken
  cards = []; // of its models
  #ready = Promise.resolve();

  /** Settled when the service has told, or could not. */
  get ready() { return this.#ready; }

  /** No analysis begins before `learning` has settled, which calls `know` unless it fails. */
  waitFor(learning) { this.#ready = learning.catch(() => {}); }

  /** Take over what was learnt: `hasFaces`, `limits`, `jobs`, `cards`. */
  know(facts) { Object.assign(this, facts); }

  /** Whether recordings of this kind may go as jobs. */
  takesJobs(kind) { return Boolean(this.jobs) && jobPathOf(kind) !== null; }

  /** Whether one request may hold the recording. @param {{file: File, durationS?: number}} recording */
  fits(recording) { return !this.limits || isWithin(recording, this.limits); }

  /** Throws ProblemError where one request may not hold the recording, without sending what would be refused. */
  check(recording) {
    if (!this.fits(recording)) throw tooLarge(recording, this.limits);
  }

  /** Throws ProblemError where no job may hold the recording. */
  checkJob(recording) {
    if (!isWithin(recording, this.jobs)) throw tooLarge(recording, this.jobs);
  }

  /** The card of a model that gave an answer, or null. */
  cardOf(model) {
    return this.cards.find(({ name, version }) => name === model?.name && version === model.version) ?? null;
  }
}

function isWithin({ file, durationS }, limits) {
  return file.size <= limits.max_body_bytes && !(durationS > limits.max_duration_s);
}

/** What the server would say. */
function tooLarge({ file, durationS }, limits) {
  if (file.size > limits.max_body_bytes) {
    const detail = `It has ${bytes(file.size)}; this service takes up to ${bytes(limits.max_body_bytes)}.`;
    return new ProblemError(413, { title: "The file is larger than the limit.", detail, code: "body_too_large" });
  }
  const detail = `It lasts ${duration(durationS)}; this service takes up to ${duration(limits.max_duration_s)}.`;
  return new ProblemError(413, { title: "The recording is longer than the limit.", detail, code: "media_too_long" });
}
