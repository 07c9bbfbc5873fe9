"""The client over TLS, and through a reverse proxy with a path of its own, as docs/operations.md says."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from emoserve_client import AudioEmotion, Emoserve, Retries, ServiceUnreachable
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.plain_wav import tone, wav
from tests.support.certificates import Authority
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.proxy import Proxy, proxying
from tests.support.tiny_services import pcm, serving_tiny

RATE_HZ = 16_000
PREFIX = "/tools/emoserve"
ONCE = Retries(attempts=1)


@pytest.fixture(scope="module")
def behind(speech_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(speech_models, root_path=PREFIX) as server:
        yield server


@pytest.fixture
def proxy(behind: LiveServer) -> Iterator[Proxy]:
    with proxying(behind.port, prefix=PREFIX) as proxy:
        yield proxy


def use(emoserve: Emoserve) -> None:
    """An upload, its events, and a live stream, which has to give the same windows."""
    timeline = emoserve.audio_emotion(wav(tone(2.5)), timeline=True).timeline
    *_, answer = emoserve.audio_emotion_events(wav(tone(2.5)), timeline=True)
    assert isinstance(answer, AudioEmotion)
    assert answer.timeline == timeline
    with emoserve.audio_stream(RATE_HZ) as stream:
        stream.send(pcm(tone(2.5)))
        windows = list(stream.finish())
    assert [window.end_s for window in windows] == timeline.end_s
    assert [window.arousal for window in windows] == pytest.approx(timeline.arousal, abs=1e-5)


def test_https_and_wss(speech_models: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with serving_tiny(speech_models, ssl_certfile=certificate, ssl_keyfile=key) as server:
        url = f"https://127.0.0.1:{server.port}"
        with Emoserve(url, tls=trusting) as emoserve:
            assert emoserve.ready()
            use(emoserve)
        with Emoserve(url, retries=ONCE) as distrustful:
            with pytest.raises(ServiceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                distrustful.limits()
            with pytest.raises(ServiceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                distrustful.audio_stream(RATE_HZ).__enter__()


def test_client_certificates(speech_models: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    tls = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_ca_certs": authority.certificate}
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with serving_tiny(speech_models, **tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(ServiceUnreachable), Emoserve(url, retries=ONCE, tls=trusting).audio_stream(RATE_HZ):
            pytest.fail("a stream without a certificate")
        trusting.load_cert_chain(*authority.issue("client"))
        with Emoserve(url, tls=trusting) as emoserve:
            use(emoserve)


def test_a_proxy_with_a_path(proxy: Proxy, behind: LiveServer) -> None:
    with Emoserve(f"http://127.0.0.1:{proxy.port}{PREFIX}") as emoserve:
        use(emoserve)
    assert any(b"Upgrade: websocket" in head for head in proxy.heads)
    assert all(b"X-Forwarded-For: 203.0.113.7" in head for head in proxy.heads)
    wait_until(lambda: len(behind.request_lines()) == 3)
    routes = [line["route"] for line in behind.request_lines()]
    assert routes == ["/v1/audio/emotion", "/v1/audio/emotion", "/v1/stream/audio"]
    assert "203.0.113.7" not in behind.log.getvalue()
    assert PREFIX not in behind.log.getvalue()


def test_a_proxy_that_ends_tls(behind: LiveServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ending = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ending.load_cert_chain(*authority.issue("proxy"))
    # A TLS socket of Python must not be read and written by two threads at once, as the blocking websockets does: a
    # ticket that comes while its request goes out can swallow the request.
    ending.num_tickets = 0
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with proxying(behind.port, prefix=PREFIX, tls=ending) as proxy:
        with Emoserve(f"https://127.0.0.1:{proxy.port}{PREFIX}", tls=trusting) as emoserve:
            use(emoserve)
        assert all(b"X-Forwarded-Proto: https" in head for head in proxy.heads)


def test_addresses_that_the_service_names_have_the_path(tmp_path: Path) -> None:
    with (
        serving_jobs(tmp_path / "state", root_path=PREFIX) as server,
        proxying(server.live.port, prefix=PREFIX) as proxy,
    ):
        base = f"http://127.0.0.1:{proxy.port}"
        answer = httpx.post(f"{base}{PREFIX}/v1/jobs/audio-emotion", content=b"sound")
        assert answer.status_code == 202
        assert answer.headers["location"].startswith(f"{PREFIX}/v1/jobs/")
        assert httpx.get(base + answer.headers["location"]).status_code == 200
        document = httpx.get(f"{base}{PREFIX}/openapi.json").json()
        assert [server["url"] for server in document["servers"]] == [PREFIX]
        with Emoserve(base + PREFIX) as emoserve:
            *_, job = emoserve.job_events(emoserve.submit_audio_emotion(b"sound").id)
            assert job.state.is_final
        assert b'href="page/style.css"' in httpx.get(f"{base}{PREFIX}/").content
        assert httpx.get(f"{base}{PREFIX}/page/style.css").status_code == 200


def test_a_page_opens_a_stream_through_the_proxy_if_the_host_is_passed_on(behind: LiveServer) -> None:
    with proxying(behind.port, prefix=PREFIX) as proxy, opened_by_page(proxy) as socket:
        socket.send('{"type": "config", "sample_rate_hz": 16000}')
        assert '"session.created"' in str(socket.recv(HANG_S))
    with proxying(behind.port, prefix=PREFIX, host="emoserve.internal") as proxy:
        with pytest.raises(InvalidStatus) as caught:
            opened_by_page(proxy)
        assert caught.value.response.status_code == 421


def opened_by_page(proxy: Proxy) -> ClientConnection:
    """A stream as the proxy's own page opens it."""
    origin = f"http://127.0.0.1:{proxy.port}"
    return connect(f"ws://127.0.0.1:{proxy.port}{PREFIX}/v1/stream/audio", origin=origin, legacy=True)
