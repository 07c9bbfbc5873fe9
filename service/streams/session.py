"""One stream, whatever connection it lives on: what waits, what was answered, and how far the client is."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import ExitStack
from typing import Literal

from service.http.work_pool import WorkPool
from service.pipeline.device.account import current_account
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.task import Work
from service.problems import InternalError, Problem, SessionNotFound, StreamTooFast
from service.schemas.streams import ServerMessage, SessionClosed
from service.settings import Limits
from service.streams.engine import Engine, Item
from service.telemetry.logs import describe_exception, service_logger

KEPT_ANSWERS = 1024
"""Answers that are kept for a connection that breaks, and that may wait for a client that does not read."""

PENDING_MESSAGES = 4
"""Messages of the largest size that may wait, whatever their length in seconds."""

Leave = Literal["draining", "taken over"]


class StreamSession:
    """Analyses one stream in a task of its own, so that a broken connection loses nothing.

    Used on the event loop. The analysis is done on the account of the context that made the session.

    Args:
        engine: analyses.
        owner: whose credentials began it; nobody else may resume it.
        work: threads for the analysis.
        limits: of the service.
        resources: given back when the session is over.

    Attributes:
        id: not to be guessed.
        received_units: samples or frames that were taken.
        position: answers that were handed to the connection.
        left: set when the connection has to end; ``leave`` says why.
    """

    def __init__(self, engine: Engine, owner: str, work: WorkPool, limits: Limits, resources: ExitStack) -> None:
        self.id = secrets.token_urlsafe(18)
        self.engine = engine
        self.owner = owner
        self.received_units = 0
        self.received_s = 0.0
        self.position = 0
        self.leave: Leave | None = None
        self.left = asyncio.Event()
        self.ends_at = asyncio.get_running_loop().time() + limits.stream_session_s
        self._work = work
        self._limits = limits
        self._resources = resources
        self._changed = asyncio.Condition()
        self._pending: list[Item] = []
        self._pending_s = 0.0
        self._pending_bytes = 0
        self._answers: deque[str] = deque()
        self._forgotten = 0
        self._ended = False
        self._finished = False
        self._failure: Problem | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def answers(self) -> int:
        """Answers so far."""
        return self._forgotten + len(self._answers)

    @property
    def is_finished(self) -> bool:
        """Whether the stream was ended and all of it is analysed."""
        return self._finished

    def received(self) -> dict[str, int]:
        """What the service has got, by its name in the messages."""
        return {self.engine.unit_name: self.received_units}

    def closed(self, reason: Literal["end", "draining"]) -> SessionClosed:
        """The last message to the client."""
        return SessionClosed(
            id=self.id, reason=reason, duration_s=round(self.received_s, 4), answers=self.answers, **self.received()
        )

    async def put(self, item: Item) -> None:
        """Take one message of media; waits while the analysis is too far behind, and so holds the client back.

        Raises:
            StreamTooFast: that took longer than the limit.
            Problem: the analysis has failed.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(self._limits.stream_held_back_s):
                    await self._changed.wait_for(lambda: self._has_room or self._failure is not None)
            except TimeoutError:
                raise StreamTooFast from None
            if self._failure is not None:
                raise self._failure
            self._pending.append(item)
            self._pending_s += item.seconds
            self._pending_bytes += item.size_bytes
            self.received_units += item.units
            self.received_s += item.seconds
            self._changed.notify_all()

    async def end(self) -> None:
        """Nothing follows."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def next_answer(self) -> str | None:
        """The next answer that the client has not got, as JSON; None after the last of a stream that was ended.

        Raises:
            Problem: the analysis has failed.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.position < self.answers or self._finished or self._failure is not None
            )
            answer = self.take_answer()
            if answer is None and self._failure is not None:
                raise self._failure
            self._changed.notify_all()
            return answer

    def take_answer(self) -> str | None:
        """The next answer if there is one now."""
        if self.position == self.answers:
            return None
        answer = self._answers[self.position - self._forgotten]
        self.position += 1
        while len(self._answers) > KEPT_ANSWERS and self._forgotten < self.position:
            self._answers.popleft()
            self._forgotten += 1
        return answer

    def rewind(self, received: int) -> None:
        """Go back to where the client is.

        Raises:
            SessionNotFound: answers that are no longer kept, or never were.
        """
        if not self._forgotten <= received <= self.answers:
            raise SessionNotFound("The answers from there on are not kept.")
        self.position = received

    def say_goodbye(self, why: Leave) -> None:
        """Have the connection end."""
        self.leave = why
        self.left.set()

    async def close(self) -> None:
        """Stop the analysis and give everything back."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._pending.clear()
        self._answers.clear()
        self._resources.close()

    @property
    def _has_room(self) -> bool:
        is_small = self._pending_bytes < PENDING_MESSAGES * self._limits.max_message_bytes
        return is_small and self._pending_s < self._limits.stream_buffer_s

    @property
    def _is_due(self) -> bool:
        is_read = self.answers - self.position < KEPT_ANSWERS
        return is_read and (bool(self._pending) or self._ended)

    async def _run(self) -> None:
        try:
            while not self._finished:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._is_due)
                    items, self._pending = self._pending, []
                    seconds, self._pending_s, self._pending_bytes = self._pending_s, 0.0, 0
                    self._changed.notify_all()
                    is_last = self._ended and not items
                answers = await self._analyse(items, seconds, is_last=is_last)
                async with self._changed:
                    self._answers.extend(answer.model_dump_json() for answer in answers)
                    self._finished = is_last
                    self._changed.notify_all()
        except Problem as problem:
            await self._fail(problem)
        except Exception as error:
            fields = describe_exception(type(error), error.__traceback__)
            service_logger.error("a stream failed", extra={"fields": fields})
            await self._fail(InternalError())

    async def _fail(self, problem: Problem) -> None:
        async with self._changed:
            self._failure = problem
            self._changed.notify_all()

    async def _analyse(self, items: list[Item], seconds: float, *, is_last: bool) -> list[ServerMessage]:
        account = current_account()
        account.take(seconds)
        try:
            return await self._work.run(
                lambda work: self._call(items, work, is_last),
                deadline_s=self._limits.deadline_s,
                client_gone=_never(),
            )
        finally:
            account.give_back(seconds)

    def _call(self, items: list[Item], work: Work, is_last: bool) -> list[ServerMessage]:
        """The blocking half."""
        try:
            return self.engine.finish(work) if is_last else self.engine.process(items, work)
        except Cancelled:
            return []  # nobody waits for it


async def _never() -> None:
    """A client that does not go: the session outlives its connections."""
    await asyncio.Event().wait()
