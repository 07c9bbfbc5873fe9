"""Fixtures for all tests: the service on a real socket with a stand-in for models and pipeline."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import certifi
import httpx
import pytest

from tests.support.client_halves import HALVES, MakeClient, client_of
from tests.support.live_server import LiveServer, serving, small_settings


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """httpx reads all authorities for every client and every call without one: 30 ms, hundreds of times."""
    ordinary = ssl.create_default_context
    files = {certifi.where(), os.environ.get("SSL_CERT_FILE")}
    trusting = functools.cache(lambda file: ordinary(cafile=file))

    def make(*arguments: Any, **options: Any) -> ssl.SSLContext:
        is_httpx = not arguments and options.keys() == {"cafile"} and options["cafile"] in files
        return trusting(options["cafile"]) if is_httpx else ordinary(*arguments, **options)

    with patch("ssl.create_default_context", make):
        yield


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    """A running service with small limits, shared by the tests of a module."""
    with serving(small_settings()) as server:
        yield server


@pytest.fixture
def client(live: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=60) as client:
        yield client


@pytest.fixture(params=HALVES)
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Makes clients of the blocking half, then of the asynchronous one, which is used as if it blocked."""
    with client_of(request.param) as make:
        yield make
