"""Does one step of a job: a segment of one of its parts, or the answer. Whatever goes wrong is written down here."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from service.jobs.cipher import EncryptedReader, SpoolDamagedError, new_key
from service.jobs.codec import encode
from service.jobs.engine_words import ENDED, LAST, MORE
from service.jobs.files import PartFiles
from service.jobs.job import Job
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.part import Part
from service.jobs.plans import PART_WEIGHTS, JobPlans
from service.jobs.spool import RESULT, UPLOAD, JobSpool, Spool
from service.pipeline.batch import Cancelled
from service.pipeline.task import Task
from service.problems import (
    CapacityExceeded,
    DeadlineExceeded,
    InternalError,
    JobDataLost,
    NoSpace,
    Problem,
    Unavailable,
)
from service.telemetry.logs import describe_exception, service_logger

ANSWER: Final = "answer"
"""The last step: everything that was found becomes the answer."""

MOST_TRIES: Final = 4
"""Of a segment, where the service and not the recording is at fault."""

FIRST_WAIT_S: Final = 0.5
"""Before a segment is tried again; each further wait is twice as long."""

CAPACITY_WAIT_S: Final = 1.0
"""How often a job looks whether there is room for a segment beside the requests that wait for their answers."""


class Abandoned(BaseException):
    """The service stops: the step was not done and will be done by the next start."""


class Room(Protocol):
    """Admits seconds of media; :class:`~service.pipeline.admit.Admission` does."""

    def hold(self, seconds: float) -> AbstractContextManager[object]:
        """Admit so many seconds for the length of a ``with`` block."""


@dataclass
class _Live:
    """A job that this process works on."""

    cancel: threading.Event = field(default_factory=threading.Event)
    place: tuple[str, int] | None = None
    part: Part | None = None
    source: EncryptedReader | None = None

    def leave(self) -> None:
        """Let go of the recording."""
        if self.part is not None:
            self.part.close()
        if self.source is not None:
            self.source.close()
        self.place = self.part = self.source = None


class Runner:
    """Does steps; several at once, of different jobs.

    Args:
        ledger, spool, keys: where jobs are kept.
        plans: what they consist of.
        room: shared with requests.
        segment_s: what a segment holds of it.
        deadline_s: seconds after which a step waits no longer for the device.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        keys: KeyWrap,
        plans: JobPlans,
        room: Room,
        segment_s: float,
        deadline_s: float,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._keys = keys
        self._plans = plans
        self._room = room
        self._segment_s = segment_s
        self._deadline_s = deadline_s
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._live: dict[str, _Live] = {}
        self._in_step: set[str] = set()
        self._running = 0

    def parts(self, handle: str) -> tuple[str, ...]:
        """Names of a job's steps in their order, without numbers."""
        job = self._ledger.find(handle)
        return () if job is None else (*self._plans.parts(job.options), ANSWER)

    def step(self, handle: str, part: str, number: int) -> str:
        """Do a step, and tell how the job goes on.

        Raises:
            Abandoned: the service stops.
        """
        with self._changed:
            if self._stopping.is_set():
                raise Abandoned
            live = self._live.setdefault(handle, _Live())
            self._in_step.add(handle)
            self._running += 1
        word = ENDED
        try:
            word = self._step(handle, live, part, number)
        finally:
            if word != MORE:
                live.leave()
            with self._changed:
                if word == ENDED or part == ANSWER:
                    self._live.pop(handle, None)
                self._in_step.discard(handle)
                self._running -= 1
                self._changed.notify_all()
        return word

    def cancel(self, handle: str) -> None:
        """Stop a job that was cancelled in the ledger."""
        with self._changed:
            live = self._live.get(handle)
            between_steps = live is not None and handle not in self._in_step
            if between_steps:  # nobody would come back for it
                del self._live[handle]
        if live is not None:
            live.cancel.set()
            if between_steps:
                live.leave()

    def stop(self, timeout_s: float) -> bool:
        """Abandon what runs; False if something still runs when the time is over."""
        with self._changed:
            self._stopping.set()
            for live in self._live.values():
                live.cancel.set()
            stopped = self._changed.wait_for(lambda: self._running == 0, timeout_s)
            for live in self._live.values() if stopped else ():
                live.leave()
            return stopped

    def _step(self, handle: str, live: _Live, part: str, number: int) -> str:
        tries = 0
        while True:
            job = self._ledger.find(handle)
            if job is None or job.state.is_final:
                return ENDED
            try:
                return self._attempt(job, live, part, number)
            except CapacityExceeded:
                live.cancel.wait(CAPACITY_WAIT_S)
            except (Unavailable, DeadlineExceeded, NoSpace) as problem:
                live.leave()
                tries += 1
                if tries == MOST_TRIES and not self._stopping.is_set():
                    return self._fail(job, problem)
                live.cancel.wait(FIRST_WAIT_S * 2**tries)
            except Problem as problem:
                return self._fail(job, problem)
            except Cancelled:
                live.leave()
            except SpoolDamagedError:
                return self._fail(job, JobDataLost())
            except Exception as error:
                fields = {"job": handle, **describe_exception(type(error), error.__traceback__)}
                service_logger.error("a job failed", extra={"fields": fields})
                return self._fail(job, InternalError())
            if self._stopping.is_set():
                raise Abandoned

    def _attempt(self, job: Job, live: _Live, part: str, number: int) -> str:
        spool = self._spool.open_job(job.handle, self._keys.unwrap(job.job_key, job.handle))
        if part == ANSWER:
            return self._answer(job, spool)
        self._ledger.start(job.handle)
        task = Task(time.monotonic() + self._deadline_s, live.cancel, None)
        with self._room.hold(self._segment_s):
            running = self._part(job, live, spool, part, number)
            segment = running.run(task)
        PartFiles(spool, part).store(number, segment.record, segment.state)
        self._ledger.note_progress(job.handle, self._progress(job, part, segment.share))
        live.place = (part, number + 1)
        return LAST if segment.last else MORE

    def _part(self, job: Job, live: _Live, spool: JobSpool, part: str, number: int) -> Part:
        """The part at segment ``number``: the one that is under way, or one that begins there."""
        if live.part is None or live.place != (part, number):
            live.leave()
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
        return LAST

    def _fail(self, job: Job, problem: Problem) -> str:
        if self._ledger.fail(job.handle, problem.code):
            self._spool.destroy(job.handle)
        return ENDED

    def _progress(self, job: Job, part: str, share: float) -> float:
        parts = self._plans.parts(job.options)
        weights = [PART_WEIGHTS.get(name, 1.0) for name in parts]
        place = parts.index(part)
        return min((sum(weights[:place]) + weights[place] * share) / sum(weights), 0.999)
