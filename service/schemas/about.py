"""JSON answers about the service itself: models, limits, problems, health and the Open Inference Protocol."""

from typing import Literal

from pydantic import Field

from service.card import Card
from service.flags import About, Flag
from service.schemas.audio import Answer
from service.settings import Limits


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
    error: str | None = Field(None, description="at addresses below /v2: the detail, where the protocol's clients look")


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
    """Limits of a job where they differ from a request's, and how long jobs and results are kept."""

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


class MediaFormat(Answer):
    """One container that is taken, found by its content; codecs have FFmpeg's names."""

    container: str = Field(description="as `media.container` names it", examples=["webm"])
    title: str = Field(examples=["WebM/Matroska"])
    sound: list[str] = Field(description="codecs of sound", examples=[["opus", "vorbis"]])
    pictures: list[str] = Field(
        description="codecs of pictures; empty where pictures are not judged", examples=[["vp9"]]
    )


class LimitsAnswer(Answer):
    """Limits of one request and of one job."""

    limits: Limits
    jobs: JobLimits
    input_url: bool = Field(description="whether a recording may be named by its address, in the part `url`")
    descriptions: dict[str, str] = Field(description="what each limit counts")
    request_media_types: list[str]
    response_media_types: list[str]
    formats: list[MediaFormat] = Field(description="containers and codecs that are decoded")


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


class FlagEntry(Answer):
    """One flag."""

    flag: Flag
    about: About = Field(description="whether it is about the whole recording, some rows, or how the answer was made")
    title: str = Field(examples=["Face lost"])
    description: str = Field(description="one sentence for the reader of an answer")
    since: str = Field(description="first version of the service that emits it", examples=["0.1.0"])


class FlagsAnswer(Answer):
    """All flags."""

    flags: list[FlagEntry]


class Live(Answer):
    """The process is alive."""

    live: Literal[True]


class Sandbox(Answer):
    """Confinement of the processes that decode media, in addition to their resource limits."""

    seccomp: bool = Field(description="whether their system calls are filtered")
    landlock: int = Field(description="version of the kernel's Landlock, 0 where there is none", examples=[7])
    unprivileged: bool = Field(description="whether they are neither root nor hold a capability")


class Ready(Answer):
    """The service should get traffic."""

    ready: Literal[True]
    provider: str = Field(description="what runs the models", examples=["CUDAExecutionProvider"])
    fallback: str | None = Field(None, description="why the CPU runs although a GPU is there; null where it does not")
    sandbox: Sandbox
    reloads: int = Field(0, description="attempts to load the models anew since the start")
    reload_problem: str | None = Field(
        None, description="why the last attempt failed, and the models before it stayed; null where it did not"
    )


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
