"""A long recording in segments gives what it gives in one piece, interrupted or not."""

import threading
import time

import numpy as np
import pytest

from service.jobs.audio_plan import AudioPlan
from service.jobs.part import INSPECT, SPEECH
from service.jobs.plans import JobPlans, job_limits
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.device.admit import Admission
from service.pipeline.device.task import Cancelled, Work
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import (
    DenoiserUnavailable,
    MediaTooLong,
    MediaTooShort,
    ModelNotFound,
    SpeakersUnavailable,
    Unprocessable,
)
from service.registry import Registry
from service.settings import Limits, Settings
from tests import media_files as files
from tests.plain_wav import tone, wav
from tests.support.long_recordings import KEY, Bytes, run_job
from tests.support.segment_shape import assert_known
from tests.support.work import patient
from tests.tiny_models import (
    denoiser_model,
    write_denoiser_bundle,
    write_speaker_bundle,
    write_speech_bundle,
    write_voice_bundle,
)
from tests.unit.service.jobs.test_codec import same
from tests.unit.service.pipeline.speech.test_listener import assert_same

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
    write_denoiser_bundle(folder, model=denoiser_model(0.9), window_s=10.0, hop_s=8.0, max_length_s=12.0)
    write_speaker_bundle(folder)
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


def dialogue(seconds: float) -> np.ndarray:
    """float32 [n]: two voices, which :func:`write_speaker_bundle` tells apart, and silence."""
    voices = np.random.default_rng(3).choice([-0.3, 0.0, 0.3], int(seconds) + 1)
    parts = [tone(1.0, amplitude=abs(float(voice))) + np.float32(voice) for voice in voices]
    return np.concatenate(parts)[: round(seconds * 16000)]


STEREO = wav(talk(150.3), talk(150.3, seed=1))
CASES = {
    "each channel": (STEREO, AudioOptions(channel="each", hop_s=0.3)),
    "a range of the right one": (STEREO, AudioOptions(channel="right", start_s=3.21, end_s=77.7)),
    "exactly one segment": (wav(talk(SEGMENT_S)), AudioOptions()),
    "a constant with a click at its edge": (wav(np.concatenate([[0.5], np.full(300_000, 0.1)])), AudioOptions()),
    "flac": (files.flac(talk(30)[None]), AudioOptions()),
    "mp4 at 44.1 kHz": (files.m4a(talk(40)[None]), AudioOptions()),
    "two voices": (wav(dialogue(60.0)), AudioOptions(speakers="auto")),
    "two voices, one asked for, at another rate": (wav(dialogue(40.0)), AudioOptions(speakers="1", model="fast")),
    "opus": (files.ogg_opus(talk(20)[None]), AudioOptions()),
    "voice activity at another rate": (STEREO, AudioOptions(model="fast")),
    "denoised": (STEREO, AudioOptions(denoise=True, channel="each", hop_s=0.7)),
    "denoised at another rate": (STEREO, AudioOptions(denoise=True, model="fast", start_s=3.21)),
    "one channel of silence, denoised": (
        wav(talk(70.0), np.zeros(1_120_000)),
        AudioOptions("tiny", "1", "each", denoise=True),
    ),
}


def test_what_segments_write_down_is_of_the_known_shape(built, spool):
    run_job(built.plans, AudioOptions(denoise=True, model="fast", speakers="auto"), wav(talk(40.0)), spool)
    assert_known(spool.open_job("job0", KEY), (INSPECT, SPEECH))


@pytest.mark.parametrize("case", CASES)
def test_segments_give_what_one_piece_gives(built, spool, case):
    content, options = CASES[case]
    expected = built.speech.analyse(content, options, patient())
    answer, segments = run_job(built.plans, options, content, spool)
    timeline = answer.channels[0].timeline
    assert segments >= 1 + (timeline.end_s[-1] - timeline.start_s[0]) / (2 * SEGMENT_S)  # blocks are not cut
    assert_same(answer, expected)
    interrupted, _ = run_job(built.plans, options, content, spool, lambda _number: True)
    assert same(interrupted, answer)


def test_noise_that_cannot_be_taken_out_is_refused_before_the_upload(deaf):
    with pytest.raises(DenoiserUnavailable):
        deaf.plans.check(AudioOptions(denoise=True))


def test_speakers_that_cannot_be_told_apart_are_refused_before_the_upload(built, deaf):
    with pytest.raises(SpeakersUnavailable):
        deaf.plans.check(AudioOptions(speakers="auto"))
    with pytest.raises(SpeakersUnavailable):
        deaf.speech.analyse(wav(talk(2.0)), AudioOptions(speakers="2"), patient())
    with pytest.raises(Unprocessable, match="channel=each"):
        built.plans.check(AudioOptions(speakers="auto", channel="each"))


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
