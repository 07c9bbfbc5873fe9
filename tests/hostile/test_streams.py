"""Streams that are not what they should be: each ends with a code that says so, and the service goes on."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from service.http.websocket import StreamProtocol
from tests.plain_wav import tone
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import hold_back, pcm, serving_tiny

LIMITS = {
    "max_message_bytes": 32_000,
    "stream_config_timeout_s": 1.0,
    "stream_idle_timeout_s": 2.0,
    "stream_buffer_s": 0.5,
    "stream_held_back_s": 1.0,
    "stream_resume_s": 0.2,
    "max_duration_s": 10.0,
}


@pytest.fixture(scope="module")
def streaming(speech_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(speech_models, threads=2, limits=LIMITS) as server:
        yield server


CONFIG = {"type": "config", "sample_rate_hz": 16000}


@pytest.mark.stream_row("no config", "garbage", "wrong types", "beyond limits", "too large")
@pytest.mark.parametrize(
    ("first", "code", "pointer", "closed_with"),
    [
        (b"\0\0", "config_missing", None, 1008),
        ("", "message_invalid", None, 1007),
        ("{", "message_invalid", None, 1007),
        ("[1]", "message_invalid", None, 1007),
        ("[" * 20_000, "message_invalid", None, 1007),
        ("1e999", "message_invalid", None, 1007),
        (json.dumps({"type": "end"}), "message_invalid", "/type", 1007),
        (json.dumps({"type": ["config"]}), "message_invalid", "/type", 1007),
        (json.dumps({"type": "config"}), "config_invalid", "/sample_rate_hz", 1007),
        (json.dumps({**CONFIG, "sample_rate_hz": "16000"}), "config_invalid", "/sample_rate_hz", 1007),
        (json.dumps({**CONFIG, "sample_rate_hz": 10**30}), "config_invalid", "/sample_rate_hz", 1007),
        (json.dumps({**CONFIG, "sample_rate_hz": 100}), "sample_rate_unsupported", None, 1007),
        (json.dumps({**CONFIG, "channels": 99}), "too_many_channels", None, 1008),
        (json.dumps({**CONFIG, "channels": True}), "config_invalid", "/channels", 1007),
        (json.dumps({**CONFIG, "language": "en"}), "config_invalid", "/language", 1007),
        (json.dumps({**CONFIG, "hop_s": 0.001}), "config_invalid", "/hop_s", 1007),
        (json.dumps({**CONFIG, "window_s": -1}), "config_invalid", "/window_s", 1007),
        (json.dumps({**CONFIG, "model": "absent"}), "model_not_found", None, 1008),
        (json.dumps({"type": "resume", "id": "x" * 500}), "config_invalid", "/id", 1007),
        ("x" * 32_001, "message_too_large", None, 1009),
    ],
)
def test_bad_beginnings(
    streaming: LiveServer, first: bytes | str, code: str, pointer: str | None, closed_with: int
) -> None:
    with StreamClient(streaming) as client:
        client.socket.send(first)
        error = client.hear()
        assert (error["type"], error["code"], error.get("pointer")) == ("error", code, pointer)
        assert client.close_code() == closed_with


@pytest.mark.stream_row("garbage", "odd bytes", "too large")
@pytest.mark.parametrize(
    ("message", "code", "closed_with"),
    [
        (b"\0", "message_invalid", 1007),
        (b"\0" * 31_999, "message_invalid", 1007),
        (b"\0" * 32_002, "message_too_large", 1009),
        ("garbage", "message_invalid", 1007),
        (json.dumps(CONFIG), "message_invalid", 1007),
    ],
)
def test_bad_messages_on_the_way(streaming: LiveServer, message: bytes | str, code: str, closed_with: int) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        client.send(pcm(tone(0.2)))
        client.socket.send(message)
        assert client.rest()[-1]["code"] == code
        assert client.socket.close_code == closed_with


@pytest.mark.stream_row("too large")
def test_a_message_far_above_the_limit_is_cut_off(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        client.socket.send(b"\0" * 200_000)
        assert client.close_code() == 1009


@pytest.mark.stream_row("odd bytes")
def test_stereo_needs_whole_frames(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin(channels=2)
        client.socket.send(b"\0" * 6)
        assert client.hear()["code"] == "message_invalid"


def test_an_empty_message_is_no_sound(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        client.socket.send(b"")
        (closed,) = client.end()
        assert (closed["received_samples"], closed["answers"]) == (0, 0)


def test_what_comes_behind_the_end_is_passed_over(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        client.send(pcm(tone(0.2)))
        client.say("end")
        with suppress(ConnectionClosed):  # the service may have closed by then
            client.send(pcm(tone(2.0)), 3200)
            client.socket.send("garbage")
        *_, closed = client.rest()
        assert (closed["type"], closed["received_samples"]) == ("session.closed", 3200)


@pytest.mark.stream_row("no config", "silent client")
def test_silent_clients_are_let_go(streaming: LiveServer) -> None:
    with StreamClient(streaming) as mute, StreamClient(streaming) as idle:
        idle.begin()
        assert mute.hear()["code"] == idle.hear()["code"] == "stream_timeout"
        assert mute.close_code() == idle.close_code() == 1008


@pytest.mark.stream_row("too long")
def test_a_stream_ends_when_its_time_is_over(speech_models: Path) -> None:
    limits = LIMITS | {"stream_session_s": 0.5}
    with serving_tiny(speech_models, limits=limits) as server, StreamClient(server) as client:
        client.begin(hop_s=9.0)
        try:
            for _ in range(100):
                client.socket.send(b"\0\0" * 160)
                try:
                    error = json.loads(client.socket.recv(0.1))
                    break
                except TimeoutError:
                    continue
        except ConnectionClosed:
            pytest.fail("closed without a word")
        assert error["code"] == "stream_timeout"


@pytest.mark.stream_row("too long")
def test_too_much_sound_is_refused(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin(hop_s=9.0)
        client.send(b"\0\0" * 16_000 * 11, 32_000)
        assert client.rest()[-1]["code"] == "media_too_long"
        assert client.socket.close_code == 1008


def send_for_ever(client: StreamClient) -> None:
    while True:
        client.socket.send(b"\0\0" * 16_000)


@pytest.mark.stream_row("slow reader", "flood")
def test_a_client_that_never_reads_is_held_back_and_let_go(
    speech_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers pile up to the bound, then its sound does, then the connection ends."""
    monkeypatch.setattr(StreamProtocol, "linger_s", 0.5)
    with serving_tiny(speech_models, limits={**LIMITS, "max_duration_s": 1e6, "max_windows": 10**7}) as server:
        client = StreamClient(server, max_queue=1)
        client.begin(window_s=0.1, hop_s=0.05)
        with pytest.raises((ConnectionClosed, OSError)):
            send_for_ever(client)
        wait_until(lambda: len(server.services.streams) == 0)
        line = server.request_lines()[-1]
        assert line["code"] in ("stream_too_fast", "client_gone")
        wait_until(lambda: server.services.loaded.pipeline.admission.held_s == 0)


@pytest.mark.stream_row("flood")
def test_a_client_that_is_faster_than_the_analysis_is_not_read(streaming: LiveServer, monkeypatch) -> None:
    gate = hold_back(streaming, monkeypatch)
    with StreamClient(streaming) as client:
        client.begin()
        client.send(pcm(tone(4.0)), 3200)
        error = client.rest()[-1]
        assert (error["code"], client.socket.close_code) == ("stream_too_fast", 1008)
    gate.set()
    wait_until(lambda: streaming.services.loaded.pipeline.admission.held_s == 0)


@pytest.mark.stream_row("vanishes")
def test_disconnects_in_the_middle_of_a_window_leave_nothing(streaming: LiveServer) -> None:
    for _ in range(20):
        client = StreamClient(streaming)
        client.begin()
        client.send(pcm(tone(0.7)))
        client.break_off()
    wait_until(lambda: len(streaming.services.streams) == 0)
    wait_until(lambda: streaming.services.loaded.pipeline.admission.held_s == 0)
    assert streaming.services.work.wait_idle(HANG_S)


def test_a_failure_of_ours_is_told_as_one(streaming: LiveServer, monkeypatch) -> None:
    def broken(options):
        raise RuntimeError("secret words of the recording")

    monkeypatch.setattr(streaming.services.loaded.pipeline, "live", broken)
    with StreamClient(streaming) as client:
        with pytest.raises(ConnectionClosed):
            client.begin()
        assert client.socket.close_code == 1011
    wait_until(lambda: streaming.request_lines()[-1]["code"] == "internal_error")
    assert "secret words" not in streaming.log.getvalue()


def test_no_stream_is_answered_as_any_address(streaming: LiveServer) -> None:
    assert httpx.get(f"{streaming.url}/v1/stream/audio").status_code in (404, 405)
    assert httpx.get(f"{streaming.url}/v2/health/ready").status_code == 200
