"""Metrics of jobs: counts and sizes, nothing about a single job."""

import contextlib

from sqlalchemy.exc import SQLAlchemyError

from service.jobs.job import JobState
from service.jobs.ledger import Ledger
from service.jobs.spool import Spool
from service.pipeline.results import AudioEmotion
from service.pipeline.video.video_results import VideoAffect
from service.telemetry.metrics import Metrics


class JobMetrics:
    """Reports what happens to jobs. Thread-safe."""

    def __init__(self, ledger: Ledger, spool: Spool, metrics: Metrics) -> None:
        self._ledger = ledger
        self._spool = spool
        self._metrics = metrics

    def submitted(self) -> None:
        """Count a recording that became a job."""
        self._metrics.jobs_submitted_total.inc()
        self.changed()

    def segment(self, part: str, seconds: float, media_s: float) -> None:
        """Count a finished segment of ``part``: its duration, and the seconds of media that it analysed."""
        self._metrics.job_segment_seconds.labels(part).observe(seconds)
        self._metrics.audio_seconds_total.labels("ok").inc(media_s)
        self.changed()

    def answered(self, answer: AudioEmotion | VideoAffect) -> None:
        """Count what was answered about voices."""
        if isinstance(answer, AudioEmotion):
            self._metrics.answered(answer)

    def finished(self, state: JobState) -> None:
        """Count a job that has ended in ``state``."""
        self._metrics.jobs_finished_total.labels(state.value).inc()
        self.changed()

    def changed(self) -> None:
        """Report how many jobs wait and run."""
        with contextlib.suppress(SQLAlchemyError, OSError):  # no job fails because it cannot be counted
            jobs = self._ledger.unfinished_by_state()
            self._metrics.jobs_queued.set(jobs.get(JobState.QUEUED, 0))
            self._metrics.jobs_running.set(jobs.get(JobState.RUNNING, 0))

    def measure_spool(self) -> None:
        """Report jobs and the size of their files. It reads every job's folder, so it is no part of each change."""
        self.changed()
        with contextlib.suppress(OSError):
            self._metrics.job_spool_bytes.set(self._spool.size_bytes())
