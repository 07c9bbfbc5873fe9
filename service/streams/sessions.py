"""All sessions of the service: with a connection, or waiting to be resumed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from service.problems import Draining, SessionNotFound

if TYPE_CHECKING:
    from service.streams.session import StreamSession

GOODBYE_S = 2.0
"""Seconds that connections have to tell their clients that the service stops."""


class StreamSessions:
    """The sessions by id. Used on the event loop only.

    Args:
        resume_s: seconds that a session without a connection is kept.
    """

    def __init__(self, resume_s: float) -> None:
        self._resume_s = resume_s
        self._attached: dict[str, StreamSession] = {}
        self._detached: dict[str, tuple[StreamSession, asyncio.Task[None]]] = {}
        self._free: dict[str, asyncio.Event] = {}
        self._is_draining = False

    def __len__(self) -> int:
        return len(self._attached) + len(self._detached)

    def check(self) -> None:
        """Check that new sessions are taken. Raises Draining if the service is about to stop."""
        if self._is_draining:
            raise Draining(retry_after_s=1.0)

    def add(self, session: StreamSession) -> None:
        """Add a session that has a connection."""
        self._attached[session.id] = session
        self._free[session.id] = asyncio.Event()

    async def resume(self, session_id: str, owner: str, received: int) -> StreamSession:
        """Give a session to a new connection; an old one that seems alive has to end first.

        Args:
            session_id: the session's.
            owner: owner of the new connection's credentials.
            received: answers that the client has.

        Raises:
            SessionNotFound: the owner has no such session, or the next answers are no longer kept.
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
        """Keep a session whose connection broke, for ``resume_s``."""
        del self._attached[session.id]
        self._detached[session.id] = session, asyncio.create_task(self._expire(session))
        self._free[session.id].set()

    async def remove(self, session: StreamSession) -> None:
        """End a session. It counts until everything that it holds is released."""
        self._detached.pop(session.id, None)  # no connection can resume it from now on
        self._attached[session.id] = session
        try:
            await session.close()
        finally:
            del self._attached[session.id]
            self._free.pop(session.id).set()

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
        await asyncio.sleep(self._resume_s)
        await self.remove(session)
