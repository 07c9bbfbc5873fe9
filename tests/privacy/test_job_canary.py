"""A job's recording is never readable on disk, and gone when the job has ended."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from service.pipeline.audio_options import AudioOptions
from tests.support.job_server import AUDIO, JobServer, ended, holding, serving_jobs
from tests.support.live_server import connected
from tests.support.patience import wait_until
from tests.support.raw_http import post

CANARY = b"CanaryPatientDoe1961"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    with serving_jobs(tmp_path_factory.mktemp("canary") / "state") as server:
        yield server


def files_of_jobs(server: JobServer) -> list[str]:
    return sorted(path.name for path in (server.state_dir / "spool").rglob("*") if path.is_file())


def send(server: JobServer, beginning: bytes) -> str:
    """A job whose file name, content and idempotency key hold the canary."""
    name = CANARY.decode()
    answer = httpx.post(
        server.url + AUDIO,
        files={"file": (f"{name}.wav", beginning + CANARY * 10_000)},
        headers={"idempotency-key": f"{name}-{beginning.decode()}"},
    )
    assert answer.status_code == 202
    assert name not in answer.text
    return answer.headers["location"]


def end_of(server: JobServer, job: str) -> str:
    """The state in which a job ends."""
    with httpx.Client(base_url=server.url) as client:
        return ended(client, job)["state"]


def test_while_it_runs_there_are_unreadable_bytes_alone(server: JobServer) -> None:
    server.plans.shut_gate()
    job = send(server, b"gate")
    wait_until(lambda: httpx.get(server.url + job).json()["progress"] > 0)
    assert "upload" in files_of_jobs(server)
    assert holding(server.state_dir, CANARY) == []
    server.plans.gate.set()
    assert end_of(server, job) == "succeeded"
    wait_until(lambda: files_of_jobs(server) == ["result"])
    assert holding(server.state_dir, CANARY) == []
    httpx.delete(server.url + job)
    assert files_of_jobs(server) == []


@pytest.mark.parametrize("beginning", [b"invalid", b"bug"])
def test_a_failure_leaves_nothing(server: JobServer, beginning: bytes) -> None:
    job = send(server, beginning)
    assert end_of(server, job) == "failed"
    wait_until(lambda: files_of_jobs(server) == [])
    assert holding(server.state_dir, CANARY) == []
    assert CANARY.decode() not in httpx.get(server.url + job).text


def test_a_cancelled_job_leaves_nothing(server: JobServer) -> None:
    server.plans.shut_gate()
    job = send(server, b"gate-again")
    wait_until(lambda: httpx.get(server.url + job).json()["progress"] > 0)
    httpx.delete(server.url + job)
    assert files_of_jobs(server) == []
    wait_until(lambda: not server.jobs._runner._live)
    assert files_of_jobs(server) == []
    assert holding(server.state_dir, CANARY) == []


def test_an_upload_that_breaks_off_leaves_nothing(server: JobServer) -> None:
    with connected(server.live.port) as connection:
        connection.sendall(post(AUDIO, 900_000) + CANARY * 10_000)
        wait_until(lambda: files_of_jobs(server) == ["upload"])
    wait_until(lambda: files_of_jobs(server) == [])


def test_logs_and_metrics_tell_nothing(server: JobServer) -> None:
    job = send(server, b"bug-again")
    end_of(server, job)
    wait_until(lambda: any(line["message"] == "a job failed" for line in server.live.log_lines()))
    for text in (server.live.log.getvalue(), httpx.get(f"{server.url}/metrics").text):
        assert CANARY.decode() not in text
        assert job.rpartition("/")[2] not in text  # whoever knows the id may read the result


def test_the_database_holds_no_result_and_no_file_name(server: JobServer) -> None:
    job = send(server, b"sound")
    end_of(server, job)
    for kept in (CANARY, b'"probabilities"', b".wav"):
        assert holding(server.state_dir, kept) == []
    assert server.jobs._ledger.all()[-1].options == AudioOptions("example", "1")  # the model of today


def test_the_result_on_disk_is_unreadable(server: JobServer) -> None:
    end_of(server, send(server, b"another"))
    (path, *_) = (server.state_dir / "spool").glob("*/result")
    stored = path.read_bytes()
    assert b"probabilities" not in stored
    assert len(np.unique(np.frombuffer(stored, np.uint8))) > 150
