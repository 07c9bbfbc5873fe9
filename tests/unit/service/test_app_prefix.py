"""The path below which a proxy offers the service."""

import asyncio
from typing import Any

import httpx
import pytest

from service.access.caller import path_of
from service.app import Prefix, create_app
from tests.support.credentials import add_key
from tests.support.fakes import fake_services
from tests.support.live_server import small_settings

ADDRESSES = ("/", "/v1/models", "/v1/models/{name}", "/docs")


def asked(path: str, prefix: str, kind: str = "http") -> dict[str, Any]:
    """The scope that the application gets."""
    seen: list[dict[str, Any]] = []

    async def application(scope, receive, send):
        seen.append(scope)

    asyncio.run(Prefix(application, prefix, ADDRESSES)({"type": kind, "path": path}, None, None))
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", "/emotion/v1/models"),
        ("/emotion/v1/models", "/emotion/v1/models"),
        ("/", "/emotion/"),
        ("/emotion", "/emotion/"),
        ("/emotional", "/emotion/emotional"),
        ("//v2/health/live", "/emotion//v2/health/live"),
    ],
)
def test_the_path_begins_with_the_prefix_once(path: str, expected: str, kind: str) -> None:
    scope = asked(path, "/emotion", kind)
    assert (scope["path"], scope["root_path"]) == (expected, "/emotion")
    assert path_of(scope) == expected.removeprefix("/emotion")


@pytest.mark.parametrize("prefix", ["/v1", "/docs", "/v1/models"])
def test_a_prefix_like_an_address_of_the_service_is_taken_to_have_been_cut_off(prefix: str) -> None:
    for path in ("/v1/models", "/docs"):
        assert asked(path, prefix)["path"] == prefix + path


def test_the_life_of_the_application_passes_through() -> None:
    assert asked("", "/emotion", "lifespan") == {"type": "lifespan", "path": ""}


@pytest.mark.parametrize("before", ["", "/emotion"])
def test_credentials_are_asked_for_with_the_prefix_and_without(before: str, tmp_path) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys, "first")
    settings = small_settings(root_path="/emotion", keys_file=keys)
    services = fake_services(settings)
    services.prepare_access()

    async def statuses() -> list[int]:
        transport = httpx.ASGITransport(create_app(settings, services))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            authorised = {"Authorization": f"Bearer {key}"}
            return [
                (await client.get(f"{before}/v1/models")).status_code,
                (await client.get(f"{before}/v1/models", headers=authorised)).status_code,
                (await client.get(f"{before}/v2/health/live")).status_code,
                (await client.get(f"{before}/v2/health/live/../../v1/models")).status_code,
            ]

    assert asyncio.run(statuses()) == [401, 200, 200, 401]
