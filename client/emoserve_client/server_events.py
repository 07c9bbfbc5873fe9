"""Server-sent events out of bytes, as the HTML standard says (section 9.2.6), without any network."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerEvent:
    """One event.

    Attributes:
        name: its type.
        data: its lines, joined.
    """

    name: str
    data: str


class EventDecoder:
    """Takes a response piece by piece, wherever it is cut.

    Attributes:
        last_id: of the last event that had one, or None; a client that comes back sends it.
        retry_s: how long to wait before coming back, or None where the service has said nothing.
        comments: comments so far; the service sends one where it has nothing else to say.
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
        """Take more of the response; returns the events that it completes."""
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
        """A new response follows: what was not complete is dropped, the last id and the pause are kept."""
        self._name, self._data, self._unfinished, self._ended_with_return = "", [], [], False
        self._is_first = True

    def _take(self, line: str) -> ServerEvent | None:
        if self._is_first:
            self._is_first = False
            line = line.removeprefix("\ufeff")  # a mark of byte order
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
