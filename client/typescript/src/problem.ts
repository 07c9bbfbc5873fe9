// What can go wrong: the service refuses, or no answer comes.

import type { ProblemDocument } from "./answers.ts";

/** The service refused, or could not finish the work. */
export class EmoserveProblem extends Error {
  readonly status: number;
  readonly document: Partial<ProblemDocument>;
  /** Seconds after which it may be tried again, where the service says so. */
  readonly retryAfterS: number | null;

  constructor(status: number, document: Partial<ProblemDocument>, retryAfterS: number | null = null) {
    super([document.title, document.detail].filter(Boolean).join(" ") || `status ${status}`);
    this.name = "EmoserveProblem";
    this.status = status;
    this.document = document;
    this.retryAfterS = retryAfterS;
  }

  get code(): string { return this.document.code ?? "unknown"; }

  get detail(): string { return this.document.detail ?? ""; }

  get requestId(): string | null { return this.document.request_id ?? null; }
}

/** No answer came: no connection, or one that broke. The cause is that of fetch(). */
export class EmoserveUnreachable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "EmoserveUnreachable";
  }
}

/** The problem that a response tells; anything but a problem's JSON becomes its title. */
export async function problemOf(response: Response): Promise<EmoserveProblem> {
  const text = await response.text();
  let document: Partial<ProblemDocument>;
  try {
    document = JSON.parse(text);
  } catch {
    document = { title: text.slice(0, 200) || response.statusText };
  }
  return new EmoserveProblem(response.status, document, retryAfterOf(response.headers));
}

/** Seconds of the header Retry-After, a number or a date; null without a valid one. */
export function retryAfterOf(headers: Headers): number | null {
  const value = headers.get("retry-after");
  if (value === null) return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, (at - Date.now()) / 1000);
}
