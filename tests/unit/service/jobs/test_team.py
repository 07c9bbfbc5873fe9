"""Several processes share the jobs of one PostgreSQL: leases move, and who has lost one without noticing is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from service.jobs.job import Job, JobState
from service.jobs.jobs import Jobs
from service.jobs.leases import HolderRefusedError
from service.jobs.team import JobTeam
from service.pipeline.audio_options import AudioOptions
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.support.fake_jobs import SEGMENTS, FakePlans, Room
from tests.support.job_server import ended, serving_jobs, submit
from tests.support.patience import HANG_S, wait_until


@dataclass
class Member:
    """A process of the team, in this one."""

    jobs: Jobs
    plans: FakePlans

    @property
    def team(self) -> JobTeam:
        assert isinstance(self.jobs._engine, JobTeam)
        return self.jobs._engine

    def freeze(self) -> None:
        """Beat no more, as a process that is stopped; segments under way wait at their gate."""
        self.team._stop.set()
        self.team._soon.set()
        self.team._thread.join()

    def submit(self, content: bytes = b"sound", caller: str = "anonymous") -> Job:
        reception = self.jobs.receive(AudioOptions(), caller, None, len(content))
        reception.extend(content)
        return reception.finish()

    def state(self, job: Job) -> JobState:
        return self.jobs.find(job.id, job.caller).state

    def progress(self, job: Job) -> float:
        return self.jobs.find(job.id, job.caller).progress

    def lease(self, job: Job) -> int | None:
        return self.jobs.find(job.id, job.caller).lease


@contextmanager
def member_of(settings: Settings) -> Iterator[Member]:
    plans = FakePlans()
    jobs = Jobs(settings, plans, Room(), allowances=lambda _job: None, metrics=Metrics())  # type: ignore[arg-type]
    jobs.start()
    try:
        yield Member(jobs, plans)
    finally:
        plans.gate.set()
        jobs.close()


@pytest.fixture
def pair(settings_of: Callable[..., Settings]) -> Iterator[tuple[Member, Member]]:
    with member_of(settings_of("first")) as first, member_of(settings_of("second")) as second:
        yield first, second


def under_way(holder: Member, other: Member) -> Job:
    """A job that waits at its second segment in ``holder``; the gate of ``other`` is open."""
    other.team._queue._free = 0  # it takes none yet
    job = holder.submit(b"gate")
    wait_until(lambda: holder.plans.ran == [0, 1])
    other.team._queue._free = 1
    return job


def test_a_job_moves_from_who_is_gone_and_goes_on_where_it_was(pair: tuple[Member, Member]) -> None:
    first, second = pair
    second.plans.gate.set()
    job = under_way(first, second)
    first.freeze()
    wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    assert second.plans.ran == [1, 2, 3]
    assert second.lease(job) == 2


@pytest.mark.parametrize("wakes", ["while the other works", "when all is done"])
def test_who_wakes_after_its_lease_changes_nothing(pair: tuple[Member, Member], wakes: str) -> None:
    first, second = pair
    if wakes == "when all is done":
        second.plans.gate.set()
    job = under_way(first, second)
    first.freeze()
    wait_until(lambda: second.plans.ran[:1] == [1])
    if wakes == "when all is done":
        wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    first.plans.gate.set()
    wait_until(lambda: not first.team._working)
    assert first.plans.ran == [0, 1]  # it did the segment under way, and no more
    second.plans.gate.set()
    wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    assert second.plans.ran == [1, 2, 3]
    for member in pair:
        assert member.jobs.result(member.jobs.find(job.id, job.caller)) is not None


def test_an_answer_that_comes_too_late_is_not_the_result(pair: tuple[Member, Member], monkeypatch) -> None:
    first, second = pair
    gate, arrived, join = threading.Event(), threading.Event(), FakePlans.join

    def slow(plans: FakePlans, *arguments: object) -> object:
        if plans is first.plans:
            arrived.set()
            assert gate.wait(HANG_S)
        return join(plans, *arguments)

    monkeypatch.setattr(FakePlans, "join", slow)
    second.team._queue._free = 0
    job = first.submit()
    assert arrived.wait(HANG_S)
    second.team._queue._free = 1
    first.freeze()
    wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    done = second.jobs.find(job.id, job.caller)
    gate.set()
    wait_until(lambda: not first.team._working)
    assert second.jobs.find(job.id, job.caller) == done
    assert second.plans.ran == []  # every segment was done
    assert first.jobs.result(done) is not None


def test_a_failure_that_comes_too_late_fails_nothing(pair: tuple[Member, Member], monkeypatch) -> None:
    first, second = pair
    monkeypatch.setattr(FakePlans, "tired", 100)
    second.plans.tired = 0
    second.plans.gate.set()
    job = under_way(first, second)
    first.freeze()
    wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    monkeypatch.setattr("tests.support.fake_jobs.FakePart._second", lambda *_: 1 / 0)
    first.plans.gate.set()
    wait_until(lambda: not first.team._working)
    assert first.state(job) is JobState.SUCCEEDED
    assert first.jobs.result(first.jobs.find(job.id, job.caller)) is not None


def test_who_closes_leaves_its_jobs_to_others_at_once(pair: tuple[Member, Member], monkeypatch) -> None:
    first, second = pair
    for place in ("leases.LEASE_S", "team.LEASE_S"):
        monkeypatch.setattr(f"service.jobs.{place}", HANG_S * 10)
    second.plans.gate.set()
    job = under_way(first, second)
    first.jobs._sweeper.close()
    first.jobs._runner.stop(HANG_S)
    first.team.close()
    wait_until(lambda: second.state(job) is JobState.SUCCEEDED)
    assert second.plans.ran == [1, 2, 3]


def test_a_process_that_starts_again_finds_its_jobs_free(settings_of: Callable[..., Settings], monkeypatch) -> None:
    with member_of(settings_of("first")) as first:
        job = first.submit(b"gate")
        wait_until(lambda: first.plans.ran == [0, 1])
        first.freeze()
        for place in ("leases.LEASE_S", "team.LEASE_S"):
            monkeypatch.setattr(f"service.jobs.{place}", HANG_S * 10)
        again = settings_of("first")
        plans = FakePlans()
        plans.gate.set()
        jobs = Jobs(again, plans, Room(), allowances=lambda _job: None, metrics=Metrics())  # type: ignore[arg-type]
        jobs.start()
        wait_until(lambda: jobs.find(job.id, job.caller).state is JobState.SUCCEEDED)
        jobs.close()


def test_another_process_cancels_a_segment_under_way(pair: tuple[Member, Member]) -> None:
    first, second = pair
    job = under_way(first, second)
    second.jobs.delete(second.jobs.find(job.id, job.caller))
    wait_until(lambda: not first.team._working)  # its gate is shut: it was told
    assert first.state(job) is JobState.CANCELLED
    assert first.jobs.spool.handles() == []


def test_every_process_answers_calls_about_every_job(settings_of: Callable[..., Settings], tmp_path: Path) -> None:
    shared = {name: getattr(settings_of("first"), name) for name in ("jobs_database_url", "spool_dir")}
    with (
        serving_jobs(tmp_path / "first", **shared) as first,
        serving_jobs(tmp_path / "second", **shared) as second,
        httpx.Client(base_url=first.url) as one,
        httpx.Client(base_url=second.url) as two,
    ):
        job = submit(one, headers={"idempotency-key": "once"})
        again = two.post("/v1/jobs/audio-emotion", content=b"sound", headers={"idempotency-key": "once"})
        assert (again.status_code, again.headers["location"]) == (200, job)
        with two.stream("GET", f"{job}/events") as events:
            assert '"state":"succeeded"' in "".join(events.iter_text())
        assert ended(one, job) == ended(two, job)
        results = [client.get(f"{job}/result", headers={"x-request-id": "same"}) for client in (one, two)]
        assert results[0].status_code == 200
        assert results[0].content == results[1].content
        assert two.delete(job).status_code == 204
        assert one.get(f"{job}/result").status_code == 410


def test_each_job_is_done_once_whoever_takes_it(settings_of: Callable[..., Settings], monkeypatch) -> None:
    of = {name: settings_of(name) for name in ("first", "second")} | {"third": settings_of("third", job_workers=2)}
    for place in ("leases.LEASE_S", "team.LEASE_S"):
        monkeypatch.setattr(f"service.jobs.{place}", HANG_S)
    with (
        member_of(of["first"]) as first,
        member_of(of["second"]) as second,
        member_of(of["third"]) as third,
    ):
        team = (first, second, third)
        jobs = [team[number % 3].submit() for number in range(24)]
        wait_until(lambda: all(first.state(job) is JobState.SUCCEEDED for job in jobs))
        assert {first.lease(job) for job in jobs} == {1}
        assert sum(len(member.plans.ran) for member in team) == len(jobs) * SEGMENTS
        assert all(member.plans.ran for member in team)


def test_a_job_that_was_begun_too_often_is_given_up(pair: tuple[Member, Member], monkeypatch) -> None:
    first, second = pair
    monkeypatch.setattr("service.jobs.team.MOST_LEASES", 1)
    job = under_way(first, second)
    first.freeze()
    wait_until(lambda: second.state(job) is JobState.FAILED)
    assert second.plans.ran == []
    first.plans.gate.set()
    wait_until(lambda: not first.team._working)
    assert second.state(job) is JobState.FAILED


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"spool_dir": "other"}, "EMOSERVE_SPOOL_DIR"), ({"spool_key": "of another operator, and long enough"}, "KEY")],
)
def test_a_process_that_could_not_read_the_files_stays_out(
    settings_of: Callable[..., Settings], tmp_path: Path, changes: dict[str, str], name: str
) -> None:
    if "spool_dir" in changes:
        changes = {"spool_dir": str(tmp_path / changes["spool_dir"])}
    with member_of(settings_of("first")) as first:
        with pytest.raises(HolderRefusedError, match=name), member_of(settings_of("second", **changes)):
            pytest.fail("it is a member")
        job = first.submit()
        wait_until(lambda: first.state(job) is JobState.SUCCEEDED)


def test_jobs_of_another_database_are_left_alone(settings_of: Callable[..., Settings], tmp_path: Path) -> None:
    left = tmp_path / "spool" / "0123"
    left.mkdir(parents=True)
    os.utime(left, (0.0, 0.0))
    (tmp_path / "spool" / "database").write_text("another")
    with pytest.raises(HolderRefusedError, match="EMOSERVE_JOBS_DATABASE_URL"), member_of(settings_of("first")):
        pytest.fail("it is a member")
    assert left.is_dir()
