"""Shapes of the JSON answers about jobs, for the OpenAPI document."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from service.jobs.job import JobState
from service.schemas.audio import Answer


class JobProblem(Answer):
    """Why a job failed."""

    code: str = Field(description="never changes its meaning; see /v1/problems", examples=["media_truncated"])
    title: str = Field(examples=["The recording is cut off."])


class JobAnswer(Answer):
    """A job."""

    id: str = Field(description="whoever knows it may read the result", examples=["fWm0rEzGmAqJ8m5vXyTz3nN0aQk"])
    kind: Literal["audio-emotion", "video-affect"]
    state: JobState
    progress: float = Field(description="share that is done and written down, 0…1", ge=0, le=1, examples=[0.42])
    size_bytes: int = Field(description="bytes of the recording", ge=0)
    created_at: datetime
    started_at: datetime | None = Field(None, description="null while it waits")
    finished_at: datetime | None = Field(None, description="null until it has ended")
    result_expires_at: datetime | None = Field(None, description="when the result will be deleted; null without one")
    problem: JobProblem | None = Field(None, description="null unless it failed")


class JobListAnswer(Answer):
    """Some jobs of a caller."""

    jobs: list[JobAnswer] = Field(description="newest first")
    next_cursor: str | None = Field(description="cursor of the jobs that follow; null where there are none")


class JobProgress(Answer):
    """Data of the event 'progress'."""

    progress: float = Field(ge=0, le=1)
