"""Waits of a job before each segment: for its owner's allowance of media, and for a place.

A job costs its owner seconds of media a minute, as a request does. Where a request is refused, a job waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from service.access.caller import ANONYMOUS
from service.jobs.job import Job
from service.jobs.live import LiveJob
from service.jobs.part import FACES, SPEECH
from service.jobs.queue import JobQueue
from service.pipeline.device.task import Cancelled

if TYPE_CHECKING:
    from service.access.accounts import Accounts, LimitedAccount

CHARGED_PARTS: Final = {"audio-emotion": SPEECH, "video-affect": FACES}
"""The one part of each kind of job whose media is charged: a recording is paid for once, however often it is read."""

PAY_WAIT_S: Final = 1.0
"""Interval at which an unpaid job asks its owner's account again."""

Allowances = Callable[[Job], "LimitedAccount | None"]
"""The account that pays for a job; None where nothing is counted."""


def allowances_of(accounts: Accounts) -> Allowances:
    """The accounts that requests are charged to too; a job made without credentials is not charged."""
    return lambda job: None if job.caller == ANONYMOUS.owner else accounts.owned_by(job.caller, job.key_limits)


class Waits:
    """Waits of a job before each segment, for a place and its owner's allowance. Used by the job's thread alone."""

    def __init__(self, queue: JobQueue, allowances: Allowances) -> None:
        self._queue = queue
        self._allowances = allowances

    def enter(self, job: Job, live: LiveJob) -> None:
        """Wait until the next segment may begin.

        Raises:
            Cancelled: the job was cancelled, or the service stops.
        """
        self._pay(job, live)
        if not live.has_place:
            live.has_place = self._queue.take(job.caller, job.handle, live.cancel)
        if not live.has_place:
            raise Cancelled

    def leave(self, handle: str, live: LiveJob) -> None:
        """Give the job's place back for good."""
        self._give_back(live)
        self._queue.forget(handle)

    def _pay(self, job: Job, live: LiveJob) -> None:
        """Wait until the account covers what the job owes; the place goes to another job meanwhile.

        Raises:
            Cancelled: the job was cancelled, or the service stops.
        """
        allowance = self._allowances(job) if live.owed_s > 0 else None
        if allowance is None:
            live.owed_s = 0.0
        while allowance is not None and live.owed_s > 0:
            live.owed_s -= allowance.collect(live.owed_s)
            if live.owed_s > 0:
                live.let_go()
                self._give_back(live)
                if live.cancel.wait(PAY_WAIT_S):
                    raise Cancelled

    def _give_back(self, live: LiveJob) -> None:
        if live.has_place:
            live.has_place = False
            self._queue.give_back()
