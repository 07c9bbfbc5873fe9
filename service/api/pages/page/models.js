// The models in words: what each is for, what it was trained on, and what it cannot do.

import { byId, element } from "./dom.js";
import { capital } from "./words.js";

/** List the cards. Links to one open it, from its name beside a result too. */
export function showCards(models) {
  byId("cards").replaceChildren(...models.map(({ card }) => cardNode(card)));
  byId("models").hidden = byId("to-models").hidden = !models.length;
}

/** A name that leads to the card. */
export function modelLink({ name, version }) {
  return element("a", { href: `#${idOf(name, version)}`, onclick: () => byId(idOf(name, version))?.setAttribute("open", "") }, `${name} ${version}`);
}

function cardNode(card) {
  const data = card.training_data.map(({ name, utterances, speakers }) =>
    [name, [utterances ? `${utterances} recordings` : "", speakers ? `${speakers} speakers` : ""].filter(Boolean).join(", ")].filter(Boolean).join(": "));
  const rows = [["Does", card.description], ["Answers", card.labels.map(capital).join(", ")], ["Trained on", data.join("; ")], ["Licence", card.licence.spdx],
    ["Use", card.intended_use], ["Limits", card.known_limits.length ? element("ul", {}, card.known_limits.map((limit) => element("li", {}, limit))) : ""]];
  return element("details", { id: idOf(card.name, card.version), class: "model-card" },
    element("summary", {}, `${card.title} `, element("span", { class: "quiet" }, `${card.name} ${card.version}`)),
    element("dl", {}, rows.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
}

function idOf(name, version) {
  return `model-${name}-${version}`;
}
