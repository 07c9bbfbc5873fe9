"""The web page as those use it who see little, hear nothing, use no mouse or a narrow screen: WCAG 2.2, by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.contract.page_probes import CONTRAST, FOCUS_RING, check_view
from tests.media_files import greys, video
from tests.plain_wav import tone, wav
from tests.support.browser import Watched, services_with_faces, until, watched_page
from tests.support.job_server import JobServer, serving_jobs

WIDE, NARROW, ZOOMED = {"width": 1280, "height": 900}, {"width": 320, "height": 700}, {"width": 640, "height": 450}
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    state = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(state, services_of=services_with_faces, limits={"max_body_bytes": 100_000}) as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("page")
    contents = {
        "face.webm": video(greys(50), container="webm", codec="libvpx"),
        "long.bin": b"gate".ljust(200_000, b"\0"),
        "broken.wav": b"invalid",
        "voice.wav": wav(tone(2.0)),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name.partition(".")[0]: folder / name for name in contents}


def through_the_page(page: Page, files: dict[str, Path]) -> Iterator[str]:
    """Every view of the page, one after the other."""
    page.locator("#options summary").click()
    yield "start"
    page.set_input_files("#file", files["long"])
    expect(page.locator(".job")).to_contain_text("25 %")
    yield "job"
    page.set_input_files("#file", files["face"])
    expect(page.locator(".downloads")).to_be_visible()
    page.locator(".numbers summary").first.click()
    yield "result"
    page.set_input_files("#file", files["broken"])
    expect(page.get_by_role("alert")).to_be_visible()
    yield "error"
    page.set_input_files("#file", [files["face"], files["broken"], files["voice"]])
    until(page, "document.querySelectorAll('tr[data-state=done], tr[data-state=failed]').length === 4")
    for row in (1, 3):  # the broken one from before comes first
        page.locator("#batch-table input").nth(row).check()
    yield "several"
    page.click("#batch-compare")
    expect(page.locator(".versus").first).to_be_visible()
    yield "compared"
    page.locator(".name-button").nth(1).click()
    expect(page.locator(".circumplex").first).to_be_visible()
    yield "one of several"
    page.click("#record-video")
    expect(page.locator("#record-stop")).to_be_focused()
    yield "recording"


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROW), ("light", ZOOMED)])
def test_every_view_is_readable_named_and_fits(
    browser: Browser, server: JobServer, files: dict[str, Path], scheme: str, size: dict[str, int]
) -> None:
    """At 200 % zoom a window of 1280 × 900 is 640 × 450; 320 is the width that WCAG 1.4.10 asks for."""
    server.plans.shut_gate()
    options = {"color_scheme": scheme, "viewport": size, "device_scale_factor": 2 if size == ZOOMED else 1}
    try:
        with watched_page(browser, server.url, reduced_motion="reduce", **options) as watched:
            for view in through_the_page(watched.page, files):
                check_view(watched.page, view)
                moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
                assert watched.page.evaluate(moving) == 0, view
    finally:
        server.plans.gate.set()


def test_text_twice_as_large_fits(browser: Browser, server: JobServer, files: dict[str, Path]) -> None:
    """WCAG 1.4.4, by the size that the browser's user prefers, which all of the page's sizes follow."""
    server.plans.shut_gate()
    try:
        with watched_page(browser, server.url, viewport={"width": 320, "height": 844}) as watched:
            page = watched.page
            small = page.locator(".drop-note").evaluate("(node) => getComputedStyle(node).fontSize")
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            large = page.locator(".drop-note").evaluate("(node) => getComputedStyle(node).fontSize")
            assert float(large.removesuffix("px")) == 2 * float(small.removesuffix("px"))
            for view in through_the_page(page, files):
                assert page.evaluate(FITS), (view, 320)
                for width in (390, 1280, 320):
                    page.set_viewport_size({"width": width, "height": 844})
                    until(page, FITS)
    finally:
        server.plans.gate.set()


def test_focus_is_always_seen_and_goes_down_the_page(
    browser: Browser, server: JobServer, files: dict[str, Path]
) -> None:
    with watched_page(browser, server.url, reduced_motion="reduce") as watched:
        page = watched.page
        page.set_input_files("#file", files["face"])
        expect(page.locator(".downloads")).to_be_visible()
        page.locator(".skip").focus()
        stops = [page.evaluate(FOCUS_RING)]
        while len(stops) < 100:
            page.keyboard.press("Tab")
            stop = page.evaluate(FOCUS_RING)
            if stop is None or stop["key"] == stops[0]["key"]:
                break
            stops.append(stop)
        assert len(stops) > 25
        assert [stop["name"] for stop in stops if not stop["seen"]] == []
        names = [stop["name"] for stop in stops]
        order = ["Skip to content", "Reference", "Choose files", "Record voice", "Options", "JSON", "FHIR"]
        assert [name for name in names if name in order] == order
        assert names.index("JSON") < names.index("Arousal and valence of the face, position")


def test_every_chart_has_its_numbers_and_tells_where_it_stands(
    browser: Browser, server: JobServer, files: dict[str, Path]
) -> None:
    with watched_page(browser, server.url) as watched:
        page = watched.page
        page.set_input_files("#file", files["face"])
        expect(page.locator(".downloads")).to_be_visible()
        figures = page.locator("figure")
        assert figures.count() >= 5
        for figure in figures.all():
            figure.locator(".numbers summary").click()
            expect(figure.locator("tbody tr").first).to_be_attached()
            assert figure.locator("caption").inner_text()
            assert figure.get_by_role("slider").get_attribute("aria-valuetext")


def test_progress_and_outcome_are_announced(browser: Browser, server: JobServer, files: dict[str, Path]) -> None:
    with watched_page(browser, server.url) as watched:
        page = watched.page
        assert page.locator("#announcer").get_attribute("aria-live") == "polite"
        page.evaluate(
            """() => { window.said = []; const node = document.getElementById("announcer");
            const note = () => node.textContent && said.push(node.textContent);
            new MutationObserver(note).observe(node, { childList: true }); }"""
        )
        page.set_input_files("#file", files["face"])
        expect(page.locator(".downloads")).to_be_visible()
        until(page, "said.some((text) => text.startsWith('Done'))")
        assert page.evaluate("said.some((text) => text.startsWith('Sending'))")
        assert page.evaluate("document.querySelector('label[for=progress]') !== null")
        assert page.evaluate("document.activeElement.id") == "result-heading"


def test_the_reference_is_quiet_and_readable(browser: Browser, server: JobServer) -> None:
    """Nothing missing, nothing from elsewhere, nothing against the policy; under a prefix too, as all is relative."""
    answers: list[tuple[str, int]] = []
    context = browser.new_context()
    page = context.new_page()
    watched = Watched(page)
    context.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(e));"
    )
    page.on("console", lambda message: watched.complaints.append(message.text))
    page.on("response", lambda response: answers.append((response.url, response.status)))
    page.goto(f"{server.url}/docs")
    expect(page.locator("details").first).to_be_visible()
    page.locator("summary", has_text="/v1/audio/emotion").first.click()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(FITS)
    assert all(url.startswith(server.url) and status == 200 for url, status in answers), answers
    assert watched.complaints == []
    assert page.evaluate("violations.length") == 0
    page.goto(f"{server.url}/v1/limits")  # a document that names no picture: browsers ask for /favicon.ico
    icon = page.request.get(f"{server.url}/favicon.ico")
    assert (icon.status, icon.headers["content-type"]) == (200, "image/svg+xml")
    context.close()
