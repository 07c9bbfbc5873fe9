"""Runs one step of a job: a segment of a part, or the answer. Failures are recorded in the ledger here."""

import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.cipher import SpoolDamagedError, new_key
from service.jobs.codec import encode
from service.jobs.database import Patience
from service.jobs.files import PartFiles, has_this_shape, mark_shape, unmark_shape
from service.jobs.job import ENDED, LAST, MORE, Job, JobState, step_text
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.live import Abandoned, LiveJob, LiveJobs
from service.jobs.metrics import JobMetrics
from service.jobs.part import Part, Segment
from service.jobs.plans import PART_WEIGHTS, JobPlans
from service.jobs.spool import RESULT, UPLOAD, JobSpool, Spool
from service.jobs.waits import CHARGED_PARTS, Waits
from service.pipeline.device.account import Unlimited, charged_to
from service.pipeline.device.admit import Admission
from service.pipeline.device.task import Cancelled, Work
from service.problems import DeadlineExceeded, InternalError, JobDataLost, NoSpace, Problem, Unavailable
from service.telemetry.logs import describe_exception, service_logger

ANSWER: Final = "answer"
"""Name of the last step, which joins all records to the answer."""

MOST_TRIES: Final = 4
"""Attempts per segment on service errors."""

FIRST_WAIT_S: Final = 0.5
"""Wait before a segment's second attempt; each further wait is twice as long."""


class JobRunner:
    """Runs steps of several jobs at once. Thread-safe.

    Args:
        ledger, spool, keys: where jobs are stored.
        plans: the parts of jobs.
        room: admission that segments share with requests.
        waits: waits of a job before each segment.
        metrics: metrics of jobs.
        segment_s: seconds of media that a segment holds of the admission.
        deadline_s: seconds that a segment may take.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        keys: KeyWrap,
        plans: JobPlans,
        room: Admission,
        waits: Waits,
        metrics: JobMetrics,
        segment_s: float,
        deadline_s: float,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._keys = keys
        self._plans = plans
        self._room = room
        self._waits = waits
        self._metrics = metrics
        self._segment_s = segment_s
        self._deadline_s = deadline_s
        self._live = LiveJobs()
        self._patiently = Patience(self._live.stopping, Abandoned)

    def parts(self, handle: str, lease: int | None = None) -> tuple[str, ...]:
        """Names of a job's parts in order, ``ANSWER`` last; none if this service cannot do the job."""
        return self._patiently(lambda: self._parts(handle, lease))

    def step(self, handle: str, part: str, number: int, lease: int | None = None) -> str:
        """Run a step and return its outcome: ``MORE``, ``LAST`` or ``ENDED``.

        Raises:
            Abandoned: the service stops, or the job is no longer under ``lease``.
        """
        live = self._live.enter(handle)
        word = self._patiently(lambda: self._step(handle, live, part, number, lease))
        if word == LAST:
            live.let_go()
        if word == ENDED:
            self._patiently(lambda: self._clear(handle))
        return word

    def leave(self, handle: str) -> None:
        """Give back all that the job holds; this process does no more of it. Called by the job's own thread."""
        live = self._live.find(handle) or LiveJob()
        try:
            live.let_go()
        finally:
            self._waits.leave(handle, live)
            self._live.remove(handle)

    def cancel(self, handle: str) -> None:
        """Stop a job that the ledger has marked as cancelled; its thread ends it at the next check."""
        self._live.cancel(handle)

    def stop(self, timeout_s: float) -> bool:
        """Stop all running segments; False if some still run after ``timeout_s``."""
        return self._live.stop(timeout_s)

    def give_up(self, job: Job) -> None:
        """Fail a job that was begun so often that it may be what ends processes."""
        self._fail(job, InternalError())

    def _parts(self, handle: str, lease: int | None) -> tuple[str, ...]:
        job = self._ledger.find(handle)
        if job is None or job.lease != lease:
            return ()
        try:
            if not job.knows_options:
                raise Unavailable("This release does not know all options of the job.")
            return (*self._plans.parts(job.options), ANSWER)
        except Problem as problem:
            self._fail(job, problem)
            return ()

    def _step(self, handle: str, live: LiveJob, part: str, number: int, lease: int | None) -> str:
        tries = 0
        while True:
            job = self._ledger.find(handle)
            if job is None or job.state.is_final:
                return ENDED
            if job.lease != lease:
                raise Abandoned
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
            except SQLAlchemyError:
                raise  # the job has not failed: its database is away
            except Exception as error:
                fields = {"job": handle, **describe_exception(type(error), error.__traceback__)}
                service_logger.error("a job failed", extra={"fields": fields})
                return self._fail(job, InternalError())
            if self._live.stopping.is_set():
                raise Abandoned

    def _attempt(self, job: Job, live: LiveJob, part: str, number: int) -> str:
        spool = self._spool.open_job(job.handle, self._keys.unwrap(job.job_key, job.handle), job.lease)
        if part != ANSWER and self._patiently(lambda: self._ledger.start(job.handle, job.lease)):
            self._metrics.changed()
        if live.position != (part, number) and not has_this_shape(spool):
            is_over = self._redo(job, live, spool, part, number)
            mark_shape(spool)
            if is_over:
                self._note(job, part, number, Segment({}, None, 1.0))
                return LAST
        if part == ANSWER:
            return self._answer(job, spool)
        began_s = time.monotonic()
        segment = self._segment(job, live, spool, part, number)
        self._note(job, part, number, segment)
        charged_s = segment.media_s if part == CHARGED_PARTS[job.kind] else 0.0
        live.owed_s += charged_s
        self._metrics.segment(part, time.monotonic() - began_s, charged_s)
        return LAST if segment.last else MORE

    def _redo(self, job: Job, live: LiveJob, spool: JobSpool, part: str, number: int) -> bool:
        """Do again what comes before a segment, or before the answer, and was written by a release of another shape.

        Returns:
            Whether the part turned out to be over before that segment.
        """
        unmark_shape(spool)
        for name in self._plans.parts(job.options):
            PartFiles(spool, name).clear()
            done, is_over = 0, False
            while not is_over and (name != part or done < number):
                is_over = self._segment(job, live, spool, name, done).last
                done += 1
            if name == part:
                return is_over
        return False

    def _segment(self, job: Job, live: LiveJob, spool: JobSpool, part: str, number: int) -> Segment:
        """Run a segment, and write down what it found."""
        with charged_to(Unlimited(job.caller)), self._room.hold_in_turn(self._segment_s, live.cancel):
            # The deadline begins after the admission: only the segment's own time counts.
            work = Work(time.monotonic() + self._deadline_s, live.cancel, None)
            segment = self._part(job, live, spool, part, number).run(work)
        PartFiles(spool, part).store(number, segment.record, segment.state)
        live.position = (part, number + 1)
        return segment

    def _part(self, job: Job, live: LiveJob, spool: JobSpool, part: str, number: int) -> Part:
        """The open part if it stands at segment ``number``, else the part opened there anew."""
        if live.part is None or live.position != (part, number):
            live.let_go()
            state = PartFiles(spool, part).state(number)
            live.source = spool.open(UPLOAD)
            live.part = self._plans.make(part, job.options, spool, state, live.source)
        live.position = None  # unknown until the segment is done
        return live.part

    def _answer(self, job: Job, spool: JobSpool) -> str:
        spool.remove(UPLOAD)
        answer = self._plans.join(job.options, spool)
        result = encode(answer)
        key = new_key()
        self._spool.open_job(job.handle, key, job.lease).store(RESULT, result)
        result_key = self._keys.wrap(key, job.handle)
        if not self._patiently(lambda: self._succeed(job, result_key)):
            return ENDED
        self._spool.destroy(job.handle, keep=RESULT, lease=job.lease)
        self._metrics.answered(answer)
        self._metrics.finished(JobState.SUCCEEDED)
        return LAST

    def _succeed(self, job: Job, result_key: bytes) -> bool:
        """Mark a job as succeeded; also True where an earlier call did so and its answer was lost."""
        if self._ledger.succeed(job.handle, result_key, job.lease):
            return True
        now = self._ledger.find(job.handle)
        return now is not None and now.result_key == result_key

    def _clear(self, handle: str) -> None:
        """Delete files written while the job was being cancelled; a result stays, and so does what moved elsewhere."""
        job = self._ledger.find(handle)
        if job is None or (job.state.is_final and job.result_key is None):
            self._spool.destroy(handle)

    def _fail(self, job: Job, problem: Problem) -> str:
        if self._patiently(lambda: self._ledger.fail(job.handle, problem.code, job.lease)):
            self._spool.destroy(job.handle)
            self._metrics.finished(JobState.FAILED)
        return ENDED

    def _note(self, job: Job, part: str, number: int, segment: Segment) -> None:
        """Write down in the ledger that a segment is done.

        Raises:
            Abandoned: the job is no longer under its lease.
        """
        names = (*self._plans.parts(job.options), ANSWER)
        after = (part, number + 1) if not segment.last else (names[names.index(part) + 1], 0)
        progress, text = self._progress(job, part, segment.share), step_text(*after)
        if not self._patiently(lambda: self._ledger.note_step(job.handle, progress, text, job.lease)):
            now = self._patiently(lambda: self._ledger.find(job.handle))
            if now is not None and now.lease != job.lease:
                raise Abandoned

    def _progress(self, job: Job, part: str, share: float) -> float:
        parts = self._plans.parts(job.options)
        weights = [PART_WEIGHTS.get(name, 1.0) for name in parts]
        place = parts.index(part)
        return min((sum(weights[:place]) + weights[place] * share) / sum(weights), 0.999)
