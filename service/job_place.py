"""Whether this service takes jobs: opened after everything else, so that it is ready without waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.problems import JobsUnavailable
from service.settings import Settings
from service.telemetry.logs import describe_exception, service_logger

if TYPE_CHECKING:
    from service.interfaces import AffectPipeline, AudioPipeline
    from service.jobs.jobs import Jobs
    from service.jobs.lock import StateLock

RETRY_AFTER_S = 2.0


class JobPlace:
    """Opens and closes jobs; they are one service's and one process's.

    Args:
        settings: whether and where.
        on_event: told of decoders that die.
    """

    def __init__(self, settings: Settings, on_event: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._on_event = on_event
        self._guard = threading.Lock()
        self._jobs: Jobs | None = None
        self._lock: StateLock | None = None
        self._closed = False
        self._failed = False

    @property
    def jobs(self) -> Jobs:
        """All jobs.

        Raises:
            JobsUnavailable: switched off, not open yet, or they cannot be kept.
        """
        if self._jobs is not None:
            return self._jobs
        if not self._settings.jobs:
            raise JobsUnavailable("Jobs are switched off.")
        if self._failed:
            raise JobsUnavailable("Jobs could not be started; the server's log says why.")
        raise JobsUnavailable("Jobs are being started.", retry_after_s=RETRY_AFTER_S)

    def open(self, speech: AudioPipeline, affect: AffectPipeline | None) -> None:
        """Begin to take jobs. Without success everything else works; the log says in one line what is wrong."""
        if not self._settings.jobs:
            return
        try:
            with self._guard:
                if not self._closed:
                    self._open(speech, affect)
        except Exception as error:
            self._failed = True
            reason = " ".join(str(error).split())[:300]  # of a folder or a database; no job was seen yet
            fields = {"reason": reason, **describe_exception(type(error), error.__traceback__)}
            service_logger.error("could not start jobs", extra={"fields": fields})

    def put(self, jobs: Jobs) -> None:
        """Take jobs that were started already."""
        self._jobs = jobs

    def close(self) -> None:
        """Stop; what is unfinished goes on at the next start."""
        with self._guard:
            self._closed = True
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def _open(self, speech: AudioPipeline, affect: AffectPipeline | None) -> None:
        # Imported here: they bring SQLAlchemy and dbos along, which take longer than the rest of the start.
        from service.jobs.jobs import Jobs
        from service.jobs.lock import StateLock
        from service.jobs.plans import load_plans

        plans = load_plans(self._settings, speech, affect, self._on_event)
        if plans is None:
            return
        self._lock = StateLock(self._settings.state_dir)
        jobs: Jobs | None = None
        try:
            jobs = Jobs(self._settings, plans, plans.room)
            jobs.start()
        except BaseException:
            if jobs is not None:
                jobs.close()
            self._lock.release()
            self._lock = None
            raise
        self._jobs = jobs
        service_logger.info(
            "jobs", extra={"fields": {"database": "postgresql" if self._settings.jobs_database_url else "sqlite"}}
        )
