// Seconds until a service that asked for patience may be asked again.

import { announce, element } from "./dom.js";
import { duration } from "./numbers.js";

/**
 * A button that counts down and then works. It can be focused all the while.
 * @param {string} text of the button
 * @param {number | null} waitS seconds to wait, or null for none
 * @param {() => void} onClick
 * @returns {{node: HTMLButtonElement, close: () => void}}
 */
export function patientButton(text, waitS, onClick) {
  const label = element("span", {}, text);
  const node = element("button", { type: "button", id: "retry", onclick: () => { if (!node.hasAttribute("aria-disabled")) onClick(); } }, label);
  const endsMs = performance.now() + 1000 * (waitS ?? 0);
  let timer = 0;
  const close = () => clearInterval(timer);
  const tick = () => {
    const leftS = Math.ceil((endsMs - performance.now()) / 1000);
    if (leftS > 0) {
      label.textContent = `${text} in ${duration(leftS)}`;
      return;
    }
    close();
    node.removeAttribute("aria-disabled");
    label.textContent = text;
    announce("You can try again now.");
  };
  if (waitS) {
    node.setAttribute("aria-disabled", "true");
    timer = setInterval(tick, 250);
    tick();
  }
  return { node, close };
}
