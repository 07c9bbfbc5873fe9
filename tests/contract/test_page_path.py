"""Arousal over valence as a path that plays with the sound."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from service.pipeline.results import Segments, Timeline
from tests.contract.page_probes import IS_DRAWN, analyse
from tests.plain_wav import tone, wav
from tests.support import fakes
from tests.support.browser import until, watched_page
from tests.support.live_server import serving, small_settings

SIDE_PX, LEFT_PX, ABOVE_PX = 340, 64, 8


@pytest.fixture
def path(browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Locator]:
    """The path of a recording of 4 s in which somebody speaks from 0.5 to 1.5 s and from 2.5 to 3.5 s."""
    start_s = np.arange(4.0)
    column = np.array([0.8, 0.4, -0.4, -0.8], np.float32)
    both = np.stack([np.full(4, 0.9), np.full(4, 0.1)], axis=1).astype(np.float32)
    timeline = Timeline(start_s, start_s + 1, both, column, -column, None)
    two = np.ones(2, np.float32)
    spans = np.array([0.5, 2.5]), np.array([1.5, 3.5])
    segments = Segments(*spans, both[:2], two, -two, two, -20 * two, two, two < 0)
    clear = fakes.fake_result()
    channel = replace(clear.channels[0], timeline=timeline, segments=segments, valence=0.0)
    told = replace(clear, media=replace(clear.media, duration_s=4.0), channels=(channel,))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: told)
    recording = tmp_path / "four.wav"
    recording.write_bytes(wav(tone(4.0)))
    with serving(small_settings()) as server, watched_page(browser, server.url) as watched:
        analyse(watched.page, recording)
        yield watched.page.get_by_role("slider", name="Arousal over valence of the voice, position")


def test_the_path_plays_with_the_sound_and_tells_where_it_is(path: Locator) -> None:
    page = path.page
    until(page, IS_DRAWN)
    audio = "document.querySelector('#player audio')"
    page.evaluate(f"{audio}.currentTime = 1")
    expect(path).to_have_attribute("aria-valuetext", "0:01.0: Arousal +0.60, Valence −0.60")  # between two windows
    expect(page.locator(".circumplex-words")).to_have_text("0:01.0Arousal+0.60Valence−0.60")
    before = path.screenshot()
    page.evaluate(f"{audio}.currentTime = 3")
    expect(path).to_have_attribute("aria-valuetext", "0:03.0: Arousal −0.60, Valence +0.60")
    assert path.screenshot() != before
    page.evaluate(f"{audio}.currentTime = 2")
    expect(path).to_have_attribute("aria-valuetext", "0:02.0: nobody speaks")


def test_the_path_leads_through_the_recording_by_keys_and_clicks(path: Locator) -> None:
    page = path.page
    path.press("End")
    expect(path).to_have_attribute("aria-valuenow", "4.00")
    path.press("Home")
    path.press("ArrowRight")
    expect(path).to_have_attribute("aria-valuenow", re.compile(r"0\.[01]"))
    path.click(position={"x": LEFT_PX + SIDE_PX * (1 - 0.8) / 2, "y": ABOVE_PX + SIDE_PX * (1 - 0.8) / 2})
    until(page, "Math.abs(document.querySelector('#player audio').currentTime - 0.5) < 0.05")
    path.press(" ")
    until(page, "!document.querySelector('#player audio').paused || document.querySelector('#player audio').ended")


def test_the_numbers_behind_the_path(path: Locator) -> None:
    figure = path.page.locator("figure", has=path)
    figure.locator("summary").click()
    rows = [row.split("\t") for row in figure.locator("tbody tr").all_inner_texts()]
    assert rows[0] == ["0:00.5", "0.800", "-0.800"]
    assert rows[1] == ["0:01.5", "0.400", "-0.400"]


def test_without_valence_there_is_no_path(page: Page, speech: Path) -> None:
    analyse(page, speech)  # this stand-in has arousal alone
    expect(page.locator(".circumplex")).to_have_count(0)
