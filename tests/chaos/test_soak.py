"""Thousands of requests, good, bad and abandoned, at one real server: no 500, nothing lost, nothing kept."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.server import running_server
from benchmarks.soak import Soak, look
from service.services import Services
from tests import media_files as files
from tests.support.live_server import LiveServer, connected, serving, small_settings
from tests.support.patience import wait_until
from tests.support.raw_http import post

REQUESTS, AT_ONCE = 2400, 8
MAX_GROWTH = 1.25
"""Memory of service and decoders after all requests, as a ratio of that after the first tenth of them."""
SOUND = files.wav(files.tone(1.0))
BODIES = {
    200: (SOUND, files.flac(files.tone(2.0)), files.m4a(files.tone(1.0))),
    413: (bytes(5 * 1024 * 1024),),
    415: (b"%PDF-1.7" + bytes(300), files.playlist(b"/etc/passwd")),
    422: (b"RIFF", files.wav_of(b""), files.wav(files.tone(0.01))),
}
PATHS = ("/v1/audio/emotion", "/v1/audio/emotion?timeline=1", "/v1/audio/embedding")


def send(live: LiveServer, number: int) -> tuple[int, int]:
    """One request, chosen by its number; returns the expected and the true status, 0 where nobody waited."""
    choice = random.Random(number)
    path, expected = choice.choice(PATHS), choice.choice((200, 200, 200, 413, 415, 422, 0))
    if expected:
        body = choice.choice(BODIES[expected])
        return expected, httpx.post(live.url + path, content=body).status_code
    head = post(path, len(SOUND))
    with connected(live.port) as connection:
        connection.sendall((head + SOUND)[: choice.choice((len(head) + 500, len(head) + len(SOUND)))])
    return 0, 0


def memory_bytes() -> int:
    process = psutil.Process()
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_soak(speech_models: Path) -> None:
    settings = small_settings(model_dirs=[speech_models], device="cpu", threads=1, log_level="error")
    services = Services(settings)
    services.start()
    process = psutil.Process()
    with serving(settings, services) as live, ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda number: send(live, number), range(REQUESTS // 10)))
        before = memory_bytes(), process.num_fds(), process.num_threads()
        outcomes += pool.map(lambda number: send(live, number), range(REQUESTS // 10, REQUESTS))
        wait_until(lambda: services.work.unfinished == 0 and services.uploads.uploads == 0)
        assert Counter(outcomes) == Counter((expected, expected) for expected, _ in outcomes)
        assert len(outcomes) == REQUESTS
        assert (services.uploads.held_bytes, services.loaded.pipeline.admission.held_s) == (0, 0)
        wait_until(lambda: process.num_fds() <= before[1] + AT_ONCE)
        assert process.num_threads() <= before[2] + 2
        print(f"memory {memory_bytes() / before[0]:.3f} of that after {REQUESTS // 10} requests")  # noqa: T201
        assert memory_bytes() < MAX_GROWTH * before[0]
        assert httpx.get(f"{live.url}/v2/health/ready").status_code == 200


WARM_UP, OF_EACH_KIND = 8, 6
SPARE_THREADS = 4
"""Threads that pools of fixed size may still start; a kind that leaves one behind leaves :data:`OF_EACH_KIND`."""


@pytest.mark.timeout(900)
def test_no_kind_of_request_leaves_a_descriptor_or_a_thread(tmp_path: Path) -> None:
    with running_server(state_dir=str(tmp_path), decode_workers="1", threads="1") as server:
        soak = Soak(server)

        def send(at_once: int, count: int) -> None:
            orders = [(kind, number) for number in range(count) for kind in soak.kinds]
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(lambda order: soak.send(order[0], random.Random(order[1])), orders))

        send(AT_ONCE, WARM_UP)  # more at once than later: every thread and decoder is there then
        time.sleep(1.0)  # what was cut off ends
        before = look(server.pid)
        send(1, OF_EACH_KIND)
        wait_until(lambda: look(server.pid).descriptors <= before.descriptors)
        wait_until(lambda: look(server.pid).threads <= before.threads + SPARE_THREADS)
        assert soak.outcomes.total() == len(soak.kinds) * (WARM_UP + OF_EACH_KIND)
        assert not any("500" in outcome or "failed" in outcome for outcome in soak.outcomes)
