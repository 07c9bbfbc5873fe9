"""On whose account work is done: who has used up a share of their own is refused, and nobody's work waits
for all of somebody else's (serving_notes 1.1 and 3.2: fair shares, 429 apart from 503).

The account goes with the context of the request through threads, not through every signature: it concerns
admission and the two queues, and nothing between them.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Account(Protocol):
    """Whoever pays for work. Thread-safe."""

    @property
    def name(self) -> str:
        """Work of equal names takes turns as one party."""

    def take(self, seconds: float) -> None:
        """Bring ``seconds`` of media into the system.

        Raises:
            RateLimited: this account's own limits are reached; nothing was taken.
        """

    def resize(self, before_s: float, after_s: float) -> None:
        """Correct what one recording was taken for.

        Raises:
            RateLimited: this account may not have so much in the system; nothing was changed.
        """

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        """Take ``seconds`` out of the system again; ``unused`` says that no work was done for them."""


class Unlimited:
    """An account without limits, for work that nobody signed for."""

    name = "anonymous"

    def take(self, seconds: float) -> None:
        """Permit everything."""

    def resize(self, before_s: float, after_s: float) -> None:
        """Permit everything."""

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        """Count nothing."""


_current: contextvars.ContextVar[Account | None] = contextvars.ContextVar("account", default=None)


def current_account() -> Account:
    """The account of the context that calls."""
    return _current.get() or Unlimited()


@contextmanager
def charged_to(account: Account) -> Iterator[None]:
    """Do the work of a ``with`` block, and what is submitted or relayed in it, on ``account``."""
    token = _current.set(account)
    try:
        yield
    finally:
        _current.reset(token)
