"""DBOS Transact as the engine of jobs: a workflow a job, a step a segment, on SQLite or PostgreSQL.

Jobs are never cancelled here: the next step of one that was cancelled in the ledger says that it has ended. So every
workflow that began comes to its own end, in its own thread.

The database of workflows holds handles, names of parts and the words that steps return: nothing of a recording.
This module imports dbos, which takes more than a second: import it late.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from dbos import DBOS, DBOSConfig, SetWorkflowID

from service.jobs.engine_words import ENDED, LAST, MORE

NAME = "emoserve"
QUEUE = "emoserve-jobs"
POLL_S = 0.25
"""How often the queue is looked at: a job begins this much later than it could."""

VERSION = "1"
"""Of the workflow: jobs of an older release go on in a newer one as long as this stays the same."""

MOST_RECOVERIES = 100
"""A job that took the process down with it so often is given up."""

Step = Callable[[str, str, int], str]
"""Does the segment of a number of a part of a job: (handle, part, number)."""

Parts = Callable[[str], Sequence[str]]
"""Names of a job's parts in their order; the same whenever it is asked."""

_owner = threading.Lock()


class EngineTakenError(Exception):
    """There is an engine already; dbos has one a process."""


class Engine:
    """Runs jobs: every part of each, segment after segment, going on after the last step that was written down.

    Args:
        url: of the database of workflows, as SQLAlchemy wants it.
        workers: jobs at once, those that wait for a turn of their owner among them.
        parts: see :data:`Parts`.
        step: see :data:`Step`. What it raises beyond ``Exception`` leaves the job to the next start.
        leave: called with a handle when nothing more of the job will be done here.

    Raises:
        EngineTakenError
    """

    def __init__(self, url: str, workers: int, parts: Parts, step: Step, leave: Callable[[str], None]) -> None:
        if not _owner.acquire(blocking=False):
            raise EngineTakenError("this process runs jobs already")
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
                lambda handle: _conduct(handle, parts, step, leave)
            )
            DBOS.launch()
            DBOS.register_queue(
                QUEUE, worker_concurrency=workers, polling_interval_sec=POLL_S, on_conflict="always_update"
            )
        except BaseException:
            self.close()
            raise

    def submit(self, handle: str) -> None:
        """Have a job run when its turn comes. A job that is known already stays as it is."""
        with SetWorkflowID(handle):
            DBOS.enqueue_workflow(QUEUE, self._workflow, handle)

    def forget(self, handle: str) -> None:
        """Delete all that is written of a job."""
        DBOS.delete_workflow(handle)

    def given_up(self, handle: str) -> bool:
        """Whether nothing will be done of a job any more, or it never came here."""
        status = DBOS.get_workflow_status(handle)
        return status is None or status.status not in ("ENQUEUED", "PENDING", "DELAYED")

    def is_known(self, handle: str) -> bool:
        """Whether a job ever came here."""
        return DBOS.get_workflow_status(handle) is not None

    def close(self) -> None:
        """Begin nothing more. Steps that run must be told elsewhere."""
        try:
            DBOS.destroy(destroy_registry=True)
        finally:
            _owner.release()


def _conduct(handle: str, parts: Parts, step: Step, leave: Callable[[str], None]) -> str:
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
    """Have dbos log errors alone, as lines like all others; its own handler would write to standard error."""
    logger = logging.getLogger("dbos")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = True
