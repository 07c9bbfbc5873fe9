"""Shared arithmetic of the renderers: means over channels, and arrays as plain numbers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import AudioEmbedding, AudioEmotion, ChannelEmotion, FloatArray, Timeline, VoiceTrace
from service.pipeline.speech.plausible import most_probable, plausible_labels, plausible_set


def has_channel_list(result: AudioEmotion | AudioEmbedding) -> bool:
    """Whether each channel was requested: there are several, or one that is named by its index."""
    return len(result.channels) > 1 or result.channels[0].channel.isdigit()


def has_dominance(result: AudioEmotion) -> bool:
    """Whether the model tells dominance beside arousal and valence."""
    return any(channel.timeline.dominance is not None for channel in result.channels)


def merged_channel(result: AudioEmotion) -> ChannelEmotion:
    """The result for the whole recording.

    A single channel is returned unchanged. For several, probabilities and dimensions are means over the channels
    with speech, for the recording and for each window; ``speech``, ``confidence`` and voice activity are the largest of
    any channel; ``flags`` are those of all channels, plausible labels those of the means. Segments are each channel's
    own.
    """
    channels = result.channels
    if len(channels) == 1:
        return channels[0]
    spoken = [channel.probabilities for channel in channels if channel.probabilities is not None]
    probabilities = _mean_of_rows(spoken) if spoken else None
    timeline = _merged_timeline([channel.timeline for channel in channels])
    return ChannelEmotion(
        channel="mean",
        probabilities=probabilities,
        emotion=most_probable(probabilities, result.labels),
        arousal=_mean_known([channel.arousal for channel in channels]),
        valence=_mean_known([channel.valence for channel in channels]),
        dominance=_mean_known([channel.dominance for channel in channels]),
        timeline=replace(timeline, plausible=plausible_labels(timeline.probabilities, result.labels, result.doubt)),
        plausible=plausible_set(probabilities, result.labels, result.doubt),
        flags=tuple(dict.fromkeys(flag for channel in channels for flag in channel.flags)),
        voice_activity=_merged_activity([channel.voice_activity for channel in channels]),
    )


def plain_values(values: NDArray[np.floating], decimals: int) -> list[float | None]:
    """One-dimensional ``values`` as Python floats rounded to ``decimals``; None for NaN and infinities."""
    rounded = np.round(values.astype(np.float64), decimals) + 0.0  # + 0.0 turns -0.0 into 0.0
    plain: list[float | None] = rounded.tolist()
    if not np.isfinite(rounded).all():
        for index in np.flatnonzero(~np.isfinite(rounded)).tolist():
            plain[index] = None
    return plain


def top_labels(probabilities: FloatArray, labels: Sequence[str]) -> list[str | None]:
    """Most probable label for each row of float32 [windows, classes]; None for a row with NaN, or without classes."""
    if not labels:
        return [None] * len(probabilities)
    known = ~np.isnan(probabilities.sum(axis=1))
    best = np.argmax(np.where(known[:, None], probabilities, 0.0), axis=1)
    return [labels[index] if there else None for index, there in zip(best.tolist(), known.tolist(), strict=True)]


def _mean_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _merged_timeline(timelines: Sequence[Timeline]) -> Timeline:
    """Means of the timelines row by row; channels of one recording have equal windows."""
    first = timelines[0]
    return Timeline(
        start_s=first.start_s,
        end_s=first.end_s,
        probabilities=_mean_of_rows([timeline.probabilities for timeline in timelines]),
        arousal=_optional_mean([timeline.arousal for timeline in timelines]),
        valence=_optional_mean([timeline.valence for timeline in timelines]),
        dominance=_optional_mean([timeline.dominance for timeline in timelines]),
        speech=_largest([timeline.speech for timeline in timelines]),
        confidence=_largest([timeline.confidence for timeline in timelines]),
    )


def _merged_activity(traces: Sequence[VoiceTrace | None]) -> VoiceTrace | None:
    heard = [trace for trace in traces if trace is not None and len(trace.probabilities)]  # none of a silent channel
    largest = _largest([trace.probabilities for trace in heard])
    return None if largest is None else VoiceTrace(heard[0].start_s, heard[0].hop_s, largest)


def _mean_of_rows(columns: Sequence[FloatArray]) -> FloatArray:
    """Element-wise mean over channels of the known numbers; NaN where none is known."""
    stacked = np.stack(columns)
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0.0).sum(axis=0, dtype=np.float64)
    mean = np.full(count.shape, np.nan, dtype=np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean


def _optional_mean(columns: Sequence[FloatArray | None]) -> FloatArray | None:
    present = [column for column in columns if column is not None]
    return _mean_of_rows(present) if present else None


def _largest(columns: Sequence[FloatArray | None]) -> FloatArray | None:
    present = [column for column in columns if column is not None]
    return np.fmax.reduce(np.stack(present), axis=0) if present else None
