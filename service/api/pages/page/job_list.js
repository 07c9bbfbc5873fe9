// The jobs of this tab: followed while they run, found again when the page is loaded anew.

import { announce, byId } from "./dom.js";
import { JobEntry } from "./job_entry.js";
import { forgetJob, rememberedJobs, rememberJob } from "./job_memory.js";
import { followJob, isFinal, readJob, readResult, removeJob } from "./jobs.js";
import { ProblemError } from "./server.js";

export class JobList {
  /**
   * @param {object} listeners
   * @param {(entry: JobEntry) => boolean} listeners.isAwaited whether its result is to be shown as soon as it is there
   * @param {(entry: JobEntry) => void} listeners.onResult its answer is there, to be shown
   * @param {(error: ProblemError, retry: () => void) => void} listeners.onProblem
   */
  constructor(listeners) {
    this.listeners = listeners;
    this.entries = new Map();
  }

  /** Take up the jobs that this tab had before the page was loaded. */
  async resume() {
    for (const id of rememberedJobs()) {
      if (this.entries.has(id)) continue;
      try {
        this.add(await readJob(id), null);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        if (error.status === 404) forgetJob(id);
        else this.listeners.onProblem(error, () => this.resume());
        if (error.status !== 404) return;
      }
    }
  }

  /** A job that was just accepted, or found again; `watcher` as of JobEntry. */
  add(job, file, watcher = null) {
    const entry = new JobEntry(job, file, { onShow: () => this.#show(entry), onRemove: () => this.#remove(entry) }, watcher);
    this.entries.set(job.id, entry);
    rememberJob(job.id);
    byId("job-list").prepend(entry.node);
    byId("jobs").hidden = false;
    if (isFinal(job.state)) this.#ended(entry);
    else this.#follow(entry);
  }

  async #follow(entry) {
    const listeners = {
      onState: (job) => { entry.show(job); if (isFinal(job.state)) this.#ended(entry); },
      onProgress: (share) => entry.progress(share),
      onLost: () => entry.lost(),
    };
    await this.#try(() => followJob(entry.id, listeners, entry.follow.signal), () => this.#follow(entry), entry);
  }

  #ended(entry) {
    const { state } = entry.job;
    if (state === "succeeded" && entry.watcher) this.#hand(entry);
    else if (state === "succeeded" && this.listeners.isAwaited(entry)) this.#show(entry);
    else announce(`${entry.name}: ${state}.`);
  }

  async #hand(entry) {
    await this.#try(async () => { await this.#read(entry); entry.watcher(entry); }, () => this.#hand(entry), entry);
  }

  async #read(entry) {
    entry.answer ??= await (await readResult(entry.id, "application/json")).text();
  }

  async #show(entry) {
    await this.#try(async () => {
      await this.#read(entry);
      this.listeners.onResult(entry);
    }, () => this.#show(entry), entry);
  }

  async #remove(entry) {
    const isUnderWay = !isFinal(entry.job.state);
    await this.#try(async () => {
      await removeJob(entry.id);
      if (!isUnderWay) this.#drop(entry);
      else if (!isFinal(entry.job.state)) entry.show({ ...(await readJob(entry.id)) });
    }, () => this.#remove(entry), entry);
  }

  #drop(entry) {
    entry.follow.abort();
    forgetJob(entry.id);
    this.entries.delete(entry.id);
    entry.node.remove();
    if (!isFinal(entry.job.state)) entry.show({ ...entry.job, state: "expired" });
    byId("jobs").hidden = !this.entries.size;
    announce("Removed.");
    byId("main").focus({ preventScroll: true });
  }

  async #try(work, again, entry) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.problem.code === "job_not_found") this.#drop(entry);
      this.listeners.onProblem(error, again);
    }
  }
}
