// Colours of the style sheet, resolved for canvases, and colour scales made of them.

const cache = new Map();
const listeners = new Set();
let probe = null;

/** The style variable `--name` as red, green, blue, 0…255. */
export function rgb(name) {
  if (!cache.has(name)) {
    if (!probe) {
      probe = document.createElement("span");
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(--${name})`;
    cache.set(name, getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number));
  }
  return cache.get(name);
}

/** The style variable `--name` as a canvas colour. */
export function colour(name, opacity = 1) {
  return `rgb(${rgb(name).join(" ")} / ${opacity})`;
}

/** Colour variable of the class at an index; begins again after the last. */
export function classColour(index) {
  return `class-${index % 9}`;
}

/** A function from 0…1 to red, green, blue: straight lines between style variables, evenly spaced. */
export function scale(names) {
  const stops = names.map(rgb);
  return (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const index = Math.min(Math.floor(at), stops.length - 2);
    return stops[index].map((value, part) => value + (at - index) * (stops[index + 1][part] - value));
  };
}

/** Call when light and dark have changed places. Returns what ends it. */
export function onThemeChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Forget resolved colours and have everything drawn anew. */
export function themeChanged() {
  cache.clear();
  for (const listener of listeners) listener();
}
