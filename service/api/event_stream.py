"""``text/event-stream`` on the calls that take an upload: what is known before the whole answer is.

What is refused before the first event is an ordinary problem answer with its status. After that the status is 200
already, so a failure is an event ``problem`` with the same document, and the last event of all.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
from fastapi import Request, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Message, Receive, Scope, Send

from service.api.upload_answer import answer_upload, do_upload
from service.http.exchange import exchange_of
from service.http.multipart import Documents
from service.http.negotiation import EVENTS
from service.http.problem_response import problem_document
from service.http.uploads import RAW_MEDIA
from service.http.work_pool import ClientGoneError
from service.pipeline.device.task import Work
from service.problems import Draining, InternalError, Problem
from service.telemetry.logs import describe_exception, request_logger

HEARTBEAT_S = 15.0
"""Silence after which a comment is sent, so that proxies keep the connection; clients ignore it."""

LEAST_PROGRESS = 0.01
"""Least step between two reports of progress."""

Emit = Callable[[str, object], None]
"""Sends one event: its name and a JSON document. Called in any thread."""

EventAnswer = Callable[[memoryview, Work, Emit | None], bytes]
"""The blocking half of a call: upload in, answer out, events on the way where they are asked for, else None. The
work's progress is sent already."""


async def answer_or_events(
    request: Request,
    answer: EventAnswer,
    media_type: str,
    raw_types: Sequence[str] = RAW_MEDIA,
    *,
    documents: Documents | None = None,
    is_long: bool = False,
) -> Response:
    """Send the answer, or its events where ``media_type`` is theirs; arguments, errors as :func:`answer_upload`."""
    if media_type == EVENTS:
        return UploadEvents(request, answer, raw_types, documents=documents, is_long=is_long)

    def silent(data: memoryview, work: Work) -> bytes:
        return answer(data, work, None)

    return await answer_upload(request, silent, media_type, raw_types, documents=documents, is_long=is_long)


@dataclass(frozen=True)
class _Event:
    name: str
    data: bytes

    def content(self) -> bytes:
        """The event in the form in which it is sent; an event without a name is a heartbeat."""
        return format_sse_event(event=self.name, data_str=self.data.decode()) if self.name else KEEPALIVE_COMMENT


class Progress:
    """Sends ``progress`` events of a task's share, not more than needed."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._told = -1.0

    def __call__(self, share: float) -> None:
        """The share of the work that is done, 0…1."""
        if share - self._told >= LEAST_PROGRESS or share >= 1.0 > self._told:
            self._told = share
            self._emit("progress", {"progress": round(share, 4)})


class UploadEvents(Response):
    """Reads the upload, runs the work, and sends its events as they come.

    Args:
        request: with multipart or raw body.
        answer: the work.
        raw_types: media types that the body may have where it is not multipart.
        documents: as of :class:`~service.http.multipart.MultipartFile`.
        is_long: whether the work may take minutes; see :meth:`service.http.work_pool.WorkPool.run`.
    """

    def __init__(
        self,
        request: Request,
        answer: EventAnswer,
        raw_types: Sequence[str] = RAW_MEDIA,
        *,
        documents: Documents | None = None,
        is_long: bool = False,
    ) -> None:
        super().__init__(media_type=EVENTS)
        self._request = request
        self._answer = answer
        self._raw_types = raw_types
        self._documents = documents
        self._is_long = is_long
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[_Event | None] = asyncio.Queue()
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer.

        Raises:
            Problem: refused before the first event.
            ClientGoneError: the client has gone; the work is told.
        """
        work = asyncio.create_task(self._work())
        try:
            while (event := await self._next()) is not None:
                await self._send(send, event.content())
            await self._send(send, await work, last=True)
        except ClientGoneError:
            raise
        except Exception as error:
            if not self._has_begun:
                raise
            await self._send(send, self._problem(scope, error), last=True)
        except asyncio.CancelledError:  # the time that accepted work has after SIGTERM is over
            if self._has_begun:
                with suppress(Exception):
                    await self._send(send, self._problem(scope, Draining(retry_after_s=1.0)), last=True)
            raise
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self) -> bytes:
        """The last event, ready to be sent: of a long answer it takes a while to make, so it is made in the thread."""
        try:
            return await do_upload(
                self._request, self._result, self._raw_types, documents=self._documents, is_long=self._is_long
            )
        finally:
            self._events.put_nowait(None)

    def _result(self, data: memoryview, work: Work) -> bytes:
        answer = self._answer(data, replace(work, progress=Progress(self._emit)), self._emit)
        return format_sse_event(event="result", data_str=answer.decode())

    def _emit(self, name: str, document: object) -> None:
        """See :data:`Emit`."""
        event = _Event(name, orjson.dumps(document))
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def _next(self) -> _Event | None:
        """The next event, or a heartbeat; None after the last."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._events.get()
        except TimeoutError:
            return _HEARTBEAT

    async def _send(self, send: Send, content: bytes, *, last: bool = False) -> None:
        if not self._has_begun:
            self._has_begun = True
            await send({"type": "http.response.start", "status": 200, "headers": list(self._event_headers())})
        body: Message = {"type": "http.response.body", "body": content, "more_body": not last}
        await send(body)

    def _event_headers(self) -> list[tuple[bytes, bytes]]:
        kept = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        return [*kept, (b"x-accel-buffering", b"no")]  # proxies pass events on at once

    def _problem(self, scope: Scope, error: Exception) -> bytes:
        exchange = exchange_of(scope)
        if not isinstance(error, Problem):
            fields = {"request_id": exchange.request_id, **describe_exception(type(error), error.__traceback__)}
            request_logger.error("unexpected error", extra={"fields": fields})
            error = InternalError()
        exchange.code = error.code
        document = orjson.dumps(problem_document(error, exchange.request_id))
        return format_sse_event(event="problem", data_str=document.decode())


_HEARTBEAT = _Event("", b"")
