"""A job's way as server-sent events: its state whenever that changes, its progress in between."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from service.api.job_answer import job_answer
from service.jobs.job import Job, JobState
from service.problems import JobNotFound
from service.schemas.jobs import JobProgress

if TYPE_CHECKING:
    from service.jobs.jobs import Jobs


LOOK_S = 0.5
HEARTBEAT_S = 15.0
RECONNECT_MS = 2000

_EVENT_ID = re.compile(rf"({'|'.join(JobState)})-[01]\.[0-9]{{4}}")


def event_id(job: Job) -> str:
    """Says what a client knows after the event; a client that comes back with it gets what is news to it."""
    return f"{job.state.value}-{job.progress:.4f}"


def state_told(last_event_id: str | None) -> JobState | None:
    """The state that the event of that id told of; None where it is no id of an event, whatever else it is."""
    found = _EVENT_ID.fullmatch(last_event_id or "")
    return None if found is None else JobState(found[1])


async def job_events(
    jobs: Jobs, job: Job, last_event_id: str | None, stopping: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Events 'state' (the job) and 'progress', until the job has ended or the service stops.

    Args:
        jobs: all jobs.
        job: which.
        last_event_id: of the last event that the client has seen, or None; anything else is as good as None.
        stopping: whether the service stops; the client comes back and finds the next process.
    """
    known, told = last_event_id, state_told(last_event_id)
    quiet_since = time.monotonic()
    yield b": job\nretry: %d\n\n" % RECONNECT_MS
    while True:
        if event_id(job) != known:
            known = event_id(job)
            is_state = job.state is not told or job.state.is_final
            told = job.state
            answer = job_answer(jobs, job) if is_state else JobProgress(progress=round(job.progress, 4))
            yield format_sse_event(
                data_str=answer.model_dump_json(), event="state" if is_state else "progress", id=known
            )
            quiet_since = time.monotonic()
        if job.state.is_final or stopping():
            return
        await asyncio.sleep(LOOK_S)
        if time.monotonic() - quiet_since >= HEARTBEAT_S:
            yield KEEPALIVE_COMMENT
            quiet_since = time.monotonic()
        try:
            job = await asyncio.to_thread(jobs.find, job.id, job.caller)
        except JobNotFound:
            return
