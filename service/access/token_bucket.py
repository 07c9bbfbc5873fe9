"""An allowance that refills steadily."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Allowance per minute, of which a whole minute's may be used at once. Not thread-safe.

    What costs more than a whole minute's allowance is permitted when the bucket is full, and leaves a debt: it
    could never be permitted otherwise, and the average holds all the same.

    Args:
        per_minute: allowance, and the most that is saved up.
        clock: monotonic seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._level = per_minute
        self._at = clock()

    @property
    def level(self) -> float:
        """Rest of the allowance; below 0 is debt."""
        now = self._clock()
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        return self._level

    def wait_s(self, amount: float) -> float:
        """Seconds until ``amount`` may be spent; 0 if now."""
        return max(min(amount, self.per_minute) - self.level, 0.0) * 60 / self.per_minute

    def spend(self, amount: float) -> None:
        """Use ``amount``, whether it is there or not; a negative one is given back."""
        self._level = self.level - amount

    @property
    def full_in_s(self) -> float:
        """Seconds until nothing of the allowance is missing."""
        return self.wait_s(self.per_minute)
