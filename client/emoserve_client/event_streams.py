"""Events of uploads and jobs as typed answers. Nothing here uses a network."""

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
"""Events that an upload gives before its answer."""

EVENTS = "text/event-stream"
RETRY_S = 2.0
"""Seconds before a job's events are asked for again, unless the service names another pause."""

_ON_THE_WAY: dict[str, Callable[[Document], UploadEvent]] = {
    "progress": Progress.read,
    "window": Window.read,
    "affect": AffectRows.read,
}


class UploadEvents(Generic[Answer]):
    """Reads the events of one upload, the last of which is the answer.

    Args:
        read: turns the document of the event 'result' into the answer.

    Attributes:
        has_begun: whether an event has come. A repeated request would give it a second time.
    """

    def __init__(self, read: Callable[[Document], Answer]) -> None:
        self.has_begun = False
        self._read = read
        self._decoder = EventDecoder()
        self._is_done = False

    def feed(self, piece: bytes) -> Iterator[UploadEvent | Answer]:
        """Take more bytes of the response and yield their events; unknown kinds of events are skipped.

        Raises:
            Problem: the service could not finish the work.
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
        """Take the end of the response. Raises ServiceUnreachable if the answer has not come."""
        if not self._is_done:
            raise ServiceUnreachable("the events ended before the answer")


class JobEvents:
    """Reads the events of one job from one response or several.

    Args:
        last_event_id: identifier of the last event that is known already, or None.

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
        """Headers of the next request, with the identifier of the last event."""
        last_id = self._decoder.last_id
        return {"accept": EVENTS, **({} if last_id is None else {"last-event-id": last_id})}

    @property
    def last_event_id(self) -> str | None:
        """Identifier of the last event, or None."""
        return self._decoder.last_id

    @property
    def retry_s(self) -> float:
        """Seconds to wait before the next request."""
        return RETRY_S if self._decoder.retry_s is None else self._decoder.retry_s

    def begin(self) -> None:
        """Take the beginning of a response."""
        self._decoder.restart()
        self._decoder.comments = 0
        self._signs = 0

    @property
    def is_alive(self) -> bool:
        """Whether this response has given an event, or a comment after its greeting."""
        return self._signs > 0 or self._decoder.comments > 1

    def feed(self, piece: bytes) -> Iterator[Job | Progress]:
        """Take more bytes of the response and yield their events."""
        for event in self._decoder.feed(piece):
            self._signs += 1
            document = json.loads(event.data)
            if event.name == "state":
                job = Job.read(document)
                self.is_final = job.state.is_final
                yield job
            elif event.name == "progress":
                yield Progress.read(document)
