"""Admission: how many seconds of media may be in the system at once.

A request is admitted twice. Before decoding nobody knows how long the recording is, so it is held for what
its bytes usually are (:func:`estimate_s`); after decoding the hold is set to the true length, and a
recording that turns out not to fit is refused then. So neither a burst of small files nor of compressed long
ones piles up work. The account on which the work is done is asked first: its own limits are 429, the
service's 503.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.pipeline.device.account import Account, Unlimited, current_account
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.rate import LEAST_RETRY_S, LONGEST_RETRY_S, DecayingRate
from service.problems import CapacityExceeded, Draining

PATIENT_SHARE = 0.25
"""Of the capacity: what work that can wait holds at the most."""

WAKE_S = 0.1
"""How often it looks whether it was cancelled."""

TYPICAL_BYTES_PER_S = 16_000
"""128 kbit/s, common for compressed sound; 16 kHz PCM has twice that, telephone codecs a tenth."""


def estimate_s(size_bytes: int) -> float:
    """Seconds of media that an upload of ``size_bytes`` probably holds."""
    return size_bytes / TYPICAL_BYTES_PER_S


class Hold:
    """One admitted request's share of the capacity."""

    def __init__(self, admission: Admission, seconds: float, account: Account) -> None:
        self._admission = admission
        self._account = account
        self.seconds = seconds

    def resize(self, seconds: float) -> None:
        """Replace the estimate by the true length.

        Raises:
            CapacityExceeded: the difference does not fit. The hold keeps its former size.
            RateLimited: the account may not have so much in the system. The same.
        """
        before_s = self.seconds
        self._account.resize(before_s, seconds)
        try:
            self._admission._resize(self, seconds)
        except CapacityExceeded:
            self._account.resize(seconds, before_s)
            raise


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
        self._reserved_s = 0.0
        self._holds = 0
        self._draining = False
        self._finished = DecayingRate(clock)

    @contextmanager
    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> Iterator[Hold]:
        """The same for work that can wait: room is kept free for it until there is enough.

        It never holds more than :data:`PATIENT_SHARE` of the capacity, so that requests find room beside it.

        Raises:
            Cancelled: ``cancel`` was set while it waited.
            Draining: the service is about to stop.
        """
        seconds = min(seconds, PATIENT_SHARE * self.capacity_s)
        with self._condition:
            self._reserved_s += seconds
            try:
                while self._holds and self._held_s + seconds > self.capacity_s and not self._draining:
                    if cancel.is_set():
                        raise Cancelled
                    self._condition.wait(WAKE_S)
            finally:
                self._reserved_s -= seconds
            if self._draining:
                raise Draining(retry_after_s=LEAST_RETRY_S)
            hold = self._enter(seconds, Unlimited())
        with self._released(hold):
            yield hold

    @contextmanager
    def hold(self, seconds: float) -> Iterator[Hold]:
        """Hold ``seconds`` of the capacity for the length of a ``with`` block.

        Raises:
            CapacityExceeded: they do not fit; ``retry_after_s`` says when they should.
            RateLimited: the account has used up its share.
            Draining: the service is about to stop.
        """
        account = current_account()
        account.take(seconds)
        try:
            hold = self._admit(seconds, account)
        except BaseException:
            account.give_back(seconds, unused=True)
            raise
        try:
            with self._released(hold):
                yield hold
        finally:
            account.give_back(hold.seconds)

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

    def _admit(self, seconds: float, account: Account) -> Hold:
        with self._condition:
            self._refuse_unless_fits(seconds, others=self._holds)
            return self._enter(seconds, account)

    def _enter(self, seconds: float, account: Account) -> Hold:
        self._finished.pass_time(busy=self._holds > 0)
        self._held_s += seconds
        self._holds += 1
        return Hold(self, seconds, account)

    def _resize(self, hold: Hold, seconds: float) -> None:
        with self._condition:
            grown_s = seconds - hold.seconds
            if grown_s > 0 and self._holds > 1 and self._held_s + grown_s > self.capacity_s:
                raise self._full(grown_s)
            self._held_s += grown_s
            hold.seconds = seconds

    @contextmanager
    def _released(self, hold: Hold) -> Iterator[None]:
        """Release ``hold`` at the end of a ``with`` block."""
        done_s = 0.0
        try:
            yield
            done_s = hold.seconds  # work that failed says nothing about how fast work is done
        finally:
            self._release(hold, done_s)

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
        taken_s = self._held_s + self._reserved_s
        full = taken_s >= self.capacity_s if seconds == 0 else taken_s + seconds > self.capacity_s
        if (others or self._reserved_s) and full:
            raise self._full(seconds)

    def _full(self, seconds: float) -> CapacityExceeded:
        """The refusal, with the time in which the excess should be worked off at the rate of late."""
        self._finished.pass_time(busy=True)
        excess_s = max(self._held_s + seconds - self.capacity_s, 0.0)
        return CapacityExceeded(retry_after_s=self._finished.retry_after_s(excess_s, unknown_s=LONGEST_RETRY_S))
