"""Whether this service takes jobs: opened after everything else, so that it is ready without waiting for them.

Of several services on one database, folder or spool, one works on the jobs. The others stand by: they ask every few
seconds, and go on where the first stopped when it is gone.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from service.problems import JobsUnavailable
from service.settings import Settings
from service.telemetry.logs import describe_exception, service_logger

if TYPE_CHECKING:
    from service.access.accounts import Accounts
    from service.jobs.jobs import Jobs
    from service.jobs.ownership import Ownership
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.telemetry.metrics import Metrics

RETRY_AFTER_S = 2.0

STANDBY_S = 2.0
"""How often it is asked for what another service owns, and looked whether it is still ours."""

GRACE_S = 3 * STANDBY_S
"""After another service's lock has ended, before its jobs are taken up: if only its connection broke, it notices."""


class JobPlace:
    """Opens and closes jobs; they are one service's and one process's.

    Args:
        settings: whether and where.
        metrics: told of decoders that die, and of jobs.
        accounts: of the owners of jobs.
    """

    def __init__(self, settings: Settings, metrics: Metrics, accounts: Accounts) -> None:
        self._settings = settings
        self._metrics = metrics
        self._accounts = accounts
        self._jobs: Jobs | None = None
        self._ownership: Ownership | None = None
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        self._failed = self._standing_by = False

    @property
    def jobs(self) -> Jobs:
        """All jobs.

        Raises:
            JobsUnavailable: switched off, not open yet, another service's, or they cannot be kept.
        """
        if self._jobs is not None:
            return self._jobs
        if not self._settings.jobs:
            raise JobsUnavailable("Jobs are switched off.")
        if self._failed:
            raise JobsUnavailable("Jobs could not be started; the server's log says why.")
        if self._standing_by:
            raise JobsUnavailable("Another service works on the jobs.", retry_after_s=RETRY_AFTER_S)
        raise JobsUnavailable("Jobs are being started.", retry_after_s=RETRY_AFTER_S)

    def open(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        """Begin to take jobs. Without success everything else works; the log says in one line what is wrong."""
        if self._settings.jobs and not self._closing.is_set():
            self._keeper = threading.Thread(target=self._keep, args=(speech, affect), name="job-place", daemon=True)
            self._keeper.start()

    def put(self, jobs: Jobs) -> None:
        """Take jobs that were started already."""
        self._jobs = jobs

    def close(self) -> None:
        """Stop; what is unfinished goes on at the next start."""
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        self._leave()

    def _keep(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        """The keeper's life: own, open, look after, and begin anew when what is owned was lost."""
        from sqlalchemy.exc import OperationalError

        while not self._closing.is_set():
            try:
                if not self._own():
                    return
                self._open(speech, affect)
                while self._ownership is not None and self._ownership.is_whole():
                    if self._closing.wait(STANDBY_S):
                        return
                if self._jobs is None:
                    return
                service_logger.error("the jobs' database is lost; they go on when it is back")
                self._standing_by = True
            except OperationalError as error:
                self._complain(error)
                self._standing_by = True  # databases come back
            except Exception as error:
                self._complain(error)
                self._failed = True
                return
            self._leave()
            self._closing.wait(STANDBY_S)

    def _own(self) -> bool:
        """Wait until this service may work on the jobs; False if it closes before."""
        from service.jobs.lock import StateLockedError
        from service.jobs.ownership import Ownership

        while not self._closing.is_set():
            try:
                self._ownership = Ownership(self._settings)
            except StateLockedError as error:
                if not self._standing_by:
                    service_logger.warning("jobs stand by", extra={"fields": {"reason": str(error)}})
                self._standing_by = True
                self._closing.wait(STANDBY_S)
            else:
                is_late = self._standing_by and self._settings.jobs_database_url is not None
                return not (is_late and self._closing.wait(GRACE_S))
        return False

    def _complain(self, error: Exception) -> None:
        if self._standing_by:
            return
        reason = " ".join(str(error).split())[:300]  # of a folder or a database; no job was seen yet
        fields = {"reason": reason, **describe_exception(type(error), error.__traceback__)}
        service_logger.error("could not start jobs", extra={"fields": fields})

    def _open(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        # Imported here: they bring SQLAlchemy and dbos along, which take longer than the rest of the start.
        from service.jobs.dues import allowances_of
        from service.jobs.jobs import Jobs
        from service.jobs.plans import load_plans

        plans = load_plans(self._settings, speech, affect, self._metrics.decoder_event)
        if plans is None:
            return
        jobs: Jobs | None = None
        try:
            jobs = Jobs(
                self._settings, plans, plans.room, allowances=allowances_of(self._accounts), metrics=self._metrics
            )
            jobs.start()
        except BaseException:
            if jobs is not None:
                jobs.close()
            self._leave()
            raise
        self._jobs = jobs
        self._standing_by = False
        database = "postgresql" if self._settings.jobs_database_url else "sqlite"
        service_logger.info("jobs", extra={"fields": {"database": database}})

    def _leave(self) -> None:
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            jobs.close()
        ownership, self._ownership = self._ownership, None
        if ownership is not None:
            ownership.release()
