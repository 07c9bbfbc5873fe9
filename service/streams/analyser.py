"""The interface of stream analysers, and the items that they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.pipeline.device.task import Work
from service.schemas.streams import ClientMessage, ServerMessage, StreamedAnswer, StreamLimits


@dataclass(frozen=True)
class Item:
    """One message of sound or pictures that waits for its analysis.

    Attributes:
        content: the content as the analyser reads it.
        seconds: seconds of media.
        units: samples a channel, or frames.
        size_bytes: memory that it takes.
    """

    content: Any
    seconds: float
    units: int
    size_bytes: int


class StreamAnalyser(Protocol):
    """Analyses one stream.

    ``read`` is called on the event loop; ``process`` and ``finish`` block and are called in threads, one at a time.
    """

    @property
    def unit_name(self) -> str:
        """Name of the items' units in messages: 'received_samples' or 'received_frames'."""

    @property
    def text_kinds(self) -> dict[str, type[ClientMessage]]:
        """Kinds of text messages that carry media, by their ``type``."""

    @property
    def reserve_s(self) -> float:
        """Seconds of the service's capacity that a session holds while it lasts."""

    @property
    def models(self) -> Sequence[str]:
        """The models that answer, each as name/version@sha256, for the audit log."""

    @property
    def answer(self) -> StreamedAnswer | None:
        """The answer for the whole stream; None before its end, and for pictures."""

    def created(self, session_id: str, limits: StreamLimits) -> ServerMessage:
        """The first message to the client."""

    def read(self, message: bytes | ClientMessage) -> Item:
        """Check one message of media. Raises Problem if the message is not what the stream expects."""

    def process(self, items: Sequence[Item], work: Work) -> list[ServerMessage]:
        """Analyse ``items``, and return the answers that they complete.

        Raises:
            Problem: the stream cannot continue.
            Cancelled: the work was cancelled.
        """

    def finish(self, work: Work) -> list[ServerMessage]:
        """Return the answers that were waiting for more media. Raises as :meth:`process`."""
