"""A part of a job: one pass over the recording, done segment by segment."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from service.pipeline.device.task import Work

INSPECT: Final = "inspect"
"""Length of the sound, and a check that all of it can be decoded."""
SPEECH: Final = "speech"
"""Emotion of the sound."""
FACES: Final = "faces"
"""Faces in the pictures, frame by frame."""
TURN: Final = "turn"
"""Times of speech in a video."""


@dataclass(frozen=True)
class Segment:
    """Result of one segment.

    Attributes:
        record: material of the answer.
        state: input of the next segment, or None after the last.
        share: share of the part that is done, 0…1.
        media_s: seconds of media that were analysed.
    """

    record: dict[str, Any]
    state: dict[str, Any] | None
    share: float
    media_s: float = 0.0

    @property
    def last(self) -> bool:
        """Whether there are no more."""
        return self.state is None


class Part(Protocol):
    """A part under way; it stands between two segments."""

    def run(self, work: Work) -> Segment:
        """Do the next segment.

        Raises:
            Problem: the recording cannot be judged, or not now.
            Cancelled: the work was.
        """

    def close(self) -> None:
        """End what decodes for it."""


@dataclass(frozen=True)
class NothingToDo:
    """A part that is over before it begins."""

    record: dict[str, Any]

    def run(self, work: Work) -> Segment:  # noqa: ARG002
        """The only segment."""
        return Segment(self.record, None, 1.0)

    def close(self) -> None:
        """There is nothing to end."""
