"""The device is shared fairly, failures stay with their own requests, nobody waits past the deadline."""

import threading
import time

import pytest

from service.pipeline.device.batch import Batcher
from service.pipeline.device.task import Cancelled, Work
from service.problems import DeadlineExceeded, Draining, InferenceUnavailable
from tests.support.patience import HANG_S
from tests.support.work import patient


class Recorder:
    """A runner of strings: answers in capitals and writes down every batch. ``gate`` holds the device."""

    def __init__(self, max_batch: int = 4) -> None:
        self.max_batch = max_batch
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.fail_on = lambda units: False

    def key(self, unit: str) -> int:
        return len(unit)

    def run(self, units):
        self.batches.append(list(units))
        self.entered.release()
        self.gate.wait(HANG_S)
        if self.fail_on(units):
            raise MemoryError("out of memory")
        return [unit.upper() for unit in units]


@pytest.fixture
def batcher():
    batcher = Batcher(1)
    yield batcher
    batcher.close(0.5)


class Caller(threading.Thread):
    """One request in a thread of its own; it is in the round, or ended, once this returns."""

    def __init__(self, batcher, runner, units, work=None) -> None:
        super().__init__(daemon=True)
        self.answer = self.error = None
        self.arguments = (runner, units, work or patient())
        self.batcher = batcher
        waiting, batches = batcher.waiting, len(runner.batches)
        self.start()
        while batcher.waiting <= waiting and len(runner.batches) == batches and self.is_alive():
            time.sleep(0.001)

    def run(self) -> None:
        try:
            self.answer = self.batcher.run(*self.arguments).results
        except Exception as error:
            self.error = error


def occupy(batcher, runner) -> Caller:
    """Keep the only device thread busy until ``runner.gate`` opens."""
    runner.gate.clear()
    busy = Caller(batcher, runner, ["(busy)"])
    assert runner.entered.acquire(timeout=HANG_S)
    return busy


def test_results_are_in_the_order_of_the_units(batcher):
    runner = Recorder(max_batch=2)
    done = batcher.run(runner, ["aa", "b", "cc", "d", "ee"], patient())
    assert done.results == ["AA", "B", "CC", "D", "EE"]
    assert done.queue_s >= 0
    assert done.infer_s >= 0


def test_a_long_request_cannot_starve_a_short_one(batcher):
    runner = Recorder(max_batch=1)
    busy = occupy(batcher, runner)
    long = Caller(batcher, runner, [f"l{index}" for index in range(9)])
    short = Caller(batcher, runner, ["s0", "s1"])
    runner.gate.set()
    for caller in (busy, long, short):
        caller.join(HANG_S)
    assert [batch[0] for batch in runner.batches[1:6]] == ["l0", "s0", "l1", "s1", "l2"]


def test_a_batch_takes_from_all_requests_and_only_equal_keys(batcher):
    runner = Recorder(max_batch=4)
    occupy(batcher, runner)
    first = Caller(batcher, runner, ["a0", "a1", "a2"])
    odd = Caller(batcher, runner, ["odd", "b1"])
    last = Caller(batcher, runner, ["c0"])
    runner.gate.set()
    for caller in (first, odd, last):
        caller.join(HANG_S)
    assert runner.batches[1] == ["a0", "c0", "a1", "a2"]
    assert odd.answer == ["ODD", "B1"]


def test_requests_of_other_models_never_share_a_batch(batcher):
    runner, other = Recorder(), Recorder()
    occupy(batcher, runner)
    callers = [Caller(batcher, each, ["xx", "yy"]) for each in (runner, other)]
    runner.gate.set()
    for caller in callers:
        caller.join(HANG_S)
    assert runner.batches[1:] == [["xx", "yy"]]
    assert other.batches == [["xx", "yy"]]


def test_several_device_threads_work_at_once():
    batcher, runner = Batcher(2), Recorder(max_batch=1)
    runner.gate.clear()
    caller = Caller(batcher, runner, ["a", "b"])
    assert runner.entered.acquire(timeout=HANG_S)
    assert runner.entered.acquire(timeout=HANG_S)
    runner.gate.set()
    caller.join(HANG_S)
    assert caller.answer == ["A", "B"]
    batcher.close()


def test_one_failure_is_tried_again_in_halves(batcher):
    runner = Recorder(max_batch=4)
    runner.fail_on = lambda units: len(units) > 2
    assert batcher.run(runner, ["a", "b", "c", "d"], patient()).results == ["A", "B", "C", "D"]
    assert runner.batches == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"]]


def test_a_single_unit_is_tried_twice(batcher):
    runner = Recorder(max_batch=1)
    runner.fail_on = lambda units: len(runner.batches) == 1
    assert batcher.run(runner, ["a"], patient()).results == ["A"]


def test_second_failure_is_told_and_the_device_stays_up(batcher):
    runner = Recorder(max_batch=1)
    runner.fail_on = lambda units: units[0].startswith("bad")
    with pytest.raises(InferenceUnavailable) as caught:
        batcher.run(runner, ["good", "bad", "good"], patient())
    assert caught.value.retry_after_s
    assert runner.batches.count(["bad"]) == 2
    assert batcher.waiting == 0
    assert batcher.run(runner, ["good"], patient()).results == ["GOOD"]


def test_failure_leaves_the_others_of_the_batch_alone(batcher):
    runner = Recorder(max_batch=2)
    occupy(batcher, runner)
    runner.fail_on = lambda units: "bad!" in units
    bad, good = Caller(batcher, runner, ["bad!"]), Caller(batcher, runner, ["good"])
    runner.gate.set()
    bad.join(HANG_S)
    good.join(HANG_S)
    assert isinstance(bad.error, InferenceUnavailable)
    assert good.answer == ["GOOD"]


def test_a_runner_that_loses_results_is_a_failure(batcher):
    runner = Recorder()
    runner.run = lambda units: []
    with pytest.raises(InferenceUnavailable):
        batcher.run(runner, ["a"], patient())


def test_hanging_device_ends_at_the_deadline_and_shows(batcher):
    runner = Recorder()
    runner.gate.clear()
    began_at = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        batcher.run(runner, ["a"], Work.within(0.1))
    assert 0.1 <= time.monotonic() - began_at < HANG_S
    assert batcher.stalled_for_s() >= 0.05
    runner.gate.set()
    assert batcher.run(runner, ["b"], patient()).results == ["B"]


def test_a_request_past_its_deadline_is_never_run(batcher):
    runner = Recorder(max_batch=1)
    occupy(batcher, runner)
    with pytest.raises(DeadlineExceeded):
        batcher.run(runner, ["late"], Work.within(0.05))
    assert batcher.waiting == 0
    runner.gate.set()
    assert batcher.run(runner, ["next"], patient()).results == ["NEXT"]
    assert ["late"] not in runner.batches


def test_cancelled_units_are_skipped(batcher):
    runner, cancel = Recorder(max_batch=1), threading.Event()
    occupy(batcher, runner)
    caller = Caller(batcher, runner, ["never"], Work.within(HANG_S, cancel))
    cancel.set()
    caller.join(HANG_S)
    assert isinstance(caller.error, Cancelled)
    runner.gate.set()
    batcher.run(runner, ["next"], patient())
    assert ["never"] not in runner.batches


def test_progress_is_told_in_the_callers_thread_now_and_then(batcher, monkeypatch):
    """Waiting costs no processor: nobody looks between one moment and the next."""
    monkeypatch.setattr("service.pipeline.device.batch.WAKE_S", 60.0)
    seen = []
    runner = Recorder(max_batch=1)
    note = lambda count: seen.append((count, threading.current_thread()))  # noqa: E731
    batcher.run(runner, ["a", "b"], patient(), progress=note)
    assert seen == [(2, threading.current_thread())]


def test_closing_tells_those_who_wait():
    batcher, runner = Batcher(1), Recorder(max_batch=1)
    occupy(batcher, runner)
    caller = Caller(batcher, runner, ["waits"])
    batcher.close(0.1)
    caller.join(HANG_S)
    assert isinstance(caller.error, Draining)
    runner.gate.set()
    with pytest.raises(Draining):
        batcher.run(runner, ["a"], patient())


def test_an_observer_that_fails_does_not_stop_the_device():
    def observer(units, seconds):
        raise ValueError("observer")

    batcher = Batcher(1, on_batch=observer)
    for _ in range(2):
        assert batcher.run(Recorder(), ["a"], patient()).results == ["A"]
    batcher.close()


def test_many_requests_at_once_all_get_their_own_answers():
    batcher, runner = Batcher(3), Recorder(max_batch=4)
    callers = [Caller(batcher, runner, [f"{number}-{part}" for part in "abc"]) for number in range(40)]
    for number, caller in enumerate(callers):
        caller.join(HANG_S)
        assert caller.answer == [f"{number}-{part}".upper() for part in "abc"]
    assert batcher.waiting == 0
    assert batcher.stalled_for_s() == 0
    batcher.close()
