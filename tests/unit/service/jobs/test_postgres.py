"""Jobs in PostgreSQL: they go on after kills, outages and restores, in one service or in several."""

import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sql
from pydantic import SecretStr
from sqlalchemy.pool import NullPool

from service.cli.check import Check, job_checks
from service.jobs.job import cursor_of, read_cursor
from service.jobs.leases import LEASE_S
from service.jobs.ledger import open_ledger
from service.settings import Settings
from tests.plain_wav import wav
from tests.support.clock import Clock
from tests.support.job_program import JobProgram, team
from tests.support.patience import wait_until
from tests.support.postgres import Cluster, programs
from tests.support.receiver import receiving
from tests.unit.service.jobs.test_ledger import make
from tests.unit.service.jobs.test_long_audio import talk


def test_a_job_goes_on_after_a_kill(models: str, settings: dict[str, str], tmp_path: Path) -> None:
    body = wav(talk(60.0))
    with JobProgram(tmp_path / "state", models, settings) as program:
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


def test_jobs_go_on_from_a_backup_of_database_and_spool(
    models: str, settings: dict[str, str], cluster: Cluster, tmp_path: Path
) -> None:
    body, dump = wav(talk(60.0)), tmp_path / "jobs.sql"
    with JobProgram(tmp_path / "state", models, settings) as program:
        done = program.submit("audio-emotion", body)
        assert program.finished(done)["state"] == "succeeded"
        expected = program.result(done).content
        address = program.submit("audio-emotion", body, hop_s="0.05")
        program.wait(lambda: program.state(address)["progress"] > 0.2)
        program.stop()
    subprocess.run([programs() / "pg_dump", "--file", dump, cluster.url], check=True, timeout=60)
    shutil.copytree(tmp_path / "spool", tmp_path / "restored")
    shutil.rmtree(tmp_path / "spool")
    subprocess.run([programs() / "createdb", f"--maintenance-db={cluster.url}", "restored"], check=True, timeout=60)
    url = cluster.url.replace("/postgres?", "/restored?")
    subprocess.run([programs() / "psql", "--quiet", "--file", dump, url], check=True, timeout=60, capture_output=True)
    elsewhere = settings | {"JOBS_DATABASE_URL": url, "SPOOL_DIR": str(tmp_path / "restored")}
    with JobProgram(tmp_path / "other", models, elsewhere) as program:
        assert program.result(done).content == expected
        assert program.finished(address)["state"] == "succeeded"


def test_check_asks_the_database(cluster: Cluster, tmp_path: Path) -> None:
    state, spool = tmp_path / "state", tmp_path / "spool"
    (check,) = job_checks(Settings(jobs_database_url=SecretStr(cluster.url), state_dir=state, spool_dir=spool))
    assert check == Check("jobs", ok=True, detail=f"{state} and {spool} can be written to, the database answers")


def test_pages_of_jobs(cluster: Cluster, tmp_path: Path) -> None:
    ledger = open_ledger(Settings(jobs_database_url=SecretStr(cluster.url), state_dir=tmp_path), Clock(0.0))
    handles = [f"{number:032x}" for number in (4, 10, 3, 12)]
    for number, handle in enumerate(handles):
        make(ledger, handle, caller="pages", created_s=1e9 + number // 2 / 3)
    ordered = [handles[number] for number in (3, 2, 1, 0)]
    first = ledger.page("pages", None, 3)
    assert [job.handle for job in first] == ordered[:3]
    for job in first:
        ledger.forget(job.handle)
    assert [job.handle for job in ledger.page("pages", read_cursor(cursor_of(first[-1])), 3)] == ordered[3:]
    ledger.forget(handles[0])
    ledger.close()


def submit_slow(program: JobProgram) -> tuple[str, bytes]:
    """A job that is under way, and what it will answer."""
    body, url = wav(talk(120.0)), f"{program.url}/v1/audio/emotion?hop_s=0.05"
    direct = httpx.post(url, content=body, headers={"x-request-id": "same"}, timeout=60).content
    address = program.submit("audio-emotion", body, hop_s="0.05")
    program.wait(lambda: program.state(address)["progress"] > 0.2)
    return address, direct


def test_of_two_services_on_one_database_each_tells_of_all_jobs_and_takes_over(
    cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    services = team(tmp_path, models, settings, 2)
    with services[0], services[1]:
        address, direct = submit_slow(services[0])
        name, _ = newest_lease(cluster)
        services.sort(key=lambda service: (service.state_dir / "holder").read_text() != name)
        holder, other = services
        assert other.state(address)["state"] == "running"
        answer = httpx.get(f"{other.url}{address}/result")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_ready")
        holder.kill()
        assert other.finished(address)["state"] == "succeeded"
        assert other.result(address).content == direct
        wait_until(lambda: [path.name for path in (tmp_path / "spool").glob("*/*")] == ["result~2"])
    assert newest_lease(cluster)[1] == 2


def newest_lease(cluster: Cluster) -> tuple[str, int]:
    """Who took the newest job last, and how often it was taken."""
    with sql.create_engine(cluster.url.replace("postgresql", "postgresql+psycopg", 1)).connect() as connection:
        asked = sql.text("SELECT holder, lease FROM emoserve_jobs ORDER BY created_s DESC LIMIT 1")
        name, lease = connection.execute(asked).one()
    return name, lease


def test_jobs_go_on_when_their_database_comes_back(
    cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    with JobProgram(tmp_path / "state", models, settings) as program:
        address, direct = submit_slow(program)
        cluster.stop()
        try:
            program.wait(lambda: "database is lost" in program.log_path.read_text())
            assert httpx.post(f"{program.url}/v1/audio/emotion", content=wav(talk(2.0))).status_code == 200
            program.wait(lambda: httpx.get(program.url + address).status_code == 503)
        finally:
            cluster.start()
        program.wait(lambda: httpx.get(program.url + address).status_code == 200)
        assert program.finished(address)["state"] == "succeeded"
        assert program.result(address).content == direct


def test_a_database_that_cannot_be_reached_stops_nothing_else(models: str, tmp_path: Path) -> None:
    settings = {"JOBS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DECODE_WORKERS": "1"}
    program = JobProgram(tmp_path / "state", models, settings)
    program.start_without_jobs()
    try:
        program.wait(lambda: "could not start jobs" in program.log_path.read_text())
        answer = httpx.post(f"{program.url}/v1/jobs/audio-emotion", content=b"x")
        assert (answer.status_code, answer.json()["code"]) == (503, "jobs_unavailable")
        assert httpx.post(f"{program.url}/v1/audio/emotion", content=wav(talk(2.0))).status_code == 200
    finally:
        program.kill()


def end_connections(url: str) -> None:
    """End every other connection, as an operator or a failing network does."""
    engine = sql.create_engine(url.replace("postgresql", "postgresql+psycopg", 1), poolclass=NullPool)
    with engine.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(sql.text(others))


def test_connections_that_end_again_and_again_end_no_job(
    cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    """For 12 s every connection is ended as soon as it is there."""
    with JobProgram(tmp_path / "state", models, settings) as program:
        address, direct = submit_slow(program)
        ends_s, refusals = time.monotonic() + 12, set()
        while time.monotonic() < ends_s:
            end_connections(cluster.url)
            answer = httpx.get(program.url + address)
            if answer.status_code != 200:
                refusals.add((answer.status_code, answer.json()["code"], answer.json()["detail"]))
        assert refusals <= {(503, "jobs_unavailable", "The jobs' database does not answer.")}
        program.wait(lambda: httpx.get(program.url + address).status_code == 200)
        assert program.finished(address)["state"] == "succeeded"
        assert program.result(address).content == direct
        log = program.log_path.read_text()
        assert "a job failed" not in log
        assert "unexpected error" not in log


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_jobs_of_three_services_that_are_killed_stopped_and_stalled(
    models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    """Every job ends once, with the same result and one notice, whoever worked on it."""
    chance, body, pause = random.Random(17), wav(talk(60.0)), threading.Event()
    with receiving() as receiver:
        services = team(tmp_path, models, settings | receiver.settings, 3)
        with services[0], services[1], services[2]:
            url, key = f"{services[0].url}/v1/audio/emotion?hop_s=0.05", {"x-request-id": "same"}
            direct = httpx.post(url, content=body, headers=key, timeout=60).content
            asked = {"hop_s": "0.05", "callback": receiver.address}
            addresses = []
            for number in range(20):
                addresses.append(services[number % 3].submit("audio-emotion", body, **asked))
                victim = services[chance.randrange(3)]
                pause.wait(chance.uniform(0, 3))
                match number % 4:
                    case 0 | 2:
                        victim.kill()
                        victim.start()
                    case 1:
                        victim.stop()
                        victim.start()
                    case _:
                        assert victim.process is not None
                        victim.process.send_signal(signal.SIGSTOP)
                        pause.wait(LEASE_S + chance.uniform(1, 4))
                        victim.process.send_signal(signal.SIGCONT)
            for number, address in enumerate(addresses):
                assert services[0].finished(address)["state"] == "succeeded", number
                for service in services:
                    assert service.result(address).content == direct
            wait_until(lambda: len({notice.id for notice in receiver.seen}) == len(addresses))
            wait_until(lambda: len(list((tmp_path / "spool").glob("*/result~*"))) == len(addresses))
        assert "a job failed" not in "".join(service.log_path.read_text() for service in services)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_outages_and_kills(cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path) -> None:
    """At random times the database stops, connections are ended, or the service is killed."""
    chance = random.Random(7)
    body = wav(talk(60.0))
    with JobProgram(tmp_path / "state", models, settings) as program:
        url, key = f"{program.url}/v1/audio/emotion?hop_s=0.05", {"x-request-id": "same"}
        direct = httpx.post(url, content=body, headers=key, timeout=60).content
        for number in range(20):
            address = program.submit("audio-emotion", body, hop_s="0.05")
            pause = threading.Event()
            pause.wait(chance.uniform(0, 4))
            match number % 4:
                case 0 | 2:
                    program.kill()
                    pause.wait(chance.uniform(0, 2))
                    program.start()
                case 1:
                    cluster.stop()
                    pause.wait(chance.uniform(0, 6))
                    cluster.start()
                case _:
                    for _ in range(chance.randrange(1, 30)):
                        end_connections(cluster.url)
                        pause.wait(0.1)
            assert program.finished(address)["state"] == "succeeded", number
            answer = program.result(address)
            while answer.status_code == 503:  # the service notices now that its lock is gone
                assert answer.json()["code"] == "jobs_unavailable"
                pause.wait(0.1)
                answer = program.result(address)
            assert answer.content == direct
        assert "a job failed" not in program.log_path.read_text()
