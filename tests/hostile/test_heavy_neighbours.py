"""One sender's heavy work: nobody else waits until it is done. Senders without keys are told apart by address."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.clips import flac_of_one_value
from service.services import Services
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import HANG_S, wait_until

EMOTION = "/v1/audio/emotion"
CLIP = wav(tone(3.0))
BOMB = flac_of_one_value(100, 192_000, 8)
"""Most of a second of decoding, in 10 KB."""

LONG = wav(np.tile(tone(1.0), 120))


@pytest.fixture
def live(speech_models: Path) -> Iterator[LiveServer]:
    limits = {"max_body_bytes": 64 * 1024 * 1024, "deadline_s": 180.0, "decode_timeout_s": 120.0}
    settings = small_settings(model_dirs=[speech_models], device="cpu", threads=1, capacity_s=20_000.0, limits=limits)
    services = Services(settings)
    services.start()
    with serving(settings, services) as live:
        yield live


class Sender:
    """Requests of one address, each in a thread."""

    def __init__(self, live: LiveServer, address: str) -> None:
        self._client = httpx.Client(
            base_url=live.url, timeout=3 * HANG_S, transport=httpx.HTTPTransport(local_address=address)
        )
        self.answers: list[int] = []
        self._threads: list[threading.Thread] = []

    def post(self, body: bytes) -> int:
        status = self._client.post(EMOTION, content=body).status_code
        self.answers.append(status)
        return status

    def begin(self, body: bytes) -> None:
        self._threads.append(threading.Thread(target=self.post, args=(body,)))
        self._threads[-1].start()

    def end(self) -> None:
        for thread in self._threads:
            thread.join()
        self._client.close()


@pytest.mark.parametrize(("heavy", "at_once"), [(BOMB, 4), (LONG, 8)], ids=["decompression bombs", "long uploads"])
def test_a_clip_does_not_wait_for_the_work_of_another_sender(live: LiveServer, heavy: bytes, at_once: int) -> None:
    attacker, neighbour = Sender(live, "127.0.0.1"), Sender(live, "127.0.0.2")
    assert neighbour.post(CLIP) == 200
    try:
        for _ in range(at_once):
            attacker.begin(heavy)
        # The first may be done before the last has come.
        wait_until(lambda: live.services.work.unfinished + len(attacker.answers) == at_once)
        assert neighbour.post(CLIP) == 200
        assert len(attacker.answers) < at_once  # in the order of coming, the clip would be the last
    finally:
        attacker.end()
        neighbour.end()
    assert attacker.answers == [200] * at_once
