"""Taking noise out: chunks and their seams, and the way of a denoised recording, with a model that halves."""

import contextlib
import gc
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.card import SpeechInput
from service.pipeline.audio_options import AudioOptions, EmbeddingOptions
from service.pipeline.decoding.sample_buffer import DecodedBudget
from service.pipeline.device.task import Work
from service.pipeline.speech.denoise import CHUNKS_AT_ONCE, ChannelDenoiser, Denoiser, plan_chunks
from service.pipeline.speech.sound import SoundSource
from service.problems import DenoiserUnavailable, MediaTooLong
from service.registry import BundleError
from tests.plain_wav import PlainDecoder, tone, wav
from tests.support.long_recordings import pieces
from tests.support.work import patient
from tests.tiny_models import (
    denoiser_model,
    expected_embedding,
    expected_probabilities,
    speech_model,
    write_denoiser_bundle,
    write_speech_bundle,
    write_voice_bundle,
)

RATE_HZ = 16000
LOUD, QUIET = tone(1.0), np.zeros(RATE_HZ, np.float32)


def speech(**changes) -> SpeechInput:
    values = {"window_s": 1.0, "hop_s": 0.75, "min_length_s": 0.1, "max_length_s": 2.0} | changes
    return SpeechInput(sample_rate_hz=100, preset="none", **values)


@pytest.fixture
def folder(tmp_path):
    write_speech_bundle(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("samples", "starts", "length"),
    [(200, [0], 200), (30, [0], 30), (201, [0, 75, 101], 100), (250, [0, 75, 150], 100), (251, [0, 75, 150, 151], 100)],
)
def test_chunks_cover_the_recording(samples, starts, length):
    found, each = plan_chunks(samples, speech())
    assert (found.tolist(), each) == (starts, length)


def denoised(samples: np.ndarray, run_chunks, cuts=(), **changes) -> np.ndarray:
    """Denoised samples at 100 Hz that arrived in pieces."""
    model = SimpleNamespace(speech=speech(**changes))
    channel = ChannelDenoiser(cast("Denoiser", model), len(samples), 100)
    parts = list(pieces(len(samples), cuts))
    done = [channel.take(samples[part], run_chunks, last=number == len(parts) - 1) for number, part in enumerate(parts)]
    return np.concatenate(done)


@given(st.integers(2, 1500), st.lists(st.integers(0, 1500), max_size=8), st.sampled_from([0.3, 0.5, 1.2]))
def test_chunks_that_agree_keep_their_samples(samples, cuts, hop_s):
    signal = np.sin(np.arange(samples, dtype=np.float32))
    runs = []

    def keep(chunks):
        runs.append(len(chunks))
        return [{"denoised": chunk} for chunk in chunks]

    found = denoised(signal, keep, cuts, window_s=1.2, hop_s=hop_s)
    np.testing.assert_allclose(found, signal, atol=1e-6)
    assert max(runs) <= CHUNKS_AT_ONCE


def test_chunks_that_differ_fade_along_a_line():
    levels = iter([0.0, 1.0])
    found = denoised(
        np.arange(201, dtype=np.float32),
        lambda chunks: [{"denoised": np.full(len(chunk), next(levels), np.float32)} for chunk in chunks],
        window_s=1.02,
        hop_s=1.0,
        max_length_s=2.0,
    )
    np.testing.assert_allclose(found[98:104], [0, 0.25, 0.5, 0.75, 1, 1], atol=1e-6)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 7.3, 40.0])
def test_a_recording_is_judged_without_its_noise(build, folder, seconds):
    write_denoiser_bundle(folder, max_length_s=1.5, hop_s=0.8)
    write_voice_bundle(folder)
    pipeline = build(folder)
    pipeline.warm_up()
    clip = tone(seconds)
    seen = []
    answer = pipeline.analyse(wav(clip), AudioOptions(denoise=True), Work.within(60.0, progress=seen.append))
    plain = pipeline.analyse(wav(clip), AudioOptions(), patient())
    (channel,) = answer.channels
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(0.5 * clip), atol=1e-3)
    np.testing.assert_allclose(plain.channels[0].probabilities, expected_probabilities(clip), atol=1e-3)
    np.testing.assert_allclose(answer.envelope, 0.5 * plain.envelope, atol=1e-6)
    assert channel.flags == ("denoised",)
    assert (answer.denoiser.name, answer.denoiser.version, plain.denoiser) == ("tiny-denoiser", "1", None)
    assert set(answer.stages_s) == {"decode", "denoise", "queue", "infer", "post"}
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(answer.envelope) == 1000


def test_voice_activity_hears_the_denoised_sound(build, folder):
    write_denoiser_bundle(folder, model=denoiser_model(0.01))
    write_voice_bundle(folder)
    pipeline = build(folder)
    (channel,) = pipeline.analyse(wav(LOUD), AudioOptions(denoise=True), patient()).channels
    assert channel.probabilities is None
    assert channel.flags == ("denoised", "no_speech")


def test_another_rate_is_resampled(build, folder):
    write_denoiser_bundle(folder, sample_rate_hz=8000)
    pipeline = build(folder)
    (channel,) = pipeline.analyse(wav(LOUD), AudioOptions(denoise=True), patient()).channels
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(0.5 * LOUD), atol=1e-3)
    assert channel.timeline.end_s.tolist() == [1.0]


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 2 * RATE_HZ, RATE_HZ // 2])
def test_the_sound_without_its_noise_takes_the_other_ones_place_or_is_paid_for(build, folder, rate_hz):
    write_denoiser_bundle(folder, max_length_s=1.5, hop_s=0.8, sample_rate_hz=rate_hz)
    pipeline, decoder = build(folder), PlainDecoder()
    clip, options, extra = wav(tone(61.0)), AudioOptions(denoise=True), 4 * 61 * RATE_HZ

    def opened():
        source = SoundSource(decoder, pipeline.denoiser, pipeline._device)
        with pipeline.admission.hold(61.0) as hold:
            return source.open(clip, options, RATE_HZ, hold, patient())[0]

    sound = opened()
    assert len(sound.channels[0].samples) == 61 * RATE_HZ
    assert decoder.budget.used_bytes == (extra if rate_hz < RATE_HZ else 0)
    del sound
    gc.collect()
    assert decoder.budget.used_bytes == 0
    decoder.budget = DecodedBudget(extra)
    with pytest.raises(MediaTooLong) if rate_hz < RATE_HZ else contextlib.nullcontext():
        opened()


def test_a_clip_shorter_than_the_denoiser_takes_is_filled_up_meanwhile(build, folder):
    write_denoiser_bundle(folder, min_length_s=0.9)
    pipeline = build(folder)
    (channel,) = pipeline.analyse(wav(tone(0.3)), AudioOptions(denoise=True), patient()).channels
    assert channel.timeline.end_s.tolist() == [0.3]
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(0.5 * tone(0.3)), atol=1e-3)


def test_each_channel_is_denoised_and_silence_stays_silent(build, folder):
    write_denoiser_bundle(folder)
    pipeline = build(folder)
    answer = pipeline.embed(wav(LOUD, QUIET), EmbeddingOptions(channel="each", denoise=True), patient())
    left, right = answer.channels
    np.testing.assert_allclose(left.rows[0], expected_embedding(0.5 * LOUD), atol=1e-4)
    assert np.isnan(right.rows).all()
    assert (left.flags, right.flags) == (("denoised",), ("denoised", "silent"))
    assert answer.denoiser.name == "tiny-denoiser"


def test_the_highest_priority_denoises(build, folder):
    write_denoiser_bundle(folder, "low", priority=1, model=b"never opened", runs=False)
    write_denoiser_bundle(folder, "high", priority=2)
    pipeline = build(folder)
    assert pipeline.analyse(wav(LOUD), AudioOptions(denoise=True), patient()).denoiser.name == "high"
    assert pipeline.signature("high", "1").outputs[0].name == "denoised"
    assert pipeline.signature("low", "1") is None


def test_without_a_denoiser_it_is_refused_before_decoding(build, folder):
    pipeline = build(folder)
    for call, options in ((pipeline.analyse, AudioOptions), (pipeline.embed, EmbeddingOptions)):
        with pytest.raises(DenoiserUnavailable) as caught:
            call(b"no wav", options(denoise=True), patient())
        assert caught.value.pointer == "/denoise"


def test_wrong_bundles_are_refused_by_one_line(build, folder):
    write_denoiser_bundle(folder, hop_s=1.5)
    with pytest.raises(BundleError, match="a denoiser's hop_s is longer than its window_s"):
        build(folder)
    write_denoiser_bundle(folder, model=speech_model())
    with pytest.raises(BundleError, match="bundle tiny-denoiser/1: it has no output 'denoised'"):
        build(folder)
    write_denoiser_bundle(folder, model=denoiser_model(cut=3))
    pipeline = build(folder)
    with pytest.raises(BundleError, match=r"bundle tiny-denoiser/1: it makes the shape \[15997\] of 16000 samples"):
        pipeline.warm_up()
