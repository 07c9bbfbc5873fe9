// What can be chosen before an analysis. Empty means: the service's default.

import { byId, element } from "./dom.js";
import { bytes, duration } from "./numbers.js";

/** Fill the list of models and tell whether the service has what faces need. */
export function offerModels(models) {
  const select = byId("model");
  const cards = models.map((model) => model.card);
  const voices = cards.filter((card) => card.task === "speech-emotion").sort((one, other) => other.priority - one.priority);
  select.replaceChildren(element("option", { value: "" }, voices.length ? `Default (${voices[0].name})` : "Default"),
    ...voices.map((card) => element("option", { value: `${card.name}/${card.version}` }, `${card.name} ${card.version} · ${card.licence.spdx}`)));
  const showDefaults = () => {
    const card = voices.find((one) => `${one.name}/${one.version}` === select.value) ?? voices[0];
    if (!card?.speech) return;
    byId("window").placeholder = String(card.speech.window_s);
    byId("hop").placeholder = String(card.speech.hop_s);
    byId("model-note").textContent = `${card.title}. Windows of ${duration(card.speech.window_s)}, one every ${duration(card.speech.hop_s)}.`;
  };
  select.addEventListener("change", showDefaults);
  showDefaults();
  const networks = cards.filter((card) => card.task === "face-expression");
  byId("network").replaceChildren(element("option", { value: "" }, "None"), ...networks.map((card) => element("option", { value: `${card.name}/${card.version}` }, `${card.name} ${card.version} · ${card.licence.spdx}`)));
  byId("network-choice").hidden = !networks.length;
  const hasFaces = cards.some((card) => card.task === "face") && cards.some((card) => card.task === "affect");
  byId("judge-face").disabled = !hasFaces;
  byId("no-faces").hidden = hasFaces;
  return hasFaces;
}

/** Offer to send recordings as jobs, where the service takes any. */
export function offerJobs(limits) {
  for (const id of ["job-choice", "privacy-jobs"]) byId(id).hidden = !limits;
  if (limits) byId("result-time").textContent = `for ${duration(limits.result_ttl_s)} at most`;
  if (limits) byId("job-note").textContent = `Jobs take up to ${bytes(limits.max_body_bytes)} and ${duration(limits.max_duration_s)}, and go on when this page is closed.`;
}

/** Have the fields for the neutral's span follow the choice above them. */
export function startOptions() {
  const neutral = byId("neutral");
  const follow = () => { byId("neutral-span").hidden = neutral.value !== "span"; };
  neutral.addEventListener("change", follow);
  follow();
}

/** What is chosen now. */
export function readChoices() {
  const [model, version] = byId("model").value.split("/");
  const neutral = byId("neutral").value;
  const span = `${byId("neutral-start").value || 0}:${byId("neutral-end").value || 3}`;
  const face = byId("face").value.trim();
  const [network, networkVersion] = byId("network").value.split("/");
  return {
    asJob: document.querySelector("input[name=work]:checked").value === "job",
    judge: document.querySelector("input[name=judge]:checked").value,
    voice: known({ model, version, window_s: byId("window").value, hop_s: byId("hop").value, channel: unlessDefault(byId("channel").value, "mix"), speakers: unlessDefault(byId("speakers").value, "off") }),
    table: known({ fps: byId("fps").value, face: unlessDefault(face === "all" ? "largest" : face, "largest") }),
    face: known({ neutral: unlessDefault(neutral === "span" ? span : neutral, "median"), face: unlessDefault(face, "largest"), expression_model: network, expression_version: networkVersion }),
  };
}

function unlessDefault(value, usual) {
  return value === usual ? "" : value;
}

function known(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value));
}
