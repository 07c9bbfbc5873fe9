"""The order in which jobs run, and what a job waits for."""

import itertools
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

import pytest

from service.access.accounts import Accounts
from service.access.caller import ANONYMOUS
from service.jobs import queue as queue_module
from service.jobs import waits as waits_module
from service.jobs.job import Job, JobState, Standing
from service.jobs.jobs import Jobs
from service.jobs.live import LiveJob
from service.jobs.queue import ARRIVAL_S, JobQueue
from service.jobs.waits import Waits, allowances_of
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Cancelled
from service.settings import KeyLimits, Settings
from service.telemetry.metrics import Metrics
from tests.support.fake_jobs import FakePlans, Room
from tests.support.patience import wait_until

JOB = Job("job", "id", "clinic", AudioOptions(), 10, JobState.RUNNING, 0.0, 0.0)


class Waiting:
    """Jobs in threads that wait for their turns; notes in which order they get them."""

    def __init__(self, queue: JobQueue) -> None:
        self.queue = queue
        self.order: list[str] = []
        self.cancels: dict[str, threading.Event] = {}
        self.threads: list[threading.Thread] = []

    def begin(self, owner: str, job: str, *, is_called: bool = False) -> None:
        cancel = self.cancels[job] = threading.Event()
        waiting = self.queue.waiting

        def wait() -> None:
            if self.queue.take(owner, job, cancel):
                self.order.append(job)

        self.threads.append(threading.Thread(target=wait, daemon=True))
        self.threads[-1].start()
        if is_called:
            wait_until(lambda: job in self.order)
        else:
            wait_until(lambda: self.queue.waiting == waiting + 1)

    def finish(self) -> None:
        for count in range(len(self.order) + 1, len(self.expected()) + 1):
            self.queue.give_back()
            wait_until(lambda least=count: len(self.order) >= least)
        for thread in self.threads:
            thread.join()

    def expected(self) -> list[str]:
        return [job for job, cancel in self.cancels.items() if not cancel.is_set()]


def test_owners_take_turns_whoever_came_first() -> None:
    queue = JobQueue(1)
    assert queue.take("a", "first", threading.Event())
    waiting = Waiting(queue)
    for owner, job in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2")):
        waiting.begin(owner, job)
    waiting.finish()
    assert waiting.order == ["a1", "b1", "a2", "b2", "a3"]


def test_a_cancelled_job_waits_no_longer_and_takes_no_place() -> None:
    queue = JobQueue(1)
    assert queue.take("a", "first", threading.Event())
    waiting = Waiting(queue)
    waiting.begin("a", "gone")
    waiting.begin("a", "next")
    waiting.cancels["gone"].set()
    waiting.threads[0].join()
    waiting.finish()
    assert waiting.order == ["next"]


def test_jobs_that_wait_do_not_keep_waking_each_other() -> None:
    queue = JobQueue(1)
    assert queue.take("a", "first", threading.Event())
    with patch.object(queue_module, "LOOK_S", 60.0), patch.object(queue, "_call", wraps=queue._call) as looked:
        waiting = Waiting(queue)
        for job in ("a1", "a2", "a3"):
            waiting.begin("a", job)
        wait_until(lambda: looked.call_count >= 3)  # each once, when it came
        waiting.finish()
        assert looked.call_count == 6  # and once for each place that was given back
    assert waiting.order == ["a1", "a2", "a3"]


def test_as_many_as_there_are_places_run_at_once() -> None:
    queue, never = JobQueue(2), threading.Event()
    assert queue.take("a", "a1", never)
    assert queue.take("a", "a2", never)
    over = threading.Event()
    over.set()
    assert not queue.take("b", "b1", over)
    queue.give_back()
    assert queue.take("b", "b1", never)
    assert (queue.free, queue.waiting) == (0, 0)


def test_an_owners_jobs_come_in_the_order_in_which_they_were_submitted() -> None:
    queue = JobQueue(1)
    for job in ("a1", "a2", "a3"):
        queue.expect("a", job)
    waiting = Waiting(queue)
    for owner, job in (("a", "a3"), ("a", "a2"), ("b", "b1")):
        waiting.begin(owner, job, is_called=owner == "b")
    assert waiting.order == ["b1"]  # another owner's doesn't wait for a1
    waiting.begin("a", "a1")
    waiting.finish()
    assert waiting.order == ["b1", "a1", "a2", "a3"]


def test_a_job_that_has_come_holds_no_younger_one_up() -> None:
    queue, over = JobQueue(2, lambda: 0.0), threading.Event()
    for job in ("a1", "a2"):
        queue.expect("a", job)
    over.set()  # whoever is not called at once goes without a place
    assert queue.take("a", "a1", over)
    assert queue.take("a", "a2", over)


def test_a_job_that_is_called_and_cancelled_at_once_keeps_no_place_from_others() -> None:
    now_s = 0.0
    queue = JobQueue(1, lambda: now_s)
    queue.expect("a", "a1")
    queue.expect("a", "a2")
    waiting = Waiting(queue)
    waiting.begin("a", "a2")
    now_s = ARRIVAL_S
    waiting.cancels["a2"].set()
    waiting.threads[0].join()
    assert (queue.free + len(waiting.order), queue.waiting) == (1, 0)


def test_a_job_that_left_its_place_comes_before_younger_ones() -> None:
    queue, never = JobQueue(1, lambda: 0.0), threading.Event()
    for job in ("a1", "a2", "a3"):
        queue.expect("a", job)
    assert queue.take("a", "a1", never)
    queue.give_back()  # it waits for its owner's allowance
    assert queue.take("a", "a2", never)
    waiting = Waiting(queue)
    waiting.begin("a", "a3")
    waiting.begin("a", "a1")
    waiting.finish()
    assert waiting.order == ["a1", "a3"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_job_that_never_comes_holds_nobody_up(ended: bool) -> None:
    now_s = 0.0
    queue = JobQueue(1, lambda: now_s)
    queue.expect("a", "a1")
    queue.expect("a", "a2")
    waiting = Waiting(queue)
    with patch.object(queue_module, "LOOK_S", 60.0 if ended else 0.01):  # an end is told at once, not looked for
        waiting.begin("a", "a2")
        if ended:
            queue.forget("a1")
        else:
            now_s = ARRIVAL_S
        waiting.threads[0].join(10)
    assert waiting.order == ["a2"]


class Purse:
    """An allowance that gives a little at a time, and notes what it was asked for and how many places were free."""

    def __init__(self, queue: JobQueue, gifts: list[float], cancel: threading.Event | None = None) -> None:
        self.queue, self.gifts, self.cancel = queue, gifts, cancel
        self.asked: list[tuple[float, int]] = []

    def collect(self, seconds: float) -> float:
        self.asked.append((seconds, self.queue.free))
        if self.cancel is not None:
            self.cancel.set()
        return self.gifts.pop(0)


@pytest.mark.parametrize(
    ("gifts", "asked"),
    [
        ([10.0], [(10.0, 0)]),  # paid at once: the place is kept
        ([4.0, 0.0, 6.0], [(10.0, 0), (6.0, 1), (6.0, 1)]),
    ],
)
def test_a_job_goes_on_when_its_owner_has_paid_and_leaves_its_place_meanwhile(gifts, asked) -> None:
    queue, live = JobQueue(1), LiveJob()
    purse = Purse(queue, gifts)
    waits = Waits(queue, lambda _job: purse)
    waits.enter(JOB, live)
    assert (purse.asked, queue.free) == ([], 0)  # nothing is owed yet
    live.owed_s, live.position = 10.0, ("speech", 1)
    with patch.object(waits_module, "PAY_WAIT_S", 0.0):
        waits.enter(JOB, live)
    assert (purse.asked, live.owed_s, live.has_place, queue.free) == (asked, 0.0, True, 0)
    assert (live.position is None) == (len(asked) > 1)  # nor is the recording held open while it waits
    waits.leave("job", live)
    waits.leave("job", live)
    assert queue.free == 1


def test_a_job_that_is_cancelled_while_its_owner_has_to_pay_goes_no_further() -> None:
    queue, live = JobQueue(1), LiveJob(owed_s=10.0)
    purse = Purse(queue, [3.0], live.cancel)
    with patch.object(waits_module, "PAY_WAIT_S", 60.0), pytest.raises(Cancelled):
        Waits(queue, lambda _job: purse).enter(JOB, live)
    assert (live.owed_s, live.has_place, queue.free) == (7.0, False, 1)


def test_nothing_is_owed_where_nothing_is_counted() -> None:
    allowances = allowances_of(Accounts(KeyLimits(media_s_per_minute=1.0)))
    nobodys = replace(JOB, caller=ANONYMOUS.owner)
    for job, counting in ((JOB, lambda _job: None), (nobodys, allowances)):
        live = LiveJob(owed_s=10.0)
        Waits(JobQueue(1), counting).enter(job, live)
        assert (live.owed_s, live.has_place) == (0.0, True)
    assert allowances(JOB).collect(10.0) == 0.5
    assert allowances(replace(JOB, key_limits=KeyLimits(media_s_per_minute=4.0))).collect(10.0) == 2.0


def test_nothing_is_kept_of_jobs_that_have_ended() -> None:
    queue = JobQueue(1)
    queue.expect("a", "a1")
    queue.expect("a", "a2")
    assert queue.take("a", "a1", threading.Event())
    queue.give_back()
    for job in ("a1", "a2", "unknown"):
        queue.forget(job)
    assert not queue._known
    assert not queue._coming


class EagerEngine:
    """Begins the youngest job as soon as it is made, as an engine may."""

    came: ClassVar[list[Callable[[], bool]]]
    taken: ClassVar[list[bool]]

    def __init__(self, *_: object) -> None:
        self.submitted: list[str] = []
        self.taken.extend(come() for come in self.came)

    def standing(self, handle: str) -> Standing:
        return Standing.UNKNOWN

    def submit(self, handle: str) -> None:
        self.submitted.append(handle)

    def close(self) -> None: ...


def test_jobs_of_an_earlier_process_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(state_dir=tmp_path, job_workers=2)
    uncounted = {"allowances": lambda _job: None, "metrics": Metrics()}
    earlier = Jobs(settings, FakePlans(), Room(), clock=itertools.count(1e9).__next__, **uncounted)
    jobs = []
    for owner in ("clinic", "clinic", "clinic", "hospital"):
        reception = earlier.receive(AudioOptions(), owner, None, 4)
        reception.extend(b"RIFF")
        reception.flush()
        jobs.append(reception.finish())
    earlier.delete(jobs[0])
    earlier.close()
    later = Jobs(settings, FakePlans(), Room(), clock=lambda: 1e9 + 60, **uncounted)  # type: ignore[arg-type]
    over = threading.Event()
    over.set()  # whoever is not called at once goes without a place
    EagerEngine.came = [partial(later._queue.take, jobs[n].caller, jobs[n].handle, over) for n in (2, 3, 1)]
    EagerEngine.taken = []
    engine = types.ModuleType("service.jobs.engine")
    engine.JobEngine = EagerEngine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "service.jobs.engine", engine)
    later.start()
    try:
        assert EagerEngine.taken == [False, True, True]
        assert isinstance(later._engine, EagerEngine)
        assert later._engine.submitted == [job.handle for job in jobs[1:]]
    finally:
        later.close()
