"""``domain=`` chooses among the graphs of a model, in uploads, streams, jobs and on the command line alike."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.bundle.write import Content, write_bundle
from service.card import read_card
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.problems import Unprocessable
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer
from tests.support.long_recordings import run_job
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny
from tests.tiny_models import speech_model, write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_long_audio import Built

SOUND = tone(1.3, amplitude=0.6)
EMOTION = "/v1/audio/emotion"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with the domains 'first' and 'second', whose answers are exchanged, and one without domains."""
    folder = tmp_path_factory.mktemp("models")
    exchanged = onnx.load_from_string(speech_model())
    for entry in exchanged.graph.initializer:
        if entry.name == "weights":
            entry.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(entry), "weights"))
    written = write_speech_bundle(folder / "draft", priority=1)
    classes = {name: ["anger", "neutral"] for name in ("first", "second")}
    card = read_card(written).model_copy(update={"domains": classes})
    second = Content(exchanged.SerializeToString(), "model:second")
    graphs = {"first.onnx": Content(speech_model()), "second.onnx": second}
    write_bundle(folder / "models", graphs, lambda files: card.model_copy(update={"files": files}))
    write_speech_bundle(folder / "models", "plain")
    write_voice_bundle(folder / "models")
    return folder / "models"


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[LiveServer]:
    with serving_tiny(models, threads=2) as server:
        yield server


def test_a_domain_answers_for_itself_in_every_form(http: httpx.Client, server: LiveServer, models: Path) -> None:
    def ask(accept: str = "application/json", **query: str) -> httpx.Response:
        answer = http.post(EMOTION, params=query, content=wav(SOUND), headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        return answer

    default, first, second = ask().json(), ask(domain="first").json(), ask(domain="second").json()
    assert (default["domain"], first["domain"], second["domain"]) == ("first", "first", "second")
    assert default["by_label"] == first["by_label"]
    assert second["by_label"]["anger"] == pytest.approx(first["by_label"]["neutral"], abs=2e-6)
    assert first["emotion"] != second["emotion"]
    assert "domain" not in ask(model="plain").json()
    streamed = ask("text/event-stream", domain="second").text
    assert json.loads(streamed.rsplit("data: ", 1)[1])["by_label"] == second["by_label"]
    with StreamClient(server) as client:
        client.begin(domain="second")
        client.send(pcm(SOUND))
        *_, closed = client.end()
    assert closed["answer"]["domain"] == "second"
    assert closed["answer"]["by_label"] == pytest.approx(second["by_label"], abs=1e-4)
    built = Built(models)
    try:
        answer, _ = run_job(built.plans, AudioOptions(domain="second"), wav(SOUND), Spool(models.parent / "spool"))
    finally:
        built.close()
    assert answer.domain == "second"
    np.testing.assert_allclose(answer.channels[0].probabilities, [*second["by_label"].values()], atol=2e-6)


@pytest.mark.parametrize(
    ("query", "detail"),
    [({"domain": "third"}, "It has: first, second."), ({"model": "plain", "domain": "first"}, "has no domains")],
)
def test_unknown_domains_are_refused(
    http: httpx.Client, server: LiveServer, models: Path, query: dict[str, str], detail: str
) -> None:
    answer = http.post(EMOTION, params=query, content=wav(SOUND))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, "config_invalid", "/domain")
    assert detail in problem["detail"]
    with StreamClient(server) as client:
        error = client.begin(**query)
    assert (error["code"], error["pointer"]) == ("config_invalid", "/domain")
    built = Built(models)
    try:
        with pytest.raises(Unprocessable, match=detail):
            built.plans.check(AudioOptions(**query))
    finally:
        built.close()
