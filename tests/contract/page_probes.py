"""Ways to use the page, and scripts that question it from inside the browser."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect


def analyse(page: Page, path: Path) -> None:
    """Choose a file and wait for its answer."""
    page.set_input_files("#file", path)
    expect(page.locator(".downloads")).to_be_visible()


IS_DRAWN = """() => {
  const canvases = [...document.querySelectorAll("#charts canvas")];
  return canvases.length > 0 && canvases.every((canvas) => {
    if (!canvas.width || !canvas.height) return false;
    const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size > 5;
  });
}"""
"""Whether no canvas is blank."""

TEXTS_OF_STATUS = """() => {
  window.texts = [];
  const node = document.getElementById("status-text");
  new MutationObserver(() => texts.push(node.textContent)).observe(node, { childList: true });
}"""
"""Collect in ``texts`` what the status says."""

CONTRAST = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => {
    const linear = (share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim()) continue;
    if (node.closest(".unseen, .skip, noscript, script, option, video, audio, :disabled")) continue;
    if (!node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    const papers = [];
    for (let at = node; at; at = at.parentElement) papers.unshift(getComputedStyle(at).backgroundColor);
    const paper = rgba(["white", ...papers]).slice(0, 3);
    const ink = rgba(["white", ...papers, getComputedStyle(node).color]).slice(0, 3);
    const [high, low] = [luminance(paper), luminance(ink)].sort((one, other) => other - one);
    const ratio = (high + 0.05) / (low + 0.05);
    count += 1;
    if (ratio < 4.5) found.push(`${walker.currentNode.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return count > 15 ? found : ["too little text"];
}"""
"""Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3)."""

FOCUS_RING = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  window.stopCount = (window.stopCount ?? 0);
  node.dataset.stop ??= String(window.stopCount++);
  const shown = node.type === "file" ? document.querySelector(`label[for=${node.id}]`)
    : node.type === "radio" ? node.nextElementSibling : node;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  const isDrawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const isOurs = !node.matches("audio, video");  // players draw their own
  const inView = box.bottom > 0 && box.top < innerHeight && box.width > 0;
  const words = node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent;
  return { key: node.dataset.stop, name: words.trim(), seen: inView && (isDrawn || !isOurs) };
}"""
"""The focused control: its name, and whether one sees that it is focused (WCAG 2.2, 2.4.7)."""

SMALL_TARGETS = """() => [...document.querySelectorAll("button, a[href], summary, select, label.button, input")]
  .filter((node) => node.checkVisibility({ checkVisibilityCSS: true }) && !node.closest(".unseen, p, dd, dl"))
  .filter((node) => !node.matches("input[type=radio], input[type=file], .skip"))
  .map((node) => [node.textContent.trim() || node.id, node.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))
  .map(([name, box]) => `${name}: ${Math.round(box.width)} × ${Math.round(box.height)}`)"""
"""Controls smaller than 24 × 24 pixels (WCAG 2.2, 2.5.8); links in running text are excepted."""

_CONTROLS = {"button", "link", "slider", "textbox", "combobox", "spinbutton", "radio", "checkbox", "table", "region"}


def nameless_controls(nodes: list[dict[str, Any]]) -> list[str]:
    """Roles of controls in an accessibility tree that have no name."""
    shown = [node for node in nodes if not node.get("ignored") and node.get("role", {}).get("value") in _CONTROLS]
    assert len(shown) > 10
    return [node["role"]["value"] for node in shown if not node.get("name", {}).get("value")]


def check_view(page: Page, view: str) -> None:
    """Contrast, names in the accessibility tree, width and targets of what the page shows now."""
    assert page.evaluate(CONTRAST) == [], view
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    assert nameless_controls(tree["nodes"]) == [], view
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    assert page.evaluate(SMALL_TARGETS) == [], view
