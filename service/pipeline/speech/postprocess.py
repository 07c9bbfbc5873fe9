"""From the answers for windows to the answer for a channel: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import ChannelEmotion, FloatArray, Timeline
from service.pipeline.speech.model import WindowAnswer
from service.pipeline.speech.windows import Windows

LEAST_SPEECH_SHARE = 0.1
"""A window with less speech is not judged: in a 3 s window that is 0.3 s, about one syllable."""

SILENCE_PEAK_TO_PEAK = 2.0 / 32768
"""One step of 16 bits up and down: dither and lossy coding of digital silence stay within."""

EDGE_S = 0.032
"""Left out at both ends when a constant is looked for: resampled, it rings where it begins and ends."""

ENVELOPE_SLICES = 1000


def is_silent(samples: FloatArray, rate_hz: int) -> bool:
    """Whether float32 [n] is digital silence or a constant offset."""
    edge = int(EDGE_S * rate_hz)
    inner = samples[edge:-edge] if len(samples) > 4 * edge > 0 else samples
    return bool(np.ptp(inner) <= SILENCE_PEAK_TO_PEAK)


def judged_windows(weights: FloatArray) -> NDArray[np.intp]:
    """Indices of the windows with enough speech.

    Args:
        weights: float32 [windows], share of each window that is speech.
    """
    return np.flatnonzero(weights >= LEAST_SPEECH_SHARE)


def channel_emotion(
    channel: str,
    windows: Windows,
    answers: Sequence[WindowAnswer],
    *,
    labels: Sequence[str],
    outputs: Sequence[str],
    weights: FloatArray,
    speech: FloatArray | None,
    offset_s: float,
    flags: Sequence[str],
) -> ChannelEmotion:
    """Put one channel's answer together.

    The whole recording's probabilities, arousal and valence are means over the judged windows, each counting
    as much as it holds speech. Windows that were not judged are NaN in the timeline. Without any judged
    window nothing is known: the answer is None, flagged 'no_speech'.

    Args:
        channel: its name in the answer.
        windows: all windows.
        answers: of the windows ``judged_windows(weights)``, in that order.
        labels: the classes.
        outputs: what the model gives, such as 'arousal'.
        weights: float32 [windows], share of speech.
        speech: the same as shown to the client, or None without voice activity.
        offset_s: where in the recording the first sample lies.
        flags: what is known already.
    """
    judged = judged_windows(weights)
    columns = {name: _column([answer[name] for answer in answers]) for name in outputs if answers}
    weight = weights[judged].astype(np.float64)
    means = {name: np.average(values, axis=0, weights=weight) for name, values in columns.items()}

    def spread(name: str) -> FloatArray | None:
        if name not in outputs:
            return None
        return _spread(columns.get(name), judged, len(windows))

    probabilities = means["probabilities"].astype(np.float32) if judged.size else None
    table = _spread(columns.get("probabilities"), judged, len(windows), len(labels))
    return ChannelEmotion(
        channel=channel,
        probabilities=probabilities,
        emotion=None if probabilities is None else labels[int(probabilities.argmax())],
        arousal=float(means["arousal"]) if "arousal" in means else None,
        valence=float(means["valence"]) if "valence" in means else None,
        timeline=Timeline(
            start_s=windows.start_s + offset_s,
            end_s=windows.end_s + offset_s,
            probabilities=table,
            arousal=spread("arousal"),
            valence=spread("valence"),
            speech=speech,
        ),
        flags=tuple(dict.fromkeys([*flags, *(() if judged.size else ("no_speech",))])),
    )


def envelope(channels: Sequence[FloatArray]) -> FloatArray:
    """Least and greatest sample of up to 1,000 equal slices.

    Args:
        channels: float32 [n] each, of equal length n ≥ 1.

    Returns:
        float32 [slices, 2].
    """
    samples = len(channels[0])
    slices = min(ENVELOPE_SLICES, samples)
    begins = np.arange(slices) * samples // slices
    least = np.min([np.minimum.reduceat(channel, begins) for channel in channels], axis=0)
    greatest = np.max([np.maximum.reduceat(channel, begins) for channel in channels], axis=0)
    return np.stack([least, greatest], axis=1).astype(np.float32)


def _column(values: Sequence[FloatArray]) -> FloatArray:
    return np.stack(values).astype(np.float32)


def _spread(values: FloatArray | None, rows: NDArray[np.intp], count: int, *shape: int) -> FloatArray:
    """Place ``values`` at ``rows`` of ``count``; NaN elsewhere."""
    table = np.full((count, *shape), np.nan, np.float32)
    if values is not None:
        table[rows] = values
    return table
