"""All streams of the service: those with a connection, and those that wait to be resumed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.problems import Draining, SessionNotFound
from service.settings import Limits
from service.streams.session import StreamSession

if TYPE_CHECKING:
    from service.http.work_pool import WorkPool
    from service.telemetry.metrics import Metrics

GOODBYE_S = 2.0
"""Seconds that connections have to tell their clients that the service stops."""


class StreamSessions:
    """Used on the event loop only.

    Args:
        limits: of the service.
        work: where streams are analysed.
        metrics: told of media and of refusals.
    """

    def __init__(self, limits: Limits, work: WorkPool, metrics: Metrics) -> None:
        self.limits = limits
        self.work = work
        self.metrics = metrics
        self._attached: dict[str, StreamSession] = {}
        self._detached: dict[str, tuple[StreamSession, asyncio.Task[None]]] = {}
        self._free: dict[str, asyncio.Event] = {}
        self._is_draining = False

    def __len__(self) -> int:
        return len(self._attached) + len(self._detached)

    def check(self) -> None:
        """Refuse streams that would be ended at once.

        Raises:
            Draining: the service is about to stop.
        """
        if self._is_draining:
            raise Draining(retry_after_s=1.0)

    def add(self, session: StreamSession) -> None:
        """A session begins, with a connection."""
        self._attached[session.id] = session
        self._free[session.id] = asyncio.Event()

    async def resume(self, session_id: str, owner: str, received: int) -> StreamSession:
        """Take a session over from a connection that broke, or that the service still takes for alive.

        Raises:
            SessionNotFound: there is none of this id and owner, or the client's place in it is not kept.
            Draining: the service is about to stop.
        """
        self.check()
        attached = self._attached.get(session_id)
        if attached is not None and attached.owner == owner:
            attached.say_goodbye("taken over")
            await self._free[session_id].wait()
        waiting = self._detached.get(session_id)
        if waiting is None or waiting[0].owner != owner:
            raise SessionNotFound
        session, timer = waiting
        session.rewind(received)
        timer.cancel()
        del self._detached[session_id]
        session.leave = None
        session.left.clear()
        self.add(session)
        return session

    def detach(self, session: StreamSession) -> None:
        """Its connection broke: keep it for a while."""
        del self._attached[session.id]
        self._detached[session.id] = session, asyncio.create_task(self._expire(session))
        self._free[session.id].set()

    async def remove(self, session: StreamSession) -> None:
        """It is over."""
        self._attached.pop(session.id, None)
        self._detached.pop(session.id, None)
        self._free.pop(session.id).set()
        await session.close()

    async def drain(self) -> None:
        """Tell every client that the service stops; sessions without a connection end at once."""
        self._is_draining = True
        for session in self._attached.values():
            session.say_goodbye("draining")
        for session, timer in list(self._detached.values()):
            timer.cancel()
            await self.remove(session)
        until = asyncio.get_running_loop().time() + GOODBYE_S
        while self._attached and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)

    async def _expire(self, session: StreamSession) -> None:
        await asyncio.sleep(self.limits.stream_resume_s)
        await self.remove(session)
