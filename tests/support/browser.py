"""A real browser without a window, and what it must never do while it shows the page."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.loaded import Loaded
from service.services import Services
from service.settings import Settings
from tests.support.fakes import FakeBundle, FakeDecoder, FakePipeline, FakeRegistry, FakeVideoPipeline, fake_card
from tests.support.patience import HANG_S, pauses_s

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=1000 * HANG_S)
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
_EXPECTED = ("Failed to load resource", "Canvas2D: Multiple readback operations")
"""How Chromium reports an error status, which the page shows and tests provoke, and a canvas that tests read."""

_WATCH_POLICY = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""

_HAS_ASKED = "Boolean(document.getElementById('limits').textContent) || !document.getElementById('problem').hidden"
"""Whether the page knows the models and limits, or why not."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or a loud skip."""
    if not CHROMIUM.is_file():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def without_microphone(browser: Browser) -> Iterator[Browser]:
    """Another browser, which refuses to record."""
    arguments = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--deny-permission-prompts"]
    strict = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    try:
        yield strict
    finally:
        strict.close()


def until(page: Page, condition: str, argument: object = None, timeout_s: float = HANG_S) -> None:
    """Wait until an expression is true. Playwright's own way has the page evaluate text, which the policy forbids."""
    ends_s = time.monotonic() + timeout_s
    pauses = pauses_s(0.02)
    while not page.evaluate(condition, argument):
        assert time.monotonic() < ends_s, condition
        page.wait_for_timeout(1000 * next(pauses))


@dataclass
class Watched:
    """A page and what was noticed on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    answers: list[tuple[str, int]] = field(default_factory=list)

    def assert_well_behaved(self) -> None:
        assert self.complaints == []
        assert self.foreign == []
        assert self.page.evaluate("violations") == []


@contextmanager
def watched_page(browser: Browser, url: str, *, opened_at: str = "/", **options: Any) -> Iterator[Watched]:
    """The page at ``url`` in a context of its own; at the end it must have behaved well.

    Args:
        browser: a browser.
        url: below which all that the page asks for must lie, without the last slash.
        opened_at: what to put after ``url``.
        options: of the browser's context.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **options})
    context.set_default_timeout(1000 * HANG_S)
    context.add_init_script(_WATCH_POLICY)
    watched = Watched(context.new_page())
    page = watched.page
    own = (f"{url}/", f"blob:{'/'.join(url.split('/')[:3])}/")
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            watched.complaints.append(message.text)
            if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED)
            else None
        ),
    )
    page.on("response", lambda response: watched.answers.append((response.url, response.status)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(own) or request.url == url + opened_at
            else watched.foreign.append(request.url)
        ),
    )
    try:
        page.goto(url + opened_at)
        until(page, _HAS_ASKED)
        yield watched
        watched.assert_well_behaved()
    finally:
        context.close()


def services_with_faces(settings: Settings) -> Services:
    """Stand-ins that list two models for the voice and one each for face, affect and expression."""
    voice = fake_card()
    tasks = {"face": "face", "affect": "affect", "looks": "face-expression"}
    faces = [
        FakeBundle(voice.model_copy(update={"name": it, "task": task, "speech": None})) for it, task in tasks.items()
    ]
    registry = FakeRegistry((FakeBundle(voice), FakeBundle(fake_card(version="2")), *faces))
    return Services(settings, Loaded(registry, FakeDecoder(), FakePipeline(), FakeVideoPipeline()))
