"""Curves of a long recording can be looked at in parts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from service.pipeline.results import Timeline
from tests.plain_wav import tone, wav
from tests.support import fakes
from tests.support.browser import watched_page
from tests.support.live_server import serving, small_settings

DURATION_S, RATE_HZ = 120.0, 8000


@pytest.fixture
def page(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    start_s = np.arange(0.0, DURATION_S)
    shares = np.linspace(0.1, 0.9, len(start_s), dtype=np.float32)
    timeline = Timeline(start_s, start_s + 1, np.stack([shares, 1 - shares], axis=1), shares, None, None)
    short = fakes.fake_result()
    long = replace(
        short,
        media=replace(short.media, duration_s=DURATION_S),
        channels=(replace(short.channels[0], timeline=timeline),),
    )
    monkeypatch.setattr(fakes, "fake_result", lambda **_: long)
    with serving(small_settings()) as live, watched_page(browser, live.url) as watched:
        yield watched.page


def look_at(curve: Locator, share: float) -> float:
    """Click at a share of the width; the position that this goes to, in seconds."""
    box = curve.bounding_box()
    assert box is not None
    curve.click(position={"x": 52 + share * (box["width"] - 62), "y": 40})
    return float(curve.get_attribute("aria-valuenow") or "nan")


def test_parts_of_a_long_recording(page: Page, tmp_path: Path) -> None:
    speech = tmp_path / "long.wav"
    speech.write_bytes(wav(tone(DURATION_S, RATE_HZ), rate_hz=RATE_HZ))
    page.set_input_files("#file", speech)
    parts = page.get_by_role("group", name="Time shown")
    expect(parts.get_by_role("button")).to_have_text(["Whole", "30 s"])
    curve = page.get_by_role("slider", name="Emotion of the voice, position")
    assert look_at(curve, 0.5) == pytest.approx(60, abs=1)

    parts.get_by_role("button", name="30 s").click()
    expect(parts.get_by_role("button", name="30 s")).to_have_attribute("aria-pressed", "true")
    assert look_at(curve, 0.0) == pytest.approx(45, abs=0.5)  # what was in the middle stays there
    assert look_at(curve, 1.0) == pytest.approx(75, abs=0.5)

    curve.press("End")  # where the position goes, the part goes
    assert look_at(curve, 0.0) == pytest.approx(90, abs=0.5)
    curve.press("Home")
    assert look_at(curve, 1.0) == pytest.approx(30, abs=0.5)
    curve.press("ArrowRight")  # a fiftieth of what is shown
    expect(curve).to_have_attribute("aria-valuenow", re.compile(r"30\.[56]"))

    parts.get_by_role("button", name="Whole").click()
    assert look_at(curve, 1.0) == pytest.approx(DURATION_S, abs=1)


def test_a_short_recording_has_no_parts(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    speech = tmp_path / "short.wav"
    speech.write_bytes(wav(tone(2.0)))
    page.set_input_files("#file", speech)
    expect(page.locator(".verdict .big")).to_be_visible()
    expect(page.get_by_role("group", name="Time shown")).to_have_count(0)
