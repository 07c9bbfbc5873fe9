"""The web page in a real browser, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.services import Loaded, Services
from service.settings import Settings
from tests.contract.page_probes import CONTRAST, IS_DRAWN, TEXTS_OF_STATUS, nameless_controls
from tests.media_files import greys, video
from tests.plain_wav import tone, wav
from tests.shared_material import corpus_folder, shared_file
from tests.support.browser import Watched, chromium, until, watched_page
from tests.support.credentials import add_key
from tests.support.fakes import FakeBundle, FakeDecoder, FakePipeline, FakeRegistry, FakeVideoPipeline, fake_card
from tests.support.live_server import LiveServer, serving, serving_models, small_settings

CURVES = "#charts .surface"
ROWS = ["0:00.50.9000.100", "0:01.5unknownunknown"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """With models for faces among those that it lists."""
    settings = small_settings()
    voice = fake_card()
    faces = [
        FakeBundle(voice.model_copy(update={"name": task, "task": task, "speech": None})) for task in ("face", "affect")
    ]
    bundles = (FakeBundle(voice), FakeBundle(fake_card(version="2")), *faces)
    loaded = Loaded(FakeRegistry(bundles), FakeDecoder(), FakePipeline(), FakeVideoPipeline())
    with serving(settings, Services(settings, loaded)) as server:
        yield server


@pytest.fixture
def watched(browser: Browser, live: LiveServer) -> Iterator[Watched]:
    with watched_page(browser, live.url) as watched:
        yield watched


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "a voice.wav"
    path.write_bytes(wav(tone(2.0)))
    return path


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "face.webm"
    path.write_bytes(video(greys(100), container="webm", codec="libvpx"))
    return path


def analyse(page: Page, path: Path) -> None:
    page.set_input_files("#file", path)
    expect(page.locator(".downloads")).to_be_visible()


def test_a_chosen_recording_is_shown_in_words_curves_and_numbers(page: Page, live: LiveServer, speech: Path) -> None:
    analyse(page, speech)
    assert live.pipeline.seen[-1][0] == speech.read_bytes()
    assert live.pipeline.seen[-1][1].timeline
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    expect(page.locator(".bars")).to_contain_text("Neutral10 %")
    expect(page.locator(".facts")).to_contain_text("example 1 · CC0-1.0")
    expect(page.locator(".flags")).to_contain_text("The sound is clipped")
    until(page, IS_DRAWN)
    assert page.locator(CURVES).count() == 4  # sound, classes, arousal, speech
    figure = page.locator("figure", has_text="Emotion of the voice")
    figure.locator("summary").click()
    expect(figure.locator("tbody tr")).to_have_text(ROWS)
    figure.get_by_role("button", name="Lines").click()
    expect(figure.get_by_role("button", name="Lines")).to_have_attribute("aria-pressed", "true")


def test_a_dropped_recording_is_taken(page: Page, live: LiveServer, speech: Path) -> None:
    data = list(speech.read_bytes())
    transfer = page.evaluate_handle(
        """(data) => { const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(data)], "drop.wav", { type: "audio/wav" })); return transfer; }""",
        data,
    )
    page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
    expect(page.locator("#drop-veil")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    expect(page.locator(".downloads")).to_be_visible()
    expect(page.locator("#drop-veil")).to_be_hidden()
    expect(page.locator("#file-name")).to_contain_text("drop.wav")
    assert live.pipeline.seen[-1][0] == bytes(data)


def test_sending_and_analysing_are_told(watched: Watched, live: LiveServer, tmp_path: Path) -> None:
    page = watched.page
    path = tmp_path / "slow.bin"
    path.write_bytes(b"slow" + bytes(1_500_000))
    link = page.context.new_cdp_session(page)
    speeds = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    link.send("Network.emulateNetworkConditions", {"offline": False, **speeds})
    page.evaluate(TEXTS_OF_STATUS)
    analyse(page, path)
    texts = page.evaluate("texts")
    shares = [int(text.split()[1]) for text in texts if text.startswith("Sending")]
    assert shares == sorted(shares)
    assert any(0 < share < 100 for share in shares)
    assert any(text.startswith("Analysing") for text in texts)
    expect(page.locator("#status")).to_be_hidden()


def test_work_can_be_stopped(page: Page, live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"gate")
    try:
        page.set_input_files("#file", path)
        expect(page.locator("#status-text")).to_contain_text("Analysing")
        page.click("#stop")
        expect(page.locator("#status")).to_be_hidden()
        expect(page.locator("#problem")).to_be_hidden()
    finally:
        live.pipeline.gate.set()


def test_a_video_has_all_its_maps_and_plays_in_step(watched: Watched, live: LiveServer, movie: Path) -> None:
    page = watched.page
    requests: list[str] = []
    page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    analyse(page, movie)
    assert live.affect.seen[-1][1].include == {"action_units", "attribution", "audio"}
    for title in ("Arousal and valence of the face", "Face confidence", "Action units", "Why: attribution"):
        expect(page.locator("figure", has_text=title).first).to_be_visible()
    until(page, IS_DRAWN)
    until(page, "document.querySelector('#player video').readyState >= 2")
    curve = page.locator(CURVES).first
    box = curve.bounding_box()
    assert box is not None
    middle = 52 + (box["width"] - 62) / 2
    curve.click(position={"x": middle, "y": 40})
    until(page, "Math.abs(document.querySelector('#player video').currentTime - 2) < 0.1")
    cursors = page.locator(".cursor:not(.hover):not([hidden])")
    places = cursors.evaluate_all("(all) => all.map((one) => one.style.transform)")
    assert len(places) >= 4
    assert len(set(places)) == 1
    page.evaluate("document.querySelector('#player video').currentTime = 1")
    until(page, "(was) => document.querySelector('.cursor:not(.hover)').style.transform !== was", places[0])
    units = page.locator("figure", has_text="Action units").first.locator(".surface")
    units.hover(position={"x": middle, "y": 20})
    expect(units.locator(".readout")).to_contain_text("AU01 inner brow raiser")
    why = page.locator("figure", has_text="Why: attribution")
    why.locator(".surface").hover(position={"x": middle, "y": 20})
    expect(why.locator(".readout")).to_contain_text("All lags")
    before = why.locator("canvas").screenshot()
    why.get_by_role("button", name="Arousal").click()
    page.wait_for_timeout(100)
    assert why.locator("canvas").screenshot() != before
    assert sum(one.startswith("POST") for one in requests) == 1


def test_answers_can_be_saved(page: Page, live: LiveServer, speech: Path) -> None:
    analyse(page, speech)
    beginnings = {"json": b'{"request_id"', "csv": b"", "png": b"\x89PNG", "fhir": b'{"resourceType":"Bundle"'}
    contents = {}
    for kind, beginning in beginnings.items():
        with page.expect_download() as saved:
            page.click(f'[data-format="{kind}"]')
        assert saved.value.suggested_filename == f"a voice.{'fhir.json' if kind == 'fhir' else kind}"
        contents[kind] = saved.value.path().read_bytes()
        assert contents[kind].startswith(beginning)
    assert json.loads(contents["json"])["timeline"]["start_s"] == [0.0, 1.0]
    assert b"start_s" in contents["csv"].splitlines()[0]


def test_an_error_says_what_to_do(page: Page, live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"invalid")
    page.set_input_files("#file", path)
    problem = page.get_by_role("alert")
    expect(problem).to_be_visible()
    for text in ("The recording cannot be decoded.", "What to do:", "media_invalid", "Request id", "422"):
        expect(problem).to_contain_text(text)
    page.click("#retry")
    until(page, "document.getElementById('status').hidden")
    assert [data for data, _ in live.pipeline.seen[-2:]] == [b"invalid"] * 2


def test_what_is_too_large_is_not_even_sent(page: Page, live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(live.services.settings.limits.max_body_bytes + 1))
    count = len(live.pipeline.seen)
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("takes up to 4.2 MB")
    assert len(live.pipeline.seen) == count


def test_a_table_is_judged(page: Page, live: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "openface.csv"
    path.write_bytes(b"frame,timestamp\n")
    page.locator("#options summary").click()
    page.fill("#fps", "25")
    analyse(page, path)
    options = live.affect.seen[-1][1]
    assert (options.fps, options.include) == (25.0, {"action_units", "attribution"})
    expect(page.locator("#player")).to_be_empty()


def test_options_reach_the_server(page: Page, live: LiveServer, speech: Path, movie: Path) -> None:
    page.locator("#options summary").click()
    page.select_option("#model", "example/2")
    page.fill("#window", "1.5")
    page.fill("#hop", "0.5")
    page.select_option("#channel", "each")
    analyse(page, speech)
    options = live.pipeline.seen[-1][1]
    assert (options.model, options.version, options.window_s, options.hop_s) == ("example", "2", 1.5, 0.5)
    assert options.channel == "each"
    page.get_by_label("Neutral face").select_option("span")
    page.fill("#neutral-end", "2")
    page.fill("#face", "1")
    analyse(page, movie)
    expect(page.locator("figure", has_text="Face confidence")).to_be_visible()
    assert (live.affect.seen[-1][1].neutral, live.affect.seen[-1][1].face) == ("0:2", "1")
    page.get_by_role("radio", name="Voice").check(force=True)
    page.click("#again")
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    assert live.pipeline.seen[-1][0] == movie.read_bytes()


def test_windows_are_drawn_as_they_come(page: Page, speech: Path) -> None:
    """Where the server streams. The events are the stream's own members; the browser gets them in one piece."""
    labels = ["anger", "neutral"]
    windows = [
        {"start_s": index, "end_s": index + 1, "probabilities": shares, "arousal": 0.1, "valence": None, "speech": 1}
        for index, shares in enumerate([{"anger": 0.9, "neutral": 0.1}, None])
    ]
    whole = {"request_id": "r", "labels": labels, "probabilities": [0.9, 0.1], "emotion": "anger", "flags": []}
    whole |= {"media": {"duration_s": 2.0, "container": "wav", "codec": "pcm_s16le"}, "arousal": 0.1, "valence": None}
    whole |= {"model": {"name": "example", "version": "1", "licence": "CC0-1.0"}}
    events = [("start", {"labels": labels}), *(("window", one) for one in windows), ("result", whole)]
    body = ": hello\n\n" + "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    page.route("**/v1/audio/emotion*", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    analyse(page, speech)
    figure = page.locator("figure", has_text="Emotion of the voice")
    figure.locator("summary").click()
    expect(figure.locator("tbody tr")).to_have_text(ROWS)


def test_a_key_is_asked_for_once_the_browsers_password_no_longer_holds(
    browser: Browser, tmp_path: Path, speech: Path
) -> None:
    keys = tmp_path / "keys.json"
    settings: Settings = small_settings(keys_file=keys)
    password = {"username": "anybody", "password": add_key(keys, "first")}
    with serving(settings) as live, watched_page(browser, live.url, http_credentials=password) as watched:
        page = watched.page
        analyse(page, speech)
        keys.unlink()
        key = add_key(keys, "second")
        page.set_input_files("#file", speech)
        expect(page.get_by_role("alert")).to_contain_text("unauthenticated")
        page.get_by_label("API key").fill("emo_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("unauthenticated")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use key").click()
        expect(page.get_by_role("alert")).to_be_hidden()
        analyse(page, speech)
        kept = page.evaluate("document.cookie + Object.values(localStorage) + Object.values(sessionStorage)")
        assert key not in kept
        assert key not in page.url


def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser, live: LiveServer) -> None:
    lightness = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))"
    with watched_page(browser, live.url, color_scheme="dark") as watched:
        page = watched.page
        assert page.evaluate(lightness) < 60
        page.click("#theme")
        assert page.evaluate(lightness) > 200
        page.reload()
        assert page.evaluate(lightness) > 200
        page.click("#theme")
        assert page.evaluate(lightness) < 60


def test_everything_works_by_keyboard(page: Page, speech: Path) -> None:
    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached")

    page.on("filechooser", lambda chooser: chooser.set_files(speech))
    tab_to("#file")
    assert page.evaluate("getComputedStyle(document.querySelector('label[for=file]')).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator(".downloads")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "result-heading"
    tab_to("[data-format=json]")
    with page.expect_download():
        page.keyboard.press("Enter")
    tab_to("[role=slider]:not(audio *)")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    slider = page.locator(CURVES).first
    assert float(slider.get_attribute("aria-valuenow") or 0) > 0
    assert "0:00" in (slider.get_attribute("aria-valuetext") or "")
    expect(slider.locator(".readout")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_and_controls_have_names(
    browser: Browser, live: LiveServer, scheme: str, movie: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"invalid")
    size = {"width": 390, "height": 844} if scheme == "dark" else {"width": 1280, "height": 900}
    with watched_page(browser, live.url, color_scheme=scheme, viewport=size, reduced_motion="reduce") as watched:
        page = watched.page

        def check() -> None:
            assert page.evaluate(CONTRAST) == []
            tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
            assert nameless_controls(tree["nodes"]) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        page.locator("#options summary").click()
        check()
        analyse(page, movie)
        page.locator(".numbers summary").first.click()
        check()
        page.set_input_files("#file", broken)
        expect(page.get_by_role("alert")).to_be_visible()
        check()
        landmarks = page.locator("header, main, footer, nav[aria-label]")
        assert landmarks.count() == 4


def test_a_spoken_recording_goes_all_the_way(browser: Browser) -> None:
    """Microphone and camera of the browser, its own encoder, this service's decoder and models."""
    with serving_models(Settings(port=0)) as live, watched_page(browser, live.url) as watched:
        page = watched.page
        page.click("#record-voice")
        expect(page.locator("#recorder")).to_be_visible()
        until(page, "document.getElementById('record-time').textContent === '0:02'")
        page.click("#record-stop")
        expect(page.locator(".downloads")).to_be_visible()
        expect(page.locator(".facts")).to_contain_text("opus")
        page.click("#record-video")
        expect(page.locator("#preview")).to_be_visible()
        page.click("#record-discard")
        expect(page.locator("#recorder")).to_be_hidden()
        expect(page.locator("#file-name")).to_contain_text("recording.webm")


def test_real_speech_and_a_real_face(browser: Browser) -> None:
    clip = sorted((corpus_folder("emodb7") / "audio").iterdir())[0]
    face = shared_file("media/single_face.mp4")
    with serving_models(Settings(port=0)) as live, watched_page(browser, live.url) as watched:
        analyse(watched.page, clip)
        expect(watched.page.locator(".facts").first).to_contain_text("emonet-open")
        if live.services.loaded.affect is None:
            pytest.skip("the face networks are not prepared (emoserve-export faces)")
        analyse(watched.page, face)
        expect(watched.page.locator("figure", has_text="Action units").first).to_be_visible()
        until(watched.page, IS_DRAWN)
        numbers = np.array(watched.page.locator(".scale .value").all_inner_texts())
        assert len(numbers) == 2
