"""Records that another release wrote in another shape are worked for again."""

from collections.abc import Callable

import pytest

from service.jobs import files
from service.jobs.files import PartFiles
from service.jobs.job import LAST, MORE, JobState
from service.jobs.part import SPEECH
from tests.support import fake_jobs
from tests.unit.service.jobs.job_scene import Scene


@pytest.mark.parametrize(("before", "now", "number"), [(4, 4, 1), (4, 4, 3), (4, 2, 3), (2, 4, 1)])
def test_what_a_release_of_another_shape_wrote_is_done_again(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, before: int, now: int, number: int
) -> None:
    monkeypatch.setattr(fake_jobs, "SEGMENTS", before)
    job = scene()
    assert [job.runner.step("job", SPEECH, each) for each in range(number)] == [MORE] * number
    job.runner.leave("job")
    monkeypatch.setattr(files, "SHAPE", "of another release")
    monkeypatch.setattr(fake_jobs, "SEGMENTS", now)
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
