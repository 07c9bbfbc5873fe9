"""``/v1/profiles`` and the calls that take its documents, on a real socket with the tiny models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeClient
from tests.plain_wav import wav
from tests.support.job_server import holding
from tests.support.live_server import LiveServer, small_settings
from tests.support.patience import wait_until
from tests.support.tiny_services import serving_with_jobs
from tests.tiny_models import TINY_ENCODER, write_speech_bundle, write_voice_bundle
from tests.unit.service.pipeline.speech.test_profile import talk

EMOTION, PROFILES, JOBS = "/v1/audio/emotion", "/v1/profiles", "/v1/jobs/audio-emotion"
CALM = [("file", ("a.wav", wav(talk(0.3, 0.3)))), ("file", ("b.wav", wav(talk(0.3, 0.3))))]
LOUD = wav(talk(0.8, 0.6, 0.8))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("profiled")
    write_speech_bundle(folder, profiles=True, priority=1)
    write_speech_bundle(folder, "plain")
    write_voice_bundle(folder)
    settings = small_settings(
        jobs=True, state_dir=folder / "state", model_dirs=[folder], device="cpu", threads=2, max_job_body_bytes=10**6
    )
    with serving_with_jobs(settings) as server:
        yield server


@pytest.fixture
def document(http: httpx.Client) -> dict[str, Any]:
    answer = http.post(PROFILES, files=CALM)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def with_profile(document: object) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", ("c.wav", LOUD)), ("profile", ("p.json", json.dumps(document).encode()))]


def test_a_profile_is_made_and_continued(http: httpx.Client, document: dict[str, Any]) -> None:
    assert set(document) == {
        *("format", "kind", "encoder_sha256", "clips", "speech_s", "dimensions", "mean", "deviation")
    }
    assert (document["format"], document["kind"], document["encoder_sha256"], document["clips"]) == (
        *("emoserve-profile/1", "voice", TINY_ENCODER, 4),
    )
    more = http.post(PROFILES, files=[CALM[0], ("profile", ("p.json", json.dumps(document).encode()))]).json()
    assert more["clips"] == 6


def test_uploads_events_and_jobs_take_it(http: httpx.Client, server: LiveServer, document: dict[str, Any]) -> None:
    headers = {"x-request-id": "same"}
    without = http.post(EMOTION, content=LOUD).json()
    direct = http.post(EMOTION, files=with_profile(document), headers=headers)
    answer = direct.json()
    assert answer["profile"] == {"source": "document", "clips": 4, "speech_s": document["speech_s"], "weight": 0.666667}
    assert answer["by_label"]["anger"] > 1.3 * without["by_label"]["anger"]
    assert "profile" not in without
    assert (
        http.post(EMOTION, files=with_profile(document), params={"profile": "none"}).json()["by_label"]
        == (without["by_label"])
    )
    events = http.post(EMOTION, files=with_profile(document), headers={"accept": "text/event-stream"}).text
    assert f'"anger":{answer["by_label"]["anger"]}' in events.rsplit("event: result", 1)[1]

    job = http.post(JOBS, files=with_profile(document))
    assert job.status_code == 202, job.text
    wait_until(lambda: http.get(job.headers["location"]).json()["state"] not in ("queued", "running"))
    assert http.get(f"{job.headers['location']}/result", headers=headers).content == direct.content
    state_dir = server.services.settings.state_dir
    assert holding(state_dir, job.headers["location"].rsplit("/", 1)[1].encode()) != []
    assert holding(state_dir, document["mean"].encode()) == []


@pytest.mark.parametrize("path", [EMOTION, JOBS])
def test_bad_profiles_are_refused(http: httpx.Client, document: dict[str, Any], path: str) -> None:
    sound = ("file", ("c.wav", LOUD))

    def refused(status: int, code: str, files: object, **params: str) -> None:
        answer = http.post(path, files=files, params=params)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text

    refused(422, "profile_invalid", [sound], profile="document")
    refused(422, "profile_invalid", [sound, ("profile", ("p.json", b"{"))])
    refused(422, "profile_invalid", with_profile(document | {"clips": 0}))
    refused(422, "profile_mismatch", with_profile(document | {"encoder_sha256": "0" * 64}))
    refused(422, "profile_mismatch", with_profile(document), model="plain")
    refused(422, "profile_mismatch", [sound], model="plain", profile="self")
    refused(422, "profile_too_little_speech", with_profile(document | {"speech_s": 2.0}))
    refused(422, "config_invalid", with_profile(document), profile="self")
    refused(422, "config_invalid", [sound], profile="document.json")
    refused(400, "multipart_invalid", [*with_profile(document), with_profile(document)[1]])
    refused(400, "field_too_large", [sound, ("profile", ("p.json", bytes(40_000)))])


@pytest.mark.parametrize(
    ("files", "params", "status", "code"),
    [
        ([CALM[0]], {}, 422, "profile_too_little_speech"),
        ([CALM[0], ("file", ("x.pdf", b"%PDF-1.7"))], {}, 415, "container_unsupported"),
        (CALM, {"model": "plain"}, 422, "profile_mismatch"),
        (CALM, {"kind": "hand"}, 422, "config_invalid"),
        (CALM, {"kind": "face"}, 503, "unavailable"),
        ([*CALM, ("profile", ("p.json", b"[]"))], {}, 422, "profile_invalid"),
        ([*CALM, ("other", ("p.json", b"[]"))], {}, 400, "field_missing"),
    ],
)
def test_recordings_without_a_profile_in_them(http: httpx.Client, files, params, status, code) -> None:
    answer = http.post(PROFILES, files=files, params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_both_halves_of_the_client_send_profiles(
    server: LiveServer, make_client: MakeClient, document: dict[str, Any], tmp_path: Path
) -> None:
    calm, loud = tmp_path / "calm.wav", tmp_path / "loud.wav"
    calm.write_bytes(wav(talk(0.3, 0.3)))
    loud.write_bytes(LOUD)
    with make_client(server.url) as client:
        made = client.make_profile([calm, calm.read_bytes()])
        assert made["mean"] == document["mean"]
        more = client.make_profile([calm], profile=made)
        assert more["clips"] == 6
        alone, beside = client.audio_emotion(loud), client.audio_emotion(loud, profile=made)
        assert beside.by_label["anger"] > 1.3 * alone.by_label["anger"]
        with client.audio_stream(16000, profile=made) as stream:
            stream.send(b"\0\0" * 16000)
            list(stream.finish())
