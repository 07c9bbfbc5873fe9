// Several recordings, analysed one after the other: a failing one does not stop the rest.

import { wouldFitAsJob } from "./advice.js";
import { analyse, callOf, jobPathOf, kindOf, otherKind } from "./analysis.js";
import { BatchRow } from "./batch_row.js";
import { BatchTable } from "./batch_table.js";
import { announce } from "./dom.js";
import { isFinal, newKey, submitJob } from "./jobs.js";
import { duration, percent } from "./numbers.js";
import { readChoices } from "./options.js";
import { durationOf } from "./player.js";
import { ProblemError } from "./server.js";

const MOST_RECORDINGS = 200; // answers of so many stay in the tab's memory
const MOST_TRIES = 6; // of one recording while the service is busy
const USUAL_WAIT_S = 5;
const LONGEST_WAIT_S = 60;
const BUSY = new Set([429, 503]);
const FOR_ALL = new Set([0, 401, 403]); // what no further recording would fare better with

export class Batch {
  #rows = [];
  #table;
  #service;
  #listeners;
  #stop = null; // while it runs
  #choices = null;

  /**
   * @param {import("./service.js").Service} service
   * @param {object} listeners
   * @param {(row: BatchRow) => void} listeners.onOpen its result is to be shown
   * @param {(rows: BatchRow[]) => void} listeners.onCompare two results are to be shown beside one another
   * @param {() => void} listeners.onClear the list is gone
   * @param {(error: ProblemError, retry: () => void) => void} listeners.onProblem nothing goes on until it is tried again
   */
  constructor(service, listeners) {
    this.#service = service;
    this.#listeners = listeners;
    this.#table = new BatchTable({
      onStop: () => this.#stop?.abort(), onGoOn: () => this.#goOn(), onClear: () => this.clear(),
      onCompare: (rows) => listeners.onCompare(rows),
    });
  }

  /** The list of jobs, into which large recordings go. @param {import("./job_list.js").JobList} list */
  set jobList(list) { this.jobs = list; }

  /** Whether there is a list. */
  get isOpen() { return this.#rows.length > 0; }

  /** What it holds, in words. */
  get words() { return `${this.#rows.length} recordings`; }

  /** Add recordings, and analyse them. @param {File[]} files */
  add(files) {
    const taken = files.slice(0, MOST_RECORDINGS - this.#rows.length);
    this.#append(taken.map((file) => this.#rowOf(file)));
    if (taken.length < files.length) this.#table.tell(`A list holds ${MOST_RECORDINGS} recordings. The last ${files.length - taken.length} were left out.`);
    this.#run();
  }

  /** Add a recording whose answer is there. */
  addKnown(file, outcome) {
    const row = this.#rowOf(file);
    row.done(outcome);
    this.#append([row]);
  }

  /** Analyse all of them again, with what is chosen now. */
  again() {
    this.#stop?.abort();
    this.#choices = null;
    for (const row of this.#rows) row.reset();
    this.#run();
  }

  /** Forget the list. */
  clear() {
    this.#stop?.abort();
    this.#rows = [];
    this.#table.clear();
    this.#listeners.onClear();
    announce("The list is empty.");
  }

  #rowOf(file) {
    return new BatchRow(file, { onOpen: (row) => this.#listeners.onOpen(row), onPick: () => this.#table.picked(), onRetry: (row) => { row.reset(); this.#run(); } });
  }

  #append(rows) {
    this.#rows = [...this.#rows, ...rows];
    this.#table.show(this.#rows);
  }

  #goOn() {
    for (const row of this.#rows) if (row.state === "stopped") row.reset();
    this.#run();
  }

  /** Until no row waits, or it is stopped. A second call while it runs is one too many. */
  async #run() {
    if (this.#stop && !this.#stop.signal.aborted) return;
    const stop = new AbortController();
    this.#stop = stop;
    await this.#service.ready;
    this.#choices ??= readChoices();
    this.#table.update({ isRunning: true });
    for (let row = this.#next(); row && !stop.signal.aborted; row = this.#next()) {
      try {
        await this.#judge(row, stop.signal);
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error;
        this.#pause(error);
        break;
      }
      this.#table.update({ isRunning: true });
      if (!stop.signal.aborted) this.#announce(row);
    }
    if (this.#stop !== stop) return; // another run has begun
    this.#stop = null;
    if (stop.signal.aborted) this.#leave();
    else this.#choices = this.#next() ? this.#choices : null;
    this.#table.update({ isRunning: false });
    announce(stop.signal.aborted ? "Stopped." : this.#table.words);
  }

  #next() { return this.#rows.find(({ state }) => state === "waiting"); }

  #leave() { for (const row of this.#rows) if (row.state === "waiting") row.stopped(); }

  #pause(error) {
    this.#leave();
    this.#listeners.onProblem(error, () => this.#goOn());
  }

  #announce(row) {
    const place = `${this.#rows.filter(({ state }) => ["done", "failed"].includes(state)).length} of ${this.#rows.length}`;
    announce(`${row.file.name}: ${row.state === "done" ? "done" : "failed"}, ${place}.`);
  }

  /** One recording to its end. Throws ProblemError where all others would fare alike. */
  async #judge(row, signal) {
    const choices = this.#choices;
    const { hasFaces } = this.#service;
    row.durationS = await durationOf(row.file);
    row.kind = kindOf(row.file, choices.judge, hasFaces);
    for (let tries = 1; !signal.aborted && row.state !== "done"; tries += 1) {
      try {
        await this.#send(row, choices, signal);
        return;
      } catch (error) {
        if (error.name === "AbortError") break;
        if (!(error instanceof ProblemError)) throw error;
        const { status, problem } = error;
        if (FOR_ALL.has(status) && problem.code !== "file_unreadable" && !row.isLost) {
          row.reset();
          row.isLost = status === 0; // a second time it may be this recording that breaks the connection
          throw error;
        }
        const other = choices.judge === "auto" && !row.isOther ? otherKind(problem.code, hasFaces) : null;
        if (other) Object.assign(row, { kind: other, isOther: true });
        else if (wouldFitAsJob(problem.code) && this.#service.takesJobs(row.kind) && !row.asJob) row.asJob = true;
        else if (BUSY.has(status) && tries < MOST_TRIES) await this.#wait(row, error, signal);
        else { row.failed(problem, status); return; }
      }
    }
    const isOurs = this.#stop?.signal === signal; // not where all are begun again
    if (isOurs && ["working", "waiting"].includes(row.state)) row.stopped();
  }

  async #send(row, choices, signal) {
    const call = callOf(row.kind, choices);
    const asJob = row.asJob || choices.asJob || !this.#service.fits(row);
    if (this.#service.takesJobs(row.kind) && asJob) { await this.#sendJob(row, call, signal); return; }
    this.#service.check(row);
    const onUpload = (share) => row.working(share < 1 ? `Sending ${percent(share)}` : "Analysing");
    onUpload(0);
    const { answer, text } = await analyse(call, row.file, { onUpload, onProgress: (share) => row.working(`Analysing ${percent(share)}`), onPartial: () => {} }, signal);
    row.done({ kind: row.kind, answer, text, call, jobId: null });
  }

  /** Jobs go one after the other too, so that a list does not fill the service. One that is stopped here goes on there. */
  async #sendJob(row, call, signal) {
    this.#service.checkJob(row);
    const order = { ...call, path: jobPathOf(row.kind), file: row.file, key: newKey(), signal, onUpload: (share) => row.working(`Sending ${percent(share)}`) };
    const job = await submitJob(order);
    row.jobChanged(job);
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
      this.jobs.add(job, row.file, (entry) => {
        if (!isFinal(entry.job.state)) row.jobChanged(entry.job);
        else if (entry.answer) row.done({ kind: row.kind, answer: JSON.parse(entry.answer), text: entry.answer, call: null, jobId: entry.id });
        else if (entry.job.state !== "succeeded") row.failed(entry.job.problem ?? { title: `The job is ${entry.job.state}.`, code: "job_not_succeeded" }, 500);
        else return; // its answer is on its way
        this.#table.update({});
        if (isFinal(entry.job.state)) resolve();
      });
    });
  }

  async #wait(row, { retryAfterS }, signal) {
    const seconds = Math.min(Math.max(retryAfterS ?? USUAL_WAIT_S, 1), LONGEST_WAIT_S);
    row.working(`The service is busy: next try in ${duration(seconds)}`);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000 * seconds);
      signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }
}
