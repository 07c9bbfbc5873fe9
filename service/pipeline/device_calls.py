"""Steps of a video as work for the device threads: any call, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from service.problems import Problem


class Calls:
    """Runs anything, one at a time: a step of a video is no batch. A problem is an answer, not a failure."""

    max_batch = 1

    def key(self, unit: Callable[[], Any]) -> Hashable:
        """None share a run."""
        return id(unit)

    def run(self, units: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run each."""
        return [_attempt(unit) for unit in units]


CALLS = Calls()
"""Has no state: one is enough."""


def _attempt(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - a call gives what it gives
    try:
        return call()
    except Problem as problem:
        return problem
