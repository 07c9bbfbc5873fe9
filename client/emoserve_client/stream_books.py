"""The books of one live stream: what was sent, what the service has, what it answered. No network, no threads.

The service keeps a session for a while when its connection breaks, and says how much of the media it has. So a
client has to keep what it sent until an answer shows that it was analysed: a window that ends at a moment, or a row
for it, says that everything up to that moment has arrived.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emoserve_client.common_answers import Document
from emoserve_client.event_answers import AffectRows, Window
from emoserve_client.problems import Problem, ServiceUnreachable
from emoserve_client.stream_messages import AudioStreamCreated, StreamClosed, VideoStreamCreated

Created = TypeVar("Created", bound=AudioStreamCreated | VideoStreamCreated)
Answer = TypeVar("Answer", bound=Window | AffectRows)
Message = bytes | str

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Of media that could be needed again; beyond it the oldest are dropped, and a break that needs them is final."""


@dataclass(frozen=True)
class Kind(Generic[Created, Answer]):
    """What tells streams of sound and of faces apart.

    Attributes:
        path: of the WebSocket.
        received: the member that says how much the service has: samples of a channel, or frames.
        answer_type: of the messages that are counted as answers.
        covered_s: the moment up to which an answer shows that media have arrived.
    """

    path: str
    received: str
    answer_type: str
    read_created: Callable[[Document], Created]
    read_answer: Callable[[Document], Answer]
    covered_s: Callable[[Answer], float]


AUDIO: Kind[AudioStreamCreated, Window] = Kind(
    "/v1/stream/audio",
    "received_samples",
    "window",
    AudioStreamCreated.read,
    Window.read,
    lambda window: window.end_s,
)
VIDEO: Kind[VideoStreamCreated, AffectRows] = Kind(
    "/v1/stream/video",
    "received_frames",
    "affect",
    VideoStreamCreated.read,
    AffectRows.read,
    lambda rows: rows.time_s[-1] if rows.time_s else 0.0,
)


@dataclass(frozen=True)
class _Sent:
    message: Message
    begin_units: int
    end_units: int
    end_s: float

    def rest(self, from_units: int) -> Message:
        """What lies behind ``from_units``; the service takes whole messages, so that is all of it as a rule."""
        skipped = max(0, from_units - self.begin_units)
        unit_bytes = len(self.message) // max(1, self.end_units - self.begin_units)
        return self.message[skipped * unit_bytes :] if skipped else self.message


class StreamBooks(Generic[Created, Answer]):
    """See the module.

    Args:
        kind: sound or faces.
        config: members of the first message; None is left out.

    Attributes:
        created: what the service said at the beginning, or None before.
        closed: what it said at the end, or None before.
        answers: answers so far.
    """

    def __init__(self, kind: Kind[Created, Answer], config: Mapping[str, Any]) -> None:
        self.kind = kind
        self.created: Created | None = None
        self.closed: StreamClosed | None = None
        self.answers = 0
        self._config = {name: value for name, value in config.items() if value is not None}
        self._kept: deque[_Sent] = deque()
        self._kept_bytes = 0
        self._units = 0
        self._end: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._end is not None

    def first_message(self) -> str:
        """What a new connection begins with: the config, or a resume of what the former one began."""
        if self.created is None:
            return json.dumps({"type": "config", **self._config})
        return json.dumps({"type": "resume", "id": self.created.id, "received": self.answers})

    def begin(self, text: str) -> list[Message]:
        """Take the answer to the first message; returns what has to be sent (again).

        Raises:
            Problem: the service refuses the stream, or does not know it any more.
            ServiceUnreachable: it lacks what is no longer kept.
        """
        document = self._checked(text)
        if document["type"] == "session.created":
            self.created = self.kind.read_created(document)
            return []
        received = int(document.get(self.kind.received, 0))
        missing = [sent for sent in self._kept if sent.end_units > received]
        if received < (missing[0].begin_units if missing else self._units):
            raise ServiceUnreachable("the connection broke, and what the service lacks is not kept any more")
        return [sent.rest(received) for sent in missing] + ([] if self._end is None else [self._end])

    def keep(self, message: Message, units: int, end_s: float) -> None:
        """Note media that are about to be sent.

        Args:
            message: as it is sent.
            units: samples of a channel, or frames, that it holds.
            end_s: the moment in the stream at which it ends.
        """
        self._kept.append(_Sent(message, self._units, self._units + units, end_s))
        self._units += units
        self._kept_bytes += len(message)
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._drop()

    def end(self) -> str:
        """The message that nothing follows."""
        self._end = json.dumps({"type": "end"})
        return self._end

    def take(self, text: str) -> Answer | None:
        """Take a message of the service; None for what is no answer.

        Raises:
            Problem: the stream cannot go on.
            ServiceUnreachable: the service shuts down.
        """
        document = self._checked(text)
        if document["type"] == "session.closed":
            self.closed = StreamClosed.read(document)
            if self.closed.reason != "end":
                raise ServiceUnreachable(f"the service ended the stream: {self.closed.reason}")
        if document["type"] != self.kind.answer_type:
            return None
        answer = self.kind.read_answer(document)
        self.answers += 1
        covered_s = self.kind.covered_s(answer)
        while self._kept and self._kept[0].end_s <= covered_s:
            self._drop()
        return answer

    def _drop(self) -> None:
        self._kept_bytes -= len(self._kept.popleft().message)

    @staticmethod
    def _checked(text: str) -> Document:
        document: dict[str, Any] = json.loads(text)
        if document.get("type") == "error":
            raise Problem(0, document, retry_after_s=document.get("retry_after_s"))
        return document
