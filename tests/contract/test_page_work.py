"""The web page while work goes on: windows as they come, jobs, and what can go wrong on the way."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.health import Phase
from service.http.problem_response import problem_document
from service.pipeline.affect.live import AffectRows
from service.problems import MediaTooLong, all_problems
from tests.plain_wav import tone, wav
from tests.support.browser import until, watched_page, without_microphone
from tests.support.job_server import JobServer, serving_jobs
from tests.support.patience import HANG_S
from tests.support.tiny_services import serving_tiny

EMOTION = "figure:has-text('Emotion of the voice')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    """A server to which the page sends files larger than 100 kB as jobs."""
    state = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(state, max_jobs=3, limits={"max_body_bytes": 100_000}) as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: JobServer) -> Iterator[Page]:
    server.plans.shut_gate()
    with watched_page(browser, server.url) as watched:
        yield watched.page
    server.plans.gate.set()


def recording(folder: Path, beginning: bytes, size: int = 200_000) -> Path:
    path = folder / "visit.bin"
    path.write_bytes(beginning.ljust(size, b"\0"))
    return path


def test_windows_appear_while_the_service_still_judges(
    browser: Browser, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = wav(np.concatenate([np.zeros(64_000, np.float32), tone(8.0)]))
    (tmp_path / "speech.wav").write_bytes(content)
    with serving_tiny(tiny_models, threads=1) as live:
        session = live.services.loaded.pipeline._models.emotion["tiny", "1"].session
        gates, real, calls = [threading.Event(), threading.Event()], session.run, []

        def run(inputs, outputs):
            calls.append(1)
            for count, gate in zip((4, 6), gates, strict=True):
                if len(calls) > count:
                    gate.wait(HANG_S)
            return real(inputs, outputs)

        monkeypatch.setattr(session, "run", run)
        try:
            with watched_page(browser, live.url) as watched:
                page = watched.page
                page.set_input_files("#file", tmp_path / "speech.wav")
                rows = page.locator(f"{EMOTION} >> tbody tr")
                page.locator(f"{EMOTION} >> summary").click()
                until(page, "document.querySelectorAll('tbody tr').length > 2")
                assert page.locator(".downloads").count() == 0
                early = rows.all_inner_texts()
                assert any("unknown" in row for row in early)  # the silence at the beginning
                assert any("unknown" not in row for row in early)
                node = page.locator(EMOTION).element_handle()
                gates[0].set()
                until(page, "document.getElementById('status-text').textContent.match(/Analysing \\d/)")
                assert node.evaluate("(node) => node.isConnected")  # drawn on, not made anew: focus stays
                gates[1].set()
                expect(page.locator(".downloads")).to_be_visible()
                page.locator(f"{EMOTION} >> summary").click()
                expect(rows.nth(len(early))).to_be_attached()
                final = dict(zip(early, rows.all_inner_texts(), strict=False))
                spoken = {row: then for row, then in final.items() if "nobody speaks" not in then}
                assert 0 < len(spoken) < len(early)
                assert list(spoken) == list(spoken.values())
        finally:
            for gate in gates:
                gate.set()


def test_rows_of_a_face_appear_while_the_video_is_seen(
    page: Page, server: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = threading.Event(), server.live.affect.analyse

    def analyse(data, options, work, *, on_rows=None):
        if on_rows is not None:
            time_s = np.arange(20) / 10
            column = np.full(20, 0.5, np.float32)
            on_rows(AffectRows(time_s, column, -column, column), 0, False)
            gate.wait(HANG_S)
        return real(data, options, work)

    monkeypatch.setattr(server.live.affect, "analyse", analyse)
    path = tmp_path / "face.mp4"
    path.write_bytes(b"\0" * 1000)
    page.locator("#options summary").click()
    page.locator("#judge-face").evaluate("(node) => { node.disabled = false; }")  # the stand-ins have no face model
    page.get_by_role("radio", name="Face").check(force=True)
    page.set_input_files("#file", path)
    try:
        expect(page.locator("figure", has_text="Arousal and valence of the face")).to_be_visible()
        expect(page.locator("#summary")).to_contain_text("may change")
        assert page.locator(".downloads").count() == 0
    finally:
        gate.set()
    expect(page.locator("figure", has_text="Action units").first).to_be_visible()


def test_a_long_recording_is_a_job_that_survives_a_reload(page: Page, server: JobServer, tmp_path: Path) -> None:
    page.set_input_files("#file", recording(tmp_path, b"gate"))
    job = page.locator(".job")
    expect(job).to_contain_text("visit.bin")
    expect(job).to_contain_text("Analysing 25 %")
    expect(job.get_by_role("progressbar")).to_have_attribute("aria-label", "Analysis of visit.bin")
    kept = page.evaluate("JSON.stringify({ ...sessionStorage, ...localStorage, cookie: document.cookie })")
    (job_id,) = json.loads(json.loads(kept)["emoserve-jobs /"])
    assert set(json.loads(kept)) == {"emoserve-jobs /", "cookie"}
    assert "visit" not in kept
    page.reload()
    expect(job).to_contain_text("Voice, 200 kB")
    expect(job).to_contain_text("Analysing 25 %")
    server.plans.gate.set()
    expect(page.locator(".verdict .big")).to_contain_text("Anger")
    expect(job).to_contain_text("kept until")
    with page.expect_download() as saved:
        page.click('[data-format="csv"]')
    assert b"start_s" in saved.value.path().read_bytes()
    job.get_by_role("button", name="Delete result").click()
    expect(page.locator("#jobs")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0
    state = page.evaluate("(id) => fetch(`v1/jobs/${id}`).then((answer) => answer.json())", job_id)
    assert state["state"] == "expired"


def test_a_job_can_be_cancelled_and_others_go_on(page: Page, server: JobServer, tmp_path: Path) -> None:
    page.set_input_files("#file", recording(tmp_path, b"gate"))
    job = page.locator(".job")
    expect(job).to_contain_text("25 %")
    page.set_input_files("#file", recording(tmp_path, b"short", 1000))  # beside it, at once
    expect(page.locator(".verdict .big")).to_contain_text("Anger")
    button = job.get_by_role("button", name="Cancel")
    button.focus()
    page.keyboard.press("Enter")
    expect(job).to_contain_text("Cancelled")
    assert page.evaluate("document.activeElement.className") == "job"  # the focus is not lost with the button
    job.get_by_role("button", name="Remove").click()
    expect(page.locator("#jobs")).to_be_hidden()


def test_a_failed_job_says_what_to_do(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#file", recording(tmp_path, b"invalid"))
    expect(page.locator(".job")).to_contain_text("The recording cannot be decoded. The file is damaged")


def test_a_lost_connection_does_not_lose_the_job(page: Page, server: JobServer, tmp_path: Path) -> None:
    page.set_input_files("#file", recording(tmp_path, b"gate"))
    job = page.locator(".job")
    expect(job).to_contain_text("25 %")
    page.clock.install()  # seconds until it tries again
    server.live.services.health.phase = Phase.DRAINING  # the service ends the events
    try:
        page.route("**/events", lambda route: route.abort())
        while "does not answer" not in job.inner_text():
            page.clock.fast_forward(2000)
    finally:
        server.live.services.health.phase = Phase.READY
    page.unroute("**/events")
    server.plans.gate.set()
    page.clock.fast_forward(2000)
    expect(page.locator(".verdict .big")).to_contain_text("Anger")


def test_what_is_too_long_for_a_request_may_go_as_a_job(page: Page, server: JobServer, tmp_path: Path) -> None:
    refusal = json.dumps(problem_document(MediaTooLong(), "r"))
    page.route("**/v1/audio/emotion*", lambda route: route.fulfill(status=413, body=refusal))
    server.plans.gate.set()
    page.set_input_files("#file", recording(tmp_path, b"sound", 1000))
    expect(page.get_by_role("alert")).to_contain_text("media_too_long")
    page.get_by_role("button", name="Send as a job").click()
    expect(page.locator(".verdict .big")).to_contain_text("Anger")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_every_error_says_what_to_do(page: Page) -> None:
    kinds = [[kind.code, kind.status] for kind in all_problems()]
    ask = """async (kinds) => { const { adviceFor } = await import("/page/advice.js");
    return kinds.map(([code, status]) => adviceFor(code, status)); }"""
    told = dict(zip([code for code, _ in kinds], page.evaluate(ask, kinds), strict=True))
    (unknown,) = page.evaluate(ask, [["new_code", 500]])
    assert [code for code, advice in told.items() if advice == unknown] == ["internal_error"]


def test_a_service_that_is_gone_or_going_is_waited_for(page: Page, server: JobServer, tmp_path: Path) -> None:
    path = recording(tmp_path, b"short", 1000)
    page.context.set_offline(True)
    page.set_input_files("#file", path)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("could not be reached")
    page.context.set_offline(False)
    server.live.services.health.phase = Phase.CLOSING
    try:
        page.click("#retry")
        expect(alert).to_contain_text("draining")
        expect(alert).to_contain_text("is being shut down")
        until(page, "!document.getElementById('retry').hasAttribute('aria-disabled')")
    finally:
        server.live.services.health.phase = Phase.READY
    page.click("#retry")
    expect(page.locator(".verdict .big")).to_contain_text("Anger")
    expect(alert).to_be_hidden()


def test_a_file_that_is_gone_is_not_taken_for_a_lost_service(page: Page, tmp_path: Path) -> None:
    path = recording(tmp_path, b"short", 50_000)
    page.route("**/v1/audio/emotion*", lambda route: (path.write_bytes(b"other"), route.abort()))
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("The file could not be read")


def test_a_refused_microphone_is_told_plainly(browser: Browser, server: JobServer) -> None:
    with without_microphone(browser) as strict, watched_page(strict, server.url) as watched:
        watched.page.click("#record-voice")
        expect(watched.page.locator("#record-note")).to_contain_text("was not allowed to record")
        expect(watched.page.locator("#recorder")).to_be_hidden()
