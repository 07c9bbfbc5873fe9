"""Faults inside a running service: decoder killed, device out of memory, device hanging. Real decoder, real
pipeline, a tiny model, a real socket."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.services import Services
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S, wait_until

SOUND = wav(tone(1.0))
LONG = wav(np.tile(tone(1.0), 8))
DEADLINE_S = 3.0
"""A deadline short enough for a test to wait for; requests here usually take 0.05 s."""


@pytest.fixture(scope="module")
def faulty(speech_models: Path) -> Iterator[LiveServer]:
    limits = {"deadline_s": DEADLINE_S}
    settings = small_settings(model_dirs=[speech_models], device="cpu", threads=1, max_batch=4, limits=limits)
    services = Services(settings)
    services.start()
    with serving(settings, services) as live:
        yield live
        assert not [line for line in live.request_lines() if line["status"] == 500]


def post(live: LiveServer, body: bytes = SOUND) -> httpx.Response:
    return httpx.post(f"{live.url}/v1/audio/emotion", content=body)


def ready(live: LiveServer) -> int:
    return httpx.get(f"{live.url}/v2/health/ready").status_code


def session_of(live: LiveServer):
    return live.services.loaded.pipeline._models.emotion["tiny", "1"].session


@pytest.mark.chaos_row("decoder killed")
def test_decoder_killed_in_the_middle_of_a_job_costs_one_answer(faulty: LiveServer, monkeypatch) -> None:
    decoder = faulty.services.loaded.decoder
    (pid,) = decoder.worker_pids()
    worker, sent = decoder._pool._live[pid], threading.Event()
    real = worker.channel.receive_header
    monkeypatch.setattr(worker.channel, "receive_header", lambda: (sent.set(), real())[1])
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, faulty)
        assert sent.wait(HANG_S)
        worker.has_begun = True  # which a stopped process cannot say
        os.kill(pid, signal.SIGKILL)
        refused = answer.result(HANG_S)
    assert (refused.status_code, refused.json()["code"]) == (503, "decoder_unavailable")
    assert refused.headers["retry-after"]
    assert post(faulty).status_code == 200
    assert decoder.worker_pids() != [pid]
    assert ready(faulty) == 200


class OutOfMemory:
    """A session that fails its first ``failures`` calls, as a device without memory does."""

    def __init__(self, run, failures: int) -> None:
        self._run = run
        self._left = failures
        self.calls = 0

    def __call__(self, *arguments):
        self.calls += 1
        self._left -= 1
        if self._left >= 0:
            raise MemoryError("CUDA out of memory")
        return self._run(*arguments)


@pytest.mark.chaos_row("device out of memory")
def test_device_out_of_memory_once_is_not_noticed(faulty: LiveServer, monkeypatch) -> None:
    broken = OutOfMemory(session_of(faulty).run, failures=1)
    monkeypatch.setattr(session_of(faulty), "run", broken)
    assert post(faulty, LONG).status_code == 200
    assert broken.calls > 1
    assert ready(faulty) == 200


@pytest.mark.chaos_row("device out of memory")
def test_device_out_of_memory_for_good_is_503_and_the_process_stays_ready(faulty: LiveServer, monkeypatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(session_of(faulty), "run", OutOfMemory(session_of(faulty).run, failures=100))
        refused = post(faulty, LONG)
    assert (refused.status_code, refused.json()["code"]) == (503, "inference_unavailable")
    assert refused.headers["retry-after"]
    assert ready(faulty) == 200
    assert post(faulty).status_code == 200


@pytest.mark.chaos_row("device hangs")
def test_device_that_hangs_is_504_then_not_ready_until_it_goes_on(faulty: LiveServer, monkeypatch) -> None:
    gate, real = threading.Event(), session_of(faulty).run

    def hang(*arguments):
        gate.wait(HANG_S)
        return real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(session_of(faulty), "run", hang)
        late = post(faulty)
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        wait_until(lambda: ready(faulty) == 503)
        assert httpx.get(f"{faulty.url}/v2/health/live").status_code == 200
        gate.set()
        wait_until(lambda: ready(faulty) == 200)
    assert post(faulty).status_code == 200


@pytest.mark.chaos_row("clock jumps")
@pytest.mark.parametrize("years", [10, -10])
def test_a_jumping_clock_is_not_noticed(faulty: LiveServer, monkeypatch, years: int) -> None:
    """The jump comes while the device works: neither the deadline nor readiness measure by the wall clock."""
    real_run, real_time = session_of(faulty).run, time.time

    def jump(*arguments):
        monkeypatch.setattr("time.time", lambda: real_time() + years * 365 * 86_400)
        return real_run(*arguments)

    monkeypatch.setattr(session_of(faulty), "run", jump)
    assert post(faulty, LONG).status_code == 200
    assert ready(faulty) == 200
    assert post(faulty).status_code == 200
    assert faulty.services.loaded.pipeline.admission.held_s == 0
