"""The live view of the web page: a false microphone and camera, lost connections, refusals and keys."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.contract.page_probes import check_view
from tests.plain_wav import tone, wav
from tests.support.browser import CHROMIUM, until, watched_page, without_microphone
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer
from tests.support.patience import wait_until
from tests.support.tiny_services import needs_faces, serving_project, serving_tiny

REMEMBER_SOCKETS = """window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...all) { super(...all); sockets.push(this); } };"""
SAID = """() => { window.said = []; const node = document.getElementById("announcer");
new MutationObserver(() => node.textContent && said.push(node.textContent)).observe(node, { childList: true }); }"""
END_S = "Number(document.querySelector('#charts [role=slider]')?.getAttribute('aria-valuemax') ?? 0)"
"""Until when the curves go."""


@pytest.fixture(scope="module")
def talking(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone hears a tone with pauses, over and over."""
    path = tmp_path_factory.mktemp("sound") / "tone.wav"
    path.write_bytes(wav(np.concatenate([tone(4.0), np.zeros(16_000, np.float32)])))
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ]
    launched = browser.browser_type.launch(
        executable_path=CHROMIUM, args=[*arguments, f"--use-file-for-fake-audio-capture={path}"]
    )
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def tiny(tiny_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(tiny_models) as server:
        yield server


def listen(page: Page) -> None:
    """Begin, and wait until more than one window is judged."""
    page.click("#live-voice")
    expect(page.locator("#live-now")).to_contain_text("arousal")
    first = page.evaluate(END_S)
    until(page, f"{END_S} > {first}")


def saved(page: Page, kind: str) -> bytes:
    with page.expect_download() as download:
        page.click(f'[data-format="{kind}"]')
    assert download.value.suggested_filename == f"live.{kind}"
    return download.value.path().read_bytes()


def test_a_voice_is_judged_live_and_its_answer_is_saved(talking: Browser, tiny: LiveServer) -> None:
    with watched_page(talking, tiny.url, reduced_motion="reduce", viewport={"width": 390, "height": 844}) as watched:
        page = watched.page
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
        page.evaluate(SAID)
        listen(page)
        expect(page.locator("#live-words")).to_have_text("Listening.")
        expect(page.locator("#intake")).to_be_hidden()
        check_view(page, "live")
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#live-stop").press("Enter")
        expect(page.locator(".downloads button")).to_have_text(["JSON", "CSV"])
        expect(page.locator("#live")).to_be_hidden()
        expect(page.locator(".verdict .big")).to_be_visible()
        until(page, "document.activeElement.id === 'result-heading'")
        until(page, "said.some((text) => text.startsWith('Done'))")
        answer = json.loads(saved(page, "json"))
        starts = answer["timeline"]["start_s"]
        assert answer["media"]["duration_s"] >= starts[-1] > starts[0] == 0
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
        table = list(csv.DictReader(io.StringIO(saved(page, "csv").decode(), newline="")))
        assert [float(row["start_s"]) for row in table] == starts
        assert table[0]["emotion"] == max(answer["labels"], key=lambda label: float(table[0][label]))
        kept = page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length")
        assert (sent, kept) == ([], 0)
        wait_until(lambda: len(tiny.services.streams) == 0)


def test_a_lost_connection_is_taken_up_again_without_a_gap(talking: Browser, tiny: LiveServer) -> None:
    with watched_page(talking, tiny.url) as watched:
        page = watched.page
        page.context.add_init_script(REMEMBER_SOCKETS)
        page.reload()
        page.evaluate(SAID)
        listen(page)
        page.evaluate("sockets[0].close(4000)")
        expect(page.locator("#live-words")).to_contain_text("The connection is lost; trying again")
        until(page, "said.includes('The connection is back.')")
        until(page, f"{END_S} > {page.evaluate(END_S) + 2}")
        page.click("#live-stop")
        answer = json.loads(saved(page, "json"))
        starts = answer["timeline"]["start_s"]
        assert np.diff(starts)[:-1] == pytest.approx(starts[1] - starts[0])  # the last window ends with the sound
        assert page.evaluate("sockets.length") >= 2


def test_what_had_come_stays_when_the_service_forgets_the_session(talking: Browser, tiny: LiveServer) -> None:
    with watched_page(talking, tiny.url) as watched:
        page = watched.page
        page.context.add_init_script(REMEMBER_SOCKETS)
        page.reload()
        listen(page)
        page.evaluate(
            "() => { const send = WebSocket.prototype.send;"
            "WebSocket.prototype.send = function (data) {"
            'send.call(this, typeof data === \'string\' ? data.replace(/"id":"[^"]*"/, \'"id":"none"\') : data); };'
            "sockets[0].close(4000); }"
        )
        expect(page.get_by_role("alert")).to_contain_text("session_not_found")
        expect(page.locator("#live")).to_be_hidden()
        assert len(json.loads(saved(page, "json"))["timeline"]["start_s"]) >= 2
        expect(page.locator("#charts canvas").first).to_be_visible()


def test_what_is_discarded_is_gone(talking: Browser, tiny: LiveServer) -> None:
    with watched_page(talking, tiny.url) as watched:
        page = watched.page
        listen(page)
        page.click("#live-discard")
        expect(page.locator("#live")).to_be_hidden()
        expect(page.locator("#result")).to_be_hidden()
        expect(page.locator("#live-voice")).to_be_focused()
        wait_until(lambda: len(tiny.services.streams) == 0)


def test_a_refused_microphone_is_told(browser: Browser, tiny: LiveServer) -> None:
    with without_microphone(browser) as strict, watched_page(strict, tiny.url) as watched:
        watched.page.click("#live-voice")
        expect(watched.page.locator("#record-note")).to_contain_text("was not allowed to record")
        expect(watched.page.locator("#live")).to_be_hidden()
        expect(watched.page.locator("#live-voice")).to_be_focused()


def test_the_browsers_password_holds_for_the_live_view_until_the_keys_change(
    talking: Browser, tiny_models: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    password = {"username": "anybody", "password": add_key(keys, "first")}
    with (
        serving_tiny(tiny_models, keys_file=keys) as server,
        watched_page(talking, server.url, http_credentials=password) as watched,
    ):
        page = watched.page
        page.click("#live-voice")
        expect(page.locator("#live-now")).to_contain_text("arousal")
        page.click("#live-discard")
        keys.unlink()
        add_key(keys, "second")
        page.click("#live-voice")
        alert = page.get_by_role("alert")
        expect(alert).to_be_visible()
        expect(alert).to_contain_text(re.compile("unauthenticated|Load this page again"))
        expect(page.locator("#live")).to_be_hidden()


def test_a_key_that_was_entered_opens_the_stream(talking: Browser, tiny_models: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys)
    password = {"username": "anybody", "password": key}
    offered = "window.offered = []; window.WebSocket = class extends WebSocket { constructor(address, protocols) {"
    offered += "super(address, protocols); offered.push(...protocols); } };"
    with (
        serving_tiny(tiny_models, keys_file=keys) as server,
        watched_page(talking, server.url, http_credentials=password) as watched,
    ):
        page = watched.page
        page.context.add_init_script(offered)
        page.reload()
        page.evaluate("""async (key) => (await import("/page/server.js")).useKey(key)""", key)
        page.click("#live-voice")
        expect(page.locator("#live-now")).to_contain_text("arousal")
        assert page.evaluate("offered") == ["emoserve", f"bearer.{key}"]
        page.click("#live-discard")


def test_a_camera_is_watched_live(talking: Browser) -> None:
    needs_faces()
    with serving_project() as server, watched_page(talking, server.url) as watched:
        page = watched.page
        page.click("#live-face")
        expect(page.locator("#live-now")).to_have_text("No face")  # the false camera shows none
        expect(page.locator("#live-preview")).to_be_visible()
        page.click("#live-stop")
        expect(page.locator("[data-flag=no_face]")).to_contain_text("Nothing is claimed")
        answer = json.loads(saved(page, "json"))
        assert answer["models"]["faces"]["name"] == "mediapipe-faces"
        assert set(answer["timeline"]["arousal"]) == {None}
        assert saved(page, "csv").startswith(b"time_s,arousal,valence,face_confidence")
