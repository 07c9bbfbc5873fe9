"""What is told of jobs while they go on, for metrics: numbers, and no word about any one of them."""

from __future__ import annotations

import contextlib
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.ledger import Ledger
from service.jobs.spool import Spool
from service.jobs.states import JobState


class JobMetrics(Protocol):
    """Where it is counted; :class:`~service.telemetry.metrics.Metrics` does. Thread-safe."""

    def job_submitted(self) -> None:
        """A recording became a job."""

    def job_segment(self, part: str, seconds: float, media_s: float) -> None:
        """A segment of the part of that name took ``seconds``; ``media_s`` of media count as analysed."""

    def job_finished(self, outcome: str) -> None:
        """A job has ended: succeeded, failed, cancelled or expired."""

    def jobs_now(self, queued: int, running: int) -> None:
        """How many jobs wait and run."""

    def spool_now(self, size_bytes: int) -> None:
        """Bytes of all files of jobs."""


class JobWatch:
    """Counts what happens to jobs.

    Args:
        ledger, spool: where jobs are kept.
        metrics: told, or None.
    """

    def __init__(self, ledger: Ledger, spool: Spool, metrics: JobMetrics | None) -> None:
        self._ledger = ledger
        self._spool = spool
        self._metrics = metrics

    def submitted(self) -> None:
        """A recording became a job."""
        if self._metrics is not None:
            self._metrics.job_submitted()
        self.changed()

    def segment(self, part: str, seconds: float, media_s: float) -> None:
        """A segment is done; see :class:`JobMetrics`."""
        if self._metrics is not None:
            self._metrics.job_segment(part, seconds, media_s)
        self.changed()

    def finished(self, state: JobState) -> None:
        """A job has ended."""
        if self._metrics is not None:
            self._metrics.job_finished(state.value)
        self.changed()

    def changed(self) -> None:
        """Some job begins to wait or to run, or has ended."""
        if self._metrics is None:
            return
        with contextlib.suppress(SQLAlchemyError, OSError):  # no job fails because it cannot be counted
            waiting = self._ledger.unfinished_by_state()
            queued, running = (waiting.get(state, 0) for state in (JobState.QUEUED, JobState.RUNNING))
            self._metrics.jobs_now(queued, running)

    def look(self) -> None:
        """Look at the spool too: every file of every job, finished ones among them, so not with each change."""
        self.changed()
        if self._metrics is not None:
            with contextlib.suppress(OSError):
                self._metrics.spool_now(self._spool.size_bytes())
