"""What comes before the whole answer: progress, windows of sound, rows of a face. Of uploads, jobs and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emoserve_client.common_answers import Column, Document


@dataclass(frozen=True)
class Progress:
    """The share of the work that is done, 0…1; never less than before."""

    progress: float

    @classmethod
    def read(cls, raw: Document) -> Progress:
        """Out of a JSON document."""
        return cls(float(raw["progress"]))


@dataclass(frozen=True)
class Window:
    """One window of sound, as soon as it is judged.

    Attributes:
        index: from 0, of its channel.
        start_s, end_s: seconds from the beginning of the recording or stream.
        channel: of an upload; None in a live stream, which is judged as the mean of its channels.
        probabilities: by label; None with too little speech to judge.
        arousal, valence: in −1…1, or None.
        speech: the share of speech, 0…1, or None where the service has no voice activity.
    """

    index: int
    start_s: float
    end_s: float
    channel: str | None
    probabilities: Mapping[str, float] | None
    emotion: str | None
    arousal: float | None
    valence: float | None
    speech: float | None
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Window:
        """Out of a JSON document."""
        return cls(
            raw["index"],
            raw["start_s"],
            raw["end_s"],
            raw.get("channel"),
            raw["probabilities"],
            raw["emotion"],
            raw.get("arousal"),
            raw.get("valence"),
            raw.get("speech"),
            raw,
        )


@dataclass(frozen=True)
class AffectRows:
    """Some rows of a face's timeline, in columns; None where no face is known.

    Attributes:
        time_s: seconds from the beginning of the video, or from the stream's first frame.
        face: number of the face; None in a live stream.
        is_final: whether nothing that follows changes these rows.
    """

    time_s: Sequence[float]
    arousal: Column
    valence: Column
    face_confidence: Column
    face: int | None
    is_final: bool
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> AffectRows:
        """Out of a JSON document: an upload says 'final', a live stream 'provisional'."""
        is_final = bool(raw["final"]) if "final" in raw else not raw["provisional"]
        return cls(
            raw["time_s"],
            raw["arousal"],
            raw["valence"],
            raw["face_confidence"],
            raw.get("face"),
            is_final,
            raw,
        )
