"""Accounts that work is charged to: limits of one client (429) apart from those of the service (503), fair turns.

The account travels in the request's context, across threads, and not in signatures: only admission and the queues read
it.
"""

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

SHARE_OF_ONE: Final = 7 / 8
"""Largest share of what all work has in common that one account may hold, so that others find room."""

_NOTHING: Final = 1e-6  # what rounding leaves of a sum of seconds


class Holdings:
    """Share of each account in something that all have in common. Not thread-safe.

    Args:
        whole: all of it.
    """

    def __init__(self, whole: float) -> None:
        self.most = SHARE_OF_ONE * whole
        self._held: dict[str, float] = {}

    def fits(self, name: str, more: float) -> bool:
        """Whether the account ``name`` may hold ``more`` than it does."""
        return self.excess(name, more) <= 0.0

    def excess(self, name: str, more: float) -> float:
        """How much more than its share the account ``name`` would hold with ``more``; negative where it fits."""
        return self._held.get(name, 0.0) + more - self.most

    def add(self, name: str, amount: float) -> None:
        """Note that the account ``name`` holds ``amount`` more, or less where it is negative."""
        self._held[name] = self._held.get(name, 0.0) + amount
        if self._held[name] < _NOTHING:
            del self._held[name]


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


@dataclass(frozen=True)
class Unlimited:
    """An account without limits: it only takes turns under its name."""

    name: str = "anonymous"

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
