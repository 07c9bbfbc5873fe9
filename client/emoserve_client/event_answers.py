"""Parts of an answer that uploads, jobs and streams give early: progress, windows, utterances, rows of a face."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from emoserve_client.common_answers import Column, Document, Record, members


@dataclass(frozen=True)
class Progress(Record):
    """Share of the work that is done, 0…1; it never falls."""

    progress: float

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        return cls(float(raw["progress"]))


@dataclass(frozen=True)
class Window(Record):
    """Emotion of one window of sound.

    Attributes:
        index: number of the window in its channel, from 0.
        start_s, end_s: seconds from the beginning of the recording or stream.
        channel: channel of an upload; None in a live stream, where the mean of all channels is judged.
        probabilities: probability of each label; None with too little speech to judge.
        by_label: the same, under the name that whole answers have for it; None of a service before it was told.
        arousal, valence: values in −1…1, or None.
        dominance: likewise; None of a model that does not tell it.
        speech: share of speech, 0…1, or None if the service has no voice activity detector.
        confidence: amount of voice, 0…1, or None likewise.
        plausible: plausible labels, the most probable first, or None.
    """

    index: int
    start_s: float
    end_s: float
    channel: str | None
    probabilities: Mapping[str, float] | None
    emotion: str | None
    arousal: float | None
    valence: float | None
    dominance: float | None
    speech: float | None
    confidence: float | None
    plausible: Sequence[str] | None
    raw: Document = field(repr=False)
    by_label: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Segment(Record):
    """Emotion of one utterance of a live stream with ``segments=True``, told when it has ended.

    Attributes:
        index: number of the utterance, from 0.
        start_s, end_s: seconds from the beginning of the stream.
        probabilities: probability of each label; None with too little speech to judge.
        by_label: the same, under the name that whole answers have for it; None of a service before it was told.
        arousal, valence: values in −1…1, or None.
        dominance: likewise; None of a model that does not tell it.
        speech: share of speech, 0…1.
        speech_level_db: loudness of the speech, dB re full scale, or None.
        confidence: amount of voice, 0…1.
        plausible: plausible labels, the most probable first, or None.
    """

    index: int
    start_s: float
    end_s: float
    probabilities: Mapping[str, float] | None
    emotion: str | None
    arousal: float | None
    valence: float | None
    dominance: float | None
    speech: float
    speech_level_db: float | None
    confidence: float
    plausible: Sequence[str] | None
    raw: Document = field(repr=False)
    by_label: Mapping[str, float] | None = None


@dataclass(frozen=True)
class AffectRows(Record):
    """Consecutive rows of a face's timeline as columns; None where no face is known.

    Attributes:
        time_s: seconds from the beginning of the video, or from the stream's first frame.
        arousal_uncertainty, valence_uncertainty: half of the values' 95 % intervals over refits of the model; None of a
            model that tells none.
        face: number of the face; None in a live stream.
        is_final: whether these rows stay as they are.
    """

    time_s: Sequence[float]
    arousal: Column
    valence: Column
    face_confidence: Column
    face: int | None
    is_final: bool
    raw: Document = field(repr=False)
    arousal_uncertainty: Column | None = None
    valence_uncertainty: Column | None = None

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document: an upload says 'final', a live stream 'provisional'."""
        is_final = bool(raw["final"]) if "final" in raw else not raw["provisional"]
        return cls(**members(cls, raw, is_final=is_final))
