"""The workflow engine of jobs: DBOS Transact with a workflow for each job and a step for each segment.

Cancelling never touches the engine: the next step of a cancelled job returns ``ENDED``, so every workflow ends by
itself in its own thread. The database of workflows holds handles, names of parts and outcomes of steps, nothing of a
recording. Import this module late: dbos takes more than a second.

dbos asks its database several times a second whether there is work, and most of these intervals cannot be set. It
runs only while there are jobs therefore (:meth:`JobEngine.rest`), and starts again with the next one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from dbos import DBOS, DBOSConfig, SetWorkflowID

from service.jobs.job import ENDED, LAST, MORE, Standing

NAME = "emoserve"
FORMER_QUEUE = "emoserve-jobs"
"""Queue in which an earlier release left jobs; new ones begin at once, without a queue."""

POLL_S = 2.0
"""Interval at which the engine checks that queue."""

LISTEN_S = 0.25
"""Interval at which the engine's listener looks for messages. Nobody sends any, but closing waits for it."""

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


class EngineClosedError(Exception):
    """The engine was closed."""


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
        self._url = url
        self._workers = workers
        self._conduct = lambda handle: self._attend(handle, parts, step, leave)
        self._attended: set[str] = set()
        self._unattended_since_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._users = 0
        self._is_awake = False
        self._is_closed = False
        try:
            _quiet()
            self._launch()
        except BaseException:
            self.close()
            raise

    def submit(self, handle: str) -> None:
        """Begin a job. A job that the engine already knows stays as it is."""
        with self._awake(), SetWorkflowID(handle):
            DBOS.start_workflow(self._workflow, handle)

    def forget(self, handle: str) -> None:
        """Delete the job's workflow."""
        self._unattended_since_s.pop(handle, None)
        with self._awake():
            DBOS.delete_workflow(handle)

    def standing(self, handle: str) -> Standing:
        """The engine's action on a job. Called by one thread at a time."""
        with self._awake():
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

    def rest(self, is_idle: Callable[[], bool]) -> None:
        """Stop dbos until it is needed again, unless a workflow runs or ``is_idle`` says that there is a job."""
        with self._lock:
            if self._is_awake and not self._users and not self._attended and is_idle():
                self._stop()

    def close(self) -> None:
        """Start no more steps. Running steps are stopped by :meth:`JobRunner.stop`."""
        try:
            with self._lock:
                self._is_closed = True
                self._stop()
        finally:
            _owner.release()

    @contextmanager
    def _awake(self) -> Iterator[None]:
        """Keep dbos running during a ``with`` block, and start it before if it rests."""
        with self._lock:
            if self._is_closed:
                raise EngineClosedError
            if not self._is_awake:
                self._launch()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": NAME,
            "system_database_url": self._url,
            "application_version": VERSION,
            "executor_id": NAME,
            "enable_otlp": False,
            "log_level": "ERROR",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": LISTEN_S,
        }
        try:
            DBOS(config=config)
            self._workflow = DBOS.workflow(name="job", max_recovery_attempts=MOST_RECOVERIES)(self._conduct)
            DBOS.launch()
            DBOS.register_queue(
                FORMER_QUEUE, worker_concurrency=self._workers, polling_interval_sec=POLL_S, on_conflict="always_update"
            )
        except BaseException:
            self._stop()
            raise
        self._is_awake = True

    def _stop(self) -> None:
        self._is_awake = False
        DBOS.destroy(destroy_registry=True)

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
