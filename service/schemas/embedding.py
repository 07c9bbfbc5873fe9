"""Shapes of the JSON answer of ``POST /v1/audio/embedding``, for the OpenAPI document."""

from pydantic import Field

from service.flags import Flag
from service.schemas.audio import Answer, AnsweringModel, Media

Rows = list[list[float] | None]


class WindowTimes(Answer):
    """Start and end of each window, two columns of one length."""

    start_s: list[float] = Field(description="seconds", examples=[[0.0]])
    end_s: list[float] = Field(description="seconds", examples=[[2.0]])


class EmbeddedSound(Answer):
    """The embedding of a recording, or of one of its channels."""

    embedding: Rows = Field(
        description="one row a window, in the order of the timeline; null where the window is silent",
        examples=[[[0.12, -0.5], None]],
    )
    flags: list[Flag] = Field(description="remarks on the answer; `GET /v1/flags` lists all")


class EmbeddedChannel(EmbeddedSound):
    """The embedding of one channel."""

    channel: str = Field(examples=["left"])


class AudioEmbeddingAnswer(EmbeddedSound):
    """Answer of ``POST /v1/audio/embedding``; with several channels ``embedding`` is their mean."""

    request_id: str
    media: Media
    model: AnsweringModel
    dimensions: int = Field(description="length of a row", examples=[2])
    timeline: WindowTimes
    denoiser: AnsweringModel | None = Field(None, description="with denoise=true: the model that removed the noise")
    channels: list[EmbeddedChannel] | None = Field(None, description="with channel=each")
