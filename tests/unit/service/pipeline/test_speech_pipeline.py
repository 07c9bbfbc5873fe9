"""The whole way of a recording with tiny models whose answers can be computed by hand; what may go wrong."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.session import CPU, CUDA, Session
from service.pipeline.device.task import Cancelled, Work
from service.pipeline.speech.model import EmotionModel
from service.problems import (
    CapacityExceeded,
    DeadlineExceeded,
    Draining,
    InferenceUnavailable,
    MediaTooShort,
    ModelNotFound,
    Unprocessable,
)
from service.registry import BundleError, Registry
from service.settings import Limits, Settings
from tests.plain_wav import PlainDecoder, tone, wav
from tests.support.patience import HANG_S, wait_until
from tests.support.work import patient
from tests.tiny_models import expected_probabilities, speech_model, write_speech_bundle, write_voice_bundle

RATE_HZ = 16000
LOUD, OTHER, QUIET = tone(1.0), tone(1.0, amplitude=0.6), np.zeros(RATE_HZ, np.float32)


@pytest.fixture
def pipeline(build, tmp_path):
    write_speech_bundle(tmp_path)
    write_voice_bundle(tmp_path)
    pipeline = build(tmp_path)
    pipeline.warm_up()
    return pipeline


@pytest.fixture
def deaf(build, tmp_path):
    """Without voice activity."""
    write_speech_bundle(tmp_path)
    return build(tmp_path)


def judge(pipeline, *channels, rate_hz=RATE_HZ, **options):
    return pipeline.analyse(wav(*channels, rate_hz=rate_hz), AudioOptions(**options), patient())


def test_a_short_clip_is_one_window(pipeline):
    answer = judge(pipeline, tone(0.512))
    (channel,) = answer.channels
    expected = expected_probabilities(tone(0.512))
    np.testing.assert_allclose(channel.probabilities, expected, atol=1e-3)
    assert channel.channel == "mix"
    assert channel.emotion == answer.labels[int(expected.argmax())]
    assert channel.arousal == pytest.approx(np.tanh((tone(0.512) ** 2).mean()), abs=1e-3)
    assert channel.flags == ()
    assert channel.timeline.start_s.tolist() == [0.0]
    assert channel.timeline.end_s.tolist() == [0.512]
    np.testing.assert_allclose(channel.timeline.probabilities, channel.probabilities[None], atol=1e-6)


def test_reference_names_the_weights_and_the_provider(pipeline):
    answer = judge(pipeline, LOUD)
    assert (answer.model.name, answer.model.version, answer.model.licence) == ("tiny", "1", "CC0-1.0")
    assert answer.model.sha256 == pipeline._registry.find("tiny").sha256
    assert answer.model.provider == pipeline.provider == CPU
    assert answer.media.duration_s == 1.0


def test_utterances_count_as_much_as_they_hold_voice(pipeline):
    (channel,) = judge(pipeline, np.concatenate([LOUD, QUIET, OTHER, OTHER[:8000]]), hop_s=0.75).channels
    segments = channel.segments
    np.testing.assert_allclose(segments.start_s, [0.0, 2.0], atol=0.033)
    np.testing.assert_allclose(segments.end_s, [1.0, 3.5], atol=0.033)
    # an end inside a step makes the step count whole
    voice_s = (segments.end_s - segments.start_s) * segments.speech
    mean = (segments.probabilities * voice_s[:, None]).sum(axis=0) / voice_s.sum()
    np.testing.assert_allclose(channel.probabilities, mean, atol=2e-3)
    assert channel.arousal == pytest.approx((segments.arousal * voice_s).sum() / voice_s.sum(), abs=2e-3)


def test_rows_that_nobody_asked_for_are_not_judged(pipeline):
    sound = np.concatenate([LOUD, QUIET, OTHER, OTHER])
    (whole,), (plain,) = (judge(pipeline, sound, hop_s=0.5, rows=rows).channels for rows in (True, False))
    np.testing.assert_array_equal(plain.probabilities, whole.probabilities)
    assert (plain.arousal, plain.valence, plain.flags) == (whole.arousal, whole.valence, whole.flags)
    np.testing.assert_array_equal(plain.segments.probabilities, whole.segments.probabilities)
    assert np.isnan(plain.timeline.probabilities).all()
    assert np.isfinite(whole.timeline.probabilities).any()


def test_without_voice_activity_windows_are_judged_whoever_asks(deaf):
    (channel,) = judge(deaf, LOUD, rows=False).channels
    assert np.isfinite(channel.timeline.probabilities).all()


def test_windows_are_cut_to_their_voice(pipeline):
    (channel,) = judge(pipeline, np.concatenate([LOUD, QUIET, QUIET]), hop_s=1.0).channels
    timeline = channel.timeline
    assert timeline.speech[1:].max() < 0.1
    for column in (timeline.probabilities[1:], timeline.arousal[1:], timeline.valence[1:]):
        assert np.isnan(column).all()
    np.testing.assert_allclose(timeline.probabilities[0], expected_probabilities(LOUD), atol=1e-3)
    assert timeline.confidence[0] == pytest.approx(timeline.speech[0])  # 1 s of voice is enough
    assert channel.flags == ()


def test_no_speech_anywhere_has_no_answer(pipeline):
    hiss = np.random.default_rng(440).normal(0, 0.001, 3 * RATE_HZ).astype(np.float32)
    (channel,) = judge(pipeline, hiss).channels
    assert channel.probabilities is channel.emotion is channel.arousal is channel.valence is None
    assert channel.flags == ("no_speech",)
    assert channel.timeline.speech.tolist() == [0.0] * 5
    assert np.isnan(channel.timeline.probabilities).all()
    assert channel.timeline.probabilities.shape == (5, 2)


@pytest.mark.parametrize("level", [0.0, 0.5, -1.0])
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_silence_and_constant_offsets_are_silent(pipeline, level, rate_hz):
    (channel,) = judge(pipeline, np.full(2 * rate_hz, level, np.float32), rate_hz=rate_hz).channels
    assert channel.flags == ("silent", "no_speech")
    assert channel.probabilities is None


def test_without_voice_activity_all_sound_counts(deaf):
    (channel,) = judge(deaf, np.concatenate([LOUD, QUIET]), hop_s=1.0).channels
    assert channel.flags == ("no_voice_activity",)
    assert channel.timeline.speech is None
    assert np.isnan(channel.timeline.probabilities[1]).all()
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(LOUD), atol=1e-3)
    assert judge(deaf, QUIET).channels[0].flags == ("silent", "no_voice_activity", "no_speech")


def test_channels(pipeline):
    def names(*channels, choice):
        return [entry.channel for entry in judge(pipeline, *channels, channel=choice).channels]

    assert names(LOUD, OTHER, choice="mix") == ["mix"]
    assert names(LOUD, OTHER, choice="each") == ["left", "right"]
    assert names(LOUD, choice="each") == ["0"]
    assert names(LOUD, OTHER, LOUD, choice="each") == ["0", "1", "2"]
    left, right = judge(pipeline, LOUD, OTHER, channel="each").channels
    np.testing.assert_allclose(left.probabilities, expected_probabilities(LOUD), atol=1e-3)
    np.testing.assert_allclose(right.probabilities, expected_probabilities(OTHER), atol=1e-3)
    (alone,) = judge(pipeline, LOUD, OTHER, channel="right").channels
    np.testing.assert_array_equal(alone.probabilities, right.probabilities)
    (mix,) = judge(pipeline, LOUD, OTHER).channels
    np.testing.assert_allclose(mix.probabilities, expected_probabilities((LOUD + OTHER) / 2), atol=1e-3)
    with pytest.raises(Unprocessable) as caught:
        judge(pipeline, LOUD, channel="right")
    assert caught.value.pointer == "/channel"


def test_one_silent_channel_does_not_silence_the_other(pipeline):
    left, right = judge(pipeline, QUIET, LOUD, channel="each").channels
    assert left.flags == ("silent", "no_speech")
    assert right.flags == ()
    assert right.probabilities is not None


def test_times_count_from_the_beginning_of_the_recording(pipeline):
    recording = np.concatenate([QUIET, LOUD, QUIET])
    (channel,) = judge(pipeline, recording, start_s=1.0, end_s=2.0).channels
    assert channel.timeline.start_s.tolist() == [1.0]
    assert channel.timeline.end_s.tolist() == [2.0]
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(LOUD), atol=1e-3)


def test_other_sample_rates(pipeline):
    (channel,) = judge(pipeline, tone(1.0, 44100), rate_hz=44100).channels
    np.testing.assert_allclose(channel.probabilities, expected_probabilities(LOUD), atol=1e-3)


def test_decoders_flags_come_first(build, tmp_path):
    write_speech_bundle(tmp_path)
    pipeline = build(tmp_path, decoder=PlainDecoder(flags=("clipped",)))
    assert judge(pipeline, LOUD).channels[0].flags == ("clipped", "no_voice_activity")


def test_model_without_dimensions(build, tmp_path):
    write_speech_bundle(tmp_path, dimensions=False)
    pipeline = build(tmp_path)
    (channel,) = judge(pipeline, LOUD).channels
    assert channel.arousal is channel.valence is None
    assert channel.timeline.arousal is channel.timeline.valence is None


def test_envelope_is_the_least_and_greatest_of_each_slice(pipeline):
    answer = judge(pipeline, np.linspace(-1, 1, 2 * RATE_HZ, dtype=np.float32))
    assert answer.envelope.shape == (1000, 2)
    assert answer.envelope.dtype == np.float32
    assert answer.envelope[0, 0] == pytest.approx(-1, abs=1e-3)
    assert answer.envelope[-1, 1] == pytest.approx(1, abs=1e-3)
    assert (np.diff(answer.envelope, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("options", "pointer"),
    [({"window_s": 0.05}, "/window_s"), ({"window_s": 11.0}, "/window_s"), ({"hop_s": 0.01}, "/hop_s")],
)
def test_bad_parameters_name_their_pointer(pipeline, options, pointer):
    with pytest.raises(Unprocessable) as caught:
        judge(pipeline, LOUD, **options)
    assert caught.value.pointer == pointer


def test_unknown_model_and_short_clip(pipeline):
    with pytest.raises(ModelNotFound):
        judge(pipeline, LOUD, model="absent")
    with pytest.raises(MediaTooShort):
        judge(pipeline, tone(0.09))


def test_stages_progress_and_measurements(build, tmp_path):
    write_speech_bundle(tmp_path)
    write_voice_bundle(tmp_path)
    seen, told = [], []
    pipeline = build(tmp_path, observe=lambda *measurement: told.append(measurement))
    answer = pipeline.analyse(wav(np.tile(LOUD, 5)), AudioOptions(), Work.within(60.0, progress=seen.append))
    assert set(answer.stages_s) == {"decode", "queue", "infer", "post"}
    assert all(seconds >= 0 for seconds in answer.stages_s.values())
    assert answer.stages_s.spans.keys() == answer.stages_s.keys()
    assert all(began_at <= ended_at for began_at, ended_at in answer.stages_s.spans.values())
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    stages = {labels["stage"]: value for name, value, labels in told if name == "stage_seconds"}
    assert stages == answer.stages_s
    pipeline.close()
    assert sum(value for name, value, _ in told if name == "batch_windows") == 9 + 1


def test_many_threads_get_the_answers_that_one_gets(pipeline):
    clips = [tone(0.3 + 0.1 * (number % 7), amplitude=0.1 + 0.02 * number) for number in range(24)]
    alone = [judge(pipeline, clip).channels[0].probabilities for clip in clips]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda clip: judge(pipeline, clip).channels[0].probabilities, clips))
    np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-5)
    assert pipeline.admission.held_s == 0


class PretendedGpu:
    """A CPU session that says it is on a GPU, so that windows are padded and batched as there."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.provider = CUDA
        self.input_names, self.output_names = session.input_names, session.output_names
        self.optional_input_names, self.require = session.optional_input_names, session.require
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs, outputs):
        self.shapes.append(inputs["waveform"].shape)
        return self._session.run(inputs, outputs)


def test_answers_do_not_depend_on_the_batch_or_its_padding(tmp_path):
    write_speech_bundle(tmp_path)
    (bundle,) = Registry.load(Settings(model_dirs=[tmp_path])).bundles
    gpu = PretendedGpu(Session(bundle.path(), device="cpu"))
    padding = []
    model = EmotionModel(bundle, gpu, max_batch=8, on_padding=padding.append)
    clips = [tone(seconds, hz=100 + 400 * seconds) for seconds in (0.76, 0.8, 0.9, 0.97, 1.0)]
    assert {model.key(clip) for clip in clips} == {RATE_HZ}
    together = model.run(clips)
    assert gpu.shapes == [(8, RATE_HZ)]
    assert padding[0] == pytest.approx(1 - 4.43 / 8, abs=1e-3)
    for clip, answer in zip(clips, together, strict=True):
        (alone,) = model.run([clip])
        for name in ("probabilities", "arousal", "valence"):
            np.testing.assert_allclose(answer[name], alone[name], atol=1e-5)
        np.testing.assert_allclose(answer["probabilities"], expected_probabilities(clip), atol=1e-5)
    model.warm_up()
    assert gpu.shapes[-5:-1] == [(8, RATE_HZ), (4, RATE_HZ), (2, RATE_HZ), (1, RATE_HZ)]
    assert gpu.shapes[-1] == (1, 3 * RATE_HZ)  # the check clip


def test_wrong_graphs_are_refused_by_one_line(build, tmp_path):
    write_speech_bundle(tmp_path / "a", model=b"no graph", runs=False)
    with pytest.raises(BundleError, match="bundle tiny/1: ONNX Runtime cannot load it") as caught:
        build(tmp_path / "a")
    assert "\n" not in str(caught.value)
    write_speech_bundle(tmp_path / "b", labels=("a", "b", "c"), model=speech_model(2))
    pipeline = build(tmp_path / "b")
    with pytest.raises(BundleError, match="bundle tiny/1: 2 classes, but 3 labels"):
        pipeline.warm_up()


class Broken:
    """Stands in for a session's ``run``: fails while ``failures`` last."""

    def __init__(self, session: Session, failures: int) -> None:
        self.real, self.failures = session.run, failures

    def __call__(self, inputs, outputs):
        self.failures -= 1
        if self.failures >= 0:
            raise MemoryError("out of memory")
        return self.real(inputs, outputs)


def session_of(pipeline) -> Session:
    return pipeline._models.emotion["tiny", "1"].session


def test_a_session_that_fails_once_is_not_noticed(deaf, monkeypatch):
    monkeypatch.setattr(session_of(deaf), "run", Broken(session_of(deaf), failures=1))
    assert judge(deaf, LOUD).channels[0].probabilities is not None


def test_a_session_that_fails_twice_is_a_503_and_recovers(deaf, monkeypatch):
    monkeypatch.setattr(session_of(deaf), "run", Broken(session_of(deaf), failures=2))
    with pytest.raises(InferenceUnavailable):
        judge(deaf, LOUD)
    assert judge(deaf, LOUD).channels[0].probabilities is not None
    assert deaf.admission.held_s == 0


def test_numbers_that_are_not_finite_are_never_an_answer(deaf, monkeypatch):
    def run(inputs, outputs):
        return {name: np.full((1, 2) if name == "probabilities" else 1, np.nan) for name in outputs}

    monkeypatch.setattr(session_of(deaf), "run", run)
    with pytest.raises(InferenceUnavailable):
        judge(deaf, LOUD)


def test_a_session_that_hangs_is_a_504_and_stalls_the_pipeline(build, tmp_path, monkeypatch):
    write_speech_bundle(tmp_path)
    pipeline = build(tmp_path, limits=Limits(deadline_s=0.3), threads=1)
    gate = threading.Event()
    real = session_of(pipeline).run

    def hang(inputs, outputs):
        gate.wait(HANG_S)
        return real(inputs, outputs)

    monkeypatch.setattr(session_of(pipeline), "run", hang)
    began_at = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        pipeline.analyse(wav(LOUD), AudioOptions(), Work.within(0.3))
    assert time.monotonic() - began_at < HANG_S
    wait_until(pipeline.stalled)
    assert pipeline.admission.held_s == 0
    with pytest.raises(DeadlineExceeded):
        pipeline.analyse(wav(LOUD), AudioOptions(), Work.within(0.05))
    gate.set()
    assert judge(pipeline, LOUD).channels[0].probabilities is not None
    assert not pipeline.stalled()


def test_cancelled_work_ends_and_gives_its_capacity_back(deaf):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        deaf.analyse(wav(np.tile(LOUD, 60)), AudioOptions(hop_s=0.05), Work.within(60.0, cancel))
    assert deaf.admission.held_s == 0
    assert deaf.waiting_windows == 0


def test_capacity_counts_seconds_before_and_after_decoding(build, tmp_path):
    write_speech_bundle(tmp_path)
    pipeline = build(tmp_path, capacity_s=3.0)
    with pipeline.admission.hold(2.5):
        with pytest.raises(CapacityExceeded):
            judge(pipeline, LOUD)
        with pytest.raises(CapacityExceeded):  # its bytes are estimated as 0.3 s
            judge(pipeline, tone(0.6, 4000), rate_hz=4000)
        assert pipeline.admission.held_s == 2.5
    judge(pipeline, LOUD)


def test_a_pipeline_that_closes_tells_so(pipeline):
    pipeline.close()
    with pytest.raises(Draining):
        judge(pipeline, LOUD)
