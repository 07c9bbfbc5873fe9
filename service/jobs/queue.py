"""The queue of jobs: a fixed number run at once, owners take turns, and each owner's jobs run oldest first."""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.pipeline.device.fair_round import FairRound

LOOK_S = 0.1
"""Interval at which a waiting job checks whether it was cancelled."""

ARRIVAL_S = 5.0
"""Longest wait for an owner's older job before a newer one starts.

The engine begins jobs in threads of their own, after a restart within some seconds, in any order.
"""


@dataclass(eq=False)
class _Ticket:
    """One job in the queue; an older job has the smaller number."""

    owner: str
    number: int
    due_s: float
    called: threading.Event = field(default_factory=threading.Event)


class JobQueue:
    """Hands out the ``places`` for running jobs. Thread-safe."""

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
        """Number of free places."""
        return self._free

    @property
    def unclaimed(self) -> int:
        """Number of free places that no job waits for or comes for."""
        with self._lock:
            return max(self._free - len(self._waiting) - len(self._coming), 0)

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for a place."""
        return len(self._waiting)

    def expect(self, owner: str, handle: str) -> None:
        """Note a job that was submitted and will ask for a place. Jobs are ordered by these calls."""
        with self._lock:
            self._known[handle] = _Ticket(owner, next(self._numbers), self._clock() + ARRIVAL_S)
            self._coming.add(handle)

    def forget(self, handle: str) -> None:
        """Drop a job that has ended."""
        with self._lock:
            self._known.pop(handle, None)
            self._coming.discard(handle)
            self._call()

    def take(self, owner: str, handle: str, cancel: threading.Event) -> bool:
        """Wait for a place; False if ``cancel`` was set first."""
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
        """Pass a place on to the next job."""
        with self._lock:
            self._free += 1
            self._call()

    def _call(self) -> None:
        """Wake one waiting job for each free place; owners whose older job is still expected are passed over.

        Only the chosen jobs are woken: if all were, each would wake all others again, without end.
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
