"""Deletion on schedule: expired results, jobs that took too long, and files that belong to no job."""

import threading
from collections.abc import Callable

from service.jobs.job import Job, JobState
from service.jobs.ledger import Ledger
from service.jobs.spool import RESULT, Spool
from service.telemetry.logs import describe_exception, service_logger

MOST_SECONDS_BETWEEN = 30.0
"""Longest interval between two sweeps."""


class Sweeper:
    """Checks every job at intervals.

    Args:
        ledger, spool: where jobs are kept.
        clock: seconds since the Unix epoch.
        result_ttl_s: seconds that a result is kept after its job has finished.
        job_ttl_s: seconds that a job may take, and that a finished one is remembered.
        give_up: called with the handle of a job that took too long.
        forget: called with the handle of a job whose row is about to be deleted.
        after: called after every sweep.
        upload_s: seconds that an upload to another process may take, where several share the spool; None where none do.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        clock: Callable[[], float],
        result_ttl_s: float,
        job_ttl_s: float,
        *,
        give_up: Callable[[str], None],
        forget: Callable[[str], None],
        after: Callable[[], None],
        upload_s: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._clock = clock
        self._result_ttl_s = result_ttl_s
        self._job_ttl_s = job_ttl_s
        self._give_up = give_up
        self._forget = forget
        self._after = after
        self._upload_s = upload_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that sweeps."""
        self._thread = threading.Thread(target=self._run, name="job-sweeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def sweep(self) -> None:
        """Check every job once."""
        for job in self._ledger.all():
            self._look(job, self._clock())
        self._after()

    def sweep_folders(self) -> None:
        """Delete files that belong to no job or that a finished job left. Called before the first upload."""
        jobs = {job.handle: job for job in self._ledger.all()}
        for handle in self._spool.handles():
            job = jobs.get(handle)
            if job is None:
                if self._upload_s is None or self._spool.is_older(handle, self._clock() - 2 * self._upload_s):
                    self._spool.destroy(handle)
            elif job.state.is_final and job.result_key is None:
                self._spool.destroy(handle)
            elif job.state.is_final:
                self._spool.destroy(handle, keep=RESULT, lease=job.lease)

    def _look(self, job: Job, now_s: float) -> None:
        if not job.state.is_final:
            if now_s - job.created_s > self._job_ttl_s and self._ledger.expire(job.handle):
                self._give_up(job.handle)
                self._spool.destroy(job.handle)
            return
        age_s = now_s - (job.finished_s or job.created_s)
        if job.state is JobState.SUCCEEDED and age_s > self._result_ttl_s:
            self._ledger.expire(job.handle)
            self._spool.destroy(job.handle)
        if age_s > max(self._job_ttl_s, self._result_ttl_s):
            self._spool.destroy(job.handle)
            self._forget(job.handle)
            self._ledger.forget(job.handle)

    def _run(self) -> None:
        every_s = min(MOST_SECONDS_BETWEEN, self._result_ttl_s / 4, self._job_ttl_s / 4)
        while not self._stop.wait(every_s):
            try:
                self.sweep()
            except Exception as error:
                fields = describe_exception(type(error), error.__traceback__)
                service_logger.error("expired jobs could not be deleted", extra={"fields": fields})
