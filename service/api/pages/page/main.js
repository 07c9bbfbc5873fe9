// The page: what happens from a file to its curves.

import { analyse, callOf, kindOf } from "./analysis.js";
import { announce, byId } from "./dom.js";
import { downloadButtons } from "./downloads.js";
import { showLimits, startIntake } from "./intake.js";
import { bytes, duration } from "./numbers.js";
import { offerModels, readChoices, startOptions } from "./options.js";
import { outlineOf } from "./outline.js";
import { Playhead } from "./playhead.js";
import { showPlayer } from "./player.js";
import { hideProblem, showProblem } from "./problem.js";
import { startRecorder } from "./record.js";
import { ProblemError, readJson, useKey } from "./server.js";
import { Status } from "./status.js";
import { startThemeSwitch } from "./theme_switch.js";
import { faceView, partialView, soundView, voiceView } from "./views.js";

const REDRAW_MS = 200; // windows may come faster than anybody can look

const playhead = new Playhead();
const status = new Status();
let hasFaces = true;
let mostBytes = Infinity;
let current = null; // the file at hand, its outline, and how to stop its analysis
let plots = [];

async function learn() {
  try {
    const [models, limits] = await Promise.all([readJson("v1/models"), readJson("v1/limits")]);
    hasFaces = offerModels(models.models);
    showLimits(limits);
    mostBytes = limits.limits.max_body_bytes;
    if (!current) hideProblem();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    showProblem(error, (key) => { if (key !== null) useKey(key); learn(); });
  }
}

async function take(file) {
  current?.stop.abort();
  const mine = { file, outline: null, stop: new AbortController() };
  current = mine;
  document.body.classList.add("has-recording");
  byId("file-name").textContent = `${file.name} · ${bytes(file.size)}`;
  byId("again").hidden = false;
  playhead.setDuration(0);
  showPlayer(file, playhead);
  show({ summary: [], charts: [], plots: [] });
  const outlined = outlineOf(file).then((outline) => {
    mine.outline = outline;
    if (current !== mine || mine.isShown || !outline) return;
    playhead.setDuration(outline.duration);
    show(soundView(outline, playhead));
  });
  await run(mine, outlined);
}

async function run(mine, outlined = Promise.resolve()) {
  const choices = readChoices();
  const kind = kindOf(mine.file, choices.judge, hasFaces);
  const call = callOf(kind, choices);
  hideProblem();
  byId("result").hidden = false;
  status.begin();
  byId("result").setAttribute("aria-busy", "true");
  try {
    if (mine.file.size > mostBytes) throw tooLarge(mine.file);
    const { answer, text } = await analyse(call, mine.file, {
      onUpload: (share) => status.uploaded(share),
      onProgress: (share) => status.analysed(share),
      onPartial: (partial) => showPartial(mine, partial),
    }, mine.stop.signal);
    await outlined;
    if (current !== mine) return;
    mine.isShown = true;
    present(kind, answer, mine, call, text);
  } catch (error) {
    if (current !== mine) return;
    status.end();
    if (error.name === "AbortError") { announce("Stopped."); return; }
    if (!(error instanceof ProblemError)) throw error;
    byId("result").hidden = !mine.isShown && !mine.outline;
    showProblem(error, (key) => {
      if (key !== null) { useKey(key); learn(); }
      run(mine);
    });
    byId("problem").scrollIntoView({ block: "nearest" });
  } finally {
    if (current === mine) byId("result").removeAttribute("aria-busy");
  }
}

/** What the server would say, without sending it what it will refuse. */
function tooLarge(file) {
  const detail = `It has ${bytes(file.size)}; this service takes up to ${bytes(mostBytes)}.`;
  return new ProblemError(413, { title: "The file is larger than the limit.", detail, code: "body_too_large" });
}

function showPartial(mine, partial) {
  const nowMs = performance.now();
  if (current !== mine || nowMs - (mine.drawnMs ?? -Infinity) < REDRAW_MS) return;
  Object.assign(mine, { isShown: true, drawnMs: nowMs });
  const view = partialView(partial, mine.outline, playhead);
  playhead.setDuration(view.duration);
  show(view);
}

function present(kind, answer, mine, call, text) {
  playhead.setDuration(answer.media.duration_s);
  const render = (channel) => {
    const view = kind === "voice" ? voiceView(answer, mine.outline, playhead, downloads, channel, render)
      : faceView(answer, mine.outline, playhead, downloads);
    show(view);
  };
  const downloads = downloadButtons(call, mine.file, text);
  render("all");
  status.end();
  const emotion = answer.emotion ?? answer.audio?.emotion;
  announce(`Done: ${duration(answer.media.duration_s)} analysed.${emotion ? ` Most probable emotion: ${emotion}.` : ""}`);
  byId("result-heading").focus({ preventScroll: true });
}

function show(view) {
  for (const plot of plots) plot.close();
  plots = view.plots;
  byId("summary").replaceChildren(...view.summary);
  byId("charts").replaceChildren(...view.charts);
}

byId("curl").textContent = `curl -F file=@recording.wav ${new URL("v1/audio/emotion", document.baseURI).href}`;
byId("stop").addEventListener("click", () => current?.stop.abort());
byId("again").addEventListener("click", () => {
  if (!current) return;
  current.stop.abort();
  current = { ...current, stop: new AbortController(), isShown: true };
  run(current);
});
startThemeSwitch();
startOptions();
startIntake(take);
startRecorder(take);
learn();
