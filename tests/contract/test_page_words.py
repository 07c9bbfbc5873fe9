"""Words of the web page where a glance could mislead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.media_files import webm
from tests.plain_wav import tone, wav
from tests.support import fakes
from tests.support.browser import chromium, watched_page
from tests.support.live_server import serving, small_settings


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser, serving(small_settings()) as live, watched_page(browser, live.url) as watched:
        yield watched.page


def test_a_class_that_does_not_stand_out_is_no_headline(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = fakes.fake_result()
    channel = replace(clear.channels[0], probabilities=np.array([0.45, 0.4], np.float32))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: replace(clear, channels=(channel,)))
    speech = tmp_path / "voice.wav"
    speech.write_bytes(wav(tone(2.0)))
    page.set_input_files("#file", speech)
    expect(page.locator(".verdict .big")).to_have_text("No class stands out")
    expect(page.locator(".verdict")).to_contain_text("Sounds most like anger, but only 45 %")


def test_a_video_whose_picture_the_browser_cannot_show_says_so(page: Page, tmp_path: Path) -> None:
    sound = tmp_path / "picture.webm"
    sound.write_bytes(webm(tone(2.0, 48_000)))
    page.set_input_files("#file", sound)
    expect(page.locator("#player")).to_contain_text("This browser shows no picture of it")
