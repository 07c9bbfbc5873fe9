// One upload: the file as the request's body, with progress on its way. fetch() tells of no upload progress.

import { address, credentials, problemOf, unreachable, unreadable } from "./server.js";

const TYPES = { csv: "text/csv", flac: "audio/flac", m4a: "audio/mp4", mkv: "video/x-matroska", mov: "video/quicktime", opus: "audio/ogg" };

/** Media type to send a file as; what is neither sound, picture nor table goes as bytes and is judged by the server. */
export function mediaTypeOf(file) {
  const guess = file.type || TYPES[file.name.split(".").pop().toLowerCase()] || "";
  return /^(audio|video)\/|^text\/csv$/.test(guess) ? guess : "application/octet-stream";
}

/**
 * Send a file and wait for the answer.
 * @param {object} order
 * @param {string} order.path of the call
 * @param {Record<string, string>} order.query
 * @param {File} order.file
 * @param {string} order.accept
 * @param {Record<string, string>} [order.headers] further ones
 * @param {(share: number) => void} [order.onUpload] the share of the file that is sent
 * @param {(text: string) => void} [order.onPiece] the next piece of an answer that is a stream of events
 * @param {AbortSignal} [order.signal]
 * @returns {Promise<{blob: Blob, type: string}>}
 */
export function send({ path, query, file, accept, headers = {}, onUpload, onPiece, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", address(path, query));
    for (const [name, value] of Object.entries({ Accept: accept, "Content-Type": mediaTypeOf(file), ...headers, ...credentials() })) {
      request.setRequestHeader(name, value);
    }
    if (!onPiece) request.responseType = "blob";
    if (onUpload) {
      request.upload.addEventListener("progress", (event) => event.lengthComputable && onUpload(event.loaded / event.total));
      request.upload.addEventListener("load", () => onUpload(1));
    }
    let seen = 0;
    const type = () => request.getResponseHeader("Content-Type") ?? "";
    const read = () => {
      if (!onPiece || request.status !== 200 || !type().startsWith("text/event-stream")) return;
      const text = request.responseText;
      if (text.length > seen) onPiece(text.slice(seen));
      seen = text.length;
    };
    request.addEventListener("progress", read);
    request.addEventListener("load", async () => {
      read();
      const blob = onPiece ? new Blob([request.responseText]) : request.response;
      if (request.status === 200 || request.status === 202) resolve({ blob, type: type() });
      else reject(problemOf(request.status, await blob.text(), request.getResponseHeader("Retry-After"), request.getResponseHeader("X-Request-Id")));
    });
    request.addEventListener("error", async () => reject((await isReadable(file)) ? unreachable() : unreadable()));
    request.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    request.addEventListener("loadend", () => signal?.removeEventListener("abort", abort));
    signal?.addEventListener("abort", abort);
    request.send(file);
  });
}

/** Whether the file is still there: browsers report one that is gone, or a folder, as a failed connection. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
