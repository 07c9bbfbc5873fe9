"""Shapes of the JSON answers, for the OpenAPI document. Series are columns; null is 'cannot be known'."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.card import Card
from service.settings import Limits

Column = list[float | None]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(protected_namespaces=())


class FieldError(Answer):
    """One parameter at fault."""

    pointer: str = Field(description="JSON pointer to the parameter", examples=["/hop_s"])
    detail: str


class ProblemDocument(Answer):
    """An error (RFC 9457)."""

    type: str = Field(description="address that describes the problem", examples=["/v1/problems/media_too_long"])
    title: str
    status: int = Field(examples=[413])
    detail: str
    instance: str = Field(description="this occurrence", examples=["urn:emoserve:request:0b5c…"])
    code: str = Field(description="never changes its meaning", examples=["media_too_long"])
    request_id: str
    errors: list[FieldError] | None = None


class Media(Answer):
    """What was found in the file, before any conversion."""

    duration_s: float = Field(description="seconds", examples=[2.0])
    container: str = Field(examples=["wav"])
    codec: str = Field(examples=["pcm_s16le"])
    sample_rate_hz: int | None = Field(None, description="hertz", examples=[16000])
    channels: int | None = Field(None, examples=[1])
    frame_rate_hz: float | None = Field(None, description="pictures a second, for video")
    width: int | None = Field(None, description="pixels, for video")
    height: int | None = Field(None, description="pixels, for video")


class AnsweringModel(Answer):
    """Which weights gave the answer."""

    name: str
    version: str = Field(examples=["1"])
    sha256: str
    licence: str = Field(examples=["CC0-1.0"])
    provider: str | None = Field(None, description="what runs the model", examples=["CPUExecutionProvider"])


class AudioTimeline(Answer):
    """One value a window in each column, all of one length."""

    start_s: list[float] = Field(description="seconds", examples=[[0.0]])
    end_s: list[float] = Field(description="seconds", examples=[[2.0]])
    probabilities: dict[str, Column] = Field(description="a column for each label", examples=[{"anger": [0.91]}])
    arousal: Column | None = Field(None, description="−1…1", examples=[[0.7]])
    valence: Column | None = Field(None, description="−1…1", examples=[[-0.5]])
    speech: Column | None = Field(None, description="share of the window that is speech, 0…1", examples=[[0.98]])


class AudioJudgement(Answer):
    """What is said of a recording, or of one of its channels."""

    probabilities: list[float] | None = Field(
        description="one for each label; null where there is nothing to judge", examples=[[0.91, 0.09]]
    )
    emotion: str | None = Field(description="the most probable label", examples=["anger"])
    arousal: float | None = Field(description="−1…1; null where the model has none", examples=[0.7])
    valence: float | None = Field(description="−1…1; null where the model has none", examples=[-0.5])
    timeline: AudioTimeline | None = Field(None, description="with timeline=true")
    flags: list[str] = Field(description="such as 'silent', 'no_speech', 'clipped', 'denoised'")


class ChannelJudgement(AudioJudgement):
    """The answer for one channel."""

    channel: str = Field(examples=["left"])


class AudioEmotionAnswer(AudioJudgement):
    """Answer of ``POST /v1/audio/emotion``."""

    request_id: str
    media: Media
    model: AnsweringModel
    labels: list[str] = Field(examples=[["anger", "neutral"]])
    denoiser: AnsweringModel | None = Field(None, description="with denoise=true: what took the noise out")
    channels: list[ChannelJudgement] | None = Field(None, description="with channel=each")


class ModelEntry(Answer):
    """A model that is served."""

    sha256: str = Field(description="of the bundle")
    loaded: bool = Field(description="whether requests can use it now")
    card: Card


class WithheldEntry(Answer):
    """A model that was found and is not served."""

    name: str
    version: str
    reason: str


class ModelsAnswer(Answer):
    """All models."""

    models: list[ModelEntry]
    withheld: list[WithheldEntry]


class JobLimits(Answer):
    """What a job may hold where that differs from a request, and how long jobs and results are kept."""

    enabled: bool = Field(description="whether this service takes jobs")
    max_jobs: int = Field(description="jobs that wait or run")
    max_body_bytes: int = Field(description="bytes of one upload")
    max_duration_s: float = Field(description="longest recording, counted while decoding")
    max_frames: int = Field(description="frames of a video")
    max_windows: int = Field(description="windows of one timeline")
    upload_timeout_s: float = Field(description="seconds within which the whole upload must arrive")
    job_ttl_s: float = Field(description="seconds after which an unfinished job is given up")
    result_ttl_s: float = Field(description="seconds for which a result can be fetched")
    delete_result_on_read: bool = Field(description="whether a result goes once it was fetched")


class LimitsAnswer(Answer):
    """What one request may hold, and what a job may."""

    limits: Limits
    jobs: JobLimits
    descriptions: dict[str, str] = Field(description="what each limit counts")
    request_media_types: list[str]
    response_media_types: list[str]


class ProblemEntry(Answer):
    """One error code."""

    type: str
    code: str
    status: int
    title: str
    description: str


class ProblemsAnswer(Answer):
    """All error codes."""

    problems: list[ProblemEntry]


class Live(Answer):
    """The process is alive."""

    live: Literal[True]


class Ready(Answer):
    """The service should get traffic."""

    ready: Literal[True]
    provider: str = Field(description="what runs the models", examples=["CUDAExecutionProvider"])


class ServerMetadata(Answer):
    """Open Inference Protocol: the server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Answer):
    """Open Inference Protocol: one input or output."""

    name: str
    datatype: str = Field(examples=["FP32"])
    shape: list[int] = Field(description="−1 stands for any size", examples=[[-1, -1]])


class ModelMetadata(Answer):
    """Open Inference Protocol: one model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelReady(Answer):
    """Open Inference Protocol: one model is ready."""

    name: str
    ready: Literal[True]
