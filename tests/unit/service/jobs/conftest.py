"""A job whose way can be disturbed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.jobs import engine, runner, spool
from tests.support import fake_jobs
from tests.unit.service.jobs.job_scene import Recording, Scene


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Scene]]:
    monkeypatch.setattr(fake_jobs, "SEGMENTS", 2)
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
