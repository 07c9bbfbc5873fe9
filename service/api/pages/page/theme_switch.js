// The button that changes between the system's theme, light and dark. Paper is always light.

import { announce, byId } from "./dom.js";
import { themeChanged } from "./colours.js";

const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "Auto", light: "Light", dark: "Dark" };

/** Bring the button to life. */
export function startThemeSwitch() {
  const button = byId("theme");
  const root = document.documentElement;
  const show = () => { byId("theme-name").textContent = WORDS[root.dataset.theme ?? "system"]; };
  button.addEventListener("click", () => {
    const next = NEXT[root.dataset.theme ?? "system"];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    keep(next);
    show();
    themeChanged();
    announce(`Theme: ${WORDS[next]}`);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
  let chosen;
  addEventListener("beforeprint", () => {
    chosen = root.dataset.theme;
    root.dataset.theme = "light";
    themeChanged();
  });
  addEventListener("afterprint", () => {
    if (chosen) root.dataset.theme = chosen;
    else delete root.dataset.theme;
    themeChanged();
  });
  show();
}

function keep(theme) {
  try {
    localStorage.setItem("emoserve-theme", theme);
  } catch {
    // Storage is switched off: the choice holds until the page is closed.
  }
}
