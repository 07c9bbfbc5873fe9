"""Jobs as the HTTP side sees them: taken in, looked at, fetched, cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from service.jobs.cipher import EncryptedWriter, SpoolDamagedError, new_key
from service.jobs.codec import decode
from service.jobs.dues import Allowances, no_allowances
from service.jobs.ids import handle_of, is_job_id
from service.jobs.job import Job, JobOptions
from service.jobs.keys import KeyWrap
from service.jobs.ledger import IdempotencyTakenError
from service.jobs.plans import JobPlans, Result
from service.jobs.reception import Reception
from service.jobs.runner import Room, Runner
from service.jobs.spool import RESULT, Spool, no_space
from service.jobs.states import JobState
from service.jobs.storage import open_ledger, workflows_url
from service.jobs.sweeper import Sweeper
from service.jobs.turns import Turns
from service.jobs.waits import Waits
from service.jobs.watch import JobMetrics, JobWatch
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

if TYPE_CHECKING:
    from service.jobs.engine import Engine

FULL_RETRY_S = 30.0
STOP_S = 5.0
"""For segments to notice that the service stops; they look several times a second."""


class Jobs:
    """All jobs of this service. Thread-safe; every call blocks its thread for a moment.

    Args:
        settings: where jobs are kept, and for how long.
        plans: what they consist of.
        room: admits seconds of media, shared with requests.
        allowances: what owners of jobs may use; left out, nothing is counted.
        metrics: told what happens to jobs, or None.
        clock: seconds of the Unix epoch.

    Raises:
        ValueError: a setting cannot be used.
        OSError: a folder cannot be used.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        plans: JobPlans,
        room: Room,
        *,
        allowances: Allowances = no_allowances,
        metrics: JobMetrics | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        secret = settings.spool_key
        self._settings = settings
        self._clock = clock
        self._plans = plans
        self._keys = KeyWrap(None if secret is None else secret.get_secret_value())
        self.spool = Spool(settings.spool_dir or settings.state_dir / "spool")
        self._ledger = open_ledger(settings, clock)
        self._watch = JobWatch(self._ledger, self.spool, metrics)
        self._turns = Turns(settings.job_workers)
        self._runner = Runner(
            self._ledger,
            self.spool,
            self._keys,
            plans,
            room,
            Waits(self._turns, allowances),
            self._watch,
            settings.job_segment_s,
            settings.job_ttl_s,
        )
        self._adding = threading.Lock()
        self._engine: Engine | None = None
        self._sweeper = Sweeper(
            self._ledger,
            self.spool,
            clock,
            settings.result_ttl_s,
            settings.job_ttl_s,
            give_up=self._give_up,
            forget=self._forget,
            look=self._watch.look,
        )

    def start(self) -> None:
        """Begin to run jobs, first those that an earlier process left.

        Raises:
            Exception: the engine cannot be started.
        """
        from service.jobs.engine import Engine

        self._sweeper.sweep_folders()
        self._sweeper.sweep()
        self._plans.start()
        unfinished = [job for job in self._ledger.all() if not job.state.is_final]
        for job in unfinished:
            self._turns.expect(job.caller, job.handle)
        runner = self._runner
        # All that may wait are begun: which of them is worked on is decided by the turns of their owners.
        self._engine = Engine(
            workflows_url(self._settings), self._settings.max_jobs, runner.parts, runner.step, runner.leave
        )
        for job in unfinished:
            self._take_up(job, self._engine)
        self._sweeper.start()

    def close(self) -> None:
        """Stop; what is unfinished goes on at the next start."""
        self._sweeper.close()
        self._runner.stop(STOP_S)
        if self._engine is not None:
            self._engine.close()
        self._plans.close()
        self._ledger.close()

    def receive(
        self,
        options: JobOptions,
        caller: str,
        idempotency_key: str | None,
        declared_bytes: int,
        key_limits: KeyLimits | None = None,
    ) -> Reception:
        """Begin to take a recording in.

        Raises:
            CapacityExceeded: too many jobs wait.
            RateLimited: too many of this caller.
            NoSpace: the disk is full.
            Problem: the options cannot be used.
        """
        self._plans.check(options)
        self._refuse_too_many(caller, key_limits)
        self.spool.check_space(declared_bytes)
        return Reception(self.spool, self._accept, options, caller, key_limits, idempotency_key, new_key())

    def _accept(self, reception: Reception, writer: EncryptedWriter) -> Job:
        """Make a recording a job; see :meth:`Reception.finish`.

        Raises:
            NoSpace, IdempotencyConflict
            CapacityExceeded, RateLimited: others came first while it was uploaded.
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
        )
        if reception.idempotency is not None and self._ledger.find_idempotent(reception.idempotency) is not None:
            return self._known(reception)
        try:
            with self._adding:
                self._refuse_too_many(job.caller, job.key_limits)
                self._ledger.add(job)
                self._turns.expect(job.caller, job.handle)
            reception.is_job = True
        except IdempotencyTakenError:
            return self._known(reception)
        if self._engine is not None:
            self._engine.submit(job.handle)
        self._watch.submitted()
        return replace(job, job_key=None, is_new=True)

    def find(self, job_id: str, caller: str) -> Job:
        """The job of that id.

        Raises:
            JobNotFound
        """
        job = self._ledger.find(handle_of(job_id)) if is_job_id(job_id) else None
        if job is None or job.caller != caller:
            raise JobNotFound
        return job

    def result(self, job: Job) -> Result:
        """What a job found.

        Raises:
            JobNotReady, JobNotSucceeded, ResultExpired, JobDataLost
        """
        if not job.state.is_final:
            raise JobNotReady
        if job.state is JobState.EXPIRED:
            raise ResultExpired
        if job.state is not JobState.SUCCEEDED:
            code = f" ({job.problem_code})" if job.problem_code else ""
            raise JobNotSucceeded(f"The job is {job.state.value}{code}.")
        try:
            spool = self.spool.open_job(job.handle, self._keys.unwrap(job.result_key, job.handle))
            result: Result = decode(spool.read(RESULT))
        except SpoolDamagedError:
            after = self._ledger.find(job.handle)
            if after is None or after.state is JobState.EXPIRED:  # deleted while it was read
                raise ResultExpired from None
            raise JobDataLost from None
        return result

    def delete(self, job: Job) -> None:
        """Cancel a job that is unfinished, or delete the result of one that is finished, at once."""
        cancelled = self._ledger.cancel(job.handle)
        if cancelled:
            self._stop_job(job.handle)
        else:
            self._ledger.expire(job.handle)
        self.spool.destroy(job.handle)
        if cancelled:
            self._watch.finished(JobState.CANCELLED)
        else:
            self._watch.changed()

    def expires_s(self, job: Job) -> float | None:
        """When the result will be deleted, seconds of the Unix epoch; None where there is none."""
        if job.state is not JobState.SUCCEEDED or job.finished_s is None:
            return None
        return job.finished_s + self._settings.result_ttl_s

    def _refuse_too_many(self, caller: str, key_limits: KeyLimits | None) -> None:
        if self._ledger.unfinished() >= self._settings.max_jobs:
            raise CapacityExceeded("Too many jobs wait already.", retry_after_s=FULL_RETRY_S)
        most = (key_limits or self._settings.key_limits).jobs
        if most is not None and self._ledger.unfinished(caller) >= most:
            detail = f"These credentials may have {most} jobs that wait or run."
            raise RateLimited(detail, retry_after_s=FULL_RETRY_S)

    def _known(self, reception: Reception) -> Job:
        """The job that the same idempotency key made before; this recording goes."""
        reception.abandon()
        assert reception.idempotency is not None
        job = self._ledger.find_idempotent(reception.idempotency)
        if job is None or job.request_digest != reception.digest:
            raise IdempotencyConflict
        return job

    def _take_up(self, job: Job, engine: Engine) -> None:
        """Go on with a job of an earlier process."""
        if not engine.is_known(job.handle):
            engine.submit(job.handle)
        elif engine.given_up(job.handle) and self._ledger.fail(job.handle, InternalError.code):
            self._turns.forget(job.handle)
            self.spool.destroy(job.handle)
            self._watch.finished(JobState.FAILED)

    def _give_up(self, handle: str) -> None:
        self._stop_job(handle)
        self._watch.finished(JobState.EXPIRED)

    def _stop_job(self, handle: str) -> None:
        self._turns.forget(handle)
        self._runner.cancel(handle)

    def _forget(self, handle: str) -> None:
        if self._engine is not None:
            self._engine.forget(handle)
