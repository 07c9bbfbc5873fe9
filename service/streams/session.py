"""The state of one stream across connections: media that waits, answers, and the client's position in them."""

import asyncio
import secrets
from collections import deque
from contextlib import ExitStack
from typing import Literal

from service.http.work_pool import WorkPool
from service.pipeline.device.account import current_account
from service.pipeline.device.task import Cancelled, Work
from service.problems import InternalError, Problem, SessionNotFound, StreamTooFast
from service.schemas.streams import ServerMessage, SessionClosed
from service.settings import Limits
from service.streams.analyser import Item, StreamAnalyser
from service.telemetry.logs import describe_exception, service_logger

KEPT_ANSWERS = 1024
"""Answers kept for a client that resumes; as many may wait for a client that does not read."""

PENDING_MESSAGES = 4
"""Bound on waiting media, in messages of the largest size."""

Leave = Literal["draining", "taken over"]


class StreamSession:
    """Analyses one stream in its own task, so that a broken connection loses nothing.

    Used on the event loop. The analysis is charged to the account of the context that made the session.

    Args:
        analyser: analyses the media.
        owner: owner of the credentials that began it; nobody else may resume it.
        work: threads for the analysis.
        limits: the service's limits.
        resources: closed when the session is over.

    Attributes:
        id: random name that clients resume it by.
        received_units: samples or frames received.
        received_s: seconds of media received.
        position: answers handed to the connection.
        left: set when the connection has to end; ``leave`` says why.
    """

    def __init__(
        self, analyser: StreamAnalyser, owner: str, work: WorkPool, limits: Limits, resources: ExitStack
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.analyser = analyser
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
        """Number of answers so far."""
        return self._forgotten + len(self._answers)

    @property
    def is_finished(self) -> bool:
        """Whether the client has ended the stream and all of it is analysed."""
        return self._finished

    def received(self) -> dict[str, int]:
        """The number of received units under its name in the messages."""
        return {self.analyser.unit_name: self.received_units}

    def closed(self, reason: Literal["end", "draining"]) -> SessionClosed:
        """The last message to the client."""
        return SessionClosed(
            id=self.id,
            reason=reason,
            duration_s=round(self.received_s, 4),
            answers=self.answers,
            answer=self.analyser.answer,
            **self.received(),
        )

    async def put(self, item: Item) -> None:
        """Take one message of media. While the analysis is too far behind this waits, which holds the client back.

        Raises:
            StreamTooFast: the wait reached its limit.
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
        """Mark the end of the media."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def next_answer(self) -> str | None:
        """Wait for the next answer, as JSON; None after the last answer of an ended stream.

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
        """The next answer, or None if there is none yet."""
        if self.position == self.answers:
            return None
        answer = self._answers[self.position - self._forgotten]
        self.position += 1
        while len(self._answers) > KEPT_ANSWERS and self._forgotten < self.position:
            self._answers.popleft()
            self._forgotten += 1
        return answer

    def rewind(self, received: int) -> None:
        """Go back to the answer after the client's last.

        Args:
            received: answers that the client has.

        Raises:
            SessionNotFound: the next answers are no longer kept, or there never were so many.
        """
        if not self._forgotten <= received <= self.answers:
            raise SessionNotFound("The answers from there on are no longer kept.")
        self.position = received

    def say_goodbye(self, why: Leave) -> None:
        """Make the connection end."""
        self.leave = why
        self.left.set()

    async def close(self) -> None:
        """Stop the analysis and close the resources."""
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
                lambda work: self._call(items, work, is_last), deadline_s=self._limits.deadline_s, client_gone=_never()
            )
        finally:
            account.give_back(seconds)

    def _call(self, items: list[Item], work: Work, is_last: bool) -> list[ServerMessage]:
        """Analyse in a thread."""
        try:
            return self.analyser.finish(work) if is_last else self.analyser.process(items, work)
        except Cancelled:
            return []  # nobody waits for the answers


async def _never() -> None:
    """Wait forever: a session outlives its connections, so no client's end cancels its work."""
    await asyncio.Event().wait()
