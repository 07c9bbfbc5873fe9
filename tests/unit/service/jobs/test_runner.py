"""A job is cancelled, abandoned or broken at every line of the way that it goes: nothing it held is ever kept."""

import itertools
import random
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.jobs import database
from service.jobs.codec import decode
from service.jobs.job import ENDED, MORE, JobState
from service.jobs.keys import KeyWrap
from service.jobs.part import SPEECH
from service.jobs.spool import RESULT
from service.problems import Unavailable
from tests.support import fake_jobs
from tests.support.fake_jobs import FakePart
from tests.unit.service.jobs.job_scene import Recording, Scene


def lines_of(scene: Callable[..., Scene], content: bytes = b"sound") -> range:
    """The numbers of all lines of an undisturbed job."""
    undisturbed = scene(content)
    undisturbed.conduct()
    undisturbed.is_clean()
    return range(1, undisturbed.lines + 1)


@pytest.mark.parametrize(("later", "every"), [(0, 1), (5, 3), (40, 3)])
def test_a_job_that_is_deleted_at_any_line_gives_everything_back(scene: Callable[..., Scene], later, every) -> None:
    """The call's work after it has told the ledger comes up to ``later`` lines later."""
    lines = lines_of(scene)
    ends = set()
    for line in lines[::every]:
        one = scene()
        if later:
            one.at(line, lambda one=one: one.ledger.cancel("job") and None)
            one.at(line + later, one.stop_and_destroy)
        else:
            one.at(line, one.delete)
        one.conduct()
        one.is_clean()
        ends.add(one.state)
        if one.state is JobState.CANCELLED and line + later in lines:
            assert one.spool.handles() == []
    assert ends == {JobState.CANCELLED, JobState.SUCCEEDED}


def test_a_job_that_is_abandoned_at_any_line_gives_everything_back(scene: Callable[..., Scene]) -> None:
    lines = lines_of(scene)
    ends = set()
    for line in lines[::2]:
        one = scene()
        one.at(line, lambda one=one: one.runner.stop(0) and None)
        one.conduct()
        one.is_clean()
        ends.add(one.state)
    assert ends == {JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED}


@pytest.mark.parametrize("content", [b"sound", b"invalid", b"bug", b"tired"])
def test_an_engine_that_fails_at_any_step_leaves_nothing_behind(scene: Callable[..., Scene], content: bytes) -> None:
    for calls in range(1, 11):
        one = scene(content)
        one.plans.tired = 1
        one.steps.calls_until_failure = calls
        one.conduct()
        one.is_clean()


@pytest.mark.parametrize(("failures", "end"), [(3, JobState.SUCCEEDED), (99, JobState.FAILED)])
def test_a_service_that_keeps_failing_fails_the_job_after_a_few_tries(scene, failures: int, end: JobState) -> None:
    one = scene(b"tired")
    one.plans.tired = failures
    one.conduct()
    one.is_clean()
    job = one.ledger.find("job")
    assert (job.state, job.problem_code) == (end, None if failures == 3 else "inference_unavailable")
    assert one.plans.ran == [0, 1, 1, 1, 1]


def test_a_recording_is_paid_for_once_however_often_it_is_read(scene: Callable[..., Scene], monkeypatch) -> None:
    paid: list[float] = []

    class Purse:
        def collect(self, seconds: float) -> float:
            paid.append(seconds)
            return seconds

    one = scene()
    monkeypatch.setattr(one.plans, "parts", lambda _options: ("another part", SPEECH))
    monkeypatch.setattr(one.runner._waits, "_allowances", lambda _job: Purse())
    one.conduct()
    one.is_clean()
    assert (one.state, sum(paid)) == (JobState.SUCCEEDED, 2 * fake_jobs.SEGMENT_MEDIA_S)


def test_a_job_is_left_by_its_own_thread_alone(scene: Callable[..., Scene]) -> None:
    """Were it left by whoever cancels it too, both could close one descriptor, which may be another's by then."""
    one = scene()
    assert one.runner.step("job", SPEECH, 0) == MORE
    one.delete()
    assert (Recording.closed, one.queue.free) == ([], 0)
    assert one.runner.step("job", SPEECH, 1) == ENDED
    one.runner.leave("job")
    one.is_clean()
    one.runner.leave("job")
    one.is_clean()


def test_a_part_that_cannot_be_closed_keeps_no_place(scene: Callable[..., Scene], monkeypatch) -> None:
    def close(_part: FakePart) -> None:
        raise RuntimeError("it hangs")

    monkeypatch.setattr(FakePart, "close", close)
    one = scene()
    one.conduct()
    assert (one.queue.free, len(one.runner._live)) == (1, 0)
    assert Recording.closed == Recording.opened


AWAY = {
    "gone": lambda: OperationalError("", {}, Exception()),
    "busy": PoolTimeout,
    "closed": lambda: InterfaceError("", {}, Exception()),
    "failed over": lambda: InternalError("", {}, Exception("read-only transaction")),
    "locked": lambda: OperationalError("", {}, sqlite3.OperationalError("database is locked")),
}
"""Errors by which drivers tell that a database is away."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("away", AWAY)
@pytest.mark.parametrize("content", [b"sound", b"invalid"])
def test_no_error_of_the_database_ends_a_job(scene: Callable[..., Scene], monkeypatch, away, after, content) -> None:
    """Half of all calls of the ledger fail, before they are done or when their answer is on the way."""
    one = scene(content)
    monkeypatch.setattr(database, "FIRST_WAIT_S", 0.0)
    chance = random.Random(5)

    def unreliable(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            fails = chance.random() < 0.5
            if fails and not after:
                raise AWAY[away]()
            outcome = real(*arguments)
            if fails:
                raise AWAY[away]()
            return outcome

        return call

    for name in ("find", "start", "note_step", "succeed", "fail"):
        monkeypatch.setattr(one.ledger, name, unreliable(getattr(one.ledger, name)))
    one.conduct()
    one.is_clean()
    monkeypatch.undo()
    job = one.ledger.find("job")
    if content == b"invalid":
        assert (job.state, job.problem_code, one.spool.handles()) == (JobState.FAILED, "media_invalid", [])
        return
    assert (job.state, one.plans.ran) == (JobState.SUCCEEDED, [0, 1])
    key = KeyWrap(None).unwrap(job.result_key, "job")
    assert decode(one.spool.open_job("job", key).read(RESULT)) is not None


def test_a_job_that_failed_is_told_from_a_database_that_did(scene: Callable[..., Scene], monkeypatch, caplog) -> None:
    one = scene()
    monkeypatch.setattr(database, "FIRST_WAIT_S", 0.0)
    failures, real = itertools.count(), one.ledger.note_step

    def note_step(*arguments: Any) -> bool:
        if next(failures) == 0:
            raise OperationalError("", {}, Exception())
        return real(*arguments)

    monkeypatch.setattr(one.ledger, "note_step", note_step)
    one.conduct()
    messages = [record.message for record in caplog.records]
    assert "a job waits for its database" in messages
    assert "a job failed" not in messages


def test_what_this_service_cannot_do_any_more_fails(scene: Callable[..., Scene], monkeypatch) -> None:
    def parts(*_arguments: object) -> tuple[str, ...]:
        raise Unavailable("Videos cannot be judged by this service.")

    one = scene()
    monkeypatch.setattr(one.plans, "parts", parts)
    one.conduct()
    one.is_clean()
    assert one.state is JobState.FAILED
    assert one.spool.handles() == []
