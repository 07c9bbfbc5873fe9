"""Errors of the jobs' SQLite databases at random statements: no job ends with one, and each has its right result."""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sql

from tests.chaos.test_jobs_survive import MANY, recording
from tests.support.live_server import LiveServer, small_settings
from tests.support.patience import wait_until
from tests.support.tiny_services import serving_with_jobs

ERRORS = {
    sqlite3.SQLITE_BUSY: "database is locked",
    sqlite3.SQLITE_IOERR: "disk I/O error",
    sqlite3.SQLITE_FULL: "database or disk is full",
    sqlite3.SQLITE_CANTOPEN: "unable to open database file",
}
ASKED = {"timeline": "true", "hop_s": "0.05"}
JOBS = "/v1/jobs/audio-emotion"


class Failures:
    """Fails a share of all statements, of our ledger and of the engine of workflows, while it is switched on."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.share = 0.0
        self.count = 0

    def __call__(self, *_: object) -> None:
        if self._random.random() < self.share:
            self.count += 1
            code = self._random.choice(list(ERRORS))
            error = sqlite3.OperationalError(ERRORS[code])
            error.sqlite_errorcode = code
            raise error


@contextmanager
def failing(seed: int) -> Iterator[Failures]:
    failures = Failures(seed)
    sql.event.listen(sql.Engine, "do_execute", failures)
    try:
        yield failures
    finally:
        sql.event.remove(sql.Engine, "do_execute", failures)


@pytest.fixture
def live(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr("service.jobs.sweeper.MOST_SECONDS_BETWEEN", 0.5)
    monkeypatch.setattr("service.jobs.jobs.SUBMISSION_S", 1.0)
    monkeypatch.setattr("service.jobs.engine.UNATTENDED_S", 1.0)
    settings = small_settings(
        jobs=True, state_dir=tmp_path / "state", model_dirs=[tiny_models], device="cpu", threads=2, job_segment_s=4.0
    )
    with serving_with_jobs(settings) as live:
        yield live


def submitted(client: httpx.Client, body: bytes) -> str:
    """Address of a new job; the service may refuse it while its database fails."""
    addresses: list[str] = []

    def submit() -> bool:
        answer = client.post(JOBS, params=ASKED, content=body)
        assert answer.status_code in (202, 503, 507), answer.text
        addresses.extend([answer.headers["location"]] if answer.status_code == 202 else [])
        return bool(addresses)

    wait_until(submit)
    return addresses[0]


def state(client: httpx.Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code in (200, 503, 507), answer.text
    return answer.json().get("state", "unknown")


@pytest.mark.parametrize("times", [3, pytest.param(MANY, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_errors_of_the_database_end_no_job(live: LiveServer, times: int) -> None:
    body, chance = recording(30), random.Random(440)
    with httpx.Client(base_url=live.url, timeout=60) as client, failing(440) as failures:
        headers = {"x-request-id": "same"}
        expected = client.post("/v1/audio/emotion", params=ASKED, content=body, headers=headers).content
        for number in range(times):
            failures.share = (0.0, 0.1, 0.5)[number % 3]
            address = submitted(client, body)
            time.sleep(chance.uniform(0.0, 1.0))
            failures.share = chance.choice((0.1, 0.5, 1.0))
            time.sleep(chance.uniform(0.0, 3.0))
            failures.share = 0.0
            wait_until(lambda: state(client, address) not in ("queued", "running", "unknown"))  # noqa: B023
            assert state(client, address) == "succeeded"
            result = client.get(f"{address}/result", headers=headers)
            assert result.content == expected
    assert failures.count >= times
    assert not [line for line in live.log_lines() if line["message"] in ("a job failed", "unexpected error")]
