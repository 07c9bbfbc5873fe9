"""Answers about jobs, which judge long recordings in the background."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from emoserve_client.common_answers import Document, Record


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether the job stays in this state."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Job(Record):
    """State and progress of a job.

    Attributes:
        progress: share of the work that is done, 0…1.
        problem: problem document that says why the job failed, or None.
    """

    id: str
    state: JobState
    progress: float
    problem: Document | None
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        return cls(raw["id"], JobState(raw["state"]), float(raw.get("progress") or 0.0), raw.get("problem"), raw)


@dataclass(frozen=True)
class JobPage(Record):
    """Some jobs of the caller, newest first; ``next_cursor`` asks for those that follow, None where there are none."""

    jobs: Sequence[Job]
    next_cursor: str | None
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Self:
        """Read a JSON document."""
        return cls(tuple(Job.read(job) for job in raw["jobs"]), raw["next_cursor"], raw)
