"""The engine of jobs: it rests without jobs, begins the next one, and takes up what earlier releases left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dbos import DBOS, SetWorkflowID

from service.jobs.engine import FORMER_QUEUE, EngineClosedError, JobEngine
from service.jobs.job import LAST, MORE, Standing
from tests.support.patience import HANG_S, wait_until


@dataclass
class Scene:
    """An engine whose steps wait for ``gate``; handles as their jobs were left."""

    url: str
    gate: threading.Event = field(default_factory=threading.Event)
    steps: list[tuple[str, int]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = JobEngine(self.url, 8, lambda _handle: ["part"], self.step, self.left.append)

    def step(self, handle: str, _part: str, number: int) -> str:
        self.steps.append((handle, number))
        assert self.gate.wait(HANG_S)
        return MORE if number == 0 else LAST


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(f"sqlite:///{tmp_path / 'workflows.sqlite'}")
    yield scene
    scene.gate.set()
    scene.engine.close()


def looks() -> list[str]:
    """Threads that ask the database for work."""
    return [thread.name for thread in threading.enumerate() if "queue" in thread.name or "dbos" in thread.name]


def test_the_engine_rests_and_begins_the_next_job(scene: Scene) -> None:
    scene.gate.set()
    for handle in ("first", "second", "third"):
        scene.engine.submit(handle)
        wait_until(lambda handle=handle: handle in scene.left)
        wait_until(lambda: not scene.engine._attended)
        assert looks()
        scene.engine.rest(lambda: True)
        wait_until(lambda: not looks())
    assert scene.steps == [(handle, number) for handle in scene.left for number in (0, 1)]
    assert scene.engine.standing("first") is Standing.BROKEN_OFF  # its workflow has ended
    scene.engine.rest(lambda: True)
    scene.engine.forget("first")
    assert scene.engine.standing("first") is Standing.UNKNOWN


def test_the_engine_does_not_rest_while_there_are_jobs(scene: Scene) -> None:
    scene.engine.rest(lambda: False)
    assert looks()
    scene.engine.submit("job")
    wait_until(lambda: scene.steps)
    scene.engine.rest(lambda: True)  # as of a job that was cancelled, whose step has not ended
    assert looks()
    scene.gate.set()
    wait_until(lambda: scene.left == ["job"])


def test_a_job_is_begun_once(scene: Scene) -> None:
    scene.engine.submit("job")
    wait_until(lambda: scene.steps)
    scene.engine.submit("job")
    scene.gate.set()
    wait_until(lambda: scene.left == ["job"])
    scene.engine.submit("job")
    wait_until(lambda: not scene.engine._attended)
    assert scene.steps == [("job", 0), ("job", 1)]


def test_jobs_in_the_queue_of_an_earlier_release_continue(scene: Scene) -> None:
    scene.gate.set()
    with SetWorkflowID("old"):
        DBOS.enqueue_workflow(FORMER_QUEUE, scene.engine._workflow, "old")
    wait_until(lambda: scene.left == ["old"])


def test_a_closed_engine_takes_no_job(scene: Scene) -> None:
    scene.engine.close()
    with pytest.raises(EngineClosedError):
        scene.engine.submit("late")
    scene.engine = JobEngine(scene.url, 8, lambda _handle: ["part"], scene.step, scene.left.append)
