"""What jobs cost their owners: seconds of media a minute, as requests do; a job waits where a request is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from service.access.caller import ANONYMOUS
from service.jobs.job import Job
from service.jobs.part import FACES, SPEECH
from service.pipeline.device.account import Unlimited

if TYPE_CHECKING:
    from service.access.accounts import Accounts

CHARGED_PARTS: Final = {"audio-emotion": SPEECH, "video-affect": FACES}
"""The part of each kind of job whose seconds of media count: a recording is paid for once, however often it is read."""


class Allowance(Protocol):
    """An owner's account; :class:`~service.access.accounts.LimitedAccount` is one."""

    def collect(self, seconds: float) -> float:
        """Take up to ``seconds`` of media, as much as may be had now, and tell how many."""


Allowances = Callable[[Job], Allowance | None]
"""The account of a job's owner; None where nothing is counted."""


def no_allowances(_job: Job) -> None:
    """Count nothing."""


def allowances_of(accounts: Accounts) -> Allowances:
    """The accounts that requests are charged to; nothing is counted for jobs that were made without credentials."""
    return lambda job: None if job.caller == ANONYMOUS.owner else accounts.owned_by(job.caller, job.key_limits)


class OwnersName(Unlimited):
    """The account that a segment runs on: it takes turns on the device as its owner, and has been paid for otherwise.

    Args:
        owner: of the job.
    """

    def __init__(self, owner: str) -> None:
        self.name = owner
