"""Does one step of a job: a segment of one of its parts, or the answer. Whatever goes wrong is written down here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from sqlalchemy.exc import OperationalError

from service.jobs.cipher import EncryptedReader, SpoolDamagedError, new_key
from service.jobs.codec import encode
from service.jobs.dues import CHARGED_PARTS, Allowances, OwnersName
from service.jobs.engine_words import ENDED, LAST, MORE
from service.jobs.files import PartFiles
from service.jobs.job import Job
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.part import Part
from service.jobs.plans import PART_WEIGHTS, JobPlans
from service.jobs.spool import RESULT, UPLOAD, JobSpool, Spool
from service.jobs.states import JobState
from service.jobs.turns import Turns
from service.jobs.watch import JobWatch
from service.pipeline.batch import Cancelled
from service.pipeline.device.account import charged_to
from service.pipeline.task import Task
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

PAY_WAIT_S: Final = 1.0
"""How often a job looks whether its owner may use more seconds of media."""


class Abandoned(BaseException):
    """The service stops: the step was not done and will be done by the next start."""


class Room(Protocol):
    """Admits seconds of media; :class:`~service.pipeline.admit.Admission` does."""

    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> AbstractContextManager[object]:
        """Wait until so many seconds fit, and admit them for the length of a ``with`` block."""


@dataclass
class _Live:
    """A job that this process works on."""

    cancel: threading.Event = field(default_factory=threading.Event)
    place: tuple[str, int] | None = None
    part: Part | None = None
    source: EncryptedReader | None = None
    owed_s: float = 0.0
    has_turn: bool = False

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
        turns: places for jobs; a job has one while it is worked on.
        allowances: what owners of jobs may use.
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
        turns: Turns,
        allowances: Allowances,
        watch: JobWatch,
        segment_s: float,
        deadline_s: float,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._keys = keys
        self._plans = plans
        self._room = room
        self._turns = turns
        self._allowances = allowances
        self._watch = watch
        self._segment_s = segment_s
        self._deadline_s = deadline_s
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._live: dict[str, _Live] = {}
        self._in_step: set[str] = set()
        self._running = 0

    def parts(self, handle: str) -> tuple[str, ...]:
        """Names of a job's steps in their order, without numbers."""
        job = self._patiently(lambda: self._ledger.find(handle), self._stopping)
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
            word = self._patiently(lambda: self._step(handle, live, part, number), live.cancel)
        finally:
            if word != MORE:
                live.leave()
            with self._changed:
                self._in_step.discard(handle)
                self._running -= 1
                self._changed.notify_all()
        return word

    def leave(self, handle: str) -> None:
        """Nothing more of a job will be done by this process, for whatever reason."""
        with self._changed:
            live = self._live.pop(handle, None)
        if live is not None:
            live.leave()
            self._end_turn(live)

    def cancel(self, handle: str) -> None:
        """Stop a job that was cancelled in the ledger."""
        with self._changed:
            live = self._live.get(handle)
            between_steps = live is not None and handle not in self._in_step
        if live is not None:
            live.cancel.set()
        if between_steps:  # nobody would come back for it
            self.leave(handle)

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

    def _patiently(self, call: Callable[[], Answer], cancel: threading.Event) -> Answer:
        """``call``, again and again while the database is away.

        Raises:
            Abandoned
        """
        while True:
            try:
                return call()
            except OperationalError:
                cancel.wait(DATABASE_WAIT_S)
                if self._stopping.is_set():
                    raise Abandoned from None

    def _step(self, handle: str, live: _Live, part: str, number: int) -> str:
        tries = 0
        while True:
            job = self._ledger.find(handle)
            if job is None or job.state.is_final:
                return ENDED
            try:
                self._pay(job, live)
                self._take_turn(job, live)
                return self._attempt(job, live, part, number)
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
        if self._ledger.start(job.handle):
            self._watch.changed()
        began_s = time.monotonic()
        with charged_to(OwnersName(job.caller)), self._room.hold_in_turn(self._segment_s, live.cancel):
            # Waiting for room counts for nothing: only what a segment itself takes may be too long.
            task = Task(time.monotonic() + self._deadline_s, live.cancel, None)
            running = self._part(job, live, spool, part, number)
            segment = running.run(task)
        PartFiles(spool, part).store(number, segment.record, segment.state)
        self._ledger.note_progress(job.handle, self._progress(job, part, segment.share))
        live.place = (part, number + 1)
        charged_s = segment.media_s if part == CHARGED_PARTS[job.kind] else 0.0
        live.owed_s += charged_s
        self._watch.segment(part, time.monotonic() - began_s, charged_s)
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
        self._watch.finished(JobState.SUCCEEDED)
        return LAST

    def _fail(self, job: Job, problem: Problem) -> str:
        if self._ledger.fail(job.handle, problem.code):
            self._spool.destroy(job.handle)
            self._watch.finished(JobState.FAILED)
        return ENDED

    def _pay(self, job: Job, live: _Live) -> None:
        """Wait until the owner may use what was used; meanwhile another's job runs.

        Raises:
            Cancelled
        """
        allowance = self._allowances(job) if live.owed_s > 0 else None
        if allowance is None:
            live.owed_s = 0.0
        while allowance is not None and live.owed_s > 0:
            live.owed_s -= allowance.collect(live.owed_s)
            if live.owed_s > 0:
                live.leave()
                self._end_turn(live)
                if live.cancel.wait(PAY_WAIT_S):
                    raise Cancelled

    def _take_turn(self, job: Job, live: _Live) -> None:
        """Wait for a place, unless the job has one.

        Raises:
            Cancelled
        """
        if not live.has_turn:
            live.has_turn = self._turns.take(job.caller, live.cancel)
        if not live.has_turn:
            raise Cancelled

    def _end_turn(self, live: _Live) -> None:
        with self._changed:
            had_turn, live.has_turn = live.has_turn, False
        if had_turn:
            self._turns.give_back()

    def _progress(self, job: Job, part: str, share: float) -> float:
        parts = self._plans.parts(job.options)
        weights = [PART_WEIGHTS.get(name, 1.0) for name in parts]
        place = parts.index(part)
        return min((sum(weights[:place]) + weights[place] * share) / sum(weights), 0.999)
