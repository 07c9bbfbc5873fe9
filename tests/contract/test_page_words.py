"""Words of the web page where a glance could mislead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.flags import FACTS
from service.pipeline.results import Segments, SpeakerEmotion, SpeakerTurns
from tests.contract.page_probes import IS_DRAWN
from tests.media_files import webm
from tests.plain_wav import tone
from tests.support import fakes
from tests.support.browser import until, watched_page
from tests.support.live_server import LiveServer


def test_a_class_that_does_not_stand_out_is_no_headline(
    page: Page, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = fakes.fake_result()
    channel = replace(clear.channels[0], probabilities=np.array([0.45, 0.4], np.float32))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: replace(clear, channels=(channel,)))
    page.set_input_files("#file", speech)
    expect(page.locator(".verdict .big")).to_have_text("No class stands out")
    expect(page.locator(".verdict")).to_contain_text("Sounds most like anger, but only 45 %")


def test_a_video_whose_picture_the_browser_cannot_show_says_so(page: Page, tmp_path: Path) -> None:
    sound = tmp_path / "picture.webm"
    sound.write_bytes(webm(tone(2.0, 48_000)))
    page.set_input_files("#file", sound)
    expect(page.locator("#player")).to_contain_text("This browser shows no picture of it")


def test_every_flag_is_told_in_the_words_of_the_service(page: Page) -> None:
    ask = """async (flags) => { const { flagInWords } = await import("/page/words.js");
    return flags.map(flagInWords); }"""
    expect(page.locator("#cards")).to_contain_text("Example")  # what the page asks for first is there
    assert page.evaluate(ask, list(FACTS)) == [facts.description for facts in FACTS.values()]
    assert page.evaluate(ask, ["of_a_later_version"]) == ["Of a later version."]


def test_no_link_leads_to_a_machines_document(
    page: Page, page_server: LiveServer, speech: Path, tmp_path: Path
) -> None:
    page.set_input_files("#file", speech)
    expect(page.locator(".downloads")).to_be_visible()
    addresses = "(all) => all.map((one) => one.href)"
    links = set(page.locator("a[href]").evaluate_all(addresses))
    (tmp_path / "broken.wav").write_bytes(b"invalid")
    page.set_input_files("#file", tmp_path / "broken.wav")
    expect(page.get_by_role("alert")).to_be_visible()
    links |= set(page.locator("a[href]").evaluate_all(addresses))
    assert len(links) > 3
    for link in links:
        assert page.request.get(link).headers["content-type"].startswith("text/html"), link


def test_a_models_name_leads_to_its_card_in_words(page: Page, speech: Path) -> None:
    page.set_input_files("#file", speech)
    page.locator(".facts").get_by_role("link", name="example 1").click()
    expect(page.locator("#model-example-1")).to_contain_text("Knows nothing.")
    expect(page.locator("#model-example-1")).to_be_in_viewport()


def test_what_has_no_pictures_is_judged_by_its_voice_whatever_its_name_says(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    path.write_bytes(b"no pictures")  # how the stand-in knows it
    page.set_input_files("#file", path)
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    page.locator("#options summary").click()
    page.get_by_role("radio", name="Face").check(force=True)
    page.click("#again")
    expect(page.get_by_role("alert")).to_contain_text("no_video_stream")


def test_each_voice_has_its_turns_and_its_answer(
    page: Page, page_server: LiveServer, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = fakes.fake_result()
    turns = SpeakerTurns(np.array([0.1, 0.9, 1.5]), np.array([0.8, 1.4, 2.0]), ("A", "B", "A"))
    column = np.array([0.3, 0.7], np.float32)
    speakers = (
        SpeakerEmotion("A", 1.2, column, "neutral", ("neutral", "anger"), None, None, None),
        SpeakerEmotion("B", 0.5, None, None, None, None, None, None),
    )
    channel = replace(clear.channels[0], speakers=speakers, turns=turns)
    told = replace(clear, channels=(channel,), speaker_model=replace(clear.model, name="voices"))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: told)
    page.locator("#options summary").click()
    page.select_option("#speakers", "2")
    page.set_input_files("#file", speech)
    expect(page.locator(".speakers")).to_contain_text("Speaker A1.2 s: neutral or anger")
    expect(page.locator(".speakers")).to_contain_text("Speaker B0.5 s: too little alone to judge")
    expect(page.locator(".facts").last).to_contain_text("voices")
    assert page_server.pipeline.seen[-1][1].speakers == "2"
    chart = page.locator("figure", has=page.get_by_role("heading", name="Speakers"))
    chart.locator("summary").click()
    rows = [row.split("\t") for row in chart.locator("tbody tr").all_inner_texts()]
    assert rows == [["0:00.1–0:00.8", "A"], ["0:00.9–0:01.4", "B"], ["0:01.5–0:02.0", "A"]]
    until(page, IS_DRAWN)
    for kind, asked in (("csv", "2"), ("fhir", None), ("png", None)):
        with page.expect_download():
            page.click(f'[data-format="{kind}"]')
        assert page_server.pipeline.seen[-1][1].speakers == asked


def test_nothing_is_claimed_where_nobody_speaks(page: Page, speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = fakes.fake_result()
    column = np.array([0.9, 0.4], np.float32)
    times_s = np.array([0.2, 1.6]), np.array([0.6, 1.9])
    segments = Segments(
        *times_s, np.stack([column, 1 - column], axis=1), column, column, column, -20 * column, column, column < 0
    )
    spoken = replace(clear, channels=(replace(clear.channels[0], segments=segments),))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: spoken)
    page.set_input_files("#file", speech)
    expect(page.locator(".verdict")).to_contain_text("in 2 utterances")
    utterances = page.locator("figure", has_text="Utterances")
    utterances.locator("summary").click()
    rows = utterances.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[:3] for row in rows] == [
        ["0:00.2–0:00.6", "anger", "0.900"],
        ["0:01.6–0:01.9", "neutral", "0.400"],
    ]
    until(page, IS_DRAWN)
    box = utterances.locator(".surface").bounding_box()
    assert box is not None
    silence = "nobody speaks"
    for time_s, *told in (
        (0.4, "Evidence90 %", "Anger90 %"),
        (1.1, silence, silence),
        (1.8, "Evidence40 %", "unknown"),
    ):
        x = 52 + time_s / 2 * (box["width"] - 62)
        for title, words in zip(("Utterances", "Emotion of the voice"), told, strict=True):
            plot = page.locator("figure", has_text=title).locator(".surface")
            plot.hover(position={"x": x, "y": 40})
            expect(plot.locator(".readout")).to_contain_text(words)


def test_paper_is_light_and_holds_the_answer_alone(browser: Browser, page_server: LiveServer, movie: Path) -> None:
    first = "getComputedStyle(document.body).color + document.querySelector('#charts canvas').toDataURL()"
    with watched_page(browser, page_server.url, color_scheme="dark") as watched:
        page = watched.page
        page.set_input_files("#file", movie)
        expect(page.locator(".downloads")).to_be_visible()
        until(page, IS_DRAWN)
        dark = page.evaluate(first)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        for hidden in ("label[for=file]", ".downloads", "#terminal", "#models", "nav", "#player", "#options"):
            expect(page.locator(hidden).first).to_be_hidden()
        for shown in ("#file-name", ".verdict", ".facts", "#charts canvas", "footer"):
            expect(page.locator(shown).first).to_be_visible()
        assert page.evaluate(first) != dark
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(first) == dark
