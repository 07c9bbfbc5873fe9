"""What a job waits for before each segment: that its owner may use more seconds of media, and a place."""

from __future__ import annotations

from typing import Final

from service.jobs.dues import Allowances
from service.jobs.job import Job
from service.jobs.live import LiveJob
from service.jobs.turns import Turns
from service.pipeline.device.batch import Cancelled

PAY_WAIT_S: Final = 1.0
"""How often a job looks whether its owner may use more seconds of media."""


class Waits:
    """Called by the job's own thread alone.

    Args:
        turns: places for jobs; a job has one while it is worked on.
        allowances: what owners of jobs may use.
    """

    def __init__(self, turns: Turns, allowances: Allowances) -> None:
        self._turns = turns
        self._allowances = allowances

    def enter(self, job: Job, live: LiveJob) -> None:
        """Wait until the next segment may begin.

        Raises:
            Cancelled
        """
        self._pay(job, live)
        if not live.has_turn:
            live.has_turn = self._turns.take(job.caller, job.handle, live.cancel)
        if not live.has_turn:
            raise Cancelled

    def leave(self, handle: str, live: LiveJob) -> None:
        """Give the place back: nothing more of the job will be done."""
        self._give_back(live)
        self._turns.forget(handle)

    def _pay(self, job: Job, live: LiveJob) -> None:
        """Wait until the owner may use what was used; meanwhile another's job runs.

        Raises:
            Cancelled
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
        if live.has_turn:
            live.has_turn = False
            self._turns.give_back()
