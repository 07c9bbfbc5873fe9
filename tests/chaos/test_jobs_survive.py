"""Jobs outlive their process: killed at any moment, they end with the bytes of an uninterrupted run."""

import json
import random
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.plain_wav import tone, wav
from tests.support.job_program import JobProgram
from tests.support.patience import wait_until

RECORDING_S = 60
MANY = 20


def recording(seconds: int = RECORDING_S) -> bytes:
    """Loud and quiet by turns, no two seconds alike, in stereo."""
    rng = np.random.default_rng(440)
    parts = [
        tone(1.0, amplitude=a, hz=h)
        for a, h in zip(rng.choice([0.0, 0.1, 0.4], seconds), rng.uniform(80, 400, seconds), strict=True)
    ]
    left = np.concatenate(parts)
    return wav(left, np.roll(left, 8000) * 0.5)


@pytest.fixture(scope="module")
def models(tiny_models: Path) -> str:
    return json.dumps([str(tiny_models)])


@pytest.fixture
def program(tmp_path: Path, models: str) -> JobProgram:
    settings = {"JOB_SEGMENT_S": "4", "DECODE_WORKERS": "1", "THREADS": "2"}
    return JobProgram(tmp_path / "state", models, settings)


def uninterrupted(program: JobProgram, body: bytes, **parameters: str) -> bytes:
    """Answer of the call without a job."""
    headers = {"x-request-id": "same"}
    answer = httpx.post(f"{program.url}/v1/audio/emotion", params=parameters, content=body, headers=headers)
    assert answer.status_code == 200
    return answer.content


def test_two_kills_change_nothing(program: JobProgram) -> None:
    body, asked = recording(), {"timeline": "true", "channel": "each", "hop_s": "0.05"}
    with program:
        expected = uninterrupted(program, body, **asked)
        address = program.submit("audio-emotion", body, **asked)
        for progress in (0.2, 0.6):
            program.wait(lambda least=progress: program.state(address)["progress"] > least)
            assert program.state(address)["state"] == "running"
            program.kill()
            program.start()
        assert program.finished(address)["state"] == "succeeded"
        assert program.result(address).content == expected
    assert '"level":"error"' not in program.log_path.read_text()


def test_a_stop_leaves_the_job_to_the_next_start(program: JobProgram) -> None:
    body = recording()
    with program:
        address = program.submit("audio-emotion", body, hop_s="0.05")
        program.wait(lambda: program.state(address)["progress"] > 0.2)
        assert program.stop() == 0
        program.start()
        assert program.state(address)["progress"] > 0.2
        assert program.finished(address)["state"] == "succeeded"
        assert program.result(address).content == uninterrupted(program, body, hop_s="0.05")


def test_a_second_service_on_the_same_folder_takes_no_jobs(program: JobProgram, models: str, tmp_path: Path) -> None:
    with program:
        other = JobProgram(program.state_dir, models, program.settings)
        other.start_without_jobs()
        try:
            answer = httpx.post(f"{other.url}/v1/jobs/audio-emotion", content=b"RIFF")
            assert (answer.status_code, answer.json()["code"]) == (503, "jobs_unavailable")
            assert httpx.get(f"{other.url}/v2/health/ready").status_code == 200
            wait_until(lambda: "EMOSERVE_STATE_DIR" in other.log_path.read_text())
        finally:
            other.kill()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_jobs_killed_at_random_moments(program: JobProgram) -> None:
    body, asked = recording(), {"timeline": "true", "hop_s": "0.05"}
    rng = random.Random(440)
    same = 0
    with program:
        expected = uninterrupted(program, body, **asked)
        for _ in range(MANY):
            address = program.submit("audio-emotion", body, **asked)
            for _ in range(rng.randint(1, 3)):
                time.sleep(rng.uniform(0.0, 2.5))
                program.kill()
                program.start()
            assert program.finished(address)["state"] == "succeeded"
            same += program.result(address).content == expected
    assert same == MANY
