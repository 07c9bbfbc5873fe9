"""What a live stream says besides its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emoserve_client.common_answers import AnsweringModel, Document


@dataclass(frozen=True)
class StreamLimits:
    """What a session may do: bytes of a message, seconds of media, of silence, of being held back, of all of it."""

    max_message_bytes: int
    max_duration_s: float
    idle_timeout_s: float
    buffer_s: float
    held_back_s: float
    session_s: float
    resume_s: float

    @classmethod
    def read(cls, raw: Document) -> StreamLimits:
        """Out of a JSON document; limits that came later are passed over."""
        return cls(**{name: raw[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class AudioStreamCreated:
    """A stream of sound has begun. ``id`` is a secret: whoever has it, and the same credentials, may resume."""

    id: str = field(repr=False)
    model: AnsweringModel
    labels: Sequence[str]
    sample_rate_hz: int
    channels: int
    window_s: float
    hop_s: float
    limits: StreamLimits
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> AudioStreamCreated:
        """Out of a JSON document."""
        return cls(
            raw["id"],
            AnsweringModel.read(raw["model"]),
            tuple(raw["labels"]),
            raw["sample_rate_hz"],
            raw["channels"],
            raw["window_s"],
            raw["hop_s"],
            StreamLimits.read(raw["limits"]),
            raw,
        )


@dataclass(frozen=True)
class VideoStreamCreated:
    """A stream of a face has begun.

    Attributes:
        hop_s: seconds between rows.
        look_ahead_s: so long after a moment its row is final; 0 of a causal stream.
        provisional: whether rows would change with what follows.
        trained: 'prior' where the model has seen no continuous ratings.
    """

    id: str = field(repr=False)
    input: str
    models: Mapping[str, AnsweringModel]
    hop_s: float
    look_ahead_s: float
    provisional: bool
    trained: str
    limits: StreamLimits
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> VideoStreamCreated:
        """Out of a JSON document."""
        return cls(
            raw["id"],
            raw["input"],
            {part: AnsweringModel.read(model) for part, model in raw["models"].items()},
            raw["hop_s"],
            raw["look_ahead_s"],
            raw["provisional"],
            raw["trained"],
            StreamLimits.read(raw["limits"]),
            raw,
        )


@dataclass(frozen=True)
class StreamClosed:
    """A stream is over: seconds of media that were analysed, and how many answers there were."""

    reason: str
    duration_s: float
    answers: int
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> StreamClosed:
        """Out of a JSON document."""
        return cls(raw["reason"], raw["duration_s"], raw["answers"], raw)
