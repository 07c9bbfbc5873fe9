"""Security headers on every answer, TLS on a real socket, and what the OpenAPI document says of credentials."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from service.access.caller import is_open, path_of, required_scope
from service.app import create_app
from service.http.security_headers import SECURITY_HEADERS, STRICT_TRANSPORT_SECURITY
from service.server import refuse_busy_port, transport_security, warn_of_openness
from service.settings import Settings
from tests.support.certificates import Authority
from tests.support.credentials import add_key
from tests.support.fakes import fake_services
from tests.support.live_server import LiveServer, exchange, serving, small_settings


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("path", ["/", "/docs", "/metrics", "/openapi.json", "/v2/health/live", "/nothing"])
def test_every_answer_carries_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        is_kept = path == "/" and name == "Cache-Control"  # the page holds nobody's data
        assert headers.get_list(name) == ["no-cache" if is_kept else value]
    (policy,) = headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "strict-transport-security" not in headers


def test_what_the_parser_refuses_carries_them_too(live: LiveServer) -> None:
    (answer,) = exchange(live.port, b"hello\r\n\r\n")
    assert answer.status == 400
    assert {name.lower() for name in SECURITY_HEADERS} <= set(answer.headers)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_tls_on_a_real_socket(authority: Authority) -> None:
    certificate, key = authority.issue("server")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with serving(small_settings(ssl_certfile=certificate, ssl_keyfile=key)) as live:
        url = f"https://127.0.0.1:{live.port}"
        with httpx.Client(base_url=url, verify=trusting) as client:
            response = client.post("/v1/audio/emotion", content=b"RIFF")
            assert response.status_code == 200
            assert response.headers["strict-transport-security"] == STRICT_TRANSPORT_SECURITY
            tunnel = response.extensions["network_stream"].get_extra_info("ssl_object")
            assert tunnel.version() in ("TLSv1.2", "TLSv1.3")
        old = ssl.create_default_context(cafile=str(authority.certificate))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with httpx.Client(base_url=url, verify=old) as client:
            tunnel = client.get("/v2/health/live").extensions["network_stream"].get_extra_info("ssl_object")
            assert tunnel.cipher()[0].startswith("ECDHE-")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{live.port}/v2/health/live")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/v2/health/live")  # the authority is unknown


def test_tls_with_client_certificates(authority: Authority) -> None:
    certificate, key = authority.issue("server")
    settings = small_settings(ssl_certfile=certificate, ssl_keyfile=key, ssl_ca_certs=authority.certificate)
    with serving(settings) as live:
        url = f"https://127.0.0.1:{live.port}/v2/health/live"
        stranger = ssl.create_default_context(cafile=str(authority.certificate))
        with pytest.raises(httpx.TransportError):
            httpx.get(url, verify=stranger)
        known = ssl.create_default_context(cafile=str(authority.certificate))
        known.load_cert_chain(*authority.issue("client"))
        assert httpx.get(url, verify=known).status_code == 200


def test_certificate_and_key_must_fit(authority: Authority) -> None:
    certificate, _ = authority.issue("server")
    _, other = authority.issue("other")
    with pytest.raises(OSError, match=r"server\.pem"):
        transport_security(Settings(ssl_certfile=certificate, ssl_keyfile=other))


@pytest.mark.parametrize(
    "settings",
    [
        {"jwt_issuer": "https://issuer.example"},
        {"jwt_audience": "emoserve"},
        {"jwt_keys_file": __file__},
        {"ssl_keyfile": __file__},
        {"audit_required": True},
    ],
)
def test_settings_that_would_protect_nothing_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="EMOSERVE_"):
        Settings(**settings)


def test_a_service_that_is_open_to_the_network_warns(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.WARNING, "service"):
        warn_of_openness(Settings(host="127.0.0.1"))
        warn_of_openness(Settings(host="0.0.0.0", keys_file=tmp_path / "keys.json"))
        assert caplog.records == []
        warn_of_openness(Settings(host="0.0.0.0"))
    assert "open to everybody" in caplog.text


def test_a_busy_port_is_found(live: LiveServer) -> None:
    with pytest.raises(OSError, match=f"127.0.0.1:{live.port}"):
        refuse_busy_port("127.0.0.1", live.port)
    refuse_busy_port("127.0.0.1", 0)
    refuse_busy_port("localhost", 0)


def test_the_document_says_that_credentials_are_optional_where_none_are_set_up() -> None:
    document = create_app(Settings()).openapi()
    assert document["security"][0] == {}
    assert document["paths"]["/v2/health/live"]["get"]["security"] == []
    responses = document["paths"]["/v1/audio/emotion"]["post"]["responses"]
    assert {"401", "403", "429"} <= set(responses)
    assert "429" not in document["paths"]["/v1/models"]["get"]["responses"]


def test_scopes_hold_where_the_service_is_mounted_below_a_prefix() -> None:
    for scope, needed in (
        ({"path": "/emotion/metrics", "root_path": "/emotion"}, "metrics:read"),
        ({"path": "/emotion/v1/audio/emotion", "root_path": "/emotion/"}, "analyse"),
        ({"path": "/metrics", "root_path": ""}, "metrics:read"),
        ({"path": "/v1/jobs/audio-emotion"}, "analyse"),
        ({"path": "/v1/modelsandmore"}, "analyse"),
        ({"path": "/"}, None),
    ):
        assert required_scope(path_of(scope)) == needed
    assert is_open({"path": "/emotion/v2/health/live", "root_path": "/emotion"})
    assert not is_open({"path": "/v2/healthy"})


def websocket(
    key: str | None, path: str, *, denial: bool, tmp_path: Path, further: Sequence[tuple[bytes, bytes]] = ()
) -> list[dict]:
    """Messages sent to a WebSocket client by the guard, or after it by the application, which knows no such path."""
    keys = tmp_path / "keys.json"
    add_key(keys, "other")
    settings = small_settings(keys_file=keys)
    sent: list[dict] = []
    protocols = [] if key is None else ["emoserve", f"bearer.{key or add_key(keys)}"]
    offered = [(b"sec-websocket-protocol", ", ".join(protocols).encode())] if protocols else []
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *offered, *further],
        "subprotocols": protocols,
        "extensions": {"websocket.http.response": {}} if denial else {},
        "state": {},
    }

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(create_app(settings, fake_services(settings))(scope, receive, send))
    return sent


def test_streams_without_credentials_are_refused(tmp_path: Path) -> None:
    (close,) = websocket(None, "/v1/stream/audio", denial=False, tmp_path=tmp_path)
    assert (close["type"], close["code"], close["reason"]) == ("websocket.close", 1008, "unauthenticated")


def test_streams_are_refused_by_status_where_the_server_can(tmp_path: Path) -> None:
    start, _ = websocket("emo_clinic_wrong", "/v1/stream/audio", denial=True, tmp_path=tmp_path)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


@pytest.mark.parametrize("further", [[], [(b"authorization", b"Basic YW55Ym9keTpvbGQ=")]])
def test_streams_with_a_key_among_the_subprotocols_get_through(
    tmp_path: Path, further: list[tuple[bytes, bytes]]
) -> None:
    """Beside a password that the browser has stored and no longer holds, too: the page cannot keep it back."""
    (close,) = websocket("", "/v1/stream/none", denial=False, tmp_path=tmp_path, further=further)
    assert (close["type"], close["code"]) == ("websocket.close", 1000)  # the router's own word for 'no such path'
