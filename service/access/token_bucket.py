"""An allowance that refills steadily."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Allowance per minute. A full bucket holds one minute's. Not thread-safe.

    A cost above a whole minute's allowance is permitted when the bucket is full, and leaves a debt; otherwise it could
    never be permitted. The average holds all the same.
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
