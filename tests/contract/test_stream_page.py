"""The example page with microphone and camera, in a real browser with false devices."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.contract.test_video_stream import FACES
from tests.shared_material import ROOT
from tests.support.live_server import serving_models, small_settings, wait_until

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox", "--disable-gpu"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@contextmanager
def pages() -> Iterator[str]:
    """The folder of the examples, on a port of its own: another origin than the service's."""
    handler = functools.partial(Quiet, directory=str(ROOT / "docs/examples"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.timeout(120)
def test_a_browser_streams_microphone_and_camera() -> None:
    if not CHROMIUM.is_file():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with pages() as origin:
        folders = [ROOT / "models", ROOT / "var/models"]
        settings = small_settings(device="cpu", model_dirs=folders, cors_origins=[origin])
        with serving_models(settings) as server, playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            page = browser.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(f"{origin}/stream.html")
            page.fill("#service", f"ws://127.0.0.1:{server.port}")
            page.click("#microphone")
            page.wait_for_function("document.getElementById('voice').textContent.includes('arousal')", timeout=30_000)
            assert re.match(r"\d.* s: .*valence", page.inner_text("#voice"))
            if FACES.is_dir():
                page.click("#camera")
                page.wait_for_function("document.getElementById('face').textContent.includes('s: ')", timeout=30_000)
                assert "unknown" in page.inner_text("#face")  # the false camera shows no face
            page.click("#stop")
            page.wait_for_function("document.getElementById('voice').textContent.startsWith('Closed')", timeout=20_000)
            browser.close()
            assert faults == []
            wait_until(lambda: len(server.services.streams) == 0)
