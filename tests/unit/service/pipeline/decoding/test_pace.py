"""Long work that cannot be done in time is refused as soon as its speed tells."""

from __future__ import annotations

import contextlib
import gc
import threading

import pytest

from service.pipeline.decoding import pace as pace_module
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.pace import Paces
from service.problems import CapacityExceeded, MediaTooLong
from service.settings import Limits
from tests import media_files as files
from tests.support.clock import Clock
from tests.support.patience import HANG_S, wait_until


class Scene:
    """Work on a clock of its own: each piece gets forward by so much of it a second."""

    def __init__(self, *pieces: tuple[float, float]) -> None:
        """Pieces as (share done a second, seconds until it must be done)."""
        self.clock = Clock(100.0)
        self.speeds = [speed for speed, _ in pieces]
        self.shares = [0.0] * len(pieces)
        paces = Paces(self.clock)
        self.stack = contextlib.ExitStack()
        self.reaches = [self.stack.enter_context(paces.follow(100.0 + ends_s, "audio-emotion")) for _, ends_s in pieces]

    def run(self, *pieces: int, seconds: float, step_s: float = 0.5) -> None:
        """Let time pass while these pieces get forward."""
        for _ in range(round(seconds / step_s)):
            self.clock.now += step_s
            for piece in pieces:
                self.shares[piece] += self.speeds[piece] * step_s
                self.reaches[piece](self.shares[piece])


def test_work_that_will_be_done_in_time_is_left_alone():
    Scene((1 / 80, 90.0)).run(0, seconds=79.0)


def test_work_that_is_slow_at_first_is_left_alone():
    scene = Scene((1 / 110, 90.0))  # too slow, by less than the margin
    scene.run(0, seconds=20.0)
    scene.speeds[0] = 1 / 70
    scene.run(0, seconds=55.0)


def test_work_that_is_much_too_slow_is_pointed_to_jobs_within_seconds():
    with pytest.raises(MediaTooLong, match="/v1/jobs/audio-emotion"):
        Scene((1 / 300, 90.0)).run(0, seconds=5.0)


def test_work_that_is_a_little_too_slow_is_refused_before_its_time_is_over():
    with pytest.raises(MediaTooLong):
        Scene((1 / 100, 90.0)).run(0, seconds=85.0)


def test_work_without_a_known_length_is_not_judged():
    scene = Scene((0.0, 10.0))
    scene.run(0, seconds=20.0)
    scene.shares[0] = 1.0  # as of a header that claims too little
    scene.run(0, seconds=20.0)


def test_the_youngest_of_those_that_are_too_slow_gives_way_and_the_elder_goes_on():
    scene = Scene((1 / 200, 90.0), (1 / 200, 90.0))
    with pytest.raises(CapacityExceeded, match="/v1/jobs/audio-emotion") as caught:
        scene.run(0, 1, seconds=10.0)
    assert caught.value.retry_after_s == pytest.approx(200.0, rel=0.1)
    scene.speeds[0] = 1 / 60  # it has all of the machine now
    scene.run(0, seconds=55.0)


def test_an_elder_that_is_too_slow_is_refused_beside_a_younger_that_is_not():
    scene = Scene((1 / 300, 90.0), (1 / 20, 90.0))
    with pytest.raises(CapacityExceeded):
        scene.run(0, 1, seconds=10.0)


def test_a_long_wait_for_a_place_is_no_speed():
    scene = Scene((1 / 50, 150.0))
    scene.run(0, seconds=2.0)
    scene.clock.now += 60.0  # others were served
    scene.run(0, seconds=45.0)


@pytest.fixture
def decoder():
    decoder = Decoder(Limits(), 1)
    decoder.start()
    yield decoder
    decoder.close()


def test_a_promise_is_told_before_a_long_recording_is_decoded(decoder):
    promised = []
    bomb = files.flac_of_one_value(1200, 16_000, 1)
    decoder.audio(bomb, target_rate_hz=16_000, end_s=900.0, start_s=100.0, expect=promised.append)
    assert promised == [pytest.approx(800.0)]
    decoder.audio(files.wav(files.tone(1.0)), target_rate_hz=16_000, expect=promised.append)
    assert len(promised) == 1

    def refuse(_: float) -> None:
        raise CapacityExceeded

    with pytest.raises(CapacityExceeded):
        decoder.audio(bomb, target_rate_hz=16_000, expect=refuse)


def test_a_bomb_that_takes_too_long_is_refused_and_its_process_is_free_again(decoder, monkeypatch):
    monkeypatch.setattr(pace_module, "LEAST_S", 0.5)
    bomb = files.flac_of_one_value(3300, 192_000, 8)
    with pytest.raises(MediaTooLong, match="send it as a job"):
        decoder.audio(bomb, target_rate_hz=16_000, channel="mix", ends_at=0.0)
    gc.collect()
    assert decoder.budget.used_bytes == 0
    assert decoder.audio(files.wav(files.tone(1.0)), target_rate_hz=16_000).samples.shape == (1, 16_000)


def test_a_video_that_takes_too_long_is_refused(decoder, monkeypatch):
    monkeypatch.setattr(pace_module, "LEAST_S", 0.5)
    video = files.video_only_mp4(frames=300)
    patience, frames = threading.Event(), []

    def slowly(frame) -> None:
        frames.append(frame.time_s)
        patience.wait(0.3)

    with pytest.raises(MediaTooLong, match="/v1/jobs/video-affect"):
        decoder.video(video, slowly, timeout_s=20.0)
    assert len(frames) < 60
    wait_until(lambda: decoder.worker_pids(), HANG_S)
