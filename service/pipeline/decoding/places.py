"""Places at the decoders, which owners take in turn: nobody's heavy work keeps another's waiting."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.pipeline.device.account import current_account
from service.pipeline.device.fair_round import FairRound
from service.pipeline.device.rate import LEAST_RETRY_S
from service.pipeline.device.task import WAKE_S, Cancelled
from service.problems import DecoderUnavailable

SLICE_S: Final = 0.5
"""Seconds for which work keeps a place that another owner waits for."""


class Place:
    """A place of one piece of work, or its wait for one."""

    def __init__(self, places: "Places", owner: str) -> None:
        self._places = places
        self.owner = owner
        self.given = threading.Event()
        self.since = 0.0

    def give_way(self, timeout_s: float, cancel: threading.Event | None) -> float:
        """Let another owner go first who waits, once the slice is over; returns the seconds without a place.

        Raises:
            DecoderUnavailable, Cancelled: as :meth:`Places.hold`.
        """
        began = time.monotonic()
        if began - self.since < SLICE_S or not self._places.swap(self):
            return 0.0
        self._places.wait(self, timeout_s, cancel)
        return time.monotonic() - began


class Places:
    """A number of places. Thread-safe. The owner with the fewest goes first; owners with equally many take turns.

    Args:
        count: number of places.
        most_each: most places of one owner; None for all.
    """

    def __init__(self, count: int, most_each: int | None = None) -> None:
        self._most_each = most_each or count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: FairRound[Place] = FairRound()
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, timeout_s: float, cancel: threading.Event | None = None) -> Iterator[Place]:
        """Wait for a place on the current account, and keep it for the length of a ``with`` block.

        Raises:
            DecoderUnavailable: none came within ``timeout_s``.
            Cancelled: ``cancel`` was set.
        """
        place = Place(self, current_account().name)
        with self._lock:
            self._waiting.add(place.owner, place)
            self._give()
        try:
            self.wait(place, timeout_s, cancel)
            yield place
        finally:
            with self._lock:
                if place.given.is_set():
                    self._take_back(place)
                    self._give()
                else:
                    self._waiting.remove(place)

    def wait(self, place: Place, timeout_s: float, cancel: threading.Event | None) -> None:
        """Wait until ``place`` is given; raises as :meth:`hold`."""
        ends_at = time.monotonic() + timeout_s
        while not place.given.wait(min(WAKE_S, max(0.0, ends_at - time.monotonic()))):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            if time.monotonic() >= ends_at:
                raise DecoderUnavailable(retry_after_s=max(LEAST_RETRY_S, timeout_s))  # as long again

    def swap(self, place: Place) -> bool:
        """Give ``place`` to another owner who waits, and queue its own again; False if nobody waits."""
        with self._lock:
            others = {one.owner for one in self._waiting if self._held[one.owner] < self._most_each} - {place.owner}
            if not others:
                return False
            self._take_back(place)
            self._give(but_not=place.owner)
            self._waiting.add(place.owner, place)
            return True

    def _take_back(self, place: Place) -> None:
        place.given.clear()
        self._free += 1
        self._held[place.owner] -= 1
        self._held += Counter()  # forgets whom it counts no more

    def _give(self, but_not: str | None = None) -> None:
        """Give free places to those whose turn it is. The lock is held."""
        while self._free:
            owners = {one.owner for one in self._waiting if self._held[one.owner] < self._most_each} - {but_not}
            if not owners:
                return
            fewest = min(self._held[owner] for owner in owners)
            later = {one.owner for one in self._waiting} - {one for one in owners if self._held[one] == fewest}
            place = self._waiting.next(but_not=later)
            self._waiting.remove(place)
            self._held[place.owner] += 1
            self._free -= 1
            place.since = time.monotonic()
            place.given.set()
