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

const LIVE_SPAN_S = 60; // shown of what goes on
const REDRAW_MS = 200; // windows may come faster than anybody can look
const SURELY_SHORT_BYTES = 2e6; // no format packs an hour into so little; the length need not be asked for

export class Desk {
  #playhead = new Playhead();
  #status = new Status();
  #plots = [];
  #current = null; // the recording at hand: its file, outline, job, and how to stop its analysis
  #service;
  #relearn;

  /**
   * @param {import("./service.js").Service} service
   * @param {() => void} relearn asks the service anew what it has, after another key was entered
   */
  constructor(service, relearn) {
    this.#service = service;
    this.#relearn = relearn;
  }

  /** Jobs go into this list. @param {import("./job_list.js").JobList} list */
  set jobList(list) { this.jobs = list; }

  get isEmpty() { return !this.#current; }

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
    this.#present({ kind, answer: JSON.parse(entry.answer), text: entry.answer, jobId: entry.id }, mine);
  }

  /** Show what came of one of several recordings. @param {import("./batch_row.js").BatchRow} row */
  async open(row) {
    hideProblem();
    const mine = this.#begin(row.file, null, row.jobId);
    byId("to-list").onclick = () => row.focus();
    this.#title(`Result: ${row.file.name}`);
    byId("result").hidden = false;
    await this.#outline(mine);
    if (this.#current !== mine) return;
    this.#present(row, mine);
    byId("result").scrollIntoView({ block: "start" });
  }

  /** Show something else than one recording. @param {import("./views.js").View} view @param {() => void} goBack to the list */
  lay(title, view, goBack) {
    this.clear();
    byId("to-list").onclick = goBack;
    this.#title(title);
    this.#show(view);
    byId("result").classList.add("wide");
    byId("result").hidden = false;
    byId("result-heading").focus({ preventScroll: true });
    byId("result").scrollIntoView({ block: "start" });
  }

  /**
   * Curves of something that goes on, without a recording behind them.
   * @returns {{isCurrent: () => boolean, update: (partial: object) => void, keep: (buttons: Node) => void, finish: (outcome: object) => void, end: () => void}}
   */
  growing(words) {
    hideProblem();
    const mine = this.#begin(null, words);
    const live = new LiveView(this.#playhead);
    this.#playhead.follow(LIVE_SPAN_S);
    byId("result").classList.add("wide");
    byId("result").hidden = false;
    return {
      isCurrent: () => this.#current === mine,
      update: (partial) => this.#showPartial(mine, live, partial),
      keep: (buttons) => { this.#playhead.stay(); byId("charts").prepend(buttons); },
      finish: (outcome) => { this.#playhead.stay(); if (this.#current === mine) this.#present(outcome, mine); },
      end: () => { if (this.#current === mine) this.clear(); },
    };
  }

  /** Take everything away. Returns the recording that was there, with its `outcome` where it has one, or null where a job goes on with it. */
  clear() {
    const current = this.#current;
    this.#begin(null, null);
    this.#current = null;
    byId("result").hidden = true;
    return current?.file && (current.outcome || !current.jobId) ? current : null;
  }

  #begin(file, words, jobId = null) {
    this.#current?.stop.abort();
    const mine = { file, outline: null, stop: new AbortController(), jobId };
    this.#current = mine;
    document.body.classList.add("has-recording");
    byId("result").classList.remove("wide");
    if (words !== null) byId("file-name").textContent = words;
    if (words !== null) byId("again").hidden = !file;
    this.#title("");
    this.#status.end();
    this.#playhead.setDuration(0);
    showPlayer(file, this.#playhead);
    this.#show({ summary: [], charts: [], plots: [] });
    return mine;
  }

  /** A heading that is seen, with a way back to the list; without a title neither is needed. */
  #title(text) {
    byId("result-heading").textContent = text || "Result";
    byId("result-heading").classList.toggle("unseen", !text);
    byId("to-list").hidden = !text;
  }

  async #outline(mine) {
    const outline = await outlineOf(mine.file);
    mine.outline = outline;
    if (this.#current !== mine || mine.isShown || !outline) return;
    this.#playhead.setDuration(outline.duration);
    this.#show(soundView(outline, this.#playhead));
  }

  async #run(mine, { outlined = Promise.resolve(), asJob = false, asKind = null } = {}) {
    await this.#service.ready;
    if (this.#current !== mine) return;
    const choices = readChoices();
    const kind = asKind ?? kindOf(mine.file, choices.judge, this.#service.hasFaces);
    const call = callOf(kind, choices);
    hideProblem();
    byId("result").hidden = false;
    byId("result").setAttribute("aria-busy", "true");
    try {
      if (this.#service.takesJobs(kind) && (asJob || choices.asJob || !this.#service.fits(mine))) await this.#submit(mine, { ...call, path: jobPathOf(kind) });
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
    this.#service.check(mine);
    this.#status.begin();
    const live = new LiveView(this.#playhead);
    const { answer, text } = await analyse(call, mine.file, {
      onUpload: (share) => this.#status.uploaded(share),
      onProgress: (share) => this.#status.analysed(share),
      onPartial: (partial) => this.#showPartial(mine, live, partial),
    }, mine.stop.signal);
    await outlined;
    if (this.#current !== mine) return;
    this.#present({ kind, answer, text, call, jobId: null }, mine);
  }

  async #submit(mine, call) {
    this.#service.checkJob(mine);
    const order = JSON.stringify(call);
    if (mine.order !== order) Object.assign(mine, { order, key: newKey() });
    this.#status.begin();
    const job = await submitJob({ ...call, file: mine.file, key: mine.key, signal: mine.stop.signal, onUpload: (share) => this.#status.uploaded(share) });
    mine.jobId = job.id;
    announce("Sent. The analysis goes on, whether this page is open or not.");
    this.jobs.add(job, mine.file);
  }

  #failed(error, mine, kind) {
    if (this.#current !== mine) return;
    if (error.name === "AbortError") { announce("Stopped."); return; }
    if (!(error instanceof ProblemError)) throw error;
    byId("result").hidden = !mine.isShown && !mine.outline;
    const isTooMuch = this.#service.takesJobs(kind) && !mine.key && wouldFitAsJob(error.problem.code);
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

  #present(outcome, mine) {
    const { kind, answer } = outcome;
    byId("result").classList.remove("wide");
    Object.assign(mine, { isShown: true, isAnswered: true, outcome });
    const buttons = outcome.buttons ?? downloadsOf(outcome, mine.file);
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

/** Buttons for the answer's files: a job's are read from its result, others are made from the recording, sent again. */
function downloadsOf({ kind, answer, text, call, jobId }, file) {
  if (jobId === null) {
    const again = async (accept, query) => (await send({ ...call, query, file, accept })).blob;
    return downloads(file.name, text, call.query, again, "For CSV, plots and FHIR the recording is sent once more.");
  }
  const read = (accept, query) => readResult(jobId, accept, query);
  return downloads(file?.name ?? "result", text, partsOf(kind, answer), read, "Made from the result that the service keeps for now.");
}

/** The query that reads all that a job's answer holds. */
function partsOf(kind, answer) {
  const parts = kind === "voice" ? SOUND_PARTS : [...PARTS, "expression"];
  return { include: parts.filter((part) => part in (answer.channels?.[0] ?? answer)).join(",") };
}
