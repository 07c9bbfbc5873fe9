"""Options of a request to the speech pipeline, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from service.pipeline.results import VoiceProfile

ChannelChoice = Literal["mix", "left", "right", "each"]
ProfileChoice = Literal["none", "self", "document"]


@dataclass(frozen=True)
class EmbeddingOptions:
    """The query parameters of ``POST /v1/audio/embedding``; ``None`` means the model card's default."""

    model: str | None = None
    version: str | None = None
    channel: ChannelChoice = "mix"
    track: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    window_s: float | None = None
    hop_s: float | None = None
    denoise: bool = False


@dataclass(frozen=True)
class AudioOptions(EmbeddingOptions):
    """The query parameters of ``POST /v1/audio/emotion``; ``None`` means the model card's default.

    Attributes:
        rows: whether the windows are judged too; without, the timeline is NaN and utterances alone make the answer.
        profile: what the voice is compared with: nothing, what was heard of the recording before, or ``voice``.
        voice: the profile that the caller sent; jobs keep it beside the recording, never among the options.
        prior: how likely each class is before anything is heard; see :func:`service.pipeline.options.read_prior`.
        domain: kind of recording, of a model that has parts for several; None leaves it to the card.
        speakers: who speaks when: 'off', 'auto', or how many there are; None stands for 'off'.
    """

    timeline: bool = False
    segments: bool = False
    voice_activity: bool = False
    min_speech: float | None = None
    rows: bool = True
    profile: ProfileChoice | None = None
    voice: VoiceProfile | None = None
    prior: str | None = None
    domain: str | None = None
    speakers: str | None = None
