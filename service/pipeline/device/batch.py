"""Batches of work for the device: pulled when a thread is free, in fair turns, retried once, with a deadline.

There is no delay timer. A free device thread takes one unit from each waiting request in turn, so a long recording
cannot starve a short one, and takes accounts in turn, so fifty requests of one client cannot starve another's.

On a CPU each call has one thread, and ``threads`` device threads call at once: a four-layer CNN on two cores gave
1,390 windows/s, against 1,040 from one device thread whose graph uses both cores. Batches of 2 to 8 gave a CNN no
more; a recurrent network took six tenths of the time a window (measured). On a GPU one thread runs batches.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from service.pipeline.device.account import current_account
from service.pipeline.device.fair_round import FairRound
from service.pipeline.device.task import WAKE_S, Work
from service.problems import DeadlineExceeded, Draining, InferenceUnavailable

Unit = TypeVar("Unit")
Result = TypeVar("Result")
Taken = TypeVar("Taken", contravariant=True)
Given = TypeVar("Given", covariant=True)


class BatchRunner(Protocol[Taken, Given]):
    """A model on its device, called from several threads."""

    max_batch: int
    """Most units in one ``run``."""

    def key(self, unit: Taken) -> Hashable:
        """Units of equal keys may share a batch."""

    def run(self, units: Sequence[Taken]) -> Sequence[Given]:
        """One result for each unit; none may depend on the other units."""


@dataclass(frozen=True)
class Done(Generic[Result]):
    """Results in the order of the units; seconds until the first unit ran, and from then to the last result."""

    results: list[Result]
    queue_s: float
    infer_s: float


@dataclass(eq=False)
class _Request:
    """The units of one caller. The batcher's lock guards all fields."""

    runner: BatchRunner[Any, Any]
    units: Sequence[Any]
    results: list[Any]
    given: int = 0
    finished: int = 0
    started_at: float | None = None
    failure: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.ended.set()


@dataclass(frozen=True)
class _Item:
    request: _Request
    index: int

    @property
    def unit(self) -> Any:  # noqa: ANN401 - runners choose the type of their units
        return self.request.units[self.index]


def _watcher(
    request: _Request, progress: Callable[[int], None] | None, partial: Callable[[Sequence[Any]], None] | None
) -> Callable[[], None] | None:
    """A function that calls ``progress`` and ``partial``; None without either."""
    if progress is None and partial is None:
        return None

    def watch() -> None:
        if partial is not None:
            partial(request.results)
        if progress is not None:
            progress(request.finished)

    return watch


class Batcher:
    """The device threads, and the requests that they serve in turn.

    Args:
        threads: concurrent runner calls: 1 for a GPU, the number of cores for a CPU.
        name: prefix of the threads' names.
        on_batch: called with the number of units and the seconds of each successful runner call.
    """

    def __init__(
        self, threads: int, *, name: str = "device", on_batch: Callable[[int, float], None] | None = None
    ) -> None:
        self._on_batch = on_batch
        self._lock = threading.Condition()
        self._round: FairRound[_Request] = FairRound()
        self._closed = False
        self._busy_since: dict[int, float] = {}
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        runner: BatchRunner[Unit, Result],
        units: Sequence[Unit],
        work: Work,
        *,
        progress: Callable[[int], None] | None = None,
        partial: Callable[[Sequence[Result | None]], None] | None = None,
    ) -> Done[Result]:
        """Have all ``units`` run and wait for them.

        Args:
            runner: what runs them.
            units: at least one.
            work: its deadline ends the wait even if the device hangs; once cancelled, no further unit begins.
            progress: called in this thread with the number of finished units, now and then.
            partial: called there too, with the results so far; None stands for a unit that is not done.

        Raises:
            DeadlineExceeded: the deadline of ``work`` passed.
            Cancelled: ``work`` was cancelled.
            InferenceUnavailable: the runner failed twice on a unit.
            Draining: the batcher is closed.
        """
        work.raise_if_cancelled()  # short work would be done before the first check
        request = _Request(runner, units, [None] * len(units))
        queued_at = time.monotonic()
        with self._lock:
            if self._closed:
                raise Draining
            self._round.add(current_account().name, request)
            self._lock.notify(min(len(units), len(self._threads)))
        try:
            self._wait(request, work, _watcher(request, progress, partial))
        finally:
            self._forget(request)
        if request.failure is not None:
            raise request.failure
        started_at = request.started_at or queued_at
        return Done(request.results, started_at - queued_at, time.monotonic() - started_at)

    def stalled_for_s(self) -> float:
        """Seconds that the oldest running call has taken so far; 0 if the device is idle."""
        with self._lock:
            return time.monotonic() - min(self._busy_since.values()) if self._busy_since else 0.0

    @property
    def waiting(self) -> int:
        """Number of units that no device thread has taken yet."""
        with self._lock:
            return sum(len(request.units) - request.given for request in self._round)

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop the device threads after their running calls; waiting callers get ``Draining``."""
        with self._lock:
            self._closed = True
            for request in self._round:
                request.fail(Draining())
            self._round.clear()
            self._lock.notify_all()
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @staticmethod
    def _wait(request: _Request, work: Work, watch: Callable[[], None] | None) -> None:
        while True:
            left_s = work.deadline - time.monotonic()
            watching = work.cancel is not None or watch is not None
            ended = request.ended.wait(max(0.0, min(left_s, WAKE_S) if watching else left_s))
            if watch is not None:
                watch()
            if ended:
                return
            work.raise_if_cancelled()
            if time.monotonic() >= work.deadline:
                raise DeadlineExceeded

    def _forget(self, request: _Request) -> None:
        """Withdraw a request: its waiting units are not run, results of running ones are dropped."""
        with self._lock:
            request.given = len(request.units)
            self._round.remove(request)

    def _serve(self) -> None:
        """Run a device thread until the batcher is closed."""
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._round or self._closed)
                if self._closed:
                    return
                items = self._take()
                self._busy_since[threading.get_ident()] = time.monotonic()
            try:
                self._run(items, may_retry=True)
            finally:
                with self._lock:
                    del self._busy_since[threading.get_ident()]
            del items  # no upload outlives its request, even in an idle thread

    def _take(self) -> list[_Item]:
        """Choose the units of one runner call: one of each request in turn, where it fits the first unit's batch."""
        request = first = self._round.next()
        key = first.runner.key(first.units[first.given])
        items: list[_Item] = []
        passed_over = 0
        while True:
            if request.runner is first.runner and request.runner.key(request.units[request.given]) == key:
                passed_over = 0
                items.append(_Item(request, request.given))
                request.given += 1
                request.started_at = request.started_at or time.monotonic()
                if request.given == len(request.units):
                    self._round.remove(request)
            else:
                passed_over += 1
            if len(items) == first.runner.max_batch or passed_over >= self._round.turns:
                return items
            request = self._round.next()

    def _run(self, items: list[_Item], *, may_retry: bool) -> None:
        items = [item for item in items if not item.request.ended.is_set()]
        if not items:
            return
        began_at = time.monotonic()
        try:
            results = list(items[0].request.runner.run([item.unit for item in items]))
            if len(results) != len(items):
                raise ValueError("the runner returned a wrong number of results")
        except Exception:  # out of memory, a lost GPU, a failed kernel
            self._after_failure(items, may_retry)
            return
        took_s = time.monotonic() - began_at
        with self._lock:
            for item, result in zip(items, results, strict=True):
                item.request.results[item.index] = result
                item.request.finished += 1
                if item.request.finished == len(item.request.units):
                    item.request.ended.set()
        if self._on_batch is not None:
            with contextlib.suppress(Exception):  # a failing observer must not stop the device
                self._on_batch(len(items), took_s)

    def _after_failure(self, items: list[_Item], may_retry: bool) -> None:
        """Retry once in two halves, which helps when memory is short; after that fail these requests alone."""
        if may_retry:
            half = (len(items) + 1) // 2
            for part in (items[:half], items[half:]):
                self._run(part, may_retry=False)
            return
        with self._lock:
            for item in items:
                item.request.fail(InferenceUnavailable(retry_after_s=1.0))
                self._round.remove(item.request)
