"""Waiting in tests: for a condition, and for how long before a test counts as hung."""

import time
from collections.abc import Callable

HANG_S = 60.0
"""Time after which anything that a test waits for counts as hung; nothing here usually takes more than 3 s."""


def wait_until(condition: Callable[[], object], timeout_s: float = HANG_S) -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: it does not within ``timeout_s``.
    """
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.005)
