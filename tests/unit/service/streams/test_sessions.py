"""Which sessions count, and until when."""

import asyncio
from contextlib import ExitStack

import pytest

from service.problems import SessionNotFound
from service.streams.session import StreamSession
from service.streams.sessions import StreamSessions
from tests.unit.service.streams.test_session import LIMITS, CountingAnalyser, HereAndNow


@pytest.mark.parametrize("is_detached", [False, True])
def test_a_session_counts_until_all_that_it_holds_is_released(is_detached: bool) -> None:
    counted: list[int] = []

    async def run() -> None:
        sessions, resources = StreamSessions(resume_s=60.0), ExitStack()
        resources.callback(lambda: counted.append(len(sessions)))
        session = StreamSession(CountingAnalyser(), "owner", HereAndNow(), LIMITS, resources)  # type: ignore[arg-type]
        sessions.add(session)
        if is_detached:
            sessions.detach(session)
        ending = asyncio.create_task(sessions.remove(session))
        await asyncio.sleep(0)
        with pytest.raises(SessionNotFound):
            await sessions.resume(session.id, "owner", received=0)
        await ending
        counted.append(len(sessions))

    asyncio.run(run())
    assert counted == [1, 0]
