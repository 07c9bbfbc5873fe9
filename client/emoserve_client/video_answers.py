"""Answers about faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from emoserve_client.common_answers import AnsweringModel, Column, Document, Media, Record, members


@dataclass(frozen=True)
class AffectTimeline(Record):
    """Columns with ten values a second; None where no face is known.

    An uncertainty is half of the value's 95 % interval over refits of the model; its column is None of a model that
    tells none.
    """

    time_s: Sequence[float]
    arousal: Column
    valence: Column
    face_confidence: Column
    speech: Column | None
    arousal_uncertainty: Column | None
    valence_uncertainty: Column | None


@dataclass(frozen=True)
class Summary:
    """Statistics of the known values of one series."""

    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True)
class Attribution(Record):
    """Share of each feature in the answer: rows are ``features``, columns ``lags_s`` (seconds from the answer).

    A baseline is what the model answers to a face at rest. ``moments`` has columns about the stretches in which one
    feature moved a target most: 'target', 'start_s', 'end_s', 'feature', 'contribution' and 'words'. All three are None
    of a service that does not tell them.
    """

    features: Sequence[str]
    lags_s: Sequence[float]
    arousal: Sequence[Sequence[float]]
    valence: Sequence[Sequence[float]]
    arousal_by_feature: Sequence[float]
    valence_by_feature: Sequence[float]
    arousal_baseline: float | None
    valence_baseline: float | None
    moments: Mapping[str, Sequence[object]] | None


@dataclass(frozen=True)
class Neutral(Record):
    """The resting face that was subtracted.

    ``source`` is 'median', 'stretch', 'document', or 'none', also where too little of the face was seen. It is that of
    ``frames`` with the face, the first and the last at ``start_s`` and ``end_s``, seconds, None of a document.
    """

    source: str
    start_s: float | None
    end_s: float | None
    frames: int


@dataclass(frozen=True)
class Face(Record):
    """One of several faces; ``start_s`` and ``end_s`` are the first and the last frame that show it, seconds."""

    face: int
    start_s: float
    end_s: float
    timeline: AffectTimeline
    summary: Mapping[str, Summary | None]
    action_units: Mapping[str, Column] | None
    boxes: Mapping[str, Column] | None
    expression: Document | None
    flags: Sequence[str]
    flag_spans: Sequence[Document]
    neutral: Neutral | None

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        read = {
            "timeline": AffectTimeline.read(raw["timeline"]),
            "summary": _summaries(raw),
            "neutral": Neutral.read_if_there(raw.get("neutral")),
        }
        return cls(**members(cls, raw, **read))


def _summaries(raw: Document) -> dict[str, Summary | None]:
    return {name: None if one is None else Summary(**one) for name, one in raw["summary"].items()}


@dataclass(frozen=True)
class VideoAffect(Record):
    """Answer of ``POST /v1/video/affect`` and ``POST /v1/action-units/affect``.

    ``action_units``, ``attribution``, ``audio``, ``boxes``, ``expression`` and ``frame_units`` are None unless
    ``include`` asks for them. ``summary`` has None for a series without a known value. ``neutral`` is None of a table.
    With ``face='all'`` there is every face in ``faces``, largest first. ``trained`` is 'prior' if the model was not
    trained on continuous ratings.
    """

    request_id: str
    media: Media
    models: Mapping[str, AnsweringModel]
    timeline: AffectTimeline
    summary: Mapping[str, Summary | None]
    neutral: Neutral | None
    action_units: Mapping[str, Column] | None
    attribution: Attribution | None
    audio: Document | None
    boxes: Mapping[str, Column] | None
    expression: Document | None
    frame_units: Mapping[str, Column] | None
    faces: Sequence[Face]
    trained: str
    look_ahead_s: float
    flags: Sequence[str]
    flag_spans: Sequence[Document]
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        read = {
            "media": Media.read(raw["media"]),
            "models": {part: AnsweringModel.read(model) for part, model in raw["models"].items()},
            "timeline": AffectTimeline.read(raw["timeline"]),
            "summary": _summaries(raw),
            "neutral": Neutral.read_if_there(raw.get("neutral")),
            "flag_spans": tuple(raw.get("flag_spans") or ()),
            "faces": tuple(Face.read(face) for face in raw.get("faces") or ()),
            "attribution": Attribution.read_if_there(raw.get("attribution")),
            "flags": tuple(raw["flags"]),
        }
        return cls(**members(cls, raw, **read))
