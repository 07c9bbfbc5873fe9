"""Cues of voice: what is no speech stays without an answer, very high voices get one, cuts change nothing."""

import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from benchmarks.non_speech import KINDS, non_speech
from export.voice_activity.bundle import write_voice_activity_bundle
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import ChannelEmotion
from service.pipeline.speech.voice_cues import HIGH_PASS_HZ, VoiceCues
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.settings import Settings
from tests.plain_wav import PlainDecoder, wav
from tests.shared_material import corpus_folder
from tests.support.segment_shape import assert_known_cues
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle

RATE_HZ = 16_000
STEP = 512

UNKNOWN_TO_THE_DETECTOR = (
    *("03-01-03-02-01-01-06", "03-01-03-02-02-01-06", "03-01-03-02-02-02-06", "03-01-04-02-01-01-06"),
    *("03-01-05-02-01-01-06", "03-01-05-02-01-02-18", "03-01-05-02-02-01-06", "03-01-05-02-02-01-14"),
    *("03-01-05-02-02-01-18", "03-01-05-02-02-02-06", "03-01-06-02-01-01-06", "03-01-06-02-01-02-06"),
    *("03-01-06-02-02-01-06", "03-01-06-02-02-02-06", "03-01-06-02-02-02-20"),
)
"""Clips of RAVDESS in which the detector alone finds no utterance: 15 of the 560 strongly acted ones."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechPipeline]:
    """The published detector before a tiny model."""
    if importlib.util.find_spec("silero_vad") is None:
        pytest.skip("the package silero-vad is not installed")
    folder: Path = tmp_path_factory.mktemp("models")
    write_voice_activity_bundle(folder)
    write_speech_bundle(folder)
    configured = Settings(model_dirs=[folder], device="cpu", threads=1)
    pipeline = SpeechPipeline(configured, Registry.load(configured), PlainDecoder())
    yield pipeline
    pipeline.close()


def judged(speech: SpeechPipeline, samples: np.ndarray) -> ChannelEmotion:
    answer = speech.analyse(wav(samples), AudioOptions(rows=False), patient())
    (channel,) = answer.channels
    return channel


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_speech_gets_no_answer(speech: SpeechPipeline, kind: str) -> None:
    channel = judged(speech, non_speech(kind, seed=1))
    assert (channel.emotion, channel.flags) == (None, ("no_speech",))


def test_very_high_voices_get_an_answer_with_a_flag(speech: SpeechPipeline) -> None:
    soundfile = pytest.importorskip("soundfile")
    folder = corpus_folder("ravdess") / "audio"
    answered = 0
    for clip in UNKNOWN_TO_THE_DETECTOR:
        channel = judged(speech, soundfile.read(folder / f"{clip}.opus", dtype="float32")[0])
        assert ("voice_uncertain" in channel.flags) == (channel.emotion is not None)
        answered += channel.emotion is not None
    assert answered >= 8


def voice(seed: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Harmonics that glide in level and pitch, and some detector's probabilities."""
    random = np.random.default_rng(seed)
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = random.uniform(200, 600) * (1 + 0.1 * np.sin(2 * np.pi * 3 * times_s))
    sound = np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ) + 0.2 * random.normal(size=len(times_s))
    loudness = 0.02 + np.sin(2 * np.pi * random.uniform(1, 4) * times_s) ** 2
    return (0.2 * loudness * sound + 0.1).astype(np.float32), random.uniform(0, 0.7, -(-len(sound) // STEP))


@settings(max_examples=50)
@given(seed=st.integers(0, 999), seconds=st.floats(0.01, 3.0), cuts=st.lists(st.integers(1, 90), max_size=6))
def test_pieces_and_restored_state_give_what_the_whole_gives(seed: int, seconds: float, cuts: list[int]) -> None:
    samples, probabilities = voice(seed, seconds)
    whole = VoiceCues(RATE_HZ, STEP)
    passed = whole.filtered(samples)
    expected = whole.decide(passed, probabilities.astype(np.float32), 0.5)
    edges = [0, *sorted({cut for cut in cuts if cut < len(probabilities)}), len(probabilities)]
    state, found = VoiceCues(RATE_HZ, STEP).state(), []
    for begin, stop in pairwise(edges):
        cues = VoiceCues(RATE_HZ, STEP)
        cues.restore(state)
        piece = cues.filtered(samples[begin * STEP : stop * STEP])
        np.testing.assert_array_equal(piece, passed[begin * STEP : stop * STEP])
        found.append(cues.decide(piece, probabilities[begin:stop].astype(np.float32), 0.5))
        state = cues.state()
    for column, values in enumerate(expected):
        np.testing.assert_array_equal(np.concatenate([one[column] for one in found]), values)


def test_a_voice_that_the_detector_half_believes_in_is_uncertain() -> None:
    samples, _ = voice(seed=1, seconds=3.0)
    cues = VoiceCues(RATE_HZ, STEP)
    passed = cues.filtered(samples)
    steps = -(-len(samples) // STEP)
    is_speech, is_uncertain = cues.decide(passed, np.full(steps, 0.45, np.float32), 0.5)
    assert 0.3 * steps < np.count_nonzero(is_uncertain) == np.count_nonzero(is_speech)
    unbelieved = VoiceCues(RATE_HZ, STEP).decide(passed, np.full(steps, 0.1, np.float32), 0.5)
    assert not np.any(unbelieved)


def test_syllables_that_the_detector_believes_in_a_little_are_uncertain_voice() -> None:
    steps, random = 120, np.random.default_rng(3)
    levels = np.repeat(np.tile([1.0, 0.1], steps // 8), 4 * STEP)
    noise = random.normal(0, 0.1, steps * STEP)
    believed = np.full(steps, 0.2, np.float32)
    for loudness, share in ((levels, 0.5), (np.ones_like(levels), 0.0)):
        cues = VoiceCues(RATE_HZ, STEP)
        is_speech, is_uncertain = cues.decide(cues.filtered((loudness * noise).astype(np.float32)), believed, 0.5)
        assert np.mean(is_uncertain) >= share
        assert np.any(is_uncertain) == (share > 0)
        np.testing.assert_array_equal(is_speech, is_uncertain)


def test_what_cues_write_down_is_of_the_known_shape() -> None:
    cues = VoiceCues(RATE_HZ, STEP)
    samples, _ = voice(seed=1, seconds=1.0)
    cues.decide(cues.filtered(samples), np.full(-(-len(samples) // STEP), 0.2, np.float32), 0.5)
    assert_known_cues(cues.state())


@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_a_doubt_does_not_depend_on_the_level(gain: float) -> None:
    samples, _ = voice(seed=1, seconds=3.0)
    cues = VoiceCues(RATE_HZ, STEP)
    passed = cues.filtered(samples) * np.float32(gain)
    _, is_uncertain = cues.decide(passed, np.full(-(-len(samples) // STEP), 0.45, np.float32), 0.5)
    assert np.count_nonzero(is_uncertain) > 0.3 * len(is_uncertain)


def test_a_level_that_stands_still_is_no_voice() -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(2 * RATE_HZ) / RATE_HZ).astype(np.float32)
    is_speech, _ = VoiceCues(RATE_HZ, STEP).decide(tone, np.full(63, 0.99, np.float32), 0.5)
    assert is_speech[:6].all()  # it is not known yet that it does
    assert not is_speech[7:62].any()


def test_the_filter_is_a_butterworth_of_order_4() -> None:
    sections = signal.butter(4, HIGH_PASS_HZ, "high", fs=RATE_HZ, output="sos")
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    samples[0] = 0.0
    np.testing.assert_allclose(VoiceCues(RATE_HZ, STEP).filtered(samples), signal.sosfilt(sections, samples), atol=2e-6)


@given(seed=st.integers(0, 999), cut=st.integers(1, 90))
def test_a_quiet_recording_is_heard_like_a_loud_one_and_cuts_change_nothing(seed: int, cut: int) -> None:
    powers = 10.0 ** np.random.default_rng(seed).uniform(-6, -1.5, 93)
    powers[:2] = 1e-6, 10**-1.5
    assert (VoiceCues(RATE_HZ, STEP).gains(powers) == 1).all()
    quiet = powers / 1e5
    first, second = VoiceCues(RATE_HZ, STEP), VoiceCues(RATE_HZ, STEP)
    whole = VoiceCues(RATE_HZ, STEP).gains(quiet)
    pieces = [first.gains(quiet[:cut])]
    second.restore(first.state())
    np.testing.assert_array_equal(np.concatenate([*pieces, second.gains(quiet[cut:])]), whole)
    loudest_db = 10 * np.log10(quiet[1] * float(whole[1]) ** 2)
    assert loudest_db == pytest.approx(-25, abs=0.01)
    assert (np.diff(whole) <= 0).all()


def test_noise_before_a_voice_is_not_raised() -> None:
    room = np.full(50, 1e-6)
    assert (VoiceCues(RATE_HZ, STEP).gains(room) == 1).all()


def test_an_offset_leaves_nothing() -> None:
    assert np.abs(VoiceCues(RATE_HZ, STEP).filtered(np.full(5000, 0.3, np.float32))).max() < 1e-6
