"""Turns of accounts, and that the queues take them."""

import asyncio
import threading

import pytest

from service.http.work_pool import OTHERS, WorkPool
from service.pipeline.device.account import Unlimited, charged_to, current_account
from service.pipeline.device.batch import Batcher
from service.pipeline.device.fair_round import FairRound
from service.pipeline.video.relay import Relay
from tests.support.patience import HANG_S, wait_until
from tests.support.work import patient


def test_parties_take_turns_and_members_within_them():
    fair: FairRound[str] = FairRound()
    for member in ("a1", "a2", "a3"):
        fair.add("a", member)
    fair.add("b", "b1")
    assert [fair.next() for _ in range(6)] == ["a1", "b1", "a2", "b1", "a3", "b1"]
    assert (len(fair), fair.turns) == (4, 6)
    assert sorted(fair) == ["a1", "a2", "a3", "b1"]


def test_who_leaves_has_no_turn():
    fair: FairRound[str] = FairRound()
    fair.add("a", "a1")
    fair.add("b", "b1")
    assert fair.remove("a1")
    assert not fair.remove("a1")
    assert [fair.next(), fair.next()] == ["b1", "b1"]
    fair.clear()
    assert not fair
    assert fair.turns == 0
    with pytest.raises(KeyError):
        fair.next()


def test_an_account_follows_its_work_into_other_threads():
    seen = []
    with (
        charged_to(Unlimited("clinic")),
        Relay(lambda items: seen.append(current_account().name), capacity=1, name="test") as relay,
    ):
        relay.put(1)
    assert seen == ["clinic"]
    assert current_account().name == "anonymous"

    async def submit() -> str:
        with charged_to(Unlimited("clinic")):
            forever = asyncio.Event()
            return await pool.run(lambda _: current_account().name, deadline_s=5, client_gone=forever.wait())

    pool = WorkPool(1)
    assert asyncio.run(submit()) == "clinic"
    pool.close()


def test_fifty_requests_of_one_do_not_starve_the_single_one_of_another():
    began: list[str] = []
    gate = threading.Event()

    async def submit(name: str) -> None:
        def work(_: object) -> None:
            began.append(name)
            gate.wait(HANG_S)

        with charged_to(Unlimited(name)):
            await pool.run(work, deadline_s=HANG_S, client_gone=asyncio.Event().wait())

    async def crowd() -> None:
        names = [f"busy-{number}" for number in range(1 + OTHERS)] + ["many"] * 50 + ["single"]
        tasks = [asyncio.create_task(submit(name)) for name in names]
        while pool.unfinished < len(names):
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.gather(*tasks)

    pool = WorkPool(1)
    asyncio.run(crowd())
    pool.close()
    assert began.index("single") <= 1 + OTHERS + 2


def test_who_fills_all_threads_with_long_work_leaves_some_to_others():
    gate, served = threading.Event(), threading.Event()

    async def submit(name: str, work) -> None:
        with charged_to(Unlimited(name)):
            await pool.run(work, deadline_s=HANG_S, client_gone=asyncio.Event().wait())

    async def scene() -> None:
        many = [asyncio.create_task(submit("many", lambda _: gate.wait(HANG_S))) for _ in range(10)]
        while pool.unfinished < 10:
            await asyncio.sleep(0.001)
        await submit("single", lambda _: served.set())  # comes back although the gate is closed
        assert pool._running["many"] == 2
        gate.set()
        await asyncio.gather(*many)

    pool = WorkPool(2)
    asyncio.run(scene())
    pool.close()
    assert served.is_set()
    assert pool.wait_idle(HANG_S)
    wait_until(lambda: not pool._running)


def test_the_device_takes_accounts_in_turn():
    order: list[str] = []
    busy, gate = threading.Event(), threading.Event()

    class Runner:
        max_batch = 1

        def key(self, unit: str) -> int:
            return 0

        def run(self, units):
            busy.set()
            gate.wait(HANG_S)
            order.extend(units)
            return units

    def submit(name: str, units: list[str]) -> None:
        with charged_to(Unlimited(name)):
            batcher.run(runner, units, patient())

    batcher, runner = Batcher(1), Runner()
    threads = [threading.Thread(target=submit, args=("many", [f"m{number}"])) for number in range(20)]
    threads.append(threading.Thread(target=submit, args=("single", ["s0", "s1"])))
    for thread in threads:
        thread.start()
    assert busy.wait(HANG_S)
    wait_until(lambda: batcher.waiting == 21)
    gate.set()
    for thread in threads:
        thread.join(HANG_S)
    batcher.close()
    assert max(order.index("s0"), order.index("s1")) <= 4


def test_work_that_waits_is_dropped_when_the_pool_closes():
    gate, began, done = threading.Event(), threading.Event(), []

    def wait(_: object) -> None:
        began.set()
        gate.wait(HANG_S)
        done.append(1)

    async def scene() -> None:
        staying = [asyncio.Event().wait() for _ in range(3)]
        tasks = [asyncio.create_task(pool.run(wait, deadline_s=HANG_S, client_gone=one)) for one in staying]
        while pool.unfinished < 3 or not began.is_set():
            await asyncio.sleep(0.001)
        pool.close()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 2

    pool = WorkPool(1)
    asyncio.run(scene())
    assert pool.wait_idle(HANG_S)
    assert done == [1]
