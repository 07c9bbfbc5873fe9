"""``/v1/profiles?kind=face`` and the calls that take its documents, with the project's own models on a real face."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from tests.conftest import MakeClient
from tests.media_files import greys, video
from tests.plain_wav import tone, wav
from tests.shared_material import shared_file
from tests.support.job_server import holding
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.server_events import EVENTS, read_events
from tests.support.stream_client import VIDEO, StreamClient
from tests.support.tiny_services import needs_faces, serving_project_jobs

AFFECT, PROFILES, JOBS = "/v1/video/affect", "/v1/profiles", "/v1/jobs/video-affect"
REST = {"kind": "face", "neutral": "0:1"}
VOICE = {
    "format": "emoserve-profile/1",
    "kind": "voice",
    "encoder_sha256": "0" * 64,
    "clips": 4,
    "speech_s": 8.0,
    "dimensions": 1,
    "mean": "AAA=",
    "deviation": "AAA=",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    needs_faces()
    limits = {"max_body_bytes": 10**7, "max_frame_pixels": 1280 * 960}
    with serving_project_jobs(tmp_path_factory.mktemp("state"), limits=limits) as server:
        yield server


@pytest.fixture(scope="module")
def smile() -> bytes:
    return shared_file("media/single_face.mp4").read_bytes()


@pytest.fixture(scope="module")
def document(server: LiveServer, smile: bytes) -> dict[str, Any]:
    answer = httpx.post(server.url + PROFILES, files=[("file", ("a.mp4", smile))], params=REST, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def beside(content: bytes, document: object, name: str = "neutral") -> list[tuple[str, tuple[str, bytes]]]:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return [("file", ("c.mp4", content)), (name, ("p.json", text))]


def pointer_in(problem: dict[str, Any]) -> str | None:
    return problem["errors"][0]["pointer"] if "errors" in problem else None


def test_a_profile_is_made_and_continued(http: httpx.Client, document: dict[str, Any], smile: bytes) -> None:
    assert set(document) == {"format", "kind", "encoder_sha256", "frames", "mesh", "mean"}
    whole = http.post(AFFECT, params={"neutral": "0:1"}, content=smile).json()
    assert whole["neutral"] == {"source": "stretch", "start_s": 0.0, "end_s": 1.0, "frames": document["frames"]}
    assert (document["kind"], document["encoder_sha256"]) == ("face", whole["models"]["action_units"]["sha256"])
    twice = [("file", ("a.mp4", smile)), *beside(smile, document, "profile")]
    more = http.post(PROFILES, files=twice, params=REST).json()
    assert more == document | {"frames": 3 * document["frames"]}


def test_uploads_events_and_jobs_take_it(
    http: httpx.Client, server: LiveServer, document: dict[str, Any], smile: bytes
) -> None:
    headers, units = {"x-request-id": "same"}, {"include": "action_units"}
    direct = http.post(AFFECT, files=beside(smile, document), params=units, headers=headers)
    answer = direct.json()
    known = {"source": "document", "start_s": None, "end_s": None, "frames": document["frames"]}
    assert answer["neutral"] == known
    stretch = http.post(AFFECT, params=units | {"neutral": "0:1"}, content=smile).json()
    for name, column in stretch["action_units"].items():
        assert answer["action_units"][name] == pytest.approx(column, abs=3e-3)  # numbers in half precision
    named = units | {"neutral": "document"}
    assert http.post(AFFECT, files=beside(smile, document), params=named, headers=headers).content == direct.content
    without = http.post(AFFECT, files=beside(smile, document), params={"neutral": "none"}).json()
    assert without["neutral"]["source"] == "none"

    told = http.post(AFFECT, files=beside(smile, document), params={"face": "0"}, headers=EVENTS).text
    events = read_events(told)
    rows = [value for name, data in events if name == "affect" for value in json.loads(data)["arousal"]]
    assert rows == pytest.approx(answer["timeline"]["arousal"][: len(rows)], abs=1e-5)
    assert len(rows) > 5
    assert json.loads(events[-1][1])["neutral"] == answer["neutral"]

    job = http.post(JOBS, files=beside(smile, document), params=units)
    assert job.status_code == 202, job.text
    wait_until(lambda: http.get(job.headers["location"]).json()["state"] not in ("queued", "running"))
    assert http.get(f"{job.headers['location']}/result", headers=headers).content == direct.content
    assert holding(server.services.settings.state_dir, document["mean"].encode()) == []


def test_streams_take_it(server: LiveServer, http: httpx.Client, document: dict[str, Any], smile: bytes) -> None:
    expected = http.post(AFFECT, files=beside(smile, document)).json()["timeline"]["valence"]
    with StreamClient(server, VIDEO) as client:
        client.say("config", neutral=document)
        assert client.hear()["type"] == "session.created"
        with av.open(io.BytesIO(smile)) as container:
            for frame in container.decode(video=0):
                picture = io.BytesIO()
                frame.to_image().save(picture, "JPEG", quality=95)
                client.socket.send(struct.pack("<d", float(frame.pts * frame.time_base)) + picture.getvalue())
        messages = client.end()
    valence = [value for message in messages if message["type"] == "affect" for value in message["valence"]]
    assert len(valence) > 20
    assert valence[:-16] == pytest.approx(expected[: len(valence) - 16], abs=0.01)


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"neutral": VOICE}, "profile_mismatch"),
        ({"neutral": {"kind": "face"}}, "profile_invalid"),
        ({"neutral": "document"}, "profile_invalid"),
        ({"neutral": "median"}, "config_invalid"),
    ],
)
def test_streams_refuse_other_documents(server: LiveServer, config: dict[str, Any], code: str) -> None:
    with StreamClient(server, VIDEO) as client:
        client.say("config", **config)
        error = client.hear()
    assert (error["code"], error["pointer"]) == (code, "/neutral")


def test_a_table_knows_no_neutral_and_a_short_sight_has_none(http: httpx.Client, smile: bytes) -> None:
    nothing = {"source": "none", "start_s": None, "end_s": None, "frames": 0}
    short = http.post(AFFECT, content=smile, params={"face": "all"}).json()
    assert "no_neutral" in short["flags"]
    assert short["neutral"] == nothing
    assert [face["neutral"] for face in short["faces"]] == [nothing]
    nobody = http.post(AFFECT, content=video(greys(10)), params={"neutral": "0:1"}).json()
    assert (nobody["flags"], nobody["neutral"]) == (["no_face", "no_audio", "trained: prior"], nothing)


@pytest.mark.parametrize("path", [AFFECT, JOBS])
def test_bad_documents_are_refused(http: httpx.Client, document: dict[str, Any], smile: bytes, path: str) -> None:
    def refused(status: int, code: str, files: object, pointer: str | None = "/neutral", **params: str) -> None:
        answer = http.post(path, files=files, params=params).json()  # type: ignore[arg-type]
        assert (answer["status"], answer["code"], pointer_in(answer)) == (status, code, pointer), answer

    video_alone = [("file", ("c.mp4", smile))]
    refused(422, "profile_invalid", video_alone, neutral="document")
    for broken in (b"{", b"[]", b"\xff", document | {"frames": 0}, document | {"mean": "AAAA"}, document | {"more": 1}):
        refused(422, "profile_invalid", beside(smile, broken))
    refused(422, "profile_invalid", beside(smile, document | {"mean": "AHw" * 15 + "AHw="}))
    refused(422, "profile_mismatch", beside(smile, VOICE))
    refused(422, "profile_mismatch", beside(smile, document | {"encoder_sha256": "0" * 64}))
    refused(422, "profile_mismatch", beside(smile, document | {"mesh": 99}))
    refused(422, "config_invalid", beside(smile, document), face="all")
    for other in ("median", "0:1"):
        refused(422, "config_invalid", beside(smile, document), neutral=other)
    refused(422, "config_invalid", beside(smile, document), neutral="document.json")
    refused(400, "field_missing", beside(smile, document, "profile"), None)
    refused(400, "multipart_invalid", [*beside(smile, document), beside(smile, document)[1]], None)
    refused(400, "field_too_large", beside(smile, bytes(40_000)), None)


def test_recordings_without_a_resting_face(http: httpx.Client, document: dict[str, Any], smile: bytes) -> None:
    def refused(status: int, code: str, files: object, pointer: str | None = None, **params: str) -> None:
        answer = http.post(PROFILES, files=files, params={"kind": "face"} | params)  # type: ignore[arg-type]
        told = answer.json()
        assert (told["status"], told["code"], pointer_in(told)) == (status, code, pointer), told

    one = [("file", ("a.mp4", smile))]
    refused(422, "profile_too_little_face", one)
    refused(422, "profile_too_little_face", [("file", ("a.mp4", video(greys(10))))])
    refused(422, "no_video_stream", [("file", ("a.wav", wav(tone(1.0))))])
    refused(422, "config_invalid", one, "/neutral", neutral="5:6")
    for text in ("none", "document", "2:1"):
        refused(422, "config_invalid", one, "/neutral", neutral=text)
    refused(422, "config_invalid", one, "/model", model="ge2e-open")
    refused(422, "config_invalid", one, "/version", version="2")
    refused(422, "config_invalid", one, "/neutral", kind="voice", neutral="median")
    for before, code in (
        (VOICE, "profile_mismatch"),
        (document | {"mesh": 99}, "profile_mismatch"),
        ({}, "profile_invalid"),
    ):
        refused(422, code, beside(smile, before, "profile"), "/profile", neutral="0:1")
    refused(422, "profile_mismatch", beside(smile, document, "profile"), "/profile", kind="voice")


def test_both_halves_of_the_client_send_faces(
    server: LiveServer, make_client: MakeClient, document: dict[str, Any], smile: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "smile.mp4"
    path.write_bytes(smile)
    with make_client(server.url) as client:
        assert client.make_profile([path], kind="face", neutral="0:1") == document
        answer = client.video_affect(path, neutral=document)
        assert (answer.neutral.source, answer.neutral.frames) == ("document", document["frames"])
        every = client.video_affect(path, neutral="0:1", face="all")
        assert [face.neutral for face in every.faces] == [every.neutral]
        assert every.neutral.end_s == 1.0
        with client.video_stream(neutral=document) as stream:
            list(stream.finish())
