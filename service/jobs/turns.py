"""Whose job runs: as many at once as there are places, and of those that wait, owners take turns."""

from __future__ import annotations

import threading

from service.pipeline.device.fair_round import FairRound

LOOK_S = 0.1
"""How often a waiting job looks whether it was cancelled."""


class Turns:
    """Places for jobs. Thread-safe.

    Args:
        places: jobs at once.
    """

    def __init__(self, places: int) -> None:
        self._changed = threading.Condition()
        self._free = places
        self._waiting: FairRound[object] = FairRound()
        self._called: set[object] = set()

    def take(self, owner: str, cancel: threading.Event) -> bool:
        """Wait for a place; False if ``cancel`` was set before there was one."""
        ticket = object()
        with self._changed:
            self._waiting.add(owner, ticket)
            self._call()
            while ticket not in self._called:
                if cancel.is_set():
                    self._waiting.remove(ticket)
                    return False
                self._changed.wait(LOOK_S)
            self._called.remove(ticket)
            return True

    def give_back(self) -> None:
        """Leave a place to whoever is next."""
        with self._changed:
            self._free += 1
            self._call()

    def _call(self) -> None:
        while self._free and self._waiting:
            ticket = self._waiting.next()
            self._waiting.remove(ticket)
            self._called.add(ticket)
            self._free -= 1
        self._changed.notify_all()
