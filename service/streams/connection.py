"""One WebSocket from opening to close: the first message, then reading and sending at the same time."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import orjson
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from service.access.caller import caller_of
from service.http.exchange import exchange_of
from service.http.problem_response import no_such, pointer_to
from service.problems import (
    ConfigMissing,
    DeadlineExceeded,
    MessageInvalid,
    MessageTooLarge,
    Problem,
    RateLimited,
    StreamTimeout,
    Unavailable,
    Unprocessable,
    UnsupportedContentType,
)
from service.schemas.streams import ClientMessage, End, ErrorMessage, Resume, Resumed, ServerMessage, StreamLimits
from service.settings import Limits
from service.streams.session import StreamSession
from service.streams.sessions import StreamSessions
from service.telemetry.metrics import Metrics

# Close codes of RFC 6455, section 7.4.1, and the IANA registry.
NORMAL: Final = 1000
UNSUPPORTED_DATA: Final = 1003
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

_BY_STATUS: Final = {400: INVALID_DATA, 422: INVALID_DATA, 500: INTERNAL_ERROR}


CONTROL: dict[str, type[ClientMessage]] = {"end": End}

CLOSE_S = 2.0
"""Seconds that a close waits for a client that does not read."""

OpenSession = Callable[[ClientMessage], StreamSession]
"""Begins the session that a config asks for; raises problems."""


class StreamConnection:
    """Serves one WebSocket.

    Args:
        websocket: not yet accepted.
        sessions: all sessions of the service.
        limits: the service's limits.
        metrics: the service's metrics.
        config: kind of the first message, unless it resumes a session.
        open_session: see :data:`OpenSession`.
    """

    def __init__(
        self,
        websocket: WebSocket,
        sessions: StreamSessions,
        limits: Limits,
        metrics: Metrics,
        config: type[ClientMessage],
        open_session: OpenSession,
    ) -> None:
        self._websocket = websocket
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._config = config
        self._open_session = open_session
        self._exchange = exchange_of(websocket.scope)
        self._ended = False

    async def serve(self) -> None:
        """Serve the stream to its end; the client is told every problem."""
        await self._websocket.accept()
        try:
            session = await self._begin()
            await self._converse(session)
        except Problem as problem:
            await self._refuse(problem)
        except WebSocketDisconnect:
            self._exchange.code = "client_gone"

    async def _begin(self) -> StreamSession:
        """Begin or resume the session that the first message asks for.

        Raises:
            Problem: the session cannot be had.
            WebSocketDisconnect: the client has gone.
        """
        message = await self._first_message()
        if isinstance(message, Resume):
            owner = caller_of(self._websocket.scope).owner
            session = await self._sessions.resume(message.id, owner, message.received)
            first: ServerMessage = Resumed(id=session.id, **session.received())
        else:
            session = self._open_session(message)
            self._sessions.add(session)
            first = session.analyser.created(session.id, stream_limits(self._limits))
        self._exchange.models = tuple(session.analyser.models)
        try:
            await self._send(first.model_dump_json(exclude_none=True))
        except WebSocketDisconnect:
            if isinstance(message, Resume):
                self._sessions.detach(session)
            else:
                await self._sessions.remove(session)
            raise
        return session

    async def _first_message(self) -> ClientMessage:
        try:
            async with asyncio.timeout(self._limits.stream_config_timeout_s):
                message = await self._receive()
        except TimeoutError:
            raise StreamTimeout("The first message did not come in time.") from None
        if isinstance(message, bytes):
            raise ConfigMissing
        return read_message(message, {"config": self._config, "resume": Resume})

    async def _converse(self, session: StreamSession) -> None:
        """Read and send until either ends; then keep the session or end it.

        Raises:
            Problem: the stream cannot continue.
        """
        reading = asyncio.create_task(self._read(session))
        sending = asyncio.create_task(self._send_answers(session))
        leaving = asyncio.create_task(session.left.wait())
        tasks: set[asyncio.Task[object]] = {reading, sending, leaving}
        is_kept = False
        try:
            async with asyncio.timeout_at(session.ends_at):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            if sending.done():
                sending.result()
            await self._stop(tasks)
            if session.leave == "taken over":
                is_kept = True
                await self._close(NORMAL)
            elif session.leave == "draining":
                await self._flush(session)
                await self._say(session.closed("draining"), SERVICE_RESTART)
            else:
                await self._say(session.closed("end"), NORMAL)
        except TimeoutError:
            raise StreamTimeout("The stream has reached its longest duration.") from None
        except WebSocketDisconnect as gone:
            is_kept = gone.code != NORMAL and not session.is_finished
            self._exchange.code = "client_gone"
        finally:
            await self._stop(tasks)
            self._exchange.media_s = round(session.received_s, 3)
            if is_kept:
                self._sessions.detach(session)
            else:
                self._metrics.audio_seconds_total.labels("ok").inc(session.received_s)
                await self._sessions.remove(session)

    async def _read(self, session: StreamSession) -> None:
        """Read messages until the client goes.

        Raises:
            WebSocketDisconnect: the client has gone.
            Problem: a message is not permitted.
        """
        while True:
            try:
                async with asyncio.timeout(None if self._ended else self._limits.stream_idle_timeout_s):
                    message = await self._receive()
            except TimeoutError:
                raise StreamTimeout("No message came for too long.") from None
            if self._ended:
                continue
            taken = (
                read_message(message, session.analyser.text_kinds | CONTROL) if isinstance(message, str) else message
            )
            if isinstance(taken, End):
                self._ended = True
                await session.end()
            else:
                await session.put(session.analyser.read(taken))

    async def _send_answers(self, session: StreamSession) -> None:
        while (answer := await session.next_answer()) is not None:
            await self._send(answer)

    async def _flush(self, session: StreamSession) -> None:
        while (answer := session.take_answer()) is not None:
            await self._send(answer)

    async def _receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | None = message.get("text")
        content: str | bytes = message["bytes"] if text is None else text
        if len(content) > self._limits.max_message_bytes:
            raise MessageTooLarge(f"A message may have {self._limits.max_message_bytes} bytes.")
        return content

    async def _send(self, text: str) -> None:
        """Send a message; a client that does not read counts as gone.

        Raises:
            WebSocketDisconnect: the client has gone.
        """
        try:
            async with asyncio.timeout(self._limits.stream_held_back_s):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise WebSocketDisconnect(1006) from None

    async def _refuse(self, problem: Problem) -> None:
        self._exchange.code = problem.code
        if isinstance(problem, Unavailable | RateLimited):
            self._metrics.shed_total.labels(problem.code).inc()
        error = ErrorMessage(
            code=problem.code,
            title=problem.title,
            detail=problem.detail,
            pointer=problem.pointer,
            retry_after_s=problem.retry_after_s,
            request_id=self._exchange.request_id,
        )
        await self._say(error, close_code(problem))

    async def _say(self, message: ServerMessage, code: int) -> None:
        """Send the last message, and close."""
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._send(message.model_dump_json(exclude_none=True))
        await self._close(code)

    async def _close(self, code: int) -> None:
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # the client has gone, or does not read
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(code)

    @staticmethod
    async def _stop(tasks: set[asyncio.Task[object]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def stream_limits(limits: Limits) -> StreamLimits:
    """The limits as the message ``session.created`` lists them."""
    return StreamLimits(
        max_message_bytes=limits.max_message_bytes,
        max_duration_s=limits.max_duration_s,
        idle_timeout_s=limits.stream_idle_timeout_s,
        buffer_s=limits.stream_buffer_s,
        held_back_s=limits.stream_held_back_s,
        session_s=limits.stream_session_s,
        resume_s=limits.stream_resume_s,
    )


def read_message(text: str, kinds: Mapping[str, type[ClientMessage]]) -> ClientMessage:
    """Parse one text message.

    Args:
        text: JSON.
        kinds: permitted kinds by ``type``.

    Raises:
        MessageInvalid: the text is no JSON object, or of another kind.
        Unprocessable: a member cannot be used; the pointer names it.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MessageInvalid("A text message is not JSON.") from None
    if not isinstance(document, dict):
        raise MessageInvalid("A text message is not a JSON object.")
    name = document.get("type")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MessageInvalid(f"The type must be one of: {', '.join(kinds)}.", pointer="/type")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        pointer, told = pointer_to(*first["loc"]), first["msg"]
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            told = no_such("member", first["loc"][0], kind.model_fields)
        raise Unprocessable(f"{pointer}: {told}", pointer=pointer) from None


def close_code(problem: Problem) -> int:
    """The WebSocket close code for ``problem``."""
    if isinstance(problem, ConfigMissing):
        return POLICY_VIOLATION
    if isinstance(problem, MessageTooLarge):
        return TOO_BIG
    if isinstance(problem, UnsupportedContentType):
        return UNSUPPORTED_DATA
    if isinstance(problem, Unavailable):
        return TRY_AGAIN_LATER
    if isinstance(problem, DeadlineExceeded):
        return INTERNAL_ERROR
    return _BY_STATUS.get(problem.status, POLICY_VIOLATION)
