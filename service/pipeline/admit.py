"""Admission: how many seconds of media may be in the system at once.

A request is admitted twice. Before decoding nobody knows how long the recording is, so it is held for what
its bytes usually are (:func:`estimate_s`); after decoding the hold is set to the true length, and a
recording that turns out not to fit is refused then. So neither a burst of small files nor of compressed long
ones piles up work.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.problems import CapacityExceeded, Draining

TYPICAL_BYTES_PER_S = 16_000
"""128 kbit/s, common for compressed sound; 16 kHz PCM has twice that, telephone codecs a tenth."""

RATE_MEMORY_S = 30.0
"""Time constant over which the rate of finished work is averaged."""

LEAST_RETRY_S, LONGEST_RETRY_S = 1.0, 600.0


def estimate_s(size_bytes: int) -> float:
    """Seconds of media that an upload of ``size_bytes`` probably holds."""
    return size_bytes / TYPICAL_BYTES_PER_S


class Hold:
    """One admitted request's share of the capacity."""

    def __init__(self, admission: Admission, seconds: float) -> None:
        self._admission = admission
        self.seconds = seconds

    def resize(self, seconds: float) -> None:
        """Replace the estimate by the true length.

        Raises:
            CapacityExceeded: the difference does not fit. The hold keeps its former size.
        """
        self._admission._resize(self, seconds)


class Admission:
    """Counts seconds of media in the system and refuses what does not fit, at once and without a queue.

    A recording longer than the whole capacity is admitted when it is alone; otherwise it never could be.

    Args:
        capacity_s: seconds of media.
        clock: monotonic seconds, replaced in tests.
    """

    def __init__(self, capacity_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity_s = capacity_s
        self._clock = clock
        self._condition = threading.Condition()
        self._held_s = 0.0
        self._holds = 0
        self._draining = False
        self._finished = _DecayingRate(clock)

    @contextmanager
    def hold(self, seconds: float) -> Iterator[Hold]:
        """Hold ``seconds`` of the capacity for the length of a ``with`` block.

        Raises:
            CapacityExceeded: they do not fit; ``retry_after_s`` says when they should.
            Draining: the service is about to stop.
        """
        hold = self._admit(seconds)
        done_s = 0.0
        try:
            yield hold
            done_s = hold.seconds  # work that failed says nothing about how fast work is done
        finally:
            self._release(hold, done_s)

    def check(self) -> None:
        """Refuse early, before a body is read, what could not be admitted anyway.

        Raises:
            CapacityExceeded: the system is full.
            Draining: the service is about to stop.
        """
        with self._condition:
            self._refuse_unless_fits(0.0, others=self._holds)

    def drain(self) -> None:
        """Admit nothing more; what was admitted goes on."""
        with self._condition:
            self._draining = True

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is held. False when ``timeout_s`` passed before."""
        with self._condition:
            return self._condition.wait_for(lambda: self._holds == 0, timeout_s)

    @property
    def draining(self) -> bool:
        """Whether :meth:`drain` was called."""
        return self._draining

    @property
    def held_s(self) -> float:
        """Seconds of media in the system now."""
        return self._held_s

    @property
    def requests(self) -> int:
        """Requests in the system now."""
        return self._holds

    def _admit(self, seconds: float) -> Hold:
        with self._condition:
            self._refuse_unless_fits(seconds, others=self._holds)
            self._finished.pass_time(busy=self._holds > 0)
            self._held_s += seconds
            self._holds += 1
        return Hold(self, seconds)

    def _resize(self, hold: Hold, seconds: float) -> None:
        with self._condition:
            grown_s = seconds - hold.seconds
            if grown_s > 0 and self._holds > 1 and self._held_s + grown_s > self.capacity_s:
                raise self._full(grown_s)
            self._held_s += grown_s
            hold.seconds = seconds

    def _release(self, hold: Hold, done_s: float) -> None:
        with self._condition:
            self._finished.pass_time(busy=True)
            self._finished.add(done_s)
            self._holds -= 1
            self._held_s = self._held_s - hold.seconds if self._holds else 0.0
            self._condition.notify_all()

    def _refuse_unless_fits(self, seconds: float, others: int) -> None:
        if self._draining:
            raise Draining(retry_after_s=LEAST_RETRY_S)
        full = self._held_s >= self.capacity_s if seconds == 0 else self._held_s + seconds > self.capacity_s
        if others and full:
            raise self._full(seconds)

    def _full(self, seconds: float) -> CapacityExceeded:
        """The refusal, with the time in which the excess should be worked off at the rate of late."""
        self._finished.pass_time(busy=True)
        excess_s = max(self._held_s + seconds - self.capacity_s, 0.0)
        rate = self._finished.per_second()
        wait_s = excess_s / rate if rate > 0 else LONGEST_RETRY_S if excess_s else LEAST_RETRY_S
        return CapacityExceeded(retry_after_s=min(max(wait_s, LEAST_RETRY_S), LONGEST_RETRY_S))


class _DecayingRate:
    """Media seconds finished per busy second, older work counting exponentially less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._finished_s = 0.0
        self._busy_s = 0.0

    def pass_time(self, *, busy: bool) -> None:
        """Account for the time since the last call. Idle time leaves the rate as it was."""
        elapsed_s, self._at = self._clock() - self._at, self._clock()
        if busy:
            kept = math.exp(-elapsed_s / RATE_MEMORY_S)
            self._finished_s *= kept
            self._busy_s = self._busy_s * kept + RATE_MEMORY_S * (1 - kept)

    def add(self, seconds: float) -> None:
        self._finished_s += seconds

    def per_second(self) -> float:
        return self._finished_s / self._busy_s if self._busy_s else 0.0
