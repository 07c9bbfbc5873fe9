"""Requests under foreign names and from other sites' pages, as bytes on the socket."""

import base64
from collections.abc import Iterator

import pytest

from tests.support.credentials import add_key
from tests.support.live_server import LiveServer, RawAnswer, exchange, serving, small_settings

OWN = "Host: 127.0.0.1:8000"
EVIL = "Origin: http://evil.example"


def ask(server: LiveServer, method: str, path: str, *headers: str) -> RawAnswer:
    """The one answer to a request with exactly these headers; a POST has a body that is no recording."""
    body = b"RIFF" if method == "POST" else b""
    lines = [f"{method} {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    (answer,) = exchange(server.port, "\r\n".join(lines).encode() + body)
    return answer


def judge(server: LiveServer, *headers: str) -> tuple[int, object]:
    """Status and code of an upload that would be analysed if it were let in."""
    answer = ask(server, "POST", "/v1/audio/emotion", "Content-Type: audio/wav", *headers)
    return answer.status, answer.json.get("code")


PASSED = (200, None)
"""The stand-in for the pipeline judges everything that is let in."""


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:8000", "127.3.2.1", "[::1]:8000", "[::1]", "localhost."]
)
def test_loopback_names_are_the_services_own(live: LiveServer, host: str) -> None:
    assert ask(live, "GET", "/v2", f"Host: {host}").status == 200


NAMES = ["evil.example", "evil.example:8000", "localhost.evil.example", "10.1.2.3", "192.0.2.1:80"]


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v1/models"), ("POST", "/v1/audio/emotion")])
def test_a_name_that_was_pointed_here_gets_nothing(live: LiveServer, method: str, path: str, host: str) -> None:
    answer = ask(live, method, path, f"Host: {host}")
    assert (answer.status, answer.json["code"]) == (421, "host_unknown")


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("Host: localhost", "Host: localhost"),
        ("Host: localhost", "Host: evil.example"),
        ("Host: ",),
        ("Host: a b",),
    ],
    ids=["none", "twice", "two", "empty", "no name"],
)
def test_a_request_has_exactly_one_host(live: LiveServer, hosts: tuple[str, ...]) -> None:
    for method, path in (("GET", "/v2"), ("POST", "/v1/audio/emotion")):
        answer = ask(live, method, path, *hosts)
        assert (answer.status, answer.json["code"]) == (400, "http_invalid")


def test_probes_ask_by_any_name(live: LiveServer) -> None:
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert ask(live, "GET", path, "Host: 10.1.2.3:8000").status == 200
        (answer,) = exchange(live.port, f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: http://evil.example",),
        ("Origin: null",),
        ("Origin: http://127.0.0.1:3000",),
        ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"),
        ("Sec-Fetch-Site: cross-site",),
        ("Sec-Fetch-Site: same-site",),
        ("Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"),
        ("Origin: http://evil.example", "Origin: http://127.0.0.1:8000"),
        ("Origin: http://[",),
    ],
)
def test_another_sites_page_cannot_use_a_service_without_keys(live: LiveServer, headers: tuple[str, ...]) -> None:
    before = len(live.pipeline.seen)
    assert judge(live, OWN, *headers) == (403, "cross_site")
    assert ask(live, "DELETE", "/v1/jobs/none", OWN, *headers).status == 403
    assert len(live.pipeline.seen) == before


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Origin: http://127.0.0.1:8000",),
        ("Origin: http://127.0.0.1:8000", "Sec-Fetch-Site: same-origin"),
        ("Sec-Fetch-Site: none",),
        ("Origin: https://public.example", "Sec-Fetch-Site: same-origin"),  # its proxy replaced the host
    ],
)
def test_programs_and_the_own_page_may_call(live: LiveServer, headers: tuple[str, ...]) -> None:
    assert judge(live, OWN, *headers) == PASSED


def test_another_sites_page_may_read_nothing_but_is_not_refused_a_link(live: LiveServer) -> None:
    answer = ask(live, "GET", "/", OWN, "Sec-Fetch-Site: cross-site")
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_settings_name_more_hosts_and_pages() -> None:
    settings = small_settings(
        allowed_hosts=["emoserve", ".clinic.example"], cors_origins=["https://ward.example"], host="127.0.0.1"
    )
    with serving(settings) as server:
        for host in ("emoserve", "EMOSERVE:8000", "a.clinic.example", "a.b.clinic.example."):
            assert judge(server, f"Host: {host}") == PASSED
        for host in ("clinic.example.evil.example", "xclinic.example", "clinic.example"):
            assert judge(server, f"Host: {host}") == (421, "host_unknown")
        assert judge(server, OWN, "Origin: https://ward.example", "Sec-Fetch-Site: cross-site") == PASSED
        assert judge(server, OWN, "Origin: https://a.clinic.example") == PASSED  # behind a proxy that replaces Host
        assert judge(server, OWN, EVIL) == (403, "cross_site")


def test_a_service_for_the_network_answers_by_address_and_not_by_any_name() -> None:
    with serving(small_settings(host="0.0.0.0")) as server:
        assert judge(server, "Host: 10.1.2.3:8000") == PASSED
        assert judge(server, "Host: [fe80::1]:8000") == PASSED
        assert judge(server, "Host: evil.example") == (421, "host_unknown")
    with serving(small_settings(allowed_hosts=["*"])) as server:
        assert judge(server, "Host: anything.example") == PASSED
        assert judge(server, "Host: anything.example", EVIL) == (403, "cross_site")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, str]]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    key = add_key(path)
    with serving(small_settings(keys_file=path)) as server:
        yield server, key


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 200),
        (("Origin: http://127.0.0.1:8000",), 200),
        (("Origin: http://127.0.0.1:8000", "Sec-Fetch-Site: same-origin"), 200),
        ((EVIL,), 401),
        ((EVIL, "Sec-Fetch-Site: none"), 401),
        (("Origin: null",), 401),
        (("Sec-Fetch-Site: cross-site",), 401),
    ],
)
def test_a_stored_password_counts_for_the_own_page_alone(
    locked: tuple[LiveServer, str], headers: tuple[str, ...], status: int
) -> None:
    server, key = locked
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    assert judge(server, OWN, f"Authorization: Basic {basic}", *headers)[0] == status
    assert judge(server, OWN, f"Authorization: Bearer {key}", *headers)[0] == 200
