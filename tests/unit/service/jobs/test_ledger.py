"""The table of jobs: states go one way only, keys go with them."""

import logging
import math
import sqlite3
import threading
from contextlib import closing
from itertools import product

import pytest

from service.jobs.job import (
    NEXT,
    Job,
    JobState,
    cursor_of,
    handle_of,
    is_job_id,
    new_job_id,
    read_cursor,
    states_before,
)
from service.jobs.ledger import IdempotencyTakenError, Ledger, sqlite_engine
from service.jobs.spool import RESULT, Spool
from service.jobs.sweeper import Sweeper
from service.pipeline.audio_options import AudioOptions
from service.problems import Unprocessable
from service.settings import KeyLimits
from tests.support.clock import Clock


def cursor_at(created_s: float) -> str:
    values = {"id": "", "caller": "", "options": AudioOptions(), "size_bytes": 0, "progress": 0.0}
    return cursor_of(Job(handle="0" * 32, state=JobState.QUEUED, created_s=created_s, **values))


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture
def ledger(tmp_path, clock):
    ledger = Ledger(sqlite_engine(tmp_path / "jobs.sqlite"), clock)
    yield ledger
    ledger.close()


def make(ledger, name="job", **changes) -> Job:
    values = {
        "handle": name,
        "id": f"id-{name}",
        "caller": "anonymous",
        "options": AudioOptions(hop_s=0.5),
        "size_bytes": 10,
        "state": JobState.QUEUED,
        "progress": 0.0,
        "created_s": 1000.0,
        "job_key": b"key",
    }
    job = Job(**(values | changes))
    ledger.add(job)
    return job


def test_a_table_of_an_earlier_release_keeps_its_jobs_and_takes_new_ones(tmp_path, clock):
    path = tmp_path / "jobs.sqlite"
    ledger = Ledger(sqlite_engine(path), clock)
    before = make(ledger, "before")
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE emoserve_jobs DROP COLUMN key_limits")
    for number in range(2):  # the second time nothing is missing
        ledger = Ledger(sqlite_engine(path), clock)
        after = make(ledger, f"after-{number}", key_limits=KeyLimits(jobs=3))
        assert (ledger.find("before"), ledger.find(after.handle)) == (before, after)
        ledger.close()


def test_pages_hold_each_job_of_a_caller_once_while_others_come_and_go(ledger):
    handles = [f"{number:032x}" for number in range(7)]
    jobs = [make(ledger, handle, created_s=1000.0 + number // 3 / 3) for number, handle in enumerate(handles)]
    make(ledger, "f" * 32, caller="another", created_s=1001.0)
    newest_first = [job.handle for job in reversed(jobs)]

    def page(before, count):
        return [job.handle for job in ledger.page("anonymous", before, count)]

    assert page(None, 10) == newest_first
    seen, before = [], None
    while found := page(before, 2):
        seen += found
        last = ledger.find(found[-1])
        before = read_cursor(cursor_of(last))
        assert before == (last.created_s, last.handle)
        make(ledger, f"{100 + len(seen):032x}", created_s=2000.0)  # newer than all
        ledger.forget(last.handle)
    assert seen == newest_first


@pytest.mark.parametrize(
    "text", ["", "x" * 31, "x" * 33, "ä" * 32, "=" * 32, cursor_at(math.nan), cursor_at(-math.inf)]
)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(Unprocessable) as refused:
        read_cursor(text)
    assert refused.value.pointer == "/cursor"


MOVES = {
    JobState.RUNNING: lambda ledger: ledger.start("job"),
    JobState.SUCCEEDED: lambda ledger: ledger.succeed("job", b"result key"),
    JobState.FAILED: lambda ledger: ledger.fail("job", "media_invalid"),
    JobState.CANCELLED: lambda ledger: ledger.cancel("job"),
    JobState.EXPIRED: lambda ledger: ledger.expire("job"),
}


def test_a_job_is_found_as_it_was_written(ledger):
    job = make(ledger, idempotency="i", request_digest="d")
    assert ledger.find("job") == job
    assert ledger.find_idempotent("i") == job
    assert ledger.find("other") is ledger.find_idempotent("other") is None
    assert ledger.all() == [job]
    assert job.kind == "audio-emotion"


@pytest.mark.parametrize(("before", "after"), list(product(JobState, MOVES)))
def test_states_go_the_ways_that_are_allowed_alone(ledger, before, after):
    make(ledger, state=before, result_key=b"result key")
    MOVES[after](ledger)
    assert ledger.find("job").state is (after if after in NEXT[before] else before)


def test_every_end_destroys_the_key(ledger):
    for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED):
        make(ledger, state=JobState.RUNNING)
        MOVES[state](ledger)
        job = ledger.find("job")
        assert job.job_key is None
        assert (job.result_key is not None) == (state is JobState.SUCCEEDED)
        assert job.finished_s == 1000.0
        ledger.forget("job")


def test_a_key_that_is_destroyed_is_not_in_the_file_any_more(ledger, tmp_path):
    secret = bytes(range(100, 132))
    make(ledger, state=JobState.RUNNING, job_key=secret)
    assert secret in (tmp_path / "jobs.sqlite").read_bytes()
    ledger.cancel("job")
    assert not [path for path in tmp_path.iterdir() if secret in path.read_bytes()]


def test_states_name_where_they_come_from():
    assert states_before(JobState.RUNNING) == (JobState.QUEUED,)
    assert set(states_before(JobState.CANCELLED)) == {JobState.QUEUED, JobState.RUNNING}
    assert not any(state.is_final for state in (JobState.QUEUED, JobState.RUNNING))


def test_one_idempotency_key_is_one_job(ledger):
    make(ledger, "a", idempotency="i")
    with pytest.raises(IdempotencyTakenError):
        make(ledger, "b", idempotency="i")
    make(ledger, "c", caller="clinic")
    make(ledger, "d", state=JobState.RUNNING)
    make(ledger, "e", state=JobState.FAILED)
    assert (ledger.unfinished(), ledger.unfinished("clinic"), ledger.unfinished("nobody")) == (3, 1, 0)
    assert ledger.unfinished_by_state() == {JobState.QUEUED: 2, JobState.RUNNING: 1}


def test_a_first_start_stays(ledger, clock):
    make(ledger)
    ledger.start("job")
    clock.now += 50
    ledger.start("job")
    assert ledger.note_step("job", 0.25, "speech 1")
    assert (ledger.find("job").started_s, ledger.find("job").progress) == (1000.0, 0.25)


def test_ids_cannot_be_guessed_nor_found_from_handles():
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    for one in ids:
        assert is_job_id(one)
        assert len(handle_of(one)) == 32
        assert one not in handle_of(one)
    for other in ("", "a" * 26, "a" * 28, "../" + "a" * 24, "ä" * 27):
        assert not is_job_id(other)


@pytest.fixture
def sweep(ledger, clock, tmp_path):
    """A function that sweeps at a moment; jobs that were given up and forgotten; the spool."""
    told: list[tuple[str, str]] = []
    spool = Spool(tmp_path / "spool")
    sweeper = Sweeper(
        ledger,
        spool,
        clock,
        result_ttl_s=100.0,
        job_ttl_s=1000.0,
        give_up=lambda handle: told.append(("given up", handle)),
        forget=lambda handle: told.append(("forgotten", handle)),
        after=lambda: None,
    )

    def at(now_s):
        clock.now = now_s
        sweeper.sweep()

    return at, sweeper, told, spool


def test_results_go_after_their_time_and_jobs_after_theirs(ledger, sweep):
    at, _, told, spool = sweep
    make(ledger, state=JobState.RUNNING)
    spool.create_job("job", b"k" * 32).store(RESULT, b"content")
    ledger.succeed("job", b"key")
    at(1100.0)
    assert ledger.find("job").state is JobState.SUCCEEDED
    assert spool.handles() == ["job"]
    at(1101.0)
    assert (ledger.find("job").state, ledger.find("job").result_key) == (JobState.EXPIRED, None)
    assert spool.handles() == []
    at(2000.0)
    assert told == []
    at(2001.0)
    assert ledger.find("job") is None
    assert told == [("forgotten", "job")]


def test_jobs_that_are_never_done_are_given_up(ledger, sweep):
    at, _, told, spool = sweep
    make(ledger)
    spool.create_job("job", b"k" * 32)
    at(2000.0)
    assert told == []
    at(2001.0)
    job = ledger.find("job")
    assert (job.state, job.job_key, job.finished_s) == (JobState.EXPIRED, None, 2001.0)
    assert told == [("given up", "job")]
    assert spool.handles() == []


def test_it_looks_again_and_again_until_it_is_closed_even_after_a_failure(ledger, clock, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("service.jobs.sweeper.MOST_SECONDS_BETWEEN", 0.001)
    looks, enough = [], threading.Event()

    def look():
        looks.append(threading.current_thread())
        if len(looks) == 1:
            raise OSError("the disk is away: PatientDoe")
        if len(looks) == 3:
            enough.set()

    def nothing(_handle):
        raise AssertionError

    sweeper = Sweeper(
        ledger, Spool(tmp_path / "spool"), clock, 100.0, 1000.0, give_up=nothing, forget=nothing, after=look
    )
    with caplog.at_level(logging.ERROR, "service"):
        sweeper.start()
        assert enough.wait(10)
        sweeper.close()
    assert not looks[0].is_alive()
    assert [record.message for record in caplog.records] == ["expired jobs could not be deleted"]
    assert "PatientDoe" not in str(caplog.records[0].__dict__)


def test_files_that_belong_to_no_job_go_at_the_start(ledger, sweep):
    _, sweeper, _, spool = sweep
    for name in ("unknown", "waiting", "done", "failed"):
        job = spool.create_job(name, b"k" * 32)
        job.store("upload", b"content")
        job.store(RESULT, b"content")
    make(ledger, "waiting")
    make(ledger, "done", state=JobState.SUCCEEDED, job_key=None, result_key=b"key")
    make(ledger, "failed", state=JobState.FAILED, job_key=None)
    sweeper.sweep_folders()
    assert sorted(spool.handles()) == ["done", "waiting"]
    assert spool.open_job("waiting", b"k" * 32).has("upload")
    assert not spool.open_job("done", b"k" * 32).has("upload")
    assert spool.open_job("done", b"k" * 32).has(RESULT)


def test_uploads_to_another_service_stay_until_they_are_too_old(ledger, tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.create_job("arriving", b"k" * 32).store("upload", b"content")
    begun_s = (tmp_path / "spool" / "arriving" / "upload").stat().st_mtime
    nothing = {"give_up": lambda _handle: None, "forget": lambda _handle: None, "after": lambda: None}
    for late_s, left in ((0.0, ["arriving"]), (199.0, ["arriving"]), (201.0, [])):
        clock = Clock(begun_s + late_s)
        Sweeper(ledger, spool, clock, 100.0, 1000.0, **nothing, upload_s=100.0).sweep_folders()
        assert spool.handles() == left
