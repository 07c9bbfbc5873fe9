"""The same recording as an upload, as a stream and as a job, cut anywhere, gives the same answer."""

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.jobs.audio_plan import AudioPlan
from service.jobs.plans import JobPlans, job_limits
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.device.admit import Admission
from service.pipeline.results import (
    AudioEmotion,
    ChannelEmotion,
    FlagSpan,
    JudgedSegment,
    JudgedWindow,
    Segments,
    Timeline,
)
from service.pipeline.speech.live import LiveOptions
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.settings import Settings
from tests.plain_wav import PlainDecoder, tone, wav
from tests.support.long_recordings import PlainLongDecoder, pieces, run_job
from tests.support.work import patient
from tests.tiny_models import denoiser_model, write_denoiser_bundle, write_speech_bundle, write_voice_bundle

MODELS = {"tiny": 16_000, "fast": 22_050, "slow": 8_000}
DENOISER_HZ = 16_000
RATES_HZ = (8_000, 16_000, 22_050, 44_100, 48_000)
SHORTEST_S, LONGEST_S = 0.1, 5.0
FEW = settings(max_examples=25, suppress_health_check=list(HealthCheck))


class Built:
    """A pipeline and the plans of its jobs over tiny models, with decoders in this process."""

    def __init__(self, folder, *, has_voice: bool, cues: bool) -> None:
        for name, rate_hz in MODELS.items():
            write_speech_bundle(folder, name, sample_rate_hz=rate_hz)
        write_denoiser_bundle(
            folder, model=denoiser_model(0.9), sample_rate_hz=DENOISER_HZ, window_s=1.0, hop_s=0.7, max_length_s=1.5
        )
        if has_voice:
            write_voice_bundle(folder, cues=cues)
        self.decoder = PlainDecoder()
        self.settings = Settings(model_dirs=[folder], device="cpu", threads=1)
        self.speech = SpeechPipeline(self.settings, Registry.load(self.settings), cast("LongDecoder", self.decoder))
        self.spool = Spool(folder / "spool")

    def upload(self, content: bytes, options: AudioOptions) -> AudioEmotion:
        return self.speech.analyse(content, options, patient())

    def job(self, content: bytes, options: AudioOptions, segment_s: float, cuts: list[int], lost: int) -> AudioEmotion:
        """The answer of a job that forgets everything but its files before segments with a bit in ``lost``."""
        plan = AudioPlan(self.speech, job_limits(self.settings), segment_s)
        plans = JobPlans(plan, None, cast("LongDecoder", PlainLongDecoder(cuts, self.decoder.spans)), Admission(7200.0))
        answer, _ = run_job(plans, options, content, self.spool, lambda number: bool(lost >> number % 16 & 1))
        assert isinstance(answer, AudioEmotion)
        return answer

    def stream(
        self, block: np.ndarray, options: LiveOptions, cuts: list[int]
    ) -> tuple[list[JudgedWindow], list[JudgedSegment], AudioEmotion]:
        """The windows, utterances and answer of int16 [samples, channels] that is sent in pieces."""
        live = self.speech.live(options)
        answers = [
            answer for piece in pieces(len(block), cuts) for answer in live.add(block[piece].tobytes(), patient())
        ]
        assert live.samples == len(block)
        answers += live.finish(patient())
        windows = [answer for answer in answers if isinstance(answer, JudgedWindow)]
        segments = [answer for answer in answers if isinstance(answer, JudgedSegment)]
        assert live.windows == len(windows)
        assert live.segments == len(segments)
        return windows, segments, live.answer()


@pytest.fixture(scope="module", params=["the detector alone", "all cues", "no voice activity"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    built = Built(
        tmp_path_factory.mktemp("models"),
        has_voice=request.param != "no voice activity",
        cues=request.param == "all cues",
    )
    yield built
    built.speech.close()


def recording(seconds: float, rate_hz: int, seed: int, *, silent: bool) -> np.ndarray:
    """float32 [n]: tones of 0.3 to 0.9 s of different loudness and pauses; or a constant."""
    count = round(seconds * rate_hz)
    if silent:
        return np.full(count, 0.01, np.float32)
    random = np.random.default_rng(seed)
    parts = [
        tone(random.uniform(0.3, 0.9), rate_hz, amplitude=amplitude, hz=random.uniform(100, 900))
        for amplitude in random.choice([0.0, 0.004, 0.1, 0.4], 20)
    ]
    return np.concatenate(parts)[:count]


@st.composite
def recordings(draw: st.DrawFn) -> tuple[int, list[np.ndarray]]:
    rate_hz = draw(st.sampled_from(RATES_HZ))
    seconds = draw(st.floats(SHORTEST_S, LONGEST_S))
    channels = draw(st.integers(1, 2))
    return rate_hz, [
        recording(seconds, rate_hz, draw(st.integers(0, 99)), silent=draw(st.integers(0, 9)) == 0)
        for _ in range(channels)
    ]


CUTS = st.lists(st.integers(0, round(LONGEST_S * max(RATES_HZ))), max_size=12)
MODEL = st.sampled_from(sorted(MODELS))
HOP_S = st.sampled_from([None, 0.25, 0.7, 3.0])


@FEW
@given(
    sound=recordings(),
    cuts=CUTS,
    segment_s=st.floats(0.05, 2 * LONGEST_S),
    lost=st.integers(0, 2**16 - 1),
    model=MODEL,
    hop_s=HOP_S,
    each=st.booleans(),
    denoise=st.booleans(),
    start_s=st.sampled_from([None, 0.013]),
    gap_s=st.sampled_from([None, (0.4, 1.9)]),
)
def test_a_job_gives_the_answer_of_an_upload(
    built: Built, sound, cuts, segment_s, lost, model, hop_s, each, denoise, start_s, gap_s
) -> None:
    rate_hz, channels = sound
    if start_s is not None and len(channels[0]) < (SHORTEST_S + 2 * start_s) * rate_hz:
        start_s = None
    options = AudioOptions(model, channel="each" if each else "mix", hop_s=hop_s, denoise=denoise, start_s=start_s)
    content = wav(*channels, rate_hz=rate_hz)
    built.decoder.spans = () if gap_s is None else (FlagSpan("sound_gap", *gap_s),)
    upload = built.upload(content, options)
    for channel in upload.channels if gap_s is not None else ():
        rows = channel.timeline
        in_gap = (rows.start_s >= gap_s[0]) & (rows.end_s <= gap_s[1])
        for values in (rows.probabilities, rows.speech, rows.confidence):
            assert values is None or np.isnan(values[in_gap]).all()
        assert rows.speech is None or np.isfinite(rows.speech[~in_gap]).all()
    assert_same(built.job(content, options, segment_s, cuts, lost), upload)


@FEW
@given(sound=recordings(), cuts=CUTS, model=MODEL, hop_s=HOP_S)
def test_a_stream_gives_the_timeline_of_an_upload(built: Built, sound, cuts, model, hop_s) -> None:
    rate_hz, channels = sound
    built.decoder.spans = ()
    block = (np.stack(channels, axis=1) * 32767).round().astype("<i2")
    live = LiveOptions(rate_hz, len(channels), model, hop_s=hop_s, segments=True)
    windows, segments, whole = built.stream(block, live, cuts)
    (channel,) = built.upload(wav(*channels, rate_hz=rate_hz), AudioOptions(model, hop_s=hop_s)).channels
    if "silent" not in channel.flags or channel.timeline.speech is None:  # a stream cannot know that all is silence
        assert_timeline(windows, channel.timeline)
        assert [segment.index for segment in segments] == list(range(len(segments)))
        assert_segments([segment.row for segment in segments], channel.segments)
        (streamed,) = whole.channels
        assert streamed.emotion == channel.emotion
        assert set(streamed.flags) == set(channel.flags) - {"silent"}
        for name in ("probabilities", "arousal", "valence"):
            assert getattr(streamed, name) == pytest.approx(getattr(channel, name), abs=1e-5)


@FEW
@given(seconds=st.floats(0.0, SHORTEST_S - 0.001), rate_hz=st.sampled_from(RATES_HZ), cuts=CUTS)
def test_a_stream_that_is_too_short_has_no_window(built: Built, seconds, rate_hz, cuts) -> None:
    block = np.zeros((int(seconds * rate_hz), 1), "<i2")
    windows, segments, whole = built.stream(block, LiveOptions(rate_hz, segments=True), cuts)
    assert (windows, segments, whole.channels[0].emotion) == ([], [], None)


def assert_same(one: AudioEmotion, other: AudioEmotion) -> None:
    facts = ("media", "model", "labels", "denoiser", "flag_spans")
    assert [getattr(one, name) for name in facts] == [getattr(other, name) for name in facts]
    np.testing.assert_allclose(one.envelope, other.envelope, atol=1e-5)
    for mine, theirs in zip(one.channels, other.channels, strict=True):
        assert (mine.channel, mine.emotion, mine.flags) == (theirs.channel, theirs.emotion, theirs.flags)
        assert_speakers(mine, theirs)
        pairs = [(getattr(mine, name), getattr(theirs, name)) for name in ("probabilities", "arousal", "valence")]
        assert_segments([] if mine.segments is None else [mine.segments], theirs.segments)
        assert (mine.voice_activity is None) == (theirs.voice_activity is None)
        if mine.voice_activity is not None and theirs.voice_activity is not None:
            assert mine.voice_activity.start_s == theirs.voice_activity.start_s
            found = mine.voice_activity.probabilities
            np.testing.assert_allclose(found, theirs.voice_activity.probabilities, atol=1e-5)
        columns = ("start_s", "end_s", "probabilities", "arousal", "valence", "speech", "confidence")
        pairs += [(getattr(mine.timeline, name), getattr(theirs.timeline, name)) for name in columns]
        for given_values, expected in pairs:
            assert (given_values is None) == (expected is None)
            if expected is not None:
                np.testing.assert_allclose(given_values, expected, atol=1e-5)


def assert_speakers(one: ChannelEmotion, other: ChannelEmotion) -> None:
    assert (one.speakers is None, one.turns is None) == (other.speakers is None, other.turns is None)
    if one.turns is not None and other.turns is not None:
        assert one.turns.speaker == other.turns.speaker
        for name in ("start_s", "end_s"):
            np.testing.assert_allclose(getattr(one.turns, name), getattr(other.turns, name), atol=1e-9)
    for mine, theirs in zip(one.speakers or (), other.speakers or (), strict=True):
        assert (mine.speaker, mine.emotion, mine.plausible) == (theirs.speaker, theirs.emotion, theirs.plausible)
        np.testing.assert_allclose(mine.speech_s, theirs.speech_s, atol=1e-9)
        assert (mine.probabilities is None) == (theirs.probabilities is None)
        if mine.probabilities is not None and theirs.probabilities is not None:
            np.testing.assert_allclose(mine.probabilities, theirs.probabilities, atol=1e-5)


def assert_segments(found: list[Segments], expected: Segments | None) -> None:
    """Rows that came one by one, or together, are those of the upload."""
    if expected is None or not len(expected):
        assert sum(map(len, found)) == 0
        return
    for name, column in vars(expected).items():
        if name == "speaker":
            assert [who for one in found for who in one.speaker or ()] == list(column or ())
        elif column is not None:
            values = np.concatenate([getattr(one, name) for one in found])
            np.testing.assert_allclose(values, column, atol=1e-5, err_msg=name)


def assert_timeline(windows: list[JudgedWindow], timeline: Timeline) -> None:
    assert [window.index for window in windows] == list(range(len(timeline.start_s)))
    assert [window.start_s for window in windows] == timeline.start_s.tolist()
    assert [window.end_s for window in windows] == timeline.end_s.tolist()
    for window, probabilities in zip(windows, timeline.probabilities, strict=True):
        found = np.full(2, np.nan) if window.probabilities is None else window.probabilities
        np.testing.assert_allclose(found, probabilities, atol=1e-5)
    for name in ("arousal", "valence", "speech", "confidence"):
        column = getattr(timeline, name)
        values = np.array([getattr(window, name) for window in windows], np.float64)
        np.testing.assert_allclose(values, np.full(len(windows), np.nan) if column is None else column, atol=1e-5)
