"""``prior=`` on a real socket: every form of the answer says what was used, and bad ones are refused."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny

SOUND = tone(1.3, amplitude=0.6)
EMOTION = "/v1/audio/emotion"
ASKED = {"source": "asked", "by_label": {"anger": 0.99, "neutral": 0.01}}


@pytest.fixture(scope="module")
def server(tiny_models: Path) -> Iterator[LiveServer]:
    with serving_tiny(tiny_models, threads=2) as server:
        yield server


def test_every_form_of_the_answer_follows(http: httpx.Client, server: LiveServer) -> None:
    def ask(accept: str, prior: str) -> httpx.Response:
        answer = http.post(EMOTION, params={"prior": prior}, content=wav(SOUND), headers={"accept": accept})
        assert answer.status_code == 200, answer.text
        return answer

    plain, answer = (ask("application/json", prior).json() for prior in ("card", "anger:0.99"))
    assert "prior" not in plain
    assert answer["prior"] == ASKED
    assert ask("application/json", "uniform").json()["by_label"] == pytest.approx(plain["by_label"], abs=2e-6)
    odds = [99 * plain["by_label"]["anger"], plain["by_label"]["neutral"]]
    assert answer["by_label"]["anger"] == pytest.approx(odds[0] / sum(odds), abs=1e-2)  # a mean over windows
    assert (plain["emotion"], answer["emotion"]) == ("neutral", "anger")
    result = json.loads(ask("text/event-stream", "anger:0.99").text.rsplit("data: ", 1)[1])
    assert (result["by_label"], result["prior"]) == (answer["by_label"], ASKED)
    rows = list(csv.DictReader(io.StringIO(ask("text/csv", "anger:0.99").text)))
    assert all(float(row["anger"]) > float(row["neutral"]) for row in rows)
    assert "before anything is heard: anger 0.99, neutral 0.01." in ask("application/fhir+json", "anger:0.99").text
    with StreamClient(server) as client:
        client.begin(prior="anger:0.99")
        client.send(pcm(SOUND))
        *_, closed = client.end()
    assert closed["answer"]["prior"] == ASKED
    assert closed["answer"]["by_label"] == pytest.approx(answer["by_label"], abs=1e-4)


@pytest.mark.parametrize(
    ("prior", "detail"),
    [
        ("anger", "must be 'card', 'uniform'"),
        ("anger:0.9,anger:0.1", "names a label twice"),
        ("joy:0.5", "It knows: anger, neutral."),
        ("anger:2", "sums to more than 1"),
        ("anger:0,neutral:0", "excludes every label"),
    ],
)
def test_bad_priors_are_refused(http: httpx.Client, server: LiveServer, prior: str, detail: str) -> None:
    answer = http.post(EMOTION, params={"prior": prior}, content=wav(SOUND))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["pointer"]) == (422, "config_invalid", "/prior")
    assert detail in problem["detail"]
    with StreamClient(server) as client:
        error = client.begin(prior=prior)
    assert (error["code"], error["pointer"]) == ("config_invalid", "/prior")
    assert detail in error["detail"]
