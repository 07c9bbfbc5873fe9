"""``/v1/stream/audio`` over a real socket: the way of a session, its answers, and how it is resumed and ended."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from service.schemas.streams import AudioCreated, ErrorMessage, SessionClosed, WindowMessage
from service.settings import KeyLimits
from tests.plain_wav import tone, wav
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer
from tests.support.patience import wait_until
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny

SOUND = np.concatenate([tone(1.3), np.zeros(24000, np.float32), tone(1.4, amplitude=0.6)])
ORIGIN = "http://pages.example"


@pytest.fixture(scope="module")
def streaming(tiny_models: Path) -> Iterator[LiveServer]:
    limits = {"max_message_bytes": 64_000, "stream_resume_s": 5.0}
    with serving_tiny(tiny_models, threads=2, cors_origins=[ORIGIN], limits=limits) as server:
        yield server


def test_windows_are_those_of_the_upload(streaming: LiveServer) -> None:
    answer = httpx.post(
        f"{streaming.url}/v1/audio/emotion", params={"timeline": True, "hop_s": 0.3}, content=wav(SOUND)
    ).json()
    with StreamClient(streaming) as client:
        created = AudioCreated.model_validate(client.begin(hop_s=0.3))
        client.send(pcm(SOUND))
        *windows, closed = client.end()
        assert client.socket.close_code == 1000
    assert (created.model.name, created.sample_rate_hz, created.window_s, created.hop_s) == ("tiny", 16000, 1.0, 0.3)
    assert created.limits.max_message_bytes == 64_000
    timeline = answer["timeline"]
    assert len(timeline["start_s"]) == len(windows) == closed["answers"] > 5
    for row, message in enumerate(windows):
        window = WindowMessage.model_validate(message)
        assert (window.index, window.start_s, window.end_s) == (row, timeline["start_s"][row], timeline["end_s"][row])
        expected = {label: column[row] for label, column in timeline["probabilities"].items()}
        assert window.probabilities == (None if None in expected.values() else pytest.approx(expected, abs=1e-5))
        for name in ("arousal", "valence", "speech"):
            value = timeline[name][row]
            assert message[name] == (None if value is None else pytest.approx(value, abs=1e-5))
    assert any(message["probabilities"] is None for message in windows)
    totals = SessionClosed.model_validate(closed)
    assert (totals.reason, totals.received_samples) == ("end", len(SOUND))
    assert totals.duration_s == len(SOUND) / 16000
    assert closed["answer"]["emotion"] == answer["emotion"]
    assert closed["answer"]["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-5)
    assert closed["answer"]["flags"] == answer["flags"]


def test_a_window_comes_while_the_stream_goes_on(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        client.send(pcm(tone(1.1)))
        assert client.hear()["end_s"] == 1.0


def test_a_broken_session_goes_on_with_nothing_lost(streaming: LiveServer) -> None:
    content = pcm(SOUND)
    with StreamClient(streaming) as whole:
        whole.begin()
        whole.send(content)
        expected = whole.end()
    first = StreamClient(streaming)
    session = first.begin()["id"]
    first.send(content[:48_000])
    got = [first.hear()]
    first.break_off()
    with StreamClient(streaming) as second:
        resumed = second.resume(session, received=len(got))
        assert resumed["type"] == "session.resumed"
        assert 16_384 <= resumed["received_samples"] <= 24_000
        second.send(content[2 * resumed["received_samples"] :])
        got += second.end()
    assert got[:-1] == expected[:-1]
    assert {**got[-1], "id": ""} == {**expected[-1], "id": ""}
    wait_until(lambda: len(streaming.services.streams) == 0)
    wait_until(lambda: streaming.services.loaded.pipeline.admission.held_s == 0)


def test_answers_that_were_lost_come_again(streaming: LiveServer) -> None:
    with StreamClient(streaming) as first:
        session = first.begin()["id"]
        first.send(pcm(tone(2.2)))
        lost = [first.hear(), first.hear()]
        with StreamClient(streaming) as second:  # the first connection is still open: it is taken over
            assert second.resume(session, received=0)["type"] == "session.resumed"
            assert [second.hear(), second.hear()] == lost
            assert first.close_code() == 1000


def test_fifty_sessions_at_once(streaming: LiveServer) -> None:
    def run(number: int) -> list[dict]:
        with StreamClient(streaming) as client:
            client.begin()
            client.send(pcm(tone(1.6, amplitude=0.1 + 0.01 * number)))
            return client.end()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(run, range(50)))
    assert [len(messages) for messages in answers] == [4] * 50
    loudness = [messages[0]["arousal"] for messages in answers]
    assert loudness == sorted(loudness)
    assert len(set(loudness)) == 50
    wait_until(lambda: streaming.services.loaded.pipeline.admission.held_s == 0)


def test_log_and_metrics_know_streams_without_content(streaming: LiveServer) -> None:
    wait_until(lambda: len(streaming.services.streams) == 0)
    with StreamClient(streaming, additional_headers={"X-Request-Id": "stream-1"}) as client:
        assert client.socket.response.headers["x-request-id"] == "stream-1"
        session = client.begin()["id"]
        assert "emotion_stream_sessions 1.0" in httpx.get(f"{streaming.url}/metrics").text
        client.send(pcm(tone(0.5)))
        client.end()
    wait_until(lambda: any(line["request_id"] == "stream-1" for line in streaming.request_lines()))
    (line,) = [line for line in streaming.request_lines() if line["request_id"] == "stream-1"]
    assert (line["route"], line["status"], line["code"]) == ("/v1/stream/audio", 101, "ok")
    assert line["media_s"] == 0.5
    assert line["bytes"] > 16_000
    metrics = httpx.get(f"{streaming.url}/metrics").text
    assert 'emotion_requests_total{code="101",route="/v1/stream/audio"}' in metrics
    # Nor does it count among the durations of requests: a stream takes as long as its client likes.
    assert 'emotion_request_duration_seconds_count{route="/v1/stream/audio"}' not in metrics
    assert session not in streaming.log.getvalue()
    assert "127.0.0.1" not in "".join(streaming.log.getvalue().splitlines()[10:])  # beyond uvicorn's greeting
    assert "BINARY" not in streaming.log.getvalue()


def test_only_permitted_pages_may_open_a_stream(streaming: LiveServer) -> None:
    for origin in (ORIGIN, f"http://127.0.0.1:{streaming.port}"):
        with StreamClient(streaming, origin=origin) as client:
            assert client.begin()["type"] == "session.created"


def test_credentials_come_in_the_subprotocol(tiny_models: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = add_key(keys)
    with serving_tiny(tiny_models, keys_file=keys) as server:
        first = StreamClient(server, subprotocols=["emoserve", f"bearer.{key}"])
        assert first.socket.subprotocol == "emoserve"
        session = first.begin()["id"]
        first.break_off()
        with StreamClient(server, additional_headers={"X-Api-Key": key}) as client:
            assert client.resume(session)["type"] == "session.resumed"


def test_draining_closes_sessions_with_their_answers(tiny_models: Path) -> None:
    with serving_tiny(tiny_models) as server:
        client, lost = StreamClient(server), StreamClient(server)
        client.begin()
        lost.begin()
        lost.break_off()
        client.send(pcm(tone(1.1)))
        assert client.hear()["type"] == "window"
    closed = client.hear()
    assert (closed["type"], closed["reason"], closed["answers"]) == ("session.closed", "draining", 1)
    assert client.close_code() == 1012
    assert len(server.services.streams) == 0


def test_capacity_is_counted_in_seconds(tiny_models: Path) -> None:
    # A session holds a window and the buffer, 11 s; one sender may hold seven eighths of the capacity.
    with serving_tiny(tiny_models, capacity_s=26.0) as server:
        with StreamClient(server) as first, StreamClient(server) as second, StreamClient(server) as third:
            assert first.begin()["type"] == second.begin()["type"] == "session.created"
            error = ErrorMessage.model_validate(third.begin())
            assert error.code == "capacity_exceeded"
            assert error.retry_after_s is not None
            assert third.close_code() == 1013
        assert 'emotion_shed_total{reason="capacity_exceeded"} 1.0' in httpx.get(f"{server.url}/metrics").text
        wait_until(lambda: server.services.loaded.pipeline.admission.held_s == 0)
        with StreamClient(server) as client:
            assert client.begin()["type"] == "session.created"


def test_sound_counts_against_the_minute_of_its_account(tiny_models: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json")
    limits = {"media_s_per_minute": 13.0}
    with (
        serving_tiny(tiny_models, keys_file=tmp_path / "keys.json", key_limits=limits) as server,
        StreamClient(server, additional_headers={"X-Api-Key": key}) as client,
    ):
        assert client.begin()["type"] == "session.created"  # a window and the buffer: 11 of 13 s
        with suppress(ConnectionClosed):  # the service may close before all of it is sent
            client.send(pcm(tone(8.0)))
            client.say("end")
        error = ErrorMessage.model_validate(client.rest()[-1])
        assert (error.code, client.socket.close_code) == ("rate_limited", 1008)


def test_uploads_count_against_the_minute_of_their_account(tiny_models: Path, tmp_path: Path) -> None:
    headers = {"X-Api-Key": add_key(tmp_path / "keys.json", limits=KeyLimits(media_s_per_minute=13.0))}
    other = {"X-Api-Key": add_key(tmp_path / "keys.json", "other")}
    with serving_tiny(tiny_models, keys_file=tmp_path / "keys.json") as server:
        answers = [
            httpx.post(f"{server.url}/v1/audio/emotion", content=wav(tone(8.0)), headers=whose)
            for whose in (headers, headers, other)
        ]
        assert [answer.status_code for answer in answers] == [200, 429, 200]
        assert "r=5;" in answers[0].headers["ratelimit"]  # its true length, whatever its bytes had looked like
        assert answers[1].json()["code"] == "rate_limited"
        assert b'emotion_shed_total{reason="rate_limited"} 1.0' in server.services.metrics.exposition()
