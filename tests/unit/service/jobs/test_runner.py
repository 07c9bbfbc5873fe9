"""A job is cancelled, abandoned or broken at every line of the way that it goes: nothing it held is ever kept."""

from __future__ import annotations

import itertools
import random
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from service.jobs import cipher, database, engine, files, live, queue, runner, spool, waits
from service.jobs.codec import decode
from service.jobs.files import PartFiles
from service.jobs.job import ENDED, LAST, MORE, JobState
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.live import Abandoned
from service.jobs.metrics import JobMetrics
from service.jobs.part import SPEECH
from service.jobs.queue import JobQueue
from service.jobs.runner import JobRunner
from service.jobs.spool import RESULT, Spool
from service.jobs.waits import Waits
from service.problems import Unavailable
from service.telemetry.metrics import Metrics
from tests.support import fakes
from tests.support.clock import Clock
from tests.support.fakes import FakePart, FakePlans, Room
from tests.unit.service.jobs.test_ledger import make

WAY = {module.__file__ for module in (engine, runner, live, waits, queue)}
"""Files at whose lines something happens."""


class Recording(cipher.EncryptedReader):
    """Counts how often recordings are opened and closed."""

    opened: list[int]
    closed: list[int]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.opened.append(id(self))

    def close(self) -> None:
        self.closed.append(id(self))
        super().close()


class Plans(FakePlans):
    """Remembers its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[FakePart] = []

    def make(self, *arguments: Any) -> FakePart:
        self.made.append(super().make(*arguments))
        return self.made[-1]


class Steps:
    """Stands for dbos: it runs a step, and may fail before or after one."""

    def __init__(self) -> None:
        self.calls_until_failure = -1

    def run_step(self, _options: object, step: Callable[..., str], *arguments: object) -> str:
        self._fail()
        word = step(*arguments)
        self._fail()
        return word

    def _fail(self) -> None:
        self.calls_until_failure -= 1
        if self.calls_until_failure == 0:
            raise RuntimeError("the engine cannot write it down")


class Scene:
    """One job, one place, and a thread that works on it.

    Attributes:
        lines: of :data:`WAY` that the thread came by, but for those at which it holds a lock.
    """

    def __init__(self, folder: Path) -> None:
        memory = sql.create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.ledger = Ledger(memory, Clock(1000.0))
        self.spool = Spool(folder)
        self.plans, self.queue, self.steps = Plans(), JobQueue(1), Steps()
        self.plans.gate.set()
        watch = JobMetrics(self.ledger, self.spool, Metrics())
        self.runner = JobRunner(
            self.ledger,
            self.spool,
            KeyWrap(None),
            self.plans,
            Room(),
            Waits(self.queue, lambda _job: None),
            watch,
            10,
            10,
        )
        self.lines = 0
        self._events: dict[int, list[Callable[[], None]]] = {}

    def submit(self, content: bytes = b"sound") -> None:
        """A recording becomes a job."""
        key = cipher.new_key()
        with self.spool.create_job("job", key).write_upload() as writer:
            writer.write(content)
            writer.finish()
        make(self.ledger, "job", job_key=key)
        self.queue.expect("anonymous", "job")

    def at(self, line: int, event: Callable[[], None]) -> None:
        """Have ``event`` happen in another thread when the job's thread comes to its line of that number."""
        self._events.setdefault(line, []).append(event)

    def conduct(self) -> None:
        """Work on the job until its end."""
        thread = threading.Thread(target=self._conduct)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    def delete(self) -> None:
        """As the call does it."""
        if self.ledger.cancel("job"):
            self.stop_and_destroy()

    def stop_and_destroy(self) -> None:
        """The second half of it."""
        self.runner.cancel("job")
        self.spool.destroy("job")

    @property
    def state(self) -> JobState:
        job = self.ledger.find("job")
        assert job is not None
        return job.state

    def is_clean(self) -> None:
        """Whatever the job held was given back once."""
        assert (self.queue.free, self.queue.waiting, len(self.runner._live)) == (1, 0, 0)
        assert sorted(Recording.closed) == sorted(Recording.opened)
        assert all(part.closed for part in self.plans.made)

    def _conduct(self) -> None:
        sys.settrace(self._trace)
        try:
            engine._conduct("job", self.runner.parts, self.runner.step, self.runner.leave)
        except (Abandoned, RuntimeError):
            pass
        finally:
            sys.settrace(None)

    def _trace(self, frame: FrameType, kind: str, _argument: object) -> Any:
        if frame.f_code.co_filename not in WAY:
            return None
        is_locked = self.queue._lock.locked() or self.runner._live._changed._is_owned()
        if kind == "line" and not is_locked:  # others would wait for it
            self.lines += 1
            for event in self._events.get(self.lines, ()):
                other = threading.Thread(target=event)
                other.start()
                other.join(30)
                assert not other.is_alive()
        return self._trace


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Scene]]:
    monkeypatch.setattr(fakes, "SEGMENTS", 2)
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    monkeypatch.setattr(spool, "EncryptedReader", Recording)
    monkeypatch.setattr(runner, "FIRST_WAIT_S", 0.0)
    scenes: list[Scene] = []

    def begin(content: bytes = b"sound") -> Scene:
        Recording.opened, Recording.closed = [], []
        scenes.append(Scene(tmp_path / str(len(scenes))))
        monkeypatch.setattr(engine, "DBOS", scenes[-1].steps)
        scenes[-1].submit(content)
        return scenes[-1]

    yield begin
    for each in scenes:
        each.ledger.close()


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
    assert (one.state, sum(paid)) == (JobState.SUCCEEDED, 2 * fakes.SEGMENT_MEDIA_S)


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

    for name in ("find", "start", "note_progress", "succeed", "fail"):
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
    failures, real = itertools.count(), one.ledger.note_progress

    def note_progress(*arguments: Any) -> None:
        if next(failures) == 0:
            raise OperationalError("", {}, Exception())
        real(*arguments)

    monkeypatch.setattr(one.ledger, "note_progress", note_progress)
    one.conduct()
    messages = [record.message for record in caplog.records]
    assert "a job waits for its database" in messages
    assert "a job failed" not in messages


@pytest.mark.parametrize(("before", "now", "number"), [(4, 4, 1), (4, 4, 3), (4, 2, 3), (2, 4, 1)])
def test_what_a_release_of_another_shape_wrote_is_done_again(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, before: int, now: int, number: int
) -> None:
    monkeypatch.setattr(fakes, "SEGMENTS", before)
    job = scene()
    assert [job.runner.step("job", SPEECH, each) for each in range(number)] == [MORE] * number
    job.runner.leave("job")
    monkeypatch.setattr(files, "SHAPE", "of another release")
    monkeypatch.setattr(fakes, "SEGMENTS", now)
    job.plans.ran.clear()
    words = [MORE]
    while words[-1] == MORE:
        words.append(job.runner.step("job", SPEECH, number + len(words) - 1))
    assert job.plans.ran == list(range(now))
    spool = job.spool.open_job("job", job.ledger.find("job").job_key)
    assert len(list(PartFiles(spool, SPEECH).records())) == now
    job.runner.step("job", "answer", 0)
    job.runner.leave("job")
    assert job.plans.ran == list(range(now))
    assert job.state is JobState.SUCCEEDED


def test_an_answer_of_records_of_another_shape_is_worked_for_again(scene: Callable[..., Scene], monkeypatch) -> None:
    job = scene()
    assert [job.runner.step("job", SPEECH, number) for number in range(2)] == [MORE, LAST]
    job.runner.leave("job")
    monkeypatch.setattr(files, "SHAPE", "of another release")
    assert job.runner.step("job", "answer", 0) == LAST
    job.runner.leave("job")
    assert job.plans.ran == [0, 1, 0, 1]
    assert job.state is JobState.SUCCEEDED


def test_what_this_service_cannot_do_any_more_fails(scene: Callable[..., Scene], monkeypatch) -> None:
    def parts(*_arguments: object) -> tuple[str, ...]:
        raise Unavailable("Videos cannot be judged by this service.")

    one = scene()
    monkeypatch.setattr(one.plans, "parts", parts)
    one.conduct()
    one.is_clean()
    assert one.state is JobState.FAILED
    assert one.spool.handles() == []
