"""One request on its way: its deadline, how far it is, how long each stage took, and who decodes for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from service.pipeline.results import FloatArray, MediaInfo


class StageTimes(dict[str, float]):
    """Seconds by stage, in the order in which the stages began.

    Attributes:
        spans: by stage, the moments of ``time.monotonic()`` at which it began first and ended last. A stage that
            was entered several times, such as 'queue', may have been idle in between.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spans: dict[str, tuple[float, float]] = {}

    def add(self, stage: str, seconds: float, ended_ago_s: float = 0.0) -> None:
        """Add to a stage's time.

        Args:
            stage: its name.
            seconds: how long it took this time.
            ended_ago_s: how long ago it ended.
        """
        ended_at = time.monotonic() - ended_ago_s
        began_at = self.spans.get(stage, (ended_at - seconds, ended_at))[0]
        self.spans[stage] = (began_at, ended_at)
        self[stage] = self.get(stage, 0.0) + seconds

    def include(self, others: dict[str, float]) -> None:
        """Take over the stages of another part of the request."""
        self.update(others)
        if isinstance(others, StageTimes):
            self.spans.update(others.spans)


Observe = Callable[[str, float, dict[str, str]], None]
"""Told stage_seconds {stage}, batch_windows {device}, batch_seconds {device} and batch_padding_ratio {}."""


def observe_nothing(name: str, value: float, labels: dict[str, str]) -> None:
    """Take a measurement and forget it."""


class Decoded(Protocol):
    """What a decoder gives."""

    @property
    def samples(self) -> FloatArray:
        """float32 [channels, n] at the rate that was asked for."""

    @property
    def media(self) -> MediaInfo:
        """What was found in the container."""

    @property
    def flags(self) -> tuple[str, ...]:
        """Remarks on the recording, such as 'clipped'."""


class AudioDecoder(Protocol):
    """Turns uploads into samples; raises problems."""

    def audio(
        self, data: bytes | memoryview, *, target_rate_hz: int, start_s: float | None, end_s: float | None
    ) -> Decoded:
        """Decode the sound of ``data`` between two times."""


@dataclass
class Work:
    """What one request carries through the stages.

    Attributes:
        deadline: moment of ``time.monotonic()`` at which waiting ends.
        cancel: set by someone else when nobody waits any more.
        progress: told the share of the work that is done, 0…1.
        stages_s: seconds of each stage so far.
    """

    deadline: float
    cancel: threading.Event | None = None
    progress: Callable[[float], None] | None = None
    stages_s: StageTimes = field(default_factory=StageTimes)

    @classmethod
    def within(
        cls,
        deadline_s: float,
        cancel: threading.Event | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Work:
        """Work that must be done ``deadline_s`` seconds from now."""
        return cls(time.monotonic() + deadline_s, cancel, progress)

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
        """Tell whoever watches."""
        if self.progress is not None:
            self.progress(min(done, 1.0))

    def part(self, begin: float, end: float) -> Work:
        """The same request, for a stretch of the work: its 0…1 is this work's ``begin``…``end``."""
        whole = self.progress
        if whole is None:
            return self
        return replace(self, progress=lambda share: whole(begin + (end - begin) * min(share, 1.0)))
