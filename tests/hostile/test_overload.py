"""Rows 77 and 78: too many uploads at once, clients that leave, work that takes too long."""

import asyncio
import re
import socket
import threading
from collections import Counter

import httpx
import numpy as np
import pytest

from service.services import Services
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer, connected, serving, small_settings
from tests.support.patience import HANG_S, wait_until
from tests.support.raw_http import post
from tests.tiny_models import write_speech_bundle

EMOTION = "/v1/audio/emotion"


def send_without_reading(live: LiveServer, body: bytes) -> socket.socket:
    connection = connected(live.port)
    connection.sendall(post(EMOTION, len(body)) + body)
    return connection


def metric(live: LiveServer, name: str) -> float:
    """The value that the service tells."""
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{live.url}/metrics").text, re.M)
    return float(value)


@pytest.mark.hostile_row(77)
def test_row_77_what_is_over_capacity_is_refused_at_once() -> None:
    async def burst(live: LiveServer) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=live.url, limits=limits) as client:
            work = [asyncio.create_task(client.post(EMOTION, content=b"gate")) for _ in range(200)]
            async with asyncio.timeout(HANG_S):
                while sum(task.done() for task in work) < 168:
                    await asyncio.sleep(0.01)
            assert (await client.get("/v2/health/live")).status_code == 200  # though 32 are still at work
            live.pipeline.gate.set()
            return await asyncio.gather(*work)

    with serving(small_settings(max_requests=32)) as live:
        responses = asyncio.run(burst(live))
        assert Counter(response.status_code for response in responses) == {200: 32, 503: 168}
        for response in responses:
            if response.status_code == 503:
                assert response.json()["code"] == "capacity_exceeded"
                assert int(response.headers["retry-after"]) >= 1
        assert 'emotion_shed_total{reason="capacity_exceeded"} 168.0' in httpx.get(f"{live.url}/metrics").text
        assert live.services.uploads.uploads == 0


def test_memory_of_all_uploads_is_bounded() -> None:
    with serving(small_settings(upload_memory_bytes=1_000_000)) as live:
        connection = send_without_reading(live, b"gate" + bytes(900_000))
        wait_until(lambda: live.pipeline.seen)
        refused = httpx.post(live.url + EMOTION, content=bytes(200_000))
        assert (refused.status_code, refused.json()["code"]) == (503, "capacity_exceeded")
        live.pipeline.gate.set()
        connection.recv(10)
        connection.close()
        wait_until(lambda: live.services.uploads.held_bytes == 0)
        assert httpx.post(live.url + EMOTION, content=bytes(200_000)).status_code == 200


@pytest.mark.hostile_row(78)
def test_row_78_client_leaves_while_uploading() -> None:
    with serving(small_settings()) as live:
        connection = connected(live.port)
        connection.sendall(post(EMOTION, 100) + b"RIFF")
        wait_until(lambda: live.services.uploads.held_bytes == 4)
        connection.close()
        wait_until(lambda: live.services.uploads.uploads == 0)
        assert live.pipeline.seen == []
        wait_until(lambda: any(line.get("code") == "client_gone" for line in live.log_lines()))


@pytest.mark.hostile_row(78)
def test_row_78_client_leaves_while_queued() -> None:
    with serving(small_settings()) as live:
        threads = live.services.work.threads
        busy = [send_without_reading(live, b"gate") for _ in range(threads)]
        wait_until(lambda: len(live.pipeline.seen) == threads)
        queued = send_without_reading(live, b"queued")
        wait_until(lambda: live.services.work.unfinished == threads + 1)
        queued.close()
        wait_until(lambda: live.services.work.unfinished == threads)
        live.pipeline.gate.set()
        for connection in busy:
            assert connection.recv(12).endswith(b"200")
            connection.close()
        wait_until(lambda: live.services.work.unfinished == 0)
        assert b"queued" not in [content for content, _ in live.pipeline.seen]


@pytest.mark.hostile_row(78)
def test_row_78_client_leaves_while_inferring(tmp_path, monkeypatch) -> None:
    """The real pipeline: what the device has begun ends, what it has not is dropped, and all permits come back."""
    write_speech_bundle(tmp_path)
    settings = small_settings(model_dirs=[tmp_path], device="cpu", threads=1)
    services = Services(settings)
    services.start()
    pipeline = services.loaded.pipeline
    session, gate, calls = pipeline._models.emotion["tiny", "1"].session, threading.Event(), []
    run = session.run

    def wait(*arguments):
        calls.append(1)
        gate.wait(HANG_S)
        return run(*arguments)

    monkeypatch.setattr(session, "run", wait)
    with serving(settings, services) as live:
        leaving = send_without_reading(live, wav(np.tile(tone(1.0), 40)))
        wait_until(lambda: calls)
        assert pipeline.admission.held_s > 0
        wait_until(lambda: pipeline.waiting_windows > 0)
        assert metric(live, "emotion_queue_audio_seconds") == pipeline.admission.held_s
        assert metric(live, "emotion_queue_depth") == pipeline.waiting_windows
        leaving.close()
        wait_until(lambda: pipeline.waiting_windows == 0)  # what waited was dropped while the device was busy
        gate.set()
        wait_until(lambda: pipeline.admission.held_s == 0 and live.services.work.unfinished == 0)
        assert live.services.uploads.uploads == 0
        assert len(calls) == 1  # of the 79 windows
        wait_until(lambda: metric(live, "emotion_batch_size_count") == 1)
        assert httpx.post(live.url + EMOTION, content=wav(tone(1.0))).status_code == 200
        wait_until(lambda: metric(live, "emotion_batch_size_count") == 2)
        assert metric(live, 'emotion_stage_duration_seconds_count{stage="infer"}') >= 1
        assert (metric(live, "emotion_queue_depth"), metric(live, "emotion_queue_audio_seconds")) == (0, 0)
        assert httpx.post(live.url + EMOTION, content=b"RIFF").status_code in (415, 422)
        assert "emotion_decode_failures_total{code=" in httpx.get(f"{live.url}/metrics").text
        wait_until(lambda: any(line.get("code") == "client_gone" for line in live.request_lines()))


def test_deadline() -> None:
    with serving(small_settings(limits={"deadline_s": 1.0})) as live:
        response = httpx.post(live.url + EMOTION, content=b"gate")
        live.pipeline.gate.set()
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        assert httpx.post(live.url + EMOTION, content=b"RIFF").status_code == 200


def test_event_loop_stays_free_while_work_runs() -> None:
    with serving(small_settings()) as live:
        connection = send_without_reading(live, b"gate")
        wait_until(lambda: live.pipeline.seen)
        assert httpx.get(live.url + "/v2/health/live").status_code == 200
        live.pipeline.gate.set()
        connection.close()
