"""Answers of uploads, streams and jobs are counted by emotion."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.plain_wav import tone, wav
from tests.support.job_server import ended, submit
from tests.support.live_server import LiveServer, small_settings
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_with_jobs
from tests.tiny_models import write_speech_bundle

SOUND = wav(0.1 * np.sin(np.arange(16_000, dtype=np.float32)))


def answers(server: LiveServer) -> float:
    samples = httpx.get(f"{server.url}/metrics").text.splitlines()
    counts = [line for line in samples if line.startswith("emotion_answers_total{") and 'model="tiny"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


def test_uploads_streams_and_jobs_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.telemetry.metrics.ANSWERS_TOGETHER", 1)
    write_speech_bundle(tmp_path / "models")
    settings = small_settings(
        model_dirs=[tmp_path / "models"], device="cpu", jobs=True, state_dir=tmp_path, max_job_body_bytes=10**7
    )
    with serving_with_jobs(settings) as server, httpx.Client(base_url=server.url) as client:
        for accept, params in (("application/json", {}), ("text/event-stream", {}), ("text/csv", {"channel": "each"})):
            answer = client.post("/v1/audio/emotion", content=SOUND, headers={"Accept": accept}, params=params)
            assert answer.status_code == 200, answer.text
        assert answers(server) == 3
        with StreamClient(server) as stream:
            stream.begin()
            stream.send(pcm(tone(1.0)))
            assert stream.end()[-1]["type"] == "session.closed"
        assert answers(server) == 4
        job = submit(client, SOUND)
        assert ended(client, job)["state"] == "succeeded"
        for _ in range(2):
            assert client.get(f"{job}/result").status_code == 200
        assert answers(server) == 5
