"""The states of a job and the ways between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """Where a job stands. Clients see these names; they never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing of the job is done any more."""
        return self not in UNFINISHED


UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING)

NEXT: Final[dict[JobState, frozenset[JobState]]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.RUNNING: frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.SUCCEEDED: frozenset({JobState.EXPIRED}),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.EXPIRED: frozenset(),
}
"""A job only ever goes these ways; a result that is deleted makes a job 'expired'."""


def states_before(state: JobState) -> tuple[JobState, ...]:
    """The states from which a job may enter ``state``."""
    return tuple(before for before, after in NEXT.items() if state in after)
