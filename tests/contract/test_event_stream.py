"""``text/event-stream`` on the calls that take an upload: order, equality with the JSON answer, failures."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.api import event_stream
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S, wait_until
from tests.support.server_events import EVENTS, read_events, without_request
from tests.support.tiny_services import serving_tiny

AUDIO = "/v1/audio/emotion"


@pytest.fixture(scope="module")
def judging(tiny_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(tiny_models, threads=1) as server:
        yield server


@pytest.mark.parametrize("options", [{}, {"timeline": True, "hop_s": 0.1, "start_s": 0.5}, {"channel": "each"}])
def test_windows_come_in_order_and_the_result_is_the_json_answer(judging: LiveServer, options: dict[str, Any]) -> None:
    left = np.concatenate([tone(1.5), np.zeros(24_000, np.float32), tone(2.0, amplitude=0.5)])
    content = wav(left, left[::-1].copy())
    plain = httpx.post(judging.url + AUDIO, params=options, content=content)
    response = httpx.post(judging.url + AUDIO, params=options, content=content, headers=EVENTS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    events = read_events(response.text)
    assert [name for name, _ in events][-1] == "result"
    assert without_request(events[-1][1]) == without_request(plain.text)
    shares = [json.loads(data)["progress"] for name, data in events if name == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    full = httpx.post(judging.url + AUDIO, params={**options, "timeline": True}, content=content).json()
    windows = [json.loads(data) for name, data in events if name == "window"]
    for channel in full.get("channels", [{**full, "channel": "mix"}]):
        timeline, own = channel["timeline"], [row for row in windows if row["channel"] == channel["channel"]]
        assert [row["index"] for row in own] == list(range(len(timeline["start_s"])))
        for name in ("start_s", "end_s", "arousal", "valence", "speech"):
            assert [row[name] for row in own] == timeline[name]
        for label, column in timeline["probabilities"].items():
            assert [row["probabilities"] and row["probabilities"][label] for row in own] == column


def test_windows_are_sent_before_the_work_is_done(judging: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    session = judging.services.loaded.pipeline._models.emotion["tiny", "1"].session
    gate, real, calls = threading.Event(), session.run, []

    def run(inputs, outputs):
        calls.append(1)
        if len(calls) > 3:
            gate.wait(HANG_S)
        return real(inputs, outputs)

    monkeypatch.setattr(session, "run", run)
    with httpx.stream("POST", judging.url + AUDIO, content=wav(tone(4.0)), headers=EVENTS) as response:
        seen = ""
        for piece in response.iter_text():
            seen += piece
            if seen.count("event: window") >= 3 and not gate.is_set():
                assert "event: result" not in seen
                gate.set()
    assert read_events(seen)[-1][0] == "result"


@pytest.mark.parametrize(
    ("content", "code"), [(b"lateinvalid", "media_invalid"), (b"latebug secret", "internal_error")]
)
def test_what_fails_on_the_way_is_an_event(live: LiveServer, client: httpx.Client, content: bytes, code: str) -> None:
    response = client.post(AUDIO, content=content, headers={**EVENTS, "x-request-id": f"late-{code}"})
    assert response.status_code == 200
    (progress, _), (name, data) = read_events(response.text)
    document = json.loads(data)
    assert (progress, name, document["code"]) == ("progress", "problem", code)
    assert document["request_id"] == f"late-{code}"
    assert "secret" not in response.text
    wait_until(lambda: any(line["request_id"] == f"late-{code}" for line in live.request_lines()))
    (line,) = [line for line in live.request_lines() if line["request_id"] == f"late-{code}"]
    assert line["code"] == code
    assert "secret" not in live.log.getvalue()


@pytest.mark.parametrize(
    ("address", "content", "kind"),
    [("/v1/video/affect", b"\0\0\0\x18ftyp", "video/mp4"), ("/v1/action-units/affect", b"frame,", "text/csv")],
)
def test_calls_about_faces_tell_events_too(client: httpx.Client, address: str, content: bytes, kind: str) -> None:
    plain = client.post(address, content=content, headers={"content-type": kind})
    response = client.post(address, content=content, headers={**EVENTS, "content-type": kind})
    name, data = read_events(response.text)[-1]
    assert name == "result"
    assert without_request(data) == without_request(plain.text)


def test_silence_is_filled_with_heartbeats(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.1)
    response = client.post(AUDIO, content=b"slow", headers=EVENTS)
    assert response.text.startswith(": ping\n\n: ping\n\n")
    assert read_events(response.text)[-1][0] == "result"


def test_a_client_that_goes_ends_the_work(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.05)
    headers = {**EVENTS, "x-request-id": "gone"}
    with httpx.stream("POST", live.url + AUDIO, content=b"slow", headers=headers) as response:
        next(response.iter_bytes())
    wait_until(lambda: any(line["request_id"] == "gone" for line in live.request_lines()))
    (line,) = [line for line in live.request_lines() if line["request_id"] == "gone"]
    assert (line["status"], line["code"]) == (499, "client_gone")
    assert live.services.uploads.uploads == 0


def test_json_is_preferred_where_both_will_do(client: httpx.Client) -> None:
    for accept in ("*/*", "application/json, text/event-stream"):
        assert client.post(AUDIO, content=b"x", headers={"accept": accept}).json()["emotion"] == "anger"


def test_events_over_credentials(tmp_path: Path) -> None:
    settings = small_settings(keys_file=tmp_path / "keys.json")
    (tmp_path / "keys.json").write_text('{"keys": []}')
    with serving(settings) as server:
        assert httpx.post(server.url + AUDIO, content=b"x", headers=EVENTS).status_code == 401
