// How far the work is: sending first, then the analysis, of which not every answer tells its share.

import { announce, byId } from "./dom.js";
import { percent } from "./numbers.js";

export class Status {
  #timer = 0;

  /** Sending begins. */
  begin() {
    this.end();
    byId("status").hidden = false;
    byId("stop").hidden = false;
    announce("Sending the recording.");
    this.uploaded(0);
  }

  /** The share of the file that is sent. */
  uploaded(share) {
    if (share < 1) {
      this.#show(`Sending ${percent(share)}`, share);
    } else if (!this.#timer) {
      const beganMs = performance.now();
      const tell = () => this.#show(`Analysing … ${Math.round((performance.now() - beganMs) / 1000)} s`, null);
      tell();
      this.#timer = setInterval(tell, 1000);
      announce("Analysing.");
    }
  }

  /** The share of the analysis that is done. */
  analysed(share) {
    clearInterval(this.#timer);
    this.#timer = -1;
    this.#show(`Analysing ${percent(share)}`, share);
  }

  /** Nothing is under way. */
  end() {
    clearInterval(this.#timer);
    this.#timer = 0;
    byId("status").hidden = true;
  }

  #show(text, share) {
    const bar = byId("progress");
    byId("status-text").textContent = text;
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }
}
