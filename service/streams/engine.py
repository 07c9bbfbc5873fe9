"""What a stream needs of whatever analyses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.pipeline.device.task import Work
from service.schemas.streams import ClientMessage, ServerMessage, StreamLimits


@dataclass(frozen=True)
class Item:
    """One message of sound or pictures that waits for its analysis.

    Attributes:
        content: what the engine makes of it.
        seconds: of media.
        units: samples a channel, or frames.
        size_bytes: that it takes in memory.
    """

    content: Any
    seconds: float
    units: int
    size_bytes: int


class Engine(Protocol):
    """Analyses one stream. ``read`` is called on the event loop, the blocking rest in threads, one call at a time."""

    @property
    def unit_name(self) -> str:
        """'received_samples' or 'received_frames': what the units of its items are called."""

    @property
    def text_kinds(self) -> dict[str, type[ClientMessage]]:
        """Media that come as text messages, by their ``type``."""

    @property
    def reserve_s(self) -> float:
        """Seconds of the service's capacity that a session takes for as long as it lasts."""

    @property
    def models(self) -> Sequence[str]:
        """name/version@sha256 of what answers, for the audit log."""

    def created(self, session_id: str, limits: StreamLimits) -> ServerMessage:
        """The first message to the client."""

    def read(self, message: bytes | ClientMessage) -> Item:
        """Check one message of media.

        Raises:
            Problem: it cannot be what is expected.
        """

    def process(self, items: Sequence[Item], work: Work) -> list[ServerMessage]:
        """Analyse ``items``; returns the answers that they complete.

        Raises:
            Problem: the stream cannot go on.
            Cancelled: the work was cancelled.
        """

    def finish(self, work: Work) -> list[ServerMessage]:
        """The answers that were waiting for more. Raises as :meth:`process`."""
