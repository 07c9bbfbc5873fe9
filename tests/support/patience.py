"""Waiting in tests: for a condition, and for how long before a test counts as hung."""

import time
from collections.abc import Callable, Iterator

HANG_S = 60.0
"""Time after which anything that a test waits for counts as hung; nothing here usually takes more than 3 s."""

SHORTEST_S, LONGEST_S = 0.005, 0.05


def wait_until(condition: Callable[[], object], timeout_s: float = HANG_S) -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: it does not within ``timeout_s``.
    """
    ends_s = time.monotonic() + timeout_s
    pauses = pauses_s()
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(next(pauses))


def pauses_s(first_s: float = SHORTEST_S) -> Iterator[float]:
    """Pauses between two looks, each a tenth of the wait so far: what takes seconds is looked at less often."""
    waited_s = 0.0
    while True:
        pause_s = min(max(first_s, waited_s / 10), LONGEST_S)
        yield pause_s
        waited_s += pause_s
