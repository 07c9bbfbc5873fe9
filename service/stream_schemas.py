"""Messages of the streams, both ways: JSON objects with a ``type``. docs/streaming.md shows them in use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas import AnsweringModel


class ClientMessage(BaseModel):
    """What a client sends as text; sound and pictures are binary messages."""

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


class Resume(ClientMessage):
    """The first message on a new connection after one broke: goes on with its session."""

    type: Literal["resume"]
    id: Name = Field(description="of the session, as session.created said")
    received: int = Field(0, ge=0, description="answers (window or affect messages) that the client has got")


class End(ClientMessage):
    """Nothing follows: the rest is judged, and the session closed."""

    type: Literal["end"]


class ServerMessage(BaseModel):
    """What the service sends."""

    model_config = ConfigDict(protected_namespaces=())


class StreamLimits(ServerMessage):
    """What a session may do; see ``GET /v1/limits``."""

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
    emotion: str | None
    arousal: float | None
    valence: float | None
    speech: float | None


class SessionClosed(ServerMessage):
    """The end of a session, with its totals. The connection is closed behind it."""

    type: Literal["session.closed"] = "session.closed"
    id: str
    reason: Literal["end", "draining"]
    duration_s: float = Field(description="seconds of sound or pictures that were analysed")
    answers: int = Field(description="window or affect messages of the session")
    received_samples: int | None = None
    received_frames: int | None = None


class ErrorMessage(ServerMessage):
    """What went wrong, with a code of ``/v1/problems``. The connection is closed behind it."""

    type: Literal["error"] = "error"
    code: str
    title: str
    detail: str
    pointer: str | None = Field(None, description="the member at fault, as a JSON pointer")
    retry_after_s: float | None = None
    request_id: str
