"""A server that takes jobs: real database, spool and engine, and recordings whose first bytes say what happens."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from service.jobs.jobs import Jobs
from service.jobs.waits import allowances_of
from service.services import Services
from service.settings import Settings
from tests.support.fake_jobs import FakePlans, Room
from tests.support.fakes import fake_services
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.patience import wait_until

AUDIO, VIDEO = "/v1/jobs/audio-emotion", "/v1/jobs/video-affect"
LOOK_S = 0.03
"""Seconds between two looks of the engine and of event streams, shorter than usual."""


@dataclass
class JobServer:
    """A server that takes jobs."""

    live: LiveServer
    plans: FakePlans
    jobs: Jobs
    state_dir: Path
    room: Room

    @property
    def url(self) -> str:
        return self.live.url


@contextmanager
def serving_jobs(
    state_dir: Path,
    clock: Callable[[], float] | None = None,
    services_of: Callable[[Settings], Services] = fake_services,
    **changes: object,
) -> Iterator[JobServer]:
    """A server of its own; what it looks at now and then, it looks at more often than otherwise."""
    settings: Settings = small_settings(state_dir=state_dir, max_job_body_bytes=1_000_000, jobs=True, **changes)
    plans, room = FakePlans(), Room()
    services = services_of(settings)
    known = {"allowances": allowances_of(services.accounts), "metrics": services.metrics}
    jobs = Jobs(settings, plans, room, clock=clock or time.time, **known)
    with (
        patch("service.jobs.engine.LISTEN_S", LOOK_S),
        ThreadPoolExecutor(1) as starter,
    ):  # the engine refuses a thread with an event loop, as a browser's driver has
        starter.submit(jobs.start).result()
    services._job_place._jobs = jobs
    with patch("service.api.job_events.LOOK_S", LOOK_S), serving(settings, services) as live:
        try:
            yield JobServer(live, plans, jobs, state_dir, room)
        finally:
            plans.gate.set()


def submit(client: httpx.Client, body: bytes = b"sound", address: str = AUDIO, **options: Any) -> str:
    """The address of a new job."""
    answer = client.post(address, content=body, **options)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    """State of a job after its end."""
    wait_until(lambda: client.get(job).json()["state"] not in ("queued", "running"))
    return client.get(job).json()


def holding(folder: Path, what: bytes) -> list[str]:
    """Files below ``folder`` that hold ``what``; one that goes away meanwhile holds nothing.

    Another process looks: were a database's file opened and closed here, the locks of this process on it would go.
    """
    look = """
import contextlib, pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    with contextlib.suppress(FileNotFoundError):
        if path.is_file() and bytes.fromhex(sys.argv[2]) in path.read_bytes():
            print(path)
"""
    done = subprocess.run([sys.executable, "-c", look, str(folder), what.hex()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
