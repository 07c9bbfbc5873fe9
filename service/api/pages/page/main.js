// The page: its parts are brought together and to life here.

import { Batch } from "./batch.js";
import { Desk } from "./desk.js";
import { comparison } from "./compare.js";
import { byId } from "./dom.js";
import { showLimits, startIntake } from "./intake.js";
import { JobList } from "./job_list.js";
import { startLive } from "./live.js";
import { showCards } from "./models.js";
import { offerJobs, offerModels, startOptions } from "./options.js";
import { hideProblem, showProblem } from "./problem.js";
import { startRecorder } from "./record.js";
import { ProblemError, readJson, useKey } from "./server.js";
import { Service } from "./service.js";
import { startThemeSwitch } from "./theme_switch.js";
import { learnFlags } from "./words.js";

/** Ask the service what it has and takes. A key that may not read that may analyse all the same. */
async function learn() {
  try {
    const [{ models }, limits, { flags }] = await Promise.all(["v1/models", "v1/limits", "v1/flags"].map(readJson));
    learnFlags(flags);
    showCards(models);
    const jobLimits = limits.jobs.enabled ? limits.jobs : null;
    service.know({ hasFaces: offerModels(models), limits: limits.limits, jobs: jobLimits, cards: models.map(({ card }) => card) });
    if (!service.hasFaces) byId("live-face").hidden = true;
    showLimits(limits);
    offerJobs(jobLimits);
    if (desk.isEmpty) hideProblem();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 403) throw error;
    byId("limits").textContent = "This key cannot read models and limits; defaults hold.";
  }
}

/** Begin, and begin again with another key. With a recording on the desk its own error is enough. */
async function start() {
  try {
    const learning = learn();
    service.waitFor(learning);
    await learning;
    await jobs.resume();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    if (desk.isEmpty) ask(error, start);
  }
}

/** Show an error of something that can be tried again, with another key where that was the trouble. */
function ask(error, retry) {
  showProblem(error, {
    onRetry: (key) => {
      if (key !== null) useKey(key);
      retry();
    },
  });
}

const service = new Service();
const desk = new Desk(service, start);
const jobs = new JobList({ isAwaited: (entry) => desk.awaits(entry), onResult: (entry) => desk.showJob(entry), onProblem: ask });
const batch = new Batch(service, {
  onOpen: (row) => desk.open(row),
  onCompare: (rows) => desk.lay("Two recordings compared", comparison(rows, service), () => rows[0].focus()),
  onClear: () => { desk.clear(); tellIntake("", false); },
  onProblem: (error, retry) => ask(error, () => { if (error.status === 401) start(); retry(); }),
});
desk.jobList = batch.jobList = jobs;

/** Take recordings: one by itself goes to the desk, several into the list, as does whatever comes while there is one. */
function take(files) {
  if (files.length === 1 && !batch.isOpen) { desk.take(files[0]); return; }
  hideProblem();
  const before = batch.isOpen ? null : desk.clear();
  if (before?.outcome) batch.addKnown(before.file, before.outcome);
  batch.add(before && !before.outcome ? [before.file, ...files] : files);
  tellIntake(batch.words, true);
}

function tellIntake(words, isList) {
  document.body.classList.toggle("has-recording", isList);
  byId("file-name").textContent = words;
  byId("again").hidden = !isList;
  byId("again").textContent = isList ? "Analyse all again" : "Analyse again";
}

// Behind a prefix the page may have been opened without the last slash; links within the page need the whole address.
if (`${location.pathname}/` === new URL(document.baseURI).pathname) history.replaceState(null, "", document.baseURI + location.hash);

byId("curl").textContent = `curl -F file=@recording.wav ${new URL("v1/audio/emotion", document.baseURI).href}`;
byId("stop").addEventListener("click", () => desk.stop());
byId("again").addEventListener("click", () => (batch.isOpen ? batch.again() : desk.again()));
startThemeSwitch();
startOptions();
startIntake(take);
startRecorder((file) => take([file]));
startLive(desk);
start();
