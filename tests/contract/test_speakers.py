"""``speakers=`` on a real socket: every form of the answer says who speaks, or is refused."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from emoserve_client import Emoserve

from tests.plain_wav import tone, wav
from tests.support.job_server import ended, submit
from tests.support.live_server import LiveServer, small_settings
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny, serving_with_jobs
from tests.tiny_models import write_speaker_bundle, write_speech_bundle, write_voice_bundle

EMOTION = "/v1/audio/emotion"
TURNS_S = [(0.0, 4.0, "A"), (4.5, 9.0, "B"), (9.0, 12.5, "A")]


def dialogue() -> np.ndarray:
    """float32 [n]: two voices that :func:`write_speaker_bundle` tells apart, as in :data:`TURNS_S`."""
    sound = np.zeros(13 * 16_000, np.float32)
    for begin_s, end_s, name in TURNS_S:
        voice = tone(end_s - begin_s, amplitude=0.3) + (0.4 if name == "A" else -0.4)
        sound[round(begin_s * 16_000) : round(end_s * 16_000)] = voice
    return sound


SOUND = dialogue()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    write_voice_bundle(folder)
    write_speaker_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    with serving_tiny(models, threads=2) as server:
        yield server


def ask(http: httpx.Client, accept: str = "application/json", **params: object) -> httpx.Response:
    return http.post(EMOTION, params=params, content=wav(SOUND), headers={"accept": accept})


def test_nobody_is_told_unless_asked(http: httpx.Client) -> None:
    plain, off = (ask(http, segments=True, **more).json() for more in ({}, {"speakers": "off"}))
    assert {"speakers", "turns", "speaker_model"}.isdisjoint(plain)
    assert "speaker" not in plain["segments"]
    assert off | {"request_id": ""} == plain | {"request_id": ""}


def test_every_form_of_the_answer_follows(http: httpx.Client, server: LiveServer) -> None:
    for asked in ("auto", "2"):
        answer = ask(http, segments=True, speakers=asked).json()
        turns = list(zip(*(answer["turns"][name] for name in ("start_s", "end_s", "speaker")), strict=True))
        assert [name for _, _, name in turns] == ["A", "B", "A"]
        np.testing.assert_allclose([row[:2] for row in turns], [row[:2] for row in TURNS_S], atol=0.8)
    assert answer["segments"]["speaker"] == ["A", "B"] or answer["segments"]["speaker"] == ["A", "B", "A"]
    one, other = answer["speakers"]
    assert (one["speaker"], other["speaker"]) == ("A", "B")
    assert one["speech_s"] == pytest.approx(7.5, abs=1.0)
    assert one["valence"] > 0 > other["valence"]  # what the tiny model makes of their means
    assert sum(one["by_label"].values()) == pytest.approx(1.0, abs=1e-5)
    assert answer["speaker_model"]["name"] == "tiny-speakers"
    (alone,) = ask(http, speakers="1").json()["speakers"]
    assert alone["speaker"] == "A"
    for rows in ({"segments": True}, {}):
        table = list(csv.DictReader(io.StringIO(ask(http, "text/csv", speakers="auto", **rows).text)))
        assert {row["speaker"] for row in table} <= {"A", "B", ""}
        assert (table[0]["speaker"], list(table[0])[-2:]) == ("A", ["speaker", "flags"])
    result = json.loads(ask(http, "text/event-stream", segments=True, speakers="2").text.rsplit("data: ", 1)[1])
    assert result | {"request_id": ""} == answer | {"request_id": ""}
    with StreamClient(server) as stream:
        stream.begin(speakers="2", segments=True)
        stream.send(pcm(SOUND))
        *_, closed = stream.end()
    told = closed["answer"]
    assert told["speaker_model"] == answer["speaker_model"]
    assert told["turns"] == answer["turns"]
    assert told["segments"]["speaker"] == answer["segments"]["speaker"]
    assert [one["speech_s"] for one in told["speakers"]] == [one["speech_s"] for one in answer["speakers"]]
    with Emoserve(server.url) as client:
        read = client.audio_emotion(wav(SOUND), segments=True, speakers=2)
        assert read.speakers is not None
        assert read.turns is not None
        assert [one.speaker for one in read.speakers] == ["A", "B"]
        assert list(read.turns.speaker) == answer["turns"]["speaker"]
        assert client.audio_emotion(wav(SOUND)).speakers is None


def test_a_job_tells_what_the_call_tells(http: httpx.Client, models: Path, tmp_path: Path) -> None:
    asked = {"speakers": "2", "segments": "true"}
    expected = ask(http, **asked).json()
    settings = small_settings(
        model_dirs=[models], device="cpu", jobs=True, state_dir=tmp_path, max_job_body_bytes=10**7
    )
    with serving_with_jobs(settings) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        job = submit(client, wav(SOUND), "/v1/jobs/audio-emotion", params=asked)
        assert ended(client, job)["state"] == "succeeded"
        whole = client.get(f"{job}/result").json()
        unlike = dict.fromkeys(("request_id", "media"))  # another decoder answers the call
        assert whole | unlike == expected | unlike
        less = client.get(f"{job}/result?include=segments").json()
        assert {"speakers", "turns", "speaker_model"}.isdisjoint(less)
        assert "speaker" not in less["segments"]
        fhir = {"accept": "application/fhir+json"}
        assert client.get(f"{job}/result", headers=fhir).status_code == 406
        assert client.get(f"{job}/result?include=", headers=fhir).status_code == 200
        refused = client.post("/v1/jobs/audio-emotion?speakers=0", content=wav(SOUND))
        assert (refused.status_code, refused.json()["code"]) == (422, "config_invalid")


@pytest.mark.parametrize(
    ("params", "accept", "status", "code"),
    [
        ({"speakers": "two"}, "application/json", 422, "config_invalid"),
        ({"speakers": "0"}, "application/json", 422, "config_invalid"),
        ({"speakers": "auto", "channel": "each"}, "application/json", 422, "config_invalid"),
        ({"speakers": "auto"}, "image/png", 406, "not_acceptable"),
        ({"speakers": "auto"}, "application/fhir+json", 406, "not_acceptable"),
    ],
)
def test_what_cannot_be_told_is_refused(http: httpx.Client, params, accept: str, status: int, code: str) -> None:
    answer = ask(http, accept, **params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "speakers" in answer.json()["detail"]


def test_a_stream_refuses_it_too(server: LiveServer) -> None:
    with StreamClient(server) as client:
        error = client.begin(speakers="many")
    assert (error["code"], error["pointer"]) == ("config_invalid", "/speakers")
