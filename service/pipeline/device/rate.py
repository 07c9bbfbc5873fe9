"""Rate of finished work, and the retry times estimated from it."""

import math
from collections.abc import Callable

RATE_MEMORY_S = 30.0
"""Time constant of the average, seconds."""

LEAST_RETRY_S, LONGEST_RETRY_S = 1.0, 600.0
"""Bounds of every ``Retry-After``, seconds."""


class DecayingRate:
    """Units finished per busy second, an exponentially weighted average. Not thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._finished = 0.0
        self._busy_s = 0.0

    def pass_time(self, *, busy: bool) -> None:
        """Count the time since the last call; idle time leaves the rate unchanged."""
        elapsed_s, self._at = self._clock() - self._at, self._clock()
        if busy:
            kept = math.exp(-elapsed_s / RATE_MEMORY_S)
            self._finished *= kept
            self._busy_s = self._busy_s * kept + RATE_MEMORY_S * (1 - kept)

    def add(self, units: float) -> None:
        """Count ``units`` as finished now."""
        self._finished += units

    def per_second(self) -> float:
        """Units per busy second; 0 before the first unit is finished."""
        return self._finished / self._busy_s if self._busy_s else 0.0

    def retry_after_s(self, excess: float, unknown_s: float) -> float:
        """Seconds to work off ``excess`` units at this rate, within the bounds of ``Retry-After``.

        ``unknown_s`` before the first unit is finished.
        """
        rate = self.per_second()
        if excess <= 0:
            return LEAST_RETRY_S
        return min(max(excess / rate if rate > 0 else unknown_s, LEAST_RETRY_S), LONGEST_RETRY_S)
