"""The web page in a real browser, against a real server."""

import json
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from service.settings import Settings
from tests.contract.page_probes import IS_DRAWN, TEXTS_OF_STATUS, analyse
from tests.support.browser import Watched, until, watched_page
from tests.support.credentials import add_key
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import wait_until

CURVES = "#charts .surface"
ROWS = ["0:00.50.9000.100", "0:01.5unknownunknown"]


def test_a_chosen_recording_is_shown_in_words_curves_and_numbers(
    page: Page, page_server: LiveServer, speech: Path
) -> None:
    analyse(page, speech)
    assert page_server.pipeline.seen[-1][0] == speech.read_bytes()
    assert page_server.pipeline.seen[-1][1].timeline
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    expect(page.locator(".bars")).to_contain_text("Neutral10 %")
    expect(page.locator(".facts")).to_contain_text("example 1 · CC0-1.0")
    expect(page.locator(".flags")).to_contain_text("were cut off when it was recorded")
    until(page, IS_DRAWN)
    assert page.locator(CURVES).count() == 4  # sound, classes, arousal, speech
    figure = page.locator("figure", has_text="Emotion of the voice")
    figure.locator("summary").click()
    expect(figure.locator("tbody tr")).to_have_text(ROWS)
    figure.get_by_role("button", name="Lines").click()
    expect(figure.get_by_role("button", name="Lines")).to_have_attribute("aria-pressed", "true")


def test_a_dropped_recording_is_taken(page: Page, page_server: LiveServer, speech: Path) -> None:
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
    assert page_server.pipeline.seen[-1][0] == bytes(data)


def test_sending_and_analysing_are_told(watched: Watched, page_server: LiveServer, tmp_path: Path) -> None:
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


def test_work_can_be_stopped(page: Page, page_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"gate")
    try:
        page.set_input_files("#file", path)
        expect(page.locator("#status-text")).to_contain_text("Analysing")
        page.click("#stop")
        expect(page.locator("#status")).to_be_hidden()
        expect(page.locator("#problem")).to_be_hidden()
    finally:
        page_server.pipeline.gate.set()


def test_a_video_has_all_its_maps_and_plays_in_step(watched: Watched, page_server: LiveServer, movie: Path) -> None:
    page = watched.page
    requests: list[str] = []
    page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    analyse(page, movie)
    assert page_server.affect.seen[-1][1].include == {"action_units", "attribution", "audio", "boxes"}
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
    expect(page.locator(".face-box")).to_have_text(["Face 0", "Face 1"])
    frame, picture = page.locator(".face-box").first.bounding_box(), page.locator("#player video").bounding_box()
    assert frame is not None
    assert picture is not None
    shown = min(picture["width"] / 64, picture["height"] / 48)  # pixels of the page for one of the picture
    assert abs(frame["width"] - 0.2 * 64 * shown) < 6
    assert abs(frame["y"] - picture["y"] - (picture["height"] - 48 * shown) / 2 - 0.2 * 48 * shown) < 6
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
    expect(why.get_by_role("list", name="What moved it most").get_by_role("button")).to_have_text(
        [
            "Lips apart, 0:01–0:04: arousal +0.09",
            "Lip corners pulled up, 0:02–0:04: valence +0.31",
            "Brows lowered, 0:05–0:08: valence −0.16",
        ]
    )
    why.get_by_role("button", name="Lips apart").click()
    until(page, "Math.abs(document.querySelector('#player video').currentTime - 1) < 0.1")
    curve.hover(position={"x": middle, "y": 40})
    expect(page.locator("figure", has_text="Arousal and valence of the face").locator(".readout")).to_contain_text("±")
    before = why.locator("canvas").screenshot()
    why.get_by_role("button", name="Arousal", exact=True).click()
    wait_until(lambda: why.locator("canvas").screenshot() != before)
    page.get_by_role("button", name="Face 1").click()
    expect(why).to_have_count(0)  # only the first face is explained
    expect(page.locator("figure", has_text="Action units").first).to_be_visible()
    assert sum(one.startswith("POST") for one in requests) == 1


def test_answers_can_be_saved(page: Page, page_server: LiveServer, speech: Path) -> None:
    analyse(page, speech)
    beginnings = {
        "json": b'{"request_id"',
        "csv": b"",
        "png": b"\x89PNG",
        "svg": b"<?xml",
        "pdf": b"%PDF-",
        "fhir": b'{"resourceType":"Bundle"',
    }
    contents = {}
    for kind, beginning in beginnings.items():
        with page.expect_download() as saved:
            page.click(f'[data-format="{kind}"]')
        assert saved.value.suggested_filename == f"a voice.{'fhir.json' if kind == 'fhir' else kind}"
        contents[kind] = saved.value.path().read_bytes()
        assert contents[kind].startswith(beginning)
        asked = page_server.pipeline.seen[-1][1]
        assert asked.segments == (kind != "fhir")
        assert asked.voice_activity == (kind not in ("csv", "fhir"))
    assert json.loads(contents["json"])["timeline"]["start_s"] == [0.0, 1.0]
    assert b"start_s" in contents["csv"].splitlines()[0]


def test_a_published_network_stands_beside_the_curves(page: Page, page_server: LiveServer, movie: Path) -> None:
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Published face model").select_option("looks/1")
    analyse(page, movie)
    asked = page_server.affect.seen[-1][1]
    assert "expression" in asked.include
    assert (asked.expression_model, asked.expression_version) == ("looks", "1")
    for title in (
        "Arousal and valence as looks sees them",
        "Expression as looks sees it",
        "Action units as looks sees",
    ):
        figure = page.locator("figure", has_text=title)
        expect(figure).to_be_visible()
        expect(figure.locator("figcaption")).to_contain_text("that others published")
    until(page, IS_DRAWN)
    figure.locator("summary").click()
    expect(figure.locator("tbody tr").first).to_have_text("0:00.04.00")
    expect(page.locator(".facts")).to_contain_text("Published face model")
    for kind in ("csv", "png", "fhir"):
        with page.expect_download():
            page.click(f'[data-format="{kind}"]')
        assert "expression" in page_server.affect.seen[-1][1].include


def test_each_form_of_a_face_is_asked_for_with_what_it_has_room_for(
    page: Page, page_server: LiveServer, movie: Path
) -> None:
    analyse(page, movie)
    parts = {
        "csv": {"action_units", "audio", "boxes"},
        "png": {"action_units", "attribution", "audio"},
        "fhir": {"action_units", "audio"},
    }
    for kind, asked in parts.items():
        with page.expect_download():
            page.click(f'[data-format="{kind}"]')
        assert page_server.affect.seen[-1][1].include == asked
        assert page_server.affect.seen[-1][1].face == ("largest" if kind == "fhir" else "all")


def test_an_error_says_what_to_do(page: Page, page_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"invalid")
    page.set_input_files("#file", path)
    problem = page.get_by_role("alert")
    expect(problem).to_be_visible()
    for text in ("The recording cannot be decoded.", "What to do:", "media_invalid", "Request id", "422"):
        expect(problem).to_contain_text(text)
    page.click("#retry")
    until(page, "document.getElementById('status').hidden")
    assert [data for data, _ in page_server.pipeline.seen[-2:]] == [b"invalid"] * 2


def test_what_is_too_large_is_not_even_sent(page: Page, page_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(page_server.services.settings.limits.max_body_bytes + 1))
    count = len(page_server.pipeline.seen)
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("takes up to 4.2 MB")
    assert len(page_server.pipeline.seen) == count


def test_a_recording_that_is_chosen_early_waits_for_the_limits(
    page: Page, page_server: LiveServer, tmp_path: Path
) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(page_server.services.settings.limits.max_body_bytes + 1))
    held: list[Route] = []
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.route("**/v1/limits", lambda route: held.append(route))
    page.reload()
    page.set_input_files("#file", path)
    expect(page.locator("#file-name")).to_contain_text("large.wav")
    wait_until(lambda: page.wait_for_timeout(20) or held)
    held[0].continue_()
    expect(page.get_by_role("alert")).to_contain_text("takes up to 4.2 MB")
    assert sent == []


def test_a_recording_is_judged_without_limits_if_they_cannot_be_had(page: Page, speech: Path) -> None:
    page.route("**/v1/limits", lambda route: route.abort())
    page.reload()
    analyse(page, speech)
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")


def test_a_table_is_judged(page: Page, page_server: LiveServer, tmp_path: Path) -> None:
    path = tmp_path / "openface.csv"
    path.write_bytes(b"frame,timestamp\n")
    page.locator("#options summary").click()
    page.fill("#fps", "25")
    analyse(page, path)
    options = page_server.affect.seen[-1][1]
    assert (options.fps, options.include) == (25.0, {"action_units", "attribution"})
    expect(page.locator("#player")).to_be_empty()


def test_options_reach_the_server(page: Page, page_server: LiveServer, speech: Path, movie: Path) -> None:
    page.locator("#options summary").click()
    page.select_option("#model", "example/2")
    page.fill("#window", "1.5")
    page.fill("#hop", "0.5")
    page.select_option("#channel", "each")
    analyse(page, speech)
    options = page_server.pipeline.seen[-1][1]
    assert (options.model, options.version, options.window_s, options.hop_s) == ("example", "2", 1.5, 0.5)
    assert options.channel == "each"
    page.get_by_label("Neutral face").select_option("span")
    page.fill("#neutral-end", "2")
    page.fill("#face", "1")
    analyse(page, movie)
    expect(page.locator("figure", has_text="Face confidence")).to_be_visible()
    assert (page_server.affect.seen[-1][1].neutral, page_server.affect.seen[-1][1].face) == ("0:2", "1")
    page.get_by_role("radio", name="Voice").check(force=True)
    page.click("#again")
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    assert page_server.pipeline.seen[-1][0] == movie.read_bytes()


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
        page.get_by_label("API key").fill("emo_wrong")
        is_taken_away_at_once = page.evaluate(
            "document.querySelector('.key-form').requestSubmit() ?? document.getElementById('problem').hidden"
        )
        assert is_taken_away_at_once, "the answer wipes out what is typed meanwhile"
        expect(page.get_by_role("alert")).to_contain_text("unauthenticated")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use key").click()
        expect(page.get_by_role("alert")).to_be_hidden()
        analyse(page, speech)
        for kind in ("csv", "fhir"):
            with page.expect_download() as saved:
                page.click(f'[data-format="{kind}"]')
            assert saved.value.path().stat().st_size > 0
        kept = page.evaluate("document.cookie + Object.values(localStorage) + Object.values(sessionStorage)")
        assert key not in kept
        assert key not in page.url


def test_a_password_holds_for_jobs_too_and_its_limits_are_waited_for(
    browser: Browser, tmp_path: Path, speech: Path
) -> None:
    large = tmp_path / "visit.bin"
    large.write_bytes(bytes(200_000))
    keys = tmp_path / "keys.json"
    password = {"username": "anybody", "password": add_key(keys)}
    with (
        serving_jobs(
            tmp_path / "state",
            keys_file=keys,
            key_limits={"requests_per_minute": 2},
            limits={"max_body_bytes": 100_000},
        ) as server,
        watched_page(browser, server.url, http_credentials=password) as watched,
    ):
        page = watched.page
        server.plans.gate.set()
        page.set_input_files("#file", large)  # submitted, followed and fetched with it
        expect(page.locator(".verdict .big")).to_contain_text("Anger")
        for _ in range(2):
            page.set_input_files("#file", speech)
            until(page, "document.getElementById('status').hidden")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("rate_limited")
        button = page.locator("#retry")
        expect(button).to_contain_text("Try again in")
        expect(button).to_have_attribute("aria-disabled", "true")
        first = int(button.inner_text().split()[3])
        until(page, f"parseInt(document.getElementById('retry').innerText.split(' ')[3]) < {first}")


def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser, page_server: LiveServer) -> None:
    lightness = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number))"
    with watched_page(browser, page_server.url, color_scheme="dark") as watched:
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
