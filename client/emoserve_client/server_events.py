"""Server-sent events, decoded by hand: httpx-sse 0.4.3 drops the comments by which a quiet job shows that it lives.

It also keeps a byte order mark and gives events without data. This decoder follows section 9.2.6 of the HTML standard.
"""

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerEvent:
    """One event.

    Attributes:
        name: type of the event.
        data: lines of its data, joined by line feeds.
    """

    name: str
    data: str


class EventDecoder:
    """Decodes a response piece by piece; a piece may end anywhere.

    Attributes:
        last_id: identifier of the last event that has one, or None; the next request sends it.
        retry_s: seconds to wait before the next request, or None if the service has not said.
        comments: number of comments so far; the service sends one when nothing has happened for a while.
    """

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry_s: float | None = None
        self.comments = 0
        self._name = ""
        self._data: list[str] = []
        self._unfinished: list[bytes] = []
        self._ended_with_return = False
        self._is_first = True

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Take more bytes of the response and return the events that they complete."""
        if not piece:
            return []
        ended_with_return, self._ended_with_return = self._ended_with_return, piece.endswith(b"\r")
        if ended_with_return:
            piece = piece.removeprefix(b"\n")  # the second half of a line end
        first, *others = _LINE_END.split(piece)
        if not others:
            self._unfinished.append(first)
            return []
        lines = [b"".join([*self._unfinished, first]), *others]
        self._unfinished = [lines.pop()]
        return [event for line in lines if (event := self._take(line.decode("utf-8", "replace"))) is not None]

    def restart(self) -> None:
        """Begin a new response: drop an incomplete event, keep the last identifier and the pause."""
        self._name, self._data, self._unfinished, self._ended_with_return = "", [], [], False
        self._is_first = True

    def _take(self, line: str) -> ServerEvent | None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix("\ufeff")  # byte order mark
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            self.comments += 1
        elif field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self.last_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value) / 1000
        return None

    def _complete(self) -> ServerEvent | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        return ServerEvent(name or "message", "\n".join(data)) if data else None
