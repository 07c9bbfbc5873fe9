"""Jobs that several processes share over PostgreSQL: each takes as many as it has places, and those of whoever dies.

It stands in the place of the engine of workflows. That a step is done, the ledger says; who may do the next one, the
leases do (:mod:`service.jobs.leases`).
"""

import math
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.job import ENDED, MORE, Job, Standing, read_step
from service.jobs.leases import LEASE_S, Leases
from service.jobs.live import Abandoned
from service.jobs.queue import JobQueue
from service.jobs.runner import JobRunner
from service.telemetry.logs import describe_exception, service_logger

LOOK_S: Final = 1.5
"""Interval at which a process says that it is alive, and looks for jobs."""

MOST_LEASES: Final = 100
"""Leases after which a job is given up: it may be what ends the processes."""

END_S: Final = 1.0
"""Longest wait for a job's thread that has been told to stop."""


def holder_name(folder: Path) -> str:
    """Name of whoever has the lock of the state folder: the same after a restart, and that of no other process."""
    path = folder / "holder"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(secrets.token_hex(16))
        unfinished.replace(path)
    return path.read_text()


class JobTeam:
    """One process's part of the jobs of all.

    Args:
        leases: of this process, which has entered.
        runner: runs the steps.
        queue: places of this process.
    """

    def __init__(self, leases: Leases, runner: JobRunner, queue: JobQueue) -> None:
        self._leases = leases
        self._runner = runner
        self._queue = queue
        self._working: dict[str, threading.Thread] = {}
        self._beat_s = self._alive_since_s = -math.inf
        self._is_away = False
        self._stop = threading.Event()
        self._soon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job-team", daemon=True)
        self._thread.start()

    def submit(self, handle: str) -> None:  # noqa: ARG002
        """Look for jobs now: there is a new one."""
        self._soon.set()

    def forget(self, handle: str) -> None:
        """A job's row is all that there is of it."""

    def standing(self, handle: str) -> Standing:  # noqa: ARG002
        """Whoever holds an unfinished job works on it, and others look whether that one lives."""
        return Standing.UNDER_WAY

    def rest(self, is_idle: Callable[[], bool]) -> None:
        """Without jobs there is nothing but the beat."""

    def close(self) -> None:
        """Take no more jobs, and leave those of this process to others. :meth:`JobRunner.stop` has been called."""
        self._stop.set()
        self._soon.set()
        self._thread.join()
        for thread in list(self._working.values()):
            thread.join(END_S)
        try:
            self._leases.leave()
        except SQLAlchemyError as error:
            self._tell(error, "the jobs' database does not answer: others take the jobs when the leases have ended")
        self._leases.close()

    def look(self) -> None:
        """Beat, stop work on jobs that were cancelled or taken elsewhere, and take jobs where there are places.

        Raises:
            SQLAlchemyError: the database does not answer.
        """
        is_work = self._leases.beat()
        now_s = time.monotonic()
        if now_s - self._beat_s > LEASE_S - LOOK_S:
            self._alive_since_s = now_s
        self._beat_s, self._is_away = now_s, False
        working = set(self._working)
        if working:
            for handle in working - self._leases.held():
                self._runner.cancel(handle)
        if is_work and (places := self._queue.unclaimed):
            # After an outage of the database, or a stall of this process, all others seem to be gone: they get the time
            # to say that they are not.
            from_gone = now_s - self._alive_since_s >= LEASE_S
            for job in self._leases.take(places, working, from_gone=from_gone):
                self._begin(job)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._soon.clear()
            try:
                self.look()
            except SQLAlchemyError as error:
                if not self._is_away:
                    self._tell(error, "leases of jobs wait for the database")
                self._is_away = True
            except Exception as error:
                self._tell(error, "jobs cannot be looked for")
            self._soon.wait(LOOK_S)

    def _tell(self, error: Exception, message: str) -> None:
        service_logger.warning(message, extra={"fields": describe_exception(type(error), error.__traceback__)})

    def _begin(self, job: Job) -> None:
        assert job.lease is not None
        if job.lease > MOST_LEASES:
            self._runner.give_up(job)
            return
        self._queue.expect(job.caller, job.handle)
        thread = threading.Thread(target=self._conduct, args=(job,), name=f"job-{job.handle}", daemon=True)
        self._working[job.handle] = thread
        thread.start()

    def _conduct(self, job: Job) -> None:
        """Do the steps of a job, from the one on that nobody has done."""
        try:
            parts = self._runner.parts(job.handle, job.lease)
            if parts:
                first, number = read_step(job.next_step, parts)
                for part in parts[parts.index(first) :]:
                    if self._do(job, part, number) == ENDED:
                        return
                    number = 0
        except Abandoned:
            pass  # whoever has the lease, or gets it, goes on
        except Exception as error:
            self._tell(error, "a job is begun again")
        finally:
            self._runner.leave(job.handle)
            self._working.pop(job.handle, None)
            self._soon.set()

    def _do(self, job: Job, part: str, number: int) -> str:
        word = MORE
        while word == MORE:
            word = self._runner.step(job.handle, part, number, job.lease)
            number += 1
        return word
