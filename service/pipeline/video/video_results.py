"""The video pipeline's options and its answer: plain data, no behaviour."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.pipeline.affect.attribution import Attribution
from service.pipeline.audio_options import AudioOptions, ChannelChoice
from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.looks import ExpressionSeries
from service.pipeline.face.neutral import FaceProfile, NeutralUse
from service.pipeline.results import AudioEmotion, FlagSpan, FloatArray, MediaInfo, ModelReference

Include = Literal["action_units", "attribution", "audio", "boxes", "expression", "frame_units"]
INCLUDES: tuple[Include, ...] = ("action_units", "attribution", "audio", "boxes", "expression", "frame_units")
"""Parts of an answer that a client may ask for, beyond arousal and valence."""

TABLE_INCLUDES: tuple[Include, ...] = ("action_units", "attribution", "frame_units")
"""Those of a table, which has neither sound nor pictures."""


@dataclass(frozen=True)
class VideoOptions:
    """The query parameters of ``POST /v1/video/affect``.

    Attributes:
        neutral: what counts as the person's resting face: 'median' of the recording, 'none', 'START:END' in seconds of
            the recording, or 'document', ``resting``.
        face: 'largest', the number of a face from 0 in the order in which faces appear, 'at:X,Y', the face that is
            there for the longest time, in shares of the upright picture from its top left, or 'all': as 'largest', with
            every face beside it.
        include: parts of the answer beyond arousal and valence, of ``INCLUDES``.
        model, version: affect model; None means the one of the highest priority.
        channel: channel of the sound track for speech and, with 'audio', for the speech emotion.
        track, picture_track: numbers of the sound and the picture track; None leaves the choice to the decoder.
        audio_model, audio_version: speech model for 'audio'; None means the default.
        expression_model, expression_version: model for 'expression'; None means the one of the highest priority.
        resting: the document that the caller sent; jobs keep it beside the recording, never among the options.
    """

    neutral: str = "median"
    face: str = "largest"
    include: frozenset[str] = frozenset()
    model: str | None = None
    version: str | None = None
    channel: ChannelChoice = "mix"
    track: int | None = None
    picture_track: int | None = None
    audio_model: str | None = None
    audio_version: str | None = None
    expression_model: str | None = None
    expression_version: str | None = None
    resting: FaceProfile | None = None

    @property
    def sound(self) -> AudioOptions:
        """Options for the sound track, where 'audio' is asked for."""
        return AudioOptions(self.audio_model, self.audio_version, self.channel, self.track)


@dataclass(frozen=True)
class TableOptions:
    """The query parameters of ``POST /v1/action-units/affect``.

    Attributes:
        fps: frames per second that replace the table's time stamps; None takes the time stamps.
        face: 'largest', or a ``face_id`` of the table.
        include: of ``TABLE_INCLUDES``.
        model, version: affect model; None means the one of the highest priority.
    """

    fps: float | None = None
    face: str = "largest"
    include: frozenset[str] = frozenset()
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Statistics:
    """Mean, population standard deviation, least and greatest of the known values of one series."""

    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True)
class VideoAffect:
    """The answer for a video or a table of action units. NaN stands for ``null``: nothing can be known there.

    Attributes:
        media: the file's own rate and size; a table has the container 'csv' and the codec 'action-units'.
        models: the weights that gave the answer, by part: 'faces', 'action_units', 'affect', 'voice_activity';
            parts that were not used are absent.
        time_s: float64 [steps], seconds, ten a second from 0.
        arousal, valence: float32 [steps] in −1…1; NaN where no face is known.
        arousal_uncertainty, valence_uncertainty: float32 [steps], half of their 95 % intervals over refits of the
            model; None where the model tells none.
        face_confidence: float32 [steps], mean confidence 0…0.98 of the second around each step.
        speech: float32 [steps], 1 where somebody speaks, else 0, NaN in a gap of the sound; None without a sound
            track or without voice activity.
        action_units: float32 [steps, 17] in 0…5, mean of the second around each step, NaN where no face is
            known; None unless asked for.
        action_unit_names: the 17 names, in the order of the columns.
        attribution: None unless asked for, or where no step is known.
        audio: emotion of the sound track; None unless asked for, or without a sound track.
        summary: by 'arousal' and 'valence'; a series without known values is absent.
        flags: such as 'no_face', 'face_lost', 'several_faces', 'no_audio', 'no_voice_activity',
            'no_neutral', 'damaged', 'trained: prior'.
        boxes: float32 [steps, 4], left, top, width and height of the face in shares of the upright picture, NaN where
            no face is known; None unless asked for.
        frames: the face frame by frame; None unless asked for.
        expression: what a network saw in the face's pictures; None unless asked for.
        flag_spans: when those flags hold that are about a time: every NaN of arousal and valence lies in one of
            'face_lost' or 'no_face'.
        face: number of the face, from 0 in the order in which faces appear; None without any.
        seen_s: times of the first and the last frame that show it, seconds; None likewise.
        faces: the answers about each face, largest first, without attribution, sound and frames; None unless every face
            was asked for.
        trained: training data of the affect model, as its card names it: 'prior' means that it has seen no
            labelled time series.
        look_ahead_s: seconds of the future that an answer takes.
        neutral: the resting face that was subtracted; None of a table, whose units another tool made.
        stages_s: seconds of each stage of the work.
    """

    media: MediaInfo
    models: dict[str, ModelReference]
    time_s: NDArray[np.float64]
    arousal: FloatArray
    valence: FloatArray
    face_confidence: FloatArray
    speech: FloatArray | None
    action_units: FloatArray | None
    action_unit_names: tuple[str, ...]
    attribution: Attribution | None
    audio: AudioEmotion | None
    summary: dict[str, Statistics]
    flags: tuple[str, ...]
    trained: str
    look_ahead_s: float
    arousal_uncertainty: FloatArray | None = None
    valence_uncertainty: FloatArray | None = None
    boxes: FloatArray | None = None
    frames: FaceSeries | None = None
    expression: ExpressionSeries | None = None
    flag_spans: tuple[FlagSpan, ...] = ()
    face: int | None = None
    seen_s: tuple[float, float] | None = None
    faces: "tuple[VideoAffect, ...] | None" = None
    neutral: NeutralUse | None = None
    stages_s: dict[str, float] = field(default_factory=dict)


def with_parts(result: VideoAffect, include: frozenset[str]) -> VideoAffect:
    """``result`` without the parts that ``include``, of ``INCLUDES``, does not name."""
    return replace(
        result,
        action_units=result.action_units if "action_units" in include else None,
        attribution=result.attribution if "attribution" in include else None,
        audio=result.audio if "audio" in include else None,
        boxes=result.boxes if "boxes" in include else None,
        faces=None if result.faces is None else tuple(with_parts(face, include) for face in result.faces),
        expression=result.expression if "expression" in include else None,
        frames=result.frames if "frame_units" in include else None,
    )
