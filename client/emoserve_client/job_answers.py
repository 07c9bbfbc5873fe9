"""Jobs: the same work for long recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from emoserve_client.common_answers import Document


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether it stays so."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        progress: share of the work that is done, 0…1.
        problem: why it failed, as a problem document, or None.
    """

    id: str
    state: JobState
    progress: float
    problem: Document | None
    raw: Document = field(repr=False)

    @classmethod
    def read(cls, raw: Document) -> Job:
        """Out of a JSON document."""
        return cls(raw["id"], JobState(raw["state"]), float(raw.get("progress") or 0.0), raw.get("problem"), raw)
