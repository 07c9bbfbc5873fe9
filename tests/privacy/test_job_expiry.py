"""An expired job leaves nothing: the clock is moved, and every place is looked at."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.jobs.job import Standing
from tests.privacy.test_job_canary import CANARY, end_of, send
from tests.support.job_server import holding, serving_jobs
from tests.support.patience import wait_until


@contextmanager
def left_behind(spool: Path) -> Iterator[None]:
    """Files of a job that nobody knows."""
    (spool / "unknown").mkdir()
    (spool / "unknown" / "upload").write_bytes(CANARY)
    yield


def files_below(folder: str) -> list[str]:
    """Names of all files; a folder that goes away meanwhile has none."""
    return [name for _, _, names in os.walk(folder) for name in names]


def test_what_has_expired_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the recording, the result or the keys of them, with a spool in memory; at last not even the job.

    The service sees to all of it by itself.
    """
    monkeypatch.setattr("service.jobs.sweeper.MOST_SECONDS_BETWEEN", 0.02)
    ahead_s = 0.0
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="spool-") as memory,
        left_behind(Path(memory)),
        serving_jobs(tmp_path / "state", lambda: time.time() + ahead_s, spool_dir=Path(memory)) as server,
    ):
        assert list(Path(memory).glob("*/")) == []  # nor what an earlier process left behind, from the start on
        settings, jobs = server.live.services.settings, server.jobs
        server.plans.shut_gate()
        address = send(server, b"gate")
        (job,) = jobs._ledger.all()
        assert job.job_key is not None
        assert holding(tmp_path, job.job_key) != []  # what is looked for below would be found
        server.plans.gate.set()
        assert end_of(server, address) == "succeeded"
        result_key = jobs._ledger.all()[0].result_key
        assert result_key is not None
        wait_until(lambda: files_below(memory) == ["result"])
        (stored,) = (path.read_bytes() for path in Path(memory).glob("*/result"))

        ahead_s = settings.result_ttl_s + 1
        wait_until(lambda: files_below(memory) == [])
        assert httpx.get(f"{server.url}{address}/result").status_code == 410
        for what in (CANARY, job.job_key, result_key, stored[:64], b'"probabilities"'):
            for folder in (tmp_path, Path(memory)):
                assert holding(folder, what) == []

        ahead_s = max(settings.result_ttl_s, settings.job_ttl_s) + 2
        wait_until(lambda: jobs._ledger.all() == [])
        assert httpx.get(server.url + address).status_code == 404
        assert jobs._engine is not None
        assert jobs._engine.standing(job.handle) is Standing.UNKNOWN
        assert list(Path(memory).glob("*/")) == []
        assert holding(tmp_path, job.id.encode()) == []
        assert CANARY.decode() not in server.live.log.getvalue()
        assert job.id not in server.live.log.getvalue()
