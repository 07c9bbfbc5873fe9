// The client: one method for each thing that the service does.

import type {
  AnalyseActionUnitsAffectOptions, AnalyseAudioEmotionOptions, AnalyseVideoAffectOptions, AudioEmbeddingAnswer,
  AudioEmotionAnswer, EmbedAudioOptions, FlagsAnswer, JobAnswer, JobListAnswer, LimitsAnswer, ListJobsOptions,
  MakeProfileOptions, ModelsAnswer, ReadJobResultOptions, Ready, SubmitAudioEmotionOptions, SubmitVideoAffectOptions,
  VideoAffectAnswer,
} from "./answers.ts";
import { eventsOf, type ServerEvent } from "./events.ts";
import { EmoserveProblem, EmoserveUnreachable, problemOf } from "./problem.ts";

/** A recording or table: its bytes, or its address, which the service fetches where its operator allows it. */
export type Upload = Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | { url: string };

/** Forms of an answer other than JSON. */
export type MediaType =
  | "text/csv" | "image/png" | "image/svg+xml" | "application/pdf" | "application/fhir+json";

/** A document of POST /v1/profiles: keep it as it is. */
export type ProfileDocument = Record<string, unknown>;

export interface EmoserveOptions {
  /** Key or token, where the service asks for one. */
  apiKey?: string;
  /** Most attempts of one request, the first included; 4 if left out. */
  attempts?: number;
  /** Most seconds of pauses between them in all; 60 if left out. A longer Retry-After ends the attempts at once. */
  longestPauseS?: number;
  /** Replaces the global fetch(). */
  fetch?: typeof fetch;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface UploadOptions extends CallOptions {
  /** What a voice is compared with. */
  profile?: ProfileDocument;
  /** The rest of a face. */
  neutral?: ProfileDocument;
}

type Query = Record<string, unknown>;

interface Call {
  signal?: AbortSignal;
  method: "GET" | "POST" | "DELETE";
  path: string;
  query?: object;
  accept?: string;
  headers?: Record<string, string>;
  body?: () => { body: Blob | FormData; type?: string };
}

const RETRIED = new Set([429, 503]);
const FIRST_PAUSE_S = 0.5;
const FINAL = new Set(["succeeded", "failed", "cancelled", "expired"]);
const RAW_TYPE = /^(audio|video)\/|^text\/csv$/;

/**
 * Calls one service. Every method throws EmoserveProblem when the service refuses, EmoserveUnreachable when no answer
 * comes, and an AbortError when its signal is aborted.
 */
export class Emoserve {
  readonly #base: string;
  readonly #options: EmoserveOptions;

  /** @param baseUrl address of the service, such as http://127.0.0.1:8000 */
  constructor(baseUrl: string, options: EmoserveOptions = {}) {
    this.#base = baseUrl.replace(/\/+$/, "");
    this.#options = options;
  }

  /** Judge the emotion of a recording or of a video's sound track. */
  audioEmotion(file: Upload, options?: AnalyseAudioEmotionOptions, call?: UploadOptions): Promise<AudioEmotionAnswer> {
    return this.#json(upload("/v1/audio/emotion", file, options, call));
  }

  /** The answer of audioEmotion in another form. */
  audioEmotionAs(type: MediaType, file: Upload, options?: AnalyseAudioEmotionOptions, call?: UploadOptions): Promise<Blob> {
    return this.#blob({ ...upload("/v1/audio/emotion", file, options, call), accept: type });
  }

  /** Events of the work; the last one is 'result', whose data is the answer. Leaving the iteration cancels the work. */
  audioEmotionEvents(file: Upload, options?: AnalyseAudioEmotionOptions, call?: UploadOptions): AsyncGenerator<ServerEvent> {
    return this.#uploadEvents(upload("/v1/audio/emotion", file, options, call));
  }

  /** The embedding of each window of a recording. */
  audioEmbedding(file: Upload, options?: EmbedAudioOptions, call?: UploadOptions): Promise<AudioEmbeddingAnswer> {
    return this.#json(upload("/v1/audio/embedding", file, options, call));
  }

  /** Judge arousal and valence of a face over time. */
  videoAffect(file: Upload, options?: AnalyseVideoAffectOptions, call?: UploadOptions): Promise<VideoAffectAnswer> {
    return this.#json(upload("/v1/video/affect", file, options, call));
  }

  /** The answer of videoAffect in another form. */
  videoAffectAs(type: MediaType, file: Upload, options?: AnalyseVideoAffectOptions, call?: UploadOptions): Promise<Blob> {
    return this.#blob({ ...upload("/v1/video/affect", file, options, call), accept: type });
  }

  /** Events of the work, as of audioEmotionEvents. */
  videoAffectEvents(file: Upload, options?: AnalyseVideoAffectOptions, call?: UploadOptions): AsyncGenerator<ServerEvent> {
    return this.#uploadEvents(upload("/v1/video/affect", file, options, call));
  }

  /** Judge arousal and valence from a table of action units by OpenFace or AVEC. */
  tableAffect(table: Upload, options?: AnalyseActionUnitsAffectOptions, call?: UploadOptions): Promise<VideoAffectAnswer> {
    return this.#json(upload("/v1/action-units/affect", table, options, call));
  }

  /** The answer of tableAffect in another form. */
  tableAffectAs(type: MediaType, table: Upload, options?: AnalyseActionUnitsAffectOptions, call?: UploadOptions): Promise<Blob> {
    return this.#blob({ ...upload("/v1/action-units/affect", table, options, call), accept: type });
  }

  /**
   * Make the profile of a voice, a line or a face, or go on with one; the service keeps none.
   * @param before the document to go on with
   */
  makeProfile(files: Exclude<Upload, { url: string }>[], options?: MakeProfileOptions, before?: ProfileDocument, call?: CallOptions): Promise<ProfileDocument> {
    const body = () => {
      const form = new FormData();
      files.forEach((file, number) => form.append("file", blobOf(file), `recording-${number + 1}`));
      if (before) form.append("profile", new Blob([JSON.stringify(before)], { type: "application/json" }));
      return { body: form };
    };
    return this.#json({ ...call, method: "POST", path: "/v1/profiles", query: options, body });
  }

  /** Start a job for a long recording. The same key with the same file starts it only once; one is drawn if left out. */
  submitAudioEmotion(file: Upload, options?: SubmitAudioEmotionOptions, call?: UploadOptions & { idempotencyKey?: string }): Promise<JobAnswer> {
    return this.#submit("/v1/jobs/audio-emotion", file, options, call);
  }

  /** Start a job for a long video, as submitAudioEmotion. */
  submitVideoAffect(file: Upload, options?: SubmitVideoAffectOptions, call?: UploadOptions & { idempotencyKey?: string }): Promise<JobAnswer> {
    return this.#submit("/v1/jobs/video-affect", file, options, call);
  }

  /** The state of a job. */
  job(id: string, call?: CallOptions): Promise<JobAnswer> {
    return this.#json({ ...call, method: "GET", path: `/v1/jobs/${encodeURIComponent(id)}` });
  }

  /** Some of your jobs, newest first, where the operator allows it. */
  jobs(options?: ListJobsOptions, call?: CallOptions): Promise<JobListAnswer> {
    return this.#json({ ...call, method: "GET", path: "/v1/jobs", query: options });
  }

  /** Ask every `pollS` seconds until a job has succeeded, failed, been cancelled or expired. */
  async wait(id: string, { pollS = 1, signal }: CallOptions & { pollS?: number } = {}): Promise<JobAnswer> {
    for (;;) {
      const job = await this.job(id, { signal });
      if (FINAL.has(job.state)) return job;
      await pause(pollS, signal);
    }
  }

  /** Events of a job from one response: 'state' at every change, 'progress' in between. It ends with the job. */
  async *jobEvents(id: string, { lastEventId, ...call }: CallOptions & { lastEventId?: string } = {}): AsyncGenerator<ServerEvent> {
    const headers = lastEventId === undefined ? undefined : { "Last-Event-ID": lastEventId };
    const path = `/v1/jobs/${encodeURIComponent(id)}/events`;
    const response = await this.#answer({ ...call, method: "GET", path, accept: "text/event-stream", headers });
    if (response.status !== 204) yield* eventsOf(response);
  }

  /** The answer of a job that has succeeded. */
  jobResult<Answer extends AudioEmotionAnswer | VideoAffectAnswer>(id: string, call?: CallOptions): Promise<Answer> {
    return this.#json({ ...call, method: "GET", path: `/v1/jobs/${encodeURIComponent(id)}/result` });
  }

  /** The same in another form. */
  jobResultAs(type: MediaType, id: string, options?: ReadJobResultOptions, call?: CallOptions): Promise<Blob> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/result`;
    return this.#blob({ ...call, method: "GET", path, query: options, accept: type });
  }

  /** Cancel a job, or delete its result. */
  async deleteJob(id: string, call?: CallOptions): Promise<void> {
    await this.#answer({ ...call, method: "DELETE", path: `/v1/jobs/${encodeURIComponent(id)}` });
  }

  /** The models with their cards. */
  models(call?: CallOptions): Promise<ModelsAnswer> {
    return this.#json({ ...call, method: "GET", path: "/v1/models" });
  }

  /** What one request may hold. */
  limits(call?: CallOptions): Promise<LimitsAnswer> {
    return this.#json({ ...call, method: "GET", path: "/v1/limits" });
  }

  /** The flags of answers, each with a sentence. */
  flags(call?: CallOptions): Promise<FlagsAnswer> {
    return this.#json({ ...call, method: "GET", path: "/v1/flags" });
  }

  /** Whether the service takes work; it throws EmoserveProblem (503) where it does not. Never repeated. */
  async ready(call?: CallOptions): Promise<Ready> {
    const response = await this.#once({ ...call, method: "GET", path: "/v2/health/ready" });
    if (!response.ok) throw await problemOf(response);
    return response.json();
  }

  #submit(path: string, file: Upload, options?: object, { idempotencyKey, ...call }: UploadOptions & { idempotencyKey?: string } = {}): Promise<JobAnswer> {
    const headers = { "Idempotency-Key": idempotencyKey ?? crypto.randomUUID() };
    return this.#json({ ...upload(path, file, options, call), headers });
  }

  async *#uploadEvents(call: Call): AsyncGenerator<ServerEvent> {
    for await (const event of eventsOf(await this.#answer({ ...call, accept: "text/event-stream" }))) {
      if (event.name === "problem") {
        const document = event.data as { status?: number };
        throw new EmoserveProblem(document.status ?? 0, document);
      }
      yield event;
      if (event.name === "result") return;
    }
    throw new EmoserveUnreachable("the events ended before the answer");
  }

  async #json<Answer>(call: Call): Promise<Answer> {
    return (await this.#answer({ accept: "application/json", ...call })).json();
  }

  async #blob(call: Call): Promise<Blob> {
    return (await this.#answer(call)).blob();
  }

  /** The response of a call that was taken, after as many attempts as may be. */
  async #answer(call: Call): Promise<Response> {
    const { attempts = 4, longestPauseS = 60 } = this.#options;
    let waitedS = 0;
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.#once(call);
      if (response.ok) return response;
      const problem = await problemOf(response);
      const pauseS = problem.retryAfterS ?? Math.random() * FIRST_PAUSE_S * 2 ** (attempt - 1);
      if (!RETRIED.has(response.status) || attempt >= attempts || waitedS + pauseS > longestPauseS) throw problem;
      await pause(pauseS, call.signal);
      waitedS += pauseS;
    }
  }

  async #once({ method, path, query, accept, headers, body, signal }: Call): Promise<Response> {
    const { apiKey, fetch: send = fetch } = this.#options;
    const sent = body?.();
    try {
      return await send(`${this.#base}${path}${queryOf(query as Query)}`, {
        method,
        signal: signal ?? null,
        body: sent?.body ?? null,
        headers: {
          ...(accept && { Accept: accept }),
          ...(sent?.type && { "Content-Type": sent.type }),
          ...(apiKey && { Authorization: `Bearer ${apiKey}` }),
          ...headers,
        },
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new EmoserveUnreachable(`no answer from ${this.#base}`, error);
    }
  }
}

/** A call that sends a file as its body; beside a document, or as an address, in a form. */
function upload(path: string, file: Upload, query?: object, { signal, profile, neutral }: UploadOptions = {}): Call {
  const body = () => {
    if (!("url" in file) && !profile && !neutral) {
      const blob = blobOf(file);
      return { body: blob, type: RAW_TYPE.test(blob.type) ? blob.type : "application/octet-stream" };
    }
    const form = new FormData();
    if ("url" in file) form.append("url", file.url);
    else form.append("file", blobOf(file), "recording");
    for (const [name, document] of Object.entries({ profile, neutral })) {
      if (document) form.append(name, new Blob([JSON.stringify(document)], { type: "application/json" }));
    }
    return { body: form };
  };
  return { signal, method: "POST", path, query, body };
}

function blobOf(file: Exclude<Upload, { url: string }>): Blob {
  return file instanceof Blob ? file : new Blob([file]);
}

/** Parameters as a query; what is null or left out is not sent, and a list is joined by commas. */
function queryOf(query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, textOf(value)])).toString();
  return text && `?${text}`;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => { clearTimeout(timer); reject(signal!.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, 1000 * seconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
