"""Accounts that work is charged to: limits of one client (429) apart from those of the service (503), fair turns.

The account travels in the request's context, across threads, and not in signatures: only admission and the two queues
read it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Account(Protocol):
    """The account of one client. Thread-safe."""

    @property
    def name(self) -> str:
        """Name under which the account's work takes turns; equal names share one turn."""

    def take(self, seconds: float) -> None:
        """Add ``seconds`` of media to the system.

        Raises:
            RateLimited: a limit of this account is reached; nothing was added.
        """

    def resize(self, before_s: float, after_s: float) -> None:
        """Replace the estimated length of one recording, ``before_s``, by its true one.

        Raises:
            RateLimited: a limit of this account is reached; nothing was changed.
        """

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        """Remove ``seconds`` from the system; ``unused`` refunds them, because no work was done."""


class Unlimited:
    """An account without limits, for work without credentials."""

    name = "anonymous"

    def take(self, seconds: float) -> None:
        """Permit everything."""

    def resize(self, before_s: float, after_s: float) -> None:
        """Permit everything."""

    def give_back(self, seconds: float, *, unused: bool = False) -> None:
        """Count nothing."""


_current: contextvars.ContextVar[Account | None] = contextvars.ContextVar("account", default=None)


def current_account() -> Account:
    """The account of the current context."""
    return _current.get() or Unlimited()


@contextmanager
def charged_to(account: Account) -> Iterator[None]:
    """Charge the work of a ``with`` block, and work submitted in it, to ``account``."""
    token = _current.set(account)
    try:
        yield
    finally:
        _current.reset(token)
