"""Hostile streams that need more than one message: strangers, floods, readers that do not read, and fifty at once."""

import asyncio
import gc
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.api import event_stream
from service.http.protocol import BoundedHttpProtocol
from tests.plain_wav import tone, wav
from tests.support.credentials import add_key
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.server_events import EVENTS
from tests.support.stream_client import VIDEO, StreamClient
from tests.support.tiny_services import needs_faces, pcm, serving_project, serving_tiny
from tests.support.video_frames import HEAD, jpeg, units

AUDIO_UPLOAD = "/v1/audio/emotion"
MIB = 1024 * 1024
MAX_GROWTH_BYTES = 48 * MIB
"""After rounds of 50 sessions: less than a MiB for each, were they kept."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return {"path": str(path), "one": add_key(path, "one", owner="one"), "two": add_key(path, "two", owner="two")}


@pytest.fixture(scope="module")
def guarded(speech_models: Path, keys: dict[str, str]) -> Iterator[LiveServer]:
    with serving_tiny(speech_models, keys_file=keys["path"]) as server:
        yield server


@pytest.fixture(scope="module")
def streaming(speech_models: Path) -> Iterator[LiveServer]:
    limits = {"stream_resume_s": 0.2, "max_message_bytes": 64_000}
    with serving_tiny(speech_models, threads=2, limits=limits) as server:
        yield server


@pytest.fixture(scope="module")
def faces() -> Iterator[LiveServer]:
    limits = {"max_message_bytes": 200_000, "max_frame_pixels": 1280 * 960, "stream_resume_s": 0.2}
    with serving_project(limits=limits) as server:
        yield server


def opened(server: LiveServer, key: str) -> StreamClient:
    return StreamClient(server, additional_headers={"X-Api-Key": key})


@pytest.mark.stream_row("no numbers", "wrong types")
@pytest.mark.parametrize(
    ("first", "codes"),
    [
        ('{"type": "config", "sample_rate_hz": NaN}', {"message_invalid"}),
        ('{"type": "config", "sample_rate_hz": Infinity}', {"message_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000, "hop_s": 1e400}', {"message_invalid", "config_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000, "hop_s": -0.0}', {"config_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000.0}', {"config_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000, "sample_rate_hz": null}', {"config_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000, "model": {"$ne": ""}}', {"config_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000, "model": "../../etc/passwd"}', {"model_not_found"}),
        ('{"type": "config", "sample_rate_hz": 16000, "model": "\\u0000"}', {"model_not_found", "config_invalid"}),
        ('{"type": "resume", "id": "x", "received": -1}', {"config_invalid"}),
        ('{"type": "resume", "id": "x", "received": 1e3}', {"config_invalid"}),
        ('\ufeff{"type": "config", "sample_rate_hz": 16000}', {"message_invalid"}),
        ('{"type": "config", "sample_rate_hz": 16000} {}', {"message_invalid"}),
    ],
)
def test_configs_that_json_parsers_disagree_on(streaming: LiveServer, first: str, codes: set[str]) -> None:
    with StreamClient(streaming) as client:
        client.socket.send(first)
        assert client.hear()["code"] in codes
        assert client.close_code() in (1007, 1008)


@pytest.mark.stream_row("garbage")
def test_text_that_is_no_unicode_ends_the_connection(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.socket.send(b"\xff\xfe{}", text=True)
        assert client.close_code() == 1007


UNITS = {"input": "action_units"}
CLOSED_WITH = {"container_unsupported": 1003, "media_too_long": 1008, "message_too_large": 1009}
"""How the connection ends after each code; 1007 after all others."""


@pytest.mark.stream_row("no numbers", "odd bytes", "bad pictures", "bad frames", "too large")
@pytest.mark.parametrize(
    ("config", "messages", "code"),
    [
        *(({}, [struct.pack("<d", x) + jpeg()], "timestamps_invalid") for x in (float("nan"), float("inf"), -1e300)),
        *(({}, [message], "message_invalid") for message in (b"", b"\0" * 5, HEAD, '{"type": "frame", "time_s": 0}')),
        *(({}, [HEAD + it], "container_unsupported") for it in (b"no picture", b"GIF89a" + bytes(100), b"<svg/>")),
        *(({}, [HEAD + it], "media_invalid") for it in (jpeg()[:40], b"\xff\xd8\xff" + bytes(5000), jpeg(1600, 1200))),
        ({}, [HEAD + jpeg() + bytes(250_000)], "message_too_large"),
        (UNITS, [HEAD + jpeg()], "message_invalid"),
        (UNITS, ['{"type": "frame", "time_s": NaN, "confidence": 1}'], "message_invalid"),
        (UNITS, ['{"type": "frame", "time_s": 0, "confidence": 1}'], "columns_missing"),
        (UNITS, ['{"type": "frame", "time_s": 0}'], "config_invalid"),
        (UNITS, ['{"type": "frame", "time_s": 0, "confidence": 2}'], "config_invalid"),
        (UNITS, ['{"type": "frame", "time_s": -1, "confidence": 1}'], "config_invalid"),
        *((UNITS, [{"time_s": 5.0}, {"time_s": later}], "timestamps_invalid") for later in (4.0, 5.0, 5.001)),
        (UNITS, [{"time_s": 5.0}, {"time_s": 1e9}], "media_too_long"),
        *((UNITS, [{"time_s": 0.0, "AU01_r": value}], "features_invalid") for value in (-3, 50)),
        *((UNITS, [{"time_s": 0.0, "AU01_r": value}], "config_invalid") for value in (None, [1], "x")),
    ],
)
def test_frames_that_cannot_be(faces: LiveServer, config: dict, messages: list[bytes | str | dict], code: str) -> None:
    if not config:
        needs_faces()
    with StreamClient(faces, VIDEO) as client:
        client.say("config", **config)
        assert client.hear()["type"] == "session.created"
        for message in messages:
            if isinstance(message, dict):
                client.say("frame", **({"confidence": 1.0} | units(0) | message))
            else:
                client.socket.send(message)
        assert client.end()[-1]["code"] == code
        assert client.socket.close_code == CLOSED_WITH.get(code, 1007)


@pytest.mark.stream_row("stranger")
def test_a_stranger_cannot_resume_nor_disturb(guarded: LiveServer, keys: dict[str, str]) -> None:
    with opened(guarded, keys["one"]) as owner:
        session = owner.begin()["id"]
        owner.send(pcm(tone(0.5)))
        for name, received in ((session, 0), (session[:-1], 0), (session.swapcase(), 0), ("", 0), ("*", 0)):
            with opened(guarded, keys["two"]) as thief:
                assert thief.resume(name, received=received)["code"] == "session_not_found"
                assert thief.close_code() == 1008
        owner.send(pcm(tone(0.6)))
        assert owner.hear()["type"] == "window"
        owner.break_off()
        with opened(guarded, keys["two"]) as thief:  # while it waits for its owner
            assert thief.resume(session)["code"] == "session_not_found"
        with opened(guarded, keys["one"]) as again:
            assert again.resume(session, received=10**9)["code"] == "session_not_found"
        with opened(guarded, keys["one"]) as again:
            assert again.resume(session, received=1)["type"] == "session.resumed"
            assert again.end()[-1]["reason"] == "end"


@pytest.mark.stream_row("other pages")
def test_who_may_not_open_a_stream_gets_none(guarded: LiveServer, keys: dict[str, str]) -> None:
    for options, status in (
        ({}, 401),
        ({"additional_headers": {"X-Api-Key": "emo_one_" + "0" * 43}}, 401),
        ({"additional_headers": {"X-Api-Key": keys["one"]}, "origin": "https://elsewhere.example"}, 403),
        ({"subprotocols": ["emoserve", f"bearer.{keys['one']}"], "origin": "null"}, 403),
    ):
        with pytest.raises(InvalidStatus) as caught:
            StreamClient(guarded, **options)
        assert caught.value.response.status_code == status
        assert {401: b'"code":"unauthenticated"', 403: b'"code":"forbidden"'}[status] in caught.value.response.body
    assert len(guarded.services.streams) == 0


@pytest.mark.stream_row("flood")
def test_a_flood_of_messages_without_sound_is_no_work(streaming: LiveServer) -> None:
    with StreamClient(streaming) as client:
        client.begin()
        for _ in range(20_000):
            client.socket.send(b"")
        assert httpx.get(f"{streaming.url}/v2/health/ready").status_code == 200
        client.send(pcm(tone(1.1)))
        assert [message["type"] for message in client.end()] == ["window", "window", "session.closed"]


@pytest.mark.stream_row("vanishes")
def test_gone_before_the_first_message_is_answered(streaming: LiveServer) -> None:
    for _ in range(20):
        client = StreamClient(streaming)
        client.say("config", sample_rate_hz=16000)
        client.break_off()
    wait_until(lambda: len(streaming.services.streams) == 0)
    assert streaming.services.loaded.pipeline.admission.held_s == 0


@pytest.mark.stream_row("vanishes")
def test_gone_in_the_middle_of_an_upload_with_events(speech_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    with serving_tiny(speech_models) as server:
        pipeline = server.services.loaded.pipeline
        session = pipeline._models.emotion["tiny", "1"].session
        gate, real = threading.Event(), session.run
        monkeypatch.setattr(session, "run", lambda *arguments: (gate.wait(HANG_S), real(*arguments))[1])
        with httpx.stream("POST", server.url + AUDIO_UPLOAD, content=wav(tone(4.0)), headers=EVENTS) as response:
            next(response.iter_bytes())
        wait_until(lambda: len(server.request_lines()) == 1)
        gate.set()
        (line,) = server.request_lines()
        assert (line["status"], line["code"]) == (499, "client_gone")
        wait_until(lambda: pipeline.admission.held_s == 0)
        assert server.services.uploads.uploads == 0


@pytest.fixture
def little_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes little of an answer off the service, as over a long line."""
    real = BoundedHttpProtocol.connection_made

    def connection_made(protocol: BoundedHttpProtocol, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        real(protocol, transport)

    monkeypatch.setattr(BoundedHttpProtocol, "connection_made", connection_made)


def asking(server: LiveServer, accept: str) -> socket.socket:
    """A connection that has asked for a long answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.connect(("127.0.0.1", server.port))
    body = wav(tone(100.0))
    target = f"POST {AUDIO_UPLOAD}?timeline=true&window_s=0.5&hop_s=0.05 HTTP/1.1\r\nHost: localhost\r\n"
    head = f"{target}Connection: close\r\nAccept: {accept}\r\nContent-Type: audio/wav\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def read_all(connection: socket.socket, pause_s: float = 0.0) -> bytes:
    """Everything up to the end of the connection."""
    answer = bytearray()
    while piece := connection.recv(8192):
        answer += piece
        time.sleep(pause_s)
    return bytes(answer)


@pytest.mark.stream_row("slow reader")
@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_an_answer_that_is_not_read_is_broken_off(speech_models: Path, accept: str, little_sent_at_once: None) -> None:
    held_back = {"stream_held_back_s": 0.3}
    with serving_tiny(speech_models, limits=held_back) as server, asking(server, accept) as connection:
        process, port = psutil.Process(), connection.getsockname()[1]
        wait_until(lambda: len(server.request_lines()) == 1)
        wait_until(lambda: not has_peer(process, port, server.port))
        assert server.services.uploads.uploads == 0
        with pytest.raises(ConnectionResetError):
            read_all(connection)


def has_peer(process: psutil.Process, client_port: int, server_port: int) -> bool:
    """Whether the service's end of a connection is still there."""
    ends = ((each.laddr, each.raddr) for each in process.net_connections("tcp"))
    return any(ours.port == server_port and theirs and theirs.port == client_port for ours, theirs in ends)


def test_a_reader_that_is_only_slow_gets_all_of_it(speech_models: Path, little_sent_at_once: None) -> None:
    """It takes longer for all of the answer than it may for any piece: it rests until that time is over."""
    held_back_s = 3.0
    held_back = {"stream_held_back_s": held_back_s}
    with serving_tiny(speech_models, limits=held_back) as server, asking(server, "application/json") as connection:
        slow_until_s = time.monotonic() + 1.2 * held_back_s
        answer = bytearray()
        while time.monotonic() < slow_until_s:
            piece = connection.recv(1024)
            assert piece, "the answer was over too soon to show anything"
            answer += piece
            time.sleep(0.05)
        answer += read_all(connection)
        document = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert len(document["timeline"]["start_s"]) == 1991


@pytest.mark.stream_row("hostile uploads")
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "body_missing"),
        (b"invalid", 422, "media_invalid"),
        (b"bug secret", 500, "internal_error"),
        (bytes(5 * MIB), 413, "body_too_large"),
    ],
)
def test_uploads_with_events_are_refused_as_others(
    live: LiveServer, client: httpx.Client, content: bytes, status: int, code: str
) -> None:
    response = client.post(AUDIO_UPLOAD, content=content, headers=EVENTS)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text + live.log.getvalue()


def fifty(server: LiveServer) -> None:
    """A third ends its streams, a third breaks off, a third leaves them open until its sockets are closed."""

    def run(number: int) -> None:
        with suppress(ConnectionClosed), StreamClient(server) as client:
            client.begin(hop_s=0.25)
            client.send(pcm(tone(1.0 + number * 0.01)))
            if number % 3 == 0:
                client.end()
            elif number % 3 == 1:
                client.break_off()

    with ThreadPoolExecutor(25) as pool:
        list(pool.map(run, range(50)))
    wait_until(lambda: len(server.services.streams) == 0)
    wait_until(lambda: server.services.loaded.pipeline.admission.held_s == 0)
    assert server.services.work.wait_idle(HANG_S)


@pytest.mark.stream_row("fifty sessions")
def test_fifty_sessions_leave_everything_as_it_was(streaming: LiveServer) -> None:
    fifty(streaming)  # libraries and pools take what they keep
    process = psutil.Process()
    gc.collect()
    descriptors, threads, memory_bytes = process.num_fds(), process.num_threads(), process.memory_info().rss
    for _ in range(2):
        fifty(streaming)
    gc.collect()
    wait_until(lambda: process.num_fds() <= descriptors + 2)
    wait_until(lambda: process.num_threads() <= threads + 2)
    assert process.memory_info().rss - memory_bytes < MAX_GROWTH_BYTES
    assert "emotion_stream_sessions 0.0" in httpx.get(f"{streaming.url}/metrics").text
