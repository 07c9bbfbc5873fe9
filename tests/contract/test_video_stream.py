"""``/v1/stream/video`` on a real socket with the project's own models: action units, pictures, and neither."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator

import av
import httpx
import numpy as np
import pytest

from service.pipeline.face.unit_scale import ACTION_UNITS
from service.schemas.streams import AffectMessage, VideoCreated
from tests.contract.test_event_stream import read_events, without_request
from tests.shared_material import ROOT, shared_file
from tests.support.live_server import LiveServer, serving_models, small_settings, wait_until
from tests.support.stream_client import VIDEO, StreamClient

FACES = ROOT / "var/models/mediapipe-faces"


@pytest.fixture(scope="module")
def streaming() -> Iterator[LiveServer]:
    limits = {"stream_resume_s": 0.2, "max_frame_pixels": 1280 * 960, "max_message_bytes": 1024 * 1024}
    with serving_models(
        small_settings(device="cpu", model_dirs=[ROOT / "models", ROOT / "var/models"], limits=limits)
    ) as server:
        yield server


def needs_faces() -> None:
    if not FACES.is_dir():
        pytest.skip(f"no face bundle at {FACES}: run `emoserve-export faces`")


def jpeg(width: int = 64, height: int = 48) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="image2pipe") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def units(number: int) -> dict[str, float]:
    return {f"{name}_r": round(2.5 + 2.4 * np.sin(number / 9 + index), 3) for index, name in enumerate(ACTION_UNITS)}


def rows_of(messages: list[dict], name: str) -> list[float | None]:
    return [value for message in messages if message["type"] == "affect" for value in message[name]]


def test_action_units_get_the_rows_of_a_table(streaming: LiveServer) -> None:
    count = 400
    lines = ["frame,timestamp,confidence,success," + ",".join(units(0))]
    lines += [f"{n + 1},{n * 0.04:.2f},0.98,1," + ",".join(map(str, units(n).values())) for n in range(count)]
    headers = {"content-type": "text/csv"}
    table = httpx.post(f"{streaming.url}/v1/action-units/affect", content="\n".join(lines), headers=headers).json()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config", input="action_units")
        created = VideoCreated.model_validate(client.hear())
        for number in range(count):
            client.say("frame", time_s=round(100 + number * 0.04, 2), confidence=0.98, **units(number))
        client.say("end")
        messages = client.rest()
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
    video = httpx.post(f"{streaming.url}/v1/video/affect", params=options, content=path.read_bytes(), timeout=60).json()
    with StreamClient(streaming, VIDEO, timeout_s=60) as client:
        client.say("config")
        assert set(client.hear()["models"]) == {"affect", "faces", "action_units"}
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                picture = io.BytesIO()
                frame.to_image().save(picture, "JPEG", quality=95)
                client.socket.send(struct.pack("<d", float(frame.pts * frame.time_base)) + picture.getvalue())
        client.say("end")
        messages = client.rest()
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
        client.say("end")
        messages = client.rest()
    assert rows_of(messages, "arousal") == [None] * 8
    assert rows_of(messages, "face_confidence") == [0.0] * 8


HEAD = struct.pack("<d", 0.0)


@pytest.mark.parametrize(
    ("config", "message", "code", "closed_with"),
    [
        ({}, HEAD, "message_invalid", 1007),
        ({}, HEAD + b"no picture", "container_unsupported", 1003),
        ({}, HEAD + jpeg()[:40], "media_invalid", 1007),
        ({}, HEAD + b"\xff\xd8\xff" + bytes(5000), "media_invalid", 1007),
        ({}, HEAD + jpeg(1600, 1200), "media_invalid", 1007),
        ({}, struct.pack("<d", float("nan")) + jpeg(), "timestamps_invalid", 1007),
        ({}, '{"type": "frame", "time_s": 0, "confidence": 1}', "message_invalid", 1007),
        ({"input": "action_units"}, HEAD + jpeg(), "message_invalid", 1007),
        ({"input": "action_units"}, '{"type": "frame", "time_s": 0, "confidence": 1}', "columns_missing", 1007),
        ({"input": "action_units"}, json.dumps({"type": "frame", "time_s": 0}), "config_invalid", 1007),
        (
            {"input": "action_units"},
            json.dumps({"type": "frame", "time_s": 0, "confidence": 1, **units(0), "AU01_r": 50}),
            "features_invalid",
            1007,
        ),
        (
            {"input": "action_units"},
            json.dumps({"type": "frame", "time_s": 0, "confidence": 1, **units(0), "AU01_r": "x"}),
            "config_invalid",
            1007,
        ),
    ],
)
def test_what_is_no_frame(
    streaming: LiveServer, config: dict, message: bytes | str, code: str, closed_with: int
) -> None:
    if not config:
        needs_faces()
    with StreamClient(streaming, VIDEO) as client:
        client.say("config", **config)
        assert client.hear()["type"] == "session.created"
        client.socket.send(message)
        client.say("end")
        assert client.rest()[-1]["code"] == code
        assert client.socket.close_code == closed_with


def test_times_must_make_sense(streaming: LiveServer) -> None:
    for later, code in ((0.0, "timestamps_invalid"), (0.001, "timestamps_invalid"), (1e9, "media_too_long")):
        with StreamClient(streaming, VIDEO) as client:
            client.say("config", input="action_units")
            client.hear()
            for time_s in (5.0, 5.0 + later):
                client.say("frame", time_s=time_s, confidence=1.0, **units(0))
            assert client.rest()[-1]["code"] == code


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
        second.say("resume", id=session, received=len(got))
        assert second.hear()["received_frames"] == 1
        second.say("frame", time_s=0.1, confidence=1.0, **units(1))
        assert second.hear()["time_s"] == [0.1]
    wait_until(lambda: len(streaming.services.streams) == 0)
    assert streaming.services.loaded.pipeline.admission.held_s == 0


@pytest.mark.parametrize(("face", "is_final"), [("0", True), ("largest", False)])
def test_rows_of_an_upload_are_told_before_the_end(streaming: LiveServer, face: str, is_final: bool) -> None:
    needs_faces()
    content = shared_file("media/single_face.mp4").read_bytes()
    options = {"neutral": "0:0.5", "face": face}
    address, headers = f"{streaming.url}/v1/video/affect", {"accept": "text/event-stream"}
    events = read_events(httpx.post(address, params=options, content=content, headers=headers, timeout=60).text)
    plain = httpx.post(address, params=options, content=content, timeout=60)
    assert without_request(events[-1][1]) == without_request(plain.text)
    batches = [json.loads(data) for name, data in events if name == "affect"]
    assert {batch["final"] for batch in batches} == {is_final}
    timeline = plain.json()["timeline"]
    for name in ("time_s", "arousal", "valence", "face_confidence"):
        told = [value for batch in batches for value in batch[name]]
        assert len(told) > 5
        assert told == pytest.approx(timeline[name][: len(told)], abs=1e-5)
    median = read_events(httpx.post(address, content=content, headers=headers, timeout=60).text)
    assert {name for name, _ in median} == {"progress", "result"}
