"""A stream's answers do not depend on how it was cut: any partition of samples or frames, any jitter of times."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.pipeline.affect.live import LiveAffect
from service.pipeline.affect.model import AffectModel
from service.pipeline.device.task import Work
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.results import AudioOptions
from service.pipeline.speech.live import LiveOptions
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.settings import Settings
from tests.plain_wav import PlainDecoder, tone, wav
from tests.shared_material import ROOT
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle

SOUND = np.concatenate([tone(1.3), np.zeros(12_000, np.float32), tone(0.9, amplitude=0.6)])
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=[True, False], ids=["voice activity", "without"])
def pipeline(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechPipeline]:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder)
    if request.param:
        write_voice_bundle(folder)
    given_settings = Settings(model_dirs=[folder], device="cpu", threads=1)
    pipeline = SpeechPipeline(given_settings, Registry.load(given_settings), PlainDecoder())
    yield pipeline
    pipeline.close()


def work() -> Work:
    return Work(time.monotonic() + 60, None, None)


def pieces(length: int, cuts: Sequence[int]) -> Iterator[slice]:
    """Slices between ``cuts``, which may be equal or beyond the end."""
    places = [0, *sorted(min(cut, length) for cut in cuts), length]
    return (slice(begin, end) for begin, end in itertools.pairwise(places))


@FEW
@given(
    samples=st.integers(1, len(SOUND)),
    cuts=st.lists(st.integers(0, len(SOUND)), max_size=12),
    hop_s=st.sampled_from([0.25, 0.5, 0.7, 3.0]),
)
def test_windows_are_those_of_an_upload_for_any_partition(
    pipeline: SpeechPipeline, samples: int, cuts: list[int], hop_s: float
) -> None:
    sound = SOUND[:samples]
    content = (sound * 32767).round().astype("<i2")
    live = pipeline.live(LiveOptions(16000, hop_s=hop_s))
    windows = [window for piece in pieces(samples, cuts) for window in live.add(content[piece].tobytes(), work())]
    windows += live.finish(work())
    assert live.samples == samples
    if samples < live.model.speech.min_length_s * 16000:
        assert windows == []
        return
    (channel,) = pipeline.analyse(wav(sound), AudioOptions(hop_s=hop_s), patient()).channels
    timeline = channel.timeline
    assert [window.start_s for window in windows] == timeline.start_s.tolist()
    assert [window.end_s for window in windows] == timeline.end_s.tolist()
    for window, row in zip(windows, timeline.probabilities, strict=True):
        np.testing.assert_allclose(
            np.full(2, np.nan) if window.probabilities is None else window.probabilities, row, atol=1e-5
        )


@FEW
@given(
    rate_hz=st.sampled_from([8000, 22_050, 44_100, 48_000]),
    channels=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 30_000), max_size=12),
)
def test_resampled_sound_does_not_depend_on_the_partition(
    pipeline: SpeechPipeline, rate_hz: int, channels: int, cuts: list[int]
) -> None:
    random = np.random.default_rng(3)
    content = random.integers(-20_000, 20_000, (30_000, channels)).astype("<i2")
    live = pipeline.live(LiveOptions(rate_hz, channels=channels))
    heard: list[np.ndarray] = []
    real = live._hear

    def listen(*arguments: object, **options: object) -> None:
        before = live._end
        real(*arguments, **options)
        heard.append(live._sound[before - live._dropped :].copy())

    live._hear = listen  # type: ignore[method-assign]
    for piece in pieces(len(content), cuts):
        live.add(content[piece].tobytes(), work())
    live.finish(work())
    whole = soxr.resample(content.astype(np.float32) / 32768, rate_hz, 16_000).mean(axis=1)
    np.testing.assert_allclose(np.concatenate(heard), whole, atol=1e-4)


@pytest.fixture(scope="module")
def model() -> AffectModel:
    return AffectModel(Registry.load(Settings(model_dirs=[ROOT / "models"])).find("affect-prior", task="affect"))


@st.composite
def jittered_frames(draw: st.DrawFn) -> FaceSeries:
    """Up to 15 s at 5 to 30 frames a second, each up to 40 % of a step too early or too late, some without a face."""
    step_s = 1 / draw(st.integers(5, 30))
    count = draw(st.integers(1, int(15 / step_s)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time_s = (np.arange(count) + random.uniform(-0.4, 0.4, count)) * step_s
    tracked = random.random(count) < draw(st.sampled_from([0.5, 0.95, 1.0]))
    units = (random.uniform(0, 5, (count, 17)) * tracked[:, None]).astype(np.float32)
    return FaceSeries(time_s - time_s[0], np.where(tracked, 0.98, 0.0), units, tracked)


@FEW
@given(frames=jittered_frames(), cuts=st.lists(st.integers(0, 450), max_size=8))
def test_rows_are_those_of_a_recording_for_any_jitter_and_partition(
    model: AffectModel, frames: FaceSeries, cuts: list[int]
) -> None:
    duration_s = float(frames.time_s[-1])
    live = LiveAffect(model)
    parts = [live.add(frames[piece]) for piece in pieces(len(frames), cuts)]
    parts.append(live.finish(duration_s))
    features = model.features(frames, duration_s=duration_s)
    expected = {"time_s": features.time_s, "face_confidence": features.columns[:, 0], **model.series(features)}
    for name, column in expected.items():
        np.testing.assert_allclose(np.concatenate([getattr(part, name) for part in parts]), column, atol=1e-5)
