"""The web page in a real browser, with this project's models behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from service.settings import Settings
from tests.contract.page_probes import IS_DRAWN, analyse
from tests.shared_material import corpus_folder, shared_file
from tests.support.browser import until, watched_page
from tests.support.live_server import LiveServer, serving_models

HAS_RECORDED = "document.getElementById('record-time').textContent !== '0:00'"  # a second at least


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The whole service with this project's models."""
    with serving_models(Settings(port=0, state_dir=tmp_path_factory.mktemp("page") / "state", jobs=False)) as server:
        yield server


def test_spoken_and_filmed_recordings_go_all_the_way(browser: Browser, real: LiveServer) -> None:
    """Microphone and camera of the browser, its own encoder, this service's decoder and models."""
    with watched_page(browser, real.url) as watched:
        page = watched.page
        page.click("#record-voice")
        expect(page.locator("#recorder")).to_be_visible()
        until(page, HAS_RECORDED)
        page.click("#record-stop")
        expect(page.locator(".downloads")).to_be_visible()
        expect(page.locator(".facts")).to_contain_text("opus")
        page.click("#record-video")
        expect(page.locator("#preview")).to_be_visible()
        page.click("#record-discard")
        expect(page.locator("#recorder")).to_be_hidden()
        expect(page.locator("#file-name")).to_contain_text("recording.webm")
        if real.services.loaded.affect is None:
            pytest.skip("the face networks are not prepared (emoserve setup)")
        page.click("#record-video")
        expect(page.locator("#preview")).to_be_visible()
        until(page, HAS_RECORDED)
        page.click("#record-stop")
        expect(page.locator(".facts")).to_contain_text("Face model")
        expect(page.locator("[data-flag=no_face]")).to_contain_text("Nothing is claimed")  # of a test picture


def test_real_speech_and_a_real_face(browser: Browser, real: LiveServer, tmp_path: Path) -> None:
    clip = sorted((corpus_folder("emodb7") / "audio").iterdir())[0]
    face = shared_file("media/single_face.mp4")
    with watched_page(browser, real.url) as watched:
        page = watched.page
        analyse(page, clip)
        expect(page.locator(".facts").first).to_contain_text("ge2e-open")
        (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.7\n" + bytes(500))
        page.set_input_files("#file", tmp_path / "letter.pdf")
        expect(page.get_by_role("alert")).to_contain_text("container_unsupported")
        expect(page.get_by_role("alert")).to_contain_text("Send a sound or video file")
        if real.services.loaded.affect is None:
            pytest.skip("the face networks are not prepared (emoserve setup)")
        analyse(page, face)
        expect(page.locator("figure", has_text="Action units").first).to_be_visible()
        until(page, IS_DRAWN)
        assert page.locator(".scale .value").count() == 2
        expect(page.locator(".facts").last).to_contain_text("Resting facenot known: levels are absolute")
        page.evaluate("document.getElementById('options').open = true")
        page.select_option("#neutral", "span")
        page.fill("#neutral-end", "1")
        analyse(page, face)
        expect(page.locator(".facts").last).to_contain_text("frames, 0:00.0–0:01.0")
