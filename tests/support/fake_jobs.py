"""Jobs without models: real database, spool and engine, and recordings that say by their first bytes what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from service.jobs.jobs import Jobs
from service.jobs.part import FACES, SPEECH, Segment
from service.jobs.waits import allowances_of
from service.pipeline.device.account import current_account
from service.pipeline.device.batch import Cancelled
from service.pipeline.device.task import Work
from service.pipeline.results import AudioOptions
from service.problems import InferenceUnavailable, MediaInvalid, ModelNotFound
from service.services import Services
from service.settings import Settings
from tests.support.example_affect import example_affect
from tests.support.fakes import fake_result
from tests.support.live_server import LiveServer, fake_services, serving, small_settings, wait_until

AUDIO, VIDEO = "/v1/jobs/audio-emotion", "/v1/jobs/video-affect"
SEGMENTS, SEGMENT_MEDIA_S = 4, 10.0
LOOK_S = 0.03


@dataclass
class Room:
    """Admits everything, or raises one of ``problems``; notes for how much it was asked."""

    problems: list[Exception] = field(default_factory=list)
    asked_s: set[float] = field(default_factory=set)

    @contextmanager
    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> Iterator[None]:
        self.asked_s.add(seconds)
        if self.problems:
            raise self.problems.pop()
        yield


@dataclass
class FakePart:
    """Four segments. b'gate…' waits before its second, b'invalid…', b'bug…' and b'tired…' fail there."""

    content: bytes
    number: int
    plans: FakePlans
    closed: bool = False

    def run(self, work: Work) -> Segment:
        self.plans.ran.append(self.number)
        self.plans.accounts.append(current_account().name)
        if self.number == 1:
            self._second(work)
        self.number += 1
        state = {"number": self.number} if self.number < SEGMENTS else None
        return Segment({"size": len(self.content)}, state, self.number / SEGMENTS, SEGMENT_MEDIA_S)

    def close(self) -> None:
        self.closed = True

    def _second(self, work: Work) -> None:
        if self.content.startswith(b"gate"):
            gate = self.plans.gate
            while not gate.wait(0.01):
                if work.cancel is not None and work.cancel.is_set():
                    raise Cancelled
        if self.content.startswith(b"invalid"):
            raise MediaInvalid(self.content.decode())
        if self.content.startswith(b"bug"):
            raise RuntimeError(self.content.decode())
        if self.content.startswith(b"tired") and self.plans.tired:
            self.plans.tired -= 1
            raise InferenceUnavailable


@dataclass
class FakePlans:
    gate: threading.Event = field(default_factory=threading.Event)
    ran: list[int] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    tired: int = 0

    def shut_gate(self) -> None:
        """Have jobs wait from now on. Those that may go on do, even where their threads have not noticed yet."""
        self.gate = threading.Event()

    def start(self) -> None: ...

    def check(self, options: Any) -> None:
        if options.model not in (None, "example"):
            raise ModelNotFound

    def parts(self, options: Any) -> tuple[str, ...]:
        return (SPEECH if isinstance(options, AudioOptions) else FACES,)

    def make(self, name: str, options: Any, spool: Any, state: dict[str, Any] | None, source: Any) -> FakePart:
        return FakePart(source.read(0, 1000), 0 if state is None else state["number"], self)

    def join(self, options: Any, spool: Any) -> Any:
        if isinstance(options, AudioOptions):
            return fake_result()
        return example_affect(40, units="action_units" in options.include)

    def close(self) -> None: ...


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
        patch("service.jobs.engine.POLL_S", LOOK_S),
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
