"""The work of one request: its deadline, cancellation, progress and the times of its stages."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

WAKE_S = 0.1
"""Interval at which a waiting caller checks whether it was cancelled; finished work wakes it at once."""


class Cancelled(Exception):
    """The caller's ``cancel`` event was set before the work was done."""


class StageTimes(dict[str, float]):
    """Seconds of each stage, in the order in which the stages began.

    Attributes:
        spans: first begin and last end of each stage, as ``time.monotonic()``. A repeated stage such as 'queue' may
            have been idle in between.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spans: dict[str, tuple[float, float]] = {}

    def add(self, stage: str, seconds: float, ended_ago_s: float = 0.0) -> None:
        """Add ``seconds``, which ended ``ended_ago_s`` ago, to a stage's time."""
        ended_at = time.monotonic() - ended_ago_s
        began_at = self.spans.get(stage, (ended_at - seconds, ended_at))[0]
        self.spans[stage] = (began_at, ended_at)
        self[stage] = self.get(stage, 0.0) + seconds

    def include(self, others: dict[str, float]) -> None:
        """Add the stages of another part of the request."""
        self.update(others)
        if isinstance(others, StageTimes):
            self.spans.update(others.spans)


Observe = Callable[[str, float, dict[str, str]], None]
"""Observer of measurements, called with name, value and labels: stage_seconds {stage}, batch_windows {device},
batch_seconds {device} or batch_padding_ratio {}."""


def observe_nothing(name: str, value: float, labels: dict[str, str]) -> None:
    """Ignore a measurement."""


@dataclass
class Work:
    """State that one request carries through the stages.

    Attributes:
        deadline: time, as ``time.monotonic()``, at which waiting ends.
        cancel: set by another thread when the result is no longer wanted.
        progress: called with the share of the work that is done, 0…1.
        stages_s: seconds of each stage so far.
    """

    deadline: float
    cancel: threading.Event | None = None
    progress: Callable[[float], None] | None = None
    stages_s: StageTimes = field(default_factory=StageTimes)

    @classmethod
    def within(
        cls, deadline_s: float, cancel: threading.Event | None = None, progress: Callable[[float], None] | None = None
    ) -> "Work":
        """Work that must be done ``deadline_s`` seconds from now."""
        return cls(time.monotonic() + deadline_s, cancel, progress)

    def raise_if_cancelled(self) -> None:
        """Raises :class:`Cancelled` once the result is no longer wanted."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a ``with`` block."""
        began_at = time.monotonic()
        yield
        self.took(name, time.monotonic() - began_at)

    def took(self, stage: str, seconds: float, ended_ago_s: float = 0.0) -> None:
        """Add to a stage's time; see :meth:`StageTimes.add`."""
        self.stages_s.add(stage, seconds, ended_ago_s)

    def report(self, done: float) -> None:
        """Report the share of the work that is done, 0…1."""
        if self.progress is not None:
            self.progress(min(done, 1.0))

    def part(self, begin: float, end: float) -> "Work":
        """The same request for a part of the work: its progress 0…1 is this work's ``begin``…``end``."""
        whole = self.progress
        if whole is None:
            return self
        return replace(self, progress=lambda share: whole(begin + (end - begin) * min(share, 1.0)))
