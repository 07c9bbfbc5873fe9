"""Metrics by their names, logs without content."""

import io
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.services import Services
from service.telemetry.logs import JsonFormatter
from service.telemetry.metrics import ANSWERS_TOGETHER, Metrics
from tests.support.example_results import fake_result
from tests.support.fakes import fake_services
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer, serving, small_settings, wait_until

NAMES = [
    "emotion_requests_total",
    "emotion_request_duration_seconds",
    "emotion_stage_duration_seconds",
    "emotion_audio_seconds_total",
    "emotion_queue_depth",
    "emotion_queue_audio_seconds",
    "emotion_shed_total",
    "emotion_batch_size",
    "emotion_batch_padding_ratio",
    "emotion_decode_failures_total",
    "emotion_decode_worker_deaths_total",
    "emotion_model_info",
    "emotion_ready",
    "emotion_gpu_memory_bytes",
    "emotion_device_fallback",
    "emotion_jobs_available",
    "process_resident_memory_bytes",
]


@pytest.mark.parametrize("name", NAMES)
def test_metric_is_there(client: httpx.Client, name: str) -> None:
    assert f"# TYPE {name} " in client.get("/metrics").text


def test_gpu_memory_is_what_the_pipeline_says(client: httpx.Client) -> None:
    assert "emotion_gpu_memory_bytes 5e+09" in client.get("/metrics").text


def test_requests_are_counted_by_route_template(live: LiveServer, client: httpx.Client) -> None:
    for address in ("/v1/models/example/1", "/v1/models/example/77", "/nowhere"):
        client.get(address)
    client.post("/v1/audio/emotion", content=b"RIFF")
    client.post("/v1/audio/emotion", content=b"invalid")
    text = client.get("/metrics").text
    assert 'emotion_requests_total{code="200",route="/v1/models/{name}/{version}"} 1.0' in text
    assert 'emotion_requests_total{code="404",route="/v1/models/{name}/{version}"} 1.0' in text
    assert 'emotion_requests_total{code="404",route="unmatched"} 1.0' in text
    assert 'emotion_requests_total{code="422",route="/v1/audio/emotion"} 1.0' in text
    assert 'emotion_stage_duration_seconds_count{stage="upload"} 2.0' in text
    assert 'emotion_audio_seconds_total{outcome="ok"} 2.0' in text
    assert 'provider="CPUExecutionProvider"' in text
    assert 'emotion_request_duration_seconds_count{route="/v1/audio/emotion"} 2.0' in text
    assert "nowhere" not in text


def test_readiness_is_what_the_probe_says(live: LiveServer, client: httpx.Client) -> None:
    assert "emotion_ready 1.0" in client.get("/metrics").text
    live.pipeline.is_stalled = True
    assert client.get("/v2/health/ready").status_code == 503
    assert "emotion_ready 0.0" in client.get("/metrics").text
    live.pipeline.is_stalled = False


def test_pipeline_and_decoder_report() -> None:
    metrics = Metrics()
    metrics.observe_pipeline("stage_seconds", 0.2, {"stage": "decode"})
    metrics.observe_pipeline("batch_windows", 4, {"device": "cpu"})
    metrics.observe_pipeline("batch_padding_ratio", 0.1, {})
    metrics.observe_pipeline("something_new", 1, {})
    metrics.decoder_event("failure", "media_empty")
    metrics.decoder_event("worker_death", "SIGSEGV")
    text = metrics.exposition().decode()
    assert 'emotion_stage_duration_seconds_sum{stage="decode"} 0.2' in text
    assert "emotion_batch_size_sum 4.0" in text
    assert "emotion_batch_padding_ratio_count 1.0" in text
    assert 'emotion_decode_failures_total{code="media_empty"} 1.0' in text
    assert 'emotion_decode_worker_deaths_total{signal="SIGSEGV"} 1.0' in text


def test_answers_are_counted_together_so_that_none_can_be_read() -> None:
    metrics, answer = Metrics(), fake_result()
    for _ in range(ANSWERS_TOGETHER - 1):
        metrics.answered(answer)
    assert "emotion_answers_total{" not in metrics.exposition().decode()
    silent = replace(
        answer.channels[0], probabilities=None, emotion=None, timeline=replace(answer.channels[0].timeline, speech=None)
    )
    metrics.answered(replace(answer, channels=(silent,)))
    text = metrics.exposition().decode()
    model, known = f'model="{answer.model.name}",version="{answer.model.version}"', ANSWERS_TOGETHER - 1.0
    assert f'emotion_answers_total{{emotion="{answer.channels[0].emotion}",{model}}} {known}' in text
    assert f'emotion_answers_total{{emotion="none",{model}}} 1.0' in text
    assert f"emotion_answer_probability_count{{{model}}} {known}" in text
    assert f"emotion_answer_speech_ratio_count{{{model}}} {known}" in text


def test_two_applications_do_not_share_metrics() -> None:
    first, second = Metrics(), Metrics()
    first.shed_total.labels("draining").inc()
    assert b'reason="draining"' in first.exposition()
    assert b'reason="draining"' not in second.exposition()


def test_exceptions_are_logged_without_their_text() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    try:
        raise ValueError("secret")
    except ValueError:
        record = logging.LogRecord("service", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    handler.emit(record)
    line = json.loads(stream.getvalue())
    assert line["exception"] == "builtins.ValueError"
    assert line["trace"]
    assert "secret" not in stream.getvalue()


def test_probes_are_neither_counted_nor_logged_among_requests() -> None:
    with serving(small_settings(log_level="info")) as server:
        for path in ("/v2/health/live", "/v2/health/ready", "/v2"):
            assert httpx.get(server.url + path).status_code == 200
        text = httpx.get(f"{server.url}/metrics").text
        wait_until(lambda: len(server.request_lines()) >= 2)
        assert [line["route"] for line in server.request_lines()] == ["/v2", "/metrics"]
    assert 'route="/v2"' in text
    assert "/v2/health" not in text


@pytest.mark.parametrize("reason", [None, "the library libcudnn.so.9 is missing"])
def test_a_fallback_is_told_by_readiness_and_a_metric(reason: str | None) -> None:
    settings = small_settings()
    loaded = replace(fake_services(settings).loaded, fallback=reason)
    with serving(settings, Services(settings, loaded)) as server:
        assert httpx.get(f"{server.url}/v2/health/ready").json()["fallback"] == reason
        assert f"emotion_device_fallback {float(reason is not None)}" in httpx.get(f"{server.url}/metrics").text


def test_metrics_tell_whether_jobs_are_taken(tmp_path: Path) -> None:
    with serving_jobs(tmp_path / "state") as server:
        assert "emotion_jobs_available 1.0" in httpx.get(f"{server.url}/metrics").text
        server.live.services._job_place._jobs = None
        assert "emotion_jobs_available 0.0" in httpx.get(f"{server.url}/metrics").text
        server.live.services._job_place._jobs = server.jobs
    with serving(small_settings(jobs=False)) as without:
        assert "emotion_jobs_available NaN" in httpx.get(f"{without.url}/metrics").text
