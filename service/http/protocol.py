"""The HTTP/1.1 connection: uvicorn's httptools protocol, with bounds that it lacks.

- Headers, trailers and chunk extensions are bounded while they arrive, in bytes and in time.
- What the parser refuses is answered as a problem document.
- A connection that is answered before its request body was read lingers: what still comes is read and thrown away, for
  a while. Closing at once would make the kernel reset it and throw away the answer before the client, which may send
  all of its body first, has read it (RFC 9112, section 9.6).
- A client that reads nothing of a long answer, or of its events, is not waited for.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.http.exchange import new_request_id
from service.http.problem_response import MEDIA_TYPE, problem_document
from service.http.reader_watch import ReaderWatch
from service.http.security_headers import DEFAULT_CONTENT_SECURITY_POLICY, SECURITY_HEADERS
from service.problems import BodyTimeout, HeadersTooLarge, Malformed, Problem
from service.settings import Limits

LINGER_S = 2.0
"""Seconds without a byte after which a connection that lingers is closed."""

LONGEST_LINGER_S = 30.0
"""Seconds after which it is closed whatever comes: 64 MiB at 18 Mbit/s."""

LINGER_BODIES = 2
"""Bytes that are thrown away, in largest bodies: a body that is refused for its size is larger than one of them."""

LAST_CHANCE_S = 0.1

_FRAMING_HEADERS = (b"content-length", b"transfer-encoding")

Refused = Callable[[Problem, str], None]


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    limits: ClassVar[Limits]
    refused: ClassVar[Refused]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        self.logger = logging.getLogger("service.http")
        self._reading_headers = True
        self._message_complete = True
        self._lingering = False
        self._resuming = False
        self._data = b""
        self._unaccounted_bytes = 0  # since the last piece of body
        self._discarded_bytes = 0
        self._lingering_until = 0.0
        self._header_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._reader = ReaderWatch(transport, self.limits.stream_held_back_s)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._stop_awaiting_headers()
        self._reader.end()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse ``data``, within bounds."""
        if self._lingering:
            self._discard(len(data))
            return
        self._unaccounted_bytes += len(data)
        if self._reading_headers:
            self._await_headers()
        self._data = data
        super().data_received(data)
        self._data = b""
        if self._unaccounted_bytes > self.limits.max_header_bytes and not self._is_over:
            self._refuse(HeadersTooLarge() if self._reading_headers else Malformed())

    def pause_writing(self) -> None:
        """More waits for the client than buffers should hold."""
        super().pause_writing()
        self._reader.begin()

    def on_response_complete(self) -> None:
        """All of an answer is written; what the client has not taken yet lies in a buffer."""
        super().on_response_complete()
        self._reader.begin()

    def on_message_begin(self) -> None:
        """A request line begins."""
        if not self._resuming:
            self._message_complete = False
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if not self._resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._resuming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there: the application begins."""
        if self._resuming:
            return
        self._stop_awaiting_headers()
        self._reading_headers = False
        self._unaccounted_bytes = 0
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _GentleTransport(self.transport, self._close_gently)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._unaccounted_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is complete; what follows is the next request."""
        self._message_complete = self._reading_headers = True
        self._unaccounted_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """The parser gave up."""
        self._refuse(Malformed())

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore an upgrade that is not supported, as RFC 9110 permits, and go on.

        The parser has stopped after the headers and would never see a body. A new one takes the rest, after a
        head that has nothing but the framing of the body. Called while the parser's exception is handled.
        """
        stopped = sys.exception()
        assert isinstance(stopped, httptools.HttpParserUpgrade)
        rest = self._data[stopped.args[0] :]
        framing = [header for header in self.headers if header[0] in _FRAMING_HEADERS]
        self.parser = httptools.HttpRequestParser(self)
        if framing:
            self.cycle.more_body = True
            self._message_complete = self._reading_headers = False
            self._resuming = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"%b: %b\r\n" * len(framing) % sum(framing, ()) + b"\r\n")
            self._resuming = False
        if rest:
            self._data = rest
            super().data_received(rest)

    @property
    def _is_over(self) -> bool:
        return self._lingering or self.transport.is_closing()

    def _await_headers(self) -> None:
        if self._header_timer is None:
            timeout_s = self.limits.body_timeout_s
            self._header_timer = self.loop.call_later(timeout_s, self._headers_almost_late)

    def _stop_awaiting_headers(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _headers_almost_late(self) -> None:
        # After a stall of the whole process timers come before sockets: what lies there must be read first.
        self._header_timer = self.loop.call_later(LAST_CHANCE_S, self._headers_late)

    def _headers_late(self) -> None:
        self._header_timer = None
        if self._is_over:
            return
        if self._unaccounted_bytes:
            self._refuse(BodyTimeout("The request headers did not arrive in time."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close. An answer that is under way is broken off instead."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        request_id = new_request_id()
        type(self).refused(problem, request_id)
        self.transport.write(_answer(problem, request_id, self.server_state.default_headers))
        self._message_complete = False
        self._close_gently()

    def _close_gently(self) -> None:
        if self._message_complete or self._is_over or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._lingering = True
        self._lingering_until = self.loop.time() + LONGEST_LINGER_S
        self._stop_awaiting_headers()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._discard(0)

    def _discard(self, size_bytes: int) -> None:
        """Throw away what came, and wait for more."""
        self._discarded_bytes += size_bytes
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        if self._discarded_bytes > LINGER_BODIES * self.limits.max_body_bytes:
            self.transport.close()
            return
        closes_at = min(self.loop.time() + LINGER_S, self._lingering_until)
        self._linger_timer = self.loop.call_at(closes_at, self.transport.close)


class _GentleTransport:
    """Transport that the request cycle writes to; closing goes through the protocol."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def bounded_protocol(limits: Limits, refused: Refused) -> type[BoundedHttpProtocol]:
    """The protocol class for one server.

    Args:
        limits: ``max_header_bytes``, ``body_timeout_s``, ``max_body_bytes`` and ``stream_held_back_s`` are used.
        refused: told of each problem answered here, with the request id.
    """
    members: dict[str, Any] = {"limits": limits, "refused": staticmethod(refused)}
    return type("ServerHttpProtocol", (BoundedHttpProtocol,), members)


def _answer(problem: Problem, request_id: str, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    body = orjson.dumps(problem_document(problem, request_id))
    lines = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        *(f"{name.decode()}: {value.decode()}" for name, value in default_headers),
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "server-timing: total;dur=0.00",
        *(f"{name.lower()}: {value}" for name, value in SECURITY_HEADERS.items()),
        f"content-security-policy: {DEFAULT_CONTENT_SECURITY_POLICY}",
        "connection: close",
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
