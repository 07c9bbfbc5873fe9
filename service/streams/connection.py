"""One WebSocket from its opening to its close: the first message, then reading and sending side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from service.access.caller import caller_of
from service.http.exchange import exchange_of
from service.problems import ConfigMissing, MessageTooLarge, Problem, RateLimited, StreamTimeout, Unavailable
from service.schemas.streams import ClientMessage, End, ErrorMessage, Resume, Resumed, ServerMessage, StreamLimits
from service.settings import Limits
from service.streams.close_codes import NORMAL, SERVICE_RESTART, close_code
from service.streams.engine import Engine
from service.streams.messages import read_message
from service.streams.session import StreamSession
from service.streams.sessions import StreamSessions

CONTROL: dict[str, type[ClientMessage]] = {"end": End}

CLOSE_S = 2.0
"""Seconds that a close may wait for a client that does not read."""

OpenEngine = Callable[[ClientMessage], Engine]
"""Makes the engine that a config asks for; raises problems."""


class StreamConnection:
    """Serves one WebSocket.

    Args:
        websocket: not yet accepted.
        sessions: all streams of the service.
        hold: takes seconds of the service's capacity for the length of a ``with`` block; raises problems.
        config: what the first message has to be.
        open_engine: see :data:`OpenEngine`.
    """

    def __init__(
        self,
        websocket: WebSocket,
        sessions: StreamSessions,
        config: type[ClientMessage],
        open_engine: OpenEngine,
        hold: Callable[[float], AbstractContextManager[object]],
    ) -> None:
        self._websocket = websocket
        self._sessions = sessions
        self._hold = hold
        self._config = config
        self._open_engine = open_engine
        self._limits = sessions.limits
        self._exchange = exchange_of(websocket.scope)
        self._ended = False

    async def serve(self) -> None:
        """Serve it to its end; every problem is told to the client."""
        await self._websocket.accept()
        try:
            session = await self._begin()
            await self._converse(session)
        except Problem as problem:
            await self._refuse(problem)
        except WebSocketDisconnect:
            self._exchange.code = "client_gone"

    async def _begin(self) -> StreamSession:
        """The session that the first message asks for.

        Raises:
            Problem: there is none to be had.
            WebSocketDisconnect: the client has gone.
        """
        message = await self._first_message()
        sessions = self._sessions
        if isinstance(message, Resume):
            owner = caller_of(self._websocket.scope).owner
            session = await sessions.resume(message.id, owner, message.received)
            first: ServerMessage = Resumed(id=session.id, **session.received())
        else:
            session = self._new_session(message)
            first = session.engine.created(session.id, stream_limits(self._limits))
        self._exchange.models = tuple(session.engine.models)
        try:
            await self._send(first.model_dump_json(exclude_none=True))
        except WebSocketDisconnect:
            if isinstance(message, Resume):
                sessions.detach(session)
            else:
                await sessions.remove(session)
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

    def _new_session(self, config: ClientMessage) -> StreamSession:
        self._sessions.check()
        engine = self._open_engine(config)
        with ExitStack() as stack:
            stack.enter_context(self._hold(engine.reserve_s))
            owner = caller_of(self._websocket.scope).owner
            session = StreamSession(engine, owner, self._sessions.work, self._limits, stack.pop_all())
        self._sessions.add(session)
        return session

    async def _converse(self, session: StreamSession) -> None:
        """Read and send until one of them is over; then keep the session, or end it.

        Raises:
            Problem: the stream cannot go on.
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
            raise StreamTimeout("The stream has lasted for as long as it may.") from None
        except WebSocketDisconnect as gone:
            is_kept = gone.code != NORMAL and not session.is_finished
            self._exchange.code = "client_gone"
        finally:
            await self._stop(tasks)
            self._exchange.media_s = round(session.received_s, 3)
            if is_kept:
                self._sessions.detach(session)
            else:
                self._sessions.metrics.audio_seconds_total.labels("ok").inc(session.received_s)
                await self._sessions.remove(session)

    async def _read(self, session: StreamSession) -> None:
        """Take messages until the client goes.

        Raises:
            WebSocketDisconnect: it has gone.
            Problem: it sends what it may not.
        """
        while True:
            try:
                async with asyncio.timeout(None if self._ended else self._limits.stream_idle_timeout_s):
                    message = await self._receive()
            except TimeoutError:
                raise StreamTimeout("No message came for too long.") from None
            if self._ended:
                continue
            taken = read_message(message, session.engine.text_kinds | CONTROL) if isinstance(message, str) else message
            if isinstance(taken, End):
                self._ended = True
                await session.end()
            else:
                await session.put(session.engine.read(taken))

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
        """Send, or take a client that does not read for one that has gone."""
        try:
            async with asyncio.timeout(self._limits.stream_held_back_s):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise WebSocketDisconnect(1006) from None

    async def _refuse(self, problem: Problem) -> None:
        self._exchange.code = problem.code
        if isinstance(problem, Unavailable | RateLimited):
            self._sessions.metrics.shed_total.labels(problem.code).inc()
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
        """The last message, and the close."""
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._send(message.model_dump_json(exclude_none=True))
        await self._close(code)

    async def _close(self, code: int) -> None:
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # it has gone already, or reads nothing
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(code)

    @staticmethod
    async def _stop(tasks: set[asyncio.Task[object]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def stream_limits(limits: Limits) -> StreamLimits:
    """The limits as ``session.created`` tells them."""
    return StreamLimits(
        max_message_bytes=limits.max_message_bytes,
        max_duration_s=limits.max_duration_s,
        idle_timeout_s=limits.stream_idle_timeout_s,
        buffer_s=limits.stream_buffer_s,
        held_back_s=limits.stream_held_back_s,
        session_s=limits.stream_session_s,
        resume_s=limits.stream_resume_s,
    )
