"""A canary answers some requests that name no model, wholly; a shadow judges beside, and is compared in metrics."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.access.caller import ANONYMOUS
from service.pipeline.audio_options import AudioOptions
from service.registry import BundleError, Registry
from service.rollout import CANARY_HEADER, is_bound, is_drawn
from service.settings import Settings
from tests.plain_wav import tone, wav
from tests.support.job_server import AUDIO, ended
from tests.support.live_server import LiveServer, small_settings
from tests.support.patience import wait_until
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny, serving_with_jobs
from tests.tiny_models import speech_model, speech_weights, write_speech_bundle

SOUND = wav(0.1 * np.sin(np.arange(16_000, dtype=np.float32)))
EMOTION = "/v1/audio/emotion"
ALWAYS, NEVER = {CANARY_HEADER: "always"}, {CANARY_HEADER: "never"}
NAMES = {"default_model": "tiny:1", "canary": "tiny:2"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions; the later one exchanges the emotions."""
    folder = tmp_path_factory.mktemp("models")
    weights = speech_weights(2)
    write_speech_bundle(folder)
    exchanged = speech_model(2).replace(weights.tobytes(), (-weights).tobytes())
    write_speech_bundle(folder, version="2", model=exchanged)
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A canary that answers a third."""
    settings = small_settings(
        **NAMES, canary_share=1 / 3, model_dirs=[models], device="cpu", jobs=True, max_job_body_bytes=10**7,
        state_dir=tmp_path_factory.mktemp("state"),
    )  # fmt: skip
    with serving_with_jobs(settings) as server:
        yield server


def version(http: httpx.Client, headers: dict[str, str] | None = None, **params: str) -> str:
    answer = http.post(EMOTION, content=SOUND, headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"]["version"])


def test_the_header_decides(http: httpx.Client) -> None:
    assert version(http, ALWAYS) == "2"
    assert version(http, NEVER) == "1"
    told = http.post(EMOTION, content=SOUND, headers=ALWAYS | {"Accept": "text/event-stream"}).text
    assert '"version":"2"' in told
    refused = http.post(EMOTION, content=SOUND, headers={CANARY_HEADER: "sometimes"})
    assert (refused.status_code, refused.json()["code"]) == (400, "http_invalid")


def test_without_the_header_a_share_is_drawn_by_the_request_id(http: httpx.Client) -> None:
    ids = [f"request-{number}" for number in range(40)]
    told = [version(http, {"X-Request-Id": one}) for one in ids]
    assert told == ["2" if is_drawn(one, 1 / 3) else "1" for one in ids]
    assert set(told) == {"1", "2"}
    assert sum(is_drawn(str(number), 0.25) for number in range(10_000)) == pytest.approx(2500, abs=200)
    assert not is_drawn("any", 0.0)
    assert is_drawn("any", 1.0)


def test_requests_that_are_bound_to_a_model_get_it(http: httpx.Client) -> None:
    assert version(http, ALWAYS, model="tiny", version="1") == "1"
    assert version(http, ALWAYS, prior="anger:0.5") == "1"
    assert version(http, ALWAYS, prior="uniform") == "2"
    assert is_bound(AudioOptions(profile="self"))
    assert is_bound(AudioOptions(domain="first"))
    assert not is_bound(AudioOptions(profile="none", prior="card", hop_s=0.5))


@pytest.mark.parametrize(("headers", "expected"), [(ALWAYS, "2"), (NEVER, "1")])
def test_streams_and_jobs_keep_the_model_they_began_with(
    server: LiveServer, http: httpx.Client, headers: dict[str, str], expected: str
) -> None:
    with StreamClient(server, additional_headers=headers) as stream:
        assert stream.begin()["model"]["version"] == expected
        stream.send(pcm(tone(1.0)))
        assert stream.end()[-1]["type"] == "session.closed"
    key = {"Idempotency-Key": f"one-{expected}"}
    answers = [http.post(AUDIO, content=SOUND, headers=headers | key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    job = answers[0].headers["location"]
    assert ended(http, job)["state"] == "succeeded"
    assert http.get(f"{job}/result").json()["model"]["version"] == expected
    known = server.services.jobs.find(job.rpartition("/")[2], ANONYMOUS.owner)
    assert (known.options.model, known.options.version) == ("tiny", expected)


def test_a_name_that_leads_nowhere_stops_the_start(models: Path) -> None:
    for role, name in (("canary", "tiny:3"), ("shadow", "other")):
        with pytest.raises(BundleError, match=f"{role}.*'{name}': no such speech model was found"):
            Registry.load(Settings(model_dirs=[models], **{role: name}))


def shadows(server: LiveServer) -> dict[str, float]:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    told = (line for line in lines if line.startswith("emotion_shadow_answers_total{"))
    return {line.split('outcome="')[1].split('"')[0]: float(line.rpartition(" ")[2]) for line in told}


def test_a_shadow_is_compared_and_answers_nobody(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"default_model": "tiny:1", "shadow": "tiny:2", "shadow_share": 1.0}
    with serving_tiny(models, **names) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        assert version(http) == "1"
        wait_until(lambda: shadows(server) == {"other_emotion": 1.0})
        assert 'emotion_shadow_difference_count{model="tiny",version="2"} 1.0' in http.get("/metrics").text
        assert version(http, model="tiny") == "2"
        analyse, failing = server.services.loaded.pipeline.analyse, []

        def fail(*arguments: object, **named: object) -> object:
            if not failing:
                failing.append(True)
                return analyse(*arguments, **named)
            raise ZeroDivisionError

        monkeypatch.setattr(server.services.loaded.pipeline, "analyse", fail)
        assert version(http) == "1"
        wait_until(lambda: shadows(server).get("failed") == 1.0)
        monkeypatch.undo()
        with server.services.shadow._busy:
            assert version(http) == "1"
        assert shadows(server) == {"other_emotion": 1.0, "failed": 1.0, "passed_over": 1.0}
        assert any(line["message"] == "the shadow failed" for line in server.log_lines())
