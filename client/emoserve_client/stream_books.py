"""Record of one live stream: the media sent, the media that the service has, its answers. Nothing here uses a network.

When a connection breaks, the service keeps the session for a while and says how much of the media it has. The client
therefore keeps what it sent until an answer shows that it was analysed: a window that ends at a time, or a row for
that time, shows that everything before it has arrived.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emoserve_client.common_answers import Document
from emoserve_client.event_answers import AffectRows, Segment, Window
from emoserve_client.problems import Problem, ServiceUnreachable
from emoserve_client.stream_messages import AudioStreamCreated, StreamClosed, VideoStreamCreated

Created = TypeVar("Created", bound=AudioStreamCreated | VideoStreamCreated)
Answer = TypeVar("Answer", bound=Window | Segment | AffectRows)
Message = bytes | str

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Most bytes of media kept for a resumed session; older media are dropped, and a resume that needs them fails."""


@dataclass(frozen=True)
class Kind(Generic[Created, Answer]):
    """Differences between streams of sound and streams of faces.

    Attributes:
        path: path of the WebSocket.
        received: member of a message that counts what the service has: samples of a channel, or frames.
        read_created: reads the first message of the service.
        read_answer: reads an answer, by the type of its message; other messages are no answers.
        covered_s: time in seconds up to which an answer shows that media have arrived.
    """

    path: str
    received: str
    read_created: Callable[[Document], Created]
    read_answer: Mapping[str, Callable[[Document], Answer]]
    covered_s: Callable[[Answer], float]


AUDIO: Kind[AudioStreamCreated, Window | Segment] = Kind(
    "/v1/stream/audio",
    "received_samples",
    AudioStreamCreated.read,
    {"window": Window.read, "segment": Segment.read},
    lambda answer: answer.end_s,
)
VIDEO: Kind[VideoStreamCreated, AffectRows] = Kind(
    "/v1/stream/video",
    "received_frames",
    VideoStreamCreated.read,
    {"affect": AffectRows.read},
    lambda rows: rows.time_s[-1] if rows.time_s else 0.0,
)


@dataclass(frozen=True)
class _Sent:
    message: Message
    begin_units: int
    end_units: int
    end_s: float

    def rest(self, from_units: int) -> Message:
        """Part of the message after ``from_units``: as a rule all of it, as the service takes whole messages."""
        skipped = max(0, from_units - self.begin_units)
        unit_bytes = len(self.message) // max(1, self.end_units - self.begin_units)
        return self.message[skipped * unit_bytes :] if skipped else self.message


class StreamBooks(Generic[Created, Answer]):
    """Record of one stream. One thread may note media while another takes answers.

    Args:
        kind: differences between sound and faces.
        config: members of the first message; those that are None are left out.

    Attributes:
        kind: as the argument.
        created: first message of the service, or None before it has come.
        closed: last message of the service, or None before it has come.
        answers: number of answers so far.
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
        self._lock = threading.Lock()

    @property
    def is_ended(self) -> bool:
        """Whether the stream was ended, so that nothing more may be sent."""
        return self._end is not None

    def first_message(self) -> str:
        """First message of a new connection: the config, or after a broken connection the resume."""
        if self.created is None:
            return json.dumps({"type": "config", **self._config})
        return json.dumps({"type": "resume", "id": self.created.id, "received": self.answers})

    def begin(self, text: str) -> list[Message]:
        """Take the answer to the first message and return the messages that the service lacks.

        Raises:
            Problem: the service refuses the stream, or no longer knows it.
            ServiceUnreachable: the service lacks media that are no longer kept.
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
            message: message as it is sent.
            units: number of samples of a channel, or of frames, in the message.
            end_s: time in the stream at which the message ends, in seconds.
        """
        with self._lock:
            self._kept.append(_Sent(message, self._units, self._units + units, end_s))
            self._units += units
            self._kept_bytes += len(message)
            while self._kept_bytes > MAX_KEPT_BYTES:
                self._drop()

    def end(self) -> str:
        """Make the message that ends the stream."""
        self._end = json.dumps({"type": "end"})
        return self._end

    def take(self, text: str) -> Answer | None:
        """Take a message of the service; returns None if it is no answer.

        Raises:
            Problem: the stream has failed.
            ServiceUnreachable: the service closes the stream before its end.
        """
        document = self._checked(text)
        if document["type"] == "session.closed":
            self.closed = StreamClosed.read(document)
            if self.closed.reason != "end":
                raise ServiceUnreachable(f"the service ended the stream: {self.closed.reason}")
        read = self.kind.read_answer.get(document["type"])
        if read is None:
            return None
        answer = read(document)
        self.answers += 1
        covered_s = self.kind.covered_s(answer)
        with self._lock:
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
