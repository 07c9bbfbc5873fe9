// Numbers as people read them, and round values for axes.

const TIME_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const TICK_WIDTH_PX = 64;

/** `m:ss` or `h:mm:ss`, with tenths (or finer) where asked. */
export function clock(seconds, decimals = 0) {
  const factor = 10 ** decimals;
  const units = Math.round(Math.max(seconds, 0) * factor);
  const whole = Math.floor(units / factor);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  return decimals ? `${text}.${String(units % factor).padStart(decimals, "0")}` : text;
}

/** Such as `+0.40` or `−0.15`, with a real minus sign. */
export function signed(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : "+") + text;
}

/** Such as `62 %`; `<1 %` for the small that is not nothing. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "<1 %";
  return `${Math.round(100 * share)} %`;
}

/** Such as `3.4 MB`. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${Math.round(count / 1000)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(1)} GB`;
}

/** Such as `45 s`, `2 min 5 s` or `1 h`. */
export function duration(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 3600), "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** Round times between start and end, as many as fit into a width, with labels. */
export function timeTicks(start, end, widthPx) {
  const most = Math.max(2, Math.floor(widthPx / TICK_WIDTH_PX));
  const span = Math.max(end - start, 1e-3);
  const step = TIME_STEPS_S.find((candidate) => span / candidate <= most) ?? span / most;
  return multiples(start, end, step).map((at) => ({ at, text: clock(at, step < 1 ? 1 : 0) }));
}

/** Round values between low and high, as many as fit into a length, with labels. */
export function valueTicks(low, high, lengthPx, spacingPx, format) {
  const raw = (high - low) / Math.max(1, lengthPx / spacingPx);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw - 1e-12);
  return multiples(low, high, step).map((at) => ({ at, text: format(at) }));
}

function multiples(low, high, step) {
  const first = Math.ceil((low - 1e-9) / step);
  const last = Math.floor((high + 1e-9) / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => (first + index) * step);
}

/** Index of the value in a rising array that lies nearest to one; −1 for an empty array. */
export function nearest(values, target) {
  let low = 0;
  let high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] < target) low = middle;
    else high = middle;
  }
  if (high < 0) return -1;
  return Math.abs(values[low] - target) <= Math.abs(values[high] - target) ? low : high;
}
