"""Choice of the track: drawn orders of silent, speaking, marked and unknown tracks."""

import random

import numpy as np
import pytest

from service.problems import Unprocessable
from tests import media_files as files
from tests.support.presented_files import presented

RATE_HZ = 16_000
CODECS = {"mp4": ("aac", "flac"), "matroska": ("aac", "libopus", "flac"), "mov": ("aac",), "mpegts": ("aac",)}
DURATION_S = 1.0


def tone_of(number):
    """A tone by which a track is known again: 300, 500, 700, … Hz."""
    time_s = np.arange(round(DURATION_S * 48_000)) / 48_000
    return (0.4 * np.sin(2 * np.pi * (300 + 200 * number) * time_s)).astype(np.float32)


def heard(samples):
    """Number of the track that float32 [n] is of."""
    spectrum = np.abs(np.fft.rfft(samples[: RATE_HZ // 2]))
    return round((int(spectrum.argmax()) * 2 - 300) / 200)


def draw(seed):
    """Container, and of each sound track whether it is silent and marked default."""
    rng = random.Random(seed)
    container = rng.choice(sorted(CODECS))
    count = rng.randint(2, 4)
    marked = rng.choice([None, *range(count)])
    tracks = [
        {
            "codec": rng.choice(CODECS[container]),
            "samples": np.zeros(48_000, np.float32) if rng.random() < 0.5 else tone_of(number),
            "default": number == marked,
            "language": rng.choice(("eng", "deu", "fra")),
        }
        for number in range(count)
    ]
    return container, tracks


@pytest.mark.parametrize("seed", range(50))
def test_the_default_track_unless_it_is_silent_then_the_first_that_is_not(decoder, seed):
    container, tracks = draw(seed)
    data = presented(container, tracks, pictures=[{"duration_s": 1.0}] if seed % 2 else [])
    decoded = decoder.audio(data, target_rate_hz=RATE_HZ, channel="mix")
    told = [track for track in decoded.media.tracks if track.kind == "sound"]
    speaks = [number for number, track in enumerate(tracks) if track["samples"].any()]
    order = sorted(range(len(tracks)), key=lambda number: not told[number].default)
    wanted = next((number for number in order if number in speaks), order[0])
    assert [track.used for track in told] == [number == wanted for number in range(len(tracks))]
    if speaks:
        assert heard(decoded.samples[0]) == wanted
    if container == "matroska":  # the others mark none, or all
        assert [track.default for track in told] == [track["default"] for track in tracks]
        assert [track.language for track in told] == [track["language"] for track in tracks]
    assert "several_tracks" in decoded.flags
    assert all(track.silent in (None, True) for track in told)
    assert not any(track.silent and number in speaks for number, track in enumerate(told))


@pytest.mark.parametrize("seed", range(10))
def test_a_number_chooses(decoder, seed):
    container, tracks = draw(100 + seed)
    for number, track in enumerate(tracks):
        track["samples"] = tone_of(number)
    data = presented(container, tracks)
    for number in range(len(tracks)):
        assert heard(decoder.audio(data, target_rate_hz=RATE_HZ, track=number).samples[0]) == number
    with pytest.raises(Unprocessable) as caught:
        decoder.audio(data, target_rate_hz=RATE_HZ, track=len(tracks))
    assert caught.value.pointer == "/track"


def test_one_track_is_flagged_in_no_way(decoder):
    decoded = decoder.audio(files.m4a(files.tone(1.0, 44_100)), target_rate_hz=RATE_HZ)
    assert decoded.flags == ()
    (track,) = decoded.media.tracks
    assert (track.kind, track.codec, track.used, track.start_s) == ("sound", "aac", True, 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_the_picture_track_marked_default(decoder, seed):
    rng = random.Random(seed)
    marked = rng.choice([None, 0, 1, 2])
    rates = [10, 20, 30]
    pictures = [{"duration_s": 1.0, "rate": rate, "default": number == marked} for number, rate in enumerate(rates)]
    data = presented("matroska", [], pictures=pictures)
    summary = decoder.video(data, lambda _: None, timeout_s=30.0)
    assert summary.media.frame_rate_hz == pytest.approx(rates[marked or 0], abs=1.0)
    assert summary.flags == ("several_tracks",)
    for number, rate in enumerate(rates):
        chosen = decoder.video(data, lambda _: None, timeout_s=30.0, picture_track=number)
        assert chosen.media.frame_rate_hz == pytest.approx(rate, abs=1.0)
    with pytest.raises(Unprocessable) as caught:
        decoder.video(data, lambda _: None, timeout_s=30.0, picture_track=3)
    assert caught.value.pointer == "/picture_track"
