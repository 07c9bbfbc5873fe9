"""Jobs that one, two and three services share: throughput, how long a killed service's job stands, cost at rest.

``python -m benchmarks.shared_jobs --database postgresql://…``: an empty database that nobody else uses. Every service
has one thread and one place for jobs; recordings are hours of made-up speech.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import sqlalchemy as sql
from pydantic import SecretStr

from benchmarks.long_media import write_long_wav
from benchmarks.measurement import emit
from benchmarks.server import Server, running_server
from service.jobs.ledger import JOBS, postgres_address
from service.settings import Settings

COUNTS = (1, 2, 3)
JOBS_A_ROUND = 6
"""Jobs of a round: as many for each of one, two and three services."""

LOOK_S = 0.1


@dataclass(frozen=True)
class Team:
    """Services that share a database and a spool, and a client of each."""

    names: list[str]
    servers: list[Server]
    clients: list[httpx.Client]

    def submit(self, number: int, recording: Path) -> str:
        """Path of a new job, made at one of the services."""
        with recording.open("rb") as content:
            answer = self.clients[number % len(self.clients)].post("/v1/jobs/audio-emotion", content=content)
        answer.raise_for_status()
        return str(answer.headers["location"])


@contextmanager
def running_team(database: str, count: int, segment_s: float) -> Iterator[Team]:
    """That many services during a ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="shared-jobs-") as place, contextlib.ExitStack() as open_now:
        servers, clients = [], []
        for number in range(count):
            settings = {
                "state_dir": f"{place}/{number}",
                "spool_dir": f"{place}/spool",
                "jobs_database_url": database,
                "job_segment_s": str(segment_s),
                "threads": "1",
                "decode_workers": "1",
            }
            server = open_now.enter_context(running_server(**settings))
            servers.append(server)
            clients.append(
                open_now.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=600))
            )
        for client in clients:
            while client.get("/v1/jobs/" + "x" * 27).status_code == 503:
                time.sleep(LOOK_S)
        yield Team([Path(place, str(number), "holder").read_text() for number in range(count)], servers, clients)


def throughput(database: str, recording: Path, duration_s: float, rounds: int) -> None:
    """Print seconds of sound a second for each number of services, as ratios to one service of the same round."""
    rates: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(rounds):
        for count in COUNTS:
            with running_team(database, count, 300.0) as team:
                began = time.perf_counter()
                jobs = [team.submit(number, recording) for number in range(JOBS_A_ROUND)]
                while any(team.clients[0].get(job).json()["state"] != "succeeded" for job in jobs):
                    time.sleep(LOOK_S)
                rates[count].append(JOBS_A_ROUND * duration_s / (time.perf_counter() - began))
            sys.stderr.write(f"{count} services: {rates[count][-1]:.0f} s of sound a second\n")
    for count in COUNTS:
        ratios = [rate / alone for rate, alone in zip(rates[count], rates[1], strict=True)]
        _tell(
            "shared_jobs_throughput",
            statistics.median(ratios),
            "ratio",
            ratio_of="one service, same round",
            services=count,
            sound_s_a_second=[round(rate) for rate in rates[count]],
        )


def moved(database: str, recording: Path, rounds: int) -> None:
    """Print how long it takes until another service has a killed one's job, and until that has gone on with it."""
    engine = sql.create_engine(postgres_address(Settings(jobs_database_url=SecretStr(database))))
    for _ in range(rounds):
        with running_team(database, 2, 20.0) as team, engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            job = team.submit(0, recording)
            while not team.clients[1].get(job).json()["progress"]:
                time.sleep(LOOK_S)
            holder = team.names.index(_holder(connection))
            other = team.clients[1 - holder]
            os.kill(team.servers[holder].pid, signal.SIGKILL)
            began, before = time.perf_counter(), other.get(job).json()["progress"]
            while _holder(connection) == team.names[holder]:
                time.sleep(LOOK_S)
            taken_s = time.perf_counter() - began
            while (now := other.get(job).json())["progress"] == before and now["state"] == "running":
                time.sleep(LOOK_S)
            _tell("shared_jobs_moved", taken_s, "s", until_progress_s=round(time.perf_counter() - began, 1))
    engine.dispose()


def _holder(connection: sql.Connection) -> str:
    """Who works on the newest job."""
    newest = sql.select(JOBS.c.holder).order_by(JOBS.c.created_s.desc()).limit(1)
    return str(connection.execute(newest).scalar_one())


def idle(database: str, span_s: float) -> None:
    """Print the processor time of each of two services at rest, after their first minute."""
    with running_team(database, 2, 300.0) as team:
        time.sleep(60.0)
        before_s = [server.processor_s() for server in team.servers]
        time.sleep(span_s)
        for server, spent_s in zip(team.servers, before_s, strict=True):
            _tell("shared_jobs_idle", 1e3 * (server.processor_s() - spent_s) / span_s, "ms of processor time a second")


def _tell(name: str, value: float, unit: str, *, ratio_of: str = "", **context: object) -> None:
    command = f"python -m benchmarks.shared_jobs {' '.join(sys.argv[1:])}"
    emit(name, value, unit, ratio_of=ratio_of, benchmark="shared_jobs", command=command, **context)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="of each recording")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-s", type=float, default=120.0)
    parser.add_argument("--only", choices=("idle", "moved", "throughput"), help="one of the three measurements")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shared-media-") as folder:
        recording = Path(folder) / "talk.wav"
        write_long_wav(recording, asked.minutes * 60)
        if asked.only in (None, "idle"):
            idle(asked.database, asked.idle_s)
        if asked.only in (None, "moved"):
            moved(asked.database, recording, asked.rounds)
        if asked.only in (None, "throughput"):
            throughput(asked.database, recording, asked.minutes * 60, asked.rounds)


if __name__ == "__main__":
    main()
