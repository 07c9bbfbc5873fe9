"""The outermost layer: identity, common headers, header limit, unexpected errors, log and audit line, metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access.caller import is_audited, is_open
from service.http.exchange import Exchange, begin_exchange
from service.http.problem_response import problem_response
from service.http.security_headers import SECURITY_HEADERS, STRICT_TRANSPORT_SECURITY, content_security_policy
from service.http.work_pool import ClientGoneError
from service.problems import Draining, HeadersTooLarge, InternalError, Problem
from service.telemetry.audit import AuditEntry, AuditLog, log_request
from service.telemetry.logs import describe_exception, request_logger
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import RequestTrace, Tracer

SWITCHING_PROTOCOLS = 101
INTERNAL_ERROR = 1011


class WatchedSocket:
    """Adds the request id to the answer and counts.

    Attributes:
        status: 101 once the socket is accepted, else that of the refusal; 499 where the client left before.
    """

    def __init__(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self.status = 499

    async def receive(self) -> Message:
        """The next event."""
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._exchange.body_bytes += len(message.get("bytes") or message.get("text") or b"")
        return message

    async def send(self, message: Message) -> None:
        """Pass an event on."""
        if message["type"] == "websocket.accept":
            self.status = SWITCHING_PROTOCOLS
        elif message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            headers["X-Request-Id"] = self._exchange.request_id
            message["headers"] = headers.raw
        await self._send(message)

    async def break_off(self) -> None:
        """Close after an error that nobody expected."""
        if self.status == SWITCHING_PROTOCOLS:
            try:
                await self._send({"type": "websocket.close", "code": INTERNAL_ERROR})
            except Exception:  # the client has gone, or the close was sent already
                return
        else:
            self.status = 500
            await self._send({"type": "websocket.close"})


CLIENT_GONE_STATUS = 499  # what nginx writes into its log; never sent, for nobody is there to read it
UNMATCHED_ROUTE = "unmatched"
HTTP_STAGES = {"upload", "render"}  # the pipeline tells of its own


class Envelope:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        metrics, audit, tracer: record every request.
        max_header_bytes: largest size of all request headers together.
        is_secure: whether the service itself speaks TLS.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, audit: AuditLog, tracer: Tracer, *, max_header_bytes: int, is_secure: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._audit = audit
        self._tracer = tracer
        self._max_header_bytes = max_header_bytes
        self._is_secure = is_secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or accompany one WebSocket; the application's own life passes through."""
        if scope["type"] == "websocket":
            await self._accompany(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = begin_exchange(headers)
        scope.setdefault("state", {})["exchange"] = exchange
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves the body out
        answer = _Answer(exchange, send, is_secure=self._is_secure)
        body = _Body(receive, has_body(headers))
        answer.body_is_read = body.is_read
        status = CLIENT_GONE_STATUS
        try:
            await self._answer(scope, body.receive, answer)
            status = answer.status
        except ClientGoneError:
            exchange.code = "client_gone"
        finally:
            exchange.body_bytes = body.size_bytes
            self._record(scope, exchange, status)

    async def _accompany(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: what it sends is counted, never looked at."""
        exchange = begin_exchange(Headers(scope=scope))
        scope.setdefault("state", {})["exchange"] = exchange
        socket = WatchedSocket(exchange, receive, send)
        try:
            await self._app(scope, socket.receive, socket.send)
        except Exception as error:
            exchange.code = InternalError.code
            self._tell(exchange, error)
            await socket.break_off()
        finally:
            self._record(scope, exchange, socket.status)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        exchange = answer.exchange
        if header_bytes(scope) > self._max_header_bytes:
            await self._refuse(HeadersTooLarge(), scope, receive, answer)
            return
        try:
            await self._app(scope, receive, answer.send)
        except ClientGoneError:
            raise
        except asyncio.CancelledError:
            # Only the server does that, when the time that accepted work has after SIGTERM is over.
            if answer.status:
                raise
            await self._refuse(Draining(retry_after_s=1.0), scope, receive, answer)
        except Exception as error:
            self._tell(exchange, error)
            exchange.code = InternalError.code
            if answer.status:
                raise _BrokenOffError from None
            await self._refuse(InternalError(), scope, receive, answer)

    @staticmethod
    def _tell(exchange: Exchange, error: Exception) -> None:
        fields = {"request_id": exchange.request_id, **describe_exception(type(error), error.__traceback__)}
        request_logger.error("unexpected error", extra={"fields": fields})

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        answer.exchange.code = problem.code
        await problem_response(problem, scope)(scope, receive, answer.send)

    def _record(self, scope: Scope, exchange: Exchange, status: int) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED_ROUTE)
        elapsed_s = exchange.elapsed_s
        metrics = self._metrics
        if is_open(scope):  # a probe
            log_request(_entry(scope, exchange, route, status), level=logging.DEBUG)
            return
        metrics.requests_total.labels(route, str(status)).inc()
        if scope["type"] == "http":  # a stream takes as long as its client likes
            metrics.request_duration_seconds.labels(route).observe(elapsed_s)
        for stage in HTTP_STAGES & exchange.stages_s.keys():
            metrics.stage_duration_seconds.labels(stage).observe(exchange.stages_s[stage])
        trace_id = self._tracer.record(_trace(scope, exchange, route, status))
        entry = _entry(scope, exchange, route, status)
        log_request(entry, trace_id)
        if is_audited(scope):
            self._audit.write(entry)


def _entry(scope: Scope, exchange: Exchange, route: str, status: int) -> AuditEntry:
    return AuditEntry(
        request_id=exchange.request_id,
        key_id=exchange.caller.key_id,
        action=getattr(scope.get("route"), "operation_id", None) or route,
        route=route,
        status=status,
        code=exchange.code,
        models=exchange.models,
        body_bytes=exchange.body_bytes,
        media_s=exchange.media_s,
        latency_s=round(exchange.elapsed_s, 5),
    )


def _trace(scope: Scope, exchange: Exchange, route: str, status: int) -> RequestTrace:
    return RequestTrace(
        method=scope.get("method", "GET"),  # a WebSocket begins with one
        route=route,
        status=status,
        code=exchange.code,
        began_at=exchange.started_s,
        spans=exchange.stages_s.spans,
        busy_s=exchange.stages_s,
        media_s=exchange.media_s,
        models=exchange.models,
        parent=Headers(scope=scope).get("traceparent"),
    )


class _BrokenOffError(Exception):
    """The answer failed after it began; the server closes the connection."""


class _Body:
    """Watches the request body go by."""

    def __init__(self, receive: Receive, expected: bool) -> None:
        self._receive = receive
        self._more = expected
        self.size_bytes = 0

    def is_read(self) -> bool:
        return not self._more

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.size_bytes += len(message.get("body", b""))
            self._more = message.get("more_body", False)
        return message


class _Answer:
    """Adds what every response carries."""

    def __init__(self, exchange: Exchange, send: Send, is_secure: bool) -> None:
        self.exchange = exchange
        self.is_secure = is_secure
        self.status = 0
        self.body_is_read: Callable[[], bool] = lambda: True
        self._send: Callable[[Message], Awaitable[None]] = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["X-Request-Id"] = self.exchange.request_id
            headers["Server-Timing"] = self.exchange.server_timing()
            headers.update(SECURITY_HEADERS)
            headers["Cache-Control"] = self.exchange.cache_control
            headers.setdefault("Content-Security-Policy", content_security_policy(headers.get("content-type", "")))
            if self.is_secure:
                headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
            if not self.body_is_read():
                # What is left of the body would be taken for the next request.
                headers["Connection"] = "close"
        await self._send(message)


def has_body(headers: Headers) -> bool:
    """Whether a request with these headers has a body at all."""
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0 ") != ""


def header_bytes(scope: Scope) -> int:
    """Size of the request line's target and all headers, as on the wire."""
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    return target + sum(len(name) + len(value) + len(": \r\n") for name, value in scope["headers"])
