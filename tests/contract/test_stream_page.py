"""The example page with microphone and camera, in a real browser with false devices."""

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler

from playwright.sync_api import Browser

from tests.shared_material import ROOT
from tests.support.browser import until
from tests.support.http_server import Quiet, answering
from tests.support.patience import wait_until
from tests.support.tiny_services import FACES, serving_project


class Files(Quiet, SimpleHTTPRequestHandler):
    """Files of a folder."""


@contextmanager
def pages() -> Iterator[str]:
    """The folder of the examples, on a port of its own: another origin than the service's."""
    handler = functools.partial(Files, directory=str(ROOT / "docs/examples"))
    with answering(handler) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_browser_streams_microphone_and_camera(browser: Browser) -> None:
    with pages() as origin, browser.new_page() as page, serving_project(cors_origins=[origin]) as server:
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{origin}/stream.html")
        page.fill("#service", f"ws://127.0.0.1:{server.port}")
        page.click("#microphone")
        until(page, "document.getElementById('voice').textContent.includes('arousal')")
        assert re.match(r"\d.* s: .*valence", page.inner_text("#voice"))
        if FACES.is_dir():
            page.click("#camera")
            until(page, "document.getElementById('face').textContent.includes('s: ')")
            assert "unknown" in page.inner_text("#face")  # the false camera shows no face
        page.click("#stop")
        until(page, "document.getElementById('voice').textContent.startsWith('Closed')")
        assert faults == []
        wait_until(lambda: len(server.services.streams) == 0)
