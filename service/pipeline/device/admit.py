"""Admission: a bound on the seconds of media in the system.

A request is admitted twice. Before decoding its length is unknown, so it holds an estimate made from its first bytes
and its size (:func:`estimate_s`). After decoding the hold is set to the true length, and a recording that does not fit
is refused. Neither a burst of small files nor one of long compressed files can pile up work. The account is asked
first: its own limits answer 429, the service's 503.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.pipeline.device.account import Account, Holdings, Unlimited, current_account
from service.pipeline.device.rate import LEAST_RETRY_S, LONGEST_RETRY_S, DecayingRate
from service.pipeline.device.task import Cancelled
from service.problems import CapacityExceeded, Draining

PATIENT_SHARE = 0.25
"""Largest share of capacity that jobs may hold."""

WAKE_S = 0.1
"""Interval at which a waiting job checks whether it was cancelled."""

TYPICAL_BYTES_PER_S = 16_000
"""Assumed bytes a second: 128 kbit/s as in common compressed sound; a telephone codec has a tenth."""

_WAV_BYTE_RATE: Final = slice(28, 32)
_LARGEST_WAV_BYTES_PER_S: Final = 8 * 192_000 * 8
"""Eight channels of doubles at 192 kHz. A header that tells more is not believed."""


def estimate_s(data: bytes | memoryview) -> float:
    """Estimated seconds of media in an upload: as the header of a WAV file tells, else by a typical rate."""
    head = bytes(data[: _WAV_BYTE_RATE.stop])
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt ":
        told = int.from_bytes(head[_WAV_BYTE_RATE], "little")
        if TYPICAL_BYTES_PER_S < told <= _LARGEST_WAV_BYTES_PER_S:
            return len(data) / told
    return len(data) / TYPICAL_BYTES_PER_S


class Hold:
    """The share of capacity that one admitted request holds."""

    def __init__(self, admission: "Admission", seconds: float, account: Account) -> None:
        self._admission = admission
        self._account = account
        self.owner = account.name
        self.seconds = seconds

    def resize(self, seconds: float) -> None:
        """Replace the estimate by the true length. On an error the hold keeps its size.

        Raises:
            CapacityExceeded: the difference does not fit.
            RateLimited: a limit of the account is reached.
        """
        before_s = self.seconds
        self._account.resize(before_s, seconds)
        try:
            self._admission._resize(self, seconds)
        except CapacityExceeded:
            self._account.resize(seconds, before_s)
            raise


class Admission:
    """Counts the seconds of media in the system and refuses at once what does not fit.

    One account holds at most ``account.SHARE_OF_ONE`` of the capacity. A recording longer than that is admitted
    when the system is empty.

    Args:
        capacity_s: seconds of media.
        clock: monotonic seconds.
    """

    def __init__(self, capacity_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity_s = capacity_s
        self._clock = clock
        self._condition = threading.Condition()
        self._held_s = 0.0
        self._holdings = Holdings(capacity_s)
        self._reserved_s = 0.0
        self._holds = 0
        self._draining = False
        self._finished = DecayingRate(clock)

    @contextmanager
    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> Iterator[Hold]:
        """Wait until ``seconds`` fit, and hold them for the length of a ``with`` block.

        Released capacity is reserved for the waiting work. It holds at most :data:`PATIENT_SHARE` of the capacity, so
        that requests fit beside it.

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
            hold = self._enter(seconds, Unlimited("jobs"))
        with self._released(hold):
            yield hold

    @contextmanager
    def hold(self, seconds: float) -> Iterator[Hold]:
        """Hold ``seconds`` of the capacity for the length of a ``with`` block.

        Raises:
            CapacityExceeded: they do not fit; ``retry_after_s`` is the expected wait.
            RateLimited: a limit of the account is reached.
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
        """Check for free capacity before a body is read.

        Raises:
            CapacityExceeded: the system is full.
            Draining: the service is about to stop.
        """
        with self._condition:
            self._refuse_unless_fits(0.0, current_account())

    def drain(self) -> None:
        """Admit no more work; admitted work continues."""
        with self._condition:
            self._draining = True

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is held; False after ``timeout_s``."""
        with self._condition:
            return self._condition.wait_for(lambda: self._holds == 0, timeout_s)

    @property
    def held_s(self) -> float:
        """Seconds of media in the system."""
        return self._held_s

    @property
    def requests(self) -> int:
        """Number of requests in the system."""
        return self._holds

    def _admit(self, seconds: float, account: Account) -> Hold:
        with self._condition:
            self._refuse_unless_fits(seconds, account)
            return self._enter(seconds, account)

    def _enter(self, seconds: float, account: Account) -> Hold:
        self._finished.pass_time(busy=self._holds > 0)
        self._held_s += seconds
        self._holds += 1
        self._holdings.add(account.name, seconds)
        return Hold(self, seconds, account)

    def _resize(self, hold: Hold, seconds: float) -> None:
        with self._condition:
            grown_s = seconds - hold.seconds
            full = self._held_s + grown_s > self.capacity_s or not self._holdings.fits(hold.owner, grown_s)
            if grown_s > 0 and self._holds > 1 and full:
                raise self._full(grown_s, hold.owner)
            self._held_s += grown_s
            self._holdings.add(hold.owner, grown_s)
            hold.seconds = seconds

    @contextmanager
    def _released(self, hold: Hold) -> Iterator[None]:
        """Release ``hold`` at the end of a ``with`` block."""
        done_s = 0.0
        try:
            yield
            done_s = hold.seconds  # failed work says nothing about the rate
        finally:
            self._release(hold, done_s)

    def _release(self, hold: Hold, done_s: float) -> None:
        with self._condition:
            self._finished.pass_time(busy=True)
            self._finished.add(done_s)
            self._holds -= 1
            self._held_s = self._held_s - hold.seconds if self._holds else 0.0
            self._holdings.add(hold.owner, -hold.seconds)
            self._condition.notify_all()

    def _refuse_unless_fits(self, seconds: float, account: Account) -> None:
        if self._draining:
            raise Draining(retry_after_s=LEAST_RETRY_S)
        taken_s = self._held_s + self._reserved_s
        full = taken_s >= self.capacity_s if seconds == 0 else taken_s + seconds > self.capacity_s
        if (self._holds or self._reserved_s) and (full or not self._holdings.fits(account.name, seconds)):
            raise self._full(seconds, account.name)

    def _full(self, seconds: float, owner: str) -> CapacityExceeded:
        """The refusal; its ``retry_after_s`` is the time to work off the excess at the recent rate."""
        self._finished.pass_time(busy=True)
        excess_s = max(self._held_s + seconds - self.capacity_s, self._holdings.excess(owner, seconds))
        return CapacityExceeded(retry_after_s=self._finished.retry_after_s(excess_s, unknown_s=LONGEST_RETRY_S))
