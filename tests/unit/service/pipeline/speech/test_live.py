"""Properties of streams alone: windows that come at once, little memory, and limits of their own."""

from pathlib import Path

import numpy as np
import pytest

from service.pipeline.speech.live import LiveEmotion, LiveOptions
from service.problems import MediaTooLong, ModelNotFound, SampleRateUnsupported, TooManyChannels, Unprocessable
from tests.plain_wav import tone
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle


def pcm(*channels: np.ndarray) -> bytes:
    return (np.stack(channels, axis=1) * 32767).round().astype("<i2").tobytes()


def held(state: object) -> int:
    """Numbers in what a listener would write down."""
    if isinstance(state, dict):
        return sum(map(held, state.values()))
    return state.size if isinstance(state, np.ndarray) else 0


@pytest.mark.parametrize("has_voice", [True, False])
@pytest.mark.parametrize(("rate_hz", "lag_s"), [(16_000, 0.0), (44_100, 0.1)])
def test_a_window_comes_as_soon_as_it_is_complete(
    build, tmp_path: Path, has_voice: bool, rate_hz: int, lag_s: float
) -> None:
    write_speech_bundle(tmp_path)
    if has_voice:
        write_voice_bundle(tmp_path)
    pipeline = build(tmp_path, threads=1)
    live = pipeline.live(LiveOptions(rate_hz))
    content = pcm(tone(60.0, rate_hz))
    early, late = (2 * round(seconds * rate_hz) for seconds in (0.999, 1.024 + lag_s))
    assert live.add(content[:early], patient()) == []
    # Voice activity goes by steps of 512 samples: the one in which the window ends must be complete.
    assert [window.end_s for window in live.add(content[early:late], patient())] == [1.0]
    sizes = set()
    for begin in range(late, len(content), 6400):
        live.add(content[begin : begin + 6400], patient())
        sizes.add(held(live._listener.state()) + held(live._resampler.state()))
    assert max(sizes) < 3 * rate_hz  # of 60 s no more is kept than the windows that follow need


def test_limits(build, tmp_path: Path) -> None:
    write_speech_bundle(tmp_path)
    pipeline = build(tmp_path, threads=1, limits={"max_duration_s": 2.0, "max_windows": 2})
    refused_at_once = [
        (LiveOptions(16000, channels=9), TooManyChannels),
        (LiveOptions(400), SampleRateUnsupported),
        (LiveOptions(10**6), SampleRateUnsupported),
        (LiveOptions(16000, hop_s=0.01), Unprocessable),
        (LiveOptions(16000, window_s=99), Unprocessable),
        (LiveOptions(16000, model="absent"), ModelNotFound),
    ]
    for options, kind in refused_at_once:
        with pytest.raises(kind):
            pipeline.live(options)
    too_much = [(LiveOptions(16000), 2.1), (LiveOptions(8000, hop_s=5.0), 2.1), (LiveOptions(16000, hop_s=0.1), 1.9)]
    for options, seconds in too_much:
        with pytest.raises(MediaTooLong):
            pipeline.live(options).add(pcm(tone(seconds, options.sample_rate_hz)), patient())
    with pytest.raises(MediaTooLong):  # the last window is one too many
        send(pipeline.live(LiveOptions(16000)), pcm(tone(1.7)))
    assert send(pipeline.live(LiveOptions(16000, channels=8)), pcm(*[tone(1.0)] * 8)) == 1


def send(live: LiveEmotion, content: bytes) -> int:
    """How many windows a whole stream has."""
    return len(live.add(content, patient()) + live.finish(patient()))
