"""Notices of jobs of several services that are killed: none is lost, and a repeat has the id of the first."""

import contextlib
import json
import os
import random
import signal
import threading
from pathlib import Path

import httpx
import psutil
import pytest
import sqlalchemy as sql

from tests.plain_wav import wav
from tests.support.job_program import JobProgram, team
from tests.support.patience import wait_until
from tests.support.postgres import Cluster
from tests.support.receiver import Notice, receiving
from tests.unit.service.jobs.test_long_audio import talk

JOBS = 30


def ask(cluster: Cluster, text: str) -> int:
    """Number of rows that a statement changes or counts."""
    with sql.create_engine(cluster.url.replace("postgresql", "postgresql+psycopg", 1)).begin() as connection:
        return connection.execute(sql.text(text)).rowcount


def untold(cluster: Cluster) -> int:
    return ask(cluster, "SELECT 1 FROM emoserve_jobs WHERE callback IS NOT NULL")


def test_notices_come_from_another_service_when_their_sender_is_killed(
    cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    """It is killed with one notice in hand, after one that was not taken, and during a job that is not done."""
    killed, taken = threading.Event(), []

    def answer(notice: Notice) -> int:
        killed.wait()
        taken.append(notice.id)
        return 204

    with receiving(answer) as receiver:
        receiver.statuses.append(503)
        first, second = team(tmp_path, models, settings | receiver.settings, 2)
        with first:
            told = [first.submit("audio-emotion", wav(talk(2.0)), callback=receiver.address) for _ in range(2)]
            first.wait(lambda: len({notice.id for notice in receiver.seen}) == len(told))
            under_way = first.submit("audio-emotion", wav(talk(120.0)), hop_s="0.05", callback=receiver.address)
            first.wait(lambda: first.state(under_way)["state"] != "queued")
        before = {notice.id for notice in receiver.seen}
        killed.set()
        wait_until(lambda: len(taken) == len(receiver.seen) - 1)  # nobody reads these answers
        taken.clear()
        with second:
            ask(cluster, "UPDATE emoserve_jobs SET callback_due_s = callback_due_s - 60")  # as if a minute had passed
            assert second.finished(under_way)["state"] == "succeeded"
            second.wait(lambda: not untold(cluster))
    assert before < set(taken)
    assert len(taken) == len(set(taken)) == 3
    assert len({(notice.id, notice.body) for notice in receiver.seen}) == 3, "a repeat says the same"


class Senders:
    """Services that send notices, of which some are killed: at any moment, before a notice, and with one in hand.

    Attributes:
        services: of processes of their own.
        killed: processes that were killed.
        sent: id, sender and whether it was taken, of each notice in the order in which they came.
    """

    def __init__(self, cluster: Cluster, services: list[JobProgram], chance: random.Random) -> None:
        self.services = services
        self.killed: set[int] = set()
        self.sent: list[tuple[str, int, bool]] = []
        self._database = sql.create_engine(cluster.url.replace("postgresql", "postgresql+psycopg", 1))
        self._chance = chance
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def answer(self, notice: Notice) -> int:
        """The first of each id is refused sometimes, and its sender killed sometimes."""
        process = self._process(notice.port)
        with self._lock:
            is_first = notice.id not in {name for name, *_ in self.sent}
            status = self._chance.choice([204, 204, 503]) if is_first else 204
            self.sent.append((notice.id, process, status == 204))
            if is_first and process and self._chance.random() < 0.3:
                self._kill(process)
        return status

    def kill_some(self) -> None:
        """Kill whoever ended a job and has not told of it, one time in two; any other now and then."""
        asked = sql.text(
            "SELECT handle, holder FROM emoserve_jobs "
            "WHERE callback IS NOT NULL AND finished_s IS NOT NULL AND callback_due_s IS NULL"
        )
        with self._database.connect() as connection:
            ended = [(handle, holder) for handle, holder in connection.execute(asked) if handle not in self._seen]
        for service in self._alive():
            name = (service.state_dir / "holder").read_text()
            was_last = any(holder == name for _, holder in ended)
            if self._chance.random() < (0.5 if was_last else 0.002):
                self._kill(service.process.pid)
        self._seen |= {handle for handle, _ in ended}

    def revive(self) -> None:
        """Start again what was killed."""
        for service in self.services:
            if service.process is None or service.process.poll() is not None:
                service.kill()
                service.start()

    def _alive(self) -> list[JobProgram]:
        return [one for one in self.services if one.process is not None and one.process.poll() is None]

    def _kill(self, process: int) -> None:
        self.killed.add(process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def _process(self, port: int) -> int:
        """Process of the service whose connection has this port; 0 where it was killed just now."""
        for service in self._alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                connections = psutil.Process(service.process.pid).net_connections("tcp4")
                if any(one.laddr.port == port for one in connections):
                    return service.process.pid
        return 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thirty_notices_of_three_services_that_are_killed_at_any_moment(
    cluster: Cluster, models: str, settings: dict[str, str], tmp_path: Path
) -> None:
    """Each job is told of; again only if the notice was not taken, or whoever sent it was killed."""
    chance, pause, addresses = random.Random(11), threading.Event(), []
    with receiving() as receiver:
        services = team(tmp_path, models, settings | receiver.settings, 3)
        senders = Senders(cluster, services, chance)
        receiver.answer = senders.answer
        with services[0], services[1], services[2]:
            while len(addresses) < JOBS or untold(cluster):
                senders.revive()
                if len(addresses) < JOBS:
                    with contextlib.suppress(httpx.TransportError):  # it was killed just now
                        body, asked = wav(talk(chance.uniform(2, 30))), {"callback": receiver.address}
                        addresses.append(services[chance.randrange(3)].submit("audio-emotion", body, **asked))
                senders.kill_some()
                pause.wait(0.05)
            senders.revive()
            pause.wait(3.0)  # each that lives looks again: there must be nothing more to tell
    told = {json.loads(notice.body)["data"]["id"] for notice in receiver.seen}
    assert {address.removeprefix("/v1/jobs/") for address in addresses} <= told
    before: dict[str, tuple[int, bool]] = {}
    for name, process, taken in senders.sent:
        earlier, was_taken = before.get(name, (0, False))
        assert not was_taken or earlier in senders.killed or not earlier, "told twice by services that live"
        before[name] = (process, taken)
    assert len(senders.killed) >= JOBS / 5
    assert "a job failed" not in "".join(service.log_path.read_text() for service in services)
