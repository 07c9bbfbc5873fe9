"""Leases in PostgreSQL: whose turn it is, who is gone, and whose writes count."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sql

from service.jobs import leases as module
from service.jobs.job import JobState
from service.jobs.leases import Leases
from service.jobs.ledger import JOBS, Ledger, open_ledger, postgres_address
from service.jobs.spool import Spool
from service.settings import Settings
from tests.support.clock import Clock
from tests.support.patience import HANG_S
from tests.unit.service.jobs.test_ledger import make


@dataclass
class Table:
    """A table of jobs and three holders that beat when a test says so."""

    ledger: Ledger
    leases: dict[str, Leases]
    busy: list[str] = field(default_factory=list)

    def taken(self, holder: str, count: int = 10, *, from_gone: bool = True) -> list[str]:
        """Handles of what ``holder`` takes; it never asks for what it has taken before."""
        mine = [name.removeprefix(f"{holder} ") for name in self.busy if name.startswith(f"{holder} ")]
        got = [job.handle for job in self.leases[holder].take(count, mine, from_gone=from_gone)]
        self.busy += [f"{holder} {handle}" for handle in got]
        return got

    def gone(self, holder: str) -> None:
        with self.ledger._engine.begin() as connection:
            aged = module.HOLDERS.update().where(module.HOLDERS.c.id == holder)
            connection.execute(aged.values(beat_s=module.HOLDERS.c.beat_s - 2 * module.LEASE_S - HANG_S))


@pytest.fixture
def table(settings_of: Callable[..., Settings], tmp_path: Path) -> Iterator[Table]:
    of = settings_of("table")
    ledger = open_ledger(of, Clock(1000.0))
    leases = {name: Leases(postgres_address(of), name) for name in ("a", "b", "c")}
    for each in leases.values():
        each.enter(Spool(tmp_path / "spool"), "secret")
    yield Table(ledger, leases)
    for each in leases.values():
        each.close()
    ledger.close()


def test_owners_take_turns_over_all_processes(table: Table) -> None:
    for number in range(4):
        make(table.ledger, f"many-{number}", caller="many", created_s=1000.0 + number)
    make(table.ledger, "one", caller="one", created_s=2000.0)
    make(table.ledger, "two", caller="two", created_s=1999.0)
    order = [table.taken(holder, 1)[0] for holder in ("a", "b", "c", "a", "b", "c")]
    assert order == ["many-0", "two", "one", "many-1", "many-2", "many-3"]


def test_who_was_served_longest_ago_comes_first(table: Table) -> None:
    for number in range(4):
        for owner in ("x", "y"):
            make(table.ledger, f"{owner}-{number}", caller=owner, created_s=1000.0 + number + 10 * (owner == "y"))
    order = []
    for _ in range(6):
        (handle,) = table.taken("a", 1)
        order.append(handle)
        assert table.ledger.fail(handle, "media_invalid", 1)
    assert order == ["x-0", "y-0", "x-1", "y-1", "x-2", "y-2"]


def test_only_jobs_of_holders_that_are_gone_are_taken(table: Table) -> None:
    make(table.ledger, "job")
    assert table.taken("a") == ["job"]
    assert table.taken("b") == []
    table.gone("a")
    assert table.taken("b", from_gone=False) == []
    assert table.taken("b") == ["job"]
    table.leases["a"].beat()
    assert table.leases["a"].held() == set()
    assert table.leases["b"].held() == {"job"}
    table.leases["b"].leave()
    assert table.taken("c", from_gone=False) == ["job"]


def test_of_two_that_want_the_same_job_one_gets_it(table: Table) -> None:
    for number in range(20):
        make(table.ledger, f"job-{number}")
    taken: dict[str, list[str]] = {}
    threads = [
        threading.Thread(target=lambda holder=holder: taken.update({holder: table.taken(holder, 20)}))
        for holder in table.leases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [handle for handles in taken.values() for handle in handles]
    assert sorted(got) == sorted(f"job-{number}" for number in range(20))


def test_writes_under_an_older_lease_are_refused(table: Table) -> None:
    ledger = table.ledger
    make(ledger, "job")
    table.taken("a")
    table.gone("a")
    table.taken("b")
    assert not ledger.start("job", 1)
    assert not ledger.note_step("job", 0.5, "speech 2", 1)
    assert not ledger.succeed("job", b"late", 1)
    assert not ledger.fail("job", "late", 1)
    assert ledger.note_step("job", 0.25, "speech 1", 2)
    assert ledger.start("job", 2)
    job = ledger.find("job")
    assert job is not None
    assert (job.state, job.progress, job.next_step, job.result_key) == (JobState.RUNNING, 0.25, "speech 1", None)
    assert ledger.succeed("job", b"key", 2)


def test_what_only_a_newer_release_can_do_is_left_to_it(table: Table) -> None:
    make(table.ledger, "newer")
    make(table.ledger, "older", created_s=2000.0)
    text = sql.func.replace(JOBS.c.options, '"hop_s"', '"new_option": 1, "hop_s"')
    with table.ledger._engine.begin() as connection:
        connection.execute(JOBS.update().where(JOBS.c.handle == "newer").values(options=text))
    assert table.taken("a", 1) == ["older"]
    assert [job.handle for job in table.ledger.all()] == ["newer", "older"]


def test_finished_jobs_are_nobodys(table: Table) -> None:
    make(table.ledger, "job")
    table.taken("a")
    assert table.ledger.cancel("job")
    table.gone("a")
    assert table.taken("b") == []
    assert table.leases["a"].held() == set()
    with table.ledger._engine.connect() as connection:
        assert connection.scalar(sql.select(JOBS.c.lease)) == 1
