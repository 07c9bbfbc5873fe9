"""A long recording in segments gives what it gives in one piece, interrupted or not."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from service.jobs.audio_plan import AudioPlan
from service.jobs.plans import JobPlans, job_limits
from service.jobs.spool import Spool
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.device.admit import Admission
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import DenoiserUnavailable, MediaTooLong, MediaTooShort, ModelNotFound, Unprocessable
from service.registry import Registry
from service.settings import Limits, Settings
from tests import media_files as files
from tests.plain_wav import tone, wav
from tests.support.long_recordings import Bytes, run_job
from tests.support.work import patient
from tests.tiny_models import denoiser_model, write_denoiser_bundle, write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_codec import same

SEGMENT_S = 7.0


class Built:
    """Pipeline and plans over the tiny models of a folder."""

    def __init__(self, folder, **settings) -> None:
        values = {"model_dirs": [folder], "device": "cpu", "threads": 2, "decode_workers": 1}
        self.settings = Settings(**(values | settings))
        self.decoder = Decoder(self.settings.limits, 1)
        self.decoder.start()
        self.speech = SpeechPipeline(self.settings, Registry.load(self.settings), self.decoder)
        limits = job_limits(self.settings)
        self.long_decoder = LongDecoder(limits, 1, 60.0)
        self.plans = JobPlans(AudioPlan(self.speech, limits, SEGMENT_S), None, self.long_decoder, Admission(7200.0))
        self.plans.start()

    def close(self) -> None:
        self.plans.close()
        self.speech.close()
        self.decoder.close()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder, priority=1)
    write_speech_bundle(folder, "fast", sample_rate_hz=22050)
    write_voice_bundle(folder)
    built = Built(folder)
    yield built
    built.close()


@pytest.fixture(scope="module")
def deaf(tmp_path_factory):
    """Without voice activity."""
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    built = Built(folder)
    yield built
    built.close()


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def talk(seconds: float, seed: int = 440) -> np.ndarray:
    """float32 [n]: seconds of different loudness, some of them silent."""
    rng = np.random.default_rng(seed)
    whole = [tone(1.0, amplitude=float(a)) for a in rng.choice([0.0, 0.02, 0.1, 0.4], int(seconds) + 1)]
    return np.concatenate(whole)[: round(seconds * 16000)]


STEREO = wav(talk(150.3), talk(150.3, seed=1))
CASES = {
    "stereo, mixed": (STEREO, AudioOptions()),
    "each channel": (STEREO, AudioOptions(channel="each", hop_s=0.3)),
    "the right one": (STEREO, AudioOptions(channel="right", window_s=2.5, hop_s=1.7)),
    "a range": (STEREO, AudioOptions(start_s=3.21, end_s=77.7)),
    "shorter than a window": (wav(talk(0.7)), AudioOptions()),
    "exactly one segment": (wav(talk(SEGMENT_S)), AudioOptions()),
    "silence": (wav(np.zeros(400_000, np.float32)), AudioOptions()),
    "a constant with a click at its edge": (wav(np.concatenate([[0.5], np.full(300_000, 0.1)])), AudioOptions()),
    "flac": (files.flac(talk(30)[None]), AudioOptions()),
    "mp4 at 44.1 kHz": (files.m4a(talk(40)[None]), AudioOptions()),
    "opus": (files.ogg_opus(talk(20)[None]), AudioOptions()),
}


@pytest.mark.parametrize("case", CASES)
def test_segments_give_what_one_piece_gives(built, spool, case):
    content, options = CASES[case]
    expected = built.speech.analyse(content, options, patient())
    answer, segments = run_job(built.plans, options, content, spool)
    assert segments == 1 + max(1, -(-answer.channels[0].timeline.end_s[-1] // SEGMENT_S)) or segments >= 2
    check_same(answer, expected)
    interrupted, _ = run_job(built.plans, options, content, spool, lambda _number: True)
    check_same(interrupted, answer)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """With a denoiser whose chunks of 10 s overlap by 2 s, and one speech model of another rate."""
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder, priority=1)
    write_speech_bundle(folder, "fast", sample_rate_hz=22050)
    write_voice_bundle(folder)
    write_denoiser_bundle(
        folder, model=denoiser_model(0.9), window_s=10.0, hop_s=8.0, max_length_s=12.0, min_length_s=0.9
    )
    built = Built(folder)
    yield built
    built.close()


DENOISED = {
    "stereo": (STEREO, AudioOptions(denoise=True, channel="each", hop_s=0.7)),
    "mixed, a range": (STEREO, AudioOptions(denoise=True, start_s=3.21, end_s=77.7)),
    "one channel silent": (wav(talk(40.0), np.zeros(640_000, np.float32)), AudioOptions(denoise=True, channel="each")),
    "in one piece": (wav(talk(11.5)), AudioOptions(denoise=True)),
    "shorter than the denoiser takes": (wav(talk(0.5)), AudioOptions(denoise=True)),
    "one sample more than whole chunks": (wav(np.append(talk(26.0), 0.1)), AudioOptions(denoise=True)),
}


@pytest.mark.parametrize("case", DENOISED)
def test_noise_is_taken_out_as_in_one_piece(quiet, spool, case):
    content, options = DENOISED[case]
    expected = quiet.speech.analyse(content, options, patient())
    answer, _ = run_job(quiet.plans, options, content, spool)
    check_same(answer, expected)
    assert answer.denoiser is not None
    interrupted, _ = run_job(quiet.plans, options, content, spool, lambda _number: True)
    check_same(interrupted, answer)


def test_noise_that_cannot_be_taken_out_is_refused_before_the_upload(quiet, built):
    with pytest.raises(DenoiserUnavailable):
        built.plans.check(AudioOptions(denoise=True))
    with pytest.raises(Unprocessable) as caught:
        quiet.plans.check(AudioOptions(denoise=True, model="fast"))
    assert caught.value.pointer == "/denoise"


def check_same(one, other) -> None:
    for name in ("media", "model", "labels", "channels", "envelope", "denoiser"):
        assert same(getattr(one, name), getattr(other, name)), name


def test_without_voice_activity_too(deaf, spool):
    expected = deaf.speech.analyse(STEREO, AudioOptions(), patient())
    answer, _ = run_job(deaf.plans, AudioOptions(), STEREO, spool, lambda number: number % 2 == 0)
    check_same(answer, expected)
    assert "no_voice_activity" in answer.channels[0].flags


def test_voice_activity_at_another_rate_is_resampled_in_stretches(built, spool):
    options = AudioOptions(model="fast")
    expected = built.speech.analyse(STEREO, options, patient()).channels[0]
    answer, _ = run_job(built.plans, options, STEREO, spool)
    again, _ = run_job(built.plans, options, STEREO, spool, lambda _number: True)
    check_same(again, answer)
    found = answer.channels[0]
    np.testing.assert_allclose(found.timeline.speech, expected.timeline.speech, atol=0.05)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.01)


def test_problems_are_those_of_one_piece(built, spool):
    for content, options, problem in (
        (wav(talk(0.05)), AudioOptions(), MediaTooShort),
        (wav(talk(2)), AudioOptions(channel="right"), Unprocessable),
        (wav(talk(2)), AudioOptions(start_s=3.0), Unprocessable),
    ):
        with pytest.raises(problem):
            run_job(built.plans, options, content, spool)
    with pytest.raises(ModelNotFound):
        built.plans.check(AudioOptions(model="other"))
    with pytest.raises(Unprocessable):
        built.plans.check(AudioOptions(window_s=11.0))


def test_jobs_may_be_longer_than_requests_but_not_for_ever(tmp_path_factory, spool):
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    built = Built(folder, limits=Limits(max_duration_s=10.0), max_job_duration_s=20.0)
    try:
        with pytest.raises(MediaTooLong):
            built.speech.analyse(wav(talk(15)), AudioOptions(), patient())
        answer, _ = run_job(built.plans, AudioOptions(), wav(talk(15)), spool)
        assert answer.media.duration_s == 15.0
        with pytest.raises(MediaTooLong):
            run_job(built.plans, AudioOptions(), wav(talk(21)), spool)
    finally:
        built.close()


def test_a_cancelled_segment_stops(built, spool):
    cancel = threading.Event()
    cancel.set()
    part = built.plans.make("inspect", AudioOptions(), spool.create_job("job", b"k" * 32), None, Bytes(STEREO))
    with pytest.raises(Cancelled):
        part.run(Work(time.monotonic() + 60, cancel, None))
    part.close()
