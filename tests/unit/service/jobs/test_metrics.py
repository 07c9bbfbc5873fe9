"""Metrics of jobs: counts with every change, sizes of files only when asked."""

from unittest.mock import create_autospec

import pytest

from service.jobs.job import JobState
from service.jobs.ledger import Ledger
from service.jobs.metrics import JobMetrics
from service.jobs.spool import Spool
from service.telemetry.metrics import Metrics


@pytest.fixture
def spool():
    spool = create_autospec(Spool, instance=True)
    spool.size_bytes.return_value = 7
    return spool


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def counts(spool, metrics):
    ledger = create_autospec(Ledger, instance=True)
    ledger.unfinished_by_state.return_value = {JobState.QUEUED: 3, JobState.RUNNING: 1}
    return JobMetrics(ledger, spool, metrics)


def told(metrics, name):
    return metrics.registry.get_sample_value(f"emotion_{name}")


def test_a_change_of_one_job_reads_no_file_of_all_others(counts, spool, metrics):
    for change in (
        counts.submitted,
        lambda: counts.segment("speech", 1.0, 300.0),
        lambda: counts.finished(JobState.SUCCEEDED),
    ):
        metrics.jobs_queued.set(0)
        metrics.jobs_running.set(0)
        change()
        assert (told(metrics, "jobs_queued"), told(metrics, "jobs_running")) == (3, 1)
    spool.size_bytes.assert_not_called()
    sample = metrics.registry.get_sample_value
    assert sample("emotion_jobs_submitted_total") == 1
    assert sample("emotion_jobs_finished_total", {"outcome": "succeeded"}) == 1
    assert sample("emotion_job_segment_seconds_sum", {"part": "speech"}) == 1.0
    assert sample("emotion_audio_seconds_total", {"outcome": "ok"}) == 300.0


def test_the_spool_is_measured_when_asked(counts, metrics):
    counts.measure_spool()
    assert (told(metrics, "jobs_queued"), told(metrics, "job_spool_bytes")) == (3, 7)


def test_no_job_fails_because_its_files_cannot_be_counted(counts, spool, metrics):
    counts.measure_spool()
    spool.size_bytes.side_effect = PermissionError
    metrics.jobs_queued.set(0)
    counts.measure_spool()
    assert (told(metrics, "jobs_queued"), told(metrics, "job_spool_bytes")) == (3, 7)
