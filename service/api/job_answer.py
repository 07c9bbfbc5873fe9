"""A job as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from service.jobs.job import Job
from service.problems import InternalError, Problem, all_problems
from service.schemas.jobs import JobAnswer, JobProblem

if TYPE_CHECKING:
    from service.jobs.jobs import Jobs


def job_answer(jobs: Jobs, job: Job) -> JobAnswer:
    """Describe ``job`` for its client."""
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        state=job.state,
        progress=round(job.progress, 4),
        size_bytes=job.size_bytes,
        created_at=_moment(job.created_s),
        started_at=None if job.started_s is None else _moment(job.started_s),
        finished_at=None if job.finished_s is None else _moment(job.finished_s),
        result_expires_at=None if (expires_s := jobs.expires_s(job)) is None else _moment(expires_s),
        problem=None if job.problem_code is None else _problem(job.problem_code),
    )


def job_address(job: Job) -> str:
    """Address of a job."""
    return f"/v1/jobs/{job.id}"


def _problem(code: str) -> JobProblem:
    known: list[type[Problem]] = [InternalError, *all_problems()]
    kinds = {kind.code: kind for kind in known}
    return JobProblem(code=code, title=kinds[code].title)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
