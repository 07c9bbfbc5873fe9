"""A client of the module's own server, and fixtures of the tests that look at the page."""

import asyncio
from asyncio import events
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.media_files import greys, video
from tests.plain_wav import tone, wav
from tests.support.browser import Watched, chromium, services_with_faces, watched_page
from tests.support.live_server import LiveServer, serving, small_settings


@pytest.fixture
def http(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of the module's ``server``."""
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="package")
def resting_browser() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    """One browser for all modules, and the event loop of its driver, which other tests must not find running."""
    with chromium() as browser:
        loop = asyncio.get_running_loop()
        events._set_running_loop(None)
        yield browser, loop
        events._set_running_loop(loop)


@pytest.fixture(scope="module")
def browser(resting_browser: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    browser, loop = resting_browser
    events._set_running_loop(loop)
    yield browser
    events._set_running_loop(None)


@pytest.fixture(scope="module")
def page_server() -> Iterator[LiveServer]:
    """Stand-ins that list models of voice and face."""
    settings = small_settings()
    with serving(settings, services_with_faces(settings)) as server:
        yield server


@pytest.fixture
def watched(browser: Browser, page_server: LiveServer) -> Iterator[Watched]:
    with watched_page(browser, page_server.url) as watched:
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
