"""Does one step of a job: a segment of one of its parts, or the answer. Whatever goes wrong is written down here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.jobs.cipher import SpoolDamagedError, new_key
from service.jobs.codec import encode
from service.jobs.dues import CHARGED_PARTS, OwnersName
from service.jobs.engine_words import ENDED, LAST, MORE
from service.jobs.files import PartFiles
from service.jobs.job import Job
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.live import Abandoned, LiveJob, LiveJobs
from service.jobs.part import Part
from service.jobs.plans import PART_WEIGHTS, JobPlans
from service.jobs.spool import RESULT, UPLOAD, JobSpool, Spool
from service.jobs.states import JobState
from service.jobs.waits import Waits
from service.jobs.watch import JobWatch
from service.pipeline.device.account import charged_to
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.task import Work
from service.problems import (
    DeadlineExceeded,
    InternalError,
    JobDataLost,
    NoSpace,
    Problem,
    Unavailable,
)
from service.telemetry.logs import describe_exception, service_logger

Answer = TypeVar("Answer")

ANSWER: Final = "answer"
"""The last step: everything that was found becomes the answer."""

MOST_TRIES: Final = 4
"""Of a segment, where the service and not the recording is at fault."""

FIRST_WAIT_S: Final = 0.5
"""Before a segment is tried again; each further wait is twice as long."""

DATABASE_WAIT_S: Final = 1.0
"""Before a database that is away is asked again."""


class Room(Protocol):
    """Admits seconds of media; :class:`~service.pipeline.device.admit.Admission` does."""

    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> AbstractContextManager[object]:
        """Wait until so many seconds fit, and admit them for the length of a ``with`` block."""


class Runner:
    """Does steps; several at once, of different jobs.

    Args:
        ledger, spool, keys: where jobs are kept.
        plans: what they consist of.
        room: shared with requests.
        waits: what a job waits for.
        watch: told what happens.
        segment_s: what a segment holds of the room.
        deadline_s: seconds after which a step waits no longer for the device.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        keys: KeyWrap,
        plans: JobPlans,
        room: Room,
        waits: Waits,
        watch: JobWatch,
        segment_s: float,
        deadline_s: float,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._keys = keys
        self._plans = plans
        self._room = room
        self._waits = waits
        self._watch = watch
        self._segment_s = segment_s
        self._deadline_s = deadline_s
        self._live = LiveJobs()

    def parts(self, handle: str) -> tuple[str, ...]:
        """Names of a job's steps in their order, without numbers; none if it cannot be done by this service."""
        return self._patiently(lambda: self._parts(handle))

    def step(self, handle: str, part: str, number: int) -> str:
        """Do a step, and tell how the job goes on.

        Raises:
            Abandoned: the service stops.
        """
        live = self._live.enter(handle)
        word = self._patiently(lambda: self._step(handle, live, part, number))
        if word == LAST:
            live.let_go()
        if word == ENDED:
            self._patiently(lambda: self._clear(handle))
        return word

    def leave(self, handle: str) -> None:
        """Nothing more of a job will be done by this process, for whatever reason; its own thread says so."""
        live = self._live.find(handle) or LiveJob()
        try:
            live.let_go()
        finally:
            self._waits.leave(handle, live)
            self._live.remove(handle)

    def cancel(self, handle: str) -> None:
        """Stop a job that was cancelled in the ledger: its thread ends it at the next look."""
        self._live.cancel(handle)

    def stop(self, timeout_s: float) -> bool:
        """Abandon what runs; False if something still runs when the time is over."""
        return self._live.stop(timeout_s)

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """``call``, again and again while the database is away.

        Raises:
            Abandoned
        """
        while True:
            try:
                return call()
            except (OperationalError, PoolTimeout):
                if self._live.stopping.wait(DATABASE_WAIT_S):
                    raise Abandoned from None

    def _parts(self, handle: str) -> tuple[str, ...]:
        job = self._ledger.find(handle)
        if job is None:
            return ()
        try:
            return (*self._plans.parts(job.options), ANSWER)
        except Problem as problem:
            self._fail(job, problem)
            return ()

    def _step(self, handle: str, live: LiveJob, part: str, number: int) -> str:
        tries = 0
        while True:
            job = self._ledger.find(handle)
            if job is None or job.state.is_final:
                return ENDED
            try:
                self._waits.enter(job, live)
                return self._attempt(job, live, part, number)
            except (Unavailable, DeadlineExceeded, NoSpace) as problem:
                live.let_go()
                tries += 1
                if tries == MOST_TRIES and not self._live.stopping.is_set():
                    return self._fail(job, problem)
                live.cancel.wait(FIRST_WAIT_S * 2**tries)
            except Problem as problem:
                return self._fail(job, problem)
            except Cancelled:
                live.let_go()
            except SpoolDamagedError:
                return self._fail(job, JobDataLost())
            except Exception as error:
                fields = {"job": handle, **describe_exception(type(error), error.__traceback__)}
                service_logger.error("a job failed", extra={"fields": fields})
                return self._fail(job, InternalError())
            if self._live.stopping.is_set():
                raise Abandoned

    def _attempt(self, job: Job, live: LiveJob, part: str, number: int) -> str:
        spool = self._spool.open_job(job.handle, self._keys.unwrap(job.job_key, job.handle))
        if part == ANSWER:
            return self._answer(job, spool)
        if self._ledger.start(job.handle):
            self._watch.changed()
        began_s = time.monotonic()
        with charged_to(OwnersName(job.caller)), self._room.hold_in_turn(self._segment_s, live.cancel):
            # Waiting for room counts for nothing: only what a segment itself takes may be too long.
            work = Work(time.monotonic() + self._deadline_s, live.cancel, None)
            running = self._part(job, live, spool, part, number)
            segment = running.run(work)
        PartFiles(spool, part).store(number, segment.record, segment.state)
        self._ledger.note_progress(job.handle, self._progress(job, part, segment.share))
        live.place = (part, number + 1)
        charged_s = segment.media_s if part == CHARGED_PARTS[job.kind] else 0.0
        live.owed_s += charged_s
        self._watch.segment(part, time.monotonic() - began_s, charged_s)
        return LAST if segment.last else MORE

    def _part(self, job: Job, live: LiveJob, spool: JobSpool, part: str, number: int) -> Part:
        """The part at segment ``number``: the one that is under way, or one that begins there."""
        if live.part is None or live.place != (part, number):
            live.let_go()
            state = PartFiles(spool, part).state(number)
            live.source = spool.open(UPLOAD)
            live.part = self._plans.make(part, job.options, spool, state, live.source)
        live.place = None  # until the segment is done, it stands nowhere
        return live.part

    def _answer(self, job: Job, spool: JobSpool) -> str:
        spool.remove(UPLOAD)
        result = encode(self._plans.join(job.options, spool))
        key = new_key()
        self._spool.open_job(job.handle, key).store(RESULT, result)
        if not self._ledger.succeed(job.handle, self._keys.wrap(key, job.handle)):
            return ENDED
        self._spool.destroy(job.handle, keep=RESULT)
        self._watch.finished(JobState.SUCCEEDED)
        return LAST

    def _clear(self, handle: str) -> None:
        """Delete what was written while the job was being cancelled; a result stays."""
        job = self._ledger.find(handle)
        if job is None or job.result_key is None:
            self._spool.destroy(handle)

    def _fail(self, job: Job, problem: Problem) -> str:
        if self._ledger.fail(job.handle, problem.code):
            self._spool.destroy(job.handle)
            self._watch.finished(JobState.FAILED)
        return ENDED

    def _progress(self, job: Job, part: str, share: float) -> float:
        parts = self._plans.parts(job.options)
        weights = [PART_WEIGHTS.get(name, 1.0) for name in parts]
        place = parts.index(part)
        return min((sum(weights[:place]) + weights[place] * share) / sum(weights), 0.999)
