"""What the events of uploads and jobs mean. Nothing here touches a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from emoserve_client.common_answers import Document
from emoserve_client.event_answers import AffectRows, Progress, Window
from emoserve_client.job_answers import Job
from emoserve_client.problems import Problem, ServiceUnreachable
from emoserve_client.server_events import EventDecoder

Answer = TypeVar("Answer")
UploadEvent = Progress | Window | AffectRows
"""What the events of an upload hold before its answer."""

EVENTS = "text/event-stream"
RETRY_S = 2.0
"""Pause before coming back to a job's events where the service has said nothing else."""

_ON_THE_WAY: dict[str, Callable[[Document], UploadEvent]] = {
    "progress": Progress.read,
    "window": Window.read,
    "affect": AffectRows.read,
}


class UploadEvents(Generic[Answer]):
    """Events of one upload: those on the way, then the answer.

    Args:
        read: makes the answer of the event 'result'.

    Attributes:
        has_begun: whether an event was given; then the request cannot be sent again without giving it twice.
    """

    def __init__(self, read: Callable[[Document], Answer]) -> None:
        self.has_begun = False
        self._read = read
        self._decoder = EventDecoder()
        self._is_done = False

    def feed(self, piece: bytes) -> Iterator[UploadEvent | Answer]:
        """Take more of the response; events of kinds that came later are passed over.

        Raises:
            Problem: the service could not go on.
        """
        for event in self._decoder.feed(piece):
            document = json.loads(event.data)
            self.has_begun = True
            if event.name == "problem":
                raise Problem(document.get("status", 0), document)
            if event.name == "result":
                self._is_done = True
                yield self._read(document)
            elif event.name in _ON_THE_WAY:
                yield _ON_THE_WAY[event.name](document)

    def close(self) -> None:
        """The response is over.

        Raises:
            ServiceUnreachable: before its answer.
        """
        if not self._is_done:
            raise ServiceUnreachable("the events ended before the answer")


class JobEvents:
    """Events of one job, over as many responses as it takes.

    Attributes:
        is_final: whether the job has ended.
    """

    def __init__(self, last_event_id: str | None = None) -> None:
        self.is_final = False
        self._decoder = EventDecoder()
        self._decoder.last_id = last_event_id
        self._signs = 0

    @property
    def headers(self) -> dict[str, str]:
        """Of the next request: where the events are to go on."""
        last_id = self._decoder.last_id
        return {"accept": EVENTS, **({} if last_id is None else {"last-event-id": last_id})}

    @property
    def last_event_id(self) -> str | None:
        """Of the last event, or None."""
        return self._decoder.last_id

    @property
    def retry_s(self) -> float:
        """Seconds to wait before the next request."""
        return RETRY_S if self._decoder.retry_s is None else self._decoder.retry_s

    def begin(self) -> None:
        """A response begins."""
        self._decoder.restart()
        self._decoder.comments = 0
        self._signs = 0

    @property
    def is_alive(self) -> bool:
        """Whether this response said more than its greeting: an event, or that nothing has happened."""
        return self._signs > 0 or self._decoder.comments > 1

    def feed(self, piece: bytes) -> Iterator[Job | Progress]:
        """Take more of the response."""
        for event in self._decoder.feed(piece):
            self._signs += 1
            document = json.loads(event.data)
            if event.name == "state":
                job = Job.read(document)
                self.is_final = job.state.is_final
                yield job
            elif event.name == "progress":
                yield Progress.read(document)
