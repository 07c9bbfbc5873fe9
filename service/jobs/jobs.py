"""Jobs as the HTTP routes use them: receive, find, fetch the result, delete."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.callbacks import Callbacks
from service.jobs.cipher import EncryptedWriter, SpoolDamagedError, new_key
from service.jobs.codec import decode
from service.jobs.database import database_told, is_full, patient_where_full
from service.jobs.job import Job, JobOptions, JobState, Standing, cursor_of, handle_of, is_job_id, read_cursor
from service.jobs.keys import KeyWrap
from service.jobs.ledger import IdempotencyTakenError, open_ledger, postgres_address
from service.jobs.metrics import JobMetrics
from service.jobs.plans import JobPlans, Result
from service.jobs.queue import JobQueue
from service.jobs.reception import Reception
from service.jobs.runner import JobRunner
from service.jobs.spool import RESULT, Ballast, Spool, no_space
from service.jobs.sweeper import Sweeper
from service.jobs.waits import Allowances, Waits
from service.pipeline.device.admit import Admission
from service.problems import (
    CapacityExceeded,
    IdempotencyConflict,
    InternalError,
    JobDataLost,
    JobNotFound,
    JobNotReady,
    JobNotSucceeded,
    RateLimited,
    ResultExpired,
)
from service.settings import KeyLimits, Settings
from service.telemetry.logs import describe_exception, service_logger
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.jobs.engine import JobEngine
    from service.jobs.leases import Leases
    from service.jobs.team import JobTeam

FULL_RETRY_S = 30.0
"""Seconds after which a caller may try again where too many jobs wait."""
SUBMISSION_S = 20.0
"""Seconds that a new job has to reach the engine, before it is submitted again."""
STOP_S = 5.0
"""Seconds that running segments have to notice that the service stops; they check several times a second."""


class Jobs:
    """All jobs of this service. Thread-safe; every call blocks briefly.

    Args:
        settings: where jobs are stored, and for how long.
        plans: the parts of jobs.
        room: admission that segments share with requests.
        allowances: the accounts of jobs' owners.
        metrics: the service's metrics.
        clock: seconds since the Unix epoch.

    Raises:
        ValueError: a setting cannot be used.
        OSError: a folder cannot be written to.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        plans: JobPlans,
        room: Admission,
        *,
        allowances: Allowances,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        secret = settings.spool_key
        self._settings = settings
        self._clock = clock
        self._plans = plans
        self._keys = KeyWrap(None if secret is None else secret.get_secret_value())
        self.spool = Spool(settings.spool_dir or settings.state_dir / "spool")
        self._ledger = open_ledger(settings, clock)
        self._ballast = Ballast(settings.state_dir if settings.jobs_database_url is None else None)
        self._metrics = JobMetrics(self._ledger, self.spool, metrics)
        self._queue = JobQueue(settings.job_workers)
        self._runner = JobRunner(
            self._ledger,
            self.spool,
            self._keys,
            plans,
            room,
            Waits(self._queue, allowances),
            self._metrics,
            settings.job_segment_s,
            settings.job_ttl_s,
        )
        self._is_shared = settings.jobs_database_url is not None
        self._callbacks = Callbacks(self._ledger, settings, metrics, clock)
        self._adding = threading.Lock()
        self._engine: JobEngine | JobTeam | None = None
        self._sweeper = Sweeper(
            self._ledger,
            self.spool,
            clock,
            settings.result_ttl_s,
            settings.job_ttl_s,
            give_up=self._give_up,
            forget=self._forget,
            after=self._after_sweep,
            upload_s=settings.job_upload_timeout_s if self._is_shared else None,
        )

    def start(self) -> None:
        """Start the engine, and continue jobs that an earlier process left.

        Raises:
            Exception: the engine cannot be started.
        """
        leases = self._enter() if self._is_shared else None  # refuses a spool that the sweep would not understand
        self._sweeper.sweep_folders()
        self._sweeper.sweep()
        self._plans.start()
        if leases is None:
            self._work_alone()
        else:
            self._engine = self._team(leases)
        self._sweeper.start()
        self._callbacks.start()

    def _work_alone(self) -> None:
        """Start the engine of the one process that works on all jobs; continue those that an earlier one left."""
        from service.jobs.engine import JobEngine

        unfinished = [job for job in self._ledger.all() if not job.state.is_final]
        for job in unfinished:
            self._queue.expect(job.caller, job.handle)
        runner, workflows = self._runner, f"sqlite:///{self._settings.state_dir / 'workflows.sqlite'}"
        # The engine begins every job that may wait; the queue decides which of them run.
        self._engine = JobEngine(workflows, self._settings.max_jobs, runner.parts, runner.step, runner.leave)
        for job in unfinished:
            self._take_up(job, self._engine)

    def _enter(self) -> Leases:
        """Join the processes that share the jobs."""
        from service.jobs.leases import Leases
        from service.jobs.team import holder_name

        leases = Leases(postgres_address(self._settings), holder_name(self._settings.state_dir))
        leases.enter(self.spool, self._keys.fingerprint)
        return leases

    def _team(self, leases: Leases) -> JobTeam:
        from service.jobs.team import JobTeam

        return JobTeam(leases, self._runner, self._queue)

    def close(self) -> None:
        """Stop; the next start continues unfinished jobs."""
        self._sweeper.close()
        self._callbacks.close()
        self._runner.stop(STOP_S)
        if self._engine is not None:
            self._engine.close()
        self._plans.close()
        self._ledger.close()

    @database_told()
    def receive(
        self,
        options: JobOptions,
        caller: str,
        idempotency_key: str | None,
        declared_bytes: int,
        key_limits: KeyLimits | None = None,
        callback: str | None = None,
    ) -> Reception:
        """Begin to receive a recording.

        Raises:
            CapacityExceeded: too many jobs wait.
            RateLimited: too many jobs of this caller wait or run.
            NoSpace: the disk is full.
            Problem: the options cannot be used.
        """
        self._plans.check(options)
        self._refuse_too_many(caller, key_limits)
        self.spool.check_space(declared_bytes)
        return Reception(self.spool, self._accept, options, caller, key_limits, idempotency_key, new_key(), callback)

    def complete(self, reception: Reception, options: JobOptions) -> None:
        """Take the options again when the body has told all of them.

        Raises:
            NoSpace: the disk is full.
            Problem: the options cannot be used.
        """
        self._plans.check(options)
        reception.take_options(options)

    @database_told()
    def _accept(self, reception: Reception, writer: EncryptedWriter) -> Job:
        """Make a complete recording a job.

        Raises:
            NoSpace, IdempotencyConflict: as of :meth:`Reception.finish`.
            CapacityExceeded, RateLimited: other jobs came first during the upload.
        """
        with no_space():
            writer.finish()
        job = Job(
            handle=reception.handle,
            id=reception.id,
            caller=reception.caller,
            options=reception.options,
            size_bytes=reception.size_bytes,
            state=JobState.QUEUED,
            progress=0.0,
            created_s=self._clock(),
            job_key=self._keys.wrap(reception.key, reception.handle),
            idempotency=reception.idempotency,
            request_digest=None if reception.idempotency is None else reception.digest,
            key_limits=reception.key_limits,
            callback=reception.callback,
        )
        if reception.idempotency is not None and self._ledger.find_idempotent(reception.idempotency) is not None:
            return self._known(reception)
        try:
            with self._adding:
                self._refuse_too_many(job.caller, job.key_limits)
                self._add(job, reception)
                if not self._is_shared:
                    self._queue.expect(job.caller, job.handle)
        except IdempotencyTakenError:
            return self._known(reception)
        if self._engine is not None:
            try:
                self._engine.submit(job.handle)
            except Exception as error:  # of the database, or of an engine that is being closed meanwhile
                fields = describe_exception(type(error), error.__traceback__)
                service_logger.warning("a job waits for the next sweep or start", extra={"fields": fields})
        self._metrics.submitted()
        return replace(job, job_key=None, is_new=True)

    def _add(self, job: Job, reception: Reception) -> None:
        """Store a new job. If the answer of the database is lost, the recording stays: the job may exist."""
        try:
            self._ledger.add(job)
        except SQLAlchemyError as error:
            reception.is_job = not is_full(error)
            raise
        reception.is_job = True

    @database_told()
    def find(self, job_id: str, caller: str) -> Job:
        """The caller's job with this id. Raises JobNotFound if there is none."""
        job = self._ledger.find(handle_of(job_id)) if is_job_id(job_id) else None
        if job is None or job.caller != caller:
            raise JobNotFound
        return job

    @database_told()
    def page(self, caller: str, cursor: str | None, limit: int) -> tuple[list[Job], str | None]:
        """Jobs of a caller, newest first, at most ``limit``; and the cursor of those that follow, if any do.

        Args:
            cursor: of an earlier page, or None for the first.

        Raises:
            Unprocessable: it is none.
        """
        jobs = self._ledger.page(caller, None if cursor is None else read_cursor(cursor), limit + 1)
        return jobs[:limit], cursor_of(jobs[limit - 1]) if len(jobs) > limit else None

    @database_told()
    def result(self, job: Job) -> Result:
        """The result of a job.

        Raises:
            JobNotReady: the job has not ended.
            JobNotSucceeded: it failed or was cancelled.
            ResultExpired: the result was deleted.
            JobDataLost: the result cannot be read.
        """
        if not job.state.is_final:
            raise JobNotReady
        if job.state is JobState.EXPIRED:
            raise ResultExpired
        if job.state is not JobState.SUCCEEDED:
            code = f" ({job.problem_code})" if job.problem_code else ""
            raise JobNotSucceeded(f"The job is {job.state.value}{code}.")
        try:
            spool = self.spool.open_job(job.handle, self._keys.unwrap(job.result_key, job.handle), job.lease)
            result: Result = decode(spool.read(RESULT))
        except SpoolDamagedError:
            after = self._ledger.find(job.handle)
            if after is None or after.state is JobState.EXPIRED:  # deleted during the read
                raise ResultExpired from None
            raise JobDataLost from None
        return result

    @database_told()
    def delete(self, job: Job) -> None:
        """Cancel an unfinished job or delete the result of a finished one, at once.

        Where the disk is too full even to note that, the files go first: that makes room.
        """
        try:
            cancelled = self._end(job.handle)
        except SQLAlchemyError as error:
            if not is_full(error):
                raise
            self._runner.cancel(job.handle)
            self.spool.destroy(job.handle)
            self._ballast.drop()
            cancelled = patient_where_full(lambda: self._end(job.handle))
        if cancelled:
            self._stop_job(job.handle)
        self.spool.destroy(job.handle)
        self._ballast.lay()
        if cancelled:
            self._metrics.finished(JobState.CANCELLED)
        else:
            self._metrics.changed()

    def _end(self, handle: str) -> bool:
        """Mark a job as cancelled, or as expired if it has finished; whether it was cancelled."""
        cancelled = self._ledger.cancel(handle)
        if not cancelled:
            self._ledger.expire(handle)
        return cancelled

    def expires_s(self, job: Job) -> float | None:
        """Time at which the result is deleted, seconds since the Unix epoch; None where there is no result."""
        if job.state is not JobState.SUCCEEDED or job.finished_s is None:
            return None
        return job.finished_s + self._settings.result_ttl_s

    def _refuse_too_many(self, caller: str, key_limits: KeyLimits | None) -> None:
        if self._ledger.unfinished() >= self._settings.max_jobs:
            raise CapacityExceeded("Too many jobs are waiting.", retry_after_s=FULL_RETRY_S)
        most = (key_limits or self._settings.key_limits).jobs
        if most is not None and self._ledger.unfinished(caller) >= most:
            detail = f"These credentials may have {most} unfinished jobs."
            raise RateLimited(detail, retry_after_s=FULL_RETRY_S)

    def _known(self, reception: Reception) -> Job:
        """The job that the same idempotency key made before; the new recording is deleted."""
        reception.abandon()
        assert reception.idempotency is not None
        job = self._ledger.find_idempotent(reception.idempotency)
        if job is None or job.request_digest != reception.digest:
            raise IdempotencyConflict
        return job

    def _take_up(self, job: Job, engine: JobEngine | JobTeam) -> None:
        """Continue an unfinished job that the engine does not work on."""
        standing = engine.standing(job.handle)
        if standing is Standing.BROKEN_OFF:
            now = self._ledger.find(job.handle)
            if now is None or now.state.is_final:
                return  # it has ended just now
            engine.forget(job.handle)  # its segments are done again
        if standing in (Standing.BROKEN_OFF, Standing.UNKNOWN):
            engine.submit(job.handle)
        elif standing is Standing.GIVEN_UP and self._ledger.fail(job.handle, InternalError.code):
            self._queue.forget(job.handle)
            self.spool.destroy(job.handle)
            self._metrics.finished(JobState.FAILED)

    def _after_sweep(self) -> None:
        """Take up jobs whose submission or workflow met an error of the database; without jobs, let the engine rest."""
        self._metrics.measure_spool()
        engine = self._engine
        if engine is not None:
            for job in self._ledger.all():
                if not job.state.is_final and self._clock() - job.created_s > SUBMISSION_S:
                    self._take_up(job, engine)
            engine.rest(lambda: not self._ledger.unfinished())

    def _give_up(self, handle: str) -> None:
        self._stop_job(handle)
        self._metrics.finished(JobState.EXPIRED)

    def _stop_job(self, handle: str) -> None:
        self._queue.forget(handle)
        self._runner.cancel(handle)

    def _forget(self, handle: str) -> None:
        if self._engine is not None:
            self._engine.forget(handle)
