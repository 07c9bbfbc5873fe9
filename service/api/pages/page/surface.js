// A canvas that is sharp on every screen and draws anew when its size, its data or the theme changes.

import { element } from "./dom.js";
import { onThemeChange } from "./colours.js";

export class Surface {
  /**
   * @param {number | ((widthPx: number) => number)} height of the canvas in CSS pixels
   * @param {(context: CanvasRenderingContext2D, widthPx: number, heightPx: number) => void} draw
   */
  constructor(height, draw) {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.node = element("div", { class: "surface" }, this.canvas);
    this.width = 0;
    this.height = 0;
    this.#heightOf = typeof height === "function" ? height : () => height;
    this.#draw = draw;
    this.#observer = new ResizeObserver(() => this.request());
    this.#observer.observe(this.node);
    this.#endTheme = onThemeChange(() => this.#paint());
  }

  #heightOf;
  #draw;
  #observer;
  #endTheme;
  #pending = 0;

  /** Draw before the next frame is shown. */
  request() {
    if (!this.#pending) this.#pending = requestAnimationFrame(() => this.#paint());
  }

  /** Let go of everything that watches. */
  close() {
    this.#observer.disconnect();
    this.#endTheme();
    cancelAnimationFrame(this.#pending);
  }

  #paint() {
    this.#pending = 0;
    const width = this.node.clientWidth;
    if (!width) return;
    const height = this.#heightOf(width);
    const ratio = window.devicePixelRatio || 1;
    this.width = width;
    this.height = height;
    this.node.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.#draw(context, width, height);
  }
}
