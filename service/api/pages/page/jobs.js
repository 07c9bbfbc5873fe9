// Long recordings: the calls about jobs, which go on while nobody waits and outlive a lost connection.

import { readEvents } from "./events.js";
import { ask, ProblemError, readJson } from "./server.js";
import { send } from "./upload.js";

const RECONNECT_MS = 2000;
const FINAL = new Set(["succeeded", "failed", "cancelled", "expired"]);
const PASSING = new Set([0, 408, 429, 502, 503, 504]); // of a service that will be back

/** Whether a job in this state changes no more. */
export function isFinal(state) {
  return FINAL.has(state);
}

/**
 * Send a recording as a job. The same key makes no second job of a recording that is sent again.
 * @param {{path: string, query: Record<string, string>, file: File, key: string, onUpload: (share: number) => void, signal: AbortSignal}} order
 * @returns {Promise<object>} the job
 */
export async function submitJob({ key, ...order }) {
  const { blob } = await send({ ...order, accept: "application/json", headers: { "Idempotency-Key": key } });
  return JSON.parse(await blob.text());
}

/** The job as it stands. */
export function readJob(id) {
  return readJson(`v1/jobs/${id}`);
}

/** The result, in one of the forms of the call without a job; `query` may name fewer parts than the job has. */
export async function readResult(id, accept, query = {}) {
  return (await ask(`v1/jobs/${id}/result`, { headers: { Accept: accept }, query })).blob();
}

/** Cancel the job, or delete its result. */
export async function removeJob(id) {
  await ask(`v1/jobs/${id}`, { method: "DELETE" });
}

/**
 * Follow a job until it has ended, through lost connections and restarts of the service.
 * @param {{onState: (job: object) => void, onProgress: (share: number) => void, onLost: (error: ProblemError) => void}} listeners
 * @param {AbortSignal} signal
 */
export async function followJob(id, { onState, onProgress, onLost }, signal) {
  let lastId = null;
  let hasEnded = false;
  const take = (name, data, eventId) => {
    lastId = eventId ?? lastId;
    if (name === "progress") onProgress(data.progress);
    else if (name === "state") {
      hasEnded = isFinal(data.state);
      onState(data);
    }
  };
  while (!hasEnded) {
    try {
      const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
      const response = await ask(`v1/jobs/${id}/events`, { headers, signal });
      if (response.status === 204) return;
      await readEvents(response, take);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError) || !PASSING.has(error.status)) throw error;
      onLost(error);
    }
    if (!hasEnded) await pause(RECONNECT_MS, signal);
    if (signal.aborted) return;
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/** A key that no other request has. Not randomUUID(), which plain http lacks. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
