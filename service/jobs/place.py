"""Start and stop of jobs. Jobs open after everything else, so that the service is ready without waiting for them.

Where several services share a folder, or a database with one of a release without leases, one works on the jobs. The
others stand by: they try every few seconds, and continue where the first one stopped.
"""

from __future__ import annotations

import math
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
"""Seconds after which clients may try again while jobs are starting or standing by."""

STANDBY_S = 2.0
"""Interval at which a standby service tries the locks, and an active one checks that it still holds them."""

GRACE_S = 3 * STANDBY_S
"""Wait after another service's lock has ended: if only its connection broke, that service notices in this time."""


LONGEST_STANDBY_S = 60.0
"""Longest interval at which jobs that could not be started are tried again."""

STANDING_BY = "Another service works on the jobs."
AWAY = "The jobs' database does not answer."
COULD_NOT_START = "Jobs could not be started; the server's log says why."


class JobPlace:
    """Opens and closes the jobs of this service."""

    def __init__(self, settings: Settings, metrics: Metrics, accounts: Accounts) -> None:
        self._settings = settings
        self._metrics = metrics
        self._accounts = accounts
        self._jobs: Jobs | None = None
        self._ownership: Ownership | None = None
        self._closing = threading.Event()
        self._changing = threading.Lock()
        self._is_closed = False
        self._keeper: threading.Thread | None = None
        self._obstacle: str | None = None
        self._complained = False

    @property
    def jobs(self) -> Jobs:
        """The open jobs.

        Raises:
            JobsUnavailable: jobs are off, not open yet, run by another service, or cannot be stored.
        """
        if self._jobs is not None:
            return self._jobs
        if not self._settings.jobs:
            raise JobsUnavailable("Jobs are switched off.")
        raise JobsUnavailable(self._obstacle or "Jobs are being started.", retry_after_s=RETRY_AFTER_S)

    def availability(self) -> float:
        """1 while jobs are taken, 0 while they are not; NaN where they are switched off."""
        return float(self._jobs is not None) if self._settings.jobs else math.nan

    def open(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        """Open jobs in the background. A failure is one line in the log; everything else works on."""
        if self._settings.jobs and not self._closing.is_set():
            self._keeper = threading.Thread(target=self._keep, args=(speech, affect), name="job-place", daemon=True)
            self._keeper.start()

    def close(self) -> None:
        """Close jobs for good; the next start of the service continues unfinished ones."""
        with self._changing:
            self._is_closed = True
            self._stop()

    def reopen(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        """Close the jobs and open them with other pipelines; unfinished ones are continued.

        Nothing where jobs were never opened, or are closed for good.
        """
        with self._changing:
            if self._keeper is None or self._is_closed:
                return
            self._stop()
            self._closing.clear()
            self._obstacle = None
            self.open(speech, affect)

    def _stop(self) -> None:
        self._closing.set()
        if self._keeper is not None:
            self._keeper.join()
        self._leave()

    def _keep(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        """The keeper thread: lock, open, watch the locks, and begin again when one is lost."""
        from sqlalchemy.exc import SQLAlchemyError

        wait_s = STANDBY_S
        while not self._closing.is_set():
            try:
                if not self._own():
                    return
                self._open(speech, affect)
                wait_s = STANDBY_S
                while self._ownership is not None and self._ownership.is_whole():
                    if self._closing.wait(STANDBY_S):
                        return
                if self._jobs is None:
                    return
                service_logger.error("the jobs' database is lost; jobs continue when it is back")
                self._obstacle = AWAY
            except SQLAlchemyError as error:
                self._complain(error)
                self._obstacle = AWAY
            except Exception as error:
                self._complain(error)
                self._obstacle = COULD_NOT_START
                wait_s = min(2 * wait_s, LONGEST_STANDBY_S)
            self._leave()
            self._closing.wait(wait_s)

    def _own(self) -> bool:
        """Wait for all locks; False if the service closes first."""
        from service.jobs.ownership import Ownership, StateLockedError

        while not self._closing.is_set():
            try:
                self._ownership = Ownership(self._settings)
            except StateLockedError as error:
                if self._obstacle != STANDING_BY:
                    service_logger.warning("jobs stand by", extra={"fields": {"reason": str(error)}})
                self._obstacle = STANDING_BY
                self._closing.wait(STANDBY_S)
            else:
                is_late = self._obstacle == STANDING_BY and self._settings.jobs_database_url is not None
                return not (is_late and self._closing.wait(GRACE_S))
        return False

    def _complain(self, error: Exception) -> None:
        """Log why jobs are not open: once, until they are."""
        if self._complained:
            return
        self._complained = True
        reason = " ".join(str(error).split())[:300]  # names a folder or a database; no job was read yet
        fields = {"reason": reason, **describe_exception(type(error), error.__traceback__)}
        service_logger.error("could not start jobs", extra={"fields": fields})

    def _open(self, speech: SpeechPipeline, affect: VideoPipeline | None) -> None:
        # Imported late: SQLAlchemy and dbos take longer than the rest of the start.
        from service.jobs.jobs import Jobs
        from service.jobs.plans import load_plans
        from service.jobs.waits import allowances_of

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
        self._obstacle, self._complained = None, False
        database = "postgresql" if self._settings.jobs_database_url else "sqlite"
        service_logger.info("jobs", extra={"fields": {"database": database}})

    def _leave(self) -> None:
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            jobs.close()
        ownership, self._ownership = self._ownership, None
        if ownership is not None:
            ownership.release()
