"""Hostile recordings by URL: addresses that lead elsewhere, and servers that redirect, lie, drip or never end."""

import gzip
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.http import uploads
from service.outgoing import address, fetch
from tests.support import far_server as far
from tests.support.certificates import Authority
from tests.support.far_server import HOST, RECORDING, SECRET, FarServer, Talk, answered, endless, sized
from tests.support.hostile_rows import FILES_ROUTE, UPLOAD_ROUTES
from tests.support.job_server import AUDIO, VIDEO, JobServer, serving_jobs
from tests.support.live_server import serving, small_settings
from tests.support.patience import HANG_S, wait_until

EMOTION = "/v1/audio/emotion"
CHUNKED = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked"
PACE_BYTES = 1000
BOMB = gzip.compress(bytes(50_000_000), 1)

REFUSED = (
    *("no address", "//store.example/a", "https:///a", "ftp://store.example/a", "file:///etc/passwd", "data:,a"),
    *("gopher://store.example/", "s3://bucket/key", "HTTPS://store.example/a", " https://store.example/a"),
    *("http://127.0.0.1/", "http://127.0.0.1:1/", "http://localhost./", "http://[::1]/", "http://[::ffff:127.0.0.1]/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/"),
    *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/"),
    *("https://other.example/a", "https://store.example.evil.example/", "https://evilstore.example/"),
    *("https://store.example:444/a", "https://store.example:99999/a", "https://store.example@evil.example/"),
    *("https://user@store.example/a", "https://user:hush@store.example/a", "https://evil.example\\@store.example/"),
    *("https://store.example/#a", "https://store.example/a b", "https://store.example/\r\nHost: evil.example"),
    *("https://store.example/\0", "https://store.example/ü", "https://stоre.example/", "https://store%2eexample/"),
    "https://store.example/" + "x" * 8192,
)

FAULTS: dict[str, tuple[Talk, str]] = {
    "redirect": (answered("HTTP/1.1 302 Found\nLocation: /whole\nContent-Length: 0"), "302"),
    "redirect kept": (answered("HTTP/1.1 307 No\nLocation: /whole\nContent-Length: 0"), "307"),
    "gone": (answered("HTTP/1.1 404 Not Found\nContent-Length: 4", b"hush"), "status 404"),
    "part": (answered("HTTP/1.1 206 Part\nContent-Length: 4", b"hush"), "status 206"),
    "failing": (answered("HTTP/1.1 503 Slow Down\nContent-Length: 0"), "status 503"),
    "upgrade": (answered("HTTP/1.1 101 Up\nUpgrade: x\nConnection: Upgrade"), "at the address"),
    "endless": (endless("HTTP/1.1 200 OK\nContent-Length: 99999999999999\n\n", b"x" * 65536), "may hold"),
    "endless chunks": (endless(f"{CHUNKED}\n\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"), "may hold"),
    "endless without length": (endless("HTTP/1.1 200 OK\n\n", b"x" * 65536), "may hold"),
    "endless head": (endless("HTTP/1.1 200 OK\n", b"A: b\r\n" * 99), "beside the recording"),
    "endless header": (endless("HTTP/1.1 200 OK\nA: ", b"b" * 1024), "beside the recording"),
    "hints": (answered("HTTP/1.1 103 Early Hints\n\nHTTP/1.1 200 OK\nContent-Length: 0"), "status 103"),
    "endless extension": (endless(f"{CHUNKED}\n\n", b"1;" + b"x" * 65536), "beside the recording"),
    "31 digits": (answered(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 31}"), "no HTTP"),
    "slow": (endless("HTTP/1.1 200 OK\nContent-Length: 100000\n\n", b"x", 0.05), "too slowly"),
    "silent": (lambda connection: connection.recv(1), "too slowly"),
    "cut": (sized(RECORDING, len(RECORDING) + 1), "cut off"),
    "cut chunks": (answered(CHUNKED, b"5\r\nsound\r\n"), "cut off"),
    "no length": (answered("HTTP/1.1 200 OK", RECORDING), "length is not told"),
    "two lengths": (sized(RECORDING, more="\nContent-Length: 3"), "no HTTP"),
    "two framings": (sized(RECORDING, more="\nTransfer-Encoding: chunked"), "no HTTP"),
    "compressed": (sized(BOMB, more="\nContent-Encoding: gzip"), "compressed"),
    "no http": (lambda connection: connection.sendall(b"220 ftp\r\n"), "no HTTP"),
    "hung up": (far.hang_up, "broke off"),
    "closed": (lambda _: None, "cut off"),
    "empty": (sized(b""), "empty"),
}
"""Path → what the far server does, and a part of the detail of the answer."""

CODES = dict.fromkeys(("endless", "endless chunks", "endless without length"), (413, "body_too_large"))
CODES["empty"] = (422, "media_empty")
"""Status and code of the answer where they are not 422 and ``url_unreadable``."""
UNREADABLE = (422, "url_unreadable")

TAKEN: dict[str, Talk] = {
    "whole": sized(RECORDING),
    "chunked": answered(CHUNKED, b"5\r\nsound\r\n%x\r\n" % (len(RECORDING) - 5) + RECORDING[5:] + b"\r\n0\r\n\r\n"),
    "more than told": sized(RECORDING + b"HTTP/1.1 302 Found\r\n\r\n", len(RECORDING)),
    "identity": sized(RECORDING, more="\nContent-Encoding: identity\nSet-Cookie: a=b"),
}


@pytest.fixture(scope="module")
def store() -> Iterator[FarServer]:
    with far.far_server() as server:
        server.talks |= {f"/{name.replace(' ', '-')}": talk for name, (talk, *_) in FAULTS.items()}
        server.talks |= {f"/{name.replace(' ', '-')}": talk for name, talk in TAKEN.items()}
        yield server


@pytest.fixture(scope="module")
def server(store: FarServer) -> Iterator[Any]:
    with serving(small_settings(limits={"min_body_bytes_per_s": PACE_BYTES}, **store.settings)) as server:
        yield server


@pytest.fixture
def client(server: Any, store: FarServer) -> Iterator[httpx.Client]:
    store.seen.clear()
    with httpx.Client(base_url=server.url, timeout=HANG_S) as client:
        yield client
    wait_until(lambda: server.services.uploads.uploads == 0)
    assert server.services.uploads.held_bytes == 0
    assert SECRET not in server.log.getvalue()
    assert not [line for line in server.request_lines() if line["status"] == 500]


def send(client: httpx.Client, url: str, path: str = EMOTION, **options: Any) -> httpx.Response:
    answer = client.post(path, files={"url": (None, url.encode())}, **options)
    assert SECRET not in answer.text, "an address may be all that protects a recording"
    return answer


@pytest.mark.hostile_row(81)
@pytest.mark.parametrize("route", UPLOAD_ROUTES, ids=lambda route: route.path)
def test_addresses_that_lead_elsewhere(client: httpx.Client, store: FarServer, route: Any) -> None:
    for url in REFUSED:
        answer = send(client, url, route.path)
        assert (answer.status_code, answer.json()["code"]) == (422, "url_refused"), url
        assert answer.json()["errors"][0]["pointer"] == "/url"
    assert store.seen == []


@pytest.mark.hostile_row(81)
def test_a_service_fetches_nothing_unless_its_operator_says_so(store: FarServer) -> None:
    store.seen.clear()
    with serving(small_settings()) as closed, httpx.Client(base_url=closed.url) as client:
        for url in (store.address("/whole"), "https://store.example/a"):
            answer = send(client, url)
            assert (answer.status_code, answer.json()["code"]) == (422, "url_refused")
        assert not client.get("/v1/limits").json()["input_url"]
    without_plain = small_settings(**store.settings | {"input_url_http": False})
    with serving(without_plain) as strict, httpx.Client(base_url=strict.url) as client:
        assert "https" in send(client, store.address("/whole")).json()["detail"]
        assert client.get("/v1/limits").json()["input_url"]
    assert store.seen == []


@pytest.mark.hostile_row(81)
@pytest.mark.parametrize(
    "found", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:10.0.0.1"], []]
)
def test_names_that_lead_inside(
    client: httpx.Client, store: FarServer, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "_resolve", lambda *_: found)
    answer = send(client, store.address("/whole", HOST))
    assert (answer.status_code, answer.json()["code"]) == (422, "url_refused")
    assert store.seen == []


@pytest.mark.hostile_row(81)
def test_a_name_is_looked_up_once(client: httpx.Client, store: FarServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(address, "_resolve", rebinding)
    assert send(client, store.address("/whole", HOST)).status_code == 200
    assert asked == [HOST]
    [head] = store.seen
    assert f"\r\nHost: {HOST}:{store.port}\r\n" in head
    assert not {"cookie", "authorization", "referer", "range"} & {
        line.partition(":")[0].lower() for line in head.splitlines()
    }


@pytest.mark.hostile_row(82)
@pytest.mark.parametrize("fault", FAULTS)
def test_servers_that_answer_otherwise(
    client: httpx.Client, store: FarServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PACE_S", 0.5)
    answer = send(client, store.address(f"/{fault.replace(' ', '-')}"))
    assert (answer.status_code, answer.json()["code"]) == CODES.get(fault, UNREADABLE), answer.text
    assert FAULTS[fault][1] in answer.json()["detail"]
    assert len(store.seen) == 1, "asked once, and nobody else"


@pytest.mark.hostile_row(82)
def test_servers_that_are_not_there(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> list[str]:
        raise OSError

    def unspeakable(*_: object) -> list[str]:
        raise UnicodeError

    for resolve in (unknown, unspeakable, lambda *_: ["127.0.0.1"]):  # nobody listens at the usual port
        monkeypatch.setattr(address, "_resolve", resolve)
        answer = send(client, f"https://{HOST}/a")
        assert (answer.status_code, answer.json()["code"]) == (422, "url_unreadable")
        assert "cannot be reached" in answer.json()["detail"]


@pytest.mark.hostile_row(82)
def test_certificates_are_checked_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("far"))
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    monkeypatch.setattr(address, "_resolve", lambda *_: ["127.0.0.1"])
    with far.far_server(context) as store, serving(small_settings(**store.settings)) as server:
        store.talks["/whole"] = TAKEN["whole"]
        with httpx.Client(base_url=server.url) as client:
            statuses = []
            for host, trusted in ((HOST, trust), ("127.0.0.1", ssl.create_default_context()), ("127.0.0.1", trust)):
                monkeypatch.setattr(fetch, "trusted", lambda trusted=trusted: trusted)
                answer = send(client, store.address("/whole", host))
                statuses.append(answer.status_code)
                assert answer.status_code == 200 or "certificate" in answer.json()["detail"]
        assert statuses == [422, 422, 200]
        assert len(store.seen) == 1


@pytest.mark.hostile_row(83)
def test_parts_that_cannot_be(client: httpx.Client, store: FarServer) -> None:
    url = store.address("/whole")

    def told(*parts: tuple[str, Any], path: str = EMOTION) -> tuple[int, str]:
        answer = client.post(path, files=list(parts))
        return answer.status_code, answer.json()["code"]

    part = ("url", (None, url))
    assert told(part, ("file", ("a.wav", b"RIFF"))) == (400, "too_many_files")
    assert told(("file", ("a.wav", b"RIFF")), part) == (400, "too_many_files")
    assert told(part, part) == (400, "multipart_invalid")
    assert told(("url", (None, ""))) == (400, "field_missing")
    assert told(("url", (None, "x" * 40_000))) == (400, "field_too_large")
    assert told(part, ("other", (None, "x"))) == (422, "config_invalid")
    assert told(part, path=FILES_ROUTE.path) == (400, "field_missing")
    assert client.post(EMOTION, params={"url": "https://store.example/"}, content=b"RIFF").status_code == 422
    assert store.seen == []


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_fetched_is_taken_as_an_upload_is(
    client: httpx.Client, server: Any, store: FarServer, name: str
) -> None:
    answer = send(client, store.address(f"/{name.replace(' ', '-')}"))
    assert answer.status_code == 200, answer.text
    assert server.pipeline.seen[-1][0] == RECORDING
    assert "fetch;dur=" in answer.headers["server-timing"]


def test_presigned_addresses_are_good_until_they_expire(client: httpx.Client, server: Any, store: FarServer) -> None:
    assert send(client, store.presigned("talk one.wav".replace(" ", "%20"))).status_code == 200
    assert server.pipeline.seen[-1][0] == RECORDING
    for url in (store.presigned("talk.wav", -1), store.presigned("talk.wav") + "0"):
        answer = send(client, url)
        assert (answer.status_code, answer.json()["code"]) == (422, "url_unreadable")
        assert "status 403" in answer.json()["detail"]


@pytest.mark.hostile_row(78)
def test_a_client_that_leaves_while_its_recording_is_fetched(
    client: httpx.Client, server: Any, store: FarServer
) -> None:
    seen = len(server.pipeline.seen)
    with pytest.raises(httpx.ReadTimeout):
        send(client, store.address("/silent"), timeout=1.0)
    wait_until(lambda: server.services.uploads.uploads == 0)
    assert len(server.pipeline.seen) == seen


@pytest.fixture
def job_server(store: FarServer, tmp_path: Path) -> Iterator[JobServer]:
    with serving_jobs(tmp_path, **store.settings) as server:
        yield server


@pytest.mark.job_row("recordings by URL")
@pytest.mark.parametrize("path", [AUDIO, VIDEO])
def test_jobs_fetch_before_they_are_taken(job_server: JobServer, store: FarServer, path: str) -> None:
    store.seen.clear()
    with httpx.Client(base_url=job_server.url, timeout=HANG_S) as client:
        for fault in ("redirect", "gone", "cut", "endless", "endless chunks", "compressed", "empty"):
            answer = send(client, store.address(f"/{fault.replace(' ', '-')}"), path)
            assert (answer.status_code, answer.json()["code"]) == CODES.get(fault, UNREADABLE), fault
            assert FAULTS[fault][1] in answer.json()["detail"]
        for url in REFUSED:
            assert send(client, url, path).json()["code"] == "url_refused"
        assert job_server.jobs._ledger.all() == []
        assert not list((job_server.state_dir / "spool").rglob("*.enc"))
        first, again = (
            send(client, store.presigned("talk.wav", seconds), path, headers={"idempotency-key": path})
            for seconds in (60, 120)
        )
        assert (first.status_code, again.status_code) == (202, 200)
        assert first.json()["id"] == again.json()["id"], "the recording counts, not how its address is signed"
        wait_until(lambda: client.get(first.headers["location"]).json()["state"] == "succeeded")
        client.delete(first.headers["location"])
    assert SECRET not in job_server.live.log.getvalue()


@pytest.mark.job_row("recordings by URL")
def test_a_job_whose_recording_drips(tmp_path: Path, store: FarServer) -> None:
    with (
        serving_jobs(tmp_path, limits={"body_timeout_s": 0.5}, **store.settings) as server,
        httpx.Client(base_url=server.url, timeout=HANG_S) as client,
    ):
        for fault in ("slow", "silent"):
            answer = send(client, store.address(f"/{fault}"), AUDIO)
            assert (answer.status_code, answer.json()["code"]) == (422, "url_unreadable")
            assert "too slowly" in answer.json()["detail"]
        assert server.jobs._ledger.all() == []
