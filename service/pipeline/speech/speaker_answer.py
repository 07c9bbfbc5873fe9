"""The answer for each speaker of a channel, made of its segments and of who speaks when.

Where speakers are asked for, voice is cut at shorter pauses than otherwise, since between two people a pause may be
short. What one person says with short pauses is then put together again.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.pipeline.results import AudioEmotion, DoubtBound, FloatArray, Segments, SpeakerEmotion, SpeakerTurns
from service.pipeline.speech.model import EmotionModel
from service.pipeline.speech.plausible import most_probable, plausible_labels, plausible_set
from service.pipeline.speech.speakers import speakers_within


def joined_by_speaker(pieces: Segments, turns: SpeakerTurns, model: EmotionModel) -> Segments:
    """Segments that end where another speaks: pieces of one speaker whose pauses are those of an utterance, joined.

    Args:
        pieces: in their order; each counts by its seconds of voice.
        model: its card says which pauses are part of an utterance, and how long it is at least.
    """
    speech, labels = model.speech, model.bundle.card.labels
    speaker = speakers_within(turns, pieces.start_s, pieces.end_s)
    voice_s = voice_seconds(pieces)
    pauses = pieces.start_s[1:] - pieces.end_s[:-1] >= speech.utterance_gap_s
    changes = np.array([one != other for one, other in zip(speaker[1:], speaker[:-1], strict=True)], np.bool_)
    groups = np.concatenate([[0], np.cumsum(pauses | changes)])[: len(pieces)]
    count = int(groups[-1]) + 1 if len(pieces) else 0
    judged = _judged(pieces)
    seconds = np.bincount(groups, voice_s, count)

    def mean(values: NDArray[np.floating], weights: NDArray[np.float64]) -> FloatArray:
        """Mean of the pieces of each group; NaN where nothing has a weight."""
        total = np.zeros((count, *values.shape[1:]))
        shape = (-1, *[1] * (values.ndim - 1))
        np.add.at(total, groups, np.where(weights.reshape(shape) > 0, values * weights.reshape(shape), 0.0))
        whole = np.bincount(groups, weights, count).reshape(shape)
        return np.asarray(np.divide(total, whole, out=np.full_like(total, np.nan), where=whole > 0), np.float32)

    known_s = voice_s * judged
    probabilities = mean(pieces.probabilities, known_s)
    firsts, lasts = np.searchsorted(groups, np.arange(count)), np.searchsorted(groups, np.arange(count), "right") - 1
    start_s, end_s = pieces.start_s[firsts], pieces.end_s[lasts]
    with np.errstate(divide="ignore"):
        level_db = 10 * np.log10(mean(10 ** (pieces.speech_level_db.astype(np.float64) / 10), voice_s))
    joined = Segments(
        start_s=start_s,
        end_s=end_s,
        probabilities=probabilities,
        arousal=None if pieces.arousal is None else mean(pieces.arousal, known_s),
        valence=None if pieces.valence is None else mean(pieces.valence, known_s),
        dominance=None if pieces.dominance is None else mean(pieces.dominance, known_s),
        speech=(seconds / np.maximum(end_s - start_s, 1e-9)).astype(np.float32),
        speech_level_db=level_db.astype(np.float32),
        confidence=np.minimum(seconds / speech.enough_speech_s, 1.0).astype(np.float32),
        uncertain=np.bincount(groups, pieces.uncertain, count) > 0,
        plausible=plausible_labels(probabilities, labels, model.doubt),
        speaker=tuple(speaker[first] for first in firsts.tolist()),
    )
    full = end_s - start_s >= speech.utterance_least_s
    return joined.rows(full) if full.any() else joined


def speakers_of(
    segments: Segments, turns: SpeakerTurns, labels: tuple[str, ...], doubt: DoubtBound | None
) -> tuple[SpeakerEmotion, ...]:
    """Answers for each voice, in the order of their first turns.

    Args:
        segments: with their speakers.
    """
    judged = _judged(segments)
    weights = voice_seconds(segments)
    found = []
    for name in dict.fromkeys(turns.speaker):
        turn_s = (turns.end_s - turns.start_s)[[one == name for one in turns.speaker]].sum()
        own = judged & np.array([one == name for one in segments.speaker or ()], np.bool_)

        def mean(values: FloatArray | None, own: NDArray[np.bool_] = own) -> FloatArray | None:
            if values is None or not own.any():
                return None
            return np.asarray(np.average(values[own], axis=0, weights=weights[own]), np.float32)

        probabilities = mean(segments.probabilities)
        dimensions = map(mean, (segments.arousal, segments.valence, segments.dominance))
        arousal, valence, dominance = (None if one is None else float(one) for one in dimensions)
        found.append(
            SpeakerEmotion(
                speaker=name,
                speech_s=float(turn_s),
                probabilities=probabilities,
                emotion=most_probable(probabilities, labels),
                plausible=plausible_set(probabilities, labels, doubt),
                arousal=arousal,
                valence=valence,
                dominance=dominance,
            )
        )
    return tuple(found)


def without_speakers(result: AudioEmotion) -> AudioEmotion:
    """An answer that does not tell who speaks."""
    channels = tuple(
        replace(
            one,
            speakers=None,
            turns=None,
            segments=None if one.segments is None else replace(one.segments, speaker=None),
        )
        for one in result.channels
    )
    return replace(result, channels=channels, speaker_model=None)


def voice_seconds(segments: Segments) -> NDArray[np.float64]:
    """Seconds of voice in each."""
    return np.asarray(segments.speech * (segments.end_s - segments.start_s), np.float64)


def _judged(segments: Segments) -> NDArray[np.bool_]:
    """The ones that the model judged; one without classes has dimensions."""
    known = segments.probabilities[:, 0] if segments.probabilities.shape[1] else segments.arousal
    assert known is not None
    return ~np.isnan(known)
