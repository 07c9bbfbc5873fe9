// What lies on the desk: one recording, from the file to its curves.

import { wouldFitAsJob } from "./advice.js";
import { analyse, callOf, jobPathOf, kindOf, otherKind, PARTS, SOUND_PARTS } from "./analysis.js";
import { announce, byId } from "./dom.js";
import { downloads } from "./downloads.js";
import { newKey, readResult, submitJob } from "./jobs.js";
import { LiveView } from "./live_view.js";
import { bytes, duration } from "./numbers.js";
import { readChoices } from "./options.js";
import { outlineOf } from "./outline.js";
import { Playhead } from "./playhead.js";
import { knownDuration, showFaces, showPlayer, tellContent } from "./player.js";
import { hideProblem, showProblem } from "./problem.js";
import { ProblemError, useKey } from "./server.js";
import { Status } from "./status.js";
import { send } from "./upload.js";
import { faceView, soundView, voiceView } from "./views.js";

const REDRAW_MS = 200; // windows may come faster than anybody can look
const SURELY_SHORT_BYTES = 2e6; // no format packs an hour into so little; the length need not be asked for

export class Desk {
  #playhead = new Playhead();
  #status = new Status();
  #plots = [];
  #current = null; // the recording at hand: its file, outline, job, and how to stop its analysis
  #service = { hasFaces: true, limits: null, jobs: null };
  #learning = Promise.resolve(); // what the service has and takes is being asked for
  #relearn;

  /** @param {() => void} relearn asks the service anew what it has, after another key was entered */
  constructor(relearn) {
    this.#relearn = relearn;
  }

  /** Jobs go into this list. @param {import("./job_list.js").JobList} list */
  set jobList(list) { this.jobs = list; }

  get isEmpty() { return !this.#current; }

  /** What the service has and takes: `hasFaces`, `limits` of a request, `jobs` (limits of a job, or null). */
  know(service) { Object.assign(this.#service, service); }

  /** No analysis begins before `learning` has settled, which calls `know` unless it fails. */
  waitFor(learning) { this.#learning = learning.catch(() => {}); }

  /** Analyse another file. */
  async take(file) {
    const mine = this.#begin(file, `${file.name} · ${bytes(file.size)}`);
    const outlined = this.#outline(mine);
    if (file.size > SURELY_SHORT_BYTES) mine.durationS = await knownDuration(this.#playhead.media);
    if (this.#current === mine) await this.#run(mine, { outlined });
  }

  /** Analyse the same file again, with what is chosen now. */
  again() {
    if (!this.#current?.file) return;
    this.#current.stop.abort();
    this.#current = { ...this.#current, stop: new AbortController(), isShown: true, isAnswered: false, jobId: null };
    this.#run(this.#current);
  }

  /** Stop what is under way; jobs go on. */
  stop() { this.#current?.stop.abort(); }

  /** Whether the job's result is to be shown at once: nothing else was begun meanwhile. */
  awaits(entry) {
    return this.isEmpty || this.#current.jobId === entry.id;
  }

  /** Show the result of a job. */
  async showJob(entry) {
    hideProblem();
    let mine = this.#current;
    if (mine?.jobId !== entry.id) {
      mine = this.#begin(entry.file, entry.name, entry.id);
      if (entry.file) await this.#outline(mine);
    }
    if (this.#current !== mine) return;
    byId("result").hidden = false;
    const kind = entry.job.kind === "video-affect" ? "face" : "voice";
    const note = "Made from the result that the service keeps for now.";
    const answer = JSON.parse(entry.answer);
    const read = (accept, query) => readResult(entry.id, accept, query);
    this.#present(kind, answer, mine, downloads(entry.file?.name ?? "result", entry.answer, partsOf(kind, answer), read, note));
  }

  #begin(file, words, jobId = null) {
    this.#current?.stop.abort();
    const mine = { file, outline: null, stop: new AbortController(), jobId };
    this.#current = mine;
    document.body.classList.add("has-recording");
    byId("file-name").textContent = words;
    byId("again").hidden = !file;
    this.#status.end();
    this.#playhead.setDuration(0);
    showPlayer(file, this.#playhead);
    this.#show({ summary: [], charts: [], plots: [] });
    return mine;
  }

  async #outline(mine) {
    const outline = await outlineOf(mine.file);
    mine.outline = outline;
    if (this.#current !== mine || mine.isShown || !outline) return;
    this.#playhead.setDuration(outline.duration);
    this.#show(soundView(outline, this.#playhead));
  }

  async #run(mine, { outlined = Promise.resolve(), asJob = false, asKind = null } = {}) {
    await this.#learning;
    if (this.#current !== mine) return;
    const choices = readChoices();
    const kind = asKind ?? kindOf(mine.file, choices.judge, this.#service.hasFaces);
    const call = callOf(kind, choices);
    hideProblem();
    byId("result").hidden = false;
    byId("result").setAttribute("aria-busy", "true");
    try {
      if (this.#takesJobs(kind) && (asJob || choices.asJob || !this.#fits(mine))) await this.#submit(mine, { ...call, path: jobPathOf(kind) });
      else await this.#analyse(mine, kind, call, outlined);
    } catch (error) {
      const other = choices.judge === "auto" && !asKind ? otherKind(error.problem?.code, this.#service.hasFaces) : null;
      if (other && this.#current === mine) return await this.#run(mine, { outlined, asJob, asKind: other });
      this.#failed(error, mine, kind);
    } finally {
      if (this.#current === mine) {
        this.#status.end();
        byId("result").removeAttribute("aria-busy");
      }
    }
  }

  async #analyse(mine, kind, call, outlined) {
    if (!this.#fits(mine)) throw tooLarge(mine, this.#service.limits);
    this.#status.begin();
    const live = new LiveView(this.#playhead);
    const { answer, text } = await analyse(call, mine.file, {
      onUpload: (share) => this.#status.uploaded(share),
      onProgress: (share) => this.#status.analysed(share),
      onPartial: (partial) => this.#showPartial(mine, live, partial),
    }, mine.stop.signal);
    await outlined;
    if (this.#current !== mine) return;
    const again = async (accept, query) => (await send({ ...call, query, file: mine.file, accept })).blob;
    this.#present(kind, answer, mine, downloads(mine.file.name, text, call.query, again, "For CSV, PNG and FHIR the recording is sent once more."));
  }

  async #submit(mine, call) {
    const limits = this.#service.jobs;
    if (mine.file.size > limits.max_body_bytes || mine.durationS > limits.max_duration_s) throw tooLarge(mine, limits);
    const order = JSON.stringify(call);
    if (mine.order !== order) Object.assign(mine, { order, key: newKey() });
    this.#status.begin();
    const job = await submitJob({ ...call, file: mine.file, key: mine.key, signal: mine.stop.signal, onUpload: (share) => this.#status.uploaded(share) });
    mine.jobId = job.id;
    announce("Sent. The analysis goes on, whether this page is open or not.");
    this.jobs.add(job, mine.file);
  }

  #takesJobs(kind) { return Boolean(this.#service.jobs) && jobPathOf(kind) !== null; }

  #fits({ file, durationS }) {
    const { limits } = this.#service;
    return !limits || (file.size <= limits.max_body_bytes && !(durationS > limits.max_duration_s));
  }

  #failed(error, mine, kind) {
    if (this.#current !== mine) return;
    if (error.name === "AbortError") { announce("Stopped."); return; }
    if (!(error instanceof ProblemError)) throw error;
    byId("result").hidden = !mine.isShown && !mine.outline;
    const isTooMuch = this.#takesJobs(kind) && !mine.key && wouldFitAsJob(error.problem.code);
    showProblem(error, {
      onRetry: (key) => {
        if (key !== null) { useKey(key); this.#relearn(); }
        this.#run(mine);
      },
      onJob: isTooMuch ? () => this.#run(mine, { asJob: true }) : null,
    });
    byId("problem").scrollIntoView({ block: "nearest" });
  }

  /** Draw what has come, now or soon: the last of many windows is not left out. */
  #showPartial(mine, live, partial) {
    if (mine.isDrawingSoon) return;
    mine.isDrawingSoon = true;
    setTimeout(() => {
      mine.isDrawingSoon = false;
      if (this.#current !== mine || mine.isAnswered) return;
      Object.assign(mine, { isShown: true, drawnMs: performance.now() });
      const view = live.update(partial, mine.outline);
      if (view) this.#show(view);
    }, Math.max(0, REDRAW_MS - (performance.now() - (mine.drawnMs ?? -Infinity))));
  }

  #present(kind, answer, mine, buttons) {
    Object.assign(mine, { isShown: true, isAnswered: true });
    this.#playhead.setDuration(answer.media.duration_s);
    const view = kind === "voice" ? voiceView : faceView;
    const render = (part) => this.#show(view(answer, mine.outline, this.#playhead, buttons, part, render));
    render(kind === "voice" ? "all" : String(answer.faces?.[0]?.face));
    tellContent(answer.media);
    showFaces((answer.faces ?? [answer]).filter(({ boxes }) => boxes), this.#playhead);
    const emotion = answer.emotion ?? answer.audio?.emotion;
    const plausible = answer.plausible ?? answer.audio?.plausible ?? [emotion];
    announce(`Done: ${duration(answer.media.duration_s)} analysed.${emotion ? ` Plausible: ${plausible.join(", ")}.` : ""}`);
    byId("result-heading").focus({ preventScroll: true });
  }

  #show(view) {
    for (const plot of this.#plots) plot.close();
    this.#plots = view.plots;
    byId("summary").replaceChildren(...view.summary);
    byId("charts").replaceChildren(...view.charts);
  }
}

/** The query that reads all that a job's answer holds. */
function partsOf(kind, answer) {
  const parts = kind === "voice" ? SOUND_PARTS : PARTS;
  return { include: parts.filter((part) => part in (answer.channels?.[0] ?? answer)).join(",") };
}

/** What the server would say, without sending it what it will refuse. */
function tooLarge({ file, durationS }, limits) {
  if (file.size > limits.max_body_bytes) {
    const detail = `It has ${bytes(file.size)}; this service takes up to ${bytes(limits.max_body_bytes)}.`;
    return new ProblemError(413, { title: "The file is larger than the limit.", detail, code: "body_too_large" });
  }
  const detail = `It lasts ${duration(durationS)}; this service takes up to ${duration(limits.max_duration_s)}.`;
  return new ProblemError(413, { title: "The recording is longer than the limit.", detail, code: "media_too_long" });
}
