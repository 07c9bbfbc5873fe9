"""Times of a video's frames, how many are looked at, and how pictures are scaled and turned."""

import numpy as np
import pytest

from service.pipeline.media.video_frames import FrameClock, VideoJob, scaled_size, turned
from service.problems import (
    MediaTooLong,
    TooManyFrames,
)


def job(**limits):
    defaults = {"max_duration_s": 10.0, "max_frame_pixels": 10**6, "max_frames": 1000, "max_streams": 4}
    defaults["max_frame_rate_hz"] = 40.0
    return VideoJob("mp4", "mov", ("h264",), **(defaults | limits))


def test_times_start_at_0_and_increase_whatever_the_stamps_say():
    clock = FrameClock(job(), 10.0)
    stamps = [5.0, 5.1, 5.1, None, 5.05, 6.0]
    np.testing.assert_allclose([clock.tick(stamp) for stamp in stamps], [0, 0.1, 0.2, 0.3, 0.4, 1.0])
    assert clock.repaired == 3
    assert clock.rate_hz == pytest.approx(5.0)


@pytest.mark.parametrize("claimed_hz", [0.0, 1e9, float("nan"), -3.0])
def test_without_stamps_or_a_sane_rate_25_a_second_are_taken(claimed_hz):
    clock = FrameClock(job(), claimed_hz)
    np.testing.assert_allclose([clock.tick(None) for _ in range(4)], [0, 0.04, 0.08, 0.12])
    assert clock.duration_s == pytest.approx(0.16)


def test_limits_are_held_while_time_goes_by():
    with pytest.raises(TooManyFrames):
        [FrameClock(clock_job, 25).tick(None) for clock_job in [job(max_frames=0)]]
    late = FrameClock(job(), 25)
    late.tick(0.0)
    with pytest.raises(MediaTooLong):
        late.tick(10.5)


def test_of_60_frames_a_second_every_other_is_looked_at():
    clock = FrameClock(job(), 60)
    assert [clock.takes(clock.tick(index / 60)) for index in range(6)] == [True, False] * 3
    uneven = FrameClock(job(), 30)
    assert all(uneven.takes(uneven.tick(stamp)) for stamp in (0.0, 0.028, 0.066, 0.1))


@pytest.mark.parametrize(
    ("rate_hz", "greatest_hz", "kept_of_12"),
    [(25, 40, 12), (30, 40, 12), (40, 40, 12), (50, 40, 6), (59.94, 40, 6), (120, 40, 4), (60, 60, 12), (200, 240, 12)],
)
def test_the_greatest_rate_decides_how_many_frames_are_looked_at(rate_hz, greatest_hz, kept_of_12):
    clock = FrameClock(job(max_frame_rate_hz=greatest_hz), rate_hz)
    stamps = [round(index / rate_hz, 3) for index in range(12)]  # as containers with milliseconds write them
    assert sum(clock.takes(clock.tick(stamp)) for stamp in stamps) == kept_of_12


def test_two_frames_close_together_do_not_make_a_fast_video():
    clock = FrameClock(job(), 26.5)
    stamps = np.arange(40) / 26.5
    stamps[[5, 20]] = stamps[[4, 19]] + 0.014  # as in recordings of telephones
    assert all(clock.takes(clock.tick(stamp)) for stamp in stamps)


def test_a_fast_stretch_of_a_slow_video_is_thinned():
    clock = FrameClock(job(), 25.0)
    stamps = [*np.arange(20) / 25, *(0.8 + np.arange(60) / 120)]
    taken = [clock.takes(clock.tick(stamp)) for stamp in stamps]
    assert all(taken[:20])
    assert sum(taken[20:]) < 30


def test_pictures_are_scaled_and_turned():
    assert scaled_size(320, 240, 1.0) == (320, 240)
    assert scaled_size(1920, 1080, 1.0) == (640, 360)
    assert scaled_size(720, 576, 16 / 15) == (640, 480)
    assert scaled_size(100_000, 1, 1.0) == (640, 1)
    assert scaled_size(100, 100, 1e9) == (100, 100)
    picture = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    np.testing.assert_array_equal(turned(picture, 0.0), picture)
    np.testing.assert_array_equal(turned(picture, -90.0)[0, 0], picture[0, 0])
    np.testing.assert_array_equal(turned(picture, 90.0)[0, 0], picture[0, 1])
