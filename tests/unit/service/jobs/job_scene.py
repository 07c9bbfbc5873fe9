"""One job on its way, at whose every line something can happen."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy as sql
from sqlalchemy.pool import StaticPool

from service.jobs import cipher, engine, live, queue, runner, waits
from service.jobs.job import JobState
from service.jobs.keys import KeyWrap
from service.jobs.ledger import Ledger
from service.jobs.live import Abandoned
from service.jobs.metrics import JobMetrics
from service.jobs.queue import JobQueue
from service.jobs.runner import JobRunner
from service.jobs.spool import Spool
from service.jobs.waits import Waits
from service.telemetry.metrics import Metrics
from tests.support.clock import Clock
from tests.support.fake_jobs import FakePart, FakePlans, Room
from tests.support.patience import HANG_S
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
        thread.join(HANG_S)
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
                other.join(HANG_S)
                assert not other.is_alive()
        return self._trace
