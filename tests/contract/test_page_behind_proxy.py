"""The web page and the reference below a path of a proxy, in a real browser: nothing is asked for beside the path."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Watched, watched_page
from tests.support.job_server import JobServer, serving_jobs
from tests.support.live_server import serving, small_settings
from tests.support.proxy import proxying
from tests.support.tiny_services import serving_tiny

PREFIX = "/emotion"
ASK_WHILE_SPEAKING = """() => new Promise((resolve, reject) => {
  const stream = new WebSocket(new URL("v1/stream/audio", document.baseURI));
  stream.onopen = () => stream.send(JSON.stringify({ type: "config", sample_rate_hz: 16000 }));
  stream.onmessage = (event) => { resolve(JSON.parse(event.data).type); stream.close(); };
  stream.onerror = () => reject(new Error("no stream"));
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    state = tmp_path_factory.mktemp("jobs") / "state"
    with serving_jobs(state, root_path=PREFIX, limits={"max_body_bytes": 100_000}) as server:
        yield server


@contextmanager
def offered(server: JobServer, way: str) -> Iterator[str]:
    """Address of the service for a browser, without the last slash."""
    if way == "no proxy":
        yield f"{server.url}{PREFIX}"
        return
    with proxying(server.live.port, prefix=PREFIX, keeps_prefix=way == "prefix kept") as proxy:
        yield f"http://127.0.0.1:{proxy.port}{PREFIX}"


@pytest.fixture
def address(server: JobServer) -> Iterator[str]:
    with offered(server, "prefix cut off") as address:
        yield address


def assert_all_found(watched: Watched) -> None:
    assert watched.answers
    assert [(url, status) for url, status in watched.answers if status >= 400] == []


def test_the_page_works_below_a_path(browser: Browser, server: JobServer, address: str, tmp_path: Path) -> None:
    """A recording with its events, a job with its events and its result, saved answers, a reload, links."""
    server.plans.gate.set()
    short, long = tmp_path / "short.wav", tmp_path / "long.wav"
    short.write_bytes(b"sound")
    long.write_bytes(bytes(200_000))
    with watched_page(browser, address) as watched:
        page = watched.page
        page.set_input_files("#file", short)
        expect(page.locator(".verdict .big")).to_contain_text("Anger")
        with page.expect_download() as saved:
            page.click('[data-format="png"]')
        assert saved.value.path().read_bytes().startswith(b"\x89PNG")
        page.reload()
        page.set_input_files("#file", long)
        expect(page.locator(".job")).to_contain_text("kept until")
        page.reload()
        expect(page.locator(".job")).to_contain_text("kept until")
        expect(page.locator(".verdict .big")).to_contain_text("Anger")
        page.locator(".job").get_by_role("button", name="Delete result").click()
        expect(page.locator("#jobs")).to_be_hidden()
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{address}/#main")
        expect(page.locator(".verdict .big")).to_contain_text("Anger")  # still the same page
        page.get_by_role("link", name="Reference").click()
        expect(page.locator("summary", has_text="/v1/audio/emotion").first).to_be_visible()
        expect(page).to_have_url(f"{address}/docs")
        page.go_back()
        page.get_by_role("link", name="Models").click()
        expect(page).to_have_url(f"{address}/#models")
        expect(page.locator("#models")).to_be_in_viewport()
    assert_all_found(watched)
    own = {url.removeprefix(address) for url, _ in watched.answers}
    assert {"/openapi.json", "/docs/reference.css", "/page/main.js", "/page/style.css", "/page/icon.svg"} <= own
    assert all(url.startswith(address) for url, _ in watched.answers if not url.startswith("blob:"))


@pytest.mark.parametrize("opened_at", ["/", ""])
@pytest.mark.parametrize("way", ["prefix cut off", "prefix kept", "no proxy"])
def test_the_page_is_found_however_it_is_asked_for(
    browser: Browser, server: JobServer, way: str, opened_at: str
) -> None:
    """Without the last slash too, for not every proxy sends browsers on to it."""
    with offered(server, way) as address, watched_page(browser, address, opened_at=opened_at) as watched:
        assert watched.page.url == f"{address}/"
        expect(watched.page.locator("#curl")).to_contain_text(f"{address}/v1/audio/emotion")
        assert_all_found(watched)


def test_a_page_below_a_path_streams(browser: Browser, speech_models: Path) -> None:
    with (
        serving_tiny(speech_models, root_path=PREFIX) as live,
        proxying(live.port, prefix=PREFIX) as proxy,
        watched_page(browser, f"http://127.0.0.1:{proxy.port}{PREFIX}") as watched,
    ):
        assert told_by_stream(watched.page) == "session.created"


def told_by_stream(page: Page) -> str:
    """The first message of a stream that the page opens."""
    answer: str = page.evaluate(ASK_WHILE_SPEAKING)
    return answer


def test_a_service_that_knows_of_no_path_has_a_page_all_the_same(browser: Browser, tmp_path: Path) -> None:
    """Its addresses are relative; only the last slash of the path is needed then."""
    path = tmp_path / "short.wav"
    path.write_bytes(b"sound")
    with (
        serving(small_settings()) as live,
        proxying(live.port, prefix=PREFIX) as proxy,
        watched_page(browser, f"http://127.0.0.1:{proxy.port}{PREFIX}") as watched,
    ):
        watched.page.set_input_files("#file", path)
        expect(watched.page.locator(".verdict .big")).to_contain_text("Anger")
    assert_all_found(watched)
