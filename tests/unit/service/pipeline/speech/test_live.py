"""Sound that arrives piece by piece gets the answers of an upload of the same samples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions, JudgedWindow, Timeline
from service.pipeline.speech.live import LiveEmotion, LiveOptions
from service.pipeline.speech.voice_activity import Chunk, ChunkAnswer, VoiceActivity
from service.pipeline.speech.voice_stream import VoiceStream
from service.pipeline.speech_pipeline import SpeechPipeline
from service.problems import MediaTooLong, ModelNotFound, SampleRateUnsupported, TooManyChannels, Unprocessable
from service.registry import Registry
from service.settings import Settings
from tests.plain_wav import PlainDecoder, tone, wav
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle

LOUD, OTHER = tone(1.3), tone(0.9, amplitude=0.6)
QUIET = np.zeros(16000, np.float32)
SOUND = np.concatenate([LOUD, QUIET, OTHER, QUIET, LOUD])


def build(folder: Path, **limits: object) -> SpeechPipeline:
    settings = Settings(model_dirs=[folder], device="cpu", threads=1, limits=limits)  # type: ignore[arg-type]
    return SpeechPipeline(settings, Registry.load(settings), PlainDecoder())


@pytest.fixture(params=[True, False], ids=["voice activity", "without"])
def pipeline(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SpeechPipeline]:
    write_speech_bundle(tmp_path)
    if request.param:
        write_voice_bundle(tmp_path)
    pipeline = build(tmp_path)
    yield pipeline
    pipeline.close()


def work() -> Work:
    return Work(time.monotonic() + 60, None, None)


def pcm(*channels: np.ndarray) -> bytes:
    return (np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes()


def send(live: LiveEmotion, content: bytes, piece_bytes: int) -> list[JudgedWindow]:
    windows = []
    for begin in range(0, len(content), piece_bytes):
        windows += live.add(content[begin : begin + piece_bytes], work())
    return windows + live.finish(work())


def assert_equal(windows: list[JudgedWindow], timeline: Timeline, atol: float = 1e-5) -> None:
    assert [window.index for window in windows] == list(range(len(timeline.start_s)))
    assert [window.start_s for window in windows] == timeline.start_s.tolist()
    assert [window.end_s for window in windows] == timeline.end_s.tolist()
    for window, probabilities in zip(windows, timeline.probabilities, strict=True):
        given = np.full(2, np.nan) if window.probabilities is None else window.probabilities
        np.testing.assert_allclose(given, probabilities, atol=atol)
    for name in ("arousal", "valence", "speech"):
        column = getattr(timeline, name)
        given = np.array([getattr(window, name) for window in windows], np.float64)
        if column is None:
            assert np.isnan(given).all()
        else:
            np.testing.assert_allclose(given, column, atol=atol)


@pytest.mark.parametrize("piece_bytes", [2, 640, 3334, 100_000])
@pytest.mark.parametrize("options", [{}, {"window_s": 0.7, "hop_s": 0.25}, {"hop_s": 9.0}])
def test_a_stream_gets_the_timeline_of_an_upload(
    pipeline: SpeechPipeline, piece_bytes: int, options: dict[str, float]
) -> None:
    sound = SOUND[:20_000] if piece_bytes == 2 else SOUND
    live = pipeline.live(LiveOptions(16000, **options))  # type: ignore[arg-type]
    (channel,) = pipeline.analyse(wav(sound), AudioOptions(**options), patient()).channels  # type: ignore[arg-type]
    assert_equal(send(live, pcm(sound), piece_bytes), channel.timeline)
    assert live.samples == len(sound)


@pytest.mark.parametrize("samples", [2000, 16000, 16001, 24000])
def test_short_streams_end_as_short_uploads(pipeline: SpeechPipeline, samples: int) -> None:
    sound = tone(2.0)[:samples]
    (channel,) = pipeline.analyse(wav(sound), AudioOptions(), patient()).channels
    assert_equal(send(pipeline.live(LiveOptions(16000)), pcm(sound), 640), channel.timeline)


def test_too_little_sound_has_no_window(pipeline: SpeechPipeline) -> None:
    assert send(pipeline.live(LiveOptions(16000)), pcm(tone(0.05)), 640) == []
    assert pipeline.live(LiveOptions(16000)).finish(work()) == []


def test_other_rates_and_channels(pipeline: SpeechPipeline) -> None:
    left, right = tone(3.0, 44100), tone(3.0, 44100, amplitude=0.5, hz=330)
    (channel,) = pipeline.analyse(wav(left, right, rate_hz=44100), AudioOptions(), patient()).channels
    live = pipeline.live(LiveOptions(44100, channels=2))
    assert_equal(send(live, pcm(left, right), 8820), channel.timeline, atol=1e-4)


def test_a_window_comes_as_soon_as_it_is_complete(pipeline: SpeechPipeline) -> None:
    live = pipeline.live(LiveOptions(16000))
    content = pcm(SOUND)
    assert live.add(content[: 2 * 15_999], work()) == []
    # Voice activity goes by steps of 512 samples: the one in which the window ends must be complete.
    assert [window.end_s for window in live.add(content[2 * 15_999 : 2 * 16_384], work())] == [1.0]
    live.add(content[2 * 16_384 :], work())
    assert len(live._sound) <= 16_000 + 8_000  # a window, and what may come before the next is complete
    if live._voice is not None:
        assert len(live._voice._speech) * 512 <= 16_000 + 8_000


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_voice_activity_hears_one_recording_to_its_end(rate_hz: int) -> None:
    """Each call goes on with the state and the sound of the one before, wherever the sound is cut."""
    heard: list[Chunk] = []

    def run(chunk: Chunk) -> ChunkAnswer:
        heard.append(chunk)
        return ChunkAnswer(np.ones(len(chunk.frames), np.float32), chunk.h + 1, chunk.c + 2)

    model = SimpleNamespace(rate_hz=16_000, step_samples=512, context_samples=64, state_size=2, threshold=0.5)
    voice = VoiceStream(cast("VoiceActivity", model), rate_hz)
    sound = tone(1.0, rate_hz)
    for begin in range(0, len(sound), 5000):
        voice.add(sound[begin : begin + 5000], run)
    voice.add(sound[:0], run, last=True)
    frames = np.concatenate([chunk.frames for chunk in heard])
    assert voice.known_s == len(frames) * 512 / 16_000 == 32 * 512 / 16_000
    assert [(chunk.h[0, 0, 0], chunk.c[0, 0, 0]) for chunk in heard] == [(n, 2 * n) for n in range(len(heard))]
    assert not frames[0, :64].any()
    np.testing.assert_array_equal(frames[1:, :64], frames[:-1, -64:])


def test_limits(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path)
    pipeline = build(tmp_path, max_duration_s=2.0, max_windows=2)
    with pytest.raises(MediaTooLong):
        pipeline.live(LiveOptions(16000)).add(pcm(tone(2.1)), work())
    with pytest.raises(MediaTooLong):
        pipeline.live(LiveOptions(8000, hop_s=5.0)).add(pcm(tone(2.1)[::2]), work())
    with pytest.raises(MediaTooLong):
        pipeline.live(LiveOptions(16000, hop_s=0.1)).add(pcm(tone(1.9)), work())
    with pytest.raises(MediaTooLong):
        send(pipeline.live(LiveOptions(16000, hop_s=0.1)), pcm(tone(1.9)), 3200)
    most = pipeline.live(LiveOptions(16000, channels=8))
    assert len(send(most, pcm(*[tone(1.0)] * 8), 16_000)) == 1
    for options, kind in [
        (LiveOptions(16000, channels=9), TooManyChannels),
        (LiveOptions(400), SampleRateUnsupported),
        (LiveOptions(10**6), SampleRateUnsupported),
        (LiveOptions(16000, hop_s=0.01), Unprocessable),
        (LiveOptions(16000, window_s=99), Unprocessable),
        (LiveOptions(16000, model="absent"), ModelNotFound),
    ]:
        with pytest.raises(kind):
            pipeline.live(options)
    pipeline.close()
