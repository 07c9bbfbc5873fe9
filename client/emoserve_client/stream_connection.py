"""Options with which both clients open a WebSocket, and the errors made from one that is refused or breaks."""

import ssl
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from emoserve_client.connection import CONNECT_TIMEOUT_S, USER_AGENT
from emoserve_client.problems import EmoserveError, Problem, ServiceUnreachable, problem_of
from emoserve_client.retries import RETRIED_STATUS, retry_after_s

FAILURES = (OSError, WebSocketException, EOFError)
"""Exceptions that opening a WebSocket can raise; TimeoutError is an OSError."""

TAKEN_OVER = 1000
"""Close code of a stream that another connection has resumed."""

FINAL = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Close codes that end the stream, which cannot be resumed (RFC 6455, section 7.4.1)."""

BROKEN = 1001
"""Close code of a client that means to resume its stream."""

FIRST_ANSWER_S = 30.0
"""Seconds within which the service answers the first message."""

PING_S = 20.0
PONG_S = 90.0
"""Seconds until a silent connection counts as broken; a service that holds its client back answers pings late."""


@dataclass(frozen=True)
class StreamPlace:
    """Address and credentials of the service.

    Attributes:
        url: address of the service, http or https, with the path that a proxy may put before it.
        api_key: key or token, or None.
        tls: certificates for https; None trusts the authorities of the system.
    """

    url: str
    api_key: str | None
    tls: ssl.SSLContext | None

    def address(self, path: str) -> str:
        """Address of the WebSocket at ``path``."""
        scheme, _, rest = self.url.rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{path}"

    def options(self) -> dict[str, Any]:
        """Keyword arguments of both ``connect`` functions of websockets.

        Answers are queued without a bound, so that pings are always read.
        """
        authorization = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        secure = {"ssl": self.tls} if self.tls is not None and self.url.startswith("https:") else {}
        return {
            "additional_headers": authorization,
            "user_agent_header": USER_AGENT,
            "open_timeout": CONNECT_TIMEOUT_S,
            "ping_interval": PING_S,
            "ping_timeout": PONG_S,
            "compression": None,
            "max_size": None,
            "max_queue": None,
            **secure,
        }


@dataclass(frozen=True)
class Refusal:
    """Reason why a stream was not opened, and whether trying again could help."""

    error: EmoserveError
    may_pass: bool
    after_s: float | None = None


def refusal(error: Exception) -> Refusal:
    """Turn an exception of opening a stream into one of this package, with the original as its cause."""
    if isinstance(error, Problem):
        return Refusal(error, error.retry_after_s is not None, error.retry_after_s)
    if isinstance(error, EmoserveError):
        return Refusal(error, may_pass=False)
    if isinstance(error, InvalidStatus):
        answer = error.response
        response = httpx.Response(
            answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body)
        )
        after_s = retry_after_s(response)
        problem: EmoserveError = problem_of(response, after_s)
        problem.__cause__ = error
        return Refusal(problem, answer.status_code in RETRIED_STATUS, after_s)
    unreachable = ServiceUnreachable(f"{type(error).__name__}: {error}")
    unreachable.__cause__ = error
    return Refusal(unreachable, may_pass=not isinstance(error, ssl.SSLCertVerificationError))


def check_break(closed: ConnectionClosed) -> None:
    """Check that a stream can be resumed over a new connection.

    Raises:
        ServiceUnreachable: the service has ended the stream.
    """
    code = None if closed.rcvd is None else closed.rcvd.code
    if code == TAKEN_OVER:
        raise ServiceUnreachable("another connection has resumed the stream")
    if code in FINAL:
        raise ServiceUnreachable(f"the service closed the stream with {code}")
