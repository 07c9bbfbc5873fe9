"""Foresight on long work: what cannot be done in time is refused as soon as its speed tells, not at its deadline."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.pipeline.device.rate import LEAST_RETRY_S, LONGEST_RETRY_S
from service.problems import CapacityExceeded, MediaTooLong, Problem

WINDOW_S: Final = 5.0
"""Seconds over which speed is measured: other work begins and ends beside it. Longer pauses are waits for a place."""

LEAST_S: Final = 3.0
"""Seconds after which a speed is believed."""

LOOK_S: Final = 0.25
"""Interval at which the share that is done is noted."""

MARGIN: Final = 1.5
"""Work is late if its rest takes so many times the time that is left: a few seconds are not the whole file."""

Reach = Callable[[float], None]
"""Told the share of a piece of work that is done, 0…1; raises the refusal of work that comes too late."""


class _Pace:
    """Speed of one piece of work."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.left_s = 0.0
        self.is_late = False
        self._marks: deque[tuple[float, float]] = deque()

    @property
    def runs(self) -> bool:
        """Whether something of it is done already."""
        return bool(self._marks)

    @property
    def span_s(self) -> float:
        """Seconds over which its speed is known."""
        return self._marks[-1][0] - self._marks[0][0] if self._marks else 0.0

    def measure_anew(self) -> None:
        """Forget its speed: other work has made room."""
        self._marks.clear()
        self.is_late = False

    def note(self, now: float, share: float) -> None:
        """Note the share that is done at a moment."""
        marks = self._marks
        if marks and now - marks[-1][0] < LOOK_S:
            return
        if marks and now - marks[-1][0] > WINDOW_S:
            marks.clear()
        marks.append((now, share))
        while len(marks) > 1 and now - marks[1][0] >= WINDOW_S:
            marks.popleft()
        if self.span_s >= LEAST_S:
            done = share - marks[0][1]
            self.left_s = (1.0 - share) * self.span_s / done if done > 0 else math.inf
            self.is_late = self.left_s > MARGIN * (self.ends_at - now)


class Paces:
    """Follows all long work of a service. Of several pieces that come too late the youngest gives way. Thread-safe.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: list[_Pace] = []

    @contextmanager
    def follow(self, ends_at: float, job: str) -> Iterator[Reach]:
        """Follow a piece of work for the length of a ``with`` block.

        Args:
            ends_at: when it must be done, by the clock.
            job: kind of the job that takes as long as it likes.

        Yields:
            See :data:`Reach`. It raises MediaTooLong where nothing else is to blame, else CapacityExceeded.
        """
        pace = _Pace(ends_at)
        with self._lock:
            self._under_way.append(pace)
        try:
            yield lambda share: self._reach(pace, share, job)
        finally:
            with self._lock:
                self._under_way.remove(pace)

    def _reach(self, pace: _Pace, share: float, job: str) -> None:
        if not 0.0 < share < 1.0:  # nothing is known, or the header claimed too little
            return
        with self._lock:
            pace.note(self._clock(), share)
            younger = self._under_way[self._under_way.index(pace) + 1 :]
            if not pace.is_late or any(one.is_late or (one.runs and one.span_s < LEAST_S) for one in younger):
                return
            others = [one for one in self._under_way if one.runs and one is not pace]
            refusal = _refusal(job, [one.left_s for one in others])
            for one in others:
                one.measure_anew()
        raise refusal


def _refusal(job: str, others_left_s: list[float]) -> Problem:
    """The refusal of work that comes too late, beside other work that takes so many seconds more."""
    way_out = f"send it as a job (POST /v1/jobs/{job})"
    if not others_left_s:
        return MediaTooLong(f"The recording takes longer than a request may: {way_out}.")
    retry_after_s = min(max(LEAST_RETRY_S, *others_left_s), LONGEST_RETRY_S)
    return CapacityExceeded(
        f"The recording takes longer than a request may, beside those under way: send it later, or {way_out}.",
        retry_after_s=retry_after_s,
    )
