"""Messages of the streams, both ways: JSON objects with a ``type``. docs/streaming.md shows them in use."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.pipeline.options import MAX_PRIOR_CHARACTERS
from service.schemas.audio import AnsweringModel, AudioJudgement, FlagSpanAnswer, UsedPrior, UsedProfile


class ClientMessage(BaseModel):
    """Text message of a client; sound and pictures are binary messages."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


Name = Annotated[str, Field(max_length=64)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class AudioConfig(ClientMessage):
    """The first message of ``/v1/stream/audio``: what the sound is, and how it is judged."""

    type: Literal["config"]
    sample_rate_hz: int = Field(gt=0, description="of the sound that follows")
    channels: int = Field(1, gt=0, description="interleaved; their mean is judged")
    model: Name | None = Field(None, description="left out: the service's default")
    version: Annotated[str, Field(max_length=32)] | None = Field(None, description="left out: the newest")
    window_s: Seconds | None = Field(None, description="length of a window; left out: the model's")
    hop_s: Seconds | None = Field(None, description="time between the beginnings of windows; left out: the model's")
    segments: bool = Field(False, description="tell utterances too, each when it has ended")
    min_speech: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="share of a window that must be speech for it to be judged; left out: the service's"
    )
    profile: Literal["none", "self"] | dict[str, Any] = Field(
        "none", description="what the voice is compared with: nothing, what was heard before, or a document"
    )
    prior: Annotated[str, Field(max_length=MAX_PRIOR_CHARACTERS)] | None = Field(
        None, description="how likely each class is before anything is heard: 'card', 'uniform' or 'LABEL:P,…'"
    )
    domain: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="kind of recording, of a model that has parts for several"
    )
    speakers: Annotated[str, Field(max_length=4)] | None = Field(
        None, description="tell who spoke when the stream has ended: 'off', 'auto', or how many people speak"
    )


class VideoConfig(ClientMessage):
    """The first message of ``/v1/stream/video``: what the frames are, and how they are judged."""

    type: Literal["config"]
    input: Literal["jpeg", "action_units"] = Field("jpeg", description="pictures, or the columns of OpenFace")
    model: Name | None = Field(None, description="of the affect model; left out: the one of the highest priority")
    version: Annotated[str, Field(max_length=32)] | None = Field(None, description="left out: the newest")
    neutral: Annotated[str, Field(max_length=32)] | dict[str, Any] = Field(
        "none",
        description="the person's resting face: 'none', START:END in seconds of the stream's beginning, or a document",
    )
    face: int = Field(0, ge=0, le=999_999, description="number of the face, in the order in which faces appear")
    causal: bool = Field(False, description="answer at once and provisionally, without looking ahead")


class ActionUnitFrame(ClientMessage):
    """One frame of a face by another tool: 17 intensities 0…5 under OpenFace's names, such as ``AU01_r``."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, Annotated[float, Field(allow_inf_nan=False)]]

    type: Literal["frame"]
    time_s: float = Field(ge=0, allow_inf_nan=False, description="increases from frame to frame")
    confidence: float = Field(ge=0, le=1)
    success: bool = Field(True, description="whether the face was found")


class Resume(ClientMessage):
    """The first message on a new connection after one broke: goes on with its session."""

    type: Literal["resume"]
    id: Name = Field(description="of the session, as session.created said")
    received: int = Field(0, ge=0, description="answers (window, segment or affect messages) that the client has got")


class End(ClientMessage):
    """Nothing follows: the rest is judged, and the session closed."""

    type: Literal["end"]


def _is_none(value: object) -> bool:
    return value is None


class ServerMessage(BaseModel):
    """Message of the service."""

    model_config = ConfigDict(protected_namespaces=())


class StreamLimits(ServerMessage):
    """Limits of a session; see ``GET /v1/limits``."""

    max_message_bytes: int
    max_duration_s: float
    idle_timeout_s: float
    buffer_s: float
    held_back_s: float
    session_s: float
    resume_s: float


class AudioCreated(ServerMessage):
    """The session of ``/v1/stream/audio`` has begun."""

    type: Literal["session.created"] = "session.created"
    id: str = Field(description="for resume; keep it secret")
    model: AnsweringModel
    labels: list[str]
    sample_rate_hz: int = Field(description="of the sound that is expected")
    channels: int
    window_s: float
    hop_s: float
    limits: StreamLimits


class VideoCreated(ServerMessage):
    """The session of ``/v1/stream/video`` has begun."""

    type: Literal["session.created"] = "session.created"
    id: str = Field(description="for resume; keep it secret")
    input: str
    models: dict[str, AnsweringModel] = Field(description="by part")
    hop_s: float = Field(description="time between rows")
    look_ahead_s: float = Field(description="seconds after a moment until its row is final; 0 in a causal stream")
    provisional: bool = Field(description="whether later frames would change the rows of this stream")
    trained: str = Field(description="'prior' means that the model has seen no labelled time series")
    limits: StreamLimits


class Resumed(ServerMessage):
    """The session goes on: send from here, and expect the answers that were missed."""

    type: Literal["session.resumed"] = "session.resumed"
    id: str
    received_samples: int | None = Field(None, description="samples a channel that the service has")
    received_frames: int | None = Field(None, description="frames that the service has")


class WindowMessage(ServerMessage):
    """One window, as soon as it is complete: the same numbers as a row of the upload's timeline."""

    type: Literal["window"] = "window"
    index: int
    start_s: float
    end_s: float
    probabilities: dict[str, float] | None = Field(description="by label; null with too little speech to judge")
    by_label: dict[str, float] | None = Field(description="the same, under the name that whole answers have for it")
    emotion: str | None
    arousal: float | None
    valence: float | None
    dominance: float | None = Field(None, description="−1…1; only of models that have it", exclude_if=_is_none)
    speech: float | None
    confidence: float | None = Field(None, description="amount of voice, 0…1")
    plausible: list[str] | None = Field(None, description="plausible labels, the most probable first")


class SegmentMessage(ServerMessage):
    """One utterance, as soon as it has ended: the same numbers as a row of the upload's segments."""

    type: Literal["segment"] = "segment"
    index: int
    start_s: float
    end_s: float
    probabilities: dict[str, float] | None = Field(description="by label; null with too little speech to judge")
    by_label: dict[str, float] | None = Field(description="the same, under the name that whole answers have for it")
    emotion: str | None
    arousal: float | None
    valence: float | None
    dominance: float | None = Field(None, description="−1…1; only of models that have it", exclude_if=_is_none)
    speech: float
    speech_level_db: float | None
    confidence: float
    plausible: list[str] | None = Field(None, description="plausible labels, the most probable first")


class AffectMessage(ServerMessage):
    """Some rows of the timeline, in columns; null where no face is known."""

    type: Literal["affect"] = "affect"
    time_s: list[float]
    arousal: list[float | None]
    valence: list[float | None]
    arousal_uncertainty: list[float | None] | None
    valence_uncertainty: list[float | None] | None
    face_confidence: list[float | None]
    provisional: bool


class StreamedAnswer(AudioJudgement):
    """The answer for the whole of a stream of sound, as that for an upload of it."""

    flag_spans: list[FlagSpanAnswer] = Field(description="when those flags hold that are about a time")
    profile: UsedProfile | None = Field(None, description="with a profile: what it held")
    prior: UsedPrior | None = Field(None, description="with a prior other than the card's: what it was")
    domain: str | None = Field(None, description="of a model that has parts for several kinds of recording")
    speaker_model: AnsweringModel | None = Field(None, description="with speakers: the model that told voices apart")


class SessionClosed(ServerMessage):
    """The end of a session, with its totals. The connection is closed behind it."""

    type: Literal["session.closed"] = "session.closed"
    id: str
    reason: Literal["end", "draining"]
    duration_s: float = Field(description="seconds of sound or pictures that were analysed")
    answers: int = Field(description="window, segment or affect messages of the session")
    received_samples: int | None = None
    received_frames: int | None = None
    answer: StreamedAnswer | None = Field(None, description="of a stream of sound that has ended: for the whole of it")


class ErrorMessage(ServerMessage):
    """An error, with a code of ``/v1/problems``. The connection is closed after it."""

    type: Literal["error"] = "error"
    code: str
    title: str
    detail: str
    pointer: str | None = Field(None, description="the member at fault, as a JSON pointer")
    retry_after_s: float | None = None
    request_id: str
