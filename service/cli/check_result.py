"""Result of one check of ``emoserve check``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from service.cli.terminal import failure_line
from service.local.sources import printable

Made = TypeVar("Made")


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


def tried(name: str, action: Callable[[], str]) -> Check:
    """The check ``name``, whose detail is what ``action`` returns, or the reason why it failed."""
    detail, problem = attempt(action)
    return Check(name, ok=detail is not None, detail=detail or problem)


def attempt(action: Callable[[], Made]) -> tuple[Made | None, str]:
    """The result of ``action``, or None and the reason: whatever goes wrong is what a check is for."""
    try:
        return action(), ""
    except Exception as error:
        return None, failure_line(error) or printable(f"{type(error).__name__}: {' '.join(str(error).split())}")
