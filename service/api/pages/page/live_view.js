// Curves of an analysis that still goes on. They are made once and then grow, so that focus and hover stay where they are.

import { momentsOfSteps, momentsOfWindows } from "./layers.js";
import { partialView } from "./views.js";

export class LiveView {
  #playhead;
  #shape = "";
  #moments = null;
  #plots = [];

  /** @param {import("./playhead.js").Playhead} playhead whose duration is set to what is known of it */
  constructor(playhead) {
    this.#playhead = playhead;
  }

  /**
   * Draw what has come.
   * @param {import("./stream.js").Partial} partial
   * @returns {import("./views.js").View | null} to be shown in place of the last, or null where that one was redrawn
   */
  update(partial, outline) {
    const { timeline } = partial;
    const duration = this.#duration(partial, outline);
    const moments = partial.kind === "voice" ? momentsOfWindows(timeline.start_s, timeline.end_s, timeline.confidence) : momentsOfSteps(timeline.time_s, duration);
    const names = ["arousal", "valence", "dominance", "speech"].filter((name) => timeline[name]?.some((value) => value !== null));
    const shape = JSON.stringify([partial.kind, partial.channel, partial.labels, names, Boolean(outline)]);
    this.#playhead.setDuration(duration);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#moments = moments;
      const view = partialView(partial, names, this.#moments, outline, duration, this.#playhead);
      this.#plots = view.plots;
      return view;
    }
    Object.assign(this.#moments, moments);
    for (const plot of this.#plots) plot.update({ x: { ...plot.options.x, end: duration } });
    return null;
  }

  /** Of the whole recording where the browser knows it, so that the curves grow towards their place. */
  #duration({ timeline }, outline) {
    const ends = timeline.end_s ?? timeline.time_s;
    const media = this.#playhead.media?.duration;
    return Math.max(outline?.duration ?? 0, Number.isFinite(media) ? media : 0, ends[ends.length - 1] ?? 0);
  }
}
