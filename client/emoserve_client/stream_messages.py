"""Messages of a live stream besides its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from emoserve_client.audio_answers import ChannelEmotion
from emoserve_client.common_answers import AnsweringModel, Document, Record, members


@dataclass(frozen=True)
class StreamLimits(Record):
    """Limits of a session.

    Attributes:
        max_message_bytes: most bytes of one message.
        max_duration_s: most seconds of media.
        idle_timeout_s: seconds without a message after which the service closes the stream.
        buffer_s: seconds of media that wait in the service before it holds the client back.
        held_back_s: seconds for which the service holds a client back before it gives up.
        session_s: most seconds of the whole session.
        resume_s: seconds for which a broken session can be resumed.
    """

    max_message_bytes: int
    max_duration_s: float
    idle_timeout_s: float
    buffer_s: float
    held_back_s: float
    session_s: float
    resume_s: float


@dataclass(frozen=True)
class AudioStreamCreated(Record):
    """First message of a stream of sound. ``id`` is a secret: with it and the same credentials anyone may resume."""

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
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        read = {
            "model": AnsweringModel.read(raw["model"]),
            "labels": tuple(raw["labels"]),
            "limits": StreamLimits.read(raw["limits"]),
        }
        return cls(**members(cls, raw, **read))


@dataclass(frozen=True)
class VideoStreamCreated(Record):
    """First message of a stream of a face.

    Attributes:
        id: secret with which, and with the same credentials, anyone may resume the stream.
        hop_s: seconds between rows.
        look_ahead_s: seconds after which a row is final; 0 in a causal stream.
        provisional: whether later frames would change the rows.
        trained: 'prior' if the model was not trained on continuous ratings.
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
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        models = {part: AnsweringModel.read(model) for part, model in raw["models"].items()}
        return cls(**members(cls, raw, models=models, limits=StreamLimits.read(raw["limits"])))


@dataclass(frozen=True)
class StreamClosed(Record):
    """Last message of a stream: reason of its end, seconds of media analysed, and number of answers.

    ``answer`` is that for the whole of a stream of sound.
    """

    reason: str
    duration_s: float
    answers: int
    answer: ChannelEmotion | None
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        return cls(**members(cls, raw, answer=ChannelEmotion.read_if_there(raw.get("answer"))))
