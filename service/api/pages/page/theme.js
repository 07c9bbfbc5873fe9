"use strict";
// Runs before anything is drawn, so that a chosen theme does not flash. The choice stays in this browser.
try {
  const theme = localStorage.getItem("emoserve-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the theme of the system holds.
}
