"""Fixtures for all tests: the service on a real socket with a stand-in for models and pipeline."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.live_server import LiveServer, serving, small_settings


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """A running service with small limits, shared by the tests of a module."""
    with serving(small_settings()) as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=60, verify=False) as client:  # plain HTTP: authorities take 30 ms
        yield client
