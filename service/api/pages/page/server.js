// Asking the service: addresses, credentials, errors. The key lives in this variable and nowhere else.

let key = "";

/** An answer that is an error, or no answer at all (status 0). */
export class ProblemError extends Error {
  constructor(status, problem, retryAfterS = null) {
    super(problem.title);
    this.status = status;
    this.problem = problem;
    this.retryAfterS = retryAfterS;
  }
}

/** Use this API key or token from now on, until the page is closed. */
export function useKey(text) {
  key = text.trim();
}

/** Headers that every request carries. */
export function credentials() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Address of a call, relative to this page, so that it works behind a prefix too. */
export function address(path, query = {}) {
  const text = new URLSearchParams(query).toString();
  return new URL(text ? `${path}?${text}` : path, document.baseURI).href;
}

/** Address of a stream, a WebSocket. */
export function streamAddress(path) {
  return address(path).replace(/^http/, "ws");
}

/** Subprotocols that carry the key, for WebSockets have no headers of their own. */
export function protocols() {
  return key ? ["emoserve", `bearer.${key}`] : [];
}

/** Ask for something; the answer's body is not read yet. Throws ProblemError, or the AbortError of `signal`. */
export async function ask(path, { method = "GET", headers = {}, query = {}, signal } = {}) {
  let response;
  try {
    response = await fetch(address(path, query), { method, signal, headers: { ...headers, ...credentials() } });
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
  if (response.ok) return response;
  throw problemOf(response.status, await response.text(), response.headers.get("Retry-After"), response.headers.get("X-Request-Id"));
}

/** A JSON answer. Throws ProblemError. */
export async function readJson(path) {
  return (await ask(path)).json();
}

/** The error in the text of an answer, which is a problem document wherever the service itself answered. */
export function problemOf(status, text, retryAfter, requestId) {
  let problem = null;
  try {
    problem = JSON.parse(text);
  } catch {
    // Not from this service: a proxy in between, say.
  }
  if (!problem || typeof problem.title !== "string") {
    problem = { title: `The server answered with status ${status}.`, detail: "", code: "", request_id: requestId ?? "" };
  }
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  return new ProblemError(status, problem, Number.isFinite(seconds) ? seconds : null);
}

/** What to throw when no answer came. */
export function unreachable() {
  return new ProblemError(0, { title: "The service could not be reached.", detail: "The connection failed before there was an answer.", code: "" });
}

/** What to throw when the file cannot be read from this computer. */
export function unreadable() {
  return new ProblemError(0, { title: "The file could not be read.", detail: "It was moved, changed or is a folder.", code: "file_unreadable" });
}
