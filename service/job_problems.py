"""What can go wrong with jobs alone; the rest of the tree is in ``problems.py``."""

from __future__ import annotations

from service.problems import NotFound, Problem, Unavailable


class JobNotFound(NotFound):
    """No job of that id, or one of another caller, or one that was forgotten."""

    code, title = "job_not_found", "There is no such job."


class IdempotencyConflict(Problem):
    """The same idempotency key with another request."""

    status, code, title = 409, "idempotency_conflict", "This idempotency key was used with another request."


class JobNotReady(Problem):
    """The job waits or runs."""

    status, code, title = 409, "job_not_ready", "The job has not finished yet."


class JobNotSucceeded(Problem):
    """The job ended without a result; its own state says why."""

    status, code, title = 409, "job_not_succeeded", "The job ended without a result."


class ResultExpired(Problem):
    """The result was deleted: its time is over, it was read, or it was deleted on request."""

    status, code, title = 410, "result_expired", "The job's result has been deleted."


class JobDataLost(Problem):
    """What the job had stored is gone or damaged; the recording has to be sent again."""

    status, code, title = 410, "job_data_lost", "The job's stored data is gone; send the recording again."


class JobsUnavailable(Unavailable):
    """Jobs are switched off, or their database cannot be used; everything else works."""

    code, title = "jobs_unavailable", "This service takes no jobs now."
