"""How long each stage of a request took, and when."""

from __future__ import annotations

import time


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
