"""``/v1/stream/video`` on a real socket with the project's own models: action units, pictures, and neither."""

import io
import json
import struct
from collections.abc import Iterator

import av
import httpx
import pytest

from service.schemas.streams import AffectMessage, VideoCreated
from tests.shared_material import shared_file
from tests.support.live_server import LiveServer
from tests.support.patience import wait_until
from tests.support.server_events import EVENTS, read_events, without_request
from tests.support.stream_client import VIDEO, StreamClient
from tests.support.tiny_services import needs_faces, serving_project
from tests.support.video_frames import jpeg, unit_table, units


@pytest.fixture(scope="module")
def streaming() -> Iterator[LiveServer]:
    limits = {"stream_resume_s": 5.0, "max_frame_pixels": 1280 * 960, "max_message_bytes": 1024 * 1024}
    with serving_project(limits=limits) as server:
        yield server


def rows_of(messages: list[dict], name: str) -> list[float | None]:
    return [value for message in messages if message["type"] == "affect" for value in message[name]]


def test_action_units_get_the_rows_of_a_table(streaming: LiveServer) -> None:
    count = 400
    table = httpx.post(f"{streaming.url}/v1/action-units/affect", content=unit_table(count)).json()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config", input="action_units")
        created = VideoCreated.model_validate(client.hear())
        for number in range(count):
            client.say("frame", time_s=round(100 + number * 0.04, 2), confidence=0.98, **units(number))
        messages = client.end()
    assert created.look_ahead_s == table["look_ahead_s"]
    assert list(created.models) == ["affect"]
    assert messages[-1]["received_frames"] == count
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        assert rows_of(messages, name) == pytest.approx(table["timeline"][name], abs=1e-5)


def test_rows_come_while_frames_do(streaming: LiveServer) -> None:
    for causal, look_ahead_s in ((False, 1.5), (True, 0.0)):
        with StreamClient(streaming, VIDEO) as client:
            client.say("config", input="action_units", causal=causal)
            assert client.hear()["look_ahead_s"] == look_ahead_s
            for number in range(60):
                client.say("frame", time_s=number * 0.04, confidence=0.98, **units(number))
            message = AffectMessage.model_validate(client.hear())
            assert message.time_s[0] == 0.0
            assert message.provisional is causal


def test_pictures_get_nearly_the_rows_of_the_video(streaming: LiveServer) -> None:
    """Nearly, for the pictures are compressed once more on their way."""
    needs_faces()
    path = shared_file("media/single_face.mp4")
    options = {"neutral": "none", "face": "0"}
    video = httpx.post(f"{streaming.url}/v1/video/affect", params=options, content=path.read_bytes()).json()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config")
        assert set(client.hear()["models"]) == {"affect", "faces", "action_units"}
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                picture = io.BytesIO()
                frame.to_image().save(picture, "JPEG", quality=95)
                client.socket.send(struct.pack("<d", float(frame.pts * frame.time_base)) + picture.getvalue())
        messages = client.end()
    assert messages[-1]["reason"] == "end"
    valence = rows_of(messages, "valence")
    expected = video["timeline"]["valence"]
    count = min(len(valence), len(expected)) - 16  # the video's sound moves arousal; its end lies one frame later
    assert valence[:count] == pytest.approx(expected[:count], abs=0.01)


def test_a_face_that_is_not_there_is_null(streaming: LiveServer) -> None:
    needs_faces()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config", causal=True)
        client.hear()
        for number in range(8):
            client.socket.send(struct.pack("<d", number * 0.1) + jpeg())
        messages = client.end()
    assert rows_of(messages, "arousal") == [None] * 8
    assert rows_of(messages, "face_confidence") == [0.0] * 8


@pytest.mark.parametrize(
    ("config", "code", "pointer"),
    [
        ({"neutral": "median"}, "config_invalid", "/neutral"),
        ({"neutral": "0:100"}, "config_invalid", "/neutral"),
        ({"input": "action_units", "neutral": "0:2"}, "config_invalid", "/neutral"),
        ({"input": "mp4"}, "config_invalid", "/input"),
        ({"model": "absent"}, "model_not_found", None),
    ],
)
def test_configs_that_cannot_be(streaming: LiveServer, config: dict, code: str, pointer: str | None) -> None:
    needs_faces()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config", **config)
        error = client.hear()
        assert (error["code"], error.get("pointer")) == (code, pointer)


def test_a_stream_of_pictures_is_resumed(streaming: LiveServer) -> None:
    first = StreamClient(streaming, VIDEO)
    first.say("config", input="action_units", causal=True)
    session = first.hear()["id"]
    first.say("frame", time_s=0.0, confidence=1.0, **units(0))
    got = [first.hear()]
    first.break_off()
    with StreamClient(streaming, VIDEO) as second:
        assert second.resume(session, received=len(got))["received_frames"] == 1
        second.say("frame", time_s=0.1, confidence=1.0, **units(1))
        assert second.hear()["time_s"] == [0.1]
        second.end()
    wait_until(lambda: len(streaming.services.streams) == 0)
    assert streaming.services.loaded.pipeline.admission.held_s == 0


@pytest.mark.parametrize(("face", "is_final"), [("0", True), ("largest", False)])
def test_rows_of_an_upload_are_told_before_the_end(streaming: LiveServer, face: str, is_final: bool) -> None:
    needs_faces()
    content = shared_file("media/single_face.mp4").read_bytes()
    options = {"neutral": "0:0.5", "face": face}
    address = f"{streaming.url}/v1/video/affect"
    events = read_events(httpx.post(address, params=options, content=content, headers=EVENTS).text)
    plain = httpx.post(address, params=options, content=content)
    assert without_request(events[-1][1]) == without_request(plain.text)
    batches = [json.loads(data) for name, data in events if name == "affect"]
    assert {batch["final"] for batch in batches} == {is_final}
    timeline = plain.json()["timeline"]
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        told = [value for batch in batches for value in batch[name]]
        assert len(told) > 5
        assert told == pytest.approx(timeline[name][: len(told)], abs=1e-5)
    median = read_events(httpx.post(address, content=content, headers=EVENTS).text)
    assert {name for name, _ in median} == {"progress", "result"}
