"""Jobs in PostgreSQL: the same ledger and engine, and a job that goes on after a kill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.plain_wav import wav
from tests.support.job_program import JobProgram
from tests.tiny_models import write_speech_bundle, write_voice_bundle
from tests.unit.test_long_audio import talk

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"


def programs() -> Path:
    """Folder of initdb and pg_ctl, or a loud skip."""
    folders = sorted(DEBIAN.glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    if not folders:
        pytest.skip("PostgreSQL is not installed (no initdb on the path or in /usr/lib/postgresql)")
    return folders[0]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an empty database of a cluster of its own, on a socket in a temporary folder."""
    folder = programs()
    place = Path(subprocess.check_output(["mktemp", "-d", "/tmp/pg.XXXXXX"], text=True).strip())  # sockets: short path
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    if as_user:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        shutil.chown(place, USER)

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, folder / program, *arguments], check=True, capture_output=True, cwd="/", timeout=60)

    try:
        run("initdb", "-D", str(place / "data"), "-U", USER, "-A", "trust", "--no-sync")
        options = f"-k {place} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "-D", str(place / "data"), "-o", options, "-l", str(place / "log"), "-w", "start")
        yield f"postgresql://{USER}@/postgres?host={place}"
    finally:
        if (place / "data").exists():
            run("pg_ctl", "-D", str(place / "data"), "-m", "immediate", "stop")
        shutil.rmtree(place, ignore_errors=True)


def test_a_job_goes_on_after_a_kill(database: str, tmp_path: Path) -> None:
    write_speech_bundle(tmp_path / "models")
    write_voice_bundle(tmp_path / "models")
    settings = {
        "JOBS_DATABASE_URL": database,
        "SPOOL_KEY": "a secret of the operator, long enough",
        "JOB_SEGMENT_S": "4",
        "DECODE_WORKERS": "1",
    }
    body = wav(talk(60.0))
    with JobProgram(tmp_path / "state", json.dumps([str(tmp_path / "models")]), settings) as program:
        key = {"idempotency-key": "once", "x-request-id": "same"}
        url = f"{program.url}/v1/jobs/audio-emotion?hop_s=0.05"
        address = httpx.post(url, content=body, headers=key, timeout=30).headers["location"]
        program.wait(lambda: program.state(address)["progress"] > 0.2)
        program.kill()
        program.start()
        again = httpx.post(f"{program.url}/v1/jobs/audio-emotion?hop_s=0.05", content=body, headers=key, timeout=30)
        assert (again.status_code, again.headers["location"]) == (200, address)
        assert program.finished(address)["state"] == "succeeded"
        direct = httpx.post(f"{program.url}/v1/audio/emotion?hop_s=0.05", content=body, headers=key, timeout=60)
        assert program.result(address).content == direct.content
        assert list(program.state_dir.glob("*.sqlite")) == []


def test_a_database_that_cannot_be_reached_stops_nothing_else(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path / "models")
    settings = {"JOBS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DECODE_WORKERS": "1"}
    program = JobProgram(tmp_path / "state", json.dumps([str(tmp_path / "models")]), settings)
    program.start_without_jobs()
    try:
        program.wait(lambda: "could not start jobs" in program.log_path.read_text())
        answer = httpx.post(f"{program.url}/v1/jobs/audio-emotion", content=b"x")
        assert (answer.status_code, answer.json()["code"]) == (503, "jobs_unavailable")
        assert httpx.post(f"{program.url}/v1/audio/emotion", content=wav(talk(2.0))).status_code == 200
    finally:
        program.kill()
