// One position in the recording, shared by the player and all curves.

const PAGE_SHARE = 0.9; // how much of what is shown lies ahead when the position leaves it

/**
 * Tells of `time` (the position moved), `hover` (a pointer is over a moment, or null), `range` (new duration) and `view`
 * (curves show another part).
 */
export class Playhead extends EventTarget {
  constructor() {
    super();
    this.time = 0;
    this.hover = null;
    this.duration = 0;
    this.media = null;
    this.span = null;
    this.isLive = false; // the position stays at the end, which moves on
  }

  #from = 0;

  /** Follow a media element; null for none. */
  attach(media) {
    this.media = media;
    this.time = 0;
    this.span = null;
    this.isLive = false;
    if (!media) return;
    const follow = () => {
      if (this.media !== media) return;
      this.#move(media.currentTime);
      if (!media.paused && !media.ended) requestAnimationFrame(follow);
    };
    for (const name of ["play", "seeked", "pause", "timeupdate"]) media.addEventListener(name, follow);
  }

  /** How long the recording is, in seconds. */
  setDuration(seconds) {
    this.duration = seconds;
    this.dispatchEvent(new Event("range"));
    if (!this.isLive) return;
    this.#from = seconds - this.span;
    this.#move(seconds);
    this.dispatchEvent(new Event("view"));
  }

  /** Stay at the end of what grows, and show so many seconds before it. */
  follow(span) {
    this.span = span;
    this.isLive = true;
  }

  /** The end is reached. */
  stay() { this.isLive = false; }

  /** Go to a time, in seconds. */
  seek(time) {
    const bounded = Math.min(Math.max(time, 0), this.duration);
    if (this.media && this.media.readyState > 0) this.media.currentTime = bounded;
    this.#move(bounded);
  }

  /** Point at a time without going there; null to point nowhere. */
  point(time) {
    this.hover = time;
    this.dispatchEvent(new Event("hover"));
  }

  /** Play, or pause. */
  toggle() {
    if (!this.media) return;
    if (this.media.paused) this.media.play().catch(() => {});
    else this.media.pause();
  }

  /** Show so many seconds, with the position in their middle; null for the whole recording. */
  zoom(seconds) {
    this.span = seconds;
    this.#show(this.time - seconds / 2);
  }

  /** What curves show of a recording that ends at `end`. */
  view(end) {
    if (this.span === null || this.span >= end) return { start: 0, end };
    const start = Math.min(Math.max(this.#from, 0), end - this.span);
    return { start, end: start + this.span };
  }

  #show(from) {
    this.#from = from;
    this.dispatchEvent(new Event("view"));
  }

  #move(time) {
    if (time === this.time) return;
    this.time = time;
    const { start, end } = this.view(this.duration);
    if (time > end) this.#show(time - (1 - PAGE_SHARE) * this.span);
    else if (time < start) this.#show(time - PAGE_SHARE * this.span);
    this.dispatchEvent(new Event("time"));
  }
}
