"""Hostile and odd videos, row by row: the answer, and that the service is well after it.

Row numbers are those of the table of hostile inputs that the service was designed against.
"""

import os
import threading

import numpy as np
import pytest

from service import problems
from service.pipeline.decoding.decode import Decoder
from service.settings import Limits
from tests import media_files as files
from tests.support.hostile_rows import numbered, peak_bytes, resident_bytes
from tests.support.patience import HANG_S

LIMITS = Limits(max_duration_s=20.0, max_frames=300, max_frame_pixels=1280 * 720)
GOOD = files.video(files.greys(6))
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def deaths():
    return []


@pytest.fixture(scope="module")
def decoder(deaths):
    decoder = Decoder(LIMITS, 1, lambda kind, what: deaths.append(what) if kind == "worker_death" else None)
    decoder.start()
    assert answer(decoder, GOOD) is None
    descriptors = len(os.listdir("/proc/self/fd"))
    yield decoder
    assert len(os.listdir("/proc/self/fd")) == descriptors
    decoder.close()
    assert deaths == ["SIGKILL"]  # our own, of the decoder that ran out of time


def frames_of(decoder, data):
    frames = []
    summary = decoder.video(data, frames.append, timeout_s=HANG_S)
    return frames, summary


def answer(decoder, data):
    """The code of the problem, None if it decoded. Anything but a problem is a bug."""
    try:
        frames, summary = frames_of(decoder, data)
    except (problems.TooLarge, problems.UnsupportedContentType, problems.Unprocessable) as problem:
        return problem.code
    assert len(frames) == summary.frames > 0
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)
    return None


def black(count, width, height, codec="libx264", **options):
    picture = np.zeros((height, width, 3), np.uint8)
    return files.video([picture] * count, codec=codec, preset="ultrafast", **options)


TABLE = {
    "40 empty": (lambda: b"", "media_empty"),
    "58 header claims 5 s, holds 24": (
        lambda: files.claiming_duration(files.video(files.greys(240), rate=10), 5),
        "media_too_long",
    ),
    "59 header claims 10^9 s": (lambda: files.claiming_duration(GOOD, 1e9), None),
    "61 sound only": (lambda: files.m4a(files.tone(0.5, 44_100)), "no_video_stream"),
    "61 plain sound": (lambda: files.wav(files.tone(0.5)), "no_video_stream"),
    "62 40 tracks": (lambda: files.encode("mp4", "aac", files.tone(0.2, 48_000), tracks=40), "too_many_streams"),
    "63 large frame": (lambda: black(1, 4096, 4096), "frame_too_large"),
    "64 too many frames": (lambda: black(301, 64, 48, rate=60), "too_many_frames"),
    "66 index missing": (lambda: GOOD[: GOOD.index(b"moov") - 4], "media_truncated"),
    "67 cut in the first frame": (lambda: GOOD[: GOOD.index(b"mdat") + 20], "media_truncated"),
    "74 points outside": (lambda: files.with_external_reference(GOOD), "media_external_reference"),
    "junk": (lambda: b"\x1a\x45\xdf\xa3junk" * 64, "container_unsupported"),
}


@pytest.mark.parametrize("row", numbered(TABLE))
def test_row(decoder, row):
    make, expected = TABLE[row]
    assert answer(decoder, make()) == expected
    assert answer(decoder, GOOD) is None


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "mpeg4"), ("mp4", "libx264"), ("mp4", "libx265"), ("webm", "libvpx"), ("webm", "libvpx-vp9")],
)
def test_common_codecs_are_read(decoder, container, codec):
    frames, summary = frames_of(decoder, files.video(files.greys(10), container, codec))
    assert len(frames) == 10
    assert (summary.media.width, summary.media.height) == (64, 48)
    assert summary.media.frame_rate_hz == pytest.approx(25, rel=0.01)
    assert summary.media.duration_s == pytest.approx(0.4, abs=0.01)
    assert frames[-1].image[:, 40:].mean() == pytest.approx(190, abs=12)
    assert frames[-1].image[:, :24].mean() == pytest.approx(10, abs=12)


@pytest.mark.hostile_row(65)
def test_row_65_rotated_pictures_stand_upright(decoder):
    frames, summary = frames_of(decoder, files.rotated_90(files.video(files.greys(4))))
    assert frames[-1].image.shape == (64, 48, 3)
    assert (summary.media.width, summary.media.height) == (64, 48)
    assert frames[-1].image[:24].mean() < 30  # the dark half was left and is above after a clockwise turn
    assert frames[-1].image[40:].mean() > 150


@pytest.mark.hostile_row(65)
@pytest.mark.parametrize("pixels", ["yuv444p", "yuv422p", "gray", "yuv420p10le", "yuvj420p", "nv12"])
def test_row_65_odd_pixel_formats(decoder, pixels):
    frames, _ = frames_of(decoder, files.video(files.greys(4), codec="libx264", pixel_format=pixels))
    assert frames[-1].image[:, 40:].mean() == pytest.approx(190, abs=12)


@pytest.mark.hostile_row(65)
@pytest.mark.parametrize("box", [b"mvhd", b"mdhd"])
def test_row_65_no_frame_rate(decoder, box):
    """Ticks a second of 0, by which times and rates would be divided."""
    assert answer(decoder, files.without_timescale(GOOD, box)) in (None, "media_invalid", "media_empty")
    assert answer(decoder, GOOD) is None


@pytest.mark.hostile_row(65)
def test_row_65_uneven_times_are_kept(decoder):
    times_ms = [0, 40, 200, 240, 900, 1000]
    frames, summary = frames_of(decoder, files.video(files.greys(6), "webm", "libvpx", times=times_ms))
    assert [round(1000 * frame.time_s) for frame in frames] == times_ms
    assert summary.flags == ()


@pytest.mark.hostile_row(65)
def test_row_65_the_size_may_change(decoder):
    frames, summary = frames_of(decoder, files.changing_size(files.greys(3), files.greys(3, 128, 96)))
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 3 + [(96, 128, 3)] * 3
    assert (summary.media.width, summary.media.height) == (64, 48)


@pytest.mark.hostile_row(63)
def test_row_63_the_size_may_not_grow_beyond_the_limit(decoder):
    data = files.changing_size(files.greys(1), files.greys(4, 2048, 1024))
    assert answer(decoder, data) in ("frame_too_large", "media_invalid")
    assert answer(decoder, GOOD) is None


def test_large_pictures_are_scaled_down(decoder):
    frames, summary = frames_of(decoder, black(2, 1280, 720))
    assert frames[0].image.shape == (360, 640, 3)
    assert (summary.media.width, summary.media.height) == (1280, 720)


@pytest.mark.hostile_row(57)
def test_row_57_a_bomb_is_never_collected(decoder):
    """300 frames of 1280 × 720 are 829 MB as pictures; no more than one waits at any time."""
    data = black(250, 1280, 720, rate=25)
    before = resident_bytes()
    seen, most = 0, 0

    def look(frame):
        nonlocal seen, most
        seen += 1
        most = max(most, resident_bytes())

    decoder.video(data, look, timeout_s=HANG_S)
    assert seen == 250
    assert most - before < 48 * MIB
    for pid in decoder.worker_pids():
        assert peak_bytes(pid) < 400 * MIB


@pytest.mark.hostile_row(66)
def test_row_66_truncated_anywhere(decoder):
    for stop in range(12, len(GOOD) - 1, max(len(GOOD) // 25, 1)):
        assert answer(decoder, GOOD[:stop]) == "media_truncated"
    assert answer(decoder, GOOD) is None


@pytest.mark.hostile_row(66)
def test_row_66_truncated_webm(decoder):
    data = files.video(files.greys(50), "webm", "libvpx")
    frames, summary = frames_of(decoder, data[: len(data) // 2])
    assert 0 < len(frames) < 50
    assert "truncated" in summary.flags or "damaged" in summary.flags


@pytest.mark.hostile_row(68)
def test_row_68_changed_at_random(decoder):
    movie = files.video(files.greys(12), codec="libx264", preset="ultrafast")
    for seed in range(40):
        answer(decoder, files.flipped(movie, seed))
    assert answer(decoder, GOOD) is None


def test_broken_frames_are_left_out(decoder):
    noise = np.random.default_rng(0).integers(0, 256, (30, 96, 128, 3), np.uint8)
    movie = bytearray(files.video(list(noise), codec="libx264", preset="ultrafast", g="5"))
    start = movie.index(b"mdat") + 4
    for at in range(start + len(movie) // 3, start + len(movie) // 3 + 2000):
        movie[at] ^= 0x5A
    frames, summary = frames_of(decoder, bytes(movie))
    assert "damaged" in summary.flags
    assert 10 <= len(frames) < 30


def test_decoding_waits_for_the_receiver_and_stops_with_it(decoder):
    """The receiver's exception comes out, and the decoder works afterwards."""
    seen = []

    def refuse(frame):
        seen.append(frame.time_s)
        raise KeyError("enough")

    with pytest.raises(KeyError):
        decoder.video(files.video(files.greys(50)), refuse, timeout_s=HANG_S)
    assert seen == [0.0]
    assert answer(decoder, GOOD) is None


def test_the_time_limit_counts_the_receiver(decoder):
    with pytest.raises(problems.DeadlineExceeded):
        decoder.video(files.video(files.greys(50)), lambda _: threading.Event().wait(0.2), timeout_s=0.5)
    assert answer(decoder, GOOD) is None
