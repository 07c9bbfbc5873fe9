"""Answers of the speech pipeline that look like real ones, with everything that can be missing."""

import numpy as np

from service.pipeline.results import (
    AudioEmbedding,
    AudioEmotion,
    ChannelEmbedding,
    ChannelEmotion,
    MediaInfo,
    ModelReference,
    Timeline,
)

SHA256 = "ab" * 32
PROVIDER = "CPUExecutionProvider"
LABELS = ("anger", "neutral")
DENOISER = ModelReference("quiet", "1", SHA256, "CC0-1.0", PROVIDER)

SIX_LABELS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
NINE_LABELS = (*SIX_LABELS, "surprise", "calm", "boredom")


def example_timeline(
    windows: int,
    labels: tuple[str, ...],
    *,
    hop_s: float = 1.0,
    window_s: float = 2.0,
    gaps: tuple[tuple[int, int], ...] = (),
    affect: bool = True,
    seed: int = 440,
) -> Timeline:
    """A random walk over classes; rows of ``gaps`` (first, end) are NaN, as where nobody speaks."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.5, (windows, len(labels))), axis=0)
    walk -= walk.mean(axis=0)
    logits = 2.5 * walk / (1e-9 + walk.std()) if windows > 1 else rng.normal(0, 1.5, walk.shape)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    probabilities = probabilities.astype(np.float32)
    turns = np.linspace(0, 2 + windows / 60, windows)
    arousal = (0.6 * np.sin(2.1 * turns) + rng.normal(0, 0.05, windows)).astype(np.float32)
    valence = (0.5 * np.cos(1.3 * turns + 1) + rng.normal(0, 0.05, windows)).astype(np.float32)
    speech = np.clip(rng.normal(0.85, 0.12, windows), 0, 1).astype(np.float32)
    for first, end in gaps:
        for column in (probabilities, arousal, valence):
            column[first:end] = np.nan
        speech[first:end] = 0.02
    start_s = np.arange(windows, dtype=np.float64) * hop_s
    return Timeline(
        start_s=start_s,
        end_s=start_s + window_s,
        probabilities=probabilities,
        arousal=arousal if affect else None,
        valence=valence if affect else None,
        speech=speech,
    )


def example_channel(name: str, timeline: Timeline, labels: tuple[str, ...], *flags: str) -> ChannelEmotion:
    """The answer for one channel: the mean over its known windows."""
    known = np.isfinite(timeline.probabilities).all(axis=1)
    if not known.any():
        return ChannelEmotion(name, None, None, None, None, timeline, (*flags, "no_speech"))
    probabilities = timeline.probabilities[known].mean(axis=0)
    return ChannelEmotion(
        channel=name,
        probabilities=probabilities,
        emotion=labels[int(np.argmax(probabilities))],
        arousal=None if timeline.arousal is None else float(np.nanmean(timeline.arousal)),
        valence=None if timeline.valence is None else float(np.nanmean(timeline.valence)),
        timeline=timeline,
        flags=flags,
    )


def example_result(
    windows: int = 12,
    labels: tuple[str, ...] = SIX_LABELS,
    *,
    channels: tuple[str, ...] = ("mix",),
    hop_s: float = 1.0,
    window_s: float = 2.0,
    gaps: tuple[tuple[int, int], ...] = (),
    affect: bool = True,
    flags: tuple[str, ...] = (),
) -> AudioEmotion:
    """A whole answer; every channel gets its own random walk, the first one the gaps."""
    answers = tuple(
        example_channel(
            name,
            example_timeline(
                windows,
                labels,
                hop_s=hop_s,
                window_s=window_s,
                gaps=gaps if index == 0 else (),
                affect=affect,
                seed=440 + index,
            ),
            labels,
            *flags,
        )
        for index, name in enumerate(channels)
    )
    duration_s = float(answers[0].timeline.end_s[-1])
    return AudioEmotion(
        media=MediaInfo(duration_s, "wav", "pcm_s16le", 16000, max(1, len(channels))),
        model=ModelReference("speech-emotion-small", "1", SHA256, "CC0-1.0", PROVIDER),
        labels=labels,
        channels=answers,
        envelope=_envelope(answers[0].timeline),
        stages_s={"decode": 0.01, "infer": 0.05},
    )


def _envelope(timeline: Timeline) -> np.ndarray:
    """Syllable-like loudness where there is speech, hiss elsewhere: float32 [slices, 2]."""
    rng = np.random.default_rng(7)
    times_s = np.linspace(0, timeline.end_s[-1], 1000)
    assert timeline.speech is not None
    spoken = np.interp(times_s, (timeline.start_s + timeline.end_s) / 2, timeline.speech)
    loudness = 0.01 + 0.6 * spoken * np.abs(np.sin(times_s * 9)) * rng.uniform(0.2, 1, 1000)
    return np.stack([-loudness * rng.uniform(0.7, 1, 1000), loudness], axis=1).astype(np.float32)


def fake_embedding(channels: tuple[str, ...] = ("mix",), *, denoised: bool = False) -> AudioEmbedding:
    """Three windows of three numbers; in the first channel the second window is silent."""
    rows = np.arange(9, dtype=np.float32).reshape(3, 3) / 8
    silent = np.where(np.arange(3)[:, None] == 1, np.nan, rows).astype(np.float32)
    flags = ("denoised",) if denoised else ()
    answers = [ChannelEmbedding(channels[0], silent, (*flags, "silent_windows"))]
    answers += [ChannelEmbedding(name, rows + 1, flags) for name in channels[1:]]
    return AudioEmbedding(
        media=MediaInfo(3.0, "wav", "pcm_s16le", sample_rate_hz=16000, channels=len(channels)),
        model=ModelReference("example", "1", SHA256, "CC0-1.0", PROVIDER),
        dimensions=3,
        start_s=np.array([0.0, 0.5, 1.0]),
        end_s=np.array([2.0, 2.5, 3.0]),
        channels=tuple(answers),
        denoiser=DENOISER if denoised else None,
        stages_s={"decode": 0.002, "queue": 0.001, "infer": 0.003, "post": 0.0005},
    )


def fake_result(*, denoised: bool = False) -> AudioEmotion:
    """Two windows of a short recording; the second is silent."""
    timeline = Timeline(
        start_s=np.array([0.0, 1.0]),
        end_s=np.array([1.0, 2.0]),
        probabilities=np.array([[0.9, 0.1], [np.nan, np.nan]], np.float32),
        arousal=np.array([0.7, np.nan], np.float32),
        valence=None,
        speech=np.array([1.0, 0.0], np.float32),
    )
    channel = ChannelEmotion("mix", np.array([0.9, 0.1], np.float32), "anger", 0.7, None, timeline, flags=("clipped",))
    return AudioEmotion(
        media=MediaInfo(2.0, "wav", "pcm_s16le", sample_rate_hz=16000, channels=1),
        model=ModelReference("example", "1", SHA256, "CC0-1.0", PROVIDER),
        labels=LABELS,
        channels=(channel,),
        envelope=np.zeros((10, 2), np.float32),
        denoiser=DENOISER if denoised else None,
        stages_s={"decode": 0.002, "queue": 0.001, "infer": 0.003, "post": 0.0005},
    )
