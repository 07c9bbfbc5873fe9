"""The workflow engine of jobs: DBOS Transact with a workflow for each job and a step for each segment.

Cancelling never touches the engine: the next step of a cancelled job returns ``ENDED``, so every workflow ends by
itself in its own thread. The database of workflows holds handles, names of parts and outcomes of steps, nothing of a
recording. Import this module late: dbos takes more than a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from dbos import DBOS, DBOSConfig, SetWorkflowID

from service.jobs.job import ENDED, LAST, MORE, Standing

NAME = "emoserve"
QUEUE = "emoserve-jobs"
POLL_S = 0.25
"""Interval at which the engine checks its queue, and so the longest delay before a job begins."""

VERSION = "1"
"""Version of the workflow. A newer release continues the jobs of an older one while this stays the same."""

UNATTENDED_S = 20.0
"""Seconds after which a claimed workflow that no thread runs counts as broken off.

The engine leaves such a workflow where it claims one or notes one's failure, and its database fails just then.
"""

MOST_RECOVERIES = 100
"""Restarts after which a job is given up: it may be what ends the process."""

Step = Callable[[str, str, int], str]
"""Runs one segment, given (handle, part, number), and returns the step's outcome."""

Parts = Callable[[str], Sequence[str]]
"""Returns the names of a job's parts in order, the same on every call."""

_owner = threading.Lock()


class EngineTakenError(Exception):
    """The process already has an engine; dbos permits one."""


class JobEngine:
    """Runs the parts of each job segment by segment, and continues after the last stored step.

    Args:
        url: SQLAlchemy address of the database of workflows.
        workers: jobs begun at once, including those that wait for a place.
        parts: see :data:`Parts`.
        step: see :data:`Step`. A BaseException suspends the job until restart.
        leave: called with a handle when this process does no more of the job.

    Raises:
        EngineTakenError: this process already has an engine.
    """

    def __init__(self, url: str, workers: int, parts: Parts, step: Step, leave: Callable[[str], None]) -> None:
        if not _owner.acquire(blocking=False):
            raise EngineTakenError("this process runs jobs already")
        self._attended: set[str] = set()
        self._unattended_since_s: dict[str, float] = {}
        try:
            _quiet()
            config: DBOSConfig = {
                "name": NAME,
                "system_database_url": url,
                "application_version": VERSION,
                "executor_id": NAME,
                "enable_otlp": False,
                "log_level": "ERROR",
                "use_listen_notify": False,
                "notification_listener_polling_interval_sec": POLL_S,  # nobody listens, but close() waits for it
            }
            DBOS(config=config)
            self._workflow = DBOS.workflow(name="job", max_recovery_attempts=MOST_RECOVERIES)(
                lambda handle: self._attend(handle, parts, step, leave)
            )
            DBOS.launch()
            DBOS.register_queue(
                QUEUE, worker_concurrency=workers, polling_interval_sec=POLL_S, on_conflict="always_update"
            )
        except BaseException:
            self.close()
            raise

    def submit(self, handle: str) -> None:
        """Enqueue a job. A job that the engine already knows stays as it is."""
        with SetWorkflowID(handle):
            DBOS.enqueue_workflow(QUEUE, self._workflow, handle)

    def forget(self, handle: str) -> None:
        """Delete the job's workflow."""
        self._unattended_since_s.pop(handle, None)
        DBOS.delete_workflow(handle)

    def standing(self, handle: str) -> Standing:
        """The engine's action on a job. Called by one thread at a time."""
        status = DBOS.get_workflow_status(handle)
        if status is None:
            return Standing.UNKNOWN
        if status.status == "PENDING" and handle not in self._attended:
            now_s = time.monotonic()
            left_s = now_s - self._unattended_since_s.setdefault(handle, now_s)
            return Standing.BROKEN_OFF if left_s > UNATTENDED_S else Standing.UNDER_WAY
        self._unattended_since_s.pop(handle, None)
        if status.status in ("ENQUEUED", "PENDING", "DELAYED"):
            return Standing.UNDER_WAY
        if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
            return Standing.GIVEN_UP
        return Standing.BROKEN_OFF

    def close(self) -> None:
        """Start no more steps. Running steps are stopped by :meth:`JobRunner.stop`."""
        try:
            DBOS.destroy(destroy_registry=True)
        finally:
            _owner.release()

    def _attend(self, handle: str, parts: Parts, step: Step, leave: Callable[[str], None]) -> str:
        self._attended.add(handle)
        try:
            return _conduct(handle, parts, step, leave)
        finally:
            self._attended.discard(handle)


def _conduct(handle: str, parts: Parts, step: Step, leave: Callable[[str], None]) -> str:
    """The workflow of a job; returns the outcome of its last step."""
    try:
        for part in parts(handle):
            number, word = 0, MORE
            while word == MORE:
                word = DBOS.run_step({"name": f"{part}-{number}"}, step, handle, part, number)
                number += 1
            if word == ENDED:
                return ENDED
        return LAST
    finally:
        leave(handle)


def _quiet() -> None:
    """Let dbos log errors alone, through our log; its own handler would write to standard error."""
    logger = logging.getLogger("dbos")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = True
