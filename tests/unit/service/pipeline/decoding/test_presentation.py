"""One clock for sound and pictures: late starts, gaps and ends of drawn files, checked by how each was made."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

from service.pipeline.media.clock import TOLD_GAP_S
from tests.support.long_recordings import Bytes
from tests.support.presented_files import bursts, onsets, presented

RATE_HZ = 16_000
TOLERANCE_S = 0.06
"""A frame of a lossy codec that decodes nothing yet, and the jitter that is let pass."""

SOUND_CODECS = {
    "mp4": ("aac", "flac", "libmp3lame"),
    "mov": ("aac", "alac"),
    "matroska": ("aac", "libopus", "flac", "pcm_s16le", "libmp3lame"),
    "webm": ("libopus", "vorbis"),
    "mpegts": ("aac", "libmp3lame"),
    "flv": ("aac",),
}
ALONE = {"mp4": ("aac",), "matroska": ("aac", "libopus", "pcm_s16le"), "webm": ("libopus",), "ogg": ("libopus",)}


@dataclass(frozen=True)
class Drawn:
    """How one file is made, in seconds."""

    container: str
    codec: str
    channels: int
    sound_start_s: float
    sound_s: float
    picture_start_s: float
    picture_s: float | None
    gap_at_s: float
    gap_s: float

    @property
    def origin_s(self) -> float:
        return 0.0 if self.picture_s is None else min(self.sound_start_s, self.picture_start_s)


def draw(seed: int, kind: str) -> Drawn:
    rng = random.Random(f"{kind} {seed}")
    alone = kind == "alone"
    table = ALONE if alone else SOUND_CODECS
    container = rng.choice(sorted(table))
    late_s = rng.uniform(0.2, 4.0)
    picture_is_late = kind == "picture"
    return Drawn(
        container=container,
        codec=rng.choice(table[container]),
        channels=rng.choice((1, 2)),
        sound_start_s=0.0 if picture_is_late else (rng.choice((0.0, late_s)) if kind != "sound" else late_s),
        sound_s=rng.uniform(1.5, 3.0),
        picture_start_s=round(late_s * 25) / 25 if picture_is_late else 0.0,
        picture_s=None if alone else rng.choice((2.0, 4.0, 8.0)),
        gap_at_s=rng.uniform(0.7, 1.2),
        gap_s=rng.uniform(0.3, 5.0) if kind in ("gap", "alone") else 0.0,
    )


def make(drawn: Drawn) -> bytes:
    samples = bursts([0.3, 1.25], drawn.sound_s)
    sound = {
        "codec": drawn.codec,
        "samples": np.stack([samples] * (2 if drawn.codec == "vorbis" else drawn.channels)),  # its encoder is stereo
        "start_s": drawn.sound_start_s,
        "gap": (drawn.gap_at_s, drawn.gap_s),
    }
    pictures = []
    if drawn.picture_s is not None:
        pictures.append({"duration_s": drawn.picture_s, "start_s": drawn.picture_start_s})
    return presented(drawn.container, [sound], pictures=pictures)


KINDS = ("sound", "picture", "gap", "alone")


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("kind", KINDS)
def test_sound_is_where_a_player_has_it(decoders, kind, seed):
    drawn = draw(seed, kind)
    data = make(drawn)
    decoded = decoders[0].audio(data, target_rate_hz=RATE_HZ, channel="mix")
    shift_s = drawn.sound_start_s - drawn.origin_s if drawn.picture_s is not None else 0.0
    wanted = [0.3 + shift_s, 1.25 + shift_s + drawn.gap_s]
    assert onsets(decoded.samples[0], RATE_HZ) == pytest.approx(wanted, abs=TOLERANCE_S)

    ends = [shift_s + drawn.sound_s + drawn.gap_s]
    if drawn.picture_s is not None:
        ends.append(drawn.picture_start_s + drawn.picture_s - drawn.origin_s)
    assert decoded.media.duration_s == pytest.approx(max(ends), abs=2 * TOLERANCE_S)
    assert decoded.samples.shape[1] == pytest.approx(decoded.media.duration_s * RATE_HZ, abs=2)
    assert "truncated" not in decoded.flags

    gaps = [span for span in decoded.spans if span.flag == "sound_gap"]
    silence_s = sum(span.end_s - span.start_s for span in gaps)
    lengths_s = [shift_s, drawn.gap_s, max(ends) - ends[0]]
    told_s = sum(one for one in lengths_s if one > TOLD_GAP_S - TOLERANCE_S)
    doubtful_s = sum(one for one in lengths_s if abs(one - TOLD_GAP_S) <= TOLERANCE_S)
    assert told_s - doubtful_s - 3 * TOLERANCE_S <= silence_s <= told_s + 3 * TOLERANCE_S
    for gap in gaps:
        inner = decoded.samples[0, round((gap.start_s + 0.03) * RATE_HZ) : round((gap.end_s - 0.03) * RATE_HZ)]
        assert not len(inner) or np.abs(inner).max() < 1e-3

    sound = next(track for track in decoded.media.tracks if track.kind == "sound")
    assert (sound.start_s, sound.used) == (pytest.approx(shift_s, abs=TOLERANCE_S), True)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_a_job_hears_what_an_upload_hears(decoders, kind, seed):
    data = make(draw(seed, kind))
    expected = decoders[0].audio(data, target_rate_hz=RATE_HZ)
    sound = decoders[1].sound(Bytes(data), target_rate_hz=RATE_HZ)
    blocks = []
    while (block := sound.next()) is not None:
        blocks.append(block)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected.samples)
    assert (sound.outcome.media, sound.outcome.flags) == (expected.media, expected.flags)
    assert sound.outcome.spans == expected.spans
    sound.close()


@pytest.mark.parametrize("seed", range(50))
def test_pictures_are_on_the_clock_of_the_sound(decoders, seed):
    drawn = draw(seed, "picture" if seed % 2 else "sound")
    times_s: list[float] = []
    summary = decoders[0].video(make(drawn), lambda frame: times_s.append(frame.time_s), timeout_s=30.0)
    first_s = drawn.picture_start_s - drawn.origin_s
    assert times_s[0] == pytest.approx(first_s, abs=TOLERANCE_S)
    assert summary.media.duration_s == pytest.approx(first_s + drawn.picture_s, abs=TOLERANCE_S)
    assert summary.media.frame_rate_hz == pytest.approx(25.0, abs=0.5)
    assert summary.file_end_s == pytest.approx(
        max(first_s + drawn.picture_s, drawn.sound_start_s - drawn.origin_s + drawn.sound_s), abs=2 * TOLERANCE_S
    )
    assert summary.flags == ()


@pytest.mark.parametrize("seed", range(12))
def test_a_range_is_counted_on_the_clock(decoders, seed):
    drawn = draw(seed, "gap")
    data = make(drawn)
    whole = decoders[0].audio(data, target_rate_hz=RATE_HZ).samples
    part = decoders[0].audio(data, target_rate_hz=RATE_HZ, start_s=0.5, end_s=1.25)
    np.testing.assert_array_equal(part.samples, whole[:, 8_000:20_000])
