// One position in the recording, shared by the player and all curves.

/** Tells of `time` (the position moved), `hover` (a pointer is over a moment, or null) and `range` (new duration). */
export class Playhead extends EventTarget {
  constructor() {
    super();
    this.time = 0;
    this.hover = null;
    this.duration = 0;
    this.media = null;
  }

  /** Follow a media element; null for none. */
  attach(media) {
    this.media = media;
    this.time = 0;
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
  }

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

  #move(time) {
    if (time === this.time) return;
    this.time = time;
    this.dispatchEvent(new Event("time"));
  }
}
