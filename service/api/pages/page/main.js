// The page: its parts are brought together and to life here.

import { Desk } from "./desk.js";
import { byId } from "./dom.js";
import { showLimits, startIntake } from "./intake.js";
import { JobList } from "./job_list.js";
import { showCards } from "./models.js";
import { offerJobs, offerModels, startOptions } from "./options.js";
import { hideProblem, showProblem } from "./problem.js";
import { startRecorder } from "./record.js";
import { ProblemError, readJson, useKey } from "./server.js";
import { startThemeSwitch } from "./theme_switch.js";
import { learnFlags } from "./words.js";

/** Ask the service what it has and takes. A key that may not read that may analyse all the same. */
async function learn() {
  try {
    const [{ models }, limits, { flags }] = await Promise.all(["v1/models", "v1/limits", "v1/flags"].map(readJson));
    learnFlags(flags);
    showCards(models);
    const jobLimits = limits.jobs.enabled ? limits.jobs : null;
    desk.know({ hasFaces: offerModels(models), limits: limits.limits, jobs: jobLimits });
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
    desk.waitFor(learning);
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
      hideProblem();
      retry();
    },
  });
}

const desk = new Desk(start);
const jobs = new JobList({ isAwaited: (entry) => desk.awaits(entry), onResult: (entry) => desk.showJob(entry), onProblem: ask });
desk.jobList = jobs;

// Behind a prefix the page may have been opened without the last slash; links within the page need the whole address.
if (`${location.pathname}/` === new URL(document.baseURI).pathname) history.replaceState(null, "", document.baseURI + location.hash);

byId("curl").textContent = `curl -F file=@recording.wav ${new URL("v1/audio/emotion", document.baseURI).href}`;
byId("stop").addEventListener("click", () => desk.stop());
byId("again").addEventListener("click", () => desk.again());
startThemeSwitch();
startOptions();
startIntake((file) => desk.take(file));
startRecorder((file) => desk.take(file));
start();
