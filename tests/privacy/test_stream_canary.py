"""Nothing of a stream is told to anyone: not in logs, audit, metrics, traces, errors or closes, and nothing on disk."""

import json
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.plain_wav import tone, wav
from tests.privacy.test_canary import CANARY, holds_canary, open_files, told
from tests.support.collector import ALLOWED, collecting
from tests.support.live_server import LiveServer
from tests.support.patience import wait_until
from tests.support.stream_client import VIDEO, StreamClient
from tests.support.tiny_services import needs_faces, pcm, serving_project, serving_tiny
from tests.support.video_frames import units

SECRET = CANARY.encode() * 16
CONFIG = json.dumps({"type": "config", "sample_rate_hz": 16000})
FRAME = {"type": "frame", "time_s": 0.0, "confidence": 1.0}


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def live(audit: Path, speech_models: Path, temporary: Path) -> Iterator[LiveServer]:
    with serving_tiny(speech_models, audit_file=str(audit)) as server:
        yield server


def is_nowhere(live: LiveServer, audit: Path, temporary: Path, since_s: float) -> None:
    """The canary, in everything that outlives the stream or leaves it."""
    wait_until(lambda: len(live.services.streams) == 0 and audit.read_text().count("\n") >= 1)
    assert CANARY not in told(live, audit)
    assert CANARY not in httpx.get(f"{live.url}/metrics").text
    assert CANARY not in open_files()
    assert holds_canary(temporary, since_s) == []
    assert holds_canary(Path("/dev/shm"), since_s) == []


CASES: dict[str, list[str | bytes]] = {
    "judged sound": [CONFIG, pcm(tone(1.1)) + SECRET, '{"type": "end"}'],
    "no config": [SECRET],
    "no JSON": [CANARY],
    "unknown type": [json.dumps({"type": CANARY})],
    "unknown member": [json.dumps({"type": "config", "sample_rate_hz": 16000, CANARY: 1})],
    "wrong value": [json.dumps({"type": "config", "sample_rate_hz": CANARY})],
    "absent model": [json.dumps({"type": "config", "sample_rate_hz": 16000, "model": CANARY})],
    "absent session": [json.dumps({"type": "resume", "id": CANARY})],
    "later text": [CONFIG, CANARY],
    "odd bytes": [CONFIG, SECRET + b"x"],
    "too large": [CONFIG, CANARY.encode() * 60_000],
}


@pytest.mark.parametrize("case", CASES)
def test_canary_in_messages_of_sound(live: LiveServer, audit: Path, temporary: Path, case: str) -> None:
    since_s = time.time()
    with StreamClient(live) as client:
        for message in CASES[case]:
            client.socket.send(message)
        messages = client.rest()
        assert messages[-1]["type"] == ("session.closed" if case == "judged sound" else "error")
        if case != "unknown member":  # the pointer names the member at fault to its sender, and to nobody else
            assert CANARY not in json.dumps(messages)
        assert CANARY not in str(client.socket.close_reason)
    is_nowhere(live, audit, temporary, since_s)


def test_traces_of_streams_tell_nothing(speech_models: Path) -> None:
    """WebSocket and event streams: a span each, of allowed words alone, in a batch like any other."""
    with collecting() as (endpoint, received), serving_tiny(speech_models, otlp_endpoint=endpoint) as live:
        for messages in CASES.values():
            with StreamClient(live, additional_headers={"User-Agent": CANARY}) as client:
                for message in messages:
                    client.socket.send(message)
                client.rest()
        for body in (wav(tone(1.1)), SECRET):
            file = {"file": (f"{CANARY}.wav", body)}
            headers = {"accept": "text/event-stream", "referer": CANARY}
            httpx.post(f"{live.url}/v1/audio/emotion?timeline=true", files=file, headers=headers)
        wait_until(lambda: len(live.services.streams) == 0)
    spans = [
        span for batch in received for group in batch.resource_spans for one in group.scope_spans for span in one.spans
    ]
    names = [span.name for span in spans]
    assert names.count("GET /v1/stream/audio") == len(CASES)
    assert names.count("POST /v1/audio/emotion") == 2
    assert {attribute.key for span in spans for attribute in span.attributes} <= ALLOWED
    assert CANARY.encode() not in b"".join(batch.SerializeToString() for batch in received)


def test_canary_in_headers_and_addresses(live: LiveServer, audit: Path, temporary: Path) -> None:
    since_s = time.time()
    headers = {"X-Request-Id": f"{CANARY} 1", "Cookie": CANARY, "Referer": f"https://{CANARY}", "X-Api-Key": CANARY}
    with StreamClient(live, f"/v1/stream/audio?name={CANARY}", additional_headers=headers) as client:
        assert CANARY not in str(client.socket.response.headers)
        client.begin()
        client.end()
    for path, options in ((f"/v1/{CANARY}", {}), ("/v1/stream/audio", {"origin": f"https://{CANARY}"})):
        with pytest.raises(InvalidStatus) as caught:
            StreamClient(live, path, **options)
        assert CANARY not in str(caught.value.response.headers) + str(caught.value.response.body)
    is_nowhere(live, audit, temporary, since_s)


def test_canary_in_sound_that_is_kept_for_a_resume(live: LiveServer, audit: Path, temporary: Path) -> None:
    since_s = time.time()
    client = StreamClient(live)
    session = client.begin()["id"]
    client.send(SECRET * 20)
    client.break_off()
    assert session not in told(live, audit) if audit.exists() else True
    assert CANARY not in open_files()
    with StreamClient(live) as again:
        again.resume(session)
        again.end()
    is_nowhere(live, audit, temporary, since_s)
    assert session not in told(live, audit)


def test_a_bug_that_quotes_sound_tells_nothing(live: LiveServer, audit: Path, temporary: Path, monkeypatch) -> None:
    since_s = time.time()
    pipeline = live.services.loaded.pipeline
    real = pipeline.live

    def broken(options):
        emotion = real(options)

        def add(content: bytes, task: object) -> None:
            raise RuntimeError(content.decode())

        emotion.add = add
        return emotion

    monkeypatch.setattr(pipeline, "live", broken)
    with StreamClient(live) as client:
        client.begin()
        client.socket.send(SECRET)
        (error,) = client.rest()
        assert (error["code"], client.socket.close_code) == ("internal_error", 1011)
        assert CANARY not in json.dumps(error)
    is_nowhere(live, audit, temporary, since_s)


def test_canary_in_frames_and_pictures(audit: Path, temporary: Path) -> None:
    needs_faces()
    since_s = time.time()
    with serving_project(audit_file=str(audit)) as live:
        for config, message in (
            ({}, struct.pack("<d", 0.0) + SECRET),
            ({}, struct.pack("<d", 0.0) + b"\xff\xd8\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET),
            ({"input": "action_units"}, json.dumps({**FRAME, **units(0), CANARY: 1.0})),
            ({"input": "action_units"}, json.dumps({**FRAME, **units(0), "AU01_r": CANARY})),
            ({"input": "action_units"}, CANARY),
        ):
            with StreamClient(live, VIDEO) as client:
                client.say("config", **config)
                client.hear()
                client.socket.send(message)
                assert CANARY not in json.dumps(client.end())
        is_nowhere(live, audit, temporary, since_s)
