"""Whose job runs: as many at once as there are places; owners take turns, and an owner's jobs come in their order."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.pipeline.device.fair_round import FairRound

LOOK_S = 0.1
"""How often a waiting job looks whether it was cancelled."""

ARRIVAL_S = 5.0
"""So long an owner's jobs wait for an older one that was submitted but has not come for a place yet.

The engine begins a job a quarter of a second after it was submitted, several at once and in any order.
"""


@dataclass(eq=False)
class _Ticket:
    """A job of an owner, by its number among all: the older, the smaller."""

    owner: str
    number: int
    due_s: float
    called: threading.Event = field(default_factory=threading.Event)


class Turns:
    """Places for jobs. Thread-safe.

    Args:
        places: jobs at once.
        clock: seconds that never go back.
    """

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._free = places
        self._numbers = itertools.count()
        self._known: dict[str, _Ticket] = {}
        self._coming: set[str] = set()
        self._waiting: FairRound[_Ticket] = FairRound()

    @property
    def free(self) -> int:
        """Places that nobody has."""
        return self._free

    @property
    def waiting(self) -> int:
        """Jobs that wait for a place."""
        return len(self._waiting)

    def expect(self, owner: str, handle: str) -> None:
        """Note that a job was submitted and will come for a place; those that are expected later come after it."""
        with self._lock:
            self._known[handle] = _Ticket(owner, next(self._numbers), self._clock() + ARRIVAL_S)
            self._coming.add(handle)

    def forget(self, handle: str) -> None:
        """Wait for a job no longer: it has ended."""
        with self._lock:
            self._known.pop(handle, None)
            self._coming.discard(handle)
            self._call()

    def take(self, owner: str, handle: str, cancel: threading.Event) -> bool:
        """Wait for a place; False if ``cancel`` was set before there was one."""
        with self._lock:
            ticket = self._known.setdefault(handle, _Ticket(owner, next(self._numbers), 0.0))
            self._coming.discard(handle)
            ticket.called.clear()
            self._waiting.add(owner, ticket)
            self._call()
        while not ticket.called.wait(LOOK_S):
            with self._lock:
                self._call()  # an older job may be due by now
                if cancel.is_set() and not ticket.called.is_set():
                    self._waiting.remove(ticket)
                    return False
        return True

    def give_back(self) -> None:
        """Leave a place to whoever is next."""
        with self._lock:
            self._free += 1
            self._call()

    def _call(self) -> None:
        """Call as many as there are places; an owner whose older job is still to come is passed over.

        Wakes those alone that it calls: were all woken, each would wake all others again, without end.
        """
        if not (self._free and self._waiting):
            return
        now_s = self._clock()
        coming: dict[str, int] = {}
        for ticket in (self._known[handle] for handle in self._coming):
            if ticket.due_s > now_s:
                coming[ticket.owner] = min(ticket.number, coming.get(ticket.owner, ticket.number))
        while self._free:
            oldest: dict[str, _Ticket] = {}
            for ticket in self._waiting:
                if ticket.number <= oldest.setdefault(ticket.owner, ticket).number:
                    oldest[ticket.owner] = ticket
            late = {owner for owner, ticket in oldest.items() if coming.get(owner, ticket.number) < ticket.number}
            if len(late) == len(oldest):
                break
            ticket = oldest[self._waiting.next(but_not=late).owner]
            self._waiting.remove(ticket)
            ticket.called.set()
            self._free -= 1
