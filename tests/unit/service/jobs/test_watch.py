"""What is told of jobs: how many there are with every change, what their files take now and then."""

from __future__ import annotations

from unittest.mock import Mock, create_autospec

import pytest

from service.jobs.ledger import Ledger
from service.jobs.spool import Spool
from service.jobs.states import JobState
from service.jobs.watch import JobMetrics, JobWatch


@pytest.fixture
def ledger():
    ledger = create_autospec(Ledger, instance=True)
    ledger.unfinished_by_state.return_value = {JobState.QUEUED: 3, JobState.RUNNING: 1}
    return ledger


@pytest.fixture
def spool():
    spool = create_autospec(Spool, instance=True)
    spool.size_bytes.return_value = 7
    return spool


def test_a_change_of_one_job_looks_at_no_file_of_all_others(ledger, spool):
    metrics = Mock(JobMetrics)
    watch = JobWatch(ledger, spool, metrics)
    watch.submitted()
    watch.segment("speech", 1.0, 300.0)
    watch.finished(JobState.SUCCEEDED)
    assert metrics.jobs_now.call_args_list == [((3, 1),)] * 3
    spool.size_bytes.assert_not_called()


def test_a_look_tells_of_the_files_too(ledger, spool):
    metrics = Mock(JobMetrics)
    JobWatch(ledger, spool, metrics).look()
    metrics.jobs_now.assert_called_once_with(3, 1)
    metrics.spool_now.assert_called_once_with(7)


def test_no_job_fails_because_its_files_cannot_be_counted(ledger, spool):
    spool.size_bytes.side_effect = PermissionError
    JobWatch(ledger, spool, Mock(JobMetrics)).look()
