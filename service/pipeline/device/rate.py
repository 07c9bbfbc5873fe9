"""How fast work gets done, and so when there will be room."""

from __future__ import annotations

import math
from collections.abc import Callable

RATE_MEMORY_S = 30.0
"""Time constant over which the rate of finished work is averaged."""

LEAST_RETRY_S, LONGEST_RETRY_S = 1.0, 600.0


class DecayingRate:
    """Units finished per busy second, older work counting exponentially less. Not thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._finished = 0.0
        self._busy_s = 0.0

    def pass_time(self, *, busy: bool) -> None:
        """Account for the time since the last call. Idle time leaves the rate as it was."""
        elapsed_s, self._at = self._clock() - self._at, self._clock()
        if busy:
            kept = math.exp(-elapsed_s / RATE_MEMORY_S)
            self._finished *= kept
            self._busy_s = self._busy_s * kept + RATE_MEMORY_S * (1 - kept)

    def add(self, units: float) -> None:
        """So much was finished now."""
        self._finished += units

    def per_second(self) -> float:
        """Units a busy second; 0 where nothing was finished yet."""
        return self._finished / self._busy_s if self._busy_s else 0.0

    def retry_after_s(self, excess: float, unknown_s: float) -> float:
        """Seconds until ``excess`` units should be worked off at this rate, within sensible bounds.

        Args:
            excess: units over capacity.
            unknown_s: the answer where nothing was finished yet.
        """
        rate = self.per_second()
        if excess <= 0:
            return LEAST_RETRY_S
        return min(max(excess / rate if rate > 0 else unknown_s, LEAST_RETRY_S), LONGEST_RETRY_S)
