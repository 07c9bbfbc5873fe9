"""The call for embeddings over a real socket: shapes, negotiation, parameters and problems."""

import csv
import io
import re

import httpx
import pytest

from service.schemas.embedding import AudioEmbeddingAnswer
from tests.support.live_server import LiveServer

EMBEDDING = "/v1/audio/embedding"
WAV = {"content": b"RIFF....", "headers": {"content-type": "audio/wav"}}


@pytest.mark.parametrize("send", [WAV, {"files": {"file": ("a.wav", b"RIFF....", "audio/wav")}}])
def test_json_answer(client: httpx.Client, live: LiveServer, send: dict) -> None:
    response = client.post(EMBEDDING, **send)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = AudioEmbeddingAnswer.model_validate(response.json())
    assert answer.request_id == response.headers["x-request-id"]
    assert answer.embedding[1] is None
    assert {len(row) for row in answer.embedding if row is not None} == {answer.dimensions}
    assert len(answer.timeline.start_s) == len(answer.timeline.end_s) == len(answer.embedding)
    assert live.pipeline.seen[-1][0] == b"RIFF...."
    stages = re.findall(r"(\w+);dur=", response.headers["server-timing"])
    assert stages == ["upload", "decode", "queue", "infer", "post", "render", "total"]


def test_csv_answer_and_no_picture(client: httpx.Client) -> None:
    def post(accept: str, channel: str = "mix") -> httpx.Response:
        headers = WAV["headers"] | {"accept": accept}
        return client.post(EMBEDDING, params={"channel": channel}, content=b"RIFF....", headers=headers)

    table = post("text/csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert next(csv.reader(io.StringIO(table.text))) == ["start_s", "end_s", "e0", "e1", "e2"]
    assert next(csv.reader(io.StringIO(post("text/csv", "each").text)))[0] == "channel"
    assert post("image/png, text/csv;q=0.1").headers["content-type"].startswith("text/csv")
    refused = post("image/png")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


def test_channels_and_denoiser(client: httpx.Client) -> None:
    response = client.post(EMBEDDING, params={"channel": "each", "denoise": "true"}, **WAV)
    answer = AudioEmbeddingAnswer.model_validate(response.json())
    assert answer.channels is not None
    assert [channel.channel for channel in answer.channels] == ["left", "right"]
    assert answer.denoiser is not None
    assert "denoised" in answer.flags


def test_parameters_reach_the_pipeline(client: httpx.Client, live: LiveServer) -> None:
    query = "model=example&version=2&window_s=2&hop_s=0.5&channel=right&start_s=1&end_s=2.5&denoise=1"
    assert client.post(f"{EMBEDDING}?{query}", **WAV).status_code == 200
    options = live.pipeline.seen[-1][1]
    assert (options.model, options.version, options.channel, options.denoise) == ("example", "2", "right", True)
    assert (options.window_s, options.hop_s, options.start_s, options.end_s) == (2.0, 0.5, 1.0, 2.5)
