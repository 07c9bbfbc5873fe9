"""Shapes of the JSON answers about faces, for the OpenAPI document. Series are columns; null is 'cannot be known'."""

from typing import Literal

from pydantic import Field

from service.flags import Flag
from service.pipeline.face.neutral import NeutralKind
from service.schemas.audio import Answer, AnsweringModel, AudioJudgement, Column, FlagSpanAnswer, Media

_ABOUT_UNCERTAINTY = Field(
    None,
    description="half of the value's 95 % interval over refits of the model, which is no distance from what raters "
    "say; null of a model that tells none",
    examples=[[0.02, None]],
)


class AffectTimeline(Answer):
    """Ten values a second in each column, all of one length."""

    time_s: list[float] = Field(description="seconds", examples=[[0.0, 0.1]])
    arousal: Column = Field(description="−1…1; null where no face is known", examples=[[0.1, None]])
    valence: Column = Field(description="−1…1; null where no face is known", examples=[[0.4, None]])
    arousal_uncertainty: Column | None = _ABOUT_UNCERTAINTY
    valence_uncertainty: Column | None = _ABOUT_UNCERTAINTY
    face_confidence: Column = Field(description="0…1", examples=[[0.98, 0.0]])
    speech: Column | None = Field(
        description="1 where somebody speaks; null without sound, and at steps where the sound has a gap",
        examples=[[0.0, 1.0]],
    )


class SeriesSummary(Answer):
    """Statistics of the known values of one series."""

    mean: float = Field(examples=[0.1])
    std: float = Field(description="population standard deviation", examples=[0.02])
    min: float = Field(examples=[0.05])
    max: float = Field(examples=[0.2])


class AffectSummary(Answer):
    """Statistics of the whole recording; null where no face is known."""

    arousal: SeriesSummary | None
    valence: SeriesSummary | None


class MomentsAnswer(Answer):
    """Columns: the stretches in which one input moved a target most, arousal first, in the order of their begins."""

    target: list[Literal["arousal", "valence"]] = Field(examples=[["valence"]])
    start_s: list[float] = Field(description="seconds", examples=[[12.1]])
    end_s: list[float] = Field(description="seconds", examples=[[15.3]])
    feature: list[str] = Field(description="the input", examples=[["AU04_mean"]])
    contribution: list[float] = Field(description="mean of what it added to the target there", examples=[[-0.21]])
    words: list[str] = Field(description="what one sees", examples=[["brows lowered"]])


class AttributionAnswer(Answer):
    """Contribution of each input to the answer, as its deviation from a face at rest: all cells of one target and its
    baseline add up to its mean before clipping.
    """

    features: list[str] = Field(description="the rows", examples=[["AU12_mean"]])
    lags_s: list[float] = Field(description="the columns: seconds relative to the answer", examples=[[-4.9]])
    arousal: list[list[float]] = Field(examples=[[[0.01]]])
    valence: list[list[float]] = Field(examples=[[[0.02]]])
    arousal_by_feature: list[float] = Field(description="sums over the lags", examples=[[0.01]])
    valence_by_feature: list[float] = Field(description="sums over the lags", examples=[[0.02]])
    arousal_baseline: float = Field(description="what the model answers to a face at rest", examples=[-0.2])
    valence_baseline: float = Field(description="likewise", examples=[0.0])
    moments: MomentsAnswer


class SoundTrack(AudioJudgement):
    """Emotion of the sound track."""

    model: AnsweringModel
    labels: list[str] = Field(examples=[["anger", "neutral"]])


class Boxes(Answer):
    """The face's box at each step of the timeline, in shares of the upright picture; null where no face is known."""

    time_s: list[float] = Field(description="seconds", examples=[[0.0]])
    x: Column = Field(description="left edge, from the left", examples=[[0.41]])
    y: Column = Field(description="upper edge, from the top", examples=[[0.12]])
    width: Column = Field(examples=[[0.2]])
    height: Column = Field(examples=[[0.31]])


class FaceTimeline(Answer):
    """Ten values a second in each column, all of one length; null where this face is not known."""

    time_s: list[float] = Field(description="seconds")
    arousal: Column = Field(description="−1…1")
    valence: Column = Field(description="−1…1")
    arousal_uncertainty: Column | None = _ABOUT_UNCERTAINTY
    valence_uncertainty: Column | None = _ABOUT_UNCERTAINTY
    face_confidence: Column = Field(description="0…1")


class ExpressionAnswer(Answer):
    """A network's word about the face's pictures, at each step of the timeline; null where no face is known."""

    arousal: Column | None = Field(description="−1…1; null of a model that tells none", examples=[[0.2, None]])
    valence: Column | None = Field(description="−1…1; null of a model that tells none", examples=[[0.4, None]])
    labels: list[str] = Field(description="classes; empty of a model that tells none", examples=[["anger", "neutral"]])
    probabilities: dict[str, Column] | None = Field(
        description="by class; null of a model that tells none", examples=[{"anger": [0.1, None]}]
    )
    action_units: dict[str, Column] | None = Field(
        description="intensities 0…5 by unit; null of a model that tells none", examples=[{"AU12": [1.5, None]}]
    )


class UsedNeutral(Answer):
    """The resting face that was subtracted."""

    source: NeutralKind = Field(description="'none' also where too little of the face was seen", examples=["median"])
    start_s: float | None = Field(description="first frame behind it, seconds; null of a document", examples=[0.0])
    end_s: float | None = Field(description="last frame behind it, seconds; null of a document", examples=[19.7])
    frames: int = Field(description="frames with the face behind it", examples=[412])


class FaceAnswer(Answer):
    """One of several faces."""

    face: int = Field(description="number, from 0 in the order in which faces appear")
    start_s: float = Field(description="first frame that shows it, seconds")
    end_s: float = Field(description="last frame that shows it, seconds")
    timeline: FaceTimeline
    summary: AffectSummary
    flags: list[Flag]
    flag_spans: list[FlagSpanAnswer]
    neutral: UsedNeutral
    action_units: dict[str, Column] | None = Field(None, description="with include=action_units")
    boxes: Boxes | None = Field(None, description="with include=boxes")
    expression: ExpressionAnswer | None = Field(None, description="with include=expression")


class VideoAffectAnswer(Answer):
    """Answer of ``POST /v1/video/affect`` and ``POST /v1/action-units/affect``."""

    request_id: str
    media: Media
    models: dict[str, AnsweringModel] = Field(description="by part: 'faces', 'action_units', 'affect', …")
    timeline: AffectTimeline
    summary: AffectSummary
    neutral: UsedNeutral | None = Field(None, description="of a video: the resting face that was subtracted")
    action_units: dict[str, Column] | None = Field(
        None, description="with include=action_units: intensities 0…5", examples=[{"AU12": [0.0, 1.5]}]
    )
    frame_units: dict[str, Column] | None = Field(
        None,
        description="with include=frame_units: the action units of every frame, before any mean over a window; columns "
        "time_s, face_confidence and one a unit, null where the face was not seen",
    )
    boxes: Boxes | None = Field(None, description="with include=boxes")
    expression: ExpressionAnswer | None = Field(
        None, description="with include=expression: what a published network sees, beside the timeline"
    )
    attribution: AttributionAnswer | None = Field(None, description="with include=attribution")
    audio: SoundTrack | None = Field(None, description="with include=audio; null without sound")
    faces: list[FaceAnswer] | None = Field(
        None,
        description="with face=all: every face, largest first, up to the limit max_faces; all else is about the first",
    )
    trained: str = Field(description="'prior' means that the model has seen no continuous ratings", examples=["prior"])
    look_ahead_s: float = Field(description="seconds of the future that an answer takes", examples=[1.0])
    flags: list[Flag] = Field(description="remarks on the answer; `GET /v1/flags` lists all")
    flag_spans: list[FlagSpanAnswer] = Field(
        description="when flags hold; every null of the timeline lies in a span of 'face_lost' or 'no_face'"
    )
